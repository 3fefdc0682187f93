"""The overview: one PNG with every panel, also where there is nothing to show."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from famous import boxes
from famous.errors import InputError
from famous.report.colours import class_colours
from famous.report.overview import WIDTH, Overview, _legend, compose, draw_overview
from famous.voxels import VoxelSize
from tests.solids import ball_mesh

VOXEL = VoxelSize(20, 10, 10)
NAMES = ["mitochondrion", "nucleus"]
COLOURS = class_colours(NAMES, {})


def cell(**changes) -> Overview:
    """A slice of 120 × 160 pixels with a mitochondrion at the left and a nucleus at the right, 20 slices deep."""
    image = np.random.default_rng(0).integers(90, 160, (120, 160)).astype(np.uint8)
    found = boxes.from_columns(
        {
            "z": [9, 9, 4],
            "y0": [20, 40, 0],
            "x0": [10, 90, 0],
            "y1": [60, 100, 9],
            "x1": [50, 150, 9],
            "class_name": [*NAMES, "nucleus"],
            "score": [0.9, 0.8, 0.7],
        }
    )
    mito, nucleus = np.zeros(image.shape, np.uint32), np.zeros(image.shape, np.uint32)
    mito[22:58, 12:48], nucleus[42:98, 92:148] = 1, 2
    meshes = [("mitochondrion", ball_mesh(180, (200, 400, 300))), ("nucleus", ball_mesh(190, (200, 700, 1200)))]
    whole = {
        "image": image,
        "voxel_size": VOXEL,
        "boxes": found,
        "labels": {"mitochondrion": mito, "nucleus": nucleus},
        "meshes": meshes,
        "colours": COLOURS,
        "title": "A cell",
        "depth_nm": 400.0,
        "z": 9,
    }
    return Overview(**(whole | changes))


def count(pixels, colour) -> int:
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return int((np.abs(pixels.astype(int) - wanted) <= 2).all(axis=2).sum())


def test_it_is_written_whole_with_the_boxes_colours(tmp_path):
    path = draw_overview(tmp_path / "new" / "overview.png", cell())
    assert [entry.name for entry in path.parent.iterdir()] == ["overview.png"]
    with Image.open(path) as opened:
        assert opened.format == "PNG"
        pixels = np.asarray(opened)
    assert pixels.shape[1] == WIDTH
    assert 450 < pixels.shape[0] < 800
    for name in NAMES:
        assert count(pixels[:, 500:1000], COLOURS[name]) > 300


def test_the_same_run_gives_the_same_bytes(tmp_path):
    first, second = (draw_overview(tmp_path / name, cell()).read_bytes() for name in ("a.png", "b.png"))
    assert first == second


def test_a_file_that_is_there_is_replaced_only_by_a_whole_one(tmp_path, monkeypatch):
    path = tmp_path / "overview.png"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        draw_overview(path, cell(meshes=()))
        assert reader.read() == b"old"  # who was reading it still has all of the old one
    path.write_bytes(b"old")

    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(InputError, match=r"overview\.png: it cannot be written \(disk full\)"):
        draw_overview(path, cell(meshes=()))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_boxes_of_other_slices_are_left_out():
    assert len(cell().boxes) == 2
    assert len(cell(z=None).boxes) == 3


def test_everything_may_be_empty():
    pixels = compose(Overview(image=np.full((50, 50), 100, np.uint8), voxel_size=VOXEL))
    assert pixels.shape[1] == WIDTH
    assert (pixels == 255).all(axis=2).mean() > 0.2


@pytest.mark.parametrize("missing", ["boxes", "labels", "meshes", "title", "z", "depth_nm"])
def test_any_part_may_be_missing(missing):
    nothing = {"boxes": boxes.empty(), "labels": {}, "meshes": (), "title": "", "z": None, "depth_nm": None}[missing]
    assert compose(cell(**{missing: nothing})).shape[1] == WIDTH


@pytest.mark.parametrize("shape", [(1, 1), (40, 400), (400, 40), (3, 3)])
def test_slices_of_any_shape_have_their_place(shape):
    pixels = compose(Overview(image=np.zeros(shape, np.uint8), voxel_size=VOXEL, title="x"))
    assert pixels.shape[1] == WIDTH
    assert 350 < pixels.shape[0] < 800
    assert (pixels[:, :8] == 255).all()
    assert (pixels[:, -8:] == 255).all()


def test_many_classes_wrap_into_rows():
    few, many = (compose(cell(colours=class_colours(NAMES + extra, {}), meshes=())) for extra in ([], LONG_NAMES))
    assert many.shape[0] > few.shape[0] + 80
    assert (many[:, -16:] == 255).all()


LONG_NAMES = [f"organelle with a rather long name {k}" for k in range(14)]


def test_a_title_that_is_too_long_is_cut():
    pixels = compose(cell(title="one stack of many " * 20, meshes=()))
    assert (pixels[:, -16:] == 255).all()


def test_the_stack_reaches_as_far_as_its_meshes():
    assert cell().extent_nm == (400, 1200, 1600)
    assert cell(depth_nm=None).extent_nm[0] == pytest.approx(390)
    assert cell(depth_nm=None, meshes=()).extent_nm[0] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((5, 5, 3), np.uint8)}, r"expected \(y, x\) uint8"),
        ({"image": np.zeros((5, 5), np.uint16)}, r"expected \(y, x\) uint8"),
        ({"image": np.zeros((0, 5), np.uint8)}, r"expected \(y, x\) uint8"),
        ({"labels": {"nucleus": np.zeros((5, 5), np.uint32)}}, "labels.*nucleus"),
        ({"colours": {"nucleus": "#ffffff"}}, "no colour for.*mitochondrion"),
        ({"boxes": boxes.empty().drop(columns="score")}, "missing columns.*score"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        cell(**changes)


def test_it_works_without_a_home_or_a_display_and_says_nothing(tmp_path):
    code = (
        "import sys, warnings\nwarnings.simplefilter('error')\n"
        "from tests.test_report_overview import cell\nfrom famous.report.overview import draw_overview\n"
        "draw_overview(sys.argv[1], cell())\nassert 'matplotlib.pyplot' not in sys.modules"
    )
    root = Path(__file__).resolve().parents[1]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "missing"), "PYTHONPATH": str(root)}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, str(tmp_path / "o.png")]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [entry.name for entry in tmp_path.iterdir()] == ["o.png"]


def test_a_real_slice_is_drawn(shared_data, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    raw = tifffile.imread(shared_data / "lucchi" / "raw.tif", key=60)
    ids = tifffile.imread(shared_data / "lucchi" / "mito_inst.tif", key=60).astype(np.uint32)
    shown = Overview(image=raw, voxel_size=VoxelSize(5, 5, 5), labels={NAMES[0]: ids}, colours=COLOURS, z=60)
    with Image.open(draw_overview(tmp_path / "o.png", shown)) as opened:
        assert count(np.asarray(opened), COLOURS[NAMES[0]]) > 500


def test_the_legend_says_what_was_not_found():
    colours = class_colours([*NAMES, "lysosome"], {})
    entries = {text: counts for text, counts, *_ in _legend(cell(colours=colours))}
    assert entries["lysosome"] == "none found"
    assert entries["nucleus"].endswith("1 label · 1 mesh")
