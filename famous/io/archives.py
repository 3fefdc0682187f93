"""Zip archives of small text files, from anywhere: packed always to the same bytes, unpacked as if by an enemy."""

import io
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from famous.errors import InputError

ENTRIES = 100_000  # of an archive, images and all
FILES = 20_000  # that are unpacked
TOTAL_BYTES = 256 * 2**20  # of what is unpacked
RATIO = 200  # unpacked over packed bytes, of all that is unpacked …
RATIO_FROM = 2**20  # … from so many bytes on
DEPTH = 8  # folders above a file
LONGEST = 200  # characters of the name of a file or folder
CHUNK = 2**16
MARKS = (b"PK\x03\x04", b"PK\x05\x06")  # of a zip with and without entries
FORBIDDEN = frozenset('\\:*?"<>|')  # in names, on some system or other
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the oldest date that a zip can hold
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


@dataclass(frozen=True)
class Unpacked:
    """What was taken out of an archive, and the names of what was left in it."""

    files: tuple[Path, ...]
    left: tuple[str, ...]


def is_zip(content: bytes) -> bool:
    """Tell whether bytes begin as a zip archive does."""
    return content.startswith(MARKS)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Pack files into a zip, by name; the same files give the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, FIRST_DAY)
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return target.getvalue()


def unpack(content: bytes, folder: Path, endings: tuple[str, ...]) -> Unpacked:
    """Unpack the files with these endings into an empty folder; nothing is written outside it.

    Hidden files and the folders that macOS adds are passed over. Sizes are counted while unpacking, whatever the
    archive says of itself.

    Raises
    ------
    InputError
        If it is no whole zip, is encrypted, or holds a link, a device, a name that leads elsewhere or that two entries
        share, or more than the limits above.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _unpack(archive, folder, endings)
    except InputError:
        raise
    except _FAULTS as fault:
        raise InputError(
            f"zip: it cannot be unpacked ({fault or type(fault).__name__}); pack the folder again"
        ) from fault


def _unpack(archive: zipfile.ZipFile, folder: Path, endings: tuple[str, ...]) -> Unpacked:
    entries = archive.infolist()
    if len(entries) > ENTRIES:
        raise InputError(f"zip: found {len(entries):,} entries, expected {ENTRIES:,} at most")
    wanted: dict[PurePosixPath, zipfile.ZipInfo] = {}
    taken: dict[str, str] = {}
    left = []
    for entry in entries:
        path = _checked(entry)
        if entry.is_dir() or _is_hidden(path):
            continue
        if taken.setdefault(str(path).casefold(), entry.filename) != entry.filename or path in wanted:
            raise InputError(f"zip: found {entry.filename!r:.99} twice (capitals aside), expected each name once")
        if path.name.lower().endswith(endings):
            wanted[path] = entry
        else:
            left.append(str(path))
    if len(wanted) > FILES:
        raise InputError(f"zip: found {len(wanted):,} files of labels, expected {FILES:,} at most")
    parents = {str(parent).casefold() for path in wanted for parent in path.parents}
    if both := sorted(parents & {str(path).casefold() for path in wanted}):
        raise InputError(f"zip: found {both[0]!r:.99} both as a file and as a folder")
    written, total = [], 0
    packed = sum(entry.compress_size for entry in wanted.values())
    for path, entry in wanted.items():
        target = folder.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("xb") as copy:
            while chunk := source.read(CHUNK):
                total += len(chunk)
                if total > TOTAL_BYTES or (total > RATIO_FROM and total > RATIO * min(packed, len_of(archive))):
                    raise InputError(
                        f"zip: it unpacks to more than {TOTAL_BYTES >> 20} MB, or to more than {RATIO} times its own "
                        "size; expected labels"
                    )
                copy.write(chunk)
        written.append(target)
    return Unpacked(tuple(written), tuple(left))


def len_of(archive: zipfile.ZipFile) -> int:
    """Bytes of the archive itself, which it cannot lie about."""
    stream = archive.fp
    return 0 if stream is None else stream.seek(0, io.SEEK_END)


def _checked(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Return an entry's path, or raise InputError where it is not a plain file or folder below the archive's root."""
    name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
    path = PurePosixPath(name)
    shown = f"zip: found {name!r:.99}"
    parts = name.rstrip("/").split("/")
    strange = any(part in ("", ".", "..") or len(part) > LONGEST or part != part.strip() for part in parts)
    if strange or FORBIDDEN & set(name) or not name.isprintable() or len(parts) > DEPTH + 1:
        raise InputError(f"{shown}, expected names of files below the archive's own folder")
    if entry.flag_bits & 1:
        raise InputError(f"{shown}, which is encrypted; pack it without a password")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"{shown}, which is a link or a device, expected files and folders")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{shown}, which is packed in an unusual way; pack it with the usual compression")
    return path


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
