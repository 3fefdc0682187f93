"""Connected pieces of a label volume as instances of their own, found in sight of the user."""

import numpy as np
from numpy.typing import NDArray

from famous.pieces import PieceVolume, find_pieces
from famous.pipeline.stage import Session
from famous.stack import LazyVolume


def split_pieces(volume: LazyVolume, session: Session) -> tuple[PieceVolume, NDArray[np.uint64]]:
    """Find the pieces of a volume; returns it with them as labels, and the id that each of them had, 0 for 0."""
    session.reporter.begin("split", volume.shape[0])
    pieces, origins = find_pieces(volume, session.reporter.advance)
    session.reporter.end("split", f"{len(origins) - 1:,} pieces")
    return pieces, origins
