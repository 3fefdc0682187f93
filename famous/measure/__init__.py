"""One row of numbers per instance."""
