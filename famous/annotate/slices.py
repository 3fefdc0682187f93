"""Which slices to label: few, spread over z, at random places."""

import hashlib

import numpy as np

SHARE = 0.01  # of the stack
AT_LEAST = 20


def propose_slices(n_slices: int, *, seed: str) -> tuple[int, ...]:
    """Return rising slices: 1 % of the stack, at least 20, all where there are fewer.

    The stack is cut into as many strata of (almost) equal depth; one slice is drawn in each: nothing periodic in z can
    hide, and no long stretch stays unseen. One `seed` (such as the stack's name and shape) always gives the same
    slices, on every machine.
    """
    count = min(n_slices, max(AT_LEAST, -(-n_slices // round(1 / SHARE))))
    if count <= 0:
        return ()
    borders = [n_slices * k // count for k in range(count + 1)]
    words = np.frombuffer(hashlib.sha256(seed.encode()).digest(), dtype="<u4")
    draw = np.random.Generator(np.random.PCG64(words.tolist()))
    shares = draw.random(count)
    return tuple(
        start + int((stop - start) * share) for start, stop, share in zip(borders, borders[1:], shares, strict=False)
    )
