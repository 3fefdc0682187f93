"""A desk without a project, for the tests of the labelling server: a small stack and stand-ins that remember.

The stack has 6 slices of 700 × 600, 16 bit; voxel (z, y, x) has the value 1000 z + y + x.
"""

import contextlib
import dataclasses
import socket
import threading

import httpx
import numpy as np

from famous import boxes as box_table
from famous.annotate.desk import Desk, Download, Model, Proposed, Taken
from famous.annotate.records import Box, Class
from famous.annotate.room import Room
from famous.annotate.security import Policy
from famous.annotate.server import make_app, make_server
from famous.annotate.state import Snapshot
from famous.errors import InputError, MissingError
from famous.stack import Stack, Window
from famous.voxels import VoxelSize

SHAPE = (6, 700, 600)
TOKEN = "a-token-of-more-than-twenty-four-letters"
MITO, NUCLEUS = Class(name="mitochondrion", color="#e69f00"), Class(name="nucleus", color="#56b4e9")


def ramp():
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return Stack((1000 * z + y + x).astype(np.uint16), VoxelSize(30, 4, 4), Window(0, 6300), name="ramp")


class Training:
    """Notes what it is told."""

    def __init__(self, lacking=None):
        self.minutes, self.lacking = [], lacking

    def missing(self):
        return self.lacking

    def start(self, minutes, *, download=False):
        if self.minutes:
            raise InputError("a training runs already")
        if self.lacking and not download:
            raise MissingError(f"{self.lacking.name} is not on this machine")
        self.minutes.append(minutes)

    def stop(self):
        self.minutes.clear()

    def state(self):
        return {"state": "running" if self.minutes else "idle", "loss": float("nan"), "epoch": np.int64(3)}


class Tables:
    """Stands for the tables of a folder: what was saved last, or what somebody else wrote since."""

    def __init__(self, snapshot=None):
        self.snapshot, self.stamp, self.fault = snapshot, 0, None
        self.is_full = False  # the disk: only the table of slices that are done still fits

    def write(self, snapshot):
        if self.fault:
            raise InputError(self.fault)
        if self.is_full:
            self.snapshot, self.stamp = dataclasses.replace(self.snapshot, done=snapshot.done), self.stamp + 1
            raise InputError("boxes.csv: the disk is full")
        self.snapshot, self.stamp = snapshot, self.stamp + 1

    def read(self):
        if self.fault:
            raise InputError(self.fault)
        return self.snapshot


def filled(slab, corners, voxel_size):
    """A recipe that takes the left upper quarter of each box."""
    masks = []
    for y0, x0, y1, x1 in corners:
        mask = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        mask[: (y1 - y0) // 2, : (x1 - x0) // 2] = True
        masks.append(mask)
    return masks


def make_desk(folder, tables=None, **other):
    """Lay out a desk; `other` replaces parts of it."""
    tables = tables or Tables()
    stack = other.get("stack", ramp())

    def settle(*, voxel_size_nm=None, window=None, inverted=None):
        nonlocal stack
        if voxel_size_nm:
            stack = dataclasses.replace(stack, voxel_size=VoxelSize.from_zyx(voxel_size_nm))
        if window:
            stack = dataclasses.replace(stack, window=Window(*window), inverted=bool(inverted))
        return stack

    def propose(z, names):
        table = box_table.from_columns(
            {"z": [z], "y0": [1], "x0": [2], "y1": [30], "x1": [40], "class_name": [names[0]]}
        )
        return Proposed("v1", table.assign(score=np.float32(0.5)), {"golgi": 2})

    def take(name, content, kind):
        if content != b"boxes":
            raise InputError(f"{name}: found no boxes")
        box = Box(id="0", z=2, y0=0, x0=0, y1=9, x1=9, class_name="golgi")
        return Taken(Snapshot({"0": box}, frozenset({3}), (Class(name="golgi", color="#009e73"),)), (f"as {kind}",))

    parts = {
        "stack": stack,
        "fingerprint": "f" * 64,
        "log": folder / "edits.jsonl",
        "classes": (),
        "presets": {"a cell": (MITO,)},
        "palette": ("#e69f00",),
        "formats": ("csv", "coco"),
        "proposed": (1, 4),
        "settle": settle,
        "load": tables.read,
        "save": tables.write,
        "stamp": lambda: tables.stamp,
        "recipe": lambda name: filled,
        "model": lambda: Model("v1", "packaged", ("mitochondrion",)),
        "propose": propose,
        "advise": lambda z, snapshot, proposed: (proposed[0], "it is drawn"),
        "training": Training(),
        "export": lambda kind, snapshot: Download(f"böxes {kind}.txt", str(len(snapshot.boxes)).encode(), ("naïve",)),
        "take": take,
    }
    return Desk(**parts | other)


@contextlib.contextmanager
def room_of(desk):
    room = Room(desk)
    try:
        yield room
    finally:
        room.close()


@contextlib.contextmanager
def serving(room, host="127.0.0.1", policy=None):
    """A real server on a free port, in a thread; gives the port."""
    started = threading.Event()
    server = make_server(make_app(room, policy or Policy(TOKEN, host)), started.set)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert started.wait(30)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)


@contextlib.contextmanager
def client(port, **options):
    """A browser that has opened the page: it has the cookie."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30, **options) as browser:
        assert browser.get("/", params={"token": TOKEN}).status_code == 303
        yield browser
