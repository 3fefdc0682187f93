"""Which slice an image file is: by the stack's own slice file names, or by the number in the name."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from famous.errors import InputError
from famous.io.annotations.rows import check_slice, whole


class SliceFinder:
    """Finds the slice z of a file name, and the name of a slice.

    With `names` (the stack's slice files, in order) a name is looked up, its folder and ending left out where need be.
    Without them, or where `first` is given, the last whole number in the name counts, `first` (or 0) being slice 0.
    """

    def __init__(self, shape: tuple[int, int, int], names: Sequence[str] | None, first: int | None = None) -> None:
        if names is not None and len(names) != shape[0]:
            raise InputError(f"slice names: found {len(names)} names, expected {shape[0]}, one a slice")
        self.shape = shape
        self.names = None if names is None else [base_name(name) for name in names]
        self.first = first
        self._full: dict[str, int] = {}
        self._stems: dict[str, set[int]] = {}
        for z, name in enumerate(self.names or ()):
            if self._full.setdefault(name, z) != z:
                raise InputError(
                    f"slice names: found {name!r} twice (slices {self._full[name]} and {z}), expected once"
                )
            self._stems.setdefault(stem(name), set()).add(z)

    @property
    def by_name(self) -> bool:
        """Whether names are looked up, rather than numbers taken from them."""
        return self.names is not None and self.first is None

    def find(self, name: str, *, fallback: int | None = None) -> int:
        """Slice z of an image's or label's file name, or InputError; `fallback` is its number if the name has none."""
        name = base_name(name)
        if self.by_name:
            return self._look_up(name)
        digits = re.findall(r"[0-9]+", stem(name))
        if not digits and fallback is None:
            raise InputError(f"found no number in the name {name!r}, expected one that tells the slice")
        return check_slice(
            (whole(digits[-1], "slice number") if digits else fallback or 0) - (self.first or 0), self.shape
        )

    def name(self, z: int) -> str:
        """File name of slice z, one that `find` finds again."""
        name = self.names[z] if self.names is not None else f"z{z:05d}.png"
        if not name.isprintable():
            raise InputError(f"slice names: found {name!r}, which cannot be written into a text file; rename the slice")
        return name

    def stem(self, z: int) -> str:
        """Name of slice z without its ending, or InputError where another slice has the same."""
        found = stem(self.name(z))
        twins = self._stems.get(found, {z})
        if len(twins) > 1:
            raise InputError(
                f"slice names: the slices {sorted(twins)} are all called {found!r}, expected different names"
            )
        return found

    def note(self) -> str:
        """How names were turned into slices, in a sentence."""
        if self.by_name:
            return "images were matched to slices by the stack's own file names"
        other = " (--first N for another)" if self.first is None else ""
        return (
            f"the slice is the last whole number in an image's name, {self.first or 0} being the stack's first slice"
            + other
        )

    def _look_up(self, name: str) -> int:
        for same in (name, stem(name)):
            if same in self._full:
                return self._full[same]
        found = self._stems.get(name) or self._stems.get(stem(name)) or set()
        if not found:
            raise InputError(
                f"found the name {name!r}, expected one of the stack's, such as {(self.names or ['?'])[0]!r} "
                "(--first N goes by the numbers in the names, N being the first slice)"
            )
        if len(found) > 1:
            raise InputError(f"found the name {name!r}, which the slices {sorted(found)} share, expected one of them")
        return next(iter(found))


def base_name(name: str) -> str:
    """Name without its folders, whichever slash they are written with."""
    return PurePosixPath(name.replace("\\", "/")).name


def stem(name: str) -> str:
    """Name without its ending; an ending starts with a letter, so that `slice.0042` keeps its number."""
    return re.sub(r"(\.ome)?\.[A-Za-z][A-Za-z0-9]*$", "", name) or name
