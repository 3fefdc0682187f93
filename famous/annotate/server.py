"""The labelling server: routes from requests to the room, and how the server runs."""

import contextlib
import json
import logging
import math
import re
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from famous.annotate import bodies
from famous.annotate.first import Page, web_files
from famous.annotate.records import Record
from famous.annotate.room import Room
from famous.annotate.security import Guard, Policy, refuse
from famous.annotate.state import SaveError, StaleError
from famous.errors import FamousError

if TYPE_CHECKING:
    from uvicorn import Server

log = logging.getLogger("famous.annotate")

SLICE_COOKIE = "famous-slice-"  # and the start of the stack's fingerprint: the slice that was open last
MAX_FILE_NAME = 200
FOREVER = "private, max-age=31536000, immutable"  # for addresses that name a version
LAST_SECONDS = 5  # that requests in work have when the server ends
Body = TypeVar("Body", bound=Record)
Handler = Callable[[Request], Awaitable[Response]]


def make_app(room: Room, policy: Policy) -> Guard:
    """Make the application that serves one room."""
    web = web_files()
    page = Page(web)
    version = page.version
    posts: dict[str, tuple[type[Record], Callable[[Any], dict[str, Any]]]] = {
        "/api/edits": (bodies.Edits, room.edit),
        "/api/undo": (bodies.Turn, room.undo),
        "/api/redo": (bodies.Turn, room.redo),
        "/api/time": (bodies.Time, room.add_time),
        "/api/setup": (bodies.Setup, room.setup),
        "/api/window": (bodies.Shown, room.show),
        "/api/snap": (bodies.Snap, room.snap),
        "/api/interpolate": (bodies.Interpolate, room.interpolate),
        "/api/propose": (bodies.Slice, room.propose),
        "/api/train": (bodies.Train, room.train),
        "/api/train/stop": (bodies.Nothing, room.stop_training),
    }
    gets: dict[str, Callable[[Request], Response]] = {
        "/api/state": lambda _: answer(room.state()),
        "/api/pulse": lambda _: answer(room.pulse()),
        "/api/histogram": lambda _: answer(room.histogram()),
        "/api/next": lambda request: answer(room.advise(whole(request, "z"))),
        "/api/weights": lambda _: answer(room.missing_weights()),
        "/api/export": lambda request: _export(room, request),
        "/": partial(_page, page, room),
        "/preview/{z}/{step}": partial(_preview, room),
        "/tiles/{z}/{level}/{row}/{col}": partial(_tile, room),
        "/cuts": partial(_cuts, room),
    }
    pages: dict[str, Callable[[Request], Response]] = {
        "/favicon.ico": lambda _: Response(status_code=204),
        f"/web/{version}/{{path:path}}": lambda request: _file(web, request.path_params["path"], FOREVER),
        "/web/{path:path}": lambda request: _file(web, request.path_params["path"], "no-cache"),
    }
    routes = [Route(path, _post(kind, work), methods=["POST"]) for path, (kind, work) in posts.items()]
    routes += [Route("/api/import", partial(_import, room), methods=["POST"])]
    routes += [Route(path, _get(work), methods=["GET"]) for path, work in gets.items()]
    routes += [Route(path, _quick(work), methods=["GET"]) for path, work in pages.items()]
    faults: Mapping[Any, Any] = {
        HTTPException: _refused,
        FamousError: _problem,
        ClientDisconnect: _gone,
        Exception: _unexpected,
    }
    app = Starlette(routes=routes, exception_handlers=faults)
    app.router.redirect_slashes = False
    return Guard(app, policy)


def answer(content: Any, status: int = 200) -> Response:
    """Make a JSON answer; what is no finite number becomes null."""
    return Response(json.dumps(_finite(content), allow_nan=False), status, media_type="application/json")


def whole(request: Request, name: str) -> int:
    """Read a whole number ≥ 0 from the query or the path; anything else is a 400."""
    text = request.path_params.get(name, request.query_params.get(name, ""))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise HTTPException(400, f"{name} is not a whole number")
    return int(text)


