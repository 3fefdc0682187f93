"""Stage link: labels are the boxes looked up, streamed blocks give what the whole gives, ids are those of tables."""

import dataclasses
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous import boxes as box_table
from famous.io.label_store import LabelStore
from famous.io.tables import read_parquet, write_parquet
from famous.link import overlap, slice_overlaps
from famous.link.agree import AgreeParams, agree, pieces, runs
from famous.pipeline import link as stage
from famous.pipeline.link import (
    BlockOverlaps,
    BlockPainter,
    Moved,
    far_reaching,
    group_images,
    look_up_tables,
    run_link,
    stage_of,
    with_voxels,
)
from famous.pipeline.parts import blocks
from famous.pipeline.stage import Session
from famous.pipeline.votes import Votes
from famous.voxels import VoxelSize
from tests.test_pipeline import Log, tree_hash
from tests.test_pipeline_faults import KilledError, changed, kill_in

pytestmark = pytest.mark.usefixtures("know_all")
DEPTH, SIDE = 13, 12


@given(st.integers(0, 3000), st.integers(0, 200))
def test_blocks_that_read_on_cover_every_slice_and_are_worth_it(depth, reach):
    work = far_reaching(depth, reach)
    assert [z for block in work for z in block] == list(range(depth))
    assert (len(work) - 1) * reach <= depth / 2, "more is read twice than the second core wins"
    assert max(map(len, work), default=0) - min(map(len, work), default=0) <= 1
    if depth > max(3 * reach, 2):
        assert len(work) > 1, "the second core has nothing to do"


@pytest.fixture
def store(tmp_path):
    """Boxes of two classes, random, in a store of 13 slices; some slices have none."""
    made = LabelStore.create(tmp_path / "l.ome.zarr", ["a", "b c"], (DEPTH, SIDE, SIDE), VoxelSize(4, 4, 4))
    rng = np.random.default_rng(1)
    box = 0
    for z in range(DEPTH):
        for name in made.classes:
            image = np.zeros((SIDE, SIDE), np.uint32)
            for _ in range(0 if z in (3, 4) else 3):
                box += 1
                y, x = rng.integers(0, SIDE - 5, 2)
                image[y : y + 5, x : x + 5] = box
            made.write_boxes(name, z, image)
    return made


def described(store):
    """What the boxes of a store are: (present, boxes below each slice)."""
    present, below, seen = set(), [0], 0
    for z in range(DEPTH):
        for name in store.classes:
            image = store.read_boxes(name, z)
            if image.any():
                present.add((name, z))
                seen = max(seen, int(image.max()))
        below.append(seen)
    return frozenset(present), tuple(below)


def table_of(store):
    """Box table of a store, with pixels; boxes that others cover wholly are left out."""
    rows = []
    for z in range(DEPTH):
        for name in store.classes:
            image = store.read_boxes(name, z)
            for box in np.unique(image[image > 0]):
                y, x = np.nonzero(image == box)
                rows.append((box, z, y.min(), x.min(), y.max() + 1, x.max() + 1, name, 0.9, len(y)))
    table = pd.DataFrame(rows, columns=[*box_table.COLUMNS, "pixels"])
    return table.astype(box_table.COLUMNS | {"pixels": "int64"}).sort_values("box", ignore_index=True)


def overlap_worker(store, groups, reach):
    """A worker that counts overlaps of this reach, at 4 nm a slice."""
    table = store.path.with_name("t.parquet")
    write_parquet(table, table_of(store))
    params = overlap.OverlapParams(gap_nm=4.0 * (reach - 1), bridge_nm=8.0)
    assert params.reach(store.voxel_size) == reach
    exclusive = tuple(tuple(group) for group in groups if len(group) > 1)
    return BlockOverlaps(store.path, table, groups, params, store.voxel_size, exclusive)


# ---- streamed = whole ----


