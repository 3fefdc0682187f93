"""Attacks on the labelling server, as real requests: what must not get in, and that nothing makes it fail."""

import asyncio
import contextlib
import json
import random
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from famous.annotate import security
from famous.annotate.records import LARGEST
from famous.annotate.security import HEADERS, JSON_BYTES, Policy, host_name, is_loopback, is_wildcard
from famous.annotate.server import make_app
from tests.desks import MITO, NUCLEUS, TOKEN, Tables, client, make_desk, room_of, serving

COOKIE = Policy(TOKEN).cookie
CLASSES = {"classes": [MITO.plain(), NUCLEUS.plain()]}
BOX = {"id": "t-1", "z": 1, "y0": 10, "x0": 20, "y1": 40, "x1": 60, "class": "mitochondrion"}
#: route → a body that it takes
POSTS = {
    "/api/edits": {
        "base": 1,
        "edits": [{"id": "e1", "label": "draw box", "changes": [{"op": "add", "box": BOX}]}],
    },
    "/api/undo": {"base": 1},
    "/api/redo": {"base": 1},
    "/api/time": {"z": 1, "seconds": 2.5},
    "/api/setup": CLASSES | {"voxel_size_nm": [30, 4, 4]},
    "/api/window": {"low": 1, "high": 2, "inverted": False},
    "/api/snap": {"z": 1, "box": {"y0": 0, "x0": 0, "y1": 9, "x1": 9}, "class": "nucleus"},
    "/api/interpolate": {"from": 1, "to": 4, "ids": ["t-1"]},
    "/api/propose": {"z": 1},
    "/api/train": {"minutes": 5},
    "/api/train/stop": {},
}
GETS = (
    "/",
    "/api/state",
    "/api/pulse?revision=0",
    "/tiles/0/0/0/0",
    "/preview/0/0",
    "/cuts?z=0&y=0&x=0&half=1",
    "/api/weights",
    "/web/index.html",
)


@pytest.fixture
def tables():
    return Tables()


@pytest.fixture
def room(tmp_path, tables):
    with room_of(make_desk(tmp_path, tables)) as room:
        yield room


@pytest.fixture
def port(room):
    with serving(room) as port:
        yield port


