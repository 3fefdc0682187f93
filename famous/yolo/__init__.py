"""The ultralytics detector: training, and running it on the fastest runtime there is."""