@pytest.mark.parametrize("reach", [1, 2, 5, 20])
@pytest.mark.parametrize("groups", [[["a"], ["b c"]], [["a", "b c"]]])
def test_overlaps_of_blocks_link_as_those_of_the_whole(store, groups, reach):
    worker = overlap_worker(store, groups, reach)
    present, _ = described(store)
    whole = pd.concat(
        [slice_overlaps(group_images(store, group, range(DEPTH), present), reach=reach) for group in groups],
        ignore_index=True,
    )
    table = table_of(store)
    options = {"voxel_size": store.voxel_size, "params": worker.params, "exclusive": worker.exclusive}
    expected = overlap.link(table, whole, **options)
    assert expected["instance"].max() > 3
    for size in (1, 4, DEPTH, 50):
        found = pd.concat([worker(block) for block in blocks(DEPTH, size)], ignore_index=True)
        both = found.merge(whole, on=["a", "b"], suffixes=("", "_whole"))
        assert len(both) == len(found) <= len(whole)  # nothing twice, nothing made up
        assert (both["pixels"] == both["pixels_whole"]).all()
        pd.testing.assert_frame_equal(overlap.link(table, found, **options), expected)


def test_overlaps_of_neighbouring_slices_are_all_there(store):
    worker, z = overlap_worker(store, [["a"], ["b c"]], 3), table_of(store).set_index("box")["z"]
    present, _ = described(store)
    near = pd.concat(
        [slice_overlaps(group_images(store, [name], range(DEPTH), present), reach=1) for name in store.classes]
    )
    found = pd.concat([worker(block) for block in blocks(DEPTH, 5)], ignore_index=True)
    apart = z.loc[found["b"]].to_numpy() - z.loc[found["a"]].to_numpy()
    assert set(apart) <= {1, 2, 3}
    keys = ["a", "b"]
    pd.testing.assert_frame_equal(
        found[apart == 1].sort_values(keys, ignore_index=True), near.sort_values(keys, ignore_index=True)
    )


def test_a_block_without_boxes_or_classes_has_a_table(store):
    for worker, block in ((overlap_worker(store, [["a"]], 1), range(3, 4)), (overlap_worker(store, [], 1), range(13))):
        found = worker(block)
        assert len(found) == 0
        assert list(found.columns) == ["a", "b", "pixels"]


def test_exclusive_classes_are_seen_as_one_image(store):
    present, _ = described(store)
    images = dict(group_images(store, ["a", "b c"], range(DEPTH), present))
    assert sorted(images) == [z for z in range(DEPTH) if z not in (3, 4)]
    for z, image in images.items():
        assert (image == np.maximum(store.read_boxes("a", z), store.read_boxes("b c", z))).all()
    assert list(group_images(store, [], range(DEPTH), present)) == []
    assert [z for z, _ in group_images(store, ["a"], range(DEPTH), frozenset({("a", 7)}))] == [7]


def test_labels_are_the_boxes_looked_up(store):
    present, below = described(store)
    rng = np.random.default_rng(2)
    lut = {name: rng.integers(0, 5, below[-1] + 1).astype(np.uint32) for name in store.classes}
    for values in lut.values():
        values[0] = 0
    worker = pickle.loads(pickle.dumps(BlockPainter(store.path, [["a"], ["b c"]], lut, present)))
    assert counts(worker(range(2, 6))) == voxels_of(store, range(2, 6))
    for z in range(DEPTH):
        for name in store.classes:
            expected = lut[name][store.read_boxes(name, z)] if 2 <= z < 6 else 0
            assert (store.read_labels(name, z) == expected).all()


@pytest.mark.parametrize("agree", [False, True])
def test_boxes_that_a_vote_gave_to_another_class_are_painted_there(store, agree):
    """Some boxes of each class go to the other one; where both have a pixel, that one's own boxes keep it."""
    present, _ = described(store)
    table = table_of(store)
    rng = np.random.default_rng(5)
    swapped = {"a": "b c", "b c": "a"}
    now = [swapped[name] if rng.random() < 0.3 else name for name in table["class_name"]]
    linked = table.assign(detected_class=table["class_name"], class_name=now, instance=table["box"].astype("uint32"))
    linked.loc[linked.index % 7 == 0, "instance"] = 0
    sets = [["a"], ["b c"]]
    luts = look_up_tables(linked, list(store.classes))
    votes = tuple(Votes.of_group(linked, group, np.ones(1), (SIDE, SIDE)) for group in sets) if agree else ()
    moved = pickle.loads(pickle.dumps(Moved.of(linked, sets)))
    BlockPainter(store.path, sets, luts, present, votes, moved)(range(DEPTH))
    given_away = 0
    for z in range(DEPTH):
        for name, other in swapped.items():
            own, theirs = store.read_boxes(name, z), store.read_boxes(other, z)
            received = luts[name][theirs]
            expected = np.where(own > 0, luts[name][own], received)
            assert (store.read_labels(name, z) == expected).all()
            given_away += np.count_nonzero(received)
    assert given_away > 100


