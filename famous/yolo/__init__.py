"""The detector's room: a `famous.detect.Detector` backed by ultralytics, its training, and what both leave on disk."""
