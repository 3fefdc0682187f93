"""The weights of the referee: evidence against true IoU, recipe by recipe within each pair, never below 0."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from famous.extract.evidence import EVIDENCE
from famous.extract.referee import RefereeParams, Weights

RIDGE = 0.3  # keeps weights even where the data do not tell
REAL = 2.5  # what a real pair counts against one of a phantom: there are fewer
NEAR = 0.4  # IoU behind the best at which a recipe counts 1 / e: the top has to be in order


def fit(table: pd.DataFrame) -> Weights:
    """Fit weights to a table of pair, real, iou and the evidence, one row a pair and recipe.

    Only differences within a pair count, since only the order of its recipes does.
    """
    rows, targets = [], []
    for _, group in table.groupby("pair"):
        iou, evidence = group["iou"].to_numpy(), group[list(EVIDENCE)].to_numpy()
        count = np.exp((iou - iou.max()) / NEAR) * (REAL if group["real"].iloc[0] else 1.0)
        rows.append((evidence - np.average(evidence, axis=0, weights=count)) * np.sqrt(count)[:, None])
        targets.append((iou - np.average(iou, weights=count)) * np.sqrt(count))
    ridge = np.sqrt(RIDGE) * np.eye(len(EVIDENCE))
    solved, _ = nnls(np.vstack([*rows, ridge]), np.concatenate([*targets, np.zeros(len(EVIDENCE))]))
    return Weights(**{name: round(float(w), 3) for name, w in zip(EVIDENCE, solved / solved.sum(), strict=True)})


def leave_out(table: pd.DataFrame, data_set: str) -> Weights:
    """Fit on all data sets but one."""
    return fit(table[table["data_set"] != data_set])


def score(table: pd.DataFrame, weights: Weights) -> pd.Series:
    """Score the rows of a table."""
    counts = np.array([getattr(weights, name) for name in EVIDENCE])
    return pd.Series(table[list(EVIDENCE)].to_numpy() @ counts / counts.sum(), index=table.index)


def losses(
    table: pd.DataFrame, names: Sequence[str], usual: str = "masknet", margin: float = RefereeParams.margin
) -> pd.DataFrame:
    """Per pair: the pick by `score`, the best by `iou`, and what the pick loses; among these recipes only.

    As in a run, the usual recipe, where it is judged, gives way only to one that leads it by more than the margin.
    """
    rows = []
    for pair, group in table[table["recipe"].isin(names)].groupby("pair", sort=False):
        ahead = group["score"] + (group["recipe"] == usual) * margin
        pick, best = group.loc[ahead.idxmax()], group.loc[group["iou"].idxmax()]
        rows.append((pair, pick["recipe"], pick["iou"], best["recipe"], best["iou"], best["iou"] - pick["iou"]))
    return pd.DataFrame(rows, columns=["pair", "pick", "iou", "best", "best_iou", "loss"])
