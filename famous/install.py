"""How `famous` was installed, and so the lines that install more of it."""

import json
import os
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

PACKAGE = Path(__file__).resolve().parent


def install_line(extra: str) -> str:
    """Return the line that installs an extra: from the checkout that this package is or was installed from."""
    folder = checkout()
    return f"pip install '{_called(folder) if folder else 'famous'}[{extra}]'"


def mend_line(place: str) -> str:
    """Return the line that brings lost files of the package back; `place` is their folder inside it."""
    folder = checkout()
    if folder == PACKAGE.parent:  # they are not copied from anywhere: this is where they lie
        if not (folder / ".git").exists():
            return f"take famous/{place} from the source archive again"
        return f"git -C '{_called(folder)}' checkout -- famous/{place}"
    return f"pip install --force-reinstall --no-deps '{_called(folder) if folder else 'famous'}'"


def checkout() -> Path | None:
    """Return the source folder that this package lies in or was installed from; None where there is none."""
    if (PACKAGE.parent / "pyproject.toml").is_file():
        return PACKAGE.parent
    try:
        told = json.loads(metadata.distribution("famous").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    url = urlsplit(str(told.get("url", "")))
    folder = Path(url2pathname(url.path))
    return folder if url.scheme == "file" and (folder / "pyproject.toml").is_file() else None


def _called(folder: Path) -> str:
    """Name a folder as pip understands it: `.` where one stands in it, so that it is never taken for a package."""
    return "." if folder == Path(os.path.realpath(".")) else str(folder)
