"""What every writer shares: the order of boxes, numbers as text, what is lost."""

import numpy as np
import pandas as pd

from famous import boxes as box_table
from famous.io.annotations.annotation import Annotations


def sorted_boxes(annotations: Annotations, *, scored: bool) -> pd.DataFrame:
    """Boxes in the order in which they are written: by what the format holds, so that it survives a round trip."""
    columns = ["z", "class_name", *box_table.CORNERS, *(["score"] if scored else [])]
    return annotations.boxes.sort_values(columns, kind="stable", ignore_index=True)


def score_text(score: float) -> str:
    """Write a score with the fewest digits that read back as the same float32."""
    return str(np.float32(score))


def scores_note(annotations: Annotations, format_name: str) -> list[str]:
    """Say it where scores are lost."""
    lost = int((annotations.boxes["score"] != 1).sum())
    if not lost:
        return []
    those = "that of 1 box was" if lost == 1 else f"those of {lost:,} boxes were"
    return [f"{format_name} holds no scores: {those} left out"]


def done_note(annotations: Annotations, how: str) -> list[str]:
    """Say it where slices with boxes are exported that nobody declared done."""
    unfinished = [z for z in annotations.slices if z not in annotations.done]
    if not unfinished:
        return []
    shown = ", ".join(map(str, unfinished[:10])) + (" …" if len(unfinished) > 10 else "")
    if len(unfinished) == 1:
        return [f"1 slice has boxes but is not done ({shown}); {how}; other programs take it as done"]
    return [f"{len(unfinished)} slices have boxes but are not done ({shown}); {how}; other programs take them as done"]
