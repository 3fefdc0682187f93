"""CVAT's XML 1.1, "for images" (<image><box/></image>) and "for video" (<track><box frame=/></track>).

One attribute of ours is written, which CVAT skips: `done` of an image. The parser is expat without a document type, so
that no entity can be declared, and it reports the line of everything.
"""

import math
from collections import Counter
from pathlib import Path
from typing import ClassVar
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from famous.errors import InputError
from famous.files import write_text
from famous.io.annotations.annotation import Annotations, check_class_name, shown
from famous.io.annotations.rows import Corners, Rows, check_size, check_slice, number, whole
from famous.io.annotations.slices import SliceFinder
from famous.io.annotations.text import done_note, scores_note, sorted_boxes
from famous.io.tables import read_bytes
from famous.words import counted

Attributes = dict[str, str]


def read(path: Path, rows: Rows, finder: SliceFinder) -> None:
    """Read a CVAT file for images or for video."""
    content = read_bytes(path)
    reader = _Reader(path, rows, finder)
    try:
        reader.parse(content)
    except expat.ExpatError as error:
        raise InputError(f"{path}: not XML ({error}); expected CVAT's XML 1.1") from error
    if reader.root != "annotations":
        raise InputError(f"{path}: found the XML element <{reader.root:.40}>, expected CVAT's <annotations>")
    reader.finish()


class _Reader:
    """Walks through the elements with a stack of their names, and keeps the image or track that it is inside of."""

    SHAPES: ClassVar = ("polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton", "tag")

    def __init__(self, path: Path, rows: Rows, finder: SliceFinder) -> None:
        self.path, self.rows, self.finder = path, rows, finder
        self.root = ""
        self.open: list[str] = []
        self.text = ""
        self.size: dict[str, str] = {}
        self.z: int | None = None  # of the image that is open; None where it is broken
        self.said: str | None = None  # what the open image says about being done
        self.label: str | None = None  # of the track that is open
        self.seen: dict[int, str] = {}
        self.unsaid: set[int] = set()  # slices with boxes that do not say whether they are done
        self.skipped: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()  # of the boxes
        self.parser = expat.ParserCreate(encoding="utf-8")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._refuse

    @property
    def where(self) -> str:
        return f"{self.path.name} line {self.parser.CurrentLineNumber}"

    def parse(self, content: bytes) -> None:
        """Feed the whole file; every element ends up in a handler below."""
        self.parser.Parse(content, True)

    def finish(self) -> None:
        """Say what was skipped and which slices count as done."""
        rows = self.rows
        rows.done |= self.unsaid
        rows.classes[:] = dict.fromkeys(rows.classes)
        unlisted = {label: count for label, count in self.labels.items() if rows.classes and label not in rows.classes}
        for label, count in sorted(unlisted.items()):
            has = counted(count, "box has", "boxes have")
            rows.notes.append(f"{has} the label {shown(label)}, which <labels> does not list; it became a class")
        rows.notes += [self.finder.note()] if self.seen else []
        rows.counted(
            self.skipped["empty"],
            "image has no box and does not say that it is done; not taken as done",
            "images have no box and do not say that they are done; not taken as done",
        )
        rows.counted(
            self.skipped["interpolated"],
            "box was interpolated by CVAT; it was read like a drawn one",
            "boxes were interpolated by CVAT; they were read like drawn ones",
        )
        rows.counted(
            self.skipped["rotated"],
            "box is rotated; the upright box around it was taken",
            "boxes are rotated; the upright box around each was taken",
        )
        shapes = ", ".join(f"{count} {name}" for name, count in self.skipped.items() if name in self.SHAPES)
        rows.notes += [f"only boxes are read; left out: {shapes}"] if shapes else []
        rows.counted(
            len(rows.done),
            "slice counts as done, because it says so or has boxes",
            "slices count as done, because they say so or have boxes",
        )

    def _refuse(self, *_: object) -> None:
        found = f"{self.path}: found in line {self.parser.CurrentLineNumber} a document type declaration"
        raise InputError(f"{found}, which CVAT does not write; remove it")

    def _start(self, name: str, attributes: Attributes) -> None:
        self.root = self.root or name
        self.open.append(name)
        self.text = ""
        with self.rows.row(self.where):
            if name == "image":
                self._start_image(attributes)
            elif name == "track":
                self.label = check_class_name(attributes.get("label"))
            elif name == "box":
                self._box(attributes)
            elif name in self.SHAPES:
                self.skipped[name] += 1

    def _end(self, name: str) -> None:
        self.open.pop()
        if name == "image":
            self.skipped["empty"] += self.z is not None and self.said is None and self.z not in self.unsaid
            self.z = None
        elif name == "track":
            self.label = None
        elif name == "name" and self.open[-2:] == ["labels", "label"]:
            with self.rows.row(self.where):
                self.rows.classes.append(check_class_name(self.text))
        elif self.open[-1:] == ["original_size"]:
            self.size[name] = self.text
        elif name == "original_size":
            with self.rows.row(self.where):
                height, width = (number(self.size.get(key, "").strip() or 0, key) for key in ("height", "width"))
                if height or width:
                    check_size(height, width, self.rows.shape)

    def _characters(self, text: str) -> None:
        if len(self.text) < 10_000:
            self.text += text

    def _start_image(self, attributes: Attributes) -> None:
        self.z = self.said = None
        name, number_text = attributes.get("name"), attributes.get("id")
        if not name and number_text is None:
            raise InputError("found an image without name and id, expected one of them")
        fallback = None if number_text is None else whole(number_text, "id of the image")
        z = self.finder.find(name or str(fallback), fallback=fallback)
        if z in self.seen:
            raise InputError(f"found slice {z}, which is also {self.seen[z]}; expected one image a slice")
        height, width = (number(attributes.get(key, "0"), key) for key in ("height", "width"))
        if height or width:
            check_size(height, width, self.rows.shape)
        said = attributes.get("done")
        if said not in (None, "0", "1"):
            raise InputError(f"found {shown(said)} as done, expected 1 or 0")
        self.seen[z] = self.where
        self.z = z
        self.said = said
        if said == "1":
            self.rows.done.add(z)

    def _box(self, attributes: Attributes) -> None:
        parent = self.open[-2] if len(self.open) > 1 else ""
        if parent == "image":
            if self.z is None:
                raise InputError("found a box of an image that cannot be read")
            z, label = self.z, check_class_name(attributes.get("label"))
            silent = self.said is None
        elif parent == "track":
            if self.label is None:
                raise InputError("found a box of a track that cannot be read")
            if attributes.get("outside") == "1":
                return
            z, label, silent = check_slice(whole(attributes.get("frame"), "frame"), self.rows.shape), self.label, True
            self.skipped["interpolated"] += attributes.get("keyframe") == "0"
        else:
            raise InputError(f"found a box inside <{parent:.40}>, expected it inside an image or a track")
        self.rows.add(self.where, z, self._corners(attributes), label)
        self.labels[label] += 1
        if silent:
            self.unsaid.add(z)

    def _corners(self, attributes: Attributes) -> Corners:
        y0, x0, y1, x1 = (number(attributes.get(key), key) for key in ("ytl", "xtl", "ybr", "xbr"))
        angle = number(attributes.get("rotation", "0"), "rotation")
        if not angle % 360 or not math.isfinite(angle):
            if not math.isfinite(angle):
                raise InputError(f"found {angle} as rotation, expected degrees")
            return y0, x0, y1, x1
        self.skipped["rotated"] += 1
        cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
        half_y, half_x = ((y1 - y0) * cos + (x1 - x0) * sin) / 2, ((x1 - x0) * cos + (y1 - y0) * sin) / 2
        y, x = (y0 + y1) / 2, (x0 + x1) / 2
        return y - half_y, x - half_x, y + half_y, x + half_x


