"""Stage extract: box ids on disk agree with the table, whatever the blocks, and each class has its own volume."""

import dataclasses
import os
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.config import ClassConfig
from famous.extract import MaskNetParams, extract_slice
from famous.io.label_store import LabelStore
from famous.io.tables import read_parquet, write_parquet
from famous.pipeline import extract as stage
from famous.pipeline.extract import BlockExtractor, class_names, groups, run_extract, stage_of
from famous.pipeline.stage import Session
from famous.yolo.masknet import open_extractor
from tests.test_pipeline import Log, tree_hash
from tests.test_pipeline_faults import KilledError, changed, kill_in

pytestmark = pytest.mark.usefixtures("know_all")


def counted(project):
    """Pixels of each box id in the store."""
    store = LabelStore.open(project.labels)
    found = {}
    for name in store.classes:
        for z in range(len(project.stack)):
            ids, pixels = np.unique(store.read_boxes(name, z), return_counts=True)
            found |= {(name, z, int(box)): int(count) for box, count in zip(ids, pixels, strict=True) if box}
    return found


def with_classes(project, **entries):
    return dataclasses.replace(project, config=dataclasses.replace(project.config, classes=entries))


# ---- what is on disk ----


def test_every_box_has_in_the_volume_the_pixels_of_the_table(finished):
    table = read_parquet(finished.extracted)
    own = table[table["pixels"] > 0]
    expected = {
        (str(name), int(z), int(box)): int(pixels)
        for name, z, box, pixels in own[["class_name", "z", "box", "pixels"]].itertuples(index=False, name=None)
    }
    assert counted(finished) == expected
    assert len(expected) > 50


def test_the_table_is_the_detected_one_with_pixels(finished):
    detected, extracted = read_parquet(finished.detected), read_parquet(finished.extracted)
    pd.testing.assert_frame_equal(extracted.drop(columns="pixels"), detected)
    assert extracted["pixels"].dtype == np.int64
    area = (extracted["y1"] - extracted["y0"]) * (extracted["x1"] - extracted["x0"])
    assert (extracted["pixels"] <= area).all()


def test_a_slice_on_disk_is_that_of_the_pure_function(finished):
    table = read_parquet(finished.detected)
    store = LabelStore.open(finished.labels)
    recipes = {name: open_extractor(finished.config.recipe(name)) for name in store.classes}
    for z in (0, 11, 23):
        rows = table[table["z"] == z]
        images = extract_slice(finished.stack.slab(z), rows, recipes, voxel_size=finished.voxel_size)
        for name, image in images.items():
            assert (store.read_boxes(name, z) == image).all()


@pytest.mark.parametrize("block", [7, 100])
def test_the_size_of_a_block_does_not_change_a_byte(done, monkeypatch, block):
    before = {name: hashed for name, hashed in tree_hash(done.labels).items() if name.startswith("boxes")}
    table = done.extracted.read_bytes()
    monkeypatch.setattr(stage, "BLOCK", block)
    run_extract(done, Session(again=True))
    after = tree_hash(done.labels)
    assert {name: hashed for name, hashed in after.items() if name.startswith("boxes")} == before
    assert done.extracted.read_bytes() == table


def test_a_killed_extraction_goes_on_and_ends_alike(done, monkeypatch):
    before = counted(done)
    monkeypatch.setattr(stage, "BLOCK", 4)
    with monkeypatch.context() as patch:
        kill_in(patch, stage, 3)
        with pytest.raises(KilledError):
            run_extract(done, Session(again=True))
    assert 0 < len(counted(done)) < len(before)
    run_extract(done, Session())
    assert counted(done) == before


def test_a_store_that_went_after_a_kill_is_made_again_whole(done, monkeypatch):
    before = counted(done)
    monkeypatch.setattr(stage, "BLOCK", 4)
    with monkeypatch.context() as patch:
        kill_in(patch, stage, 3)
        with pytest.raises(KilledError):
            run_extract(done, Session(again=True))
    done.labels.rename(done.labels.with_name("gone"))
    run_extract(done, Session())
    assert counted(done) == before


def test_no_box_is_a_run_with_empty_volumes(done):
    write_parquet(done.detected, read_parquet(done.detected).iloc[:0])
    empty = with_classes(done, nucleus=ClassConfig())
    log = Log()
    table = run_extract(empty, Session(log, again=True))
    assert len(table) == 0
    assert table["pixels"].dtype == np.int64
    assert LabelStore.open(done.labels).classes == ("nucleus",)
    assert counted(done) == {}
    assert log.said[-1] == ("end", "extract", "0 pixels")


