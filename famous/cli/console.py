"""What a command says: its answer on stdout, as lines for people or as one JSON document; notes on stderr."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    import pandas as pd

out = Console(soft_wrap=True, highlight=False, emoji=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


@dataclass(frozen=True)
class Answer:
    """The outcome of a command.

    Parameters
    ----------
    data
        For scripts. Numbers have their unit in the key, as in the tables; `files` lists the files that were made, or
        are there because the stage was done before; `paths` names the places of a whole run.
    lines
        For people.
    """

    data: Mapping[str, Any]
    lines: tuple[str, ...]

    def say(self, as_json: bool) -> None:
        """Print it on stdout; JSON is one document, in ASCII, without NaN."""
        if as_json:
            out.print(json.dumps(_plain(self.data), indent=1, allow_nan=False), markup=False)
            return
        for line in self.lines:
            out.print(line, markup=False)


def note(texts: Iterable[str]) -> None:
    """Print notes on stderr."""
    for text in texts:
        err.print(f"note: {text}", markup=False)


def count(names: "pd.Series") -> dict[str, int]:
    """Class → how often it occurs, by name."""
    return {str(name): int(number) for name, number in names.value_counts().sort_index().items()}


def _plain(value: Any) -> Any:
    """Turn paths, tuples, dataclasses and numpy's scalars into what JSON knows; what is no finite number is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, PurePath):
        return str(value)
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
