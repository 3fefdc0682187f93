"""Phantom cells with exact truth, for tests, documentation, the demo and benchmarks."""

from famous.synthetic.bodies import ball, bridge, crossing_tubes, gap, rejoining_split, touching_pair
from famous.synthetic.params import CLASS_NAMES, SAMPLE, PhantomParams
from famous.synthetic.phantom import Phantom

__all__ = [
    "CLASS_NAMES",
    "SAMPLE",
    "Phantom",
    "PhantomParams",
    "ball",
    "bridge",
    "crossing_tubes",
    "gap",
    "rejoining_split",
    "touching_pair",
]
