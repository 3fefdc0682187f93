"""The model card: what a detector was trained on, how, when and how well, beside its weights as `card.json`."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from famous.errors import InputError, MissingError
from famous.files import write_json

FILE_NAME = "card.json"


@dataclass(frozen=True)
class Card:
    """Everything that a detector's weights do not say themselves."""

    class_names: tuple[str, ...]  # in the order of the network's class indices
    channels: int  # 3: z − 1, z, z + 1 in this order; 1: the slice alone
    pixel_nm: float  # in-plane pixel size that it was trained at
    nms_iou: float  # threshold of the suppression; 0 for a head that needs none
    stack: str = ""  # name of the stack
    voxel_size_nm: tuple[float, float, float] | None = None  # z, y, x of that stack
    slices: tuple[int, ...] = ()  # trained on
    validation_slices: tuple[int, ...] = ()  # scored on, never trained on
    boxes: dict[str, int] = field(default_factory=dict)  # class → boxes trained on
    metrics: dict[str, dict[str, float | None]] = field(default_factory=dict)  # class → figure → value on validation
    start: dict[str, Any] = field(default_factory=dict)  # "weights" and the figures of all classes, on the same slices
    unscored: str = ""  # why there are no metrics; empty where there are
    params: dict[str, Any] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0  # spent on epochs, over all starts, with those that a kill cut off
    finished: str = ""  # ISO 8601
    versions: dict[str, str] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)  # file → digest
    notes: str = ""
    terms: str = ""  # of the data that the weights, and those they were made from, have seen; empty: nobody wrote them

    def check(self, folder: Path, name: str) -> Path:
        """Return the path of one weights file, or raise if it is missing or not the one this card was written for."""
        file = folder / name
        if not file.is_file():
            raise MissingError(
                f"{file}: no such weights; train again, or put the file that belongs to {FILE_NAME} there"
            )
        found, expected = digest(file), self.sha256.get(name)
        if found != expected:
            raise InputError(
                f"{file}: found SHA-256 {found[:12]}…, expected {(expected or 'none')[:12]}… as in {FILE_NAME}; "
                "the weights and the card are not from the same training"
            )
        return file


def card_beside(weights: Path) -> Card | None:
    """Return the card that lies beside weights and names them; None where there is none, or one of other weights."""
    try:
        card = read_card(weights.parent)
    except (InputError, MissingError):
        return None
    return card if weights.name in card.sha256 else None


def metric_lines(card: Card) -> list[str]:
    """Return a line a class with its figures, or one line that says why there are none."""
    if not card.metrics:
        return [f"metrics: none, {card.unscored or 'and the card does not say why'}"]
    return [
        f"{name}: " + ", ".join(f"{key} {'–' if value is None else format(value, '.3f')}" for key, value in row.items())
        for name, row in card.metrics.items()
    ]


def digest(file: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_card(folder: Path, card: Card) -> None:
    """Write the card beside the weights; it appears whole or not at all."""
    write_json(folder / FILE_NAME, asdict(card))


def read_card(folder: Path) -> Card:
    """Read the card of a model folder, or raise MissingError or InputError naming the file and what is wrong."""
    file = folder / FILE_NAME
    if not file.is_file():
        raise MissingError(f"{file}: no detector here; train one with `famous train`, or name one with --weights")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise InputError(f"{file}: found no JSON ({problem}), expected a model card") from problem
    required = {"class_names", "channels", "pixel_nm", "nms_iou"}
    if not isinstance(values, dict) or not required <= set(values):
        raise InputError(f"{file}: found no model card, expected the keys {sorted(required)}")
    known = {name: value for name, value in values.items() if name in Card.__dataclass_fields__}
    for name in ("class_names", "slices", "validation_slices", "voxel_size_nm"):
        if isinstance(known.get(name), list):
            known[name] = tuple(known[name])
    return Card(**known)
