"""The folder of one stack, `<stack>.famous/`: where everything lies, the opened stack and its configuration."""

import dataclasses
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from famous import config as configuration
from famous.config import Config
from famous.errors import InputError
from famous.io.slices import own_name
from famous.io.stacks import OpenedStack, open_stack, require_voxel_size, split_dataset
from famous.stack import Stack, Window
from famous.voxels import VoxelSize

SUFFIX = ".famous"
#: What belongs to the stack and outlives a change of the configuration.
KEPT = ("stack", "voxel_size", "window", "window_of", "invert", "classes", "weights")


@dataclass(frozen=True)
class Project:
    """A stack with its folder and its configuration, as one command sees them."""

    folder: Path
    opened: OpenedStack
    config: Config
    made: tuple[Path, ...] = ()  # what opening the stack made: famous.yaml, then the folders round it

    def take_back(self) -> None:
        """Remove what opening the stack made, unless work was begun or something settled since."""
        if not self.made or any(place.exists() for place in (self.annotations, self.model, self.run)):
            return
        path, *folders = self.made
        now = configuration.read(path)
        if dataclasses.replace(now, weights=None) != dataclasses.replace(self.config, weights=None):
            return
        path.unlink()
        for folder in folders:
            if any(folder.iterdir()):
                return
            folder.rmdir()

    @property
    def stack(self) -> Stack:
        """The stack, with voxel size and window."""
        return self.opened.stack

    @cached_property
    def voxel_size(self) -> VoxelSize:
        """The stack's voxel size; InputError that says how to give it where there is none."""
        return require_voxel_size(self.stack)

    @property
    def annotations(self) -> Path:
        """Folder of the labelling."""
        return self.folder / "annotations"

    @property
    def model(self) -> Path:
        """Folder of the trained detector."""
        return self.folder / "model"

    @property
    def run(self) -> Path:
        """Folder of the run."""
        return self.folder / "run"

    @property
    def manifest(self) -> Path:
        """What each stage of the run was made from."""
        return self.run / "manifest.json"

    def manifest_of(self, stage: str) -> Path:
        """Where a stage is noted: training beside its model, which outlives a run, all others in the run."""
        return self.model / "manifest.json" if stage == "train" else self.manifest

    @property
    def boxes(self) -> Path:
        """Table of the boxes, with instances."""
        return self.run / "boxes.parquet"

    @property
    def labels(self) -> Path:
        """Label volumes and box ids."""
        return self.run / "labels.ome.zarr"

    @property
    def referee(self) -> Path:
        """Which recipe the referee picked for each class, and why."""
        return self.run / "referee.json"

    @property
    def detected(self) -> Path:
        """Table of the boxes as they were detected."""
        return self.run / "tables" / "detected.parquet"

    @property
    def extracted(self) -> Path:
        """Table of the boxes with the pixels that each one claims."""
        return self.run / "tables" / "extracted.parquet"

    @property
    def measured(self) -> Path:
        """Table of the organelles as they were measured."""
        return self.run / "tables" / "measured.parquet"

    @property
    def instances(self) -> Path:
        """Table of the organelles."""
        return self.run / "instances.csv"

    @property
    def meshes(self) -> Path:
        """Folder of the meshes, one folder a class."""
        return self.run / "meshes"

    def parts(self, stage: str) -> Path:
        """Folder of a stage's unfinished work."""
        return self.run / "parts" / stage


@dataclass(frozen=True)
class Choices:
    """What a user may say on the command line about a stack; it wins over the file's metadata and `famous.yaml`."""

    voxel_size: tuple[float, float, float] | None = None
    invert: bool | None = None
    config: str | Path | None = None
    folder: str | Path | None = None
    weights: str | Path | None = None  # detector to run, this time
    minutes: float | None = None  # of training
    channels: str | None = None  # of training
    start: str | Path | None = None  # weights to train from
    download: bool = False  # let those weights be fetched, where they are not here
    save: bool = True  # write what was settled to famous.yaml


def project_folder(source: str | Path) -> Path:
    """Return the folder beside a stack: `cell.tif` and `cell/` give `cell.famous`, `a.h5:/raw` gives `a_raw.famous`."""
    base, dataset = split_dataset(str(source))
    path = Path(os.path.normpath(base))
    if not path.name or path.name == "..":
        path = path.resolve()
    stem = path.name
    if path.is_dir() and path.suffix not in {".zarr", ".n5"}:
        return path.with_name(stem + SUFFIX)
    for ending in (".ome.zarr", ".ome.tiff", ".ome.tif", path.suffix):
        if ending and stem.lower().endswith(ending.lower()):
            stem = stem[: -len(ending)]
            break
    inner = "".join(f"_{part}" for part in (dataset or "").split("/") if part)
    return path.with_name(stem + inner + SUFFIX)