@pytest.fixture
def stranger(port):
    """Somebody without the cookie."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as browser:
        yield browser


@pytest.fixture
def browser(port):
    with client(port) as browser:
        yield browser


def raw(port, *lines, body=b""):
    """Send a request as it stands, byte for byte, and return (status, headers and body) of the answer."""
    request = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):  # it may have answered and closed before everything was sent
            connection.sendall(request)
        answer = b"".join(iter(lambda: receive(connection), b""))
    status = re.match(rb"HTTP/1.1 (\d{3})", answer)
    return int(status[1]) if status else 0, answer


def receive(connection):
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


def get(port, path, *headers, host="127.0.0.1", cookie=TOKEN):
    return raw(
        port,
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        f"Cookie: {COOKIE}={cookie}",
        "Connection: close",
        *headers,
    )


def post(port, path, body, *headers, host="127.0.0.1"):
    start = [f"POST {path} HTTP/1.1", f"Host: {host}:{port}", f"Cookie: {COOKIE}={TOKEN}", "Connection: close"]
    return raw(port, *start, f"Content-Length: {len(body)}", *headers, body=body)


# --- the token ---


def test_without_the_token_nothing_is_answered(stranger, room):
    for path in GETS:
        answer = stranger.get(path)
        assert answer.status_code == 401
        assert "famous annotate" in answer.json()["error"]
    for path, body in POSTS.items():
        assert stranger.post(path, json=body).status_code == 401
    assert stranger.post("/api/import?name=a.csv", content=b"boxes").status_code == 401
    assert room.labelling.revision == 0


@pytest.mark.parametrize("token", ["", "a", TOKEN[:-1], TOKEN + "a", TOKEN.upper(), "ä" * 40, "%00", "\udcff"])
def test_a_wrong_token_opens_nothing(token, stranger, port):
    text = token.encode("utf-8", "surrogateescape").hex()
    quoted = "".join(f"%{text[i : i + 2]}" for i in range(0, len(text), 2))
    answer = stranger.get(f"/?token={quoted}")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    status, _ = raw(
        port, "GET /api/state HTTP/1.1", f"Host: localhost:{port}", f"Cookie: {COOKIE}={quoted}", "Connection: close"
    )
    assert status == 401


def test_the_token_becomes_a_cookie_that_other_sites_cannot_send(stranger):
    answer = stranger.get("/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={TOKEN};")
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert "domain" not in cookie.lower()
    assert stranger.get("/api/state").status_code == 200


def test_the_token_in_the_address_is_taken_at_the_door_only(stranger):
    assert stranger.get("/api/state", params={"token": TOKEN}).status_code == 401
    assert stranger.post("/", params={"token": TOKEN}).status_code == 401


def test_a_cookie_of_another_server_on_this_host_does_no_harm(port):
    other = Policy("the token of another server, another port")
    status, _ = get(port, "/api/state", f"Cookie: {other.cookie}={other.token}")
    assert status == 200
    assert Policy(TOKEN).cookie != other.cookie
    status, _ = get(port, "/api/state", cookie=other.token)
    assert status == 401


def test_the_token_is_compared_in_constant_time(monkeypatch):
    seen = []
    monkeypatch.setattr(security.hmac, "compare_digest", lambda a, b: seen.append((a, b)) or a == b)
    assert Policy(TOKEN).knows(TOKEN)
    assert not Policy(TOKEN).knows("x")
    assert seen == [(TOKEN.encode(), TOKEN.encode()), (b"x", TOKEN.encode())]


def test_the_token_is_never_logged_or_shown(stranger, caplog):
    stranger.get("/", params={"token": "wrong-" + TOKEN})
    stranger.get("/nothing", params={"token": TOKEN})
    assert caplog.text.count("401") == 2
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(Policy(TOKEN))


# --- DNS rebinding, cross-origin ---


STRANGE_HOSTS = [
    *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80@127.0.0.1", "192.168.1.7"),
    *("2130706433", "0x7f.1", "127.1", "[::2]", "localhost:", "localhost:a", "[127.0.0.1", "localhost/", "localhost#"),
]


@pytest.mark.parametrize("host", [*STRANGE_HOSTS, "", "127.0.0.1 x", "a\tb"])
def test_a_host_that_is_not_this_server_is_refused(host, port):
    """DNS rebinding: the attacker's name points here, the browser sends that name as Host."""
    status, answer = raw(
        port, "GET /api/state HTTP/1.1", f"Host: {host}", f"Cookie: {COOKIE}={TOKEN}", "Connection: close"
    )
    assert status in (400, 403)
    assert b"ramp" not in answer


def test_no_host_or_two_are_refused(port):
    start, end = "GET /api/state HTTP/1.1", ("Connection: close", f"Cookie: {COOKIE}={TOKEN}")
    assert raw(port, start, *end)[0] == 400
    assert raw(port, start, "Host: localhost", "Host: evil.example", *end)[0] in (400, 403)
    assert raw(port, "GET /api/state HTTP/1.0", *end)[0] == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.1:1", "localhost:65535"])
def test_loopback_is_this_server_at_any_port(host, port):
    """An SSH tunnel maps ports: the browser names the port at its own end."""
    status, _ = raw(port, "GET /api/state HTTP/1.1", f"Host: {host}", f"Cookie: {COOKIE}={TOKEN}", "Connection: close")
    assert status == 200


def test_the_hosts_of_a_server_that_listens_elsewhere():
    named = Policy(TOKEN, "label.lab.example")
    assert named.is_host("label.lab.example:8000")
    assert named.is_host("localhost:8000")
    assert not named.is_host("10.0.0.7")
    everywhere = Policy(TOKEN, "0.0.0.0")
    assert everywhere.is_host("10.0.0.7:8000")
    assert everywhere.is_host("[fe80::1]:8000")
    assert everywhere.is_host(f"{socket.gethostname()}:8000")
    assert not everywhere.is_host("evil.example:8000")


