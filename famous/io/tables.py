"""Tables, JSON and text on disk: written beside, then renamed, so that a name never stands for half a file."""

import contextlib
import io
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from famous.errors import InputError

#: Suffix of a file that is being written; whatever carries it after a kill may be removed.
PARTIAL_SUFFIX = ".partial"

_TABLE_FAULTS = (OSError, ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, MemoryError)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` on success, remove it on failure.

    The temporary name ends in the suffix of `path`, since some libraries choose the format by it. What was written is
    flushed to the disk before the rename, so neither a kill nor a power cut leaves half a file under `path`.
    The folder is made where it is missing.

    Raises
    ------
    InputError
        If the folder or the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}{path.suffix}")
    with _naming_unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _naming_unwritable(path):
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep_partials(folder: str | Path) -> int:
    """Remove what killed writers left anywhere below the folder, and count it. No writer may be at work there."""
    left = [path for path in Path(folder).rglob(f"*{PARTIAL_SUFFIX}*") if path.is_file() and _is_partial(path)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    r"""Write UTF-8 text atomically, with `\n` as line end on every system."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, content: object) -> None:
    """Write JSON atomically: keys in the given order, two spaces of indent; NaN and infinity are refused."""
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as fault:
        raise InputError(f"{path}: the content cannot be written as JSON: {fault}") from fault
    write_text(path, text + "\n")


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    r"""Write a table as CSV atomically, without its index: UTF-8, `,`, `\n`, floats as short as they read back."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_parquet(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet atomically, without its index; the same table gives the same bytes."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", index=False, compression="zstd")
    write_bytes(path, buffer.getvalue())


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file; InputError where it is missing or unreadable."""
    path = Path(path)
    with _naming_unreadable(path, "a file"):
        return path.read_bytes()


def read_text(path: str | Path) -> str:
    """Read UTF-8 text (with or without a byte order mark); InputError where it is missing or not text."""
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise InputError(
            f"{path}: found a byte that is no UTF-8 text at {fault.start}, expected a text file"
        ) from fault


def read_json(path: str | Path) -> Any:
    """Read JSON; InputError with the line and column of what is wrong."""
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as fault:
        raise InputError(
            f"{path}, line {fault.lineno}, column {fault.colno}: found no valid JSON ({fault.msg}), expected JSON"
        ) from fault
    except (RecursionError, ValueError) as fault:
        raise InputError(f"{path}: found no valid JSON ({fault}), expected a JSON file") from fault


def read_csv(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read CSV with a header line; InputError where it is broken or lacks one of the columns."""
    text = read_text(path)
    try:
        table = pd.read_csv(io.StringIO(text))
    except _TABLE_FAULTS as fault:
        raise InputError(f"{path}: found no valid table ({_brief(fault)}), expected CSV with a header line") from fault
    return _with_columns(Path(path), table, columns)


def read_parquet(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read Parquet; InputError where it is broken or lacks one of the columns."""
    content = read_bytes(path)
    try:
        table = pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except _TABLE_FAULTS as fault:
        raise InputError(f"{path}: found no valid table ({_brief(fault)}), expected a Parquet file") from fault
    return _with_columns(Path(path), table, columns)


def _with_columns(path: Path, table: pd.DataFrame, columns: list[str] | None) -> pd.DataFrame:
    missing = [name for name in columns or [] if name not in table.columns]
    if missing:
        raise InputError(f"{path}: found the columns {list(table.columns)}, expected also {missing}")
    return table


def _is_partial(path: Path) -> bool:
    return path.name.endswith(PARTIAL_SUFFIX) or f"{PARTIAL_SUFFIX}{path.suffix}" == "".join(path.suffixes[-2:])


def _brief(fault: BaseException) -> str:
    """Return the first line of an exception's message, for messages of one line."""
    lines = str(fault).strip().splitlines()
    return lines[0][:200] if lines else type(fault).__name__


@contextlib.contextmanager
def _naming_unreadable(path: Path, expected: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as fault:
        raise InputError(f"{path}: found nothing there, expected {expected}") from fault
    except (OSError, MemoryError) as fault:
        raise InputError(f"{path}: it cannot be read ({_brief(fault)}), expected {expected}") from fault


@contextlib.contextmanager
def _naming_unwritable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise InputError(
            f"{path}: it cannot be written ({fault.strerror or fault}); is the disk full or the folder read-only?"
        ) from fault