def open_project(source: str | Path, choices: Choices | None = None) -> Project:
    """Open a stack, or the folder that belongs to one, and settle its voxel size, window and configuration.

    What was settled is saved in `famous.yaml`, so that every later command sees the same grey values and sizes. A
    configuration that is named replaces the knobs of an earlier one; what belongs to the stack (voxel size, window,
    contrast, classes) stays unless it sets them.

    Raises
    ------
    InputError
        If the stack cannot be read, or the folder belongs to another stack.
    """
    choices = choices or Choices()
    source = str(source)
    if not source.strip():
        raise InputError("found no name of a stack, expected a folder of slices or a file")
    folder, source = _locate(source, None if choices.folder is None else Path(choices.folder))
    path = folder / "famous.yaml"
    saved = configuration.read(path)
    config = saved if choices.config is None else _with_file(saved, Path(choices.config))
    size = choices.voxel_size or config.voxel_size
    invert = config.invert if choices.invert is None else choices.invert
    opened = open_stack(source, voxel_size=VoxelSize.from_zyx(size) if size else None, invert=invert)
    notes = list(opened.notes)
    is_changed = config.window_of not in (None, opened.fingerprint)
    if is_changed and config.window is not None:
        notes.append("the stack has changed since its grey window was measured; it is measured again")
    known = None if config.window is None or is_changed else Window(*config.window)
    stack = dataclasses.replace(opened.stack, name=own_name(split_dataset(source)[0])).with_window(known)
    window = stack.window
    settled = dataclasses.replace(
        _with_training(config, choices),
        stack=_relative(source, folder),
        voxel_size=stack.voxel_size.zyx if stack.voxel_size else None,
        window=(window.low, window.high) if window else None,
        window_of=config.window_of if known else opened.fingerprint,
        invert=invert,
    )
    made: tuple[Path, ...] = ()
    if choices.save and settled != saved:
        made = () if path.exists() else (path, *(place for place in (folder, *folder.parents) if not place.exists()))
        _save(folder, settled)
    chosen = dataclasses.replace(settled, weights=_text(choices.weights) or _beside(folder, settled.weights))
    return Project(folder, dataclasses.replace(opened, stack=stack, notes=tuple(notes)), chosen, made)


def _with_file(saved: Config, path: Path) -> Config:
    """Return the knobs of a file, and what belongs to the stack from what was saved before."""
    if not path.exists():
        raise InputError(f"--config {path}: there is no such file")
    named = configuration.read(path)
    usual = Config()
    kept = {name: getattr(saved, name) for name in KEPT if getattr(named, name) == getattr(usual, name)}
    return dataclasses.replace(named, **kept)


def _with_training(config: Config, choices: Choices) -> Config:
    train = dataclasses.replace(
        config.train,
        minutes=config.train.minutes if choices.minutes is None else float(choices.minutes),
        channels=choices.channels or config.train.channels,
        weights=_absolute(_text(choices.start)) or config.train.weights,
        download=choices.download or config.train.download,
    )
    return dataclasses.replace(config, train=train)


def _absolute(weights: str | None) -> str | None:
    """Return a file's absolute path, so that it is found from any folder; a known name stays as it is."""
    return str(Path(weights).absolute()) if weights and Path(weights).exists() else weights


def _beside(folder: Path, weights: str | None) -> str | None:
    return None if weights is None else str(folder / weights)


def _save(folder: Path, config: Config) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        configuration.write(folder / "famous.yaml", config)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); name a place for the results with --folder"
        ) from error


def _text(place: str | Path | None) -> str | None:
    return None if place is None else str(place)


def _relative(source: str, folder: Path) -> str:
    """Return the stack's place as seen from the folder, so that both can move; absolute from another Windows drive."""
    file, dataset = split_dataset(source)
    try:
        place = os.path.relpath(file, folder)
    except ValueError:  # no relative path leads from one drive to another
        place = str(file.absolute())
    return place + (f":/{dataset.lstrip('/')}" if dataset else "")


def _locate(source: str, folder: Path | None) -> tuple[Path, str]:
    """Return the project folder and the stack for what the user named: either of the two."""
    path = Path(source)
    if path.is_dir() and (path / "famous.yaml").is_file():
        if folder is not None and folder.resolve() != path.resolve():
            raise InputError(f"{path} is the folder of a stack itself; give the stack with --folder {folder}")
        saved = _stack_of(path)
        if saved is None or not split_dataset(saved)[0].exists():
            raise InputError(
                f"{path}: its stack is not at {saved}; if it was moved, say `famous … STACK --folder {path}` once"
            )
        return path, saved
    folder = folder or project_folder(source)
    saved = _stack_of(folder)
    if saved is not None:
        (file, dataset), (named, inside) = split_dataset(saved), split_dataset(source)
        is_other = file.resolve() != named.resolve() or (dataset or "").strip("/") != (inside or "").strip("/")
        if file.exists() and is_other:
            raise InputError(f"{folder} belongs to {saved}, not to {source}; give another folder with --folder")
    return folder, source


def _stack_of(folder: Path) -> str | None:
    """Where the stack of a folder is, as seen from here."""
    saved = configuration.read(folder / "famous.yaml").stack
    if saved is None:
        return None
    found = re.match(r"(.{2,}?):/(.*)", saved, re.DOTALL)  # two letters at least: D:/ is a drive
    file, dataset = found.groups() if found else (saved, "")
    return os.path.normpath(folder / file) + (f":/{dataset}" if dataset else "")
