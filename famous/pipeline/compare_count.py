"""The first pass of a comparison: what lies in each slice, and what the label sets share there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.compare.area import Areas, Directions, area_of_slice
from famous.compare.comparison import pairs_of
from famous.compare.components import Components, classify, piece_recalls, score_slice
from famous.compare.known import KnownParams, known_slice
from famous.compare.overlaps import Lines, Objects, Overlaps, count_lines, read_lines
from famous.parallel import map_in_order, open_executor
from famous.pipeline.stage import Session
from famous.stack import LazyVolume
from famous.voxels import VoxelSize
from famous.words import counted

FOLD = 32  # slices whose tables are put together at a time

Key = tuple[str, str]  # source, class
Pair = tuple[str, str]  # pred, truth
Images = Mapping[Key, NDArray[Any]]
Unknown = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Scene:
    """What is compared with what: label sets on one grid.

    Attributes
    ----------
    sides
        Source → class → label volume, all of one shape; the first source is pred.
    slices
        Indices of the slices that are known, rising.
    ignore
        Id in the truths of the voxels that nobody is to be judged by: where one truth has it in a class, that class is
        unknown there, and is cut out of all sources.
    boundary_nm
        How far round the borders of the truth's objects nobody is judged either.
    threshold
        Intersection over union from which on two objects are the same one.
    """

    sides: Mapping[str, Mapping[str, LazyVolume]]
    shape: tuple[int, int, int]
    voxel_size: VoxelSize
    slices: tuple[int, ...]
    ignore: int | None = None
    boundary_nm: float = 0.0
    threshold: float = 0.5

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Who is compared with whom: (pred, truth)."""
        return pairs_of(list(self.sides))

    @property
    def is_whole(self) -> bool:
        """Whether all slices are known."""
        return len(self.slices) == self.shape[0]

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """All label volumes by source and class."""
        return tuple((source, name) for source, classes in self.sides.items() for name in classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes, those of pred first."""
        return tuple(dict.fromkeys(name for _, name in self.keys))

    def classes_of(self, pair: Pair) -> tuple[str, ...]:
        """Classes that both sides of a pair speak of."""
        pred, truth = pair
        return tuple(name for name in self.sides[truth] if name in self.sides[pred])

    def ignore_of(self, source: str) -> int | None:
        """Return the id that a source uses for what nobody is judged by; pred uses none."""
        return None if source == next(iter(self.sides)) else self.ignore

    def read(self, z: int) -> dict[Key, NDArray[Any]]:
        """Read a slice of everything, (y, x) each."""
        return {(source, name): np.asarray(self.sides[source][name][z]) for source, name in self.keys}

    def unknown(self, images: Images) -> dict[str, NDArray[np.bool_]]:
        """Find where nobody is judged in a slice: by class (y, x), without the classes that are known all over."""
        found: dict[str, NDArray[np.bool_]] = {}
        for (source, name), image in images.items():
            ignore = self.ignore_of(source)
            here = None if ignore is None else image == ignore
            if here is not None and here.any():
                found[name] = found[name] | here if name in found else here
        return found

    def cut(self, images: Images, unknown: Unknown) -> Images:
        """Return a slice of all sources with nothing where its class is unknown."""
        return {
            key: np.where(unknown[key[1]], image.dtype.type(0), image) if key[1] in unknown else image
            for key, image in images.items()
        }


@dataclass
class Counts:
    """All that the first pass finds.

    `overlaps` is by pair, class of pred and class of truth; `slices` are rows of the table of that name; `flat` counts
    the parts of objects within single slices; `ignored` are the voxels that have the id of what nobody is judged by.
    """

    objects: dict[Key, Objects] = field(default_factory=dict)
    areas: dict[Key, Areas] = field(default_factory=dict)
    overlaps: dict[tuple[Pair, str, str], Overlaps] = field(default_factory=dict)
    slices: list[dict[str, Any]] = field(default_factory=list)
    flat: dict[tuple[Pair, str], Components] = field(default_factory=dict)
    ignored: dict[Key, int] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: list["Counts"]) -> "Counts":
        """Put the counts of several slices together."""
        return cls(
            {key: _joined_objects([part.objects[key] for part in parts]) for key in parts[0].objects},
            {key: Areas.joined(part.areas[key] for part in parts) for key in parts[0].areas},
            {key: Overlaps.joined(part.overlaps[key] for part in parts) for key in parts[0].overlaps},
            [row for part in parts for row in part.slices],
            {key: _sum_of([part.flat[key] for part in parts]) for key in parts[0].flat},
            {key: sum(part.ignored[key] for part in parts) for key in parts[0].ignored},
        )


def _joined_objects(parts: list[Objects]) -> Objects:
    names = ("ids", "voxels", "low", "high", "moments")
    return Objects(*(np.concatenate([getattr(part, name) for part in parts]) for name in names)).folded()[0]


def _sum_of(parts: list[Components]) -> Components:
    detected, between, missed = (
        sum(getattr(part, name) for part in parts) for name in ("detected", "under_detected", "missed")
    )
    return Components(detected, between, missed, "" if any(not part.note for part in parts) else parts[0].note)


@dataclass(frozen=True)
class SliceCounter:
    """Counts one slice; several threads may use it at a time."""

    scene: Scene
    directions: Directions

    def __call__(self, task: tuple[int, Images, Images | None]) -> Counts:
        """Take a slice's index, its images and those of the slice after it."""
        z, images, after = task
        made, lines = Counts(), {}
        unknown = self.scene.unknown(images)
        own = self.scene.cut(images, unknown)
        for key, image in own.items():
            lines[key] = read_lines(image, z)
            made.objects[key] = lines[key].objects
            ignore = self.scene.ignore_of(key[0])
            made.ignored[key] = 0 if ignore is None else int(np.count_nonzero(images[key] == ignore))
        if self.scene.is_whole:
            made.areas = self._areas((own, unknown), after)
        for pair in self.scene.pairs:
            for name in self.scene.classes_of(pair):
                known = self._known(pair, name, z, images)
                if name in unknown:
                    known = ~unknown[name] if known is None else known & ~unknown[name]
                self._count_class((pair, name, z), own, lines, known, made)
        return made

    def _areas(self, here: tuple[Images, Unknown], after: Images | None) -> dict[Key, Areas]:
        """Measure the surface in one slice and towards the next one; none of it is where it borders on the unknown."""
        own, unknown = here
        next_unknown = {} if after is None else self.scene.unknown(after)
        following = None if after is None else self.scene.cut(after, next_unknown)
        return {
            key: area_of_slice(
                image,
                None if following is None else following[key],
                self.directions,
                unknown=(unknown.get(key[1]), next_unknown.get(key[1])),
            )
            for key, image in own.items()
        }

    def _known(self, pair: Pair, name: str, z: int, images: Images) -> NDArray[np.bool_] | None:
        """Leave out the zone round the borders of truth; None where there is none."""
        params = KnownParams(border_nm=self.scene.boundary_nm)
        here, there = (images[source, name] for source in pair)
        return known_slice(z, here, there, voxel_size=self.scene.voxel_size, params=params)

    def _count_class(
        self,
        which: tuple[Pair, str, int],
        images: Images,
        lines: dict[Key, Lines],
        known: NDArray[np.bool_] | None,
        made: Counts,
    ) -> None:
        """Count what each class of pred shares with one of truth; the lines are those of whole slices."""
        pair, name, z = which
        pred, truth = pair
        there = lines[truth, name] if known is None else read_lines(images[truth, name], z, known)
        for other in self.scene.classes_of(pair):
            here = lines[pred, other] if known is None else read_lines(images[pred, other], z, known)
            made.overlaps[pair, other, name] = count_lines(here, there)
            if other == name:
                made.flat[pair, name] = classify(piece_recalls(here, there))
        score = score_slice(z, made.overlaps[pair, name, name])
        made.slices.append({"pred": pred, "truth": truth, "class": name, **vars(score)})


def count(scene: Scene, session: Session) -> Counts:
    """Go through the slices once; a few of them are in memory."""
    session.reporter.begin("compare", len(scene.slices))
    threads = max(1, session.jobs)
    counter, total, held = SliceCounter(scene, Directions(scene.voxel_size)), None, []
    with open_executor(1, threads=threads) as executor:
        for found in map_in_order(executor, counter, _tasks(scene), ahead=threads + 1):
            held.append(found)
            session.reporter.advance(1)
            if len(held) == FOLD:
                total, held = Counts.joined([total, *held] if total else held), []
    if held:
        total = Counts.joined([total, *held] if total else held)
    session.reporter.end("compare", f"{counted(len(scene.slices), 'slice')}, {counted(len(scene.sides), 'label set')}")
    return total or Counts()


def _tasks(scene: Scene) -> Iterator[tuple[int, Images, Images | None]]:
    """Yield each slice with the next one, each read once."""
    held: tuple[int, Images] | None = None
    for z in scene.slices:
        images = scene.read(z)
        if held is not None:
            yield held[0], held[1], images
        held = z, images
    if held is not None:
        yield held[0], held[1], None
