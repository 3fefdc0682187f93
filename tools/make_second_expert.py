"""Make a second expert of a first one: label volumes that disagree as two people do.

    python tools/make_second_expert.py DATA/urocell/fib1-3-3-0/mito.tif DATA/urocell/fib1-3-3-0/fv.tif --out ../M2
    python tools/make_second_expert.py DATA/lucchi/mito_inst.tif --out ../M2 --border 10 --drop 0.1 --seed 3

Each file holds the objects of one class. What happens to them, all of it drawn from the seed:

- every border moves: by a whole (one person draws on the membrane, the other inside of it), object by object, slice by
  slice, and smoothly along the border;
- some objects are left out (small ones more readily), some are made up, some are cut in two across their long axis,
  some are drawn as one with their neighbour, and some are given to another class (needs two files or more).

Writes one label TIFF a file, of the same name, and changes.csv, which says what was done to whom. Nothing is written
inside the repository: real label volumes may not be copied into it.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import make_interp_spline

from famous.io.volumes import read_label_volume, write_label_tiff
from famous.voxels import VoxelSize

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Disagreement:
    """How far the second expert is from the first one; lengths in nm, shares of the objects."""

    bias: float  # every border lies this far outside of the first expert's; below 0 inside
    object_bias: float  # standard deviation of the same from object to object
    slice_bias: float  # and from slice to slice of one object
    border: float  # standard deviation of the border's smooth noise
    smooth: float  # length over which that noise changes
    drop: float
    invent: float
    split: float
    merge: float
    relabel: float
    near: float  # objects this close may be drawn as one

    @property
    def reach(self) -> float:
        """No border moves farther than this."""
        return abs(self.bias) + 3 * (self.object_bias + self.slice_bias + self.border)


@dataclass
class Piece:
    """An object as the second expert draws it: a mask, and the index (z, y, x) of its first voxel."""

    name: str
    number: int
    mask: NDArray[np.bool_]
    low: NDArray[np.int64]


def main() -> None:
    options = parse()
    out: Path = options.out.resolve()
    if out.is_relative_to(REPOSITORY):
        raise SystemExit(f"--out {out} lies in the repository; choose a folder outside of it")
    names = [path.stem for path in options.labels]
    if len(set(names)) < len(names):
        raise SystemExit(f"found files of one name: {', '.join(names)}; each is a class and needs its own")
    size = VoxelSize.from_zyx(options.voxel_size) if options.voxel_size else None
    opened = {path.stem: read_label_volume(path, voxel_size=size).stack for path in options.labels}
    sizes = {stack.voxel_size for stack in opened.values()}
    voxel_size = sizes.pop()
    if sizes or voxel_size is None:
        raise SystemExit("the files need one voxel size: give --voxel-size Z Y X in nm")
    first = {name: np.stack([stack.grey(z) for z in range(len(stack))]) for name, stack in opened.items()}
    if len({volume.shape for volume in first.values()}) > 1:
        raise SystemExit("the files need one shape: " + ", ".join(f"{n} {v.shape}" for n, v in first.items()))
    knobs = {name: getattr(options, name) for name in Disagreement.__dataclass_fields__}
    second, changes = disagree(first, voxel_size, Disagreement(**knobs), np.random.default_rng(options.seed))
    out.mkdir(parents=True, exist_ok=True)
    for name, volume in second.items():
        write_label_tiff(out / f"{name}.tif", iter(volume), volume.shape, voxel_size)
    with (out / "changes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["change", "class", "id", "other"])
        writer.writerows(changes)
    print(f"seed {options.seed}, voxel size {voxel_size}, " + ", ".join(f"{k} {v:g}" for k, v in knobs.items()))
    for name, volume in second.items():
        kinds = [change for change, of, *_ in changes if of == name]
        told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "no object changed"
        both, either = ((volume > 0) & (first[name] > 0)).sum(), ((volume > 0) | (first[name] > 0)).sum()
        overlap = f"{both / either:.1%}" if either else "–"
        print(f"{name}: {count(first[name])} → {count(volume)} objects ({told}), volume overlap {overlap}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, nargs="+", help="label volumes, one a class")
    parser.add_argument("--out", type=Path, required=True, help="folder outside of the repository")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--voxel-size", type=float, nargs=3, metavar=("Z", "Y", "X"), help="nm, where the file has none"
    )
    parser.add_argument("--bias", type=float, default=-1.0, help="nm that every border lies outside of the first's")
    parser.add_argument("--object-bias", type=float, default=4.0, help="nm, its deviation from object to object")
    parser.add_argument("--slice-bias", type=float, default=2.0, help="nm, its deviation from slice to slice")
    parser.add_argument("--border", type=float, default=6.0, help="nm, deviation of the border's smooth noise")
    parser.add_argument("--smooth", type=float, default=120.0, help="nm over which the noise changes")
    parser.add_argument("--drop", type=float, default=0.06, help="share of the objects left out")
    parser.add_argument("--invent", type=float, default=0.03, help="share made up")
    parser.add_argument("--split", type=float, default=0.03, help="share cut in two")
    parser.add_argument("--merge", type=float, default=0.03, help="share drawn as one with a neighbour")
    parser.add_argument("--relabel", type=float, default=0.04, help="share given to another class")
    parser.add_argument("--near", type=float, default=60.0, help="nm between neighbours that may be drawn as one")
    return parser.parse_args()


def count(volume: NDArray[np.uint32]) -> int:
    return len(np.unique(volume[volume > 0]))


def disagree(
    first: dict[str, NDArray[np.uint32]], voxel_size: VoxelSize, how: Disagreement, rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.uint32]], list[tuple[Any, ...]]]:
    """Draw every class anew; also return (change, class, id, other) of each change."""
    drawn: list[Piece] = []
    changes: list[tuple[Any, ...]] = []
    names = list(first)
    sizes = {name: count(volume) for name, volume in first.items()}
    for name, volume in first.items():
        pieces = cut_out(name, volume)
        fate = fates(pieces, how, rng, classes=len(names))
        changes += [("dropped", name, p.number, "") for p in pieces if fate.get(p.number) == "drop"]
        kept = [p for p in pieces if fate.get(p.number) != "drop"]
        kept = merged(kept, {p.number for p in kept if fate.get(p.number) == "merge"}, voxel_size, how, changes)
        fresh = max((p.number for p in pieces), default=0)
        for piece in kept:
            if fate.get(piece.number) == "split":
                fresh += 1
                other = halve(piece, fresh, rng)
                drawn.append(other)
                changes.append(("split", name, piece.number, fresh))
            elif fate.get(piece.number) == "relabel":
                others = [n for n in names if n != name]
                common = np.array([1.0 + sizes[n] for n in others])  # a class that is rare stays so
                elsewhere = str(rng.choice(others, p=common / common.sum()))
                changes.append(("relabelled", name, piece.number, elsewhere))
                piece.name = elsewhere
            drawn.append(piece)
        for piece in invented(pieces, volume, how, rng):
            changes.append(("invented", name, "", piece.number))
            drawn.append(piece)
    return paint(drawn, {name: volume.shape for name, volume in first.items()}, voxel_size, how, rng), changes


def cut_out(name: str, volume: NDArray[np.uint32]) -> list[Piece]:
    """The objects of a class, each in its own crop."""
    found = []
    for number, part in enumerate(ndimage.find_objects(volume.astype(np.int32)), start=1):
        if part is not None:
            low = np.array([axis.start for axis in part])
            found.append(Piece(name, number, volume[part] == number, low))
    return found


def fates(pieces: list[Piece], how: Disagreement, rng: np.random.Generator, *, classes: int) -> dict[int, str]:
    """What happens to whom: no object twice, small ones are left out more readily."""
    free = {p.number: float(p.mask.sum()) for p in pieces}
    total = len(free)
    shares = {"drop": how.drop, "split": how.split, "merge": how.merge, "relabel": how.relabel if classes > 1 else 0.0}
    fate: dict[int, str] = {}
    for kind, share in shares.items():
        number = min(int(np.floor(share * total + rng.random())), len(free))
        weight = np.array(list(free.values())) ** {"drop": -0.5, "split": 0.5}.get(kind, 0.0)
        for chosen in rng.choice(list(free), size=number, replace=False, p=weight / weight.sum()) if number else []:
            fate[int(chosen)] = kind
            del free[int(chosen)]
    return fate


def merged(
    pieces: list[Piece], chosen: set[int], voxel_size: VoxelSize, how: Disagreement, changes: list[tuple[Any, ...]]
) -> list[Piece]:
    """Draw chosen objects as one with their nearest neighbour, with the gap between them filled."""
    size = np.array(voxel_size.zyx)
    gone: set[int] = set()
    for piece in [p for p in pieces if p.number in chosen]:
        pad = np.ceil(how.near / size).astype(int) + 1
        low, high = piece.low - pad, piece.low + piece.mask.shape + pad
        away = ndimage.distance_transform_edt(~np.pad(piece.mask, [(n, n) for n in pad]), sampling=size)
        gaps = {}
        for number, other in enumerate(pieces):
            if other is not piece and other.number not in gone | chosen:
                overlap = np.zeros(away.shape, dtype=np.bool_)
                if put(overlap, low, other):
                    gaps[number] = float(away[overlap].min())
        if not gaps or min(gaps.values()) > how.near:
            continue
        partner = pieces[min(gaps, key=lambda n: gaps[n])]
        low = np.minimum(piece.low, partner.low) - pad
        high = np.maximum(piece.low + piece.mask.shape, partner.low + partner.mask.shape) + pad
        both = np.zeros(high - low, dtype=np.bool_)
        put(both, low, piece)
        put(both, low, partner)
        reach = how.near / 2 + size.max()
        grown = ndimage.distance_transform_edt(~both, sampling=size) <= reach
        partner.mask = both | (ndimage.distance_transform_edt(grown, sampling=size) > reach)
        partner.low = low
        gone.add(piece.number)
        changes.append(("merged", piece.name, piece.number, partner.number))
    return [p for p in pieces if p.number not in gone]


def put(canvas: NDArray[np.bool_], low: NDArray[np.int64], piece: Piece) -> bool:
    """Paint a piece on a canvas that begins at `low`, as far as it lies on it; tell whether any of it does."""
    start = np.maximum(piece.low - low, 0)
    stop = np.minimum(piece.low + piece.mask.shape - low, canvas.shape)
    if (start >= stop).any():
        return False
    here = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    there = tuple(slice(a, b) for a, b in zip(start + low - piece.low, stop + low - piece.low, strict=True))
    canvas[here] |= piece.mask[there]
    return bool(piece.mask[there].any())


def halve(piece: Piece, number: int, rng: np.random.Generator) -> Piece:
    """Cut a piece across its long axis, somewhere in its middle; it keeps the one part, the other is returned."""
    where = np.argwhere(piece.mask).astype(float)
    centred = where - where.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    along = centred @ vectors[:, -1]
    cut = float(np.quantile(along, rng.uniform(0.35, 0.65)))
    part = np.zeros_like(piece.mask)
    part[tuple(where[along > cut].astype(int).T)] = True
    piece.mask = piece.mask & ~part
    return Piece(piece.name, number, part, piece.low)


def invented(
    pieces: list[Piece], volume: NDArray[np.uint32], how: Disagreement, rng: np.random.Generator
) -> list[Piece]:
    """Put copies of smaller objects where nothing is."""
    small = sorted(pieces, key=lambda p: int(p.mask.sum()))[: max(1, len(pieces) // 2)]
    made: list[Piece] = []
    number = max((p.number for p in pieces), default=0) + 100_000
    for _ in range(int(np.floor(how.invent * len(pieces) + rng.random())) if pieces else 0):
        model = small[int(rng.integers(len(small)))]
        room = np.array(volume.shape) - model.mask.shape
        for _ in range(50):
            low = rng.integers(0, room + 1)
            here = tuple(slice(a, a + n) for a, n in zip(low, model.mask.shape, strict=True))
            if not volume[here][model.mask].any():
                number += 1
                made.append(Piece(model.name, number, model.mask[:, ::-1, ::-1].copy(), low))
                break
    return made


def paint(
    pieces: list[Piece],
    shapes: dict[str, tuple[int, ...]],
    voxel_size: VoxelSize,
    how: Disagreement,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.uint32]]:
    """Draw all pieces with borders that moved; where two want a voxel, it goes to the one that it is deeper in."""
    size = np.array(voxel_size.zyx)
    volumes = {name: np.zeros(shape, dtype=np.uint32) for name, shape in shapes.items()}
    depths = {name: np.zeros(shape, dtype=np.float32) for name, shape in shapes.items()}
    fresh = dict.fromkeys(shapes, 0)
    pad = np.ceil(how.reach / size).astype(int) + 1
    for piece in pieces:
        mask = np.pad(piece.mask, [(n, n) for n in pad])
        low = piece.low - pad
        inside = ndimage.distance_transform_edt(mask, sampling=size)
        depth = inside - ndimage.distance_transform_edt(~mask, sampling=size)
        depth -= np.sign(depth) * voxel_size.pixel_nm / 2  # to the border, which lies between two voxels
        depth += how.bias + how.object_bias * np.clip(rng.normal(), -3, 3)
        depth += how.slice_bias * np.clip(rng.normal(size=(len(mask), 1, 1)), -3, 3)
        depth += how.border * np.clip(smooth_noise(mask.shape, size, how.smooth, rng), -3, 3)
        start, stop = np.maximum(low, 0), np.minimum(low + mask.shape, shapes[piece.name])
        if (start >= stop).any():
            continue
        here = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        depth = depth[tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))]
        best = depths[piece.name][here]
        mine = depth > best
        if mine.any():
            fresh[piece.name] += 1
            volumes[piece.name][here][mine] = fresh[piece.name]
            best[mine] = depth[mine]
    return volumes


def smooth_noise(
    shape: tuple[int, ...], size: NDArray[np.float64], length: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Noise of a standard deviation of about 1 that changes over a length in nm."""
    step = length / size
    coarse = rng.normal(size=[int(np.ceil(n / s)) + 3 for n, s in zip(shape, step, strict=True)])
    axes = [np.arange(n) / s + 1 for n, s in zip(shape, step, strict=True)]
    for axis, where in enumerate(axes):
        known = np.arange(coarse.shape[axis])
        coarse = make_interp_spline(known, coarse, k=3, axis=axis)(where)
    return coarse


if __name__ == "__main__":
    main()
