"""Which slices to label: few, spread over z, at random places."""


def propose_slices(n_slices: int, *, seed: str) -> tuple[int, ...]:
    """Return rising slices: 1 % of the stack, at least 20, all where there are fewer.

    The stack is cut into as many strata of equal depth; one slice is drawn in each. One `seed` (such as the stack's name
    and shape) always gives the same slices.
    """
    raise NotImplementedError
