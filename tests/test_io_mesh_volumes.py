"""Folders of meshes as labels: classes and objects by their names, units and extents, holes, damaged files."""

import numpy as np
import pytest
from hypothesis import given

from famous.errors import InputError
from famous.io.grids import Grid
from famous.io.mesh_volumes import class_names, find_meshes, open_meshes
from famous.io.meshes import write_mesh, write_side_car
from famous.mesh import Mesh, merge
from famous.voxels import VoxelSize
from tests.damage import damages, every_slice, fuzzing, survive
from tests.solids import ball_mesh

GRID = Grid((24, 60, 80), VoxelSize(30, 10, 10), (300.0, 100.0, 0.0))
RADIUS = 90.0
PLACES = [(603.1, 252.7, 204.3), (701.3, 504.1, 603.7)]
BALLS = [ball_mesh(RADIUS, place) for place in PLACES]
EXPECTED = 4 / 3 * np.pi * RADIUS**3 / GRID.voxel_size.volume_nm3


def truth_of(places=PLACES):
    centres = (np.indices(GRID.shape).reshape(3, -1).T + 0.5) * GRID.voxel_size.zyx + GRID.origin_nm
    image = np.zeros(len(centres), int)
    for number, place in enumerate(places, start=1):
        image[np.linalg.norm(centres - place, axis=1) < RADIUS] = number
    return image.reshape(GRID.shape)


def in_unit(mesh, nm):
    """Write in a unit of so many nm: files are in µm otherwise."""
    return Mesh(mesh.vertices * 1000.0 / nm, mesh.faces)


def agree(found, expected):
    assert np.count_nonzero(found != expected) < 0.02 * np.count_nonzero(expected)
    assert np.array_equal(np.unique(found), np.unique(expected))


@pytest.mark.parametrize("suffix", ["stl", "obj", "ply"])
def test_a_file_an_object_in_a_folder_a_class(suffix, tmp_path):
    for name in ("mitochondrion", "lysosome"):
        (tmp_path / name).mkdir()
        for number, mesh in enumerate(BALLS, start=1):
            write_mesh(tmp_path / name / f"{number}.{suffix}", mesh)
    grid, classes = open_meshes(tmp_path, GRID, "um")
    assert grid == GRID
    assert sorted(classes.volumes) == ["lysosome", "mitochondrion"]
    assert classes.notes == ()
    volume = classes.volumes["lysosome"]
    assert (volume.shape, volume.dtype) == (GRID.shape, np.uint32)
    agree(every_slice(volume), truth_of())
    with pytest.raises(IndexError):
        volume[24]


def test_numbers_of_files_are_ids(tmp_path):
    write_mesh(tmp_path / "Mito_007.stl", BALLS[0])
    write_mesh(tmp_path / "Mito_042.stl", BALLS[1])
    _, classes = open_meshes(tmp_path, GRID, "um", known=["mitochondrion", "lysosome"])
    agree(every_slice(classes.volumes["mitochondrion"]), np.array([0, 7, 42])[truth_of()])
    assert classes.notes == ("Mito is taken as mitochondrion",)


def test_a_file_a_class_is_split_by_connected_surface(tmp_path):
    write_mesh(tmp_path / "Mitochondria.stl", merge(BALLS))
    write_mesh(tmp_path / "nucleus.ply", merge([BALLS[0], ball_mesh(40.0, PLACES[0]).reversed()]))
    _, classes = open_meshes(tmp_path, GRID, "um")
    found = every_slice(classes.volumes["Mitochondria"])
    agree(np.minimum(found, 1), np.minimum(truth_of(), 1))
    assert found.max() == 2
    hollow = every_slice(classes.volumes["nucleus"])
    assert hollow.max() == 1
    assert hollow.sum() == pytest.approx(EXPECTED - 4 / 3 * np.pi * 40**3 / 3000, rel=0.05)
    assert any("2 connected surfaces" in note for note in classes.notes)


def test_one_surface_is_told_as_one(tmp_path):
    write_mesh(tmp_path / "nucleus.ply", BALLS[0])
    _, classes = open_meshes(tmp_path, GRID, "um")
    assert "nucleus.ply: its 1 connected surface is taken as an object" in classes.notes


def test_a_run_keeps_its_instances(tmp_path):
    """What `famous` wrote has an instance in each file, also one of several parts."""
    write_mesh(tmp_path / "mitochondrion_00003.ply", merge(BALLS))
    write_side_car(tmp_path, {})
    _, classes = open_meshes(tmp_path, GRID)
    agree(every_slice(classes.volumes["mitochondrion"]), 3 * np.minimum(truth_of(), 1))


@pytest.mark.parametrize(("unit", "nm"), [("nm", 1.0), ("µm", 1e3), ("mm", 1e6), ("Å", 0.1)])
def test_units_and_offset(unit, nm, tmp_path):
    for number, mesh in enumerate(BALLS):
        write_mesh(tmp_path / f"a{number}.ply", in_unit(mesh.translated((-50, 20, 30)), nm))
    _, classes = open_meshes(tmp_path, GRID, unit, (50.0, -20.0, -30.0))
    agree(every_slice(classes.volumes["a"]), truth_of())


