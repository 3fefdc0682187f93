"""Who is who in a comparison: the colour, line and marker of each source, the same in plots, outlines and meshes.

The paper draws manual 1 red, manual 2 blue and the program green. Red and green are one colour to one man in twelve, so
these are the red, blue and green of Okabe and Ito (2002): vermilion, blue and bluish green, each with a line and a
marker of its own. Darker grounds take lighter shades of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from famous.compare.comparison import Comparison

#: of what no palette has a place for: the fourth source and any after it, which `famous compare` never makes
SPARE = ("#7768c8", "#a79cf0")


@dataclass(frozen=True)
class Role:
    """How one source, or one pair of them, looks.

    Parameters
    ----------
    key
        Name of its CSS variable without the dashes, such as `source-0`.
    light, dark
        `#rrggbb` on light and on dark ground.
    line
        Dashes of its lines, as SVG and matplotlib write them; empty for a whole line.
    marker
        matplotlib's letter.
    """

    name: str
    key: str
    light: str
    dark: str
    line: tuple[float, ...]
    marker: str
    colour_name: str

    @property
    def dashes(self) -> str:
        """Value of SVG's stroke-dasharray."""
        return " ".join(f"{part:g}" for part in self.line) or "none"

    @property
    def symbol(self) -> str:
        """The marker as a character."""
        return {"o": "●", "s": "■", "^": "▲", "D": "◆"}[self.marker]


_LOOKS = (  # light, dark, dashes, marker, name of the colour
    ("#009e73", "#1fbf92", (), "o", "bluish green"),
    ("#d55e00", "#f5813a", (7.0, 2.5), "s", "vermilion"),
    ("#0072b2", "#4fb0ee", (4.0, 2.5), "^", "blue"),
)
_EXPERTS = ("#6f6f78", "#b4b4be", (7.0, 2.0, 1.5, 2.0), "D", "grey")


def source_roles(names: Sequence[str]) -> dict[str, Role]:
    """Give each source its role: the first is green, the second vermilion, the third blue."""
    roles = {}
    for index, name in enumerate(names):
        light, dark, line, marker, colour = _LOOKS[index] if index < len(_LOOKS) else (*SPARE, (), "D", "violet")
        roles[name] = Role(name, f"source-{index}", light, dark, line, marker, colour)
    return roles


def pair_roles(comparison: Comparison) -> dict[tuple[str, str], Role]:
    """Give each pair its role: the truth's where the first source is measured by it, grey where experts are.

    With only two sources the pair takes the first one's colour.
    """
    sources = source_roles([source.name for source in comparison.sources])
    pairs = comparison.pairs
    roles = {}
    for index, (pred, truth) in enumerate(pairs):
        look = sources[truth if len(pairs) > 1 else pred]
        values = (look.light, look.dark, look.line, look.marker, look.colour_name)
        if index == 2:
            values = _EXPERTS
        roles[pred, truth] = Role(f"{pred} against {truth}", f"pair-{index}", *values)
    return roles
