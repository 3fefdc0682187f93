"""What the labelling page asks of the pipeline: proposals of the detector, advice, training, boxes in and out."""

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from famous import boxes as box_table
from famous.annotate.adviser import Adviser, Eyes
from famous.annotate.jobs import TrainingJob
from famous.annotate.state import SMALLEST
from famous.detect import Detector, detect_slice
from famous.errors import FamousError, InputError, MissingError
from famous.io.annotations import Annotations, Imported, read_boxes, write_boxes
from famous.io.archives import is_zip, pack, unpack
from famous.pipeline import background, detect
from famous.pipeline.manifest import file_hash
from famous.pipeline.project import Project
from famous.report.colours import usual_name
from famous.scratch import scratch_folder
from famous.stack import slabs
from famous.words import counted

LOWEST = 0.05  # score down to which boxes are proposed; the page shows those above its own threshold
SAME_IOU = 0.5  # boxes that overlap this much are one, where two classes of the model are one of the stack
HELD = 256  # slices whose boxes are remembered
LABEL_FILES = (".txt", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".names", ".data", ".labels")
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Model:
    """The detector that proposes."""

    version: str  # first 12 digits of its card's hash
    kind: str  # "trained" on this stack, "packaged", or "named" in famous.yaml
    class_names: tuple[str, ...]  # as the model calls them


@dataclass(frozen=True, eq=False)
class Proposals:
    """Boxes for one slice, all down to a low score, under the stack's own class names."""

    z: int
    model: Model
    boxes: pd.DataFrame
    unknown: dict[str, int]  # class that the model found here and the stack does not have → boxes, which are left out


class Proposer:
    """Asks the detector, one request at a time; notices a new model by its card. Thread-safe.

    What was found is remembered per slice, model, window and voxel size.

    Parameters
    ----------
    project
        Gives the project as it is now: voxel size and window may be settled later.
    """

    def __init__(self, project: Callable[[], Project], *, device: str = "auto") -> None:
        self._project, self._device = project, device
        self._line = _Line()
        self._held: OrderedDict[Key, pd.DataFrame] = OrderedDict()
        self._open: tuple[str, Path, Detector] | None = None  # card's hash, folder, detector

    def model(self) -> Model | None:
        """Return the detector that would be asked now; None where there is none, or none that can be read."""
        try:
            with self._line.turn():
                return self._model(*self._opened())
        except (FamousError, OSError):
            return None

    def version(self) -> str | None:
        """Return the version of the model there is, without opening it; None where there is none."""
        try:
            return _version(_folder(self._project()))
        except (FamousError, OSError):
            return None

    def detector(self) -> tuple[str, str, Detector] | None:
        """Return version, kind and the detector itself; None where there is none."""
        try:
            with self._line.turn():
                version, folder, detector = self._opened()
                return version, _kind(self._project(), folder), detector
        except (FamousError, OSError):
            return None

    def propose(self, z: int, class_names: Sequence[str]) -> Proposals:
        """Find boxes of these classes in a slice.

        A class of the model is proposed as the class of that name, else as the first one that is usually called the
        same (`famous.report.colours.usual_name`: plural, short name, capitals); one that the stack has not is counted
        in `unknown`.

        Raises
        ------
        InputError
            If there is no such slice, the stack has no voxel size, or the model cannot be read.
        MissingError
            If there is no model.
        """
        with self._line.turn():
            opened = self._opened()
            boxes = self._found(opened, z, turned=False)
        named, unknown = rename(boxes, class_names)
        return Proposals(z, self._model(*opened), named, unknown)

    def found(self, z: int, class_names: Sequence[str], *, turned: bool = False) -> pd.DataFrame:
        """Return the boxes of `propose`, also of the slice turned by 180°, but let everybody else go first."""
        with self._line.turn(patient=True):
            boxes = self._found(self._opened(), z, turned=turned)
        return rename(boxes, class_names)[0]

    def adviser(self, class_names: Callable[[], Sequence[str]]) -> Adviser:
        """Make the adviser that sees with this model; `class_names` gives the stack's classes as they are now."""
        return Adviser(
            Eyes(
                self._project().stack.shape,
                lambda z: self._project().stack.image(z),  # noqa: PLW0108 - the project of that moment
                lambda z, turned: self.found(z, class_names(), turned=turned),
                self.version,
            )
        )

    def _opened(self) -> tuple[str, Path, Detector]:
        """Open the model there is now, if it is not the one that is open. The caller has its turn."""
        folder = _folder(self._project())
        version = _version(folder)
        if self._open is None or self._open[:2] != (version, folder):
            detect.open_detector.cache_clear()  # it goes by the folder, which a new training leaves the same
            try:
                self._open = version, folder, detect.open_detector(folder, self._device)
            except (InputError, MissingError) as problem:
                if _version(folder) == version:
                    raise
                raise InputError("the model is being replaced by a newer one; ask again in a moment") from problem
        return self._open

    def _model(self, version: str, folder: Path, detector: Detector) -> Model:
        return Model(version[:12], _kind(self._project(), folder), tuple(detector.class_names))

    def _found(self, opened: tuple[str, Path, Detector], z: int, *, turned: bool) -> pd.DataFrame:
        project, (version, _, detector) = self._project(), opened
        if not 0 <= z < len(project.stack):
            raise InputError(f"found slice {z}, expected 0 … {len(project.stack) - 1}")
        params = dataclasses.replace(project.config.detect, score=LOWEST, class_scores={})
        stack = project.stack
        key = (version, z, turned, stack.window, stack.inverted, project.voxel_size, repr(params))
        if key not in self._held:
            slab = next(slabs(stack, [z], detector.channels))[1]
            slab = np.ascontiguousarray(slab[::-1, ::-1]) if turned else slab
            self._held[key] = detect_slice(slab, z, detector, voxel_size=project.voxel_size, params=params)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]


