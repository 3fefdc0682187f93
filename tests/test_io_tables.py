"""Files appear whole or not at all, with the same bytes for the same content."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.errors import FamousError, InputError
from famous.files import write_bytes, write_json, write_text
from famous.io import tables

TABLE = boxes.from_columns(
    {
        "z": [0, 1, 1],
        "y0": [1, 2, 3],
        "x0": [1, 2, 3],
        "y1": [5, 6, 7],
        "x1": [5, 6, 7],
        "class_name": ["mitochondrion", "nucleus", "späte Endosomen"],
        "score": [0.1, 0.25, 1.0],
    }
)
WRITERS: dict[str, Callable[[Path], None]] = {
    "a.parquet": lambda path: tables.write_parquet(path, TABLE),
    "a.csv": lambda path: tables.write_csv(path, TABLE),
    "a.json": lambda path: write_json(path, {"µm": [1, 2.5, None]}),
    "a.txt": lambda path: write_text(path, "nm\n"),
    "a.bin": lambda path: write_bytes(path, b"\0\1"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_content_gives_the_same_bytes_and_nothing_beside(name: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / name
    WRITERS[name](path)
    first = path.read_bytes()
    WRITERS[name](path)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == [name]


def test_parquet_keeps_types_and_order(tmp_path: Path) -> None:
    tables.write_parquet(tmp_path / "a.parquet", TABLE)
    back = tables.read_parquet(tmp_path / "a.parquet", columns=["box", "score"])
    pd.testing.assert_frame_equal(back, TABLE)


def test_csv_keeps_every_float(tmp_path: Path) -> None:
    table = pd.DataFrame({"volume_um3": np.random.default_rng(0).random(100), "class_name": 'a, "b"\nc'})
    tables.write_csv(tmp_path / "a.csv", table)
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()
    pd.testing.assert_frame_equal(tables.read_csv(tmp_path / "a.csv"), table)


def test_so_many_digits_and_no_last_bits(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [0.004093439999999999, 0.55 + 0.05, 123456789012.5], "id": [2**63, 1, 12345678901]})
    tables.write_csv(tmp_path / "a.csv", table, digits=10)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines == ["a,id", "0.00409344,9223372036854775808", "0.6,1", "1.23456789e+11,12345678901"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_empty_table_is_a_table(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    getattr(tables, f"write_{suffix}")(path, boxes.empty())
    back = getattr(tables, f"read_{suffix}")(path, columns=list(boxes.COLUMNS))
    assert len(back) == 0


def test_json_and_text_come_back(tmp_path: Path) -> None:
    content = {"b": 1, "a": ["ä", 1.5, None, True]}
    write_json(tmp_path / "a.json", content)
    assert list(tables.read_json(tmp_path / "a.json").items()) == list(content.items())
    write_text(tmp_path / "a.txt", "µm\n")
    assert tables.read_text(tmp_path / "a.txt") == "µm\n"
    (tmp_path / "bom.txt").write_bytes(b"\xef\xbb\xbfz")
    assert tables.read_text(tmp_path / "bom.txt") == "z"


READERS = {"a.parquet": tables.read_parquet, "a.csv": tables.read_csv, "a.json": tables.read_json}


@pytest.mark.parametrize("name", READERS)
def test_readers_name_what_is_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing there"):
        READERS[name](tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        READERS[name](tmp_path / name)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    tables.write_csv(tmp_path / "a.csv", pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="expected also \\['b'\\]"):
        tables.read_csv(tmp_path / "a.csv", ["a", "b"])


def test_broken_json_is_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1,\n "b": }')
    with pytest.raises(InputError, match=r"a\.json, line 2, column 7"):
        tables.read_json(tmp_path / "a.json")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), cut=st.integers(0, 2000), name=st.sampled_from(list(READERS)))
def test_damaged_files_give_a_message(content: bytes, cut: int, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    whole = path.read_bytes()
    for damaged in (content, whole[:cut], whole[:cut] + content + whole[cut + len(content) :]):
        path.write_bytes(damaged)
        with contextlib.suppress(FamousError):
            READERS[name](path)