def make_server(app: ASGIApp, on_start: Callable[[], None] = lambda: None) -> "Server":
    """Make the server; `run(sockets=[…])` serves until SIGINT, SIGTERM or `should_exit`."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            for listener in sockets or ():  # connections inherit it; else each answer's body waits 40 ms for an ACK
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await run_in_threadpool(time.monotonic)  # what threads need is loaded now, not by the first request
            await super().startup(sockets)
            on_start()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """End on a signal, without raising it again after a clean end as uvicorn itself would."""
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws="none",
            http="h11",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
    )


def _post(kind: type[Body], work: Callable[[Body], dict[str, Any]]) -> Handler:
    async def handle(request: Request) -> Response:
        content = await request.body()
        try:
            body = kind.model_validate_json(content)
        except ValidationError as error:
            raise HTTPException(400, _what(error)) from error
        return answer(await run_in_threadpool(work, body))

    return handle


def _get(work: Callable[[Request], Response]) -> Handler:
    async def handle(request: Request) -> Response:
        return await run_in_threadpool(work, request)

    return handle


def _quick(work: Callable[[Request], Response]) -> Handler:
    """Handle what takes no time, without the way through a thread."""

    async def handle(request: Request) -> Response:
        return work(request)

    return handle


async def _import(room: Room, request: Request) -> Response:
    name, kind = request.query_params.get("name", ""), request.query_params.get("format", "auto")
    if not name or len(name) > MAX_FILE_NAME or not name.isprintable() or re.search(r"[/\\]|^\.+$", name):
        raise HTTPException(400, "name is not the name of a file")
    if kind != "auto" and kind not in room.desk.formats:
        raise HTTPException(400, f"format is not one of auto, {', '.join(room.desk.formats)}")
    content = await request.body()
    return answer(await run_in_threadpool(room.take, name, content, None if kind == "auto" else kind))


def _export(room: Room, request: Request) -> Response:
    made = room.export(request.query_params.get("format", ""))
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", made.name)
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(made.name, safe='')}",
        "X-Notes": json.dumps(list(made.notes)),
    }
    return Response(made.content, headers=headers, media_type="application/octet-stream")


def _tile(room: Room, request: Request) -> Response:
    z, level, row, col = (whole(request, name) for name in ("z", "level", "row", "col"))
    version = room.desk.fingerprint[:16]
    is_named = request.query_params.get("v") == version  # else another stack may be served here tomorrow
    tag = f'"{version}-{z}-{level}-{row}-{col}"'
    headers = {"ETag": tag, "Cache-Control": FOREVER if is_named else "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    try:
        tile = room.images.tile(z, level, row, col)
    except IndexError as error:
        raise HTTPException(404, str(error)) from error
    if "x-ahead" not in request.headers:  # the page fetches neighbours too, without looking at them
        room.images.prefetch(z)
    height, width = tile.shape
    return _raw(_bytes(tile), headers | {"X-Shape": f"{height},{width}"})


def _cuts(room: Room, request: Request) -> Response:
    z, y, x, half = (whole(request, name) for name in ("z", "y", "x", "half"))
    across = whole(request, "across") if "across" in request.query_params else None
    try:
        cuts = room.images.cuts(z, y, x, half, across)
    except IndexError as error:
        raise HTTPException(404, str(error)) from error
    facts = {
        "xz": list(cuts.xz.shape),
        "yz": list(cuts.yz.shape),
        "z0": cuts.z0,
        "y0": cuts.y0,
        "x0": cuts.x0,
        "step_px": cuts.step_px,
        "missing": list(cuts.missing),
        "unreadable": list(cuts.unreadable),
    }
    return _raw(_bytes(cuts.xz) + _bytes(cuts.yz), {"X-Cuts": json.dumps(_finite(facts))})


def _page(page: Page, room: Room, request: Request) -> Response:
    last = request.cookies.get(f"{SLICE_COOKIE}{room.desk.fingerprint[:16]}", "")
    z = room.first_slice(int(last) if re.fullmatch(r"[0-9]{1,9}", last) else None)
    room.expect(z)
    return Response(page.showing(z, room.images.preview_shapes()), headers=page.headers)


def _preview(room: Room, request: Request) -> Response:
    try:
        return Response(room.preview(whole(request, "z"), whole(request, "step")), media_type="image/jpeg")
    except IndexError as error:
        raise HTTPException(404, str(error)) from error


def _bytes(values: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _raw(content: bytes, headers: dict[str, str]) -> Response:
    return Response(content, headers=headers, media_type="application/octet-stream")


def _file(web: Mapping[str, tuple[bytes, str]], path: str, caching: str) -> Response:
    if path not in web:
        raise HTTPException(404, "there is no such file")
    content, kind = web[path]
    return Response(content, media_type=None, headers={"Content-Type": kind, "Cache-Control": caching})


async def _refused(request: Request, fault: HTTPException) -> Response:
    response = refuse(request.scope, fault.status_code, str(fault.detail))
    response.headers.update(fault.headers or {})
    return response


async def _problem(request: Request, fault: FamousError) -> Response:
    """Answer with what a user can mend: 409 where the page is behind, 503 where nothing is lost but not saved yet."""
    text = " ".join(str(fault).split())
    if isinstance(fault, StaleError):
        return answer({"error": text, "revision": fault.revision}, 409)
    if isinstance(fault, SaveError):
        return refuse(request.scope, 503, text)
    response = refuse(request.scope, 422, text)
    edit = getattr(fault, "edit", None)
    return answer({"error": text, "edit": edit}, 422) if edit else response


async def _gone(_request: Request, _fault: ClientDisconnect) -> Response:
    return Response(status_code=400)


async def _unexpected(request: Request, fault: Exception) -> Response:
    log.error("%s %s: 500 %s", request.method, ascii(request.url.path), type(fault).__name__)  # uvicorn logs the rest
    return answer({"error": f"something went wrong in the server ({type(fault).__name__}); its log says more"}, 500)


def _what(error: ValidationError) -> str:
    """Say in one line what is wrong with a body: where, and why."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:100]
    return f"the body is not as expected: {where + ': ' if where else ''}{first['msg']}"[:300]


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