def test_voxels_as_unit(tmp_path):
    for number, mesh in enumerate(BALLS, start=1):
        write_mesh(tmp_path / f"a{number}.ply", Mesh(mesh.vertices / GRID.voxel_size.zyx * 1000, mesh.faces))
    _, classes = open_meshes(tmp_path, GRID, "voxel")
    agree(every_slice(classes.volumes["a"]), truth_of())


@pytest.mark.parametrize(("nm", "hint"), [(1.0, "nm"), (1e6, "mm")])
def test_a_unit_that_cannot_be_meant_is_told_with_the_one_that_fits(nm, hint, tmp_path):
    write_mesh(tmp_path / "a1.ply", in_unit(BALLS[0], nm))
    write_mesh(tmp_path / "a2.ply", in_unit(BALLS[1], nm))
    with pytest.raises(InputError, match=rf"24 × 60 × 80 voxels.*they would fit in.*\b{hint}\b") as fault:
        open_meshes(tmp_path, GRID)
    assert "span z" in str(fault.value)


def test_meshes_elsewhere(tmp_path):
    write_mesh(tmp_path / "a.ply", BALLS[0].translated((5000, 0, 0)))
    with pytest.raises(InputError, match="give their unit and their offset"):
        open_meshes(tmp_path, GRID)


def test_where_the_unit_was_given_the_offset_is_to_be_checked(tmp_path):
    """In Å they would fit, too: as a speck at the corner."""
    for number, mesh in enumerate(BALLS, start=1):
        write_mesh(tmp_path / f"a{number}.ply", in_unit(mesh.translated((700, 700, 700)), 1.0))
    with pytest.raises(InputError, match="their size fits: check the offset, --offset Z Y X") as fault:
        open_meshes(tmp_path, GRID, "nm")
    assert "Å" not in str(fault.value)
    with pytest.raises(InputError, match="give their unit and their offset"):
        open_meshes(tmp_path, GRID, "mm")


def test_meshes_beyond_the_stack_are_cut_with_a_note(tmp_path):
    write_mesh(tmp_path / "a.ply", BALLS[0].translated((-300, 0, 0)))
    _, classes = open_meshes(tmp_path, GRID, "um")
    assert any("8 voxels beyond" in note or "9 voxels beyond" in note for note in classes.notes)
    assert every_slice(classes.volumes["a"]).sum() == pytest.approx(EXPECTED / 2, rel=0.1)


def test_without_a_stack_the_grid_is_what_they_span(tmp_path):
    write_mesh(tmp_path / "a.ply", BALLS[0])
    grid, classes = open_meshes(tmp_path, GRID.voxel_size, "um")
    assert grid.origin_nm == (480.0, 150.0, 100.0)
    assert every_slice(classes.volumes["a"]).sum() == pytest.approx(EXPECTED, rel=0.03)
    with pytest.raises(InputError, match="give their unit"):
        open_meshes(tmp_path, VoxelSize(1e-4, 1, 1), "um")


def torn(mesh, share):
    """Take the faces of one side away, up to a share of them."""
    order = np.argsort(mesh.vertices[mesh.faces].mean(axis=1)[:, 0])
    return Mesh(mesh.vertices, mesh.faces[order[int(share * len(order)) :]])


def test_a_mesh_with_a_large_hole_is_named(tmp_path):
    write_mesh(tmp_path / "a1.stl", BALLS[0])
    write_mesh(tmp_path / "a2.stl", torn(BALLS[1], 0.1))
    with pytest.raises(InputError, match=r"a2\.stl: found a mesh with 1 hole\(s\).*expected a closed one"):
        open_meshes(tmp_path, GRID, "um")


def test_small_holes_are_closed_with_a_note(tmp_path):
    write_mesh(tmp_path / "a1.stl", torn(BALLS[0], 0.004))
    write_mesh(tmp_path / "a2.stl", BALLS[1])
    _, classes = open_meshes(tmp_path, GRID, "um")
    assert any(note.startswith("a1.stl: 1 small hole") for note in classes.notes)
    agree(every_slice(classes.volumes["a"]), truth_of())


def test_meshes_without_a_face(tmp_path):
    write_mesh(tmp_path / "a1.ply", Mesh.empty())
    with pytest.raises(InputError, match="no mesh with a face"):
        open_meshes(tmp_path, GRID, "um")
    write_mesh(tmp_path / "a2.ply", BALLS[0])
    _, classes = open_meshes(tmp_path, GRID, "um")
    assert "a1.ply: has no face; it is left out" in classes.notes
    assert np.array_equal(np.unique(every_slice(classes.volumes["a"])), [0, 2])


