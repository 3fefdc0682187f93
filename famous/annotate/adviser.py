"""Looks at slices in the background, so that advice on the next one is there when it is asked for."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.annotate.advice import Advice, Look, disagreement, image_features, next_look, next_slice, turn
from famous.errors import FamousError, InputError

Found = Callable[[int, bool], pd.DataFrame]


@dataclass(frozen=True)
class AdviserParams:
    """How long and how far it looks."""

    seconds: float = 60.0  # of work per model
    sample: int = 16  # slices spread over the stack that are looked at first
    most: int = 64  # slices that a model is asked about


@dataclass(frozen=True)
class Eyes:
    """What an adviser sees with; every callable may take its time, and is called from the adviser's thread."""

    shape: tuple[int, int, int]  # of the stack
    image: Callable[[int], NDArray[np.uint8]]  # z → the slice
    found: Found  # z, turned → the model's boxes down to a low score; those of the turned slice as they lie there
    version: Callable[[], str | None]  # of the model; None: there is none


class Adviser:
    """Gathers looks in a thread of its own; `advise` answers at once with what is known by then."""

    def __init__(
        self, eyes: Eyes, params: AdviserParams | None = None, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._eyes, self._params, self._clock = eyes, params or AdviserParams(), clock
        self._lock = threading.Lock()
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._features: dict[int, NDArray[np.float64]] = {}
        self._disagreement: dict[int, float] = {}
        self._version: str | None = None  # that the disagreement is of
        self._spent = 0.0  # seconds of work for that version
        self._done: tuple[int, ...] = ()
        self._unseeable: set[int] = set()  # slices that something was wrong with
        self.problem = ""  # why it looks no further, if it could not

    def advise(self, done: Collection[int], proposed: Sequence[int], here: int | None = None) -> Advice | None:
        """Choose the next slice with what is known by now (None where all are done), and have the thread look on."""
        with self._lock:
            self._done = tuple(sorted(z for z in done if 0 <= z < self._eyes.shape[0]))
        self.wake()
        return next_slice(self._eyes.shape[0], done, looks=self.looks(), proposed=proposed, here=here)

    def looks(self) -> Mapping[int, Look]:
        """What is known so far, by slice."""
        with self._lock:
            return {z: Look(values, self._disagreement.get(z)) for z, values in self._features.items()}

    def forget(self) -> None:
        """Forget every look, because the stack is shown or measured in another way now."""
        with self._lock:
            self._features, self._disagreement, self._spent, self._version = {}, {}, 0.0, None
            self._unseeable = set()

    def wake(self) -> None:
        """Look on, if there is a new model, a slice more that is done, or time left."""
        with self._lock:
            if self._ended.is_set():
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="famous adviser", daemon=True)
                self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """End the thread, and wait for what it is at: a program that ends inside a library's code is aborted."""
        with self._lock:
            self._ended.set()  # no thread is started from now on
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def look_on(self) -> bool:
        """Take one more look; False where there is nothing to look at, or the time for this model is used up."""
        version = self._eyes.version()
        with self._lock:
            if version != self._version:
                self._version, self._disagreement, self._spent = version, {}, 0.0
            unseen = next((z for z in self._done if z not in self._features and z not in self._unseeable), None)
            z = unseen if unseen is not None else self._choose(version)
            if z is None:
                return False
            self._unseeable.add(z)  # until it has been seen
            features, disagreements = self._features, self._disagreement
        began = self._clock()
        looks = features[z] if z in features else image_features(self._eyes.image(z))
        differs = None if version is None or unseen is not None else self._disagree(z)
        with self._lock:
            self._spent += self._clock() - began
            self._unseeable.discard(z)
            features[z] = looks  # of the tables that it was asked for: what came since has tables of its own
            if differs is not None:
                disagreements[z] = differs
        return True

    def _choose(self, version: str | None) -> int | None:
        """Choose the slice to look at next; with no model, the sample only, for novelty."""
        params = self._params
        if self._spent >= params.seconds or len(self._disagreement) >= params.most:
            return None
        known = self._disagreement if version is not None else dict.fromkeys(self._features, 0.0)
        if version is None and len(known) >= params.sample:
            return None
        known = known | dict.fromkeys(self._unseeable, -1.0)
        return next_look(self._eyes.shape[0], known, sample=params.sample)

    def _disagree(self, z: int) -> float:
        last = self._eyes.shape[0] - 1

        def found(k: int, is_turned: bool) -> pd.DataFrame:
            if self._ended.is_set():
                raise InputError("the adviser has ended")  # the end waits for one detection only
            return self._eyes.found(k, is_turned)

        turned = turn(found(z, True), self._eyes.shape[1:])
        return disagreement(found(z, False), turned, [found(k, False) for k in (z - 1, z + 1) if 0 <= k <= last])

    def _work(self) -> None:
        """Look on whenever there is cause, until the end; a model or slice that cannot be read ends it until then."""
        while not self._ended.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                while not self._ended.is_set() and self.look_on():
                    self.problem = ""
            except (FamousError, OSError, MemoryError, RuntimeError) as problem:
                self.problem = str(problem)
