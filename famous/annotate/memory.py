"""What is held in memory, by bytes, and who may read a slice next."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Held(Generic[Key, Value]):
    """Values with a size in bytes; those not asked for the longest go first. Thread-safe.

    The newest value stays even where it alone is larger than the limit.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.nbytes = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """Return a value and count it as just asked for; None where it is not held."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Key, value: Value, nbytes: int) -> None:
        """Hold a value, and let go of old ones until the limit is kept."""
        with self._lock:
            if key in self._entries:
                self.nbytes -= self._entries.pop(key)[1]
            self._entries[key] = (value, nbytes)
            self.nbytes += nbytes
            while self.nbytes > self.limit_bytes and len(self._entries) > 1:
                self.nbytes -= self._entries.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._entries.clear()
            self.nbytes = 0


class Gate:
    """Lets a few threads through at a time: the newest request first, background work when nobody else is inside.

    A user who runs through the slices sees the one where they stopped, not first all those that they passed.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = places
        self._changed = threading.Condition()
        self._newest = 0
        self._waiting: set[int] = set()  # tickets: 1, 2, 3 … requests; 0, −1, −2 … background

    @contextmanager
    def enter(self, background: int | None = None) -> Iterator[None]:
        """Wait for a place, and hold it inside the `with`. `background`: 0 goes before −1, each held by one thread."""
        with self._changed:
            if background is None:
                self._newest += 1
            ticket = self._newest if background is None else background
            enough = 1 if background is None else self._places
            self._waiting.add(ticket)
            try:
                self._changed.wait_for(lambda: self._free >= enough and ticket == max(self._waiting))
            finally:
                self._waiting.discard(ticket)
            self._free -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
