"""From boxes in slices to instances in the stack: `overlap.link` (default) and `centre.link` (the paper's)."""

from famous.link.overlap import OverlapParams, link, prune
from famous.link.slices import slice_overlaps

__all__ = ["OverlapParams", "link", "prune", "slice_overlaps"]
