"""`run/manifest.json`: what each stage was made from, so that a stage whose inputs are unchanged is skipped."""

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

import famous
from famous.errors import InputError
from famous.files import write_text

#: The stages in their order: making one again undoes those after it.
ORDER = ("train", "detect", "extract", "link", "mesh", "measure")
#: What decides over a stage's bytes besides its parameters; their versions go into every record.
LIBRARIES = ("numpy", "scipy", "opencv-python", "pandas", "scikit-image", "onnxruntime", "openvino", "ultralytics")


@dataclass(frozen=True)
class Record:
    """One finished stage: its fingerprint, what it was made from, and what it took."""

    fingerprint: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_mb: float = 0.0


#: What JSON gives for the fields of a record.
KINDS: dict[str, type | tuple[type, ...]] = {
    "fingerprint": str,
    "parameters": dict,
    "inputs": dict,
    "versions": dict,
    "seconds": (int, float),
    "peak_memory_mb": (int, float),
}


def fingerprint(stage: str, parameters: dict[str, Any], inputs: dict[str, str]) -> str:
    """Hash of everything that decides over a stage's output."""
    text = json.dumps([stage, parameters, inputs, famous.__version__], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read(path: Path) -> dict[str, Record]:
    """Read the finished stages by name; no file means none.

    Raises
    ------
    InputError
        If the file is there and is no manifest.
    """
    if not path.exists():
        return {}
    try:
        return {stage: _record(data) for stage, data in json.loads(path.read_bytes())["stages"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not a manifest ({error}); remove it and the stages are made again") from error


def _record(data: dict[str, Any]) -> Record:
    """Build a record, or raise TypeError where a value is of another kind than `write` gives."""
    record = Record(**data)
    for name, kind in KINDS.items():
        value = getattr(record, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"found {value!r:.60} as {name}")
    return record


def write(path: Path, records: dict[str, Record]) -> None:
    """Write the finished stages, atomically."""
    stages = {stage: asdict(record) for stage, record in records.items()}
    write_text(path, json.dumps({"famous": famous.__version__, "stages": stages}, indent=1) + "\n")


@contextmanager
def recording(path: Path, stage: str, parameters: dict[str, Any], inputs: dict[str, str]) -> Iterator[None]:
    """Time a stage and note it as finished if its block ends without an error.

    It and the stages after it are undone first, so that nothing counts as done that a kill has left half-made.
    """
    started = time.monotonic()
    records = read(path)
    undone = ORDER[ORDER.index(stage) :]
    if any(name in records for name in undone):
        write(path, {name: record for name, record in records.items() if name not in undone})
    yield
    records = read(path)
    records[stage] = Record(
        fingerprint=fingerprint(stage, parameters, inputs),
        parameters=json.loads(json.dumps(parameters, default=str)),
        inputs=inputs,
        versions=versions(),
        seconds=round(time.monotonic() - started, 2),
        peak_memory_mb=round(peak_memory_mb(), 1),
    )
    write(path, records)


def peak_memory_mb() -> float:
    """Return the largest resident memory that this process ever had."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def versions() -> dict[str, str]:
    """Return the versions of famous, Python and the libraries that decide over a result."""
    found = {"famous": famous.__version__, "python": sys.version.split()[0]}
    return found | {name: known for name in LIBRARIES if (known := _version(name)) is not None}


@cache
def _version(library: str) -> str | None:
    """Look a library's version up, None where it is missing; that takes as long as some slices."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None
