"""Phantom cells with exact truth, for tests, documentation, the demo and benchmarks."""

from famous.synthetic.params import CLASS_NAMES, PhantomParams
from famous.synthetic.phantom import Phantom

__all__ = ["CLASS_NAMES", "Phantom", "PhantomParams"]
