"""Classes of the sources of a comparison: named alike, and what becomes of those that not all have, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from famous.io.grids import OBJECT
from famous.io.truth_classes import match_class, without_number
from famous.io.truths import Truth
from famous.report.colours import FIXED, usual_name


def name_alike(truths: Sequence[Truth]) -> tuple[list[Truth], list[str]]:
    """Give labels and boxes that name no class the class that is meant, and say what was done.

    It is the one that the file is called by, where another source has it; else the one that all others have, where
    each of them has one. Datasets that are called each as no other source's class are of one class, too: where all are
    called by the same common organelle (`mito.tif` in a folder for each expert) it is that.
    """
    notes: list[str] = []
    named = []
    for truth in truths:
        others = {name for other in truths if other is not truth for name in names_of(other)} - {OBJECT}
        renamed = truth
        if truth.stem is not None and len(truth.classes) == 1:
            heard: list[str] = []
            name = match_class(without_number(truth.stem)[0], sorted(others), heard)
            if name in others and names_of(truth) != [name]:
                renamed = _renamed(truth, name)
                notes += [f"{truth.name}: {note}" for note in heard]
        named.append(renamed)
    names = {name for truth in named for name in names_of(truth)} - {OBJECT}
    if any(len(names_of(truth)) != 1 for truth in named):
        return named, notes
    if len(names) > 1 and all(truth.stem is not None for truth in named):
        return [_renamed(truth, OBJECT) for truth in named], notes
    if not names and (organelle := _organelle(truths)) is not None:
        stems = dict.fromkeys(truth.stem for truth in truths if truth.stem is not None)
        notes.append(f"labels that name no class are called {_listed(list(stems))}; they are taken as {organelle}")
        return [_renamed(truth, organelle) for truth in named], notes
    if len(names) == 1:
        (name,) = names
        for k, truth in enumerate(named):
            if names_of(truth) == [OBJECT]:
                named[k] = _renamed(truth, name)
                notes.append(f"{truth.name}: its labels name no class; they are taken as {name}")
    return named, notes


def _organelle(truths: Sequence[Truth]) -> str | None:
    """Return the common organelle that the files of all sources are called by, if it is one."""
    meant = set()
    for truth in truths:
        name, _ = without_number(truth.stem or "")
        meant.add(match_class(usual_name(name), list(FIXED), []))
    organelle = meant.pop()
    return organelle if not meant and organelle in FIXED else None


def names_of(truth: Truth) -> list[str]:
    """Return the classes that a source has, those of boxes sorted."""
    return list(truth.classes) if truth.boxes is None else sorted(map(str, truth.boxes["class_name"].unique()))


def _renamed(truth: Truth, name: str) -> Truth:
    """Return a source of one class with that class under another name."""
    if truth.boxes is not None:
        return replace(truth, boxes=truth.boxes.assign(class_name=name).astype({"class_name": "str"}))
    (volume,) = truth.classes.values()
    return replace(truth, classes={name: volume}, is_semantic=frozenset({name}) if truth.is_semantic else frozenset())


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
