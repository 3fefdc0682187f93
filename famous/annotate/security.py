"""Who may talk to the labelling server, and how much: token, Host, Origin, sizes, headers; around every route.

A page of another site must not reach the server through the user's browser, and neither must another user of the same
machine. So every request needs the token (once in the address, from then on as a cookie that other sites cannot send),
must name a host that no attacker's name server can point here, and must come from a page of that same host.
"""

import contextlib
import hashlib
import hmac
import ipaddress
import logging
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("famous.annotate")

JSON_BYTES = 1_000_000
IMPORT_BYTES = 64_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Policy:
    """Who is let in."""

    token: str = field(repr=False)
    host: str = "127.0.0.1"  # that the server listens on
    limits: Mapping[str, int] = field(default_factory=lambda: {"/api/import": IMPORT_BYTES})  # path → largest body

    @property
    def cookie(self) -> str:
        """Name of the cookie: cookies know no ports, so each server has one of its own."""
        return f"famous-{hashlib.sha256(self.token.encode()).hexdigest()[:16]}"

    def knows(self, token: str) -> bool:
        """Tell whether this is the token, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    def is_host(self, value: str) -> bool:
        """Tell whether a Host header names this server; any port will do, since tunnels change it."""
        name = host_name(value)
        if name is None:
            return False
        if name in (*LOOPBACK, self.host.lower()):
            return True
        if not is_wildcard(self.host):
            return False
        # reachable under any of the machine's addresses: an address, unlike a name, cannot be pointed elsewhere
        return _is_address(name) or name in (socket.gethostname().lower(), socket.getfqdn().lower())


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_wildcard(host: str) -> bool:
    """Tell whether a server that listens there listens on every address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return not host


def addresses(host: str) -> tuple[str, ...]:
    """Find what other machines call this one, where a server listens on every address of the kind of `host`.

    Returns
    -------
    tuple
        Its addresses that are neither loopback nor link-local, that of the usual route first; where there is none, its
        name.
    """
    families = (socket.AF_INET, socket.AF_INET6) if ":" in host else (socket.AF_INET,)
    found = [_route(family) for family in families]
    with contextlib.suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None) if entry[0] in families]
    return tuple(dict.fromkeys(filter(_is_reachable, found))) or (socket.gethostname().lower(),)


def host_name(value: str) -> str | None:
    """Return the name in a Host header, without port and brackets, in lower case; None where it is malformed."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?", value)
    return (match[1] or match[2]).lower() if match else None


class Guard:
    """ASGI middleware that lets nothing through that breaks the policy, and logs what it turned away."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and add the headers to whatever answers it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        limit = self._policy.limits.get(scope["path"], JSON_BYTES)
        answer = self._refuse(scope, limit)
        dressed = _dressing(scope, send)
        if answer is not None:
            await answer(scope, receive, dressed)
            return
        await self._app(scope, _limited(receive, limit), dressed)

    def _refuse(self, scope: Scope, limit: int) -> Response | None:
        """Return the answer to a request that does not get any further; None lets it through."""
        headers = _Headers(scope)
        hosts = headers.all("host")
        if len(hosts) != 1 or not self._policy.is_host(hosts[0]):
            return refuse(scope, 403, "this server does not answer to that Host")
        if not _is_own(headers, hosts[0], is_page=scope["path"] == "/" and scope["method"] == "GET"):
            return refuse(scope, 403, "this server answers its own page only")
        token = _given_token(scope)
        if token is not None and scope["path"] == "/" and scope["method"] == "GET":
            return self._welcome(scope) if self._policy.knows(token) else self._stranger(scope)
        if not any(self._policy.knows(value) for value in _cookies(headers, self._policy.cookie)):
            return self._stranger(scope)
        lengths = headers.all("content-length")
        if len(lengths) > 1 or any(not re.fullmatch(r"[0-9]{1,18}", length) for length in lengths):
            return refuse(scope, 400, "the Content-Length is not a number")
        if lengths and int(lengths[0]) > limit:
            return refuse(scope, 413, _too_large(limit))
        return None

    def _welcome(self, scope: Scope) -> Response:
        """Turn the token in the address into a cookie, and the address into one without it."""
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(self._policy.cookie, self._policy.token, path="/", httponly=True, samesite="strict")
        return answer

    def _stranger(self, scope: Scope) -> Response:
        return refuse(scope, 401, "open the address that `famous annotate` printed: it holds the token")


def refuse(scope: Scope, status: int, why: str) -> Response:
    """Make the answer to a request that is not served; log it in one line without the query, which may hold a token."""
    method, path = scope.get("method", "?"), scope.get("path", "?")
    log.warning("%s %s: %d %s", ascii(method)[1:-1][:20], ascii(path)[:120], status, ascii(why)[1:-1][:300])
    return JSONResponse({"error": why}, status)


class _Headers:
    """The headers of a request, by lower-case name."""

    def __init__(self, scope: Scope) -> None:
        self._pairs = [(name.lower(), value) for name, value in scope["headers"]]

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self._pairs if key == name.encode()]


def _is_own(headers: _Headers, host: str, *, is_page: bool) -> bool:
    """Tell whether a request comes from the server's own page, or from no page at all."""
    origins = headers.all("origin")
    if any(re.sub(r"^https?://", "", origin.lower()) != host.lower() for origin in origins):
        return False
    site = headers.all("sec-fetch-site")
    if is_page:  # a link may lead here from anywhere
        return True
    return all(value in ("same-origin", "none") for value in site)


def _given_token(scope: Scope) -> str | None:
    try:
        values = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20).get("token")
    except ValueError:
        return ""
    return values[0] if values else None


def _cookies(headers: _Headers, name: str) -> list[str]:
    found = []
    for header in headers.all("cookie"):
        for part in header.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                found.append(value.strip('"'))
    return found


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit // 1_000_000} MB"


def _limited(receive: Receive, limit: int) -> Receive:
    """Count the bytes of a body while they come in; a body that says nothing of its length is bounded too."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, _too_large(limit))
        return message

    return counted


def _dressing(scope: Scope, send: Send) -> Send:
    """Add the headers that every answer carries, where it has none of its own."""
    wanted = {"Cache-Control": "no-store", **HEADERS}
    extra = [(name.lower().encode(), value.encode()) for name, value in wanted.items()]

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message["headers"]}
            added = [(name, value) for name, value in extra if name not in names]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return dressed


def _route(family: socket.AddressFamily) -> str:
    """Return the address that this machine would send from to one far away; empty where there is no way. Sends none."""
    far = {socket.AF_INET: "198.51.100.1", socket.AF_INET6: "2001:db8::1"}[family]  # for documentation only: nobody's
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as way:
            way.connect((far, 9))
            return str(way.getsockname()[0])
    except OSError:
        return ""


def _is_reachable(name: str) -> bool:
    """Tell whether this is an address at which another machine may reach this one."""
    if not _is_address(name):
        return False
    address = ipaddress.ip_address(name)
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
