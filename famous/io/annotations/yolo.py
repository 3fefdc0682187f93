"""YOLO's labels: one .txt an image, a row a box: class index, centre x, centre y, width, height as parts of the image.

Written as ultralytics has it (`labels/<image>.txt`, `data.yaml`) or as YOLO_mark and darknet have it (`<image>.txt`
beside the images, `obj.names`, `obj.data`, `train.txt`); read in either shape, in any folder below the one given.
"""

from collections.abc import Sequence
from pathlib import Path

import yaml

from famous.errors import InputError
from famous.files import write_text
from famous.io.annotations import csv as csv_tables
from famous.io.annotations.annotation import Annotations, check_class_name
from famous.io.annotations.rows import Rows, number, read_text, whole
from famous.io.annotations.slices import SliceFinder
from famous.io.annotations.text import done_note, scores_note, sorted_boxes
from famous.words import counted

LISTS = ("train.txt", "test.txt", "val.txt", "valid.txt", "validation.txt", "trainval.txt")  # of images
CLASS_LISTS = ("classes.txt", "_darknet.labels")
DONE = "done.csv"  # ours: which of the labelled slices are done; a label file without a row in it is
LEVELS_UP = 2  # how far above the labels the class names are looked for


def read(path: Path, rows: Rows, finder: SliceFinder, classes: Sequence[str] | None) -> None:
    """Read a folder of labels, one label file, or a folder named by its obj.data, obj.names, data.yaml or train.txt."""
    single = path.is_file() and is_label(path)
    folder = path if path.is_dir() else path.parent
    files = [path] if single else label_files(folder)
    lists = [] if single else sorted({file.name for file in folder.rglob("*") if file.name.lower() in LISTS})
    if lists:
        verb = "list" if len(lists) > 1 else "lists"
        rows.notes.append(f"{', '.join(lists)} {verb} images, not boxes; a slice is known by its own label file")
    if not files:
        place = "" if path == folder else " beside it"
        raise InputError(f"{path}: found no label file{place}, expected one .txt for each labelled image")
    names = class_names(folder, rows, classes, path)
    marks = csv_tables.read_done(folder / DONE, rows) if (folder / DONE).is_file() else {}
    rows.notes.append(finder.note())
    seen: dict[int, str] = {}
    for file in files:
        place = file.relative_to(folder).as_posix()
        with rows.row(place):
            z = finder.find(file.name)
            if seen.setdefault(z, place) != place:
                raise InputError(f"found slice {z}, which is also {seen[z]}; expected one label file a slice")
            if marks.get(z, True):
                rows.done.add(z)
            _read_labels(file, place, z, names, rows)
    rows.counted(
        len(rows.done),
        "slice counts as done, because it has a label file (also an empty one)",
        "slices count as done, because they have a label file (also an empty one)",
    )


