"""Write configs/default.yaml: every knob with its default, its type and its comment, read off the parameter classes.

python tools/make_default_config.py            write the file
python tools/make_default_config.py --check    exit 1 if the file is out of date
"""

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from famous.config import Config, plain
from famous.extract import EllipseParams, MaskNetParams, OtsuParams
from famous.pipeline.project import KEPT

TARGET = Path(__file__).resolve().parents[1] / "configs" / "default.yaml"
HEAD = """\
# Every knob of famous with its default. Made by tools/make_default_config.py from the parameter classes.
# Copy what you want to change into a file of your own and say --config FILE; unknown keys are errors.
# What is commented out belongs to one stack: --voxel-size, --invert and the first look at the stack set it.
# Lengths are in nm, sizes that end in _px in pixels that the detector sees.

"""


def comments(kind: type) -> dict[str, str]:
    """The comment behind, or in the line above, each field of a dataclass."""
    found: dict[str, str] = {}
    field = ""
    for line in inspect.getsource(kind).splitlines():
        match = re.match(r"\s{4}(\w+):[^#]*(?:#:?\s*(.*))?$", line)
        if match and match[1] in {entry.name for entry in dataclasses.fields(kind)}:
            field = match[1]
            if match[2]:
                found[field] = match[2]
        elif field and field not in found and (inside := re.match(r"\s{8,}[^#]*#:?\s*(.*)$", line)):
            found[field] = inside[1]
    return found


def lines(value: Any, indent: int = 0) -> list[str]:
    """One node of the tree as YAML with comments."""
    pad, written = "  " * indent, []
    notes = comments(type(value))
    for entry in dataclasses.fields(value):
        own = getattr(value, entry.name)
        if dataclasses.is_dataclass(own):
            written += [f"{pad}{entry.name}:", *lines(own, indent + 1)]
            continue
        own_pad = f"{pad}# " if isinstance(value, Config) and entry.name in KEPT else pad
        text = yaml.safe_dump(plain(own), default_flow_style=True, allow_unicode=True).removesuffix("...\n").strip()
        note = notes.get(entry.name, "")
        written.append(f"{own_pad}{entry.name}: {text}" + (f"  # {note}" if note else ""))
    return written


def recipes() -> list[str]:
    """The knobs that `classes.<name>.extract` takes, as comments: each class starts from a recipe of its own."""
    written = ["", "# classes:", "#   mitochondrion:", '#     color: "#d55e00"', "#     extract:"]
    for method, kind in (("masknet", MaskNetParams), ("otsu", OtsuParams), ("ellipse", EllipseParams)):
        written.append(f"#       method: {method}")
        written += [f"#       {line}" for line in lines(kind())]
    return written


def main() -> None:
    text = HEAD + "\n".join(lines(Config()) + recipes()) + "\n"
    if "--check" in sys.argv:
        sys.exit(0 if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text else f"{TARGET} is out of date")
    TARGET.write_text(text, encoding="utf-8")
    print(TARGET)


if __name__ == "__main__":
    main()