def test_the_addresses_at_which_others_reach_this_machine(monkeypatch):
    """What is printed is answered; loopback and link-local lead nobody here."""
    names = ["127.0.1.1", "10.0.0.7", "192.168.1.5", "fe80::1%eth0", "fd00::2", "::1"]
    entries = [(socket.AF_INET6 if ":" in name else socket.AF_INET, None, None, "", (name, 0)) for name in names]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: entries)
    monkeypatch.setattr(security, "_route", lambda family: "192.168.1.5" if family == socket.AF_INET else "")
    assert security.addresses("0.0.0.0") == ("192.168.1.5", "10.0.0.7")
    assert security.addresses("::") == ("192.168.1.5", "10.0.0.7", "fd00::2")
    monkeypatch.setattr(security, "_route", lambda _: "")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: (_ for _ in ()).throw(socket.gaierror("no such name")))
    assert security.addresses("0.0.0.0") == (socket.gethostname().lower(),)
    for name in ("192.168.1.5", "[fd00::2]", socket.gethostname()):
        assert Policy(TOKEN, "::").is_host(f"{name}:8000")


def test_the_own_address_is_found_without_a_name():
    assert all(security.addresses("0.0.0.0"))
    assert security._route(socket.AF_INET) in ("", *security.addresses("0.0.0.0"))


def test_names_of_hosts():
    assert host_name("Example.org:80") == "example.org"
    assert host_name("[::1]:80") == "::1"
    for wrong in ("", ":80", "a b", "a/b", "a@b", "[::1", "a:80:80", "a\n", "ä"):
        assert host_name(wrong) is None
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("lab.example")
    assert is_wildcard("0.0.0.0")
    assert is_wildcard("::")
    assert not is_wildcard("127.0.0.1")


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Origin: ",),
        ("Origin: http://localhost.evil.example",),
        ("Origin: http://localhost:1",),
        ("Origin: http://127.0.0.1",),
        ("Origin: file://",),
        ("Origin: http://{host}", "Origin: https://evil.example"),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site",),  # another port of this host
    ],
)
def test_another_site_cannot_use_the_users_browser(headers, port, room):
    headers = [header.format(host=f"127.0.0.1:{port}") for header in headers]
    status, answer = post(port, "/api/setup", json.dumps(CLASSES).encode(), *headers)
    assert status == 403
    assert b"access-control" not in answer.lower()
    assert get(port, "/api/state", *headers)[0] == 403
    assert room.labelling.revision == 0


def test_the_own_page_is_answered(port):
    own = (f"Origin: http://127.0.0.1:{port}", "Sec-Fetch-Site: same-origin")
    assert post(port, "/api/setup", json.dumps(CLASSES).encode(), *own)[0] == 200


def test_no_other_origin_is_ever_allowed(browser):
    """No CORS: neither a preflight nor an answer names an origin."""
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = browser.options("/api/edits", headers=preflight)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert not [name for name in browser.get("/api/state").headers if name.startswith("access-control")]


def test_a_link_from_elsewhere_leads_to_the_page(port):
    status, _ = get(port, f"/?token={TOKEN}", "Sec-Fetch-Site: cross-site", cookie="none")
    assert status == 303


# --- headers ---


def test_every_answer_carries_the_headers(browser, stranger):
    answers = [browser.get(path) for path in (*GETS, "/nothing", "/api/next?z=x")]
    answers += [stranger.get("/"), browser.post("/api/undo", content=b"{"), browser.put("/api/state")]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name].startswith(value)
            assert answer.headers[name] == value or answer.url.path == "/"  # which allows its own style, no more
        assert answer.headers["cache-control"]
        assert "server" not in answer.headers
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'self'")
    for path in ("/api/state", "/api/pulse"):
        assert browser.get(path).headers["cache-control"] == "no-store"


# --- paths ---


TRAVERSAL = [
    "/web/../server.py",
    "/web/../../../../../../../../etc/passwd",
    "/web/..%2fserver.py",
    "/web/%2e%2e/server.py",
    "/web/%2e%2e%2fserver.py",
    "/web/%252e%252e%252fserver.py",
    "/web/..%5cserver.py",
    "/web/....//server.py",
    "/web//etc/passwd",
    "/web/%2fetc%2fpasswd",
    "/web/file:///etc/passwd",
    "/web/index.html%00.js",
    "/web/index.html/",
    "/web/./index.html",
    "/web/",
    "/web",
    "/web/C:%5cWindows%5cwin.ini",
    "/server.py",
    "/../server.py",
    "//etc/passwd",
    "/tiles/../api/state",
    "/tiles/0/0/0/..%2f..%2fetc",
    "/api/../web/../server.py",
]


