"""Tables on disk, and the readers of text and JSON that name what is wrong; all is written by `famous.files`."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from famous.errors import InputError
from famous.files import write_bytes, write_text

_TABLE_FAULTS = (OSError, ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, MemoryError)


def write_csv(path: str | Path, table: pd.DataFrame, *, digits: int | None = None) -> None:
    r"""Write a table as CSV atomically, without its index: UTF-8, `,`, `\n`, floats as short as they read back.

    With `digits` floats have so many significant ones at most.
    """
    form = None if digits is None else f"%.{digits}g"
    write_text(path, table.to_csv(index=False, lineterminator="\n", float_format=form))


def write_parquet(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet atomically, without its index; the same table gives the same bytes."""
    _use_system_memory()
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
    _use_system_memory()
    try:
        table = pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except _TABLE_FAULTS as fault:
        raise InputError(f"{path}: found no valid table ({_brief(fault)}), expected a Parquet file") from fault
    return _with_columns(Path(path), table, columns)


def _use_system_memory() -> None:
    """Let arrow give its memory back: the pool it comes with keeps tens of MB for itself."""
    import pyarrow

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())


def _with_columns(path: Path, table: pd.DataFrame, columns: list[str] | None) -> pd.DataFrame:
    missing = [name for name in columns or [] if name not in table.columns]
    if missing:
        raise InputError(f"{path}: found the columns {list(table.columns)}, expected also {missing}")
    return table


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
