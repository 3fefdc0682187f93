"""The object table of the page: each object of each source, and who its partner is in the other sources."""

from dataclasses import dataclass, field
from typing import Any

from famous.compare.comparison import Comparison
from famous.compare.verdict import number_text
from famous.report.comparison_errors import HIGH, LOW
from famous.report.comparison_numbers import is_flat, is_number, significant

#: what is said of an object first, where several things are true of it
ORDER = ("matched", "confused", "split", "merge", "missed", "invented")
#: digits of volumes and areas: rounded to three by the page they are what the cards say
EXACT = 6
WORDS = {
    "matched": "found",
    "confused": "other class",
    "split": "split",
    "merge": "merged",
    "missed": "missed",
    "invented": "not there",
}
ALONE = ("missed", "invented")  # kinds of objects without a match

Key = tuple[str, str, int]


@dataclass
class Partner:
    """What another source makes of an object: the kind, the IoU of the best, and its objects there.

    Of an object without a match the IoU is that with what comes nearest to one, None where nothing overlaps it.
    """

    kind: str
    iou: float | None
    others: list[Key] = field(default_factory=list)


def find_partners(comparison: Comparison) -> dict[tuple[Key, str], Partner]:
    """Return (object, other source) → its partner there.

    Both sides of a match have it. An object that was missed or invented has a partner of that kind without objects.
    """
    partners: dict[tuple[Key, str], Partner] = {}
    ranks = {kind: rank for rank, kind in enumerate(ORDER)}
    table = comparison.matches
    columns = ["pred", "truth", "class", "kind", "pred_id", "truth_id", "other_class", "iou"]
    for pred, truth, name, kind, pred_id, truth_id, other_class, iou in table[columns].itertuples(
        index=False, name=None
    ):
        ours = None if not is_number(pred_id) else (pred, other_class or name, int(pred_id))
        theirs = None if not is_number(truth_id) else (truth, name, int(truth_id))
        for key, other, side in ((ours, theirs, truth), (theirs, ours, pred)):
            if key is None:
                continue
            known = partners.get((key, side))
            if known is None or ranks.get(kind, 9) < ranks.get(known.kind, 9):
                known = partners[key, side] = Partner(kind, None)
            if kind == known.kind and other is not None:
                known.others.append(other)
                known.iou = max(known.iou or 0.0, float(iou)) if is_number(iou) else known.iou
            elif kind == known.kind and is_number(iou) and iou > 0:
                known.iou = float(iou)
    return partners


def why_alone(iou: float | None, threshold: float) -> str:
    """Say why an object that something overlaps has no match: `below the threshold, IoU 0.49`; "" where nothing does.

    At thresholds of 0.5 and below what overlaps it well enough may be the match of another.
    """
    if iou is None or not iou > 0:
        return ""
    text = number_text(iou, never=(0.0, threshold))
    return f"{'below the threshold' if iou < threshold else 'partner has another match'}, IoU {text}"


def object_rows(comparison: Comparison) -> dict[str, Any]:
    """Return what the page's script makes the table of: names, and one list of values an object.

    Values: source and class (their index), id, volume in µm³, surface in µm², centre (z, y, x) in µm, whether it
    touches the border, score or None, and a partner for each source: None for its own, else kind, IoU and
    (source, class, id) of the objects there, and why none is a match where one overlaps. Of boxes the volume is their
    pixels, and the centre is in pixels too.
    """
    flat = is_flat(comparison)
    sources = [source.name for source in comparison.sources]
    classes = list(comparison.classes)
    place = {name: index for index, name in enumerate(classes)}
    partners = find_partners(comparison)
    rows = []
    for row in comparison.objects.to_dict("records"):
        key = (row["source"], row["class"], int(row["id"]))
        told: list[Any] = []
        for source in sources:
            partner = partners.get((key, source))
            if partner is None:
                told.append(None)
                continue
            others = [
                [sources.index(one), place[name], number] for one, name, number in partner.others if name in place
            ]
            why = why_alone(partner.iou, comparison.threshold) if partner.kind in ALONE else ""
            told.append([partner.kind, rounded(partner.iou), others, *([why] if why else [])])
        rows.append(
            [
                sources.index(row["source"]),
                place[row["class"]],
                key[2],
                int(row["voxels"]) if flat else rounded(row["volume_um3"], EXACT),
                rounded(row["area_um2"], EXACT),
                _centre(row, flat),
                int(row["touches_border"]),
                rounded(row["score"]),
                told,
            ]
        )
    units = {"size": "pixels", "place": "pixels"} if flat else {"size": "µm³", "place": "µm"}
    return {"sources": sources, "classes": classes, "words": WORDS, "units": units, "rows": rows}


def _centre(row: dict[Any, Any], flat: bool) -> list[float | None]:
    """Centre (z, y, x) in µm; of a box in pixels."""
    if flat:
        return [(row[low] + row[high] - 1) / 2 for low, high in zip(LOW, HIGH, strict=True)]
    return [rounded(row[f"centroid_{axis}_um"]) for axis in "zyx"]


def rounded(value: Any, digits: int = 4) -> float | None:
    """Keep so many digits, more than the page shows; None where there is no number."""
    return float(f"{float(value):.{digits}g}") if is_number(value) else None


def describe(comparison: Comparison, key: Key) -> str:
    """Name an object with its volume, or a box with its pixels: `M1 12 (0.0123 µm³)`, `M1 12 (441 pixels)`."""
    objects = comparison.objects
    row = objects[(objects["source"] == key[0]) & (objects["class"] == key[1]) & (objects["id"] == key[2])]
    size = ""
    if len(row) and is_flat(comparison):
        size = f" ({row.iloc[0]['voxels']:,} pixels)"
    elif len(row) and is_number(row.iloc[0]["volume_um3"]):
        size = f" ({significant(float(row.iloc[0]['volume_um3']))} µm³)"
    return f"{key[0]} {key[2]}{size}"
