"""`famous view`: the stack, labels and meshes of a run in neuroglancer, until it is stopped."""

import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.annotate.security import is_loopback, is_wildcard
from famous.errors import InputError
from famous.io.label_store import LabelStore
from famous.io.meshes import read_mesh
from famous.io.precomputed import encode_mesh
from famous.pipeline import link
from famous.pipeline.annotate import TOKEN_BYTES, Door
from famous.pipeline.organelles import Organelles
from famous.pipeline.project import Project
from famous.report import neuroglancer
from famous.report.neuroglancer import Block, ClassLayer

METRES_PER_NM = 1e-9


@dataclass(frozen=True)
class View:
    """A served stack: where it is, what is not shown and why, and neuroglancer's own handle."""

    host: str
    port: int
    token: str
    notes: tuple[str, ...]
    viewer: Any

    @property
    def url(self) -> str:
        """What to open; on this machine where the server listens on every address."""
        host = "127.0.0.1" if is_wildcard(self.host) else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/v/{self.token}/"

    @property
    def warning(self) -> str | None:
        """What a user should know who lets other machines in."""
        if is_loopback(self.host):
            return None
        return (
            f"the server listens on {self.host}: whoever reaches this machine and knows the address sees the stack, "
            "and the connection is not encrypted; safer is an SSH tunnel to 127.0.0.1"
        )


@contextmanager
def open_view(project: Project, door: Door | None = None) -> Iterator[View]:
    """Serve a stack, and of its run what there is, as long as the context lasts.

    Raises
    ------
    InputError
        If the stack has no voxel size, or the server cannot listen there.
    MissingError
        If neuroglancer is not installed.
    """
    door = door or Door()
    layers, notes = _layers(project)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        viewer = neuroglancer.show(project.stack, project.voxel_size, layers, (door.host, door.port or 0, token))
    except (OSError, UnicodeError, OverflowError) as error:
        where = door.host if door.port is None else f"{door.host}, port {door.port}"
        raise InputError(f"{where}: the server cannot listen there ({error}); choose another") from error
    try:
        port = int(viewer.get_viewer_url().partition("://")[2].partition("/")[0].rpartition(":")[2])
        yield View(door.host, port, token, notes, viewer)
    finally:
        neuroglancer.stop()


def run_view(project: Project, door: Door, on_start: Callable[[View], None]) -> None:
    """Serve until SIGINT or SIGTERM; `on_start` is told the address once it answers."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with open_view(project, door) as view:
            on_start(view)
            while not ended.wait(0.5):  # Windows delivers signals between waits only
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _layers(project: Project) -> tuple[list[ClassLayer], tuple[str, ...]]:
    """Describe the classes of the run; where it lacks a stage, what is there and a note."""
    try:
        link.stage_of(project).require()
    except InputError as missing:
        return [], (f"the stack alone is shown: {missing}",)
    store = LabelStore.open(project.labels)
    notes: tuple[str, ...] = ()
    try:
        organelles = Organelles.of(project)
    except InputError as missing:
        organelles, notes = Organelles.linked(project), (f"labels without meshes are shown: {missing}",)
    shown = []
    for name, colour in organelles.colours.items():
        own = {extent.instance: extent for extent in sorted(organelles.of_class(name), key=lambda one: -one.voxels)}
        if len(own) > neuroglancer.SHOWN:
            notes += (f"{name}: the {neuroglancer.SHOWN:,} largest of {len(own):,} are shown in 3D",)
        shown.append(ClassLayer(name, colour, list(own), Labels(store, name), Meshes(organelles, name)))
    return shown, notes


@dataclass(frozen=True)
class Labels:
    """Reads blocks of the labels of one class."""

    store: LabelStore
    class_name: str

    def __call__(self, block: Block) -> NDArray[np.uint32]:
        """Read every step-th voxel of a block, (z, y, x)."""
        z, y, x = block
        found = np.zeros((len(z), len(y), len(x)), dtype=np.uint32)
        for number, one in enumerate(z):
            whole = self.store.read_crop(self.class_name, (one, one + 1), (y.start, y.stop), (x.start, x.stop))
            found[number] = whole[0, :: y.step, :: x.step]
        return found


@dataclass(frozen=True)
class Meshes:
    """Reads the meshes of one class."""

    organelles: Organelles
    class_name: str

    def __call__(self, instance: int) -> bytes | None:
        """Read one mesh as neuroglancer has it, in metres; None where there is none."""
        for extent in self.organelles.extents:
            if extent.instance == instance and extent.class_name == self.class_name:
                path = self.organelles.path(extent)
                return encode_mesh(read_mesh(path), METRES_PER_NM) if path.exists() else None
        return None
