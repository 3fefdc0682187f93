"""boxes.csv, the truth of a labelling, made to be read and mended by hand.

Three tables lie side by side. `boxes.csv` has one row a box: z, y0, x0, y1, x1 (whole pixels, y1 and x1 exclusive),
class_name and, where a box is not certain, score. `slices.csv` says which slices are done (z, done), `classes.csv`
which classes there are, in their order (class_name). A table of another name, `mine.csv`, has `mine_slices.csv` and
`mine_classes.csv` beside it. Comma, semicolon or tab; lines that start with # are comments.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from famous.errors import InputError
from famous.files import write_text
from famous.io.annotations.annotation import Annotations, check_class_name, shown
from famous.io.annotations.rows import Rows, check_slice, number, read_text, whole
from famous.io.annotations.text import score_text, sorted_boxes
from famous.words import counted

BOX_COLUMNS = ("z", "y0", "x0", "y1", "x1", "class_name")
YES = ("1", "1.0", "true", "yes", "done", "x")
NO = ("0", "0.0", "false", "no", "")


@dataclass(frozen=True)
class Line:
    """One row of a CSV file: its place in words, and its cells by column."""

    where: str
    cells: Mapping[str, str]


def read(path: Path, rows: Rows) -> None:
    """Read boxes.csv (or the folder it lies in) with the two tables beside it."""
    path = boxes_file(path)
    slices, classes = beside(path, "slices"), beside(path, "classes")
    if classes.exists():
        for line in read_lines(classes, ("class_name",), rows):
            with rows.row(line.where):
                rows.classes.append(check_class_name(line.cells["class_name"]))
        rows.classes[:] = dict.fromkeys(rows.classes)
    listed = set(rows.classes)
    found = set()
    for line in read_lines(path, BOX_COLUMNS, rows, optional=("score",)):
        with rows.row(line.where):
            z = whole(line.cells["z"], "z")
            y0, x0, y1, x1 = (number(line.cells[name], name) for name in ("y0", "x0", "y1", "x1"))
            score = number(line.cells.get("score", "") or "1", "score")
            rows.add(line.where, z, (y0, x0, y1, x1), line.cells["class_name"], score)
            found.add(line.cells["class_name"])
    if listed and found - listed:
        rows.notes.append(f"{classes.name} does not list the classes {sorted(found - listed)}; they were added")
    if slices.exists():
        rows.done |= {z for z, done in read_done(slices, rows).items() if done}
    else:
        rows.notes.append(f"there is no {slices.name}, which would say what slices are done")


def read_done(path: Path, rows: Rows) -> dict[int, bool]:
    """Read which slices are done from a table with the columns z and done."""
    found: dict[int, bool] = {}
    for line in read_lines(path, ("z", "done"), rows, blank=("done",)):
        with rows.row(line.where):
            z = check_slice(whole(line.cells["z"], "z"), rows.shape)
            said = line.cells["done"].lower()
            if said not in YES + NO:
                raise InputError(f"found {shown(line.cells['done'])} as done, expected 1 or 0")
            if found.setdefault(z, said in YES) != (said in YES):
                raise InputError(f"found slice {z} both done and not done, expected one row a slice")
    return found


def write(path: Path, annotations: Annotations) -> list[str]:
    """Write boxes.csv (into a folder, or under the name given) and the two tables beside it."""
    path = boxes_file(path)
    table = sorted_boxes(annotations, scored=True)
    scored = bool((table["score"] != 1).any())
    header = [*BOX_COLUMNS, "score"] if scored else list(BOX_COLUMNS)
    lines = [
        [*map(str, position), class_name, *([score_text(score)] if scored else [])]
        for *position, class_name, score in table[[*BOX_COLUMNS, "score"]].itertuples(index=False, name=None)
    ]
    slices = beside(path, "slices")
    _unsay(slices, annotations)
    _write_table(path, header, lines)
    _write_table(beside(path, "classes"), ["class_name"], [[name] for name in annotations.classes])
    write_done(slices, {z: True for z in annotations.done})
    return []


def write_done(path: Path, done: Mapping[int, bool]) -> None:
    """Write which slices are done, by ascending z."""
    _write_table(path, ["z", "done"], [[str(z), str(int(done[z]))] for z in sorted(done)])


def boxes_file(path: Path) -> Path:
    """Name the box table of a folder; a file is its own."""
    return path if path.suffix.lower() in (".csv", ".tsv") else path / "boxes.csv"


def beside(path: Path, table: str) -> Path:
    """Name the table of slices or classes that belongs to a box table."""
    return path.with_name(f"{table}{path.suffix}" if path.stem == "boxes" else f"{path.stem}_{table}{path.suffix}")


def read_lines(
    path: Path, columns: Sequence[str], rows: Rows, *, optional: Sequence[str] = (), blank: Sequence[str] = ()
) -> Iterator[Line]:
    """Read a CSV file row by row; what is wrong with the file or a row's number of cells becomes a broken row.

    The header may lack the `optional` columns; a row may leave the `blank` ones empty at its end.

    Raises
    ------
    InputError
        If the header lacks a column or has one twice.
    """
    header: list[str] = []
    with rows.row(path.name):
        lines = ["" if line.lstrip().startswith("#") else line for line in read_text(path).split("\n")]
        first = next((line for line in lines if line.strip()), "")
        own = _delimiter(path)  # of a header of one column; its names may hold the other signs
        delimiter = max((own, *",;\t"), key=first.count)
        reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, strict=True, skipinitialspace=True)
        for place, cells in _records(reader, path):
            if not header:
                header = [cell.lower() for cell in cells]
                if _fault(header, columns):
                    break
                extra = [name for name in header if name not in (*columns, *optional)]
                if extra:
                    rows.notes.append(f"{path.name}: the columns {extra} were not read")
            elif len(cells) > len(header) or len(cells) < len(columns) - len(blank):
                rows.broken(place, f"found {counted(len(cells), 'cell')}, expected {len(header)}: {', '.join(header)}")
            else:
                yield Line(place, dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True)))
        if not header:
            raise InputError(f"found no header, expected the columns {_once(columns)}")
    if fault := _fault(header, columns) if header else "":
        raise InputError(f"{path}: {fault}; found {shown(', '.join(header), 200)}, expected {_once(columns)}")


def _fault(header: Sequence[str], columns: Sequence[str]) -> str:
    """Say what is wrong with a header; nothing where it has every column once."""
    if missing := [name for name in columns if name not in header]:
        return f"the header lacks the {'column' if len(missing) == 1 else 'columns'} {', '.join(missing)}"
    twice = sorted({name for name in header if header.count(name) > 1})
    return f"the header has {', '.join(twice)} more than once" if twice else ""


def _records(reader: Iterator[list[str]], path: Path) -> Iterator[tuple[str, list[str]]]:
    while True:
        place = f"{path.name} line {getattr(reader, 'line_num', 0) + 1}"
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"from line {getattr(reader, 'line_num', 0)} on it is not CSV ({error})") from error
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield place, cells


def _once(columns: Sequence[str]) -> str:
    return f"{', '.join(columns)}, each once"


def _unsay(slices: Path, annotations: Annotations) -> None:
    """Take back first what is no longer done, lest a kill between the files leaves it declared with other boxes."""
    if not slices.exists():
        return
    with_old = Rows(slices, (2**31 - 1, 1, 1))
    old: set[int] = set()
    with with_old.row(slices.name):  # a table that cannot be read declares nothing
        old = {z for z, done in read_done(slices, with_old).items() if done}
    if old - annotations.done:
        write_done(slices, {z: True for z in old & annotations.done})


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _write_table(path: Path, header: list[str], lines: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", delimiter=_delimiter(path))
    writer.writerow(header)
    writer.writerows(lines)
    write_text(path, text.getvalue())
