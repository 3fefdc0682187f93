"""The noun that holds what a comparison found: its tables keep their columns and types, empty or not."""

import numpy as np
import pandas as pd
import pytest

from famous.compare.comparison import (
    COLUMNS,
    Comparison,
    GridFacts,
    SourceFacts,
    as_table,
    empty_table,
    facts_of,
    pairs_of,
)
from famous.errors import InputError
from famous.voxels import VoxelSize

SIZE = VoxelSize(10, 5, 5)


def source(name, *classes):
    return SourceFacts(name, f"{name}.tif", "TIFF", SIZE, (4, 5, 6), classes)


@pytest.mark.parametrize("name", COLUMNS)
def test_an_empty_table_has_all_columns_of_their_types(name):
    table = empty_table(name)
    assert list(table.columns) == list(COLUMNS[name])
    assert len(table) == 0
    assert [str(kind) for kind in as_table(name, []).dtypes] == [str(kind) for kind in table.dtypes]


def test_what_has_a_unit_has_it_in_its_name():
    assert {"vi_split_bits", "vi_merge_bits"} <= set(COLUMNS["agreement"])
    assert {"tp_px", "fp_px", "fn_px"} <= set(COLUMNS["slices"])
    ends = {name for name in COLUMNS["objects"] if name.startswith(("low", "high"))}
    assert ends == {f"{end}_{axis}_voxel" for end in ("low", "high") for axis in "zyx"}
    assert {"cost_um3", "cost_voxels"} <= set(COLUMNS["matches"])


def test_an_empty_comparison_has_every_table():
    comparison = Comparison.empty()
    assert set(comparison.tables()) == set(COLUMNS)
    assert all(table.empty for table in comparison.tables().values())
    assert comparison.pairs == ()
    assert comparison.classes == ()


def test_rows_become_a_table_with_what_they_leave_out_undefined():
    row = {"pred": "a", "truth": "b", "class": "c", "kind": "missed", "pred_id": pd.NA, "truth_id": 2**63 + 5}
    table = as_table("matches", [{**row, "overlap_voxels": 0, "cost_voxels": 0}])
    assert list(table.columns) == list(COLUMNS["matches"])
    assert pd.isna(table.loc[0, "pred_id"])
    assert int(table.loc[0, "truth_id"]) == 2**63 + 5
    assert table.loc[0, "other_class"] == ""
    assert np.isnan(table.loc[0, "iou"])


@pytest.mark.parametrize(("rows", "said"), [([{"source": "a"}], "count"), ([{"colour": "red"}], "colour")])
def test_a_table_with_wrong_columns_is_refused(rows, said):
    with pytest.raises(InputError, match=said):
        as_table("totals", rows)


def test_a_comparison_refuses_a_table_with_other_columns():
    with pytest.raises(InputError, match="table totals"):
        Comparison.empty(totals=pd.DataFrame({"source": ["a"]}))


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        ([], ()),
        (["a"], ()),
        (["a", "b"], (("a", "b"),)),
        (["automatic", "M1", "M2"], (("automatic", "M1"), ("automatic", "M2"), ("M2", "M1"))),
    ],
)
def test_the_pairs_are_those_of_the_paper(names, pairs):
    assert pairs_of(names) == pairs
    assert Comparison.empty(tuple(map(source, names))).pairs == pairs


def test_classes_are_named_once_in_the_order_in_which_they_appear():
    comparison = Comparison.empty((source("a", "mito", "fv"), source("b", "fv", "golgi")), GridFacts((4, 5, 6), SIZE))
    assert comparison.classes == ("mito", "fv", "golgi")


def test_facts_are_all_that_is_no_table():
    facts = facts_of(Comparison.empty(command="famous compare", threshold=0.75))
    assert facts["command"] == "famous compare"
    assert facts["threshold"] == 0.75
    assert not set(facts) & set(COLUMNS)