def test_nothing_moves_where_no_vote_changed_a_class(store):
    table = table_of(store)
    sets = [["a"], ["b c"]]
    linked = table.assign(detected_class=table["class_name"], instance=np.uint32(1))
    assert Moved.of(linked, sets) is None
    assert Moved.of(linked.assign(class_name="a"), [["a", "b c"]]) is None  # within a group its image has them
    assert Moved.of(linked.assign(class_name="a", instance=np.uint32(0)), sets) is None
    assert Moved.of(table, sets) is None


@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from("abc"), st.integers(0, 2**31)), unique_by=lambda row: row[0])
)
def test_look_up_tables_hold_every_box_once(rows):
    linked = pd.DataFrame(rows, columns=["box", "class_name", "instance"]).astype({"box": "uint32"})
    luts = look_up_tables(linked, ["a", "b", "c", "d"])
    size = max((box for box, *_ in rows), default=0) + 1
    assert all(lut.shape == (size,) and lut.dtype == np.uint32 and lut[0] == 0 for lut in luts.values())
    for box, name, instance in rows:
        assert {other: int(lut[box]) for other, lut in luts.items()} == {n: instance * (n == name) for n in "abcd"}


# ---- slices that agree ----


@pytest.mark.parametrize("sets", [[["a"], ["b c"]], [["a", "b c"]]])
@pytest.mark.parametrize("size", [2, 5, DEPTH])
def test_painted_blocks_are_the_vote_on_the_whole(store, sets, size):
    """Boxes that wander at random, two or more of an instance in a slice; classes of one set share no pixel."""
    present, _ = described(store)
    linked = instances_at_random(store)
    luts = look_up_tables(linked, list(store.classes))
    votes = tuple(Votes.of_group(linked, group, np.ones(4), (SIDE, SIDE)) for group in sets)
    worker = pickle.loads(pickle.dumps(BlockPainter(store.path, sets, luts, present, votes)))
    counted = pd.concat([worker(block) for block in blocks(DEPTH, size)])
    assert counts(counted) == voxels_of(store, range(DEPTH))
    changed_pixels = 0
    for group in sets:
        before = np.zeros((DEPTH, SIDE, SIDE), np.uint32)
        for z, image in group_images(store, group, range(DEPTH), present):
            before[z] = sum(luts[name][image] for name in group)
        after = voted(before, luts, linked, store, group, present)
        changed_pixels += np.count_nonzero(after != before)
        found = {name: np.stack([store.read_labels(name, z) for z in range(DEPTH)]) for name in group}
        assert (np.maximum.reduce(list(found.values())) == after).all()
        assert (sum((labels > 0).astype(int) for labels in found.values()) <= 1).all()
        for name, labels in found.items():
            own = set(linked.loc[linked["class_name"] == name, "instance"])
            assert set(np.unique(labels)) - {0} <= own
    assert changed_pixels > 50


def counts(counted):
    """Voxels by slice and instance, as a painter tells them."""
    return counted.groupby(["z", "instance"])["voxels"].sum().to_dict()


def voxels_of(store, slices):
    """Voxels by slice and instance, counted in the labels that were written."""
    found = Counter()
    for name in store.classes:
        for z in slices:
            ids, pixels = np.unique(store.read_labels(name, z), return_counts=True)
            found.update({(z, int(i)): int(n) for i, n in zip(ids, pixels, strict=True) if i})
    return dict(found)


def test_the_first_box_of_an_instance_in_a_slice_tells_its_voxels():
    linked = pd.DataFrame(
        {"z": [0, 0, 0, 1, 1, 2], "instance": [1, 1, 2, 1, 0, 2], "pixels": [0, 5, 7, 4, 9, 3]},
    )
    counted = pd.DataFrame({"z": [0, 0, 1, 2], "instance": [1, 2, 1, 2], "voxels": [6, 8, 3, 2]})
    assert with_voxels(linked, counted)["voxels"].tolist() == [0, 6, 8, 3, 0, 2]
    assert with_voxels(linked.iloc[:0], counted.iloc[:0])["voxels"].tolist() == []


