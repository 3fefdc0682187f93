"""Which format a path holds, and the two doors: read and write annotations in any of them."""

from collections.abc import Sequence
from pathlib import Path

from famous import boxes as box_table
from famous.errors import InputError
from famous.io.annotations import coco, csv, cvat, yolo
from famous.io.annotations.annotation import Annotations, Imported, check_class_name
from famous.io.annotations.rows import Rows, check_slice
from famous.io.annotations.slices import SliceFinder

#: format → what it is, for messages and help
FORMATS: dict[str, str] = {
    "csv": "boxes.csv with slices.csv and classes.csv beside it",
    "yolo": "a folder of YOLO labels with data.yaml",
    "yolo_mark": "YOLO labels beside the images, with obj.names",
    "coco": "COCO's detection JSON",
    "cvat": "CVAT's XML 1.1",
}
_ENDINGS = {
    "csv": (".csv", ".tsv"),
    "coco": (".json",),
    "cvat": (".xml",),
    "yolo": (".txt", ".names", ".data", ".yaml", ".yml"),
}


def read_boxes(
    path: str | Path,
    format: str | None = None,
    *,
    shape: tuple[int, int, int],
    names: Sequence[str] | None = None,
    first: int | None = None,
    classes: Sequence[str] | None = None,
) -> Imported:
    """Read box annotations of a stack.

    Parameters
    ----------
    path
        File or folder. A folder may hold boxes.csv, YOLO labels, or one COCO or CVAT file.
    format
        One of `FORMATS`; by default told from the path.
    shape
        The stack's (z, y, x).
    names
        File names of the stack's slices in order, where it is a folder of slices: images are found by them. Otherwise
        the last whole number in an image's name is the slice, counted from `first`.
    first
        Number of the stack's first slice in the images' names (0); if given, it counts and `names` do not. Frames of a
        CVAT video always count from 0.
    classes
        Class names in their order; for YOLO in the order of the index, instead of its file of names.

    Returns
    -------
    Imported
        Whole boxes inside the slices. Fractional corners are rounded to the nearest pixel (halves outward, at least one
        pixel wide), boxes that cross the edge are clipped; the notes say how often, and how slices were matched.
        A slice is done where the file says so; a YOLO slice is where it has a label file, a COCO or CVAT slice that
        says nothing is where it has a box.

    Raises
    ------
    InputError
        If a row is broken (up to 20 are named by file and line, all are counted), or there is nothing to be read.
    """
    path = Path(path)
    shape = _check_shape(shape)
    format = _check_format(format) if format else detect_format(path)
    if not path.exists():
        raise InputError(f"{path}: found nothing there, expected {FORMATS[format]}")
    classes = None if classes is None else [check_class_name(name) for name in classes]
    rows = Rows(path, shape)
    finder = SliceFinder(shape, names, first)
    if format == "csv":
        csv.read(path, rows)
    elif format == "coco":
        coco.read(_only_file(path, "coco"), rows, finder)
    elif format == "cvat":
        cvat.read(_only_file(path, "cvat"), rows, finder)
    else:
        yolo.read(path, rows, finder, classes)
    return rows.finish(classes)


def write_boxes(
    path: str | Path,
    format: str,
    annotations: Annotations,
    *,
    shape: tuple[int, int, int],
    names: Sequence[str] | None = None,
) -> list[str]:
    """Write box annotations; what was there under the same names is replaced.

    Parameters
    ----------
    path
        A file for coco and cvat, a folder for yolo and yolo_mark, a folder or a .csv file for csv.
    format
        One of `FORMATS`.
    annotations
        Boxes must lie inside the stack.
    shape
        The stack's (z, y, x).
    names
        File names of the stack's slices, by which other programs will know them; by default z00000.png and so on.

    Returns
    -------
    list of str
        What the format cannot hold.
    """
    path = Path(path)
    shape = _check_shape(shape)
    box_table.validate(annotations.boxes, shape)
    for z in sorted(annotations.done):
        check_slice(z, shape)
    finder = SliceFinder(shape, names)
    if _check_format(format) == "csv":
        return csv.write(path, annotations)
    if format == "coco":
        return coco.write(path, annotations, finder)
    if format == "cvat":
        return cvat.write(path, annotations, finder)
    return yolo.write(path, annotations, finder, mark=format == "yolo_mark")


def files_of(path: str | Path, format: str) -> list[Path]:
    """List the files of annotations that lie at a path as `write_boxes` leaves them; empty where there are none."""
    path = Path(path)
    if _check_format(format) == "csv":
        table = csv.boxes_file(path)
        files = [table, csv.beside(table, "slices"), csv.beside(table, "classes")]
    elif format in ("coco", "cvat"):
        files = [path]
    else:
        files = [*yolo.label_files(path), *(path / name for name in yolo.side_files(mark=format == "yolo_mark"))]
    return [file for file in files if file.is_file()]


def detect_format(path: str | Path) -> str:
    """Tell the format of a file or folder, or raise InputError with what was found and what can be read."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: found nothing there, expected a file or folder of boxes")
    if not path.is_dir():
        found = next((name for name, endings in _ENDINGS.items() if path.suffix.lower() in endings), None)
        if found is None:
            unpack = "unpack it first; " if path.suffix.lower() == ".zip" else ""
            raise InputError(f"{path}: found a {path.suffix or 'nameless'} file, {unpack}expected {_expected()}")
        return found
    present = ["csv"] if (path / "boxes.csv").is_file() else []
    present += ["yolo"] if yolo.label_files(path) else []
    present += [name for name in ("coco", "cvat") if _files(path, name)]
    if len(present) != 1:
        found = f"the formats {', '.join(present)}" if present else "no annotations"
        raise InputError(f"{path}: found {found}, expected one of: {_expected()}")
    return present[0]


def _only_file(path: Path, format_name: str) -> Path:
    if not path.is_dir():
        return path
    files = _files(path, format_name)
    if len(files) != 1:
        found = f"{len(files)} files ({', '.join(file.name for file in files[:5])})" if files else "no file"
        raise InputError(f"{path}: found {found} that may be {FORMATS[format_name]}, expected one; name the file")
    return files[0]


def _files(folder: Path, format_name: str) -> list[Path]:
    endings = _ENDINGS[format_name]
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in endings and file.is_file() and not file.name.startswith(".")
    )


def _check_format(name: str) -> str:
    if name not in FORMATS:
        raise InputError(f"found the format {name!r}, expected one of {', '.join(FORMATS)}")
    return name


def _check_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if len(shape) != 3 or any(int(length) != length or length < 0 for length in shape):
        raise InputError(f"found the stack's shape {shape}, expected three whole numbers (z, y, x)")
    z, y, x = (int(length) for length in shape)
    return z, y, x


def _expected() -> str:
    return "; ".join(f"{what} ({name})" for name, what in FORMATS.items())
