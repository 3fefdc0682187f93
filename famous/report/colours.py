"""One colour a class, the same in every picture, table and mesh, and distinct to colour-blind readers.

The first eight are those of Okabe and Ito (2002, "Color Universal Design", jfly.uni-koeln.de/color), lightened where
they would drown on a grey slice; the others come from Tol's muted scheme (2021, SRON/EPS/TN/09-002).
"""

import colorsys
from collections.abc import Mapping, Sequence

from famous.errors import ConfigError

#: in the order in which classes without a colour of their own take them
PALETTE: tuple[str, ...] = (
    "#e69f00",  # orange
    "#56b4e9",  # sky blue
    "#009e73",  # bluish green
    "#f0e442",  # yellow
    "#cc79a7",  # reddish purple
    "#d55e00",  # vermilion
    "#2f7fd0",  # blue
    "#b9b9b9",  # grey
    "#44aa99",  # teal
    "#ddcc77",  # sand
    "#aa4499",  # purple
    "#999933",  # olive
    "#882255",  # wine
    "#88ccee",  # cyan
    "#117733",  # green
    "#7768c8",  # indigo
)

#: the common organelles; where two share a colour they are rarely labelled together, and then the later one moves on
FIXED: dict[str, str] = {
    "mitochondrion": "#e69f00",
    "nucleus": "#56b4e9",
    "early endosome": "#f0e442",
    "late endosome": "#cc79a7",
    "lysosome": "#d55e00",
    "golgi": "#009e73",
    "endoplasmic reticulum": "#2f7fd0",
    "multivesicular body": "#44aa99",
    "synapse": "#56b4e9",
    "nucleolus": "#7768c8",
    "lipid droplet": "#ddcc77",
    "vesicle": "#88ccee",
    "fusiform vesicle": "#88ccee",
    "peroxisome": "#aa4499",
    "autophagosome": "#882255",
    "membrane": "#b9b9b9",
}

ALIASES: dict[str, str] = {
    "mito": "mitochondrion",
    "mitochondria": "mitochondrion",
    "nuclei": "nucleus",
    "nucleoli": "nucleolus",
    "ee": "early endosome",
    "le": "late endosome",
    "lyso": "lysosome",
    "mvb": "multivesicular body",
    "multivesicular bodies": "multivesicular body",
    "er": "endoplasmic reticulum",
    "golgi apparatus": "golgi",
    "golgi body": "golgi",
    "ld": "lipid droplet",
    "fv": "fusiform vesicle",
}

GOLDEN_TURN = 0.618033988749895  # of the colour circle between classes beyond the palette


def class_colours(class_names: Sequence[str], chosen: Mapping[str, str | None]) -> dict[str, str]:
    """Give every class its colour, `#rrggbb`, in the order of the names.

    A chosen colour wins, then the fixed one of a common organelle (also under its plural or a usual short name), then
    the next of the palette that no other class has.

    Parameters
    ----------
    chosen
        Class → CSS colour (name, `#rgb`, `#rrggbb`, `rgb(…)`, `hsl(…)`), or None for the usual one; may lack classes.

    Raises
    ------
    ConfigError
        If a chosen colour is not a CSS colour.
    """
    names = list(dict.fromkeys(class_names))
    colours = {name: to_hex(colour, name) for name in names if (colour := chosen.get(name))}
    for name in names:
        fixed = FIXED.get(usual_name(name))
        if name not in colours and fixed and fixed not in colours.values():
            colours[name] = fixed
    for name in names:
        if name not in colours:
            colours[name] = _next_free(set(colours.values()))
    return {name: colours[name] for name in names}


def to_hex(colour: str, class_name: str = "") -> str:
    """Write a CSS colour as `#rrggbb`; an alpha is dropped. Raises ConfigError where it is none."""
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(colour.strip())[:3]
    except ValueError as error:
        where = f"colour of class {class_name!r}" if class_name else "colour"
        raise ConfigError(
            f"{where}: found {colour!r}, expected a CSS colour; write a name as orange or a value as #e69f00"
        ) from error
    return f"#{red:02x}{green:02x}{blue:02x}"


def usual_name(name: str) -> str:
    """Return what a class is usually called: lower case, single spaces, singular, no short name; the key of FIXED."""
    words = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
    for candidate in (words, words.removesuffix("s")):
        if candidate in ALIASES:
            return ALIASES[candidate]
        if candidate in FIXED:
            return candidate
    return words


def _next_free(taken: set[str]) -> str:
    """Take the first palette colour that is free; beyond it, hues a golden section of the circle apart."""
    for colour in PALETTE:
        if colour not in taken:
            return colour
    step = 0
    while True:
        red, green, blue = colorsys.hls_to_rgb(step * GOLDEN_TURN % 1.0, 0.42 + 0.13 * (step % 3), 0.65)
        colour = f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
        if colour not in taken:
            return colour
        step += 1
