"""One row per instance, one file a family of columns."""

from famous.measure.further import MeasureParams, measure_further
from famous.measure.morphology import measure_instance

__all__ = ["MeasureParams", "measure_further", "measure_instance"]
