"""famous: named, measured, watertight organelle meshes from a volume-EM stack and about 20 box-labelled slices.

>>> from famous import Choices, open_project, run                                    # doctest: +SKIP
>>> project = open_project("cell.tif", Choices(voxel_size=(8, 8, 8)))                # doctest: +SKIP
>>> outcome = run(project)                                                           # doctest: +SKIP
>>> outcome.instances.groupby("class")["volume_mesh_um3"].describe()                 # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from famous.config import Config as Config
    from famous.errors import FamousError as FamousError
    from famous.io.stacks import open_stack as open_stack
    from famous.io.volumes import read_label_volume as read_label_volume
    from famous.mesh import Mesh as Mesh
    from famous.pipeline.detect import run_detect as run_detect
    from famous.pipeline.export import export as export
    from famous.pipeline.extract import run_extract as run_extract
    from famous.pipeline.info import info as info
    from famous.pipeline.link import run_link as run_link
    from famous.pipeline.mesh import run_measure as run_measure
    from famous.pipeline.mesh import run_mesh as run_mesh
    from famous.pipeline.project import Choices as Choices
    from famous.pipeline.project import open_project as open_project
    from famous.pipeline.run import run as run
    from famous.pipeline.stage import Session as Session
    from famous.pipeline.train import run_train as run_train
    from famous.stack import Stack as Stack
    from famous.synthetic import Phantom as Phantom
    from famous.voxels import VoxelSize as VoxelSize

__version__ = "0.1.0"

_HOMES = {
    "Choices": "pipeline.project",
    "Config": "config",
    "FamousError": "errors",
    "Mesh": "mesh",
    "Phantom": "synthetic",
    "Session": "pipeline.stage",
    "Stack": "stack",
    "VoxelSize": "voxels",
    "export": "pipeline.export",
    "info": "pipeline.info",
    "open_project": "pipeline.project",
    "open_stack": "io.stacks",
    "read_label_volume": "io.volumes",
    "run": "pipeline.run",
    "run_detect": "pipeline.detect",
    "run_extract": "pipeline.extract",
    "run_link": "pipeline.link",
    "run_measure": "pipeline.mesh",
    "run_mesh": "pipeline.mesh",
    "run_train": "pipeline.train",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Load a public name when it is asked for, so that `import famous` and `famous --help` cost nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'famous' has no attribute {name!r}")
    return getattr(import_module(f"famous.{_HOMES[name]}"), name)
