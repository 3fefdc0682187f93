"""The second pass of a comparison: how far the surfaces of matched objects are apart, and meshes to look at.

An object's surface voxels, and its voxels if it is to be shown, are held from its first slice to the last of those that
it is matched with; then they are worked on by a thread and let go.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.compare.distance import Distances, Surface, between, surfaces_of_slice
from famous.compare.matching import Matching
from famous.mesh import Mesh
from famous.parallel import open_executor
from famous.pipeline.compare_count import Counts, Images, Key, Pair, Scene, Unknown
from famous.pipeline.compare_meshes import Shown, ShownMesh
from famous.pipeline.crops import Crop, empty_crop, fill, step_of
from famous.pipeline.stage import Session
from famous.pipeline.sweep import LARGE
from famous.voxels import VoxelSize
from famous.words import counted

FOLD = 256  # pairs whose distances are put together at a time
WAITING = 8  # jobs for each thread that may wait
CROP_VOXELS = 8_000_000  # of an object to be shown; a larger one is looked at at every second, third … voxel

Matchings = Mapping[tuple[Pair, str], Matching]


@dataclass(frozen=True)
class Looked:
    """What the second pass finds: distances by pair and class, and the meshes."""

    distances: Mapping[tuple[Pair, str], Distances]
    meshes: tuple[ShownMesh, ...]


def look(
    scene: Scene, counts: Counts, matchings: Matchings, shown: Mapping[Key, list[Shown]], session: Session
) -> Looked:
    """Go through the slices once more; three of them are in memory, and the objects that are begun.

    Parameters
    ----------
    scene
        All of its slices must be known.
    counts, matchings
        Of the first pass.
    shown
        The objects that get a mesh.
    """
    walk = _Walk(scene, counts, matchings, shown)
    session.reporter.begin("surfaces", scene.shape[0])
    threads = max(1, session.jobs)
    with open_executor(1, threads=threads) as executor:
        jobs = _Jobs(executor, WAITING * threads)
        for z, slices in _windows(scene):
            for job, take in walk.step(z, slices):
                jobs.add(job, take)
            session.reporter.advance(1)
        jobs.finish()
    session.reporter.end("surfaces", counted(len(walk.meshes), "mesh", "meshes"))
    return Looked({key: Distances.joined(parts) for key, parts in walk.distances.items()}, tuple(walk.meshes))


Layer = tuple[Images, Unknown]  # a slice of all sources, with nothing where its class is unknown, and where that is
Window = tuple[Layer | None, Layer, Layer | None]
Job = tuple[Callable[[], Any], Callable[[Any], None]]


def _windows(scene: Scene) -> Iterator[tuple[int, Window]]:
    """Yield each slice with the one before and the one after it, each read once."""
    before: Layer | None = None
    here: Layer = _layer(scene, 0) if scene.shape[0] else ({}, {})
    for z in range(scene.shape[0]):
        after = _layer(scene, z + 1) if z + 1 < scene.shape[0] else None
        yield z, (before, here, after)
        before, here = here, after or ({}, {})


def _layer(scene: Scene, z: int) -> Layer:
    images = scene.read(z)
    unknown = scene.unknown(images)
    return scene.cut(images, unknown), unknown


class _Jobs:
    """Work under way: a few calls at a time, their results taken in order."""

    def __init__(self, executor: Executor, most: int) -> None:
        self._executor = executor
        self._most = most
        self._pending: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()

    def add(self, job: Callable[[], Any], take: Callable[[Any], None]) -> None:
        """Hand a call over, once there is room for it."""
        self._pending.append((self._executor.submit(job), take))
        while len(self._pending) > self._most or (self._pending and self._pending[0][0].done()):
            self._take()

    def finish(self) -> None:
        """Wait for all."""
        while self._pending:
            self._take()

    def _take(self) -> None:
        future, take = self._pending.popleft()
        take(future.result())


@dataclass
class _Walk:
    """What is held while the slices go by."""

    scene: Scene
    counts: Counts
    matchings: Matchings
    shown: Mapping[Key, list[Shown]]
    distances: dict[tuple[Pair, str], list[Distances]] = field(default_factory=dict)
    meshes: list[ShownMesh] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._voxel_size: VoxelSize = self.scene.voxel_size
        self._ends = {  # last slice of each object
            key: dict(zip(found.ids.tolist(), (found.high[:, 0] - 1).tolist(), strict=True))
            for key, found in self.counts.objects.items()
        }
        self._due: dict[int, list[tuple[Pair, str, int, int]]] = defaultdict(list)
        uses: dict[Key, dict[int, int]] = {key: defaultdict(int) for key in self.counts.objects}
        for (pair, name), matching in self.matchings.items():
            self.distances[pair, name] = []
            for one, other in zip(matching.pred_ids.tolist(), matching.truth_ids.tolist(), strict=True):
                pred, truth = (pair[0], name), (pair[1], name)
                self._due[max(self._ends[pred][one], self._ends[truth][other])].append((pair, name, one, other))
                uses[pred][one] += 1
                uses[truth][other] += 1
        self._uses = uses
        self._wanted = {key: np.sort(np.fromiter(ids, dtype=np.uint64, count=len(ids))) for key, ids in uses.items()}
        self._parts: dict[Key, dict[int, list[Surface]]] = {key: defaultdict(list) for key in uses}
        self._coming = {key: sorted(some, key=_start, reverse=True) for key, some in self.shown.items()}
        self._open: dict[Key, list[tuple[Shown, Crop]]] = {key: [] for key in self.shown}

    def step(self, z: int, slices: Window) -> Iterator[Job]:
        """Take a slice in, and yield what is complete with it."""
        before, (here, unknown), after = slices
        for key, wanted in self._wanted.items():
            window = (None if before is None else before[0][key], here[key], None if after is None else after[0][key])
            dark = (
                None if before is None else before[1].get(key[1]),
                unknown.get(key[1]),
                None if after is None else after[1].get(key[1]),
            )
            for number, surface in surfaces_of_slice(window, z, wanted, self._voxel_size, dark):
                self._parts[key][number].append(surface)
        for pair, name, one, other in self._due.pop(z, []):
            yield self._measure(pair, name, one, other)
        for key in self._open:
            yield from self._grow(key, z, here[key])

    def _measure(self, pair: Pair, name: str, one: int, other: int) -> Job:
        """Hand out two surfaces, and let go of those that nobody waits for any longer."""
        surfaces = []
        for key, number in (((pair[0], name), one), ((pair[1], name), other)):
            surface = Surface.joined(self._parts[key][number])
            self._parts[key][number] = [surface]
            self._uses[key][number] -= 1
            if self._uses[key][number] == 0:
                del self._parts[key][number]
            surfaces.append(surface)
        held = self.distances[pair, name]

        def take(found: Distances) -> None:
            held.append(found)
            if len(held) >= FOLD:
                held[:] = [Distances.joined(held)]

        return lambda: between(surfaces[0], surfaces[1], self._voxel_size), take

    def _grow(self, key: Key, z: int, image: NDArray[Any]) -> Iterator[Job]:
        """Fill the crops of the objects to be shown, and hand out those that are complete."""
        coming, growing = self._coming[key], self._open[key]
        while coming and coming[-1].extent.low[0] == z:
            shown = coming.pop()
            step = step_of(shown.extent, CROP_VOXELS)
            pack = shown.extent.size // step**3 > LARGE
            growing.append((shown, empty_crop(shown.extent, self._voxel_size, step, pack=pack)))
        for shown, crop in growing:
            if z % crop.step == 0:
                fill(crop, shown.extent, z, image)
        done = [(shown, crop) for shown, crop in growing if shown.extent.high[0] == z + 1]
        growing[:] = [(shown, crop) for shown, crop in growing if shown.extent.high[0] > z + 1]
        for shown, crop in done:
            yield self._draw(key, shown, crop)

    def _draw(self, key: Key, shown: Shown, crop: Crop) -> Job:
        def take(mesh: Mesh) -> None:
            if not mesh.is_empty:
                self.meshes.append((key[0], key[1], shown.extent.instance, mesh))

        return lambda: shown.draw(crop), take


def _start(shown: Shown) -> int:
    return shown.extent.low[0]
