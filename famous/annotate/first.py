"""What the server sends first: one answer with all that the page's first paint needs, which names what comes after."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

from famous.annotate.security import HEADERS

Files = Mapping[str, tuple[bytes, str]]  # path below web/ → content and type

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
PROGRAM = "main.js"  # started by boot.js
STYLE = "style.css"
#: screen → width of what is not the slice, px
AROUND = {"(min-width: 1800px) and (min-height: 1000px)": 796, "": 578}
_IMPORT = re.compile(rb"""^(?:import|export)\b[^;"'=(]*["']\./([^"']+)["'];""", re.MULTILINE)


class Page:
    """The page of one version of its files, for whichever slice is shown first."""

    def __init__(self, web: Files) -> None:
        self.version = hashlib.sha256(b"".join(name.encode() + web[name][0] for name in sorted(web))).hexdigest()[:16]
        style = web[STYLE][0]
        links = "\n".join(f'<link rel="modulepreload" href="/web/{name}">' for name in modules(web))
        text = web["index.html"][0]
        text = text.replace(f'<link rel="stylesheet" href="/web/{STYLE}">'.encode(), b"<style>" + style + b"</style>")
        text = text.replace(b"<!-- modules -->", links.encode())
        self._text = text.replace(b"/web/", f"/web/{self.version}/".encode())
        digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
        policy = HEADERS["Content-Security-Policy"]
        self.headers = {
            "Content-Type": KINDS[".html"],
            "Content-Security-Policy": f"{policy}; style-src 'self' 'sha256-{digest}'",
        }

    def showing(self, z: int, shapes: Sequence[tuple[int, int]]) -> bytes:
        """Return the page with a picture of slice z, which is seen before the page's program has come.

        `shapes` are those of the pictures that there are, (y, x), the finest first. The browser takes the one that
        suits its screen: `sizes` says how wide the slice will lie there, by the widths of panels and bars in style.css.
        """
        sources = ", ".join(f"/preview/{z}/{step} {width}w" for step, (_, width) in enumerate(shapes))
        high = f"calc((100vh - 122px) * {shapes[0][1] / shapes[0][0]:.6g})"
        sizes = ", ".join(f"{screen} min(calc(100vw - {px}px), {high})".lstrip() for screen, px in AROUND.items())
        text = self._text
        # the first two are there twice: the picture and its preload
        for name, value in (("srcset", sources), ("sizes", sizes), ("data-z", str(z))):
            text = text.replace(f'{name}=""'.encode(), f'{name}="{html.escape(value)}"'.encode())
        return text


def modules(web: Files) -> list[str]:
    """Name every module that the program imports, itself not, nearest first.

    Unless all are named the browser learns of each only from the one before it.
    """
    found = [PROGRAM]
    for name in found:  # grows meanwhile
        imported = (match.decode() for match in _IMPORT.findall(web[name][0]))
        found += [other for other in dict.fromkeys(imported) if other not in found]
    return found[1:]


def web_files() -> dict[str, tuple[bytes, str]]:
    """Read the page's files: path below web/ → content and type; nothing else is ever served."""
    found: dict[str, tuple[bytes, str]] = {}
    folders = [("", files("famous.annotate") / "web")]
    while folders:
        prefix, folder = folders.pop()
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.is_dir():
                folders.append((f"{prefix}{entry.name}/", entry))
            elif (kind := KINDS.get("." + entry.name.rpartition(".")[2])) is not None:
                found[prefix + entry.name] = (entry.read_bytes(), kind)
    return found
