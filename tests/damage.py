"""Files that are cut short, changed in places, or lie: what every reader has to answer with a clear message."""

import itertools
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from famous.errors import InputError

_COUNT = itertools.count()
MOST_BYTES = 64 << 20  # that reading a damaged file of a few kB may take

fuzzing = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def damages(draw: Any) -> Callable[[bytes], bytes]:
    """A way to damage a file: cut anywhere, or change up to eight bytes, most of them in the header."""
    if draw(st.booleans()):
        part = draw(st.floats(0, 1, exclude_max=True))
        return lambda content: content[: int(part * len(content))]
    places = draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
    head = draw(st.booleans())

    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        for part, value in places:
            changed[int(part * (min(len(content), 400) if head else len(content)))] = value
        return bytes(changed)

    return change


def survive(read: Callable[[Path], object], whole: Path, damage: Callable[[bytes], bytes]) -> None:
    """Read a damaged copy: a result or an InputError that names it, and little memory."""
    copy = whole.with_name(f"damaged{next(_COUNT)}{''.join(whole.suffixes)}")
    copy.write_bytes(damage(whole.read_bytes()))
    tracemalloc.start()
    try:
        read(copy)
    except InputError as fault:
        assert copy.name.split(".")[0] in str(fault)  # noqa: PT017 - a message is one of two right answers
        assert "Traceback" not in str(fault)  # noqa: PT017
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        copy.unlink()
    assert peak < MOST_BYTES


def every_slice(volume: Any) -> np.ndarray:
    """Read a lazy volume whole, if it is small, else its first slices."""
    return np.stack([np.asarray(volume[z]) for z in range(min(volume.shape[0], 200))])