def instances_at_random(store):
    """Boxes of a store, every one of one of two instances of its class."""
    table = table_of(store)
    other = 2 * (table["class_name"] == "b c").astype(int)
    return table.assign(detected_class=table["class_name"], instance=(1 + table["box"] % 2 + other).astype("uint32"))


def voted(before, luts, linked, store, group, present):
    """The vote on a whole volume at once, slice by slice with all others at hand."""
    own = linked[linked["class_name"].isin(group)]
    columns = [*box_table.CORNERS, "box", "instance"]
    images = dict(group_images(store, group, range(DEPTH), present))
    cut = {z: {} for z in range(-3, DEPTH + 3)}
    cut |= {z: pieces(image, own.loc[own["z"] == z, columns].to_numpy()) for z, image in images.items()}
    radii = runs(own["instance"].to_numpy(), own["z"].to_numpy(), 3)
    after = before.copy()
    for z in images:
        here = (own["z"] == z).to_numpy()
        near = {step: cut[z + step] for step in range(-3, 4)}
        after[z] = agree(near, own.loc[here, columns].to_numpy(), radii[here], np.ones(4), before[z].shape)
    return after


@pytest.fixture
def agreeing(done):
    """A finished run whose slices listen to five others on either side."""
    project = changed(done, link={"agree": AgreeParams(40)})
    run_link(project, Session())
    return project


def looked_up(project):
    """Labels as the boxes alone say, and as they are; by class."""
    store, luts = LabelStore.open(project.labels), look_up_tables(read_parquet(project.boxes), ["mitochondrion"])
    name = "mitochondrion"
    alone = np.stack([luts[name][store.read_boxes(name, z)] for z in range(24)])
    return alone, np.stack([store.read_labels(name, z) for z in range(24)])


def test_slices_agree_where_they_are_close(agreeing):
    alone, labels = looked_up(agreeing)
    assert 0 < np.count_nonzero(alone != labels) < 0.2 * np.count_nonzero(alone)
    for before, after in zip(alone, labels, strict=True):
        assert set(np.unique(before)) == set(np.unique(after))


@pytest.mark.parametrize("knobs", [{"agree": AgreeParams(0)}, {"method": "centre", "agree": AgreeParams(40)}])
def test_without_a_vote_labels_are_the_boxes_looked_up(agreeing, knobs):
    project = changed(agreeing, link=knobs)
    assert not stage_of(project).is_done
    run_link(project, Session())
    alone, labels = looked_up(project)
    assert alone.any()
    assert (alone == labels).all()


def test_a_vote_counts_only_where_there_is_one(done):
    """At 16 nm a slice and two neighbours are all that is within two σ of 10 nm, and they cannot outvote it."""
    assert stage_of(done).is_done
    assert stage_of(changed(done, link={"agree": AgreeParams(0)})).is_done
    assert not stage_of(changed(done, link={"agree": AgreeParams(40)})).is_done
    centre = stage_of(changed(done, link={"method": "centre"})).fingerprint
    assert stage_of(changed(done, link={"method": "centre", "agree": AgreeParams(40)})).fingerprint == centre


@pytest.mark.parametrize(("block", "jobs"), [(2, 1), (100, 1), (7, 2)])
def test_blocks_and_workers_do_not_change_a_byte_of_what_slices_agree_on(agreeing, monkeypatch, block, jobs):
    before = tree_hash(agreeing.labels) | {"table": agreeing.boxes.read_bytes()}
    monkeypatch.setattr(stage, "BLOCK", block)
    run_link(agreeing, Session(again=True, jobs=jobs))
    assert tree_hash(agreeing.labels) | {"table": agreeing.boxes.read_bytes()} == before


def test_a_killed_vote_goes_on_and_ends_alike(agreeing, monkeypatch):
    before = tree_hash(agreeing.labels) | {"table": agreeing.boxes.read_bytes()}
    monkeypatch.setattr(stage, "BLOCK", 4)
    with monkeypatch.context() as patch:
        kill_in_painting(patch, 3)
        with pytest.raises(KilledError):
            run_link(agreeing, Session(again=True))
    assert tree_hash(agreeing.labels) != {name: value for name, value in before.items() if name != "table"}
    run_link(agreeing, Session())
    assert tree_hash(agreeing.labels) | {"table": agreeing.boxes.read_bytes()} == before


