"""Classes out of volumes: names, tables, masks and their pieces, the ignored, on small label volumes."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.io.truth_classes import (
    KeptVolume,
    MarkedVolume,
    PickedVolume,
    as_one,
    by_names,
    class_of_file,
    find_table,
    match_class,
    merge_classes,
    read_table,
    require_labels,
)
from famous.labels import are_equivalent
from tests.damage import damages, fuzzing, survive

KNOWN = ["nucleus", "nucleolus", "mitochondrion", "late endosome", "lysosome", "multivesicular body", "Golgi", "ER"]


def whole(volume):
    return np.stack([volume[z] for z in range(volume.shape[0])])


def two_boxes(one=1, two=1):
    labels = np.zeros((4, 5, 9), np.uint32)
    labels[:3, 1:4, 1:4] = one
    labels[1:, 1:4, 5:8] = two
    return labels


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("mitochondrion", "mitochondrion"),
        ("Mitochondria", "mitochondrion"),
        ("mito", "mitochondrion"),
        ("mitochondria_expert", "mitochondrion"),
        ("NUCLEI", "nucleus"),
        ("nucleoli", "nucleolus"),
        ("nucle", "nucle"),  # either
        ("Late_Endosomes", "late endosome"),
        ("multivesicular-bodies", "multivesicular body"),
        ("golgi", "Golgi"),
        ("er", "ER"),
        ("mito_M1", "mitochondrion"),
        ("nucleolar", "nucleolar"),
        ("late endosomes by M2", "late endosome"),
        ("ly", "ly"),  # too short to mean lysosome
        ("vesicle", "vesicle"),
    ],
)
def test_names_that_mean_a_class(found, expected):
    notes: list[str] = []
    assert match_class(found, KNOWN, notes) == expected
    assert bool(notes) == (found != expected)
    assert match_class(found, None, notes) == found


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=4))
def test_any_name_is_matched_or_kept(found, known):
    name = match_class(found, known, [])
    assert name == found or name in known


def test_the_class_of_a_file():
    notes: list[str] = []
    assert class_of_file("mito_03", KNOWN, notes) == "mitochondrion"
    assert class_of_file("expert1", ["nucleus"], notes) == "nucleus"
    assert class_of_file("expert1", None, notes) == "object"
    assert len(notes) == 1
    assert class_of_file("expert1", KNOWN, notes) == "object"
    assert "id,class" in notes[-1]


def test_a_volume_of_ids_is_left_alone():
    labels = two_boxes(1, 2)
    classes = as_one(labels, "a")
    assert classes.volumes["a"] is labels
    assert classes.is_semantic == frozenset()
    assert as_one(two_boxes(7, 7), "a").is_semantic == frozenset()  # one object of that id
    assert as_one(np.zeros((2, 3, 4), np.uint32), "a").is_semantic == frozenset()


def em_image(shape=(9, 64, 80)):
    """Membranes in noise, 8 bit."""
    x = np.arange(shape[2])
    return (128 + 60 * np.sin(x / 9) + np.random.default_rng(0).normal(0, 12, shape)).clip(0, 255).astype(np.uint8)


def test_a_grey_image_is_no_labels():
    said = (
        r"raw\.tif: found a grey image \(9\d% of the neighbouring pixels of slice 4 differ\), expected labels: "
        "a number per object"
    )
    with pytest.raises(InputError, match=said):
        require_labels(em_image(), "raw.tif")
    image = em_image()
    image[4] = 0  # a slice was lost
    with pytest.raises(InputError, match="slice 2 differ"):
        require_labels(image, "raw.tif")
    with pytest.raises(InputError, match="slice 0 differ"):
        require_labels(image[:1], "raw.tif")


def test_labels_are_no_grey_image():
    """Dense ones of two pixels each, none, and random ones in slices too small to tell."""
    dense = np.arange(1, 9 * 32 * 40 + 1, dtype=np.uint32).reshape(9, 32, 40).repeat(2, axis=1).repeat(2, axis=2)
    for labels in (dense, np.zeros((1, 64, 64), np.uint32), em_image((9, 63, 80)), em_image((9, 80, 63))):
        require_labels(labels, "a.tif")


@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_becomes_its_pieces(value):
    classes = as_one(two_boxes(value, value), "a")
    assert are_equivalent(whole(classes.volumes["a"]), two_boxes(1, 2))
    assert classes.is_semantic == {"a"}
    assert classes.notes == ("a: a mask, not ids; its 2 connected pieces are taken as objects",)


def test_one_piece_is_told_as_one():
    classes = as_one(two_boxes(1, 0), "a")
    assert classes.notes == ("a: a mask, not ids; its 1 connected piece is taken as an object",)


@pytest.mark.parametrize(("one", "two"), [(1, 255), (255, 1), (255, 254)])
def test_two_values_are_ids(one, two):
    assert as_one(two_boxes(one, two), "a").is_semantic == frozenset()


def test_the_ignored_stays_beside_the_pieces():
    labels = two_boxes()
    labels[:, 0] = 255
    assert as_one(labels, "a").is_semantic == frozenset()
    classes = as_one(labels, "a", ignore=255)
    found = whole(classes.volumes["a"])
    assert classes.is_semantic == {"a"}
    assert are_equivalent(found, two_boxes(1, 2) + 255 * (labels == 255))
    assert (found[:, 0] == 255).all()
    labels[labels == 255] = 2
    found = whole(as_one(labels, "a", ignore=2).volumes["a"])  # a piece may not be numbered 2
    assert np.array_equal(np.unique(found), [0, 1, 2, 3])
    assert np.array_equal(found == 2, labels == 2)


def test_values_with_a_class_each_are_semantic():
    labels = two_boxes(3, 3)
    labels[0, 4] = 9
    classes = by_names(labels, {0: "Exterior", 3: "Mito", 9: "ER"}, KNOWN)
    assert sorted(classes.volumes) == ["ER", "mitochondrion"]
    assert classes.is_semantic == {"ER", "mitochondrion"}
    assert are_equivalent(whole(classes.volumes["mitochondrion"]), two_boxes(1, 2))
    assert np.array_equal(whole(classes.volumes["ER"]), labels == 9)


@pytest.mark.parametrize("names", [{3: "mito 1", 5: "mito_002", 9: "ER"}, {3: "mito", 5: "mito", 9: "ER"}])
def test_several_values_of_a_class_are_ids(names):
    labels = two_boxes(3, 5)
    labels[0, 4] = 9
    labels[1, 4] = 77  # of no class
    classes = by_names(labels, names, None)
    assert classes.is_semantic == frozenset()
    assert np.array_equal(whole(classes.volumes["mito"]), two_boxes(3, 5))
    assert np.array_equal(whole(classes.volumes["ER"]), 9 * (labels == 9))


def test_the_ignored_is_in_every_class():
    labels = two_boxes(3, 5)
    labels[:, 0] = 200
    classes = by_names(labels, {3: "a", 5: "a", 200: "void", 9: "b"}, None, ignore=200)
    assert sorted(classes.volumes) == ["a", "b"]
    for volume in classes.volumes.values():
        assert ((whole(volume) == 200) == (labels == 200)).all()


def test_volumes_may_be_sent_and_kept_slices_are_not_changed():
    labels = two_boxes(3, 5)
    kept = KeptVolume(labels)
    for volume in (
        kept,
        PickedVolume(kept, [3]),
        PickedVolume(kept, [3, 5], as_mask=True),
        MarkedVolume(kept, kept, 5),
    ):
        again = pickle.loads(pickle.dumps(volume))
        assert np.array_equal(whole(again), whole(volume))
        assert again.shape == labels.shape
    with pytest.raises(ValueError, match="read-only"):
        kept[0][:] = 0


@pytest.mark.parametrize("name", ["a.csv", "a.tif.csv", "a.classes.csv", "a_classes.csv", "classes.csv"])
def test_a_table_beside_the_volume(name, tmp_path):
    (tmp_path / name).write_text("id,class\n0,background\n3,Mito\n5,ER\n")
    assert find_table(tmp_path / "a.tif") == {3: "Mito", 5: "ER"}
    assert find_table(tmp_path) == ({3: "Mito", 5: "ER"} if name == "classes.csv" else None)


def test_other_tables_are_none(tmp_path):
    assert find_table(tmp_path / "a.tif") is None
    (tmp_path / "classes.csv").write_text("class,colour\nMito,red\n")  # of a labelling
    assert find_table(tmp_path / "a.tif") is None
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")  # measurements
    assert find_table(tmp_path / "a.tif") is None
    (tmp_path / "a_classes.csv").write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match=r"a_classes\.csv: found the columns .*'id', 'class'"):
        find_table(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("x,Mito", "line 2"),
        ("1.5,Mito", "line 2"),
        ("-1,Mito", "line 2"),
        ("1,", "line 2"),
        ("1,a\n1,b", "line 3.*twice"),
    ],
)
def test_broken_tables(rows, message, tmp_path):
    (tmp_path / "a.csv").write_text(f"id,class\n{rows}\n")
    with pytest.raises(InputError, match=f"a.csv, {message}"):
        read_table(tmp_path / "a.csv")


def test_a_class_in_two_files():
    parts = [as_one(two_boxes(1, 2), "a"), as_one(two_boxes(), "b")]
    merged = merge_classes(parts)
    assert (sorted(merged.volumes), merged.is_semantic) == (["a", "b"], {"b"})
    with pytest.raises(InputError, match="'a' in several files"):
        merge_classes([parts[0], parts[0]])


@fuzzing
@given(damages())
def test_damaged_tables(tmp_path_factory, damage):
    path = tmp_path_factory.mktemp("tables") / "a.csv"
    path.write_text("id,class\n0,background\n3,Mito\n5,ER\n" * 1)
    survive(read_table, path, damage)


def test_ids_that_a_table_does_not_name_are_told():
    labels = two_boxes(1, 2)
    labels[0, 0, :7] = range(10, 17)
    classes = by_names(labels, {1: "a 1", 2: "a 2"}, None)
    assert classes.notes == ("7 ids that the class table does not name (10, 11, 12, 13, 14 …) are taken as background",)
    assert not (whole(classes.volumes["a"]) > 2).any()
    assert by_names(labels, dict.fromkeys(range(1, 16), "a 1"), None, ignore=16).notes == ()
