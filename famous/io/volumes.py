"""Label volumes: the store of a run, label volumes of any format, and label TIFFs for Fiji."""

from famous.io.label_store import LabelStore

__all__ = ["LabelStore"]
