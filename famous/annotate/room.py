"""The room in which one stack is labelled: what every request does, without a word of HTTP."""

import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, TypeVar

from famous import boxes as box_table
from famous.annotate import bodies
from famous.annotate.between import interpolate
from famous.annotate.desk import Desk, Download
from famous.annotate.edits import Labelling
from famous.annotate.images import TILE_PX, Images
from famous.annotate.records import Box
from famous.annotate.snap import snap
from famous.annotate.state import EditError, SaveError, Snapshot
from famous.boxes import CORNERS
from famous.errors import FamousError, InputError

Result = TypeVar("Result")


class Room:
    """One stack with its labelling, its images and its desk. Thread-safe; answers are what JSON holds."""

    def __init__(self, desk: Desk, images: Images | None = None) -> None:
        self.desk = desk
        self.images = images or Images(desk.stack)
        self._stack = desk.stack
        self._writing = threading.RLock()
        self._stamp = desk.stamp()
        outside = desk.load()
        self.labelling = Labelling.open(desk.log, desk.stack.shape, outside)
        if self.labelling.revision == 0 and desk.classes:
            self.labelling.set_classes(desk.classes)
        self._save(again=not self.labelling.snapshot().is_alike(outside or Snapshot()))
        self.images.begin(self._likely_slice(), self._stack.window, inverted=self._stack.inverted)

    def wait(self, seconds: float) -> None:
        """Wait until the slice that the page will probably show first is ready, but no longer than so many seconds."""
        self.images.wait(seconds)

    def close(self) -> None:
        """End everything that runs in the background."""
        self.images.close()
        self.desk.close()

    def state(self) -> dict[str, Any]:
        """Return everything that the page needs to begin."""
        self.look_outside()
        with self._writing:
            snapshot, turn = self.labelling.snapshot(), self._turn()
        desk = self.desk
        return {
            "stack": self._stack_facts(),
            "classes": [entry.plain() for entry in snapshot.classes],
            "boxes": [box.plain() for box in snapshot.boxes.values()],
            "done": sorted(snapshot.done),
            "proposed": [int(z) for z in desk.proposed],
            "first": self._likely_slice(),
            "seconds": {str(z): seconds for z, seconds in sorted(snapshot.seconds.items())},
            **turn,
            "presets": {name: [entry.plain() for entry in classes] for name, classes in desk.presets.items()},
            "palette": list(desk.palette),
            **self._model_facts(),
            "training": desk.training.state(),
            "formats": list(desk.formats),
            "pyramid": {"tile": TILE_PX, "levels": self.images.levels},
        }

    def first_slice(self, last: int | None = None) -> int:
        """Return the slice to show first: the one that was open last, else a likely one."""
        return last if last is not None and last < len(self._stack) else self._likely_slice()

    def expect(self, z: int) -> None:
        """Begin to read a slice that is about to be asked for."""
        self.images.begin(z)

    def preview(self, z: int, step: int) -> bytes:
        """Return a whole slice as a JPEG, reduced by √2 so many times; IndexError where there is none."""
        stack = self._stack
        if stack.window is None:
            raise InputError("a picture needs the grey window: set it first")
        return self.images.preview(z, step, stack.window, inverted=stack.inverted)

    def pulse(self) -> dict[str, Any]:
        """Return what may have changed without the page's doing."""
        self.look_outside()
        return {
            "revision": self.labelling.revision,
            "training": self.desk.training.state(),
            **self._model_facts(),
        }

    def edit(self, body: bodies.Edits) -> dict[str, Any]:
        """Apply edits and save."""
        return self._write(lambda: self.labelling.apply(body.base, body.edits))[1]

    def undo(self, body: bodies.Turn) -> dict[str, Any]:
        """Take the last edit back and save."""
        (_, changes), turn = self._write(lambda: self.labelling.undo(body.base))
        return turn | {"changes": [change.plain() for change in changes]}

    def redo(self, body: bodies.Turn) -> dict[str, Any]:
        """Make the edit again that was undone last, and save."""
        (_, changes), turn = self._write(lambda: self.labelling.redo(body.base))
        return turn | {"changes": [change.plain() for change in changes]}

    def add_time(self, body: bodies.Time) -> dict[str, Any]:
        """Note time spent on a slice."""
        self.labelling.add_time(body.z, body.seconds)
        return {}

    def setup(self, body: bodies.Setup) -> dict[str, Any]:
        """Settle the voxel size and the classes."""
        if body.voxel_size_nm is not None:
            self._settle(voxel_size_nm=body.voxel_size_nm)
        return self._write(lambda: self.labelling.set_classes(body.classes))[1] | {"stack": self._stack_facts()}

    def show(self, body: bodies.Shown) -> dict[str, Any]:
        """Settle the grey window."""
        self._settle(window=(body.low, body.high), inverted=body.inverted)
        return {"stack": self._stack_facts()}

    def histogram(self) -> dict[str, Any]:
        """Return the histogram of sampled slices."""
        found = self.images.histogram()
        return {"low": found.low, "high": found.high, "counts": list(found.counts)}

    def snap(self, body: bodies.Snap) -> dict[str, Any]:
        """Pull a box tight round its organelle; the box itself where there is no clear edge."""
        self._require_slice(body.z)
        size = self._stack.voxel_size
        if size is None:
            raise InputError("snapping needs the voxel size: set it first")
        corners = (body.box.y0, body.box.x0, body.box.y1, body.box.x1)
        slab = self._stack.image(body.z)[:, :, None]
        found = snap(slab, corners, self.desk.recipe(body.class_name), voxel_size=size)
        if found is None:
            raise InputError("there is no clear edge to snap to here")
        return {"box": dict(zip(CORNERS, map(int, found), strict=True))}

    def interpolate(self, body: bodies.Interpolate) -> dict[str, Any]:
        """Make the boxes of the slices between two key slices; nothing is applied."""
        self._require_slice(body.before)
        self._require_slice(body.after)
        if body.before == body.after:
            raise InputError("interpolation needs two different slices")
        snapshot = self.labelling.snapshot()
        wanted = set(snapshot.boxes if body.ids is None else body.ids)
        key = [box for name, box in snapshot.boxes.items() if box.z in (body.before, body.after) and name in wanted]
        found = interpolate(_table(key), body.before, body.after)
        return {"boxes": _rows(found, ["z", *CORNERS])}

    def propose(self, body: bodies.Slice) -> dict[str, Any]:
        """Ask the model for the boxes of a slice."""
        self._require_slice(body.z)
        names = tuple(entry.name for entry in self.labelling.snapshot().classes)
        found = self.desk.propose(body.z, names)
        return {
            "z": body.z,
            "model": found.model,
            "boxes": _rows(found.boxes, CORNERS, scored=True),
            "unknown": dict(found.unknown),
        }

    def advise(self, z: int) -> dict[str, Any]:
        """Say which slice to label next, and why."""
        self._require_slice(z)
        chosen, reason = self.desk.advise(z, self.labelling.snapshot(), self.desk.proposed)
        return {"z": chosen, "reason": reason}

    def missing_weights(self) -> dict[str, Any]:
        """Say which weights a training would lack now."""
        missing = self.desk.training.missing()
        return {"missing": None if missing is None else asdict(missing)}

    def train(self, body: bodies.Train) -> dict[str, Any]:
        """Start training."""
        self.desk.training.start(body.minutes, download=body.download)
        return {"training": self.desk.training.state()}

    def stop_training(self, _body: bodies.Nothing) -> dict[str, Any]:
        """Stop training."""
        self.desk.training.stop()
        return {"training": self.desk.training.state()}

    def take(self, name: str, content: bytes, kind: str | None) -> dict[str, Any]:
        """Take boxes from a file: on every slice that it speaks of they replace those that are there, by one edit."""
        taken = self.desk.take(name, content, kind)
        found = taken.snapshot

        def merge() -> int:
            own = self.labelling.snapshot()
            slices = {box.z for box in found.boxes.values()} | found.done
            kept = [box for box in own.boxes.values() if box.z not in slices]
            boxes = {str(number): box for number, box in enumerate([*kept, *found.boxes.values()])}
            known = {entry.name for entry in own.classes}
            classes = (*own.classes, *(entry for entry in found.classes if entry.name not in known))
            merged = replace(own, boxes=boxes, done=frozenset(own.done - slices | found.done), classes=classes)
            return self.labelling.take_in(merged, f"import {name}"[:200])

        _, turn = self._write(merge)
        return turn | {"notes": list(taken.notes), "boxes": len(found.boxes)}

    def export(self, kind: str) -> Download:
        """Write the labelling for another program."""
        if kind not in self.desk.formats:
            raise InputError(f"found the format {kind!r}, expected one of {', '.join(self.desk.formats)}")
        return self.desk.export(kind, self.labelling.snapshot())

    def look_outside(self) -> None:
        """Take in what others wrote to the tables since we did; broken tables raise SaveError."""
        with self._writing:
            stamp = self.desk.stamp()
            if stamp == self._stamp:
                return
            try:
                outside = self.desk.load()
            except FamousError as error:
                raise SaveError(str(error)) from error
            if outside is not None:
                self.labelling.take_in(outside)
            self._stamp = stamp
            self._save(again=outside is None and not self.labelling.snapshot().is_alike(Snapshot()))

    def _likely_slice(self) -> int:
        """Return the slice that the page will probably show first: that of the last box, else the first proposed."""
        boxes = list(self.labelling.snapshot().boxes.values())
        if boxes:
            return boxes[-1].z
        return int(self.desk.proposed[0]) if self.desk.proposed else len(self._stack) // 2

    def _settle(self, **what: Any) -> None:
        with self._writing:
            self.look_outside()
            self._stack = self.desk.settle(**what)
            self._stamp = self.desk.stamp()

    def _write(self, work: Callable[[], Result]) -> tuple[Result, dict[str, Any]]:
        """Do what changes the labelling, and save: the answer goes out when everything is on the disk."""
        with self._writing:
            self.look_outside()
            result = work()
            self._save()
            return result, self._turn()

    def _save(self, *, again: bool = False) -> None:
        """Write the tables where they are not as the labelling is."""
        revision = self.labelling.revision
        if self.labelling.saved_revision == revision and not again:
            return
        try:
            self.desk.save(self.labelling.snapshot())
        except FamousError as error:
            raise SaveError(str(error)) from error
        finally:
            self._stamp = self.desk.stamp()  # also of what was written in part: nobody else did that
        self.labelling.mark_saved(revision)

    def _turn(self) -> dict[str, Any]:
        labelling = self.labelling
        return {"revision": labelling.revision, "undo": labelling.undo_label, "redo": labelling.redo_label}

    def _stack_facts(self) -> dict[str, Any]:
        stack, images = self._stack, self.images
        return {
            "name": stack.name,
            "fingerprint": self.desk.fingerprint,
            "shape": list(stack.shape),
            "voxel_size_nm": list(stack.voxel_size.zyx) if stack.voxel_size else None,
            "window": [stack.window.low, stack.window.high] if stack.window else None,
            "inverted": stack.inverted,
            "bits": images.bits,
            "offset": images.offset,
            "scale": images.scale,
        }

    def _model_facts(self) -> dict[str, Any]:
        model = self.desk.model()  # asked first: this may be what has a model opened
        if model is None:
            return {"model": None, "opening": self.desk.is_opening()}
        facts = {"version": model.version, "kind": model.kind, "classes": list(model.class_names)}
        return {"model": facts, "opening": False}

    def _require_slice(self, z: int) -> None:
        if z >= len(self._stack):
            raise EditError(f"there is no slice {z}, the stack has {len(self._stack)}")


def _table(boxes: list[Box]) -> Any:
    """Box table of boxes."""
    columns: dict[str, list[Any]] = {name: [getattr(box, name) for box in boxes] for name in ("z", *CORNERS)}
    return box_table.from_columns(columns | {"class_name": [box.class_name for box in boxes]})


def _rows(table: Any, numbers: list[str], *, scored: bool = False) -> list[dict[str, Any]]:
    """Rows of a box table as the page knows boxes."""
    return [
        {name: int(row[name]) for name in numbers}
        | {"class": str(row["class_name"])}
        | ({"score": float(row["score"])} if scored else {})
        for row in table.to_dict("records")
    ]
