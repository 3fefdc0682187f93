"""Where each id of a label volume lies: one pass through its slices."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from famous.parallel import map_in_order, open_executor
from famous.pipeline.parts import blocks
from famous.pipeline.stage import Session
from famous.stack import LazyVolume

BLOCK = 32  # slices that are looked at in one go
COLUMNS = 8  # low z y x, high z y x, slices, voxels


@dataclass(frozen=True)
class Spans:
    """Ids (n,), rising, and a row (n, 8) of each: lowest and highest index (z, y, x), its slices and its voxels."""

    ids: NDArray[np.uint64]
    rows: NDArray[np.int64]

    @classmethod
    def empty(cls) -> "Spans":
        """Return spans of no id."""
        return cls(np.zeros(0, dtype=np.uint64), np.zeros((0, COLUMNS), dtype=np.int64))

    @classmethod
    def joined(cls, parts: Iterable["Spans"]) -> "Spans":
        """Put parts together; an id may be in several."""
        listed = [cls.empty(), *parts]
        ids, rows = (np.concatenate([getattr(part, name) for part in listed]) for name in ("ids", "rows"))
        return _fold(ids, rows)


def _fold(ids: NDArray[np.uint64], rows: NDArray[np.int64]) -> Spans:
    """Make one row of the rows of each id."""
    if len(ids) == 0:
        return Spans.empty()
    order = np.argsort(ids, kind="stable")
    ids, rows = ids[order], rows[order]
    starts = np.append(0, np.flatnonzero(ids[1:] != ids[:-1]) + 1)
    low = np.minimum.reduceat(rows[:, :3], starts)
    high = np.maximum.reduceat(rows[:, 3:6], starts)
    return Spans(ids[starts], np.concatenate([low, high, np.add.reduceat(rows[:, 6:], starts)], axis=1))


def spans_of(image: NDArray[np.uint64] | NDArray[np.uint32], z: int) -> Spans:
    """Find the ids of one slice, (y, x); 0 is background."""
    flat = image.ravel()
    width = image.shape[1]
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    ends = np.append(starts[1:], flat.size)
    ids = flat[starts].astype(np.uint64)
    kept = ids > 0
    ids, starts, ends = ids[kept], starts[kept], ends[kept]
    (y0, x0), (y1, x1) = np.divmod(starts, width), np.divmod(ends - 1, width)
    turns = y0 < y1  # a run may go on in the next line
    x0, x1 = np.where(turns, 0, x0), np.where(turns, width - 1, x1)
    layer = np.full(len(ids), z)
    slices = np.zeros(len(ids), dtype=np.int64)
    found = _fold(ids, np.stack([layer, y0, x0, layer, y1, x1, slices, ends - starts], axis=1))
    found.rows[:, 6] = 1
    return found


@dataclass(frozen=True)
class BlockScanner:
    """Finds the ids of a range of slices; picklable."""

    volume: LazyVolume

    def __call__(self, block: range) -> Spans:
        """Read the slices one by one."""
        return Spans.joined(spans_of(self.volume[z], z) for z in block)


def scan_slices(volume: LazyVolume, session: Session) -> Spans:
    """Find the ids of a volume; the session says how many processes share the slices."""
    session.reporter.begin("scan", volume.shape[0])
    found = Spans.empty()
    work = blocks(volume.shape[0], BLOCK)
    with open_executor(session.jobs, scheduler=session.scheduler) as executor:
        parts = map_in_order(executor, BlockScanner(volume), work, ahead=max(1, 2 * session.jobs))
        for block, part in zip(work, parts, strict=True):
            found = Spans.joined((found, part))
            session.reporter.advance(len(block))
    session.reporter.end("scan", f"{len(found.ids):,} ids in {volume.shape[0]:,} slices")
    return found
