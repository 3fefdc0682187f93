"""Axes of the plots: few ticks as plain numbers, whole ones where things are counted, and words where nothing is."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from famous.report.inline_svg import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def say_none(axes: "Axes", reason: str) -> None:
    """Write that there is nothing, and why, in the place of axes that would only have made-up numbers."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for text, height, size in (("none", 0.56, 8.0), (reason, 0.46, 7.0)):
        axes.text(0.5, height, text, ha="center", va="top", fontsize=size, color=MUTED, transform=axes.transAxes)


def whole_numbers(axes: "Axes", which: str) -> None:
    """Set ticks at whole numbers only, thousands apart."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def logarithmic(axes: "Axes", which: str, values: NDArray[np.float64]) -> None:
    """Show these values on a logarithmic axis with few ticks, written as plain numbers, over a factor of 3 at least."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    values = values[np.isfinite(values) & (values > 0)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.1, 1.0)
    room = max(1.15, (3.0 * low / high) ** 0.5)
    low, high = low / room, high * room
    if high > 30 * low:
        tens = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        ticks = np.array([step * 10.0**ten for ten in tens for step in ((1, 3) if high < 1000 * low else (1,))])
    else:
        ticks = np.array(MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high))
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    axis.set_major_locator(FixedLocator(ticks[(ticks >= low) & (ticks <= high)]))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:.6f}".rstrip("0").rstrip(".") if value < 1 else f"{value:,.4g}")
    )
    axis.set_minor_locator(NullLocator())
