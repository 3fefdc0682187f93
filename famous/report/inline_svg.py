"""Plots as SVG that lies inside a page: real text, the page's colours in light and dark, the same bytes each time."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: colours that stand for the page's: whoever draws uses the keys, the page reads the values
INK, MUTED, LINE, PANEL = "#010203", "#040506", "#070809", "#0a0b0c"
PAGE_COLOURS = {INK: "var(--text)", MUTED: "var(--muted)", LINE: "var(--line)", PANEL: "var(--panel)"}
STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "famous",
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.4,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the report's style, whatever the user's own settings of matplotlib are."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Make a figure that belongs to no window and no global list."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def to_inline(figure: "Figure", name: str, label: str, colours: Mapping[str, str]) -> str:
    """Write a figure as an `<svg>` element.

    Parameters
    ----------
    name
        Goes before every id, so that two figures of one page do not share any.
    label
        What the figure shows, for those who do not see it.
    colours
        `#rrggbb` that was drawn with → the CSS that the page has in its place.
    """
    from markupsafe import escape

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d. a-z]*?)([\d.]+px) [^;\"]*", r"font: \1\2 var(--font)", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-")
    for colour, css in {**PAGE_COLOURS, **colours}.items():
        text = text.replace(colour, css)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    view = size.group(0) if size else ""
    text = re.sub(r"<svg[^>]*>", f'<svg {view} role="img" aria-label="{escape(label)}">', text, count=1)
    return re.sub(r"\n\s*", "\n", text).strip()
