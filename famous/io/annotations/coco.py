"""COCO's detection JSON: images, annotations with bbox [x, y, width, height] in pixels, categories.

Two keys of ours are written where they are needed, which other programs skip: `done` of an image, `score` of a box.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from famous.errors import InputError
from famous.files import write_text
from famous.io.annotations.annotation import Annotations, check_class_name, shown
from famous.io.annotations.rows import Rows, check_size, number, read_text
from famous.io.annotations.slices import SliceFinder
from famous.io.annotations.text import done_note, score_text, sorted_boxes

Entry = Mapping[str, Any]
_INK = re.compile(r"[^ \t\n\r]")


def read(path: Path, rows: Rows, finder: SliceFinder) -> None:
    """Read a COCO file; images that no box refers to may belong to other stacks."""
    content = _load(path)
    rows.locate = _locator(path)
    categories: dict[int, str] = {}
    for where, entry in _entries(content, "categories", path):
        with rows.row(where):
            name = check_class_name(entry.get("name"))
            if categories.setdefault(_id(entry, "id"), name) != name:
                raise InputError(f"found the id {entry['id']} twice, expected each once")
    rows.classes += dict.fromkeys(categories.values())
    images = _Images(_entries(content, "images", path), rows, finder)
    rows.notes.append(finder.note())
    crowds = outlines = 0
    for where, entry in _entries(content, "annotations", path):
        with rows.row(where):
            category = _id(entry, "category_id")
            if category not in categories:
                raise InputError(f"found the category_id {category}, expected one of {sorted(categories)[:20]}")
            corners = _corners(entry.get("bbox"))
            score = number(entry.get("score", 1.0), "score")
            rows.add(where, images.slice_of(_id(entry, "image_id")), corners, categories[category], score)
            crowds += entry.get("iscrowd") not in (None, 0, False)
            outlines += bool(entry.get("segmentation"))
    rows.counted(
        crowds,
        "box is marked iscrowd; it was taken as an ordinary one",
        "boxes are marked iscrowd; they were taken as ordinary ones",
    )
    rows.counted(
        outlines, "box has a segmentation; only the box was read", "boxes have a segmentation; only the box was read"
    )
    images.declare_done()


class _Images:
    """The images of a COCO file: id to slice, worked out for those that a box asks for."""

    def __init__(self, entries: list[tuple[str, Entry]], rows: Rows, finder: SliceFinder) -> None:
        self.rows = rows
        self.finder = finder
        self.entries: dict[int, tuple[str, Entry]] = {}
        self.found: dict[int, int | InputError] = {}
        self.taken: dict[int, str] = {}
        for where, entry in entries:
            with rows.row(where):
                if self.entries.setdefault(_id(entry, "id"), (where, entry))[0] != where:
                    raise InputError(f"found the id {entry['id']} twice, expected each once")

    def slice_of(self, image: int) -> int:
        """Slice z of an image id; InputError where there is none."""
        if image not in self.entries:
            raise InputError(f"found the image_id {image}, expected the id of one of the {len(self.entries)} images")
        z = self._look_up(image)
        if isinstance(z, InputError):
            raise InputError(f"{self.entries[image][0]}: {z}")
        return z

    def declare_done(self) -> None:
        """Take as done what says so, and where nothing is said, the images with boxes."""
        labelled = set(self.found)
        silent = elsewhere = 0
        for image, (where, entry) in self.entries.items():
            z, said = self._look_up(image), entry.get("done")
            if said not in (None, False, True):
                self.rows.broken(where, f"found {shown(said)} as done, expected true or false")
            elif isinstance(z, InputError):
                elsewhere += 1
                if said:
                    self.rows.broken(where, str(z))
            elif said or (said is None and image in labelled):
                self.rows.done.add(z)
            else:
                silent += said is None
        self.rows.counted(
            silent,
            "image has no box and does not say that it is done; it was not taken as done",
            "images have no box and do not say that they are done; they were not taken as done",
        )
        self.rows.counted(
            elsewhere,
            "image without boxes is none of this stack's slices",
            "images without boxes are none of this stack's slices",
        )
        self.rows.counted(
            len(self.rows.done),
            "slice counts as done, because it says so or has boxes",
            "slices count as done, because they say so or have boxes",
        )

    def _look_up(self, image: int) -> int | InputError:
        if image not in self.found:
            try:
                self.found[image] = self._resolve(image)
            except InputError as error:
                self.found[image] = error
        return self.found[image]

    def _resolve(self, image: int) -> int:
        entry = self.entries[image][1]
        name = entry.get("file_name")
        if name is not None and not isinstance(name, str):
            raise InputError(f"found {shown(name)} as file_name, expected text")
        z = self.finder.find(name or str(image), fallback=image)
        height, width = (number(entry.get(key) or 0, key) for key in ("height", "width"))
        if height or width:
            check_size(height, width, self.finder.shape)
        if z in self.taken:
            raise InputError(f"found slice {z}, which is also {self.taken[z]}; expected one image a slice")
        self.taken[z] = self.entries[image][0]
        return z


def write(path: Path, annotations: Annotations, finder: SliceFinder) -> list[str]:
    """Write a COCO file; return what it cannot hold."""
    height, width = finder.shape[1:]
    category = {name: i for i, name in enumerate(annotations.classes, start=1)}
    images = [
        {"id": z, "file_name": finder.name(z), "width": width, "height": height, "done": z in annotations.done}
        for z in annotations.slices
    ]
    boxes = []
    columns = ["z", "class_name", "y0", "x0", "y1", "x1", "score"]
    table = sorted_boxes(annotations, scored=True)[columns]
    for count, (z, name, y0, x0, y1, x1, score) in enumerate(table.itertuples(index=False, name=None), start=1):
        w, h = x1 - x0, y1 - y0
        box = {"id": count, "image_id": z, "category_id": category[name], "bbox": [x0, y0, w, h], "area": w * h}
        box |= {"iscrowd": 0, "segmentation": []} | ({"score": float(score_text(score))} if score != 1 else {})
        boxes.append(box)
    categories = [{"id": i, "name": name} for name, i in category.items()]
    lists = {"images": images, "annotations": boxes, "categories": categories}
    parts = []
    for key, entries in lists.items():  # one line an entry, for people and for version control
        lines = ",".join(f"\n {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
        parts.append(f'"{key}": [{lines}\n]')
    write_text(path, "{" + ",\n".join(parts) + "}\n")
    return done_note(annotations, "`done` of an image keeps them apart for famous")


def _load(path: Path) -> Entry:
    try:
        content = json.loads(read_text(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise InputError(f"{path}: not JSON ({why}); expected COCO's JSON") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: found a JSON {type(content).__name__}, "
            "expected COCO's object with images, annotations and categories"
        )
    return content


def _entries(content: Entry, key: str, path: Path) -> list[tuple[str, Entry]]:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise InputError(f"{path}: found no list `{key}`, expected COCO's images, annotations and categories")
    wrong = next((i for i, entry in enumerate(entries) if not isinstance(entry, dict)), None)
    if wrong is not None:
        raise InputError(f"{path}: {key}[{wrong}] is {shown(entries[wrong])}, expected an object")
    return [(f"{path.name} {key}[{i}]", entry) for i, entry in enumerate(entries)]


def _locator(path: Path) -> Callable[[str], str]:
    """Return what adds to the place of an entry the line where it begins; the file is searched once it is asked."""

    @functools.cache
    def search() -> tuple[str, dict[str, int]]:
        text = read_text(path)
        return text, _offsets(text)

    def locate(where: str) -> str:
        text, offsets = search()
        offset = offsets.get(where.removeprefix(f"{path.name} "))
        return where if offset is None else f"{where} (line {1 + text.count(chr(10), 0, offset)})"

    return locate


def _offsets(text: str) -> dict[str, int]:
    """Where each entry of a JSON object's lists begins, by its place such as `annotations[4]`."""
    decode, offsets = json.JSONDecoder().raw_decode, {}
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        key, at = decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if text[at] == "[":
            at, index = _skip(text, at + 1), 0
            while text[at] != "]":
                offsets[f"{key}[{index}]"] = at
                at, index = _skip(text, decode(text, at)[1]), index + 1
                at = _skip(text, at + 1) if text[at] == "," else at
            at = _skip(text, at + 1)
        else:
            at = _skip(text, decode(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at
    return offsets


def _skip(text: str, at: int) -> int:
    """Return the place of the next sign that is no blank."""
    found = _INK.search(text, at)
    return found.start() if found else len(text)


def _id(entry: Entry, key: str) -> int:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value.bit_length() > 63:
        raise InputError(f"found {shown(value)} as {key}, expected a whole number")
    return value


def _corners(bbox: object) -> tuple[float, float, float, float]:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise InputError(f"found {shown(bbox)} as bbox, expected four numbers [x, y, width, height]")
    x, y, w, h = (number(value, "a part of bbox") for value in bbox)
    return y, x, y + h, x + w
