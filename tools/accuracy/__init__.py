"""What `tools/bench_accuracy.py` measures: recipes on true boxes, and whole ways from few labelled slices."""