def rename(boxes: pd.DataFrame, class_names: Sequence[str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Give boxes of a model the class names of a stack; returns them and how many of which class found none."""
    usual: dict[str, str] = {}
    for name in class_names:
        usual.setdefault(usual_name(name), name)
    theirs = sorted(set(boxes["class_name"].astype("str")))
    ours = {name: name if name in class_names else usual.get(usual_name(name)) for name in theirs}
    named = boxes["class_name"].map(ours)
    unknown = boxes.loc[named.isna(), "class_name"].value_counts().sort_index()
    known = boxes.assign(class_name=named)[named.notna()].astype({"class_name": "str"}).reset_index(drop=True)
    if known["class_name"].nunique() < boxes.loc[named.notna(), "class_name"].nunique():  # two of theirs became one
        known = box_table.nms(known, iou_threshold=SAME_IOU)
    return known, {str(name): int(count) for name, count in unknown.items()}


def training_job(project: Callable[[], Project]) -> TrainingJob:
    """Make the job that trains as `famous train FOLDER --minutes M` does, in a process of its own.

    It trains on the boxes that are on disk when it has started; what is drawn meanwhile counts for the next one. Like
    that command it notes the minutes in famous.yaml; that it may fetch weights holds for the one training only.
    """
    return TrainingJob(
        lambda minutes, download: background.command(project().folder, minutes, download=download),
        lambda: background.is_locked(project()),
        lambda: background.missing_weights(project()),
    )


def import_upload(
    project: Project, name: str, content: bytes, kind: str | None = None, *, class_names: Sequence[str] = ()
) -> Imported:
    """Read boxes from an uploaded file, or a zip of a folder; nothing is written to the project's folder.

    Parameters
    ----------
    name
        What the file was called; its ending tells the format where `kind` is None. Never used as a path.
    class_names
        The stack's classes, which the indices of a single YOLO file mean.

    Raises
    ------
    InputError
        If it cannot be read, a row is broken, or a zip is not safe to unpack; the message names the file as `name`.
    """
    safe = _safe_name(name)
    with scratch_folder("import") as scratch:
        place = scratch / "in" / "here"  # names of YOLO's classes are looked for in folders above, too: empty ones
        place.mkdir(parents=True)
        path, notes = place / safe, []
        try:
            if is_zip(content) or safe.lower().endswith(".zip"):
                path = place / safe.removesuffix(".zip")
                path.mkdir()
                unpacked = unpack(content, path, LABEL_FILES)
                notes = _left_note(unpacked.left)
                path = _inner(path)
            else:
                path.write_bytes(content)
            single = path.is_file() and path.suffix.lower() == ".txt"
            found = read_boxes(
                path,
                kind,
                shape=project.stack.shape,
                names=project.opened.slice_names,
                classes=list(class_names) if single and class_names else None,
            )
        except InputError as problem:
            raise InputError(_without(str(problem), place)) from problem
        told = [_without(note, place) for note in found.notes]
    boxes, more = _as_drawn(found.annotations.boxes)
    return Imported(dataclasses.replace(found.annotations, boxes=boxes), [*notes, *told, *more])


def export_download(project: Project, kind: str, annotations: Annotations) -> tuple[str, bytes, list[str]]:
    """Write boxes for a download: file name, bytes, and what the format cannot hold.

    COCO and CVAT are one file, all others a zip; the same boxes give the same bytes.
    """
    single = {"coco": "json", "cvat": "xml"}.get(kind)
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in Path(project.stack.name).stem)
    title = f"{stem or 'stack'}_{kind}"
    with scratch_folder("export") as scratch:
        target = scratch / (f"{title}.{single}" if single else title)
        notes = write_boxes(target, kind, annotations, shape=project.stack.shape, names=project.opened.slice_names)
        if single:
            return target.name, target.read_bytes(), list(notes)
        files = {
            f"{title}/{file.relative_to(target).as_posix()}": file.read_bytes()
            for file in target.rglob("*")
            if file.is_file()
        }
    return f"{title}.zip", pack(files), list(notes)


class _Line:
    """Lets one caller through at a time, the patient ones only when nobody else waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._hurried = 0

    @contextmanager
    def turn(self, *, patient: bool = False) -> Iterator[None]:
        """Wait for the turn, and hold it for the block."""
        with self._changed:
            self._hurried += not patient
            self._changed.wait_for(lambda: not self._taken and not (patient and self._hurried))
            self._hurried -= not patient
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()


def _folder(project: Project) -> Path:
    folder = detect.weights_of(project)
    if not (folder / "card.json").is_file():
        raise MissingError(f"{folder}: there is no model with a card.json")
    return folder


def _version(folder: Path) -> str:
    return file_hash(folder / "card.json")


def _kind(project: Project, folder: Path) -> str:
    if project.config.weights is not None:
        return "named"
    return "trained" if folder == project.model else "packaged"


def _safe_name(name: str) -> str:
    """Return the last part of a name that somebody sent, of plain letters only."""
    last = PurePosixPath(name.replace("\\", "/")).name[-100:]
    plain = "".join(c if c.isalnum() or c in "-_. " else "_" for c in last).strip(" .")
    return plain if plain.strip("._ ") else "upload"


def _inner(folder: Path) -> Path:
    """Go down while a folder holds nothing but one other folder."""
    while len(entries := list(folder.iterdir())) == 1 and entries[0].is_dir():
        folder = entries[0]
    return folder


def _left_note(left: Sequence[str]) -> list[str]:
    if not left:
        return []
    shown = ", ".join(left[:3]) + (" …" if len(left) > 3 else "")
    return [f"{len(left)} files of the zip are no labels and were left out ({shown})"]


def _without(text: str, place: Path) -> str:
    """Take the scratch folder out of a message."""
    for folder in (place, place.resolve()):
        text = text.replace(f"{folder}/", "").replace(str(folder), "the upload")
    return text


def _as_drawn(boxes: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep what the page can hold of imported boxes, and say what it cannot."""
    sides = np.minimum(boxes["y1"] - boxes["y0"], boxes["x1"] - boxes["x0"])
    small, scored = int((sides < SMALLEST).sum()), int((boxes["score"] != 1).sum())
    notes = [f"left out: {counted(small, 'box', 'boxes')} with a side under {SMALLEST} px"] if small else []
    notes += [f"{scored} boxes have a score, which is not kept: a box of the labelling is true"] if scored else []
    return box_table.number(boxes[sides >= SMALLEST].assign(score=np.float32(1))), notes
