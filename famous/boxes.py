"""The box table: one row a 2D box in one slice, half-open, in whole pixels."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.errors import InputError

#: column → dtype. `box` is the id (1, 2, 3 …; 0 is background), y1 and x1 are exclusive.
COLUMNS: dict[str, str] = {
    "box": "uint32",
    "z": "int32",
    "y0": "int32",
    "x0": "int32",
    "y1": "int32",
    "x1": "int32",
    "class_name": "str",
    "score": "float32",
}
CORNERS = ["y0", "x0", "y1", "x1"]
LARGEST = 2**31 - 1  # position that the columns hold


def empty() -> pd.DataFrame:
    """Return a table without rows."""
    return from_columns({name: [] for name in COLUMNS})


def from_columns(columns: dict[str, Any]) -> pd.DataFrame:
    """Make a table with the right dtypes; a missing `score` becomes 1, a missing `box` numbers the rows from 1."""
    table = pd.DataFrame(columns)
    if "score" not in table:
        table["score"] = 1.0
    if "box" not in table:
        table["box"] = np.arange(1, len(table) + 1)
    require(table, list(COLUMNS))
    order = list(COLUMNS) + [name for name in table.columns if name not in COLUMNS]
    return table[order].astype(COLUMNS).reset_index(drop=True)


def concat(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Stack tables in the given order without touching their ids; no table at all gives an empty one."""
    filled = [table for table in tables if len(table)] or tables[:1]  # an empty one keeps the columns of its stage
    return pd.concat(filled, ignore_index=True) if filled else empty()


def require(table: pd.DataFrame, columns: list[str]) -> None:
    """Raise InputError naming the columns that the table lacks."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"box table: missing columns {missing}, found {list(table.columns)}")


def validate(table: pd.DataFrame, shape: tuple[int, int, int] | None = None) -> pd.DataFrame:
    """Return the table with the right dtypes, or raise InputError naming the first broken row and why.

    `shape` is the stack's (z, y, x); with it, boxes must also lie inside.
    """
    require(table, list(COLUMNS))
    if len(table) == 0:
        return empty() if list(table.columns) == list(COLUMNS) else table.astype(COLUMNS)
    try:
        numbers = table[["box", "z", *CORNERS, "score"]].to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"box table: found a value that is not a number ({error})") from error
    broken: list[tuple[NDArray[np.bool_], str]] = [
        (~np.isfinite(numbers).all(axis=1), "a value that is not finite"),
        ((numbers[:, :6] != np.floor(numbers[:, :6])).any(axis=1), "a position that is not a whole number"),
        ((np.abs(numbers[:, 1:6]) > LARGEST).any(axis=1), f"a position beyond {LARGEST}"),
        ((numbers[:, 0] < 1) | (numbers[:, 0] > 2**32 - 1), "a box id outside 1 … 2³² − 1"),
        (table["box"].duplicated().to_numpy(), "a box id that occurs twice"),
        ((numbers[:, 4] <= numbers[:, 2]) | (numbers[:, 5] <= numbers[:, 3]), "no extent (y1 > y0 and x1 > x0)"),
        ((numbers[:, 6] < 0) | (numbers[:, 6] > 1), "a score outside 0 … 1"),
        (table["class_name"].astype("str").fillna("").str.strip().eq("").to_numpy(), "no class name"),
    ]
    if shape is not None:
        low = (numbers[:, 1:4] < 0).any(axis=1)
        high = (numbers[:, 1] >= shape[0]) | (numbers[:, 4] > shape[1]) | (numbers[:, 5] > shape[2])
        broken.append((low | high, f"a position outside the stack {shape} (z, y, x)"))
    for rows, why in broken:
        if rows.any():
            first = int(np.flatnonzero(rows)[0])
            raise InputError(f"box table: row {first} has {why}: {table.iloc[first].to_dict()}")
    return table.astype(COLUMNS)


def number(table: pd.DataFrame) -> pd.DataFrame:
    """Sort by slice, class, falling score and position, and number the boxes 1 … n in that order.

    The ids of one slice are then contiguous, whichever way the table was put together.
    """
    keys = table.assign(falling=-table["score"]).sort_values(
        ["z", "class_name", "falling", *CORNERS], kind="stable", ignore_index=True
    )
    return keys.drop(columns="falling").assign(box=np.arange(1, len(keys) + 1, dtype=np.uint32))


def area(table: pd.DataFrame) -> NDArray[np.int64]:
    """Pixels in each box."""
    corners = table[CORNERS].to_numpy(np.int64)
    pixels: NDArray[np.int64] = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    return pixels


def clip(table: pd.DataFrame, height: int, width: int) -> pd.DataFrame:
    """Cut boxes at the slice's edge and drop those that lie wholly outside."""
    cut = table.assign(
        y0=table["y0"].clip(0, height),
        x0=table["x0"].clip(0, width),
        y1=table["y1"].clip(0, height),
        x1=table["x1"].clip(0, width),
    )
    return cut[(cut["y1"] > cut["y0"]) & (cut["x1"] > cut["x0"])].reset_index(drop=True)


def iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of every pair: (n, 4) and (m, 4) corners (y0, x0, y1, x1) to (n, m)."""
    a = np.asarray(a, dtype=np.float64).reshape(-1, 4)
    b = np.asarray(b, dtype=np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(axis=2)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1)[None] - inter
    ratio: NDArray[np.float64] = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return ratio


def nms(table: pd.DataFrame, *, iou_threshold: float) -> pd.DataFrame:
    """Greedy non-maximum suppression per slice and class: of boxes that overlap more, keep the best scored."""
    kept: list[int] = []
    for _, group in table.groupby(["z", "class_name"], sort=False, observed=True):
        order = group.index[np.argsort(-group["score"].to_numpy(), kind="stable")]
        overlap = iou(table.loc[order, CORNERS].to_numpy(), table.loc[order, CORNERS].to_numpy()) > iou_threshold
        alive = np.ones(len(order), dtype=bool)
        for i in range(len(order)):
            if alive[i]:
                alive[i + 1 :] &= ~overlap[i, i + 1 :]
        kept.extend(int(index) for index in order[alive])
    return table.loc[sorted(kept)].reset_index(drop=True)
