"""`famous annotate`: serve the labelling page of one project, until it is stopped."""

import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from famous.annotate.security import is_loopback, is_wildcard
from famous.errors import InputError
from famous.pipeline.desk import make_desk
from famous.pipeline.project import Project

LOCK = ".annotate.lock"
ADDRESS = ".annotate.json"  # address of the last server of a folder, so that a page outlives a restart
TOKEN_BYTES = 24
WARM_SECONDS = 3.0  # that the address waits for the first slice, so that the page shows it at once


@dataclass(frozen=True)
class Door:
    """Where the server listens."""

    host: str = "127.0.0.1"  # another one lets other machines in
    port: int | None = None  # None: that of the last time, or any free one


@dataclass(frozen=True)
class Address:
    """Where the page is."""

    host: str
    port: int
    token: str

    @property
    def url(self) -> str:
        """What to open; on this machine where the server listens on every address."""
        host = "127.0.0.1" if is_wildcard(self.host) else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self.token}"

    @property
    def warning(self) -> str | None:
        """What a user should know who lets other machines in."""
        if is_loopback(self.host):
            return None
        return (
            f"the server listens on {self.host}: whoever reaches this machine and knows the token may label, and the "
            "connection is not encrypted; safer is an SSH tunnel to 127.0.0.1"
        )


def run_annotate(project: Project, door: Door, on_start: Callable[[Address], None]) -> None:
    """Serve the labelling page until SIGINT or SIGTERM; `on_start` is told the address once it answers.

    Raises
    ------
    InputError
        If the folder is being labelled already, the labelling in it is broken, or the port is taken.
    """
    from famous.annotate.room import Room
    from famous.annotate.security import Policy
    from famous.annotate.server import make_app, make_server

    with _alone(project.annotations):
        memory = project.annotations / ADDRESS
        last = _remembered(memory)
        with _listen(door, last) as listener:
            token = str(last.get("token") or secrets.token_urlsafe(TOKEN_BYTES))
            address = Address(door.host, int(listener.getsockname()[1]), token)
            _remember(memory, address)
            room = Room(make_desk(project))
            try:
                room.wait(WARM_SECONDS)
                app = make_app(room, Policy(token, door.host))
                make_server(app, lambda: on_start(address)).run(sockets=[listener])
            finally:
                room.close()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back when a process dies."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout as error:
        last = _remembered(folder / ADDRESS)
        where = f" at {Address(last['host'], last['port'], last['token']).url}" if last else ""
        raise InputError(
            f"{folder}: it is being labelled already{where}; open that page, or end that server with Ctrl-C first"
        ) from error


@contextmanager
def _listen(door: Door, last: dict[str, Any]) -> Iterator[socket.socket]:
    """Bind a socket: to the port that was asked for, else to that of the last time, else to any free one."""
    wanted = [door.port] if door.port is not None else [port for port in (last.get("port"), 0) if port is not None]
    for number, port in enumerate(wanted, start=1):
        try:
            family = socket.getaddrinfo(door.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            listener = socket.socket(family[0], socket.SOCK_STREAM)
        except (OSError, UnicodeError, OverflowError) as error:
            raise InputError(f"--host {door.host}: this machine has no such address ({error})") from error
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free
            listener.bind(family[4])
        except OSError as error:
            listener.close()
            if number == len(wanted):
                raise InputError(
                    f"{door.host}, port {port}: the server cannot listen there ({error.strerror or error}); "
                    "another program may have it: choose another --port, or none"
                ) from error
            continue
        with listener:
            yield listener
        return


def _remembered(path: Path) -> dict[str, Any]:
    """Read the last address of a folder; empty where there is none, it is broken, or others can read it."""
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    kinds = {"host": str, "port": int, "token": str}
    sound = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in kinds.items())
    return found if sound and len(found["token"]) >= TOKEN_BYTES and 0 < found["port"] < 2**16 else {}


def _remember(path: Path, address: Address) -> None:
    """Write the address where only the user can read it; where that is not possible the next start has a new one."""
    content = json.dumps({"host": address.host, "port": address.port, "token": address.token})
    try:
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - the mode
            file.write(content)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.unlink()
    except OSError:
        return