def test_an_obj_without_a_face_may_be_cut_off(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    with pytest.raises(InputError, match=r"no mesh with a face.*\.obj file may have been cut off before its faces"):
        open_meshes(path, GRID, "um")
    write_mesh(tmp_path / "a.ply", Mesh.empty())
    with pytest.raises(InputError, match=r"files with closed surfaces$"):
        open_meshes(tmp_path / "a.ply", GRID, "um")


@pytest.mark.parametrize("name", ["none.ply", "none.obj", "none"])
def test_no_meshes_there(name, tmp_path):
    with pytest.raises(InputError, match=f"{name}: found nothing there, expected a mesh, or a folder of meshes"):
        open_meshes(tmp_path / name, GRID, "um")
    with pytest.raises(InputError, match="found nothing there"):
        class_names(tmp_path / name)


def test_an_unknown_unit(tmp_path):
    write_mesh(tmp_path / "a.ply", BALLS[0])
    with pytest.raises(InputError, match="'furlong'"):
        open_meshes(tmp_path, GRID, "furlong")
    assert any("taken as µm" in note for note in open_meshes(tmp_path, GRID)[1].notes)


def test_hidden_files_are_none(tmp_path):
    write_mesh(tmp_path / ".a.ply", BALLS[0])
    (tmp_path / "notes.txt").write_text("x")
    assert find_meshes(tmp_path) == []
    write_mesh(tmp_path / "b.ply", BALLS[0])
    assert find_meshes(tmp_path) == find_meshes(tmp_path / "b.ply") == [tmp_path / "b.ply"]
    assert find_meshes(tmp_path / "notes.txt") == []


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    small = ball_mesh(RADIUS, PLACES[0], rounds=2)
    return [write_mesh(folder / f"a{suffix}", small) for suffix in (".stl", ".ply", ".obj")]


def read(path):
    _, classes = open_meshes(path, GRID, "um")
    return [every_slice(volume) for volume in classes.volumes.values()]


@fuzzing
@given(damages())
def test_damaged_files(files, damage):
    for path in files:
        survive(read, path, damage)


def test_most_of_them_outside_is_not_meant(tmp_path):
    """The ball's middle lies 30 nm before the stack's first slice, of a radius of 90: a third of its box is inside."""
    write_mesh(tmp_path / "a.ply", BALLS[0].translated((270 - PLACES[0][0], 0, 0)))
    with pytest.raises(InputError, match=r"span z 0\.18 … 0\.36.*cannot be meant.*24 × 60 × 80 voxels"):
        open_meshes(tmp_path, GRID, "um")


def test_what_holds_the_whole_stack_may_reach_beyond(tmp_path):
    """A fifth of the ball's box is the stack."""
    write_mesh(tmp_path / "cell.ply", ball_mesh(590.0, (660.0, 400.0, 400.0)))
    _, classes = open_meshes(tmp_path, GRID, "um")
    assert every_slice(classes.volumes["cell"]).mean() > 0.9
    assert any("beyond the stack" in note for note in classes.notes)


def test_meshes_that_would_fit_in_another_unit_are_not_a_speck_at_the_corner(tmp_path):
    """In mm, of a stack of so many voxels that a thousandth of it still spans a few."""
    fine = Grid((3000, 3000, 3000), VoxelSize(1, 1, 1))
    write_mesh(tmp_path / "a1.ply", in_unit(ball_mesh(1400.0, (1500, 1500, 1500)), 1e6))
    with pytest.raises(InputError, match=r"they would fit in mm"):
        open_meshes(tmp_path, fine)
    assert open_meshes(tmp_path, fine, "um")[0] == fine  # who says so


def as_text(path, mesh):
    """Write a mesh as others do: PLY in text."""
    corners = (mesh.vertices[:, ::-1] / 1000).tolist()
    lines = ["ply", "format ascii 1.0", f"element vertex {len(corners)}", *(f"property float {axis}" for axis in "xyz")]
    lines += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in corners]
    lines += [f"3 {a} {b} {c}" for a, b, c in mesh.faces[:, ::-1].tolist()]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8, 0.99])
def test_a_file_that_is_cut_short_says_so(share, tmp_path):
    as_text(tmp_path / "a.ply", BALLS[0])
    agree(np.minimum(every_slice(open_meshes(tmp_path, GRID, "um")[1].volumes["a"]), 1), truth_of(PLACES[:1]))
    content = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "a.ply").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"a\.ply: found .*the file is cut short"):
        open_meshes(tmp_path, GRID, "um")


def test_a_binary_file_of_others_that_is_cut_short_says_so(tmp_path):
    import trimesh

    mesh = trimesh.Trimesh(BALLS[0].vertices[:, ::-1] / 1000, BALLS[0].faces[:, ::-1], process=False)
    mesh.visual.face_colors = [1, 2, 3, 255]
    content = mesh.export(file_type="ply")
    (tmp_path / "a.ply").write_bytes(content)
    assert open_meshes(tmp_path, GRID, "um")[0] == GRID
    (tmp_path / "a.ply").write_bytes(content[:-7])
    with pytest.raises(InputError, match=r"found \d+ bytes after the header, expected at least \d+; the file is cut"):
        open_meshes(tmp_path, GRID, "um")
