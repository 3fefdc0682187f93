"""The report of a comparison: one HTML file that opens from a mail, without a network, and prints."""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from famous.compare.comparison import Comparison
from famous.files import write_bytes
from famous.mesh import Mesh
from famous.report.comparison_errors import MANY, Shown, ShownParams, choose
from famous.report.comparison_found import detection_sheets
from famous.report.comparison_intervals import moving_sheet, order, rule, verdicts
from famous.report.comparison_meshes import Packed, SourceMesh, pack, still, three_js
from famous.report.comparison_numbers import (
    Sheet,
    agreement_sheets,
    component_sheets,
    confusion_sheets,
    is_flat,
    is_number,
    lines_of,
    significant,
    slice_sheet,
    totals_sheet,
    volume_sheet,
)
from famous.report.comparison_objects import ALONE, describe, object_rows, why_alone
from famous.report.comparison_outlines import Pictures, Plane, draw_planes
from famous.report.comparison_plots import plots
from famous.report.comparison_roles import Role, pair_roles, source_roles
from famous.words import counted

if TYPE_CHECKING:
    from markupsafe import Markup

STILL_PX = (560, 440)  # of each source's picture for paper
MOST_STILL_FACES = 400_000  # of one such picture: beyond, the largest objects only
TITLES = {
    "missed": "Missed: drawn by the expert, without a match",
    "invented": "Invented: found, without a match of the expert's",
    "confused": "Confused: found as another class",
    "merge": "Merged: several of the expert's in one",
    "split": "Split: one of the expert's in several",
    "matched": "Found, but poorly: the largest differences of outline",
    "typical": "Typical: the match nearest to each class's median IoU",
}

__all__ = ["Pictures", "SourceMesh", "render_report", "write_report"]


@dataclass(frozen=True)
class Card:
    """One match with its pictures."""

    shown: Shown
    title: str
    facts: tuple[tuple[str, str], ...]
    planes: tuple[Plane, ...]
    link: str


def write_report(
    path: Path,
    comparison: Comparison,
    pictures: Pictures | None = None,
    meshes: Iterable[SourceMesh] = (),
    *,
    shown: ShownParams | None = None,
) -> Path:
    """Write the report as one self-contained HTML file; it appears under its name only when it is complete.

    The same comparison, pictures and meshes give the same bytes.

    Parameters
    ----------
    pictures
        Grey values and labels for the worst and the typical; none leaves these out.
    meshes
        Source, class, id and mesh in nm of the common grid, simple enough for a page: 300 faces each are plenty.

    Raises
    ------
    MissingError
        If there are meshes and the library with the 3D view's script is not the expected one.
    """
    write_bytes(path, render_report(comparison, pictures, meshes, shown=shown).encode("utf-8"))
    return Path(path)


def render_report(
    comparison: Comparison,
    pictures: Pictures | None = None,
    meshes: Iterable[SourceMesh] = (),
    *,
    shown: ShownParams | None = None,
) -> str:
    """Return the report's HTML; see `write_report`."""
    import jinja2

    names = [source.name for source in comparison.sources]
    listed = list(meshes)
    packed = pack(listed)
    folder = files("famous.report") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["counted"] = counted
    environment.filters["whole_words"] = _whole_words
    roles = source_roles(names)
    page = environment.get_template("comparison.html.j2").render(
        comparison=comparison,
        title=_title(names),
        roles=list(roles.values()),
        pair_roles=list(pair_roles(comparison).values()),
        verdicts=verdicts(comparison),
        order=order(comparison),
        rule=rule(comparison),
        flat=is_flat(comparison),
        sheets=_sheets(comparison),
        plots=plots(comparison),
        errors=_cards(comparison, pictures, shown) if pictures is not None else [],
        objects=object_rows(comparison),
        packed=packed,
        stills=_stills(listed, comparison, roles),
        three=three_js() if packed.objects else "",
        parameters=list(lines_of(dict(comparison.parameters))),
        extent=_extent(comparison, packed),
        apart=_apart(comparison),
        style=(folder / "comparison.css").read_text(encoding="utf-8"),
        scripts=[(folder / name).read_text(encoding="utf-8") for name in ("comparison_table.js", "comparison_view.js")],
    )
    return re.sub(r"\n\s*\n+", "\n", page)


