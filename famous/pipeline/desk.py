"""The desk of the labelling server: what it needs of a project, from famous.yaml, the tables of boxes and the model."""

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from famous import boxes as box_table
from famous import config as configuration
from famous.annotate.desk import Desk, Download, Model, Proposed, Taken
from famous.annotate.records import Box, Class
from famous.annotate.slices import propose_slices
from famous.annotate.state import Snapshot
from famous.boxes import CORNERS
from famous.config import ClassConfig, Config
from famous.errors import InputError
from famous.extract import Extractor
from famous.io.annotations import FORMATS, Annotations, write_boxes
from famous.pipeline.labelling import Proposer, export_download, import_upload, training_job
from famous.pipeline.project import Project
from famous.pipeline.train import read_annotations
from famous.report.colours import PALETTE, class_colours
from famous.stack import Stack, Window
from famous.voxels import VoxelSize
from famous.yolo.masknet import open_extractor

#: name of a cell → the configuration that its classes are taken from
PRESETS = {"HeLa cell": "paper-hela.yaml", "yeast cell": "paper-yeast.yaml"}


def make_desk(project: Project) -> Desk:
    """Lay out a project for labelling; what is settled or labelled goes into its folder."""
    work = _Work(project)
    stack = project.stack
    seed = f"{stack.name} {stack.shape}"
    return Desk(
        stack=stack,
        fingerprint=project.opened.fingerprint,
        log=project.annotations / "edits.jsonl",
        classes=_classes(list(project.config.classes), project.config.classes),
        presets={name: _classes(list(chosen), chosen) for name, chosen in presets().items()},
        palette=PALETTE,
        formats=tuple(FORMATS),
        proposed=propose_slices(len(stack), seed=seed),
        settle=work.settle,
        load=work.load,
        save=work.save,
        stamp=work.stamp,
        recipe=work.recipe,
        model=work.model,
        is_opening=work.is_opening,
        propose=work.propose,
        advise=work.advise,
        training=work.training,
        export=work.export,
        take=work.take,
        close=work.close,
    )


@cache
def presets() -> Mapping[str, Mapping[str, ClassConfig]]:
    """Read the classes that one may start from: name of a cell → class → settings, in the order of configs/."""
    return {name: configuration.read(preset_file(file)).classes for name, file in PRESETS.items()}


def preset_file(name: str) -> Path:
    """Find a file of configs/: in an installed package it lies inside, in a checkout beside."""
    inside = Path(str(files("famous"))) / "configs" / name
    return inside if inside.exists() else Path(__file__).resolve().parents[2] / "configs" / name


