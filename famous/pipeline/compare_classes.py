"""Classes that not all sources of a comparison have, and what becomes of them, in words."""

from collections.abc import Mapping, Sequence


def one_sided(
    classes: Mapping[str, Sequence[str]], chosen: Sequence[str] = (), *, is_none_drawn: bool = False
) -> list[str]:
    """Say which classes not all sources have, and what becomes of them.

    Parameters
    ----------
    classes
        Source → its classes; the first source is pred.
    chosen
        The classes that the user asked for; none: all.
    is_none_drawn
        Whether a truth that has none of a class says that there is none of it, as boxes do; else it says nothing of it.
    """
    (pred, found), *others = classes.items()
    drawn = list(dict.fromkeys(name for _, own in others for name in own))
    notes = []
    left = [name for name in found if name not in drawn and (not chosen or name in chosen)]
    if left:
        nobody = "no truth has" if len(others) > 1 else f"{others[0][0]} does not have"
        are = "they are" if len(left) > 1 else "it is"
        notes.append(f"{pred} has {_listed(left)}, which {nobody}: {are} left out")
    by_owners: dict[tuple[str, ...], list[str]] = {}
    for name in drawn:
        if not chosen or name in chosen:
            owners = (*([pred] if name in found else []), *(truth for truth, own in others if name in own))
            by_owners.setdefault(owners, []).append(name)
    for owners, names in by_owners.items():
        if len(owners) == len(classes):
            continue
        are, all_of = ("is", "its") if len(names) == 1 else ("are", "their")
        missed = f", so that all of {all_of} objects count as missed by {pred}" if pred not in owners else ""
        lacking = [truth for truth, _ in others if truth not in owners and not is_none_drawn]
        apart = f"; {'it' if len(names) == 1 else 'they'} cannot be compared with {_listed(lacking)}" if lacking else ""
        if missed or apart:
            notes.append(f"{_listed(names)} {are} in {_listed(owners)} only{missed}{apart}")
    return notes


def _listed(names: Sequence[str]) -> str:
    """Write names in a row: a, b and c."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