def write(path: Path, annotations: Annotations, finder: SliceFinder, *, mark: bool) -> list[str]:
    """Write labels into a folder, as ultralytics or (`mark`) as YOLO_mark has them; return what YOLO cannot hold."""
    labels = path if mark else path / "labels"
    stems = {z: finder.stem(z) for z in annotations.slices}
    texts = {f"{stems[z]}.txt": text for z, text in _label_texts(annotations, finder.shape).items()}
    reserved = sorted(name for name in texts if not is_label(Path(name)) or name[0] == ".")
    if reserved:
        raise InputError(f"{labels}: the label files {reserved} would be hidden or taken for lists; rename the slices")
    stale = sorted(file.relative_to(path).as_posix() for file in label_files(path) if file != labels / file.name)
    stale += sorted(file.name for file in label_files(labels) if file.name not in texts and file.parent == labels)
    if stale:
        raise InputError(
            f"{path}: found {counted(len(stale), 'label file')} of another export ({', '.join(stale[:5])}), "
            "which would be read with this one; expected an empty folder or the same slices"
        )
    for name, text in texts.items():
        write_text(labels / name, text)
    if mark:
        _write_mark(path, annotations, [finder.name(z) for z in annotations.slices])
    else:
        content = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(annotations.classes))}
        write_text(path / "data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6))
    csv_tables.write_done(path / DONE, {z: z in annotations.done for z in annotations.slices})
    notes = ["only labels were written; the images belong " + ("beside them" if mark else "into images/")]
    return notes + scores_note(annotations, "YOLO") + done_note(annotations, f"{DONE} keeps them apart for famous")


def side_files(*, mark: bool) -> tuple[str, ...]:
    """Name what `write` puts beside the labels."""
    return ("obj.names", "train.txt", "obj.data", DONE) if mark else ("data.yaml", DONE)


def label_files(folder: Path) -> list[Path]:
    """Every label file in a folder and below, hidden ones and lists left out."""
    return sorted(
        file
        for file in folder.rglob("*")  # also IM001.TXT
        if is_label(file) and file.is_file() and not any(part[0] == "." for part in file.relative_to(folder).parts)
    )


def is_label(file: Path) -> bool:
    """Tell whether a file is called as the labels of an image are."""
    name = file.name.lower()
    return name.endswith(".txt") and name not in LISTS + CLASS_LISTS and not name.startswith("readme")


def class_names(folder: Path, rows: Rows, given: Sequence[str] | None, path: Path) -> list[str]:
    """Find the class names in the order of their index: those given, else those in the files; InputError if none.

    `path` is what the user named, the folder or a file in it.
    """
    found = {file: names for file in _name_files(folder) if (names := _read_names(file)) is not None}
    for file, names in found.items():
        if given is not None and names != list(given):
            rows.notes.append(f"the classes given were used, not those of {file.name}: {', '.join(names)}")
        elif given is None and names != next(iter(found.values())):
            both = " and ".join(str(other) for other in (next(iter(found)), file))
            raise InputError(f"{both} name different classes; remove one of them")
    if given is None and not found:
        raise InputError(
            f"{path}: found labels but no class names{'' if path == folder else ' beside them'}; expected obj.names "
            "(one name a line), classes.txt or data.yaml"
        )
    if given is None:
        rows.notes.append(f"class names are those of {next(iter(found))}")
    names = list(given) if given is not None else next(iter(found.values()))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        rows.notes.append(f"the classes {twice} have more than one index; each was read as one class")
    rows.classes += dict.fromkeys(names)
    return names


def _name_files(folder: Path) -> list[Path]:
    files = [file for file in folder.rglob("*") if _may_name_classes(file) or file.suffix.lower() in (".yaml", ".yml")]
    above = folder.resolve()
    for _ in range(LEVELS_UP):
        if any(_read_names(file) is not None for file in files):
            break
        above = above.parent
        files = [file for file in above.glob("*") if _may_name_classes(file)]
    return sorted(file for file in files if file.is_file() and not file.name.startswith("."))


def _may_name_classes(file: Path) -> bool:
    name = file.name.lower()
    return name.endswith(".names") or name in (*CLASS_LISTS, "data.yaml", "dataset.yaml")


def _read_names(file: Path) -> list[str] | None:
    """Class names of a file; None for a YAML file that is about something else."""
    try:
        text = read_text(file)
        if file.suffix.lower() in (".yaml", ".yml"):
            return _yaml_names(text)
        lines = text.rstrip().split("\n")
        return [check_class_name(line) for line in lines if not line.startswith("#")] if lines != [""] else []
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _yaml_names(text: str) -> list[str] | None:
    try:
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise InputError(f"not YAML ({str(error).splitlines()[0] if str(error) else type(error).__name__})") from error
    names = content.get("names") if isinstance(content, dict) else None
    if names is None:
        return None
    if isinstance(names, dict):
        indices = {whole(key, "class index"): name for key, name in names.items()}
        if sorted(indices) != list(range(len(names))):
            raise InputError(f"found the class indices {sorted(indices)[:20]}, expected 0 … {len(names) - 1}")
        names = [indices[i] for i in range(len(names))]
    if not isinstance(names, list):
        raise InputError("found no list under `names`, expected the classes in the order of their index")
    return [check_class_name(name) for name in names]


def _read_labels(file: Path, place: str, z: int, names: Sequence[str], rows: Rows) -> None:
    for count, line in enumerate(read_text(file).split("\n"), start=1):
        cells = line.split("#", 1)[0].split()
        if cells:
            with rows.row(f"{place} line {count}"):
                _read_label(cells, f"{place} line {count}", z, names, rows)


def _read_label(cells: list[str], place: str, z: int, names: Sequence[str], rows: Rows) -> None:
    if len(cells) not in (5, 6):
        outline = ", an outline? Only boxes are read" if len(cells) > 6 and len(cells) % 2 else ""
        raise InputError(
            f"found {counted(len(cells), 'column')}{outline}; "
            "expected 5: class index, centre x, centre y, width, height"
        )
    index = whole(cells[0], "class index")
    if not 0 <= index < len(names):
        raise InputError(f"found the class index {index}, expected 0 … {len(names) - 1} ({', '.join(names):.200})")
    cx, cy, w, h = (number(cell, what) for cell, what in zip(cells[1:5], ("cx", "cy", "width", "height"), strict=True))
    height, width = rows.shape[1:]
    if w <= 0 or h <= 0:
        raise InputError(f"found a box without extent: width {w:g}, height {h:g}; expected both above 0")
    corners = ((cy - h / 2) * height, (cx - w / 2) * width, (cy + h / 2) * height, (cx + w / 2) * width)
    rows.add(place, z, corners, names[index], number(cells[5], "score") if len(cells) == 6 else 1.0)


def _label_texts(annotations: Annotations, shape: tuple[int, int, int]) -> dict[int, str]:
    height, width = shape[1:]
    digits = max(6, len(str(max(height, width))) + 3)  # an error of less than a hundredth of a pixel
    index = {name: i for i, name in enumerate(annotations.classes)}
    lines: dict[int, list[str]] = {z: [] for z in annotations.slices}
    columns = ["z", "class_name", "y0", "x0", "y1", "x1"]
    for z, name, y0, x0, y1, x1 in sorted_boxes(annotations, scored=False)[columns].itertuples(index=False, name=None):
        parts = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
        lines[z].append(" ".join([str(index[name]), *(f"{part:.{digits}f}" for part in parts)]) + "\n")
    return {z: "".join(rows) for z, rows in lines.items()}


def _write_mark(path: Path, annotations: Annotations, images: Sequence[str]) -> None:
    write_text(path / "obj.names", "".join(f"{name}\n" for name in annotations.classes))
    write_text(path / "train.txt", "".join(f"{image}\n" for image in images))
    data = {"classes": len(annotations.classes), "train": "train.txt", "valid": "train.txt", "names": "obj.names"}
    write_text(path / "obj.data", "".join(f"{key} = {value}\n" for key, value in data.items()))