class _Work:
    """A project that is being labelled: its voxel size, window and classes change meanwhile. Thread-safe."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.RLock()
        self._names: tuple[str, ...] = tuple(project.config.classes)
        self._settings = dict(project.config.classes)  # also of classes that were taken away: undo brings them back
        self._proposer = Proposer(lambda: self._project)
        self._adviser = self._proposer.adviser(lambda: self._names)
        self._model: Model | None = None
        self._opening: threading.Thread | None = None
        self._closed = False
        self._asked: str | None = None  # version of the model that was opened last, or is being opened
        self.training = training_job(lambda: self._project)

    def close(self) -> None:
        with self._lock:
            self._closed = True  # a request that is still being answered opens no model from now on
        self.training.close()
        if self._opening is not None:
            self._opening.join()
        self._adviser.close()

    def settle(
        self,
        *,
        voxel_size_nm: tuple[float, float, float] | None = None,
        window: tuple[float, float] | None = None,
        inverted: bool | None = None,
    ) -> Stack:
        with self._lock:
            stack = self._project.stack
            settled = dataclasses.replace(
                stack,
                voxel_size=stack.voxel_size if voxel_size_nm is None else VoxelSize.from_zyx(voxel_size_nm),
                window=stack.window if window is None else Window(*window),
                inverted=stack.inverted if inverted is None else inverted,
            )
            shown = settled.window

            def note(config: Config) -> Config:
                return dataclasses.replace(
                    config,
                    voxel_size=settled.voxel_size.zyx if settled.voxel_size else None,
                    window=(shown.low, shown.high) if shown else None,
                    window_of=config.window_of if window is None else None,
                    invert=settled.inverted,
                )

            self._configure(note)
            opened = dataclasses.replace(self._project.opened, stack=settled)
            self._project = dataclasses.replace(self._project, opened=opened, config=note(self._project.config))
        self._adviser.forget()
        return settled

    def load(self) -> Snapshot | None:
        with self._lock:
            chosen = configuration.read(self._yaml).classes
            self._settings |= chosen
            labelled = read_annotations(self._project)
            if labelled is None:
                return None
            names = list(dict.fromkeys([*labelled.classes, *chosen]))
            return _snapshot(labelled, names, chosen)

    def save(self, snapshot: Snapshot) -> None:
        with self._lock:
            before = self._project.config.classes
            after = self._settings_of(snapshot.classes, before)
            if list(after.items()) != list(configuration.read(self._yaml).classes.items()):
                self._configure(lambda saved: dataclasses.replace(saved, classes=after))
            config = dataclasses.replace(self._project.config, classes=after)
            self._project = dataclasses.replace(self._project, config=config)
            self._settings |= after
            self._names = tuple(after)
            target = self._project.annotations / "boxes.csv"
            write_boxes(target, "csv", _annotations(snapshot), shape=self._project.stack.shape)

    def stamp(self) -> object:
        """Size, time and place of each file that `load` reads."""
        facts = []
        for path in (
            self._yaml,
            *(self._project.annotations / f"{name}.csv" for name in ("boxes", "slices", "classes")),
        ):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            facts.append((path.name, found.st_size, found.st_mtime_ns, found.st_ino))
        return tuple(facts)

    def recipe(self, class_name: str) -> Extractor:
        return open_extractor(configuration.read(self._yaml).recipe(class_name), self._project.model)

    def model(self) -> Model | None:
        """Return the model that is open; another one is opened in the background, since that takes seconds."""
        version = self._proposer.version()
        with self._lock:
            if version is None:
                self._model, self._asked = None, None
            elif version != self._asked and not self._closed:
                self._asked = version
                # no daemon: the interpreter waits for it, and is not aborted while a library is being loaded
                self._opening = threading.Thread(target=self._open_model, name="famous model", daemon=False)
                self._opening.start()
            return self._model

    def is_opening(self) -> bool:
        """Whether a model is being opened, which takes seconds."""
        with self._lock:
            return self._opening is not None and self._opening.is_alive()

    def _open_model(self) -> None:
        found = self._proposer.model()
        with self._lock:
            self._model = Model(found.version, found.kind, found.class_names) if found else None
        self._adviser.wake()

    def propose(self, z: int, class_names: tuple[str, ...]) -> Proposed:
        found = self._proposer.propose(z, class_names)
        return Proposed(found.model.version, found.boxes, found.unknown)

    def advise(self, z: int, snapshot: Snapshot, proposed: Sequence[int]) -> tuple[int | None, str]:
        advice = self._adviser.advise(snapshot.done, proposed, z)
        return (advice.z, advice.reason) if advice else (None, "every slice is done")

    def export(self, kind: str, snapshot: Snapshot) -> Download:
        name, content, notes = export_download(self._project, kind, _annotations(snapshot))
        return Download(name, content, tuple(notes))

    def take(self, name: str, content: bytes, kind: str | None) -> Taken:
        found = import_upload(self._project, name, content, kind, class_names=self._names)
        snapshot = _snapshot(found.annotations, list(found.annotations.classes), self._project.config.classes)
        return Taken(snapshot, tuple(found.notes))

    @property
    def _yaml(self) -> Path:
        return self._project.folder / "famous.yaml"

    def _configure(self, change: Callable[[Config], Config]) -> None:
        """Change famous.yaml as it is now: others write it too."""
        self._project.folder.mkdir(parents=True, exist_ok=True)
        configuration.write(self._yaml, change(configuration.read(self._yaml)))

    def _settings_of(self, classes: Sequence[Class], before: Mapping[str, ClassConfig]) -> dict[str, ClassConfig]:
        """Give every class its colour and leave it the rest of its settings, also under a new name."""
        names = [entry.name for entry in classes]
        old = list(before)
        gone, new = [name for name in old if name not in names], [name for name in names if name not in old]
        known = dict(self._settings)
        if len(old) == len(names) and len(gone) == len(new) == 1 and old.index(gone[0]) == names.index(new[0]):
            known[new[0]] = known.get(gone[0], ClassConfig())  # the same place in the list: it was renamed
        if not old:
            preset = next((preset for preset in presets().values() if list(preset) == names), {})
            known = dict(preset) | known
        return {
            entry.name: dataclasses.replace(known.get(entry.name, ClassConfig()), color=entry.color)
            for entry in classes
        }


def _classes(names: Sequence[str], chosen: Mapping[str, ClassConfig]) -> tuple[Class, ...]:
    """Give classes their colours, as in pictures and meshes; InputError where a name cannot be one."""
    colours = class_colours(names, {name: entry.color for name, entry in chosen.items()})
    try:
        return tuple(Class(name=name, color=colour) for name, colour in colours.items())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(
            f"class {first['input']!r}: {first['msg']}; rename it in classes.csv or famous.yaml"
        ) from error


def _snapshot(labelled: Annotations, names: Sequence[str], chosen: Mapping[str, ClassConfig]) -> Snapshot:
    rows = labelled.boxes[["z", *CORNERS, "class_name"]].itertuples(index=False, name=None)
    classes = _classes(names, chosen)
    boxes = [
        Box(id=str(number), z=z, y0=y0, x0=x0, y1=y1, x1=x1, class_name=name)
        for number, (z, y0, x0, y1, x1, name) in enumerate(rows)
    ]
    return Snapshot({box.id: box for box in boxes}, labelled.done, classes)


def _annotations(snapshot: Snapshot) -> Annotations:
    boxes = list(snapshot.boxes.values())
    columns = {name: [getattr(box, name) for box in boxes] for name in ("z", *CORNERS, "class_name")}
    return Annotations(box_table.from_columns(columns), snapshot.done, tuple(entry.name for entry in snapshot.classes))
