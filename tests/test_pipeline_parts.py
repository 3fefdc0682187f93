"""Parts of a stage: what is there is finished, what belongs to another stage goes, the order is that of the work."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.files import PARTIAL_SUFFIX
from famous.pipeline.parts import SHARES, Parts, blocks, finish, shares

ONE, TWO = "1" * 64, "2" * 64


class KilledError(BaseException):
    """Stands in for a kill: nothing in the code catches it."""


def table(number):
    return pd.DataFrame({"z": pd.Series([number], dtype="int64"), "ü": [f"a,{number}"]})


def begun(folder, fingerprint=ONE):
    parts = Parts(folder, fingerprint)
    parts.begin()
    return parts


def mapped(seen, die_at=None):
    """Map blocks to tables lazily, noting which were asked for."""

    def compute(todo):
        for block in todo:
            seen.append(block.start)
            if block.start == die_at:
                raise KilledError
            yield table(block.start)

    return compute


# ---- blocks ----


@given(st.integers(0, 500), st.integers(1, 40))
def test_blocks_cover_everything_once_in_order(count, size):
    cut = blocks(count, size)
    assert [i for block in cut for i in block] == list(range(count))
    assert all(1 <= len(block) <= size for block in cut)
    assert all(len(block) == size for block in cut[:-1])


# ---- one folder ----


def test_a_folder_is_fresh_until_it_is_begun(tmp_path):
    parts = Parts(tmp_path / "detect", ONE)
    assert parts.is_fresh
    assert not parts.folder.exists()
    assert parts.missing(3) == [0, 1, 2]
    assert Parts(tmp_path / "detect", ONE).is_fresh
    parts.begin()
    parts.begin()
    assert not Parts(tmp_path / "detect", ONE).is_fresh


def test_parts_come_back_in_order_with_their_types(tmp_path):
    parts = begun(tmp_path / "a b" / "detect")
    for number in (2, 0, 1):
        parts.save(number, table(number))
    assert parts.missing(3) == []
    assert parts.missing(5) == [3, 4]
    for number, loaded in enumerate(parts.load(3)):
        pd.testing.assert_frame_equal(loaded, table(number))
    assert parts.load(0) == []


def test_an_empty_table_is_a_part(tmp_path):
    parts = begun(tmp_path / "detect")
    parts.save(0, table(0).iloc[:0])
    assert parts.missing(1) == []
    pd.testing.assert_frame_equal(parts.load(1)[0], table(0).iloc[:0])


def test_more_parts_than_six_digits_hold_are_kept_apart(tmp_path):
    parts = begun(tmp_path / "detect")
    parts.save(1_000_000, table(7))
    parts.save(100_000, table(8))
    assert len(list(parts.folder.iterdir())) == 2


def test_half_a_part_is_no_part(tmp_path):
    parts = begun(tmp_path / "detect")
    (parts.folder / f".000000.parquet.{'0' * 32}{PARTIAL_SUFFIX}.parquet").write_bytes(b"PAR1")
    (parts.folder / "000000.parquet.tmp").touch()
    assert parts.missing(1) == [0]


def test_a_damaged_part_is_named(tmp_path):
    parts = begun(tmp_path / "detect")
    parts.save(0, table(0))
    (parts.folder / "000000.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(InputError, match=r"000000\.parquet"):
        parts.load(1)


def test_a_part_that_went_is_named(tmp_path):
    with pytest.raises(InputError, match=r"000000\.parquet: found nothing there"):
        begun(tmp_path / "detect").load(1)


def test_another_fingerprint_throws_folders_away_and_leaves_files(tmp_path):
    old = begun(tmp_path / "detect")
    old.save(0, table(0))
    (tmp_path / "detect" / "notes.txt").write_text("mine")
    new = Parts(tmp_path / "detect", TWO)
    assert new.is_fresh
    assert not old.folder.exists()
    assert (tmp_path / "detect" / "notes.txt").read_text() == "mine"


def test_parts_of_another_stage_stay(tmp_path):
    other = begun(tmp_path / "extract")
    other.save(0, table(0))
    begun(tmp_path / "detect", TWO).remove()
    assert other.missing(1) == []


def test_removing_takes_the_folder_of_the_stage_and_can_be_said_twice(tmp_path):
    parts = begun(tmp_path / "detect")
    parts.save(0, table(0))
    parts.remove()
    parts.remove()
    assert list(tmp_path.iterdir()) == []


def test_halves_of_a_stage_keep_to_themselves(tmp_path):
    parts = begun(tmp_path / "link")
    overlaps, labels = parts.inner("overlaps"), parts.inner("labels")
    overlaps.begin()
    overlaps.save(0, table(0))
    assert labels.is_fresh
    assert labels.missing(1) == [0]
    again = Parts(tmp_path / "link", ONE)
    assert not again.inner("overlaps").is_fresh
    assert again.inner("overlaps").missing(1) == []
    assert Parts(tmp_path / "link", TWO).inner("overlaps").is_fresh


# ---- finishing ----


def test_everything_is_computed_once_and_told(tmp_path):
    parts, seen, told = begun(tmp_path / "detect"), [], []
    finish(parts, blocks(7, 3), mapped(seen), told.append)
    assert seen == [0, 3, 6]
    assert told == [range(3), range(3, 6), range(6, 7)]
    assert [int(loaded["z"].iloc[0]) for loaded in parts.load(3)] == [0, 3, 6]
    finish(parts, blocks(7, 3), mapped(seen), told.append)
    assert seen == [0, 3, 6]


def test_no_work_is_done_at_once(tmp_path):
    finish(begun(tmp_path / "detect"), [], mapped([]), pytest.fail)


@pytest.mark.parametrize("die_at", [0, 3, 6])
def test_after_a_kill_only_what_is_missing_is_computed(tmp_path, die_at):
    parts, seen = begun(tmp_path / "detect"), []
    with pytest.raises(KilledError):
        finish(parts, blocks(7, 3), mapped([], die_at), lambda _: None)
    finish(Parts(tmp_path / "detect", ONE), blocks(7, 3), mapped(seen), lambda _: None)
    assert seen == [start for start in (0, 3, 6) if start >= die_at]
    assert [int(loaded["z"].iloc[0]) for loaded in parts.load(3)] == [0, 3, 6]


@pytest.mark.parametrize("gone", [{0}, {9}, {3, 4, 8}, set(range(10))])
def test_gaps_are_filled_with_their_own_tables(tmp_path, gone):
    parts = begun(tmp_path / "detect")
    finish(parts, blocks(10, 1), mapped([]), lambda _: None)
    for number in gone:
        (parts.folder / f"{number:06d}.parquet").unlink()
    seen = []
    tables = finish(parts, blocks(10, 1), mapped(seen), lambda _: None)
    assert seen == sorted(gone)
    for loaded in (tables, parts.load(10)):
        assert [int(one["z"].iloc[0]) for one in loaded] == list(range(10))


def test_what_was_made_is_as_it_would_be_read(tmp_path):
    parts = begun(tmp_path / "detect")
    sparse = pd.concat([table(n) for n in range(6)], ignore_index=True).iloc[1::2]
    (made,) = finish(parts, [range(1)], lambda _: [sparse], lambda _: None)
    pd.testing.assert_frame_equal(made, parts.load(1)[0])
    (parts.folder / "000000.parquet").write_bytes(b"never looked at again")
    assert parts.load(1, {0: made})[0] is made


def test_a_worker_that_loses_a_block_is_noticed(tmp_path):
    parts = begun(tmp_path / "detect")
    with pytest.raises(ValueError, match="shorter"):
        finish(parts, blocks(3, 1), lambda todo: [table(0)], lambda _: None)
    assert parts.missing(3) == [1, 2]


@given(st.integers(0, 500), st.integers(1, 40))
def test_shares_are_never_too_large_and_never_too_few(count, size):
    work = shares(count, size)
    assert [number for block in work for number in block] == list(range(count))
    assert all(0 < len(block) <= size for block in work)
    assert len(work) >= min(count, SHARES)
