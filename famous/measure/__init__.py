"""One row per instance, one file a family of columns."""

from famous.measure.morphology import measure_instance

__all__ = ["measure_instance"]
