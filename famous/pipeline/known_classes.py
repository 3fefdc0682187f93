"""Class names in the configuration: those that nobody knows are refused, or noted where they do no harm."""

import difflib
from collections.abc import Collection
from pathlib import Path

from famous.config import Config
from famous.errors import ConfigError
from famous.pipeline.project import Project
from famous.pipeline.train import read_annotations
from famous.yolo.card import read_card


def check_classes(project: Project, weights: Path) -> list[str]:
    """Check the classes that the configuration names; returns notes on those that are set up but will stay empty.

    Known is what the detector in the folder `weights` finds, and what is labelled or listed for labelling, trained or
    not.

    Raises
    ------
    ConfigError
        If `extract.exclusive` or `measure.inside` names a class that is neither known nor in `classes`.
    """
    config = project.config
    if not (config.classes or config.extract.exclusive or config.measure.inside):
        return []
    labelled = read_annotations(project)
    known = tuple(dict.fromkeys([*read_card(weights).class_names, *(labelled.classes if labelled is not None else ())]))
    refuse_unknown(config, tuple(dict.fromkeys([*known, *config.classes])))
    unknown = [name for name in config.classes if name not in known]
    if not unknown:
        return []
    listed = ", ".join(f"{name!r}{meant(name, known)}" for name in unknown)
    return [
        f"classes: neither the detector nor the labelled boxes have {listed}, so nothing will be found of "
        f"{'it' if len(unknown) == 1 else 'them'}; they have {', '.join(known) or 'no class'}"
    ]


def refuse_unknown(config: Config, known: Collection[str]) -> None:
    """Raise ConfigError where a group of classes, or a class inside another, has a name that is not known."""
    named = [
        (f"extract.exclusive[{number}][{place}]", name)
        for number, group in enumerate(config.extract.exclusive)
        for place, name in enumerate(group)
    ]
    named += [("measure.inside", name) for pair in config.measure.inside.items() for name in pair]
    for path, name in named:
        if name not in known:
            raise ConfigError(
                f"{path}: found {name!r}{meant(name, known)}, expected one of {', '.join(known)}; "
                "neither the detector, nor the labelled boxes, nor `classes` has it"
            )


def meant(name: str, known: Collection[str]) -> str:
    """Say which class is probably meant, in brackets after a name; nothing where none is like it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
