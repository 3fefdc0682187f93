"""Where the organelles lie: random places without overlap, block by block, so that no block needs the whole stack."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.synthetic.cells import LARGEST_RADIUS, Cells, rotation
from famous.synthetic.params import PhantomParams
from famous.synthetic.room import Body, Room, Taken
from famous.synthetic.shapes import Arc, Ellipsoid, Piece, Segment, Shape, Tube, Vector, chain, meets_itself
from famous.synthetic.warp import Warp

BLOCK_NM = 2600.0
REACH_NM = 0.47 * BLOCK_NM  # of an object from its centre: objects of blocks of one colour never meet
TRIES = 6
KEPT_NUCLEI = 1000  # of those drawn last

Block = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Organelle:
    """One object: its id, unique in the stack, its class, and its shape in the places that `Warp.forward` gives."""

    instance: int
    class_name: str
    shape: Shape

    @cached_property
    def body(self) -> Body:
        """What covers it."""
        return Body.of(self.shape)


def mitochondrion(rng: np.random.Generator) -> Tube:
    """Draw a rod, a bean, an S-curve, or a Y, around the origin and within `REACH_NM` of it."""
    while True:
        radius = rng.uniform(95, 190)
        side = rotation(rng)
        kind = rng.choice(["rod", "bean", "curve", "branched", "ring"], p=[0.15, 0.3, 0.3, 0.22, 0.03])
        pieces: list[Piece]
        junction = None
        if kind == "rod":
            pieces = [Segment(np.zeros(3), side[0] * radius * rng.uniform(1.5, 6))]
        elif kind == "bean":
            pieces = chain(np.zeros(3), side[0], [(radius * rng.uniform(1.6, 3), rng.uniform(0.9, 1.9), side[1])])
        elif kind == "curve":
            count = int(rng.integers(2, 5))
            bends = [(radius * rng.uniform(2.5, 7), rng.uniform(0.4, 1.4), rotation(rng)[0]) for _ in range(count)]
            pieces = chain(np.zeros(3), side[0], bends)
        elif kind == "branched":
            junction = np.zeros(3)
            spread = [a + rng.uniform(-0.35, 0.35) for a in (0.0, 2.1, 4.2)]
            arms = [np.cos(a) * side[0] + np.sin(a) * side[1] + rng.uniform(-0.25, 0.25) * side[2] for a in spread]
            pieces = [Segment(junction, arm / np.linalg.norm(arm) * radius * rng.uniform(2.5, 7)) for arm in arms]
        else:
            pieces = [Arc(np.zeros(3), side[0], side[1], radius * rng.uniform(1.7, 2.2), 2 * np.pi)]
        tube = Tube(tuple(pieces), radius, junction)
        tube = tube.moved(-tube.centre)
        points, _ = tube.balls()
        if np.linalg.norm(points, axis=1).max() + radius > REACH_NM:
            continue
        if kind != "curve" or not meets_itself(tube):
            return tube


def vesicle(rng: np.random.Generator, smallest_nm: float, largest_nm: float) -> Ellipsoid:
    """Draw an ellipsoid around the origin."""
    radii = rng.uniform(smallest_nm, largest_nm) * rng.uniform(0.8, 1.2, 3)
    return Ellipsoid(np.zeros(3), radii, rotation(rng))


def draw_shape(class_name: str, rng: np.random.Generator) -> Tube | Ellipsoid:
    """Draw an object of a class, around the origin."""
    if class_name == "mitochondrion":
        return mitochondrion(rng)
    smallest, largest = {"early endosome": (90, 200), "late endosome": (120, 240), "lysosome": (120, 260)}[class_name]
    return vesicle(rng, smallest, largest)


def moved(shape: Tube | Ellipsoid, by: NDArray[np.float64]) -> Tube | Ellipsoid:
    """Return the shape elsewhere."""
    return shape.moved(by) if isinstance(shape, Tube) else Ellipsoid(shape.centre + by, shape.radii, shape.axes)


class Placement:
    """All organelles of a phantom, found block by block.

    Blocks have one of eight colours (the parities of their index). A block is filled by random sequential placement
    around what its neighbours of lower colours hold; so it is a pure function of the parameters, whichever block is
    asked for first. Blocks further out than one from the stack are empty.
    """

    def __init__(self, params: PhantomParams) -> None:
        self.params = params
        self.cells = Cells(params)
        self.warp = Warp(params.seed, params.warp)
        self._blocks = [int(np.ceil(extent / BLOCK_NM)) + 2 for extent in params.extent_nm]
        self._counts = {
            name: density * (BLOCK_NM / 1000) ** 3
            for name, density in (
                ("mitochondrion", params.mitochondria),
                ("late endosome", params.late_endosomes),
                ("lysosome", params.lysosomes),
                ("early endosome", params.early_endosomes),
            )
        }
        self._stride = 2 * int(np.ceil(self._counts["mitochondrion"])) + sum(
            int(np.ceil(c)) for c in list(self._counts.values())[1:]
        )
        reach = LARGEST_RADIUS * params.nucleus_nm + self.warp.reach_nm
        self._nuclei_low, self._nuclei_high = self.cells.span(np.full(3, -reach), np.array(params.extent_nm) + reach)
        self._nuclei = math.prod((self._nuclei_high - self._nuclei_low + 1).tolist()) if params.nucleus_nm > 0 else 0
        if self._nuclei + math.prod(self._blocks) * self._stride >= 1 << 32:
            raise InputError(f"phantom: shape {params.shape} holds more objects than 32 bits can number")
        per_layer = self._blocks[1] * self._blocks[2]
        self.block = lru_cache(maxsize=8 * per_layer)(self._block)
        self._nucleus = lru_cache(maxsize=KEPT_NUCLEI)(self._draw_nucleus)

    def near(self, low_nm: Vector, high_nm: Vector) -> list[Organelle]:
        """Organelles whose bounding box meets a box of the stack, both corners (z, y, x) in nm, sorted by id."""
        reach = self.warp.reach_nm
        low, high = low_nm - reach, high_nm + reach
        found = [organelle for organelle in self._candidates(low, high) if _meets(organelle.shape.bounds, low, high)]
        return sorted(found, key=lambda organelle: organelle.instance)

    def _candidates(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Iterator[Organelle]:
        yield from self.nuclei(low, high)
        first = np.maximum(np.floor((low - REACH_NM) / BLOCK_NM).astype(int), -1)
        last = np.minimum(np.floor((high + REACH_NM) / BLOCK_NM).astype(int), np.array(self._blocks) - 2)
        for block in product(*(range(a, b + 1) for a, b in zip(first, last, strict=True))):
            yield from self.block(block)

    def nuclei(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Iterator[Organelle]:
        """Nuclei of all cells whose nucleus may meet a box (in nm)."""
        if self._nuclei == 0:
            return
        reach = LARGEST_RADIUS * self.params.nucleus_nm
        index, centres = self.cells.centres(low - reach, high + reach)
        size = self._nuclei_high - self._nuclei_low + 1
        for i, centre in zip(index, centres, strict=True):
            k = i - self._nuclei_low
            if ((k >= 0) & (k < size)).all():
                instance = 1 + int((k[0] * size[1] + k[1]) * size[2] + k[2])
                yield self._nucleus(instance, tuple(i.tolist()), tuple(centre.tolist()))

    def _draw_nucleus(self, instance: int, index: Block, centre: tuple[float, float, float]) -> Organelle:
        return Organelle(instance, "nucleus", self.cells.nucleus(index, np.array(centre)))

    def _block(self, block: Block) -> tuple[Organelle, ...]:
        position = np.array(block)
        number = int(np.ravel_multi_index(position + 1, self._blocks))
        rng = np.random.default_rng([self.params.seed, 31, number])
        low = position * BLOCK_NM
        taken = Taken()
        for offset in product((-1, 0, 1), repeat=3):
            other = position + offset
            exists = (other >= -1).all() and (other <= np.array(self._blocks) - 2).all()
            if exists and _colour(other) < _colour(position):
                for organelle in self.block((int(other[0]), int(other[1]), int(other[2]))):
                    taken.add(organelle.body)
        span = low - REACH_NM, low + BLOCK_NM + REACH_NM
        nuclei = [nucleus.shape for nucleus in self.nuclei(*span) if _meets(nucleus.shape.bounds, *span)]
        room = Room(self.cells.around(*span), [shape for shape in nuclei if isinstance(shape, Ellipsoid)], taken)
        placed: list[Organelle] = []
        next_id = 1 + self._nuclei + number * self._stride

        def put(class_name: str, shape: Tube | Ellipsoid) -> None:
            placed.append(Organelle(next_id + len(placed), class_name, shape))
            taken.add(placed[-1].body)

        for class_name, mean in self._counts.items():
            for _ in range(int(mean + rng.random())):
                shape = _place(class_name, low, rng, room)
                if shape is None:
                    continue
                put(class_name, shape)
                if class_name == "mitochondrion" and rng.random() < self.params.touching:
                    partner = _lean(shape, low, rng, room)
                    if partner is not None:
                        put(class_name, partner)
        return tuple(placed)


def _meets(bounds: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    return bool((bounds[0] < high).all() and (bounds[1] > low).all())


def _colour(block: NDArray[Any]) -> int:
    return int(4 * (block[0] % 2) + 2 * (block[1] % 2) + block[2] % 2)


def _place(class_name: str, low: Vector, rng: np.random.Generator, room: Room) -> Tube | Ellipsoid | None:
    """Draw an object and a place for it in the block whose corner is `low`; None where no place is found."""
    shape = draw_shape(class_name, rng)
    body = Body.of(shape)
    for by in low + rng.uniform(0, BLOCK_NM, (TRIES, 3)):
        if room.fits(body.moved(by)):
            return moved(shape, by)
    return None


def _lean(shape: Tube | Ellipsoid, low: Vector, rng: np.random.Generator, room: Room) -> Tube | None:
    """Slide a second mitochondrion against the one that was put last until they are 1 nm apart."""
    first = Body.of(shape)
    for _ in range(TRIES):
        other = mitochondrion(rng)
        second, direction = Body.of(other), rotation(rng)[0]
        near, far = 0.0, 2 * REACH_NM
        for _ in range(20):
            half_way = (near + far) / 2
            apart = first.gap_nm(second.moved(first.middle + half_way * direction)) > 1.0
            near, far = (near, half_way) if apart else (half_way, far)
        by = first.middle + far * direction
        inside = ((by >= low) & (by < low + BLOCK_NM)).all()
        if inside and room.fits(second.moved(by), except_for=len(room.taken) - 1):
            return other.moved(by)
    return None