def kill_in_painting(patch, block):
    """Let the stage die in the midst of its labels."""
    real = BlockPainter.__call__

    def dies(painter, piece):
        if piece.start >= 4 * block:
            raise KilledError
        return real(painter, piece)

    patch.setattr(BlockPainter, "__call__", dies)


def test_no_box_is_no_vote(agreeing):
    write_parquet(agreeing.extracted, read_parquet(agreeing.extracted).iloc[:0])
    assert len(run_link(agreeing, Session(again=True))) == 0
    store = LabelStore.open(agreeing.labels)
    assert not any(store.read_labels(name, z).any() for name in store.classes for z in range(24))


# ---- the stage ----


def test_labels_tables_and_ids_agree(finished):
    table = read_parquet(finished.boxes)
    store = LabelStore.open(finished.labels)
    instances = sorted(set(table["instance"]) - {0})
    assert instances == list(range(1, len(instances) + 1))
    assert not table[["instance", "class_name"]].drop_duplicates().query("instance > 0")["instance"].duplicated().any()
    luts = look_up_tables(table, list(store.classes))
    for name in store.classes:
        for z in range(24):
            assert (store.read_labels(name, z) == luts[name][store.read_boxes(name, z)]).all()


@pytest.mark.parametrize("block", [5, 100])
def test_the_size_of_a_block_does_not_change_a_byte(done, monkeypatch, block):
    before = tree_hash(done.labels) | {"table": done.boxes.read_bytes()}
    monkeypatch.setattr(stage, "BLOCK", block)
    run_link(done, Session(again=True))
    assert tree_hash(done.labels) | {"table": done.boxes.read_bytes()} == before


@pytest.mark.parametrize("block", [0, 2, 5])
def test_a_killed_linking_goes_on_and_ends_alike(done, monkeypatch, block):
    before = tree_hash(done.labels) | {"table": done.boxes.read_bytes()}
    monkeypatch.setattr(stage, "BLOCK", 4)
    with monkeypatch.context() as patch:
        kill_in(patch, stage, block)
        with pytest.raises(KilledError):
            run_link(done, Session(again=True))
    run_link(done, Session())
    assert tree_hash(done.labels) | {"table": done.boxes.read_bytes()} == before


def test_labels_of_an_earlier_linking_do_not_shine_through(done):
    run_link(changed(done, link={"method": "centre"}), Session())
    strict = dataclasses.replace(done.config.link.overlap, instance_score=1.0)
    table = run_link(changed(done, link={"overlap": strict}), Session())
    assert (table["instance"] == 0).all()
    store = LabelStore.open(done.labels)
    assert not any(store.read_labels(name, z).any() for name in store.classes for z in range(24))
    assert any(store.read_boxes(name, z).any() for name in store.classes for z in range(24))


def test_no_box_is_no_instance(done):
    write_parquet(done.extracted, read_parquet(done.extracted).iloc[:0])
    for method in ("overlap", "centre"):
        log = Log()
        table = run_link(changed(done, link={"method": method}), Session(log, again=True))
        assert len(table) == 0
        assert "instance" in table
        assert log.said[-1] == ("end", "link", "0 instances from 0 boxes")


def test_boxes_without_pixels_join_nothing(done):
    table = read_parquet(done.extracted)
    write_parquet(done.extracted, table.assign(pixels=np.int64(0)))
    linked = run_link(done, Session(again=True))
    store = LabelStore.open(done.labels)
    assert not any(store.read_labels(name, z).any() for name in store.classes for z in range(24))
    assert len(linked) == len(table)


def test_knobs_of_the_other_method_do_not_count(done):
    assert stage_of(done).is_done
    other = dataclasses.replace(done.config.link.centre, layers=3)
    assert stage_of(changed(done, link={"centre": other})).is_done
    own = dataclasses.replace(done.config.link.overlap, gap_nm=1.0)
    assert not stage_of(changed(done, link={"overlap": own})).is_done
    assert not stage_of(changed(done, link={"method": "centre"})).is_done


def test_done_before_reads_the_table(done):
    log = Log()
    table = run_link(done, Session(log))
    pd.testing.assert_frame_equal(table, read_parquet(done.boxes))
    assert log.said == [("end", "link", f"{table['instance'].max()} instances, done before")]
