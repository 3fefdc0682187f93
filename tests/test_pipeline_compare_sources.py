"""What is compared: opened, named and brought together, and every fault told with its remedy."""

from dataclasses import replace

import numpy as np
import pytest

from famous.errors import InputError
from famous.io.meshes import write_mesh
from famous.io.truths import Placing
from famous.pipeline.compare_sources import Asked, Blank, fingerprint, open_sources
from famous.voxels import VoxelSize
from tests.amira_files import write_amira
from tests.compare_scenes import SHAPE, SIZE, paint, sources, write_coco, write_labels, write_run, write_sources
from tests.damage import every_slice
from tests.solids import ball_mesh


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A stack with a run, and two experts beside it."""
    folder = tmp_path_factory.mktemp("run")
    return write_run(folder), write_sources(folder / "drawn")


def asked(first, *others, **changes):
    return Asked((str(first),), tuple(map(str, others)), **changes)


def test_a_run_and_two_experts_have_the_papers_names(run):
    stack, drawn = run
    opened = open_sources(asked(stack, drawn["M1"], drawn["M2"]))
    assert [truth.name for truth in opened.truths] == ["automatic", "M1", "M2"]
    assert opened.frame.grid.shape == SHAPE
    assert opened.frame.grid.voxel_size == SIZE
    assert opened.project is not None
    for truth in opened.truths:
        for name, volume in truth.classes.items():
            assert (np.asarray(volume[4]) == sources()[truth.name][name][4]).all()
    assert opened.scores["mito"][12] == pytest.approx(0.62)
    assert opened.facts[0].format == "run of famous"
    assert all(len(facts.fingerprint) == 64 for facts in opened.facts)


def test_the_project_may_be_named_by_its_folder(run):
    stack, drawn = run
    folder = stack.with_name("cell.famous")
    assert open_sources(asked(folder, drawn["M1"])).truths[0].name == "automatic"


def test_opening_writes_nothing(run):
    stack, drawn = run
    config = stack.with_name("cell.famous") / "famous.yaml"
    before = config.read_bytes(), config.stat().st_mtime_ns
    open_sources(asked(stack, drawn["M1"]))
    assert (config.read_bytes(), config.stat().st_mtime_ns) == before


def test_label_volumes_without_a_run_are_named_by_their_files(run):
    _, drawn = run
    three = Asked(tuple(str(drawn[name]) for name in ("automatic", "M1", "M2")))
    opened = open_sources(three)
    assert [truth.name for truth in opened.truths] == ["automatic", "M1", "M2"]
    assert opened.project is None
    assert opened.scores == {}


@pytest.mark.parametrize(
    ("truths", "names", "expected"),
    [
        (("M1", "M2"), ("Ann", "Bob"), ["automatic", "Ann", "Bob"]),
        (("M1",), ("run", "Ann"), ["run", "Ann"]),
        (("M1",), None, ["automatic", "M1"]),
    ],
)
def test_names_are_those_of_the_experts_or_of_both(run, truths, names, expected):
    stack, drawn = run
    opened = open_sources(asked(stack, *(drawn[name] for name in truths), names=names))
    assert [truth.name for truth in opened.truths] == expected


def test_two_files_of_one_name_are_numbered(tmp_path):
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(str(write_labels(tmp_path / folder / "mito.tif", sources()["M1"]["mito"])))
    assert [truth.name for truth in open_sources(Asked(tuple(paths))).truths] == ["mito 1", "mito 2"]


@pytest.mark.parametrize("names", [("M1", "M1"), ("automatic", "M1"), (" ", "M1")])
def test_names_must_differ(run, names):
    stack, drawn = run
    with pytest.raises(InputError, match="--names"):
        open_sources(asked(stack, drawn["M1"], drawn["M2"], names=names))


def test_a_class_that_pred_never_found_is_missed_and_one_that_nobody_drew_left_out(run, tmp_path):
    stack, _ = run
    (tmp_path / "M1").mkdir()
    for name in ("mito", "golgi"):
        write_labels(tmp_path / "M1" / f"{name}.tif", sources()["M1"]["mito"])
    opened = open_sources(asked(stack, tmp_path / "M1"))
    pred, truth = opened.truths
    assert list(pred.classes) == ["mito", "golgi"]
    assert not np.asarray(pred.classes["golgi"][4]).any()
    assert set(truth.classes) == {"mito", "golgi"}
    assert opened.notes == (
        "automatic has vesicle, which M1 does not have: it is left out",
        "golgi is in M1 only, so that all of its objects count as missed by automatic",
    )


def test_only_the_classes_asked_for_are_compared(run):
    stack, drawn = run
    opened = open_sources(asked(stack, drawn["M1"], drawn["M2"], classes=("vesicle",)))
    assert [list(truth.classes) for truth in opened.truths] == [["vesicle"]] * 3
    with pytest.raises(InputError, match="mito, vesicle"):
        open_sources(asked(stack, drawn["M1"], classes=("vesicles of all kinds",)))


def test_sources_that_share_no_class_are_told_apart(run, tmp_path):
    stack, _ = run
    (tmp_path / "M1").mkdir()
    for name in ("golgi", "nucleus"):
        write_labels(tmp_path / "M1" / f"{name}.tif", sources()["M1"]["mito"])
    with pytest.raises(InputError, match="automatic has mito, vesicle; M1 has golgi, nucleus"):
        open_sources(asked(stack, tmp_path / "M1"))


def test_a_table_of_classes_takes_a_volume_of_ids_apart(run, tmp_path):
    stack, _ = run
    labels = sources()["M1"]
    both = np.where(labels["vesicle"] > 0, labels["vesicle"] + 100, labels["mito"]).astype(np.uint16)
    path = write_labels(tmp_path / "all.tif", both)
    table = tmp_path / "ids.csv"
    lines = [f"{n},mito" for n in range(1, 7)] + [f"{n},vesicle" for n in (101, 102, 103)]
    table.write_text("\n".join(["id,class", *lines]) + "\n")
    truth = open_sources(asked(stack, path, class_table=table)).truths[1]
    assert set(truth.classes) == {"mito", "vesicle"}
    assert (np.asarray(truth.classes["mito"][5]) == np.where(labels["vesicle"][5] > 0, 0, labels["mito"][5])).all()
    assert not truth.is_semantic
    with pytest.raises(InputError, match="nothing"):
        open_sources(asked(stack, path, class_table=tmp_path / "nothing.csv"))


def test_a_mask_becomes_objects_and_says_so(run, tmp_path):
    stack, _ = run
    path = write_labels(tmp_path / "mito.tif", (sources()["M1"]["mito"] > 0).astype(np.uint8) * 255)
    opened = open_sources(asked(stack, path))
    volume = opened.truths[1].classes["mito"]
    assert len(np.unique([np.asarray(volume[z]) for z in range(SHAPE[0])])) == 1 + 6
    assert [note for note in opened.facts[1].notes if "mask" in note] == [
        "mito: a mask, not ids; its 6 connected pieces are taken as objects"
    ]


def test_other_voxels_are_brought_to_one_grid_with_a_word(run, tmp_path):
    stack, _ = run
    coarse = sources()["M1"]["mito"][:, ::2, ::2]
    path = write_labels(tmp_path / "mito.tif", np.ascontiguousarray(coarse), VoxelSize(20, 20, 20))
    opened = open_sources(asked(stack, path))
    assert opened.truths[1].shape == SHAPE
    assert opened.notes or opened.truths[1].notes


def test_extents_that_cannot_be_meant_are_printed(run, tmp_path):
    stack, _ = run
    path = write_labels(tmp_path / "mito.tif", sources()["M1"]["mito"], VoxelSize(2000, 900, 900))
    with pytest.raises(InputError, match=r"(?s)voxels.*voxels"):
        open_sources(asked(stack, path))


@pytest.mark.parametrize(
    ("first", "others", "said"),
    [
        ("cell.tif", [], "found 1 label set \\("),
        ("cell.tif", ["M1", "M2", "M1"], "found 4 label sets"),
        ("nothing.tif", ["M1"], "nothing.tif: found nothing there"),
        ("cell.tif", ["nothing"], "nothing"),
        ("plain.tif", ["M1"], "found no run of it"),
        ("plain.tif", ["M1", "M2"], r"`famous compare \S+plain\.tif \S+M1 \S+M2`"),
    ],
)
def test_what_is_no_comparison_is_told(run, first, others, said):
    stack, drawn = run
    write_labels(stack.with_name("plain.tif"), np.zeros(SHAPE, np.uint8))
    paths = [drawn.get(name, stack.with_name(name)) for name in others]
    with pytest.raises(InputError, match=said):
        open_sources(asked(stack.with_name(first), *paths))


def test_labels_without_a_voxel_size_take_that_of_the_stack_or_of_the_option(run, tmp_path):
    import tifffile

    stack, _ = run
    tifffile.imwrite(tmp_path / "mito.tif", sources()["M1"]["mito"])
    assert open_sources(asked(stack, tmp_path / "mito.tif")).truths[1].voxel_size == SIZE
    tifffile.imwrite(tmp_path / "two.tif", sources()["M1"]["mito"])
    pair = Asked((str(tmp_path / "mito.tif"), str(tmp_path / "two.tif")))
    with pytest.raises(InputError, match="voxel size"):
        open_sources(pair)
    opened = open_sources(replace(pair, placing=Placing(VoxelSize(9, 8, 7))))
    assert opened.frame.grid.voxel_size == VoxelSize(9, 8, 7)


def test_a_fingerprint_changes_with_the_source(tmp_path):
    (tmp_path / "M1").mkdir()
    path = write_labels(tmp_path / "M1" / "mito.tif", paint({}))
    first = fingerprint(str(path)), fingerprint(str(tmp_path / "M1"))
    assert fingerprint(str(path)) == first[0]
    write_labels(path, paint({1: ((1, 2), (1, 2), (1, 2))}).astype(np.uint8))
    second = fingerprint(str(path)), fingerprint(str(tmp_path / "M1"))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_nothing_drawn_is_a_volume_of_nothing():
    assert not Blank((3, 4, 5))[2].any()
    assert Blank((3, 4, 5))[0].shape == (4, 5)


def test_the_offset_is_that_of_the_truth(tmp_path):
    labels = sources()["M1"]["mito"]
    whole = write_labels(tmp_path / "m1.tif", labels)
    crop = write_labels(tmp_path / "crop.tif", np.ascontiguousarray(labels[5:]))
    opened = open_sources(Asked((str(whole), str(crop)), placing=Placing(offset_nm=(100.0, 0.0, 0.0))))
    assert opened.frame.grid.shape == SHAPE
    assert (opened.frame.low, opened.frame.high) == ((5, 0, 0), SHAPE)
    for truth in opened.truths:
        (volume,) = truth.classes.values()
        assert np.array_equal(every_slice(volume), labels[5:])


def test_unit_and_offset_of_meshes_are_those_of_the_truth(tmp_path):
    """The same balls in µm, and in nm 30 nm further down: as voxels they are the same."""
    for name, nm, down in (("a", 1000.0, 0), ("b", 1.0, 30)):
        (tmp_path / name).mkdir()
        for number, place in enumerate([(100, 100, 100), (100, 100, 300)], start=1):
            mesh = ball_mesh(55.0, place).translated((-down, 0, 0))
            write_mesh(tmp_path / name / f"mito{number}.ply", replace(mesh, vertices=mesh.vertices * 1000 / nm))
    paths = str(tmp_path / "a"), str(tmp_path / "b")
    opened = open_sources(Asked(paths, placing=Placing(VoxelSize(10, 10, 10), "nm", (30.0, 0.0, 0.0))))
    one, other = (every_slice(truth.classes["mito"]) for truth in opened.truths)
    assert np.count_nonzero(one) > 1000
    assert np.count_nonzero(one != other) < 0.01 * np.count_nonzero(one)


def test_the_unit_counts_for_the_first_where_its_file_has_none(tmp_path):
    labels = sources()["M1"]["mito"].astype(np.int32)
    first = write_amira(tmp_path / "a.am", labels, sizes=(0.02, 0.01, 0.01))
    second = write_amira(tmp_path / "b.am", labels, sizes=(0.02, 0.01, 0.01))
    opened = open_sources(Asked((str(first), str(second)), placing=Placing(unit="um")))
    assert opened.frame.grid.voxel_size.is_close(SIZE)
    assert "a.am: its numbers are taken as um" in opened.facts[0].notes


def test_a_unit_that_no_file_has_a_use_for_is_told(tmp_path):
    paths = [str(write_labels(tmp_path / f"{name}.tif", sources()["M1"]["mito"])) for name in "ab"]
    told = "--unit nm: no source is meshes, NIfTI, NRRD or Amira, whose numbers have any unit; it is not used"
    assert told in open_sources(Asked(tuple(paths), placing=Placing(unit="nm"))).notes
    assert told not in open_sources(Asked(tuple(paths))).notes


def test_a_folder_with_one_file_is_of_the_class_that_the_file_is_called_by(run, tmp_path):
    """As a folder with two files is; and so are boxes named."""
    _, drawn = run
    (tmp_path / "pred").mkdir()
    path = write_labels(tmp_path / "pred" / "mito.tif", sources()["M2"]["mito"])
    opened = open_sources(Asked((str(tmp_path / "pred"), str(drawn["M1"]))))
    assert [list(truth.classes) for truth in opened.truths] == [["mito", "vesicle"]] * 2
    assert [facts.classes for facts in opened.facts] == [("mito",), ("mito", "vesicle")]
    boxes = write_coco(tmp_path / "boxes.json")
    assert [list(truth.classes) for truth in open_sources(Asked((str(path), str(boxes)))).truths] == [["mito"], []]
    swapped = open_sources(Asked((str(drawn["M1"]), str(tmp_path / "pred"))))
    assert [list(truth.classes) for truth in swapped.truths] == [["mito"], ["mito"]]


def test_a_class_table_is_for_the_first_label_set_too(tmp_path):
    labels = sources()["M1"]["mito"]
    (tmp_path / "ids.csv").write_text("id,class\n1,a\n2,a\n3,b\n4,b\n6,b\n")
    paths = [str(write_labels(tmp_path / name, labels)) for name in ("m1.tif", "m2.tif")]
    opened = open_sources(Asked(tuple(paths), class_table=tmp_path / "ids.csv"))
    for truth, facts in zip(opened.truths, opened.facts, strict=True):
        assert list(truth.classes) == ["a", "b"]
        assert np.unique(every_slice(truth.classes["b"])).tolist() == [0, 3, 4, 6]
        assert "1 id that the class table does not name (5) is taken as background" in facts.notes


def test_a_class_table_does_not_tear_what_is_a_file_a_class(run, tmp_path):
    _, drawn = run
    (tmp_path / "ids.csv").write_text("id,class\n1,mito\n2,mito\n")
    one = write_labels(tmp_path / "m2.tif", sources()["M2"]["mito"])
    opened = open_sources(Asked((str(drawn["M1"]), str(one)), class_table=tmp_path / "ids.csv"))
    assert np.unique(every_slice(opened.truths[0].classes["mito"])).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_corner_of_the_stack_is_no_truth_unless_that_is_said(run, tmp_path):
    stack, _ = run
    path = write_labels(tmp_path / "mito.tif", np.ascontiguousarray(sources()["M1"]["mito"][:3, :16, :15]))
    for changes in (
        {"slices": (0, 1)},
        {"region": ((0, 3), (0, 16), (0, 15))},
        {"placing": Placing(offset_nm=(0, 0, 0))},
    ):
        assert open_sources(asked(stack, path, **changes)).frame.high == (3, 16, 15)
    with pytest.raises(InputError, match=r"0\.94 %.*at its corner.*3 × 16 × 15 voxels.*16 × 60 × 80 voxels.*offset"):
        open_sources(asked(stack, path))


def test_all_that_decides_over_the_numbers_is_a_parameter():
    told = asked("a", "b", boundary_nm=5).parameters()
    assert told["verdict"] == {"margin": 0.05}
    assert told["bootstrap"] == {"level": 0.95, "rounds": 2000, "seed": 0, "doubt": 0.5}
    assert told["boundary_nm"] == 5
