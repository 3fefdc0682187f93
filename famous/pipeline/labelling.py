"""What the labelling page asks of the pipeline: proposals of the detector, training, boxes in and out."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from famous.annotate.advice import Adviser
from famous.annotate.jobs import TrainingJob
from famous.io.annotations import Annotations, Imported
from famous.pipeline.project import Project


@dataclass(frozen=True)
class Model:
    """The detector that proposes."""

    version: str  # first 12 digits of its card's hash
    kind: str  # "trained" or "packaged" (or "named": `weights:` of famous.yaml)
    class_names: tuple[str, ...]  # as the model calls them


@dataclass(frozen=True, eq=False)
class Proposals:
    """Boxes for one slice, all down to a low score, under the stack's own class names."""

    z: int
    model: Model
    boxes: pd.DataFrame
    unknown: tuple[str, ...]  # classes that the model found here and the stack does not have; not among the boxes


class Proposer:
    """Asks the detector, one request at a time; notices a new model by its card. Thread-safe.

    `project()` gives the project as it is now (voxel size and window may be settled later).
    """

    def __init__(self, project: Callable[[], Project], *, device: str = "auto") -> None:
        raise NotImplementedError

    def model(self) -> Model | None:
        """The detector that would be asked now; None where there is none."""
        raise NotImplementedError

    def propose(self, z: int, class_names: tuple[str, ...]) -> Proposals:
        """Boxes of a slice; InputError (no voxel size, z outside), MissingError (no model)."""
        raise NotImplementedError

    def adviser(self) -> Adviser:
        """Make the adviser whose eyes this proposer is."""
        raise NotImplementedError


def training_job(project: Callable[[], Project]) -> TrainingJob:
    """Make the job that trains as `famous train FOLDER --minutes M` does, in a process of its own."""
    raise NotImplementedError


def import_upload(project: Project, name: str, content: bytes, kind: str | None = None) -> Imported:
    """Read boxes from an uploaded file, or a zip of a folder; nothing is written to the project's folder.

    Raises InputError: nothing readable, broken rows, a zip that is not safe.
    """
    raise NotImplementedError


def export_download(project: Project, kind: str, annotations: Annotations) -> tuple[str, bytes, list[str]]:
    """Write boxes for a download: (file name, bytes, what the format cannot hold); folders come as a zip."""
    raise NotImplementedError
