"""The detector that a training started from, scored as it was: it shows whether the training helped."""

from dataclasses import replace
from pathlib import Path

from famous.errors import InputError, MissingError
from famous.yolo.card import Card, card_beside
from famous.yolo.runtime import YoloDetector, load_detector

WORSE = 0.02  # mAP50 below that of the start from which on a training is called worse


def open_start(weights: Path, class_names: tuple[str, ...]) -> YoloDetector | None:
    """Open the detector that start weights belong to, with the trained classes as they are spelt here.

    None where that cannot be compared: no card lies beside the weights, or it is of others, or a class that was trained
    is not among its classes (case does not count).
    """
    card = card_beside(weights)
    if card is None or not {n.casefold() for n in class_names} <= {n.casefold() for n in card.class_names}:
        return None
    try:
        card.check(weights.parent, weights.name)
        detector = load_detector(weights.parent, device="cpu")
    except (InputError, MissingError):
        return None
    if not isinstance(detector, YoloDetector):
        return None
    spelt = {name.casefold(): name for name in class_names}
    return replace(detector, class_names=tuple(spelt.get(name.casefold(), name) for name in card.class_names))


def worse_than_start(card: Card) -> tuple[float, float] | None:
    """Return mAP50 of the trained detector and of its start, on the same slices, where the training made it worse."""
    new, old = card.metrics.get("all", {}).get("map50"), card.start.get("map50")
    if new is None or old is None or new >= old - WORSE:
        return None
    return new, old