@pytest.mark.parametrize("path", TRAVERSAL)
def test_no_path_leads_out_of_the_page(path, port):
    status, answer = get(port, path)
    assert status in (400, 404)
    assert b"root:" not in answer
    assert b"import " not in answer


def test_other_methods_are_refused(browser):
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW"):
        for path in ("/", "/api/state", "/api/edits"):
            assert browser.request(method, path).status_code == 405
    assert browser.get("/api/edits").status_code == 405
    assert browser.post("/api/state").status_code == 405


def test_no_web_socket_is_opened(port):
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA")
    status, _ = raw(port, "GET /api/state HTTP/1.1", f"Host: localhost:{port}", *upgrade, "Connection: close")
    assert status in (400, 401, 403, 426)


# --- bodies ---


def test_a_body_that_says_it_is_too_large_is_not_read(port):
    status, answer = raw(
        port,
        "POST /api/edits HTTP/1.1",
        f"Host: localhost:{port}",
        f"Cookie: {COOKIE}={TOKEN}",
        f"Content-Length: {JSON_BYTES + 1}",
        "Connection: close",
    )
    assert status == 413
    assert b"1 MB" in answer


def test_a_chunked_body_is_counted_while_it_comes(port, room):
    chunk = b"%x\r\n%b\r\n" % (65536, b" " * 65536)
    status, _ = raw(
        port,
        "POST /api/edits HTTP/1.1",
        f"Host: localhost:{port}",
        f"Cookie: {COOKIE}={TOKEN}",
        "Transfer-Encoding: chunked",
        "Connection: close",
        body=chunk * (JSON_BYTES // 65536 + 1),
    )
    assert status == 413
    assert room.labelling.revision == 0


def test_a_chunked_body_of_the_right_size_is_read(browser, room):
    text = json.dumps(CLASSES).encode()
    assert browser.post("/api/setup", content=iter([text[:9], text[9:]])).status_code == 200
    assert room.labelling.revision == 1


def test_an_import_may_be_larger_than_json_but_not_without_end(browser, monkeypatch, room):
    assert browser.post("/api/import?name=a.csv", content=b" " * (JSON_BYTES + 1)).status_code == 422
    with serving(room, policy=Policy(TOKEN, limits={"/api/import": 2000})) as port, client(port) as small:
        assert small.post("/api/import?name=a.csv", content=b" " * 2001).status_code == 413
        assert small.post("/api/import?name=a.csv", content=iter([b" " * 1500] * 2)).status_code == 413
        assert small.post("/api/import?name=a.csv", content=b" " * 2000).status_code == 422


@pytest.mark.parametrize(
    "lengths",
    [("-1",), ("1e3",), ("abc",), ("",), ("5", "7"), ("9" * 40,), ("0x10",)],
)
def test_a_length_that_is_no_number_is_a_4xx(lengths, port):
    headers = [f"Content-Length: {length}" for length in lengths]
    status, _ = raw(
        port,
        "POST /api/undo HTTP/1.1",
        f"Host: localhost:{port}",
        f"Cookie: {COOKIE}={TOKEN}",
        *headers,
        "Connection: close",
        body=b"{}",
    )
    assert 400 <= status < 500


def test_a_body_that_breaks_off_changes_nothing(port, room, browser):
    text = json.dumps(CLASSES).encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"POST /api/setup HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {COOKIE}={TOKEN}\r\n"
        connection.sendall(head.encode() + f"Content-Length: {len(text)}\r\n\r\n".encode() + text[:-1])
    assert browser.get("/api/state").json()["revision"] == 0
    assert room.labelling.revision == 0


GARBAGE = [b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\r\n" * 50, b"GET " + b"a" * 99999, b"\0" * 100]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_no_http_is_a_4xx_or_nothing(garbage, port, browser):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(garbage)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        answer = receive(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert browser.get("/api/state").status_code == 200


def test_huge_headers_are_refused(port):
    assert get(port, "/api/state", "X-Long: " + "a" * 200_000)[0] in (0, 400, 431)
    assert get(port, "/api/state?" + "a=1&" * 4000)[0] == 200
    assert get(port, "/?" + "token=1&" * 4000)[0] == 401


MALFORMED = {
    "nothing": b"",
    "no json": b"{",
    "an array": b"[]",
    "null": b"null",
    "a number": b"7",
    "NaN": b'{"base":NaN}',
    "infinity": b'{"base":Infinity}',
    "a huge whole number": b'{"base":' + b"9" * 4000 + b"}",
    "a larger one than Python reads": b'{"base":' + b"9" * 400_000 + b"}",
    "a huge exponent": b'{"base":1e999}',
    "a fraction": b'{"base":1.0}',
    "a truth": b'{"base":true}',
    "a word": b'{"base":"1"}',
    "a negative": b'{"base":-1}',
    "an unknown key": b'{"base":1,"more":1}',
    "deep": b"[" * 300_000,
    "deep and whole": b'{"base":' * 1000 + b"1" + b"}" * 1000,
    "no utf-8": b'{"base":"\xff\xfe"}',
    "half a surrogate": b'{"base":"\\ud800"}',
    "utf-16": '{"base":1}'.encode("utf-16"),
    "a form": b"base=1",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_body_is_a_400_in_one_line_of_the_log(body, browser, room, caplog):
    for path in ("/api/undo", "/api/edits"):
        caplog.clear()
        answer = browser.post(path, content=body)
        assert answer.status_code == 400
        assert set(answer.json()) == {"error"}
        assert len(answer.json()["error"]) < 400
        lines = [record.getMessage() for record in caplog.records if record.name == "famous.annotate"]
        assert len(lines) == 1
        assert lines[0].startswith(f"POST '{path}': 400 ")
        assert lines[0].isprintable()
    assert room.labelling.revision == 0


def test_a_request_cannot_write_lines_of_its_own_into_the_log(port, caplog):
    get(port, "/api/%0d%0aGET%20/forged%1b[31m")
    lines = [record.getMessage() for record in caplog.records if record.name == "famous.annotate"]
    assert len(lines) == 1
    assert lines[0].isprintable()


# --- ten thousand random bodies ---

NUMBERS = [0, 1, -1, 2, 5, 6, 9, 10, 599, 600, 700, LARGEST, LARGEST + 1, 2**63, 10**30, 0.5, 1e308, 2.0, -0.0]
WORDS = ["", "a", "mitochondrion", "nucleus", "t-1", "t-2", "../..", "\0", "\u202e", "é" * 40, "x" * 500, "add", "done"]
KEYS = sorted(
    {"base", "edits", "id", "label", "changes", "op", "box", "from", "to", "z", "y0", "x0", "y1", "x1", "class"}
)


def any_value(chance, depth=0):
    kind = chance.randrange(9 if depth < 4 else 6)
    if kind <= 1:
        return chance.choice(NUMBERS)
    if kind <= 3:
        return chance.choice(WORDS)
    if kind == 4:
        return chance.choice([True, False, None])
    if kind == 5:
        return chance.choice([[], {}])
    if kind == 6:
        return [any_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(KEYS): any_value(chance, depth + 1) for _ in range(chance.randrange(5))}


def bend(chance, value):
    """Change one place of a sound body."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(sorted(value))
        changed = dict(value)
        if chance.random() < 0.15:
            del changed[key]
        else:
            changed[key] = bend(chance, value[key])
        return changed
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        return [*value[:place], bend(chance, value[place]), *value[place + 1 :]]
    return any_value(chance)


def random_body(chance, sound, revision):
    """A body that is noise, JSON of any shape, a sound one with a fault, or one whose bytes were torn."""
    sound = sound | {"base": revision} if "base" in sound else sound
    if "edits" in sound and chance.random() < 0.5:
        change = chance.choice(
            [
                {"op": "add", "box": BOX | {"id": f"t-{chance.randrange(50)}"}},
                {"op": "remove", "box": BOX | {"id": f"t-{chance.randrange(50)}"}},
                {"op": "change", "id": f"t-{chance.randrange(50)}", "from": {"x0": 20}, "to": {"x0": 21}},
                {"op": "done", "z": chance.randrange(7), "from": chance.random() < 0.5, "to": True},
                {"op": "rename", "from": "nucleus", "to": "nuclei"},
                {"op": "classes", "from": CLASSES["classes"], "to": CLASSES["classes"][::-1]},
            ]
        )
        sound["edits"] = [{"id": f"e{chance.randrange(5000)}", "label": "x", "changes": [change]}]
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    value = sound if kind == 1 else any_value(chance) if kind == 2 else bend(chance, sound)
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")
    if kind == 3 and text:
        place = chance.randrange(len(text))
        text = text[:place] + chance.randbytes(chance.randrange(3)) + text[place + chance.randrange(3) :]
    return text


async def call(app, path, body):
    """Post to the application as a server does, without a connection; returns status and body."""
    path, _, query = path.partition("?")
    headers = [(b"host", b"localhost"), (b"cookie", f"{COOKIE}={TOKEN}".encode())]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode(), "headers": headers}
    messages = [
        {"type": "http.request", "body": body[:99], "more_body": True},
        {"type": "http.request", "body": body[99:]},
    ]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_ten_thousand_random_bodies_never_make_the_server_fail(tmp_path, monkeypatch, caplog):
    """Every answer is a success or a 4xx; at the end the labelling is what a replay of its log gives."""
    caplog.set_level("ERROR")
    monkeypatch.setattr("os.fsync", lambda _: None)
    chance, statuses = random.Random(1), {}
    with room_of(make_desk(tmp_path)) as room:
        app = make_app(room, Policy(TOKEN))

        async def storm():
            await call(app, "/api/setup", json.dumps(CLASSES).encode())
            paths = [*POSTS, "/api/import?name=a.csv"]
            for number in range(10_000):
                path = paths[number % len(paths)]
                body = random_body(chance, POSTS.get(path, {}), room.labelling.revision)
                status, answer = await call(app, path, body)  # an unexpected fault is raised, not answered
                statuses[status] = statuses.get(status, 0) + 1
                assert status in (200, 400, 409, 422), (path, body, answer)
                assert "error" in json.loads(answer) or status == 200

        with ThreadPoolExecutor(1) as other:  # a browser of other tests has its loop in this thread
            other.submit(asyncio.run, storm()).result()
        assert sum(statuses.values()) == 10_000
        assert min(statuses.get(status, 0) for status in (200, 400, 422)) > 100
        before = room.state()
    with room_of(make_desk(tmp_path)) as room:
        again = room.state()
        room.labelling.snapshot()
    for part in ("boxes", "done", "classes", "seconds", "revision", "undo", "redo"):
        assert again[part] == before[part], part


def test_random_requests_over_real_connections(port, browser):
    """Fewer, since each is a connection of its own: bent paths, queries, headers and bodies."""
    chance = random.Random(2)
    paths = [*GETS, *POSTS, "/api/import?name=a.csv", "/api/export?format=csv", "/api/next?z=1", "/api/histogram"]
    for _ in range(300):
        path = list(chance.choice(paths))
        for _ in range(chance.randrange(3)):
            path[chance.randrange(len(path))] = chance.choice("/.%?&=0a\\;")
        body = random_body(chance, {"base": 1}, 1)
        send = get if chance.random() < 0.5 else post
        arguments = () if send is get else (body,)
        status, answer = send(port, "/" + "".join(path).lstrip("/"), *arguments)
        assert status in range(200, 500), answer[:300]
    assert browser.get("/api/state").status_code == 200


def test_many_slow_connections_do_not_keep_the_page_out(port, browser):
    """Whoever opens a hundred connections and sends nothing keeps nobody else from being served."""
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    try:
        for connection in idle:
            connection.sendall(b"POST /api/edits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9")
        assert browser.get("/api/state").status_code == 200
    finally:
        for connection in idle:
            connection.close()
    assert threading.active_count() < 100