def _breakable(text: str) -> "Markup":
    """Let a narrow column break a name after its underscores."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in text.split("_"))


def _whole_words(text: str) -> "Markup":
    """Mark each word of a command, so that none is broken at a hyphen."""
    from markupsafe import Markup, escape

    parts = re.split(r"(\s+)", text)
    return Markup("").join(
        Markup("<span>{}</span>").format(part) if part.strip() else escape(part) for part in parts if part
    )


def _title(names: Sequence[str]) -> str:
    """Say who is compared with whom."""
    if len(names) < 2:
        return "Comparison"
    return f"{names[0]} compared with {' and '.join(names[1:])}"


def _sheets(comparison: Comparison) -> dict[str, list[Sheet]]:
    """Every table of the page by its section; none where there is nothing to tell."""
    if not comparison.classes or len(comparison.sources) < 2:
        return {name: [] for name in ("found", "volume", "agreement", "confusion", "totals", "slices", "threshold")}
    agreement = [] if comparison.agreement.empty else [volume_sheet(comparison)]
    per_slice, moving = slice_sheet(comparison), moving_sheet(comparison)
    return {
        "found": detection_sheets(comparison),
        "volume": agreement,
        "agreement": ([] if comparison.agreement.empty else agreement_sheets(comparison))
        + component_sheets(comparison),
        "confusion": confusion_sheets(comparison),
        "totals": [] if comparison.totals.empty else [totals_sheet(comparison)],
        "slices": [] if per_slice is None else [per_slice],
        "threshold": [] if moving is None else [moving],
    }


def _cards(comparison: Comparison, pictures: Pictures, params: ShownParams | None) -> list[tuple[str, str, list[Card]]]:
    """Draw what was chosen: kind, its title, its cards."""
    return [
        (kind, TITLES[kind], [_card(one, comparison, pictures) for one in group])
        for kind, group in choose(comparison, params)
    ]


def _card(shown: Shown, comparison: Comparison, pictures: Pictures) -> Card:
    """Draw one match and say what it is."""
    facts = [
        (pair_side, ", ".join(describe(comparison, key) for key in keys))
        for pair_side, keys in (("Found", shown.pred), ("Truth", shown.truth))
        if keys
    ]
    said = [name for _, name, _ in shown.pred if name != shown.class_name]
    if said:
        facts.append(("Taken for", ", ".join(dict.fromkeys(said))))
    iou = "Best IoU" if shown.kind in (*MANY, *ALONE) else "IoU"
    facts.append((iou, _iou(shown, comparison.threshold)))
    cost = f"{shown.cost:,.0f} pixels" if is_flat(comparison) else f"{significant(shown.cost)} µm³"
    facts.append(("Costs", cost))
    names = [source.name for source in comparison.sources]
    source, name, number = (shown.truth or shown.pred)[0]
    link = f"{names.index(source)}/{list(comparison.classes).index(name)}/{number}"
    title = f"{shown.class_name}, {shown.pair[0]} vs {shown.pair[1]}"
    return Card(shown, title, tuple(facts), tuple(draw_planes(shown, comparison, pictures)), link)


def _iou(shown: Shown, threshold: float) -> str:
    """Write the IoU of a match, and of an object without one why it has none."""
    if shown.kind in ALONE:
        return why_alone(shown.iou, threshold) or "nothing overlaps it"
    return f"{shown.iou:.2f}" if is_number(shown.iou) else "–"


def _extent(comparison: Comparison, packed: Packed) -> list[float]:
    """Edge lengths (z, y, x) in nm of the box that the 3D view draws."""
    size = comparison.grid.voxel_size
    if size is None or not packed.objects:
        return [1.0, 1.0, 1.0]
    return [float(count * edge) for count, edge in zip(comparison.grid.shape, size.zyx, strict=True)]


def _apart(comparison: Comparison) -> float:
    """How many nm the 3D view draws each source behind the one before: what is nearer shows the first one's colour."""
    size = comparison.grid.voxel_size
    return 0.0 if size is None else size.volume_nm3 ** (1 / 3) / 2


def _stills(meshes: Sequence[SourceMesh], comparison: Comparison, roles: dict[str, Role]) -> list[tuple[Role, str]]:
    """One rendered picture a source, for paper and for browsers without WebGL."""
    filled = [entry for entry in meshes if not entry[3].is_empty and entry[0] in roles]
    size = comparison.grid.voxel_size
    if not filled or size is None:
        return []
    sides = np.array(comparison.grid.shape) * size.zyx
    for *_, mesh in filled:
        sides = np.maximum(sides, mesh.bounds[1])
    z, y, x = (float(side) for side in sides)
    stills = []
    for source, role in roles.items():
        shown = [(mesh, role.light) for name, _, _, mesh in filled if name == source]
        picture = still(_largest(shown), extent_nm=(z, y, x), size_px=STILL_PX)
        stills.append((role, _as_webp(picture)))
    return stills


def _largest(meshes: list[tuple[Mesh, str]]) -> list[tuple[Mesh, str]]:
    """Leave the smallest out where a picture would take long."""
    order = sorted(range(len(meshes)), key=lambda index: -abs(meshes[index][0].volume_nm3))
    faces = np.cumsum([len(meshes[index][0].faces) for index in order])
    keep = order[: max(1, int(np.searchsorted(faces, MOST_STILL_FACES, side="right")))]
    return [meshes[index] for index in sorted(keep)]


def _as_webp(picture: Any) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="WEBP", quality=86, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
