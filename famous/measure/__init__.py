"""One row per instance, one file a family of columns."""
