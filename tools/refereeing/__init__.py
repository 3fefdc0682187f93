"""What `tools/bench_referee.py` is made of: class and data set pairs, recipes that are known to be bad, and the fit."""
