"""The plots of a comparison: volumes as in the paper's Figures 13 to 18, slices, and what the threshold does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.compare.comparison import Comparison
from famous.report.comparison_axes import logarithmic, say_none, whole_numbers
from famous.report.comparison_numbers import significant
from famous.report.comparison_roles import Role, pair_roles, source_roles
from famous.report.inline_svg import INK, MUTED, new_figure, styled, to_inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 11.2  # inches, at 72 points each: the page shows them larger
MOST_POINTS = 300  # drawn of one source and class; the boxes and lines know them all
COLUMNS = 4  # panels beside each other
PANEL_HEIGHT = 2.15  # inches


@dataclass(frozen=True)
class Plot:
    """One figure of the page: its SVG and what is written below it."""

    key: str
    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Panels:
    """What panels of a figure share: its key, what it shows, and the names of the axes."""

    key: str
    label: str
    x: str = ""
    y: str = ""
    legend: str = "marked"  # or "lines", or "" for none


def plots(comparison: Comparison) -> dict[str, Plot]:
    """Draw every plot that the tables have something for, by its key."""
    drawers: list[Callable[[Comparison], Plot | None]] = [totals, distributions, sizes, slices, thresholds]
    with styled():
        drawn = [draw(comparison) for draw in drawers]
    return {plot.key: plot for plot in drawn if plot is not None}


def totals(comparison: Comparison) -> Plot | None:
    """Bars: total volume and number of each class in each source."""
    table = comparison.totals
    if table.empty or not (table["count"] > 0).any():
        return None
    roles = source_roles([source.name for source in comparison.sources])
    figure = new_figure(WIDTH, 2.9)
    known = [("count", "Number of objects")]
    if table["volume_um3"].notna().any():  # boxes have none
        known.insert(0, ("volume_um3", "Total volume (µm³)"))
    for axes, (column, title) in zip(figure.subplots(1, 2), known, strict=False):
        _bars(axes, comparison, roles, column)
        axes.set_title(title)
    for axes in figure.axes[len(known) :]:
        axes.remove()
    _legend(figure, list(roles.values()), "patches")
    what = "Total volume and number" if len(known) > 1 else "Number"
    label = f"{what} of objects per class and source; the numbers are in the table below."
    caption = f"{what} of objects per class and source (after the paper's Figures 13 to 18)."
    return Plot("totals", what, to_inline(figure, "totals", label, _colours(roles.values())), caption)


def _bars(axes: "Axes", comparison: Comparison, roles: dict[str, Role], column: str) -> None:
    table = comparison.totals.set_index(["source", "class"])[column]
    names, width = comparison.classes, 0.8 / max(len(roles), 1)
    most = float(np.nan_to_num(table.max())) or 1.0
    there = set(comparison.totals[comparison.totals["count"] > 0]["class"])
    for index, (source, role) in enumerate(roles.items()):
        heights = np.nan_to_num([float(table.get((source, name), 0.0)) for name in names])  # boxes have no volume
        places = np.arange(len(names)) + (index - (len(roles) - 1) / 2) * width
        axes.bar(places, heights, 0.9 * width, color=role.light)
        for x, height, name in zip(places, heights, names, strict=True):
            if name not in there:
                continue
            text = f"{height:,.0f}" if column == "count" else significant(float(height))
            axes.text(
                x,
                height + 0.015 * most,
                text,
                ha="center",
                va="bottom",
                fontsize=6 if len(names) > 3 else 6.5,
                color=MUTED,
            )
    for x, name in enumerate(names):
        if name not in there:
            axes.text(x, 0.015 * most, "none: in\nno source", ha="center", va="bottom", fontsize=6.5, color=MUTED)
    if column == "count":
        whole_numbers(axes, "y")
    axes.set_xticks(range(len(names)), [_short(name) for name in names])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(0, 1.1 * most)
    axes.grid(axis="y")


def distributions(comparison: Comparison) -> Plot | None:
    """Points and boxes: the volume of every object, on a logarithmic axis."""
    objects = comparison.objects[comparison.objects["volume_um3"] > 0]
    if objects.empty:
        return None
    roles = source_roles([source.name for source in comparison.sources])
    random = np.random.default_rng(0)

    def draw(axes: "Axes", name: str) -> None:
        if not (objects["class"] == name).any():
            say_none(axes, "no source has an object of it")
            return
        for index, (source, role) in enumerate(roles.items()):
            of = objects[(objects["source"] == source) & (objects["class"] == name)]["volume_um3"].to_numpy()
            if len(of) == 0:
                axes.text(
                    index, 0.5, "none", ha="center", color=MUTED, fontsize=7, transform=axes.get_xaxis_transform()
                )
                continue
            shown = _thin(np.sort(of), MOST_POINTS)
            places = index + random.uniform(-0.22, 0.22, len(shown))
            axes.scatter(places, shown, s=9, marker=role.marker, color=role.light, alpha=0.55, linewidths=0)
            low, middle, high = np.quantile(of, [0.25, 0.5, 0.75])
            axes.plot([index, index], [low, high], color=INK, linewidth=1.2, solid_capstyle="butt")
            axes.plot([index - 0.3, index + 0.3], [middle, middle], color=INK, linewidth=1.8)
        logarithmic(axes, "y", objects[objects["class"] == name]["volume_um3"].to_numpy())
        axes.set_xticks(range(len(roles)), list(roles))
        axes.set_xlim(-0.6, len(roles) - 0.4)
        axes.tick_params(axis="x", length=0)
        axes.grid(axis="y")

    panels = Panels(
        "distributions", "Volume of each object in µm³ per class and source, on a logarithmic axis", y="µm³", legend=""
    )
    svg = _panels(comparison, draw, panels, roles)
    caption = "Volume of each object: one mark an object, the thick line the median, the thin one the middle half."
    return Plot(
        "distributions", "Volume of each object", svg, caption + _capped(objects.groupby(["source", "class"]).size())
    )


def sizes(comparison: Comparison) -> Plot | None:
    """Points: how well an object was found, against how large it is."""
    found = comparison.matches[
        comparison.matches["kind"].isin(["matched", "missed"]) & comparison.matches["truth_id"].notna()
    ]
    if found.empty or comparison.objects["volume_um3"].isna().all():
        return None
    roles = pair_roles(comparison)
    volumes = comparison.objects.set_index(["source", "class", "id"])["volume_um3"]

    def draw(axes: "Axes", name: str) -> None:
        if not (found["class"] == name).any():
            say_none(axes, "no truth has an object of it")
            return
        seen = [np.zeros(0)]
        for pair, role in roles.items():
            of = found[(found["pred"] == pair[0]) & (found["truth"] == pair[1]) & (found["class"] == name)]
            of = _thin_table(of, MOST_POINTS)
            keys = [(pair[1], name, int(number)) for number in of["truth_id"]]
            x = np.array([float(volumes.get(key, np.nan)) for key in keys])
            seen.append(x)
            axes.scatter(x, of["iou"].fillna(0.0), s=12, marker=role.marker, color=role.light, alpha=0.65, linewidths=0)
        axes.axhline(comparison.threshold, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        logarithmic(axes, "x", np.concatenate(seen))
        axes.set_ylim(-0.04, 1.04)
        axes.grid()

    panels = Panels(
        "sizes",
        "Size of each object of the truth against the IoU with its partner, per class and pair",
        x="volume (µm³)",
        y="IoU",
    )
    svg = _panels(comparison, draw, panels, roles)
    caption = (
        "Each object of the truth: its volume, and its IoU with its match, or else with what comes nearest to one; 0 "
        f"where nothing overlaps it. Dashed: IoU {comparison.threshold:g}."
    )
    return Plot("sizes", "Size against IoU", svg, caption + _capped(found.groupby(["pred", "truth", "class"]).size()))


def slices(comparison: Comparison) -> Plot | None:
    """Lines: F1 of the pixels in every slice."""
    table = comparison.slices
    if table.empty:
        return None
    roles = pair_roles(comparison)

    def draw(axes: "Axes", name: str) -> None:
        if table[table["class"] == name]["f1"].isna().all():
            say_none(axes, "no slice of any source has it")
            return
        for pair, role in roles.items():
            of = table[(table["pred"] == pair[0]) & (table["truth"] == pair[1]) & (table["class"] == name)].sort_values(
                "z"
            )
            z, f1 = _coarsen(of["z"].to_numpy(), of["f1"].to_numpy(dtype=np.float64), 400)
            axes.plot(z, f1, color=role.light, linestyle=(0, role.line) if role.line else "-", linewidth=1.1)
            single = _alone(f1)  # what no line leads to
            axes.scatter(z[single], f1[single], s=9, marker=role.marker, color=role.light, linewidths=0)
        axes.set_xlim(table["z"].min() - 0.5, table["z"].max() + 0.5)
        whole_numbers(axes, "x")
        axes.set_ylim(-0.04, 1.04)
        axes.grid()

    panels = Panels(
        "slices",
        "F1 of the pixels of every slice along the stack, per class and pair",
        x="slice (z)",
        y="F1 of pixels",
        legend="lines",
    )
    svg = _panels(comparison, draw, panels, roles)
    caption = (
        "F1 of the pixels, not of the objects, in every slice; a gap is where neither has the class. Mean and standard "
        "deviation are in the table below."
    )
    return Plot("slices", "F1 of the pixels, slice by slice", svg, caption)


def thresholds(comparison: Comparison) -> Plot | None:
    """Lines: F1 of every pair, as the IoU grows that a match needs."""
    table = comparison.detection
    table = table[(table["matching"] == "one to one") & table["threshold"].notna()].sort_values("threshold")
    if table.empty:
        return None
    roles = pair_roles(comparison)

    def draw(axes: "Axes", name: str) -> None:
        if table[table["class"] == name]["f1"].isna().all():
            say_none(axes, "no source has an object of it")
            return
        for pair, role in roles.items():
            of = table[(table["pred"] == pair[0]) & (table["truth"] == pair[1]) & (table["class"] == name)]
            line = (0, role.line) if role.line else "-"
            axes.plot(of["threshold"], of["f1"], color=role.light, linestyle=line, marker=role.marker, markersize=3)
        axes.axvline(comparison.threshold, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_ylim(-0.04, 1.04)
        axes.grid()

    panels = Panels(
        "thresholds", "F1 against the IoU that a match needs, per class and pair", x="IoU that a match needs", y="F1"
    )
    svg = _panels(comparison, draw, panels, roles)
    caption = (
        "How F1 falls as a match needs more overlap. These are scores without their intervals; dashed: the IoU that "
        "the rest of the report is made with."
    )
    return Plot("thresholds", "F1 and the matching threshold", svg, caption)


def _panels(comparison: Comparison, draw: Callable[["Axes", str], None], panels: Panels, roles: dict[Any, Role]) -> str:
    """One panel a class, in rows of four."""
    names = comparison.classes
    across = min(COLUMNS, max(len(names), 2))
    rows = -(-len(names) // across)
    figure = new_figure(WIDTH, rows * PANEL_HEIGHT + 0.35)
    grid = figure.subplots(rows, across, squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        draw(axes, name)
        axes.set_title(_short(name, 30))
        if axes.get_xticks().size:
            axes.set_xlabel(panels.x)
    for row in grid:
        with_ticks = [axes for axes in row if axes.get_yticks().size]
        (with_ticks or row)[0].set_ylabel(panels.y if with_ticks else "")
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    if panels.legend:
        _legend(figure, list(roles.values()), panels.legend)
    return to_inline(figure, panels.key, panels.label, _colours(roles.values()))


def _legend(figure: Any, roles: Sequence[Role], kind: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if kind == "patches":
        handles: list[Any] = [Patch(color=role.light, label=role.name) for role in roles]
    else:
        handles = [
            Line2D(
                [],
                [],
                color=role.light,
                marker=role.marker if kind == "marked" else "",
                markersize=4,
                label=role.name,
                linestyle=(0, role.line) if role.line else "-",
            )
            for role in roles
        ]
    figure.legend(handles=handles, loc="outside upper left", ncols=max(len(handles), 1), handlelength=3.2)


def _colours(roles: Any) -> dict[str, str]:
    """What the page puts in the place of each role's colour."""
    return {role.light: f"var(--{role.key})" for role in roles}


