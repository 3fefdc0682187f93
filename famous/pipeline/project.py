"""The folder of one stack, `<stack>.famous/`: where everything lies, the opened stack and its configuration."""

import dataclasses
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from famous import config as configuration
from famous.config import Config
from famous.errors import InputError
from famous.io.stacks import OpenedStack, open_stack, require_voxel_size
from famous.stack import Stack, Window
from famous.voxels import VoxelSize

SUFFIX = ".famous"


@dataclass(frozen=True)
class Project:
    """A stack with its folder and its configuration, as one command sees them."""

    folder: Path
    opened: OpenedStack
    config: Config

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
        """What each stage was made from."""
        return self.run / "manifest.json"

    @property
    def boxes(self) -> Path:
        """Table of the boxes, with instances."""
        return self.run / "boxes.parquet"

    @property
    def labels(self) -> Path:
        """Label volumes and box ids."""
        return self.run / "labels.ome.zarr"

    @property
    def detected(self) -> Path:
        """Table of the boxes as they were detected."""
        return self.run / "tables" / "detected.parquet"

    @property
    def extracted(self) -> Path:
        """Table of the boxes with the pixels that each one claims."""
        return self.run / "tables" / "extracted.parquet"

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
    config: Path | None = None
    folder: Path | None = None
    weights: str | None = None  # detector to run, this time
    minutes: float | None = None  # of training
    channels: str | None = None  # of training
    start: str | None = None  # weights to train from
    download: bool = False  # let those weights be fetched, where they are not here
    save: bool = True  # write what was settled to famous.yaml


def project_folder(source: str) -> Path:
    """Return the folder beside a stack: `cell.tif` and `cell/` give `cell.famous`, `a.h5:/raw` gives `a_raw.famous`."""
    base, _, dataset = source.partition(":/")
    path = Path(os.path.normpath(base))
    stem = path.name
    if path.is_dir() and path.suffix not in {".zarr", ".n5"}:
        return path.with_name(stem + SUFFIX)
    for ending in (".ome.zarr", ".ome.tiff", ".ome.tif", path.suffix):
        if ending and stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
            break
    inner = "".join(f"_{part}" for part in dataset.split("/") if part)
    return path.with_name(stem + inner + SUFFIX)


def open_project(source: str, choices: Choices | None = None) -> Project:
    """Open a stack, or the folder that belongs to one, and settle its voxel size, window and configuration.

    What was settled is saved in `famous.yaml`, so that every later command sees the same grey values and sizes.

    Raises
    ------
    InputError
        If the stack cannot be read, or the folder belongs to another stack.
    """
    choices = choices or Choices()
    folder, source = _locate(source, choices.folder)
    path = folder / "famous.yaml"
    layers = [path] if choices.config is None else [path, choices.config]
    if choices.config is not None and not choices.config.exists():
        raise InputError(f"--config {choices.config}: there is no such file")
    config = configuration.read(*layers)
    size = choices.voxel_size or config.voxel_size
    invert = config.invert if choices.invert is None else choices.invert
    opened = open_stack(source, voxel_size=VoxelSize.from_zyx(size) if size else None, invert=invert)
    stack = opened.stack.with_window(Window(*config.window) if config.window else None)
    settled = dataclasses.replace(
        _with_training(config, choices),
        stack=os.path.relpath(source.partition(":/")[0], folder) + _inner(source),
        voxel_size=stack.voxel_size.zyx if stack.voxel_size else None,
        window=(stack.window.low, stack.window.high) if stack.window else None,
        invert=invert,
    )
    if choices.save and settled != configuration.read(path):
        folder.mkdir(parents=True, exist_ok=True)
        configuration.write(path, settled)
    chosen = dataclasses.replace(settled, weights=choices.weights or settled.weights)
    return Project(folder, dataclasses.replace(opened, stack=stack), chosen)


def _with_training(config: Config, choices: Choices) -> Config:
    train = dataclasses.replace(
        config.train,
        minutes=config.train.minutes if choices.minutes is None else choices.minutes,
        channels=choices.channels or config.train.channels,
        weights=choices.start or config.train.weights,
        download=choices.download or config.train.download,
    )
    return dataclasses.replace(config, train=train)


def _inner(source: str) -> str:
    _, colon, dataset = source.partition(":/")
    return colon + dataset


def _locate(source: str, folder: Path | None) -> tuple[Path, str]:
    """Return the project folder and the stack for what the user named."""
    path = Path(source)
    if path.is_dir() and path.name.endswith(SUFFIX):
        saved = configuration.read(path / "famous.yaml").stack
        if saved is None:
            raise InputError(f"{path}: its famous.yaml names no stack; give the stack itself")
        return path, os.path.normpath(path / saved.partition(":/")[0]) + _inner(saved)
    folder = folder or project_folder(source)
    saved = configuration.read(folder / "famous.yaml").stack
    if saved is not None:
        known = Path(os.path.normpath(folder / saved.partition(":/")[0]))
        named = Path(source.partition(":/")[0])
        if known.exists() and known.resolve() != named.resolve():
            raise InputError(f"{folder} belongs to {known}, not to {source}; give another folder with --folder")
    return folder, source