def test_a_box_that_claims_nothing_has_0_pixels_and_stays(done):
    table = read_parquet(done.detected)
    beyond = table.iloc[[5]].assign(y0=500, y1=510, box=np.uint32(len(table) + 1))
    write_parquet(done.detected, pd.concat([table, beyond], ignore_index=True).astype(table.dtypes.to_dict()))
    extracted = run_extract(done, Session(again=True))
    assert extracted["pixels"].iloc[-1] == 0
    assert (extracted["pixels"].iloc[:-1] == read_parquet(done.boxes)["pixels"]).all()
    assert len(table) + 1 not in {box for _, _, box in counted(done)}


def test_exclusive_classes_share_no_pixel(done):
    table = read_parquet(done.detected)
    twin = table[table["class_name"] == "mitochondrion"]
    both = pd.concat([table, twin.assign(class_name="lysosome")], ignore_index=True)
    write_parquet(done.detected, both.assign(box=np.arange(1, len(both) + 1, dtype=np.uint32)))
    alone = changed(done, extract={"exclusive": (("mitochondrion", "lysosome"),)})
    run_extract(alone, Session(again=True))
    store = LabelStore.open(done.labels)
    for z in range(24):
        assert not ((store.read_boxes("mitochondrion", z) > 0) & (store.read_boxes("lysosome", z) > 0)).any()
    run_extract(done, Session(again=True))
    shared = sum(
        int(((store.read_boxes("mitochondrion", z) > 0) & (store.read_boxes("lysosome", z) > 0)).sum())
        for z in range(24)
    )
    assert shared > 0


# ---- what it is made from ----


def test_a_recipe_or_group_that_changes_makes_it_out_of_date(done):
    assert stage_of(done).is_done
    others = [
        with_classes(done, mitochondrion=ClassConfig(extract={"blur_nm": 99.0})),
        with_classes(done, mitochondrion=ClassConfig(extract={"method": "ellipse"})),
        with_classes(done, nucleus=ClassConfig()),
        changed(done, extract={"recipes": "paper"}),
        changed(done, extract={"exclusive": (("lysosome", "mitochondrion"),)}),
    ]
    prints = {stage_of(other).fingerprint for other in others}
    assert len(prints) == len(others)
    assert not any(stage_of(other).is_done for other in others)


def test_a_recipe_that_is_said_as_it_is_changes_nothing(done):
    same = with_classes(done, lysosome=ClassConfig(color="red", extract={"level": MaskNetParams().level}))
    assert stage_of(same).parameters["recipes"]["lysosome"] == stage_of(done).parameters["recipes"]["lysosome"]


def test_done_before_reads_the_table(done):
    log = Log()
    table = run_extract(done, Session(log))
    pd.testing.assert_frame_equal(table, read_parquet(done.extracted))
    assert log.said == [("end", "extract", "done before")]


def test_classes_are_those_configured_then_those_found(done):
    table = pd.DataFrame({"class_name": ["b", "a", "z", "a"]})
    assert class_names(with_classes(done, z=ClassConfig(), c=ClassConfig()), table) == ["z", "c", "a", "b"]
    assert class_names(done, table.iloc[:0]) == []


@given(
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.lists(st.lists(st.sampled_from("abcdefg"), unique=True), max_size=3),
)
def test_every_class_is_in_one_group(names, exclusive):
    taken, apart = set(), []
    for group in exclusive:  # a configuration has a class in one group at most
        apart.append(tuple(name for name in group if name not in taken))
        taken |= set(group)
    found = groups(names, tuple(apart))
    assert sorted(name for group in found for name in group) == sorted(names)
    assert all(found)
    for group in found:
        assert len(group) == 1 or any(set(group) <= set(other) for other in apart)


# ---- a block alone ----


def worker_of(project, table):
    classes = LabelStore.open(project.labels).classes
    recipes = {name: project.config.recipe(name) for name in classes}
    return BlockExtractor(project.stack, project.voxel_size, recipes, (), project.labels, table, project.model)


def test_a_block_counts_its_own_boxes_and_travels_to_another_process(done):
    table = read_parquet(done.extracted).set_index("box")
    worker = pickle.loads(pickle.dumps(worker_of(done, done.detected)))
    found = worker(range(5, 9)).set_index("box")["pixels"]
    own = table[table["z"].between(5, 8) & (table["pixels"] > 0)]
    assert found.to_dict() == own["pixels"].to_dict()
    for nothing in (range(5, 5), range(100, 120)):
        empty = worker(nothing)
        assert empty.dtypes.to_dict() == {"box": np.dtype("uint32"), "pixels": np.dtype("int64")}
        assert len(empty) == 0


def test_a_table_that_has_changed_is_read_again(done):
    worker = worker_of(done, done.detected)
    before = len(worker(range(24)))
    rows = read_parquet(done.detected).iloc[:3]
    write_parquet(done.detected, rows)
    os.utime(done.detected, ns=(7, 7))
    assert len(worker(range(24))) <= 3 < before
