"""The shrink-wrap's steps of a run: files and a picture, of what the run's meshes are made of."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from famous.errors import InputError
from famous.io.meshes import read_mesh
from famous.pipeline.crops import mesh_path
from famous.pipeline.mesh import mesh_stage
from famous.pipeline.stage import Session
from famous.pipeline.steps import keep_steps, show_steps, steps_folder, trace_instance, write_steps
from famous.surface.shrinkwrap import STEPS
from tests.commands import call, call_json

pytestmark = pytest.mark.usefixtures("know_all")


def wrapped(project):
    """The same project with the paper's surface."""
    return replace(project, config=replace(project.config, mesh=replace(project.config.mesh, method="shrinkwrap")))


def test_every_step_of_an_instance_is_written(done, tmp_path):
    project = wrapped(done)
    extent = mesh_stage(project)[1][0]
    files = write_steps(tmp_path / "steps", trace_instance(project, extent), extent)
    assert [path.name for path in files] == [f"{n}_{name}.ply" for n, name in enumerate(STEPS, 1)]
    assert {path.parent for path in files} == {tmp_path / "steps" / extent.class_name.replace(" ", "_") / extent.name}
    assert sorted(path.name for path in files[0].parent.iterdir()) == [path.name for path in files]
    assert read_mesh(files[-1]).is_watertight


def test_steps_are_kept_on_the_command_line_and_the_last_is_the_mesh_of_the_run(done, tmp_path):
    config = tmp_path / "paper.yaml"
    config.write_text("mesh: {method: shrinkwrap}\n", encoding="utf-8")
    said = call("mesh", done.folder, "--keep-steps", "--config", config).stdout
    assert "meshes in" in said
    assert "steps in" in said
    meshes = [mesh_path(done.meshes, extent) for extent in mesh_stage(done)[1]]
    assert meshes
    assert len(list(steps_folder(done).rglob("*.ply"))) == 8 * len(meshes)
    for mesh in meshes:
        (last,) = steps_folder(done).rglob(f"{mesh.stem}/8_*.ply")
        assert np.array_equal(read_mesh(last).vertices, read_mesh(mesh).vertices)


def test_the_isosurface_has_no_steps(done):
    with pytest.raises(InputError, match="method: shrinkwrap"):
        keep_steps(done, Session())


def test_an_instance_is_shown(done):
    instance = mesh_stage(done)[1][0].instance
    answer = call_json("mesh", done.folder, "--show-steps", instance)
    with Image.open(answer["files"][0]) as picture:
        assert picture.size[0] > 1900


def test_an_instance_that_is_not_there_is_named(done):
    with pytest.raises(InputError, match="no instance 999999, expected one of"):
        show_steps(done, 999_999)