def write(path: Path, annotations: Annotations, finder: SliceFinder) -> list[str]:
    """Write a CVAT file for images; return what it cannot hold."""
    height, width = finder.shape[1:]
    boxes: dict[int, list[str]] = {z: [] for z in annotations.slices}
    columns = ["z", "class_name", "y0", "x0", "y1", "x1"]
    for z, name, y0, x0, y1, x1 in sorted_boxes(annotations, scored=False)[columns].itertuples(index=False, name=None):
        place = f'xtl="{x0}.00" ytl="{y0}.00" xbr="{x1}.00" ybr="{y1}.00"'
        boxes[z].append(f'    <box label={quoteattr(name)} source="manual" occluded="0" {place} z_order="0"></box>')
    labels = [f"<label><name>{escape(name)}</name></label>" for name in annotations.classes]
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    lines += ["  <meta><task><labels>", *(f"    {label}" for label in labels), "  </labels></task></meta>"]
    for z, inside in boxes.items():
        size = f'width="{width}" height="{height}" done="{int(z in annotations.done)}"'
        lines += [f'  <image id="{z}" name={quoteattr(finder.name(z))} {size}>', *inside, "  </image>"]
    write_text(path, "\n".join([*lines, "</annotations>"]) + "\n")
    return scores_note(annotations, "CVAT XML") + done_note(
        annotations, "`done` of an image keeps them apart for famous"
    )
