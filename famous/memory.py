"""What a long process must do to stay small."""

import ctypes
import gc
import sys


def give_memory_back() -> None:
    """Collect garbage, and let glibc return what is free; it would keep it, in pieces, and need more and more."""
    gc.collect()
    trim_heap()


def trim_heap() -> None:
    """Let glibc return what is free already."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # musl has none
        trim(0)