def _short(name: str, longest: int = 18) -> str:
    """Cut a name that its place has no room for; `$` is no formula here."""
    text = name if len(name) <= longest else name[: longest - 1] + "…"
    return text.replace("$", r"\$")


def _thin(values: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Take values evenly out of sorted ones, the first and the last among them."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(np.int64)]


def _thin_table(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Take rows evenly."""
    if len(table) <= most:
        return table
    return table.iloc[np.linspace(0, len(table) - 1, most).round().astype(np.int64)]


def _coarsen(z: NDArray[Any], values: NDArray[np.float64], most: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Take means of neighbouring slices where there are more than anyone can see; NaN where all of them are."""
    step = -(-len(z) // most) if len(z) else 1
    if step <= 1:
        return z, values
    groups = np.arange(len(z)) // step
    table = pd.DataFrame({"z": z, "value": values}).groupby(groups).mean()
    return table["z"].to_numpy(), table["value"].to_numpy()


def _alone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which values stand between two that are NaN, or at an end beside one."""
    there = np.pad(np.isfinite(values), 1)
    single: NDArray[np.bool_] = there[1:-1] & ~there[:-2] & ~there[2:]
    return single


def _capped(counts: pd.Series) -> str:
    """Say so where not every object is drawn."""
    return (
        f" Of more than {MOST_POINTS} objects, {MOST_POINTS} are drawn."
        if len(counts) and counts.max() > MOST_POINTS
        else ""
    )
