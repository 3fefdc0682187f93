"""TIFF stacks: multi-page TIFF and BigTIFF, plain, of ImageJ or OME, contiguous or page by page."""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io.sources import FileVolume, RawVolume, Source, muting, naming, overhearing, without_channels
from famous.io.tiff_metadata import TiffFacts, read_facts
from famous.words import counted

if TYPE_CHECKING:
    import tifffile

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2")
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_WIDTH, _HEIGHT, _BITS, _SAMPLES, _FORMAT, _SUBFILE = 256, 257, 258, 277, 339, 254
_MAX_TAGS = 4096  # more in one page means a damaged offset
_FORMATS = {1: "unsigned", 2: "signed", 3: "floating point", 4: "unsigned"}
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True)
class Page:
    """Where a page's directory lies in the file, and what one look at it tells."""

    offset: int
    height: int
    width: int
    bits: int
    samples: int
    sample_format: int
    is_reduced: bool

    @property
    def kind(self) -> tuple[int, ...]:
        """What all pages of a stack must share."""
        return self.height, self.width, self.bits, self.samples, self.sample_format


class TiffPages(FileVolume):
    """Slices that are pages of one file, or single-page files of their own; each read looks only at its own page."""

    def __init__(
        self, files: Sequence[tuple[Path, int]], shape: Sequence[int], dtype: np.dtype[Any], root: Path
    ) -> None:
        super().__init__(root, shape, dtype)
        self.files = files

    def name_of(self, z: int) -> str:
        """Name the file, and the page where the file has several."""
        path, _ = self.files[z]
        return f"{path}, page {z}" if path == self.path else str(path)

    def read(self, z: int) -> NDArray[Any]:
        """Read slice z."""
        path, offset = self.files[z]
        return without_channels(self.name_of(z), read_page(path, offset, self.name_of(z)))


class TiffPlanes(FileVolume):
    """Slices that are the planes of one page, compressed together."""

    def __init__(self, path: Path, offset: int, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        super().__init__(path, shape, dtype)
        self.offset = offset

    def read(self, z: int) -> NDArray[Any]:
        """Read slice z (the whole page is decoded)."""
        image: NDArray[Any] = read_page(self.path, self.offset, str(self.path))[z]
        return image


def open_tiff(path: Path) -> Source:
    """Open a TIFF file as a stack, one page a slice."""
    pages, facts, notes = look_into(path)
    first = pages[0]
    for number, page in enumerate(pages):
        require_alike(page, first, path, f"{path}, page {number}", "the first page")
    volume: FileVolume
    if len(pages) == 1 and facts.planes is not None:
        shape, dtype, offset = facts.planes
        with naming(path, "a TIFF stack"):
            volume = (
                RawVolume(path, shape, dtype, offset) if offset >= 0 else TiffPlanes(path, first.offset, shape, dtype)
            )
    else:
        if facts.expected_pages > len(pages):
            raise InputError(
                f"{path}: found {len(pages)} pages, expected {facts.expected_pages} as its description says; "
                "the file is cut short or part of a set (give the folder, or save the stack as one file)"
            )
        sample = read_page(path, first.offset, f"{path}, page 0")
        grey = without_channels(f"{path}, page 0", sample)
        if grey.ndim < sample.ndim:
            notes.append(f"{path.name}: RGB pages with three equal channels are read as grey")
        files = [(path, page.offset) for page in pages]
        volume = TiffPages(files, (len(pages), *grey.shape), grey.dtype, path)
        last = len(pages) - 1
        if last:  # a file that was cut short shows it at its end
            check_extent(path, pages[last].offset, f"{path}, page {last}")
    return Source("TIFF", volume, (path,), facts.voxel_size, notes=(*notes, *facts.notes))


def require_alike(page: Page, first: Page, path: Path, name: str, first_name: str) -> None:
    """Raise InputError where a page is of another size or type than the first one, or a colour picture among grey."""
    if page.kind == first.kind:
        return
    if page.samples >= 3 > first.samples:
        image = read_page(path, page.offset, name)
        without_channels(name, image if image.shape[-1] == page.samples else np.moveaxis(image, 0, -1))
    raise InputError(
        f"{name}: found {_described(page)}, expected {_described(first)} as in {first_name}; "
        "all slices of a stack have one size and type"
    )


def look_into(path: Path) -> tuple[list[Page], TiffFacts, list[str]]:
    """Return the full-size pages of a file, what its metadata say, and notes; InputError where it is no sound TIFF."""
    import tifffile

    with naming(path, "a TIFF file"), path.open("rb") as file:
        pages = walk_pages(path, file)
    notes: list[str] = []
    full = [page for page in pages if not page.is_reduced] or pages
    if len(full) < len(pages):
        notes.append(f"{path.name}: {len(pages) - len(full)} pages of reduced resolution are left out")
    with (
        naming(path, "a TIFF file"),
        overhearing("tifffile") as heard,
        tifffile.TiffFile(path, _multifile=False) as tiff,
    ):
        facts = read_facts(path, tiff, len(full))
    notes += [f"{path.name}: {text}" for text in dict.fromkeys(heard)]
    return full, facts, notes


def read_page(path: Path, offset: int, name: str) -> NDArray[Any]:
    """Decode the page whose directory lies at an offset: (y, x), (y, x, channels) or (planes, y, x)."""
    import tifffile

    with naming(name, "a TIFF page"):
        with muting("tifffile"), tifffile.TiffFile(path, _multifile=False) as tiff:
            page = _checked_page(path, tiff, offset, name)
            with muting("tifffile") as heard:
                image: NDArray[Any] = page.asarray()
        if heard:
            raise InputError(
                f"{name}: found damaged data ({heard[0][:160]}), expected {page.shape} pixels; copy the file again"
            )
    return image


def check_extent(path: Path, offset: int, name: str) -> None:
    """Raise InputError where the data of the page at the offset reach beyond the file."""
    import tifffile

    with naming(name, "a TIFF page"), muting("tifffile"), tifffile.TiffFile(path, _multifile=False) as tiff:
        _checked_page(path, tiff, offset, name)


def walk_pages(path: Path, file: BinaryIO) -> list[Page]:
    """Follow the chain of page directories to its end; InputError where it breaks off or turns in a circle.

    Libraries end the list of pages silently at a broken link: a stack would lose its last slices unseen.
    """
    size = os.fstat(file.fileno()).st_size
    magic = file.read(4)
    if magic not in MAGIC:
        raise InputError(
            f"{path}: found the first bytes {magic!r}, expected a TIFF file ({MAGIC[0]!r} or {MAGIC[1]!r})"
        )
    order = "<" if magic[:2] == b"II" else ">"
    big = b"+" in magic
    link, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    if big:
        file.seek(8)
    pages: list[Page] = []
    seen: set[int] = set()
    while offset := _unpack(file, order + link):
        if offset in seen or offset + struct.calcsize(order + count) > size:
            what = "a circle" if offset in seen else f"a page at byte {offset} of {size}"
            raise InputError(
                f"{path}, page {len(pages)}: found {what}, expected the next page; the file is truncated or damaged"
            )
        seen.add(offset)
        file.seek(offset)
        tags = _unpack(file, order + count)
        if not 0 < tags <= _MAX_TAGS or len(block := file.read(tags * entry)) < tags * entry:
            raise InputError(
                f"{path}, page {len(pages)}: found a broken directory, expected a page's tags; the file is damaged"
            )
        link_at = file.tell()
        pages.append(page := _page(offset, block, order, entry, file))
        if min(page.height, page.width, page.bits) < 1:
            raise InputError(
                f"{path}, page {len(pages) - 1}: found a directory that lacks the page's height, width or bits, "
                "expected all three; the file is damaged, copy it again"
            )
        file.seek(link_at)
    if not pages:
        raise InputError(f"{path}: found no page, expected a TIFF stack")
    return pages


def _unpack(file: BinaryIO, layout: str) -> int:
    (value,) = struct.unpack(layout, file.read(struct.calcsize(layout)))
    return int(value)


def _page(offset: int, block: bytes, order: str, entry: int, file: BinaryIO) -> Page:
    """Read the tags that describe a page from its directory; 0 where height, width or bits are lost."""
    found: dict[int, int] = {}
    is_whole = True
    counter, room = ("Q", 8) if entry == 20 else ("I", 4)
    for at in range(0, len(block), entry):
        tag, kind, number = struct.unpack_from(f"{order}HH{counter}", block, at)
        layout = _TYPES.get(kind)
        is_whole = is_whole and tag > 0 and kind > 0
        if tag > _FORMAT or layout is None:
            continue
        if number * struct.calcsize(layout) <= room and number:
            found[tag] = struct.unpack_from(order + layout, block, at + entry - room)[0]
        elif tag == _BITS and number:  # of several channels: the directory says where they are
            file.seek(struct.unpack_from(order + ("Q" if room == 8 else "I"), block, at + entry - room)[0])
            found[tag] = _unpack(file, order + layout)
    return Page(
        offset=offset,
        height=found.get(_HEIGHT, 0),
        width=found.get(_WIDTH, 0),
        bits=found.get(_BITS, 1 if is_whole else 0),  # 1 is what TIFF takes where nothing is said
        samples=found.get(_SAMPLES, 1),
        sample_format=found.get(_FORMAT, 1),
        is_reduced=bool(found.get(_SUBFILE, 0) & 1),
    )


def _checked_page(path: Path, tiff: "tifffile.TiffFile", offset: int, name: str) -> "tifffile.TiffPage":
    """Return the page at the offset, its data inside the file and complete."""
    import tifffile

    tiff.filehandle.seek(offset)
    page = tifffile.TiffPage(tiff, index=0)
    size = tiff.filehandle.size
    claimed = int(np.prod(page.shape, dtype=object)) * (page.dtype.itemsize if page.dtype is not None else 1)
    if page.dtype is None or claimed <= 0:
        raise InputError(f"{name}: found no pixels {page.shape}, expected an image")
    if claimed > 2**28 and claimed > 100_000 * size:
        raise InputError(f"{name}: found {page.shape} pixels claimed by a file of {size} bytes; the file is damaged")
    ends = [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or max(ends) > size:
        raise InputError(
            f"{name}: found data up to byte {max(ends, default=0)} of {size}; the file is truncated, copy it again"
        )
    voxels = int(np.prod(page.shape, dtype=object))
    is_short = page.compression == 1 and sum(page.databytecounts) * 8 < voxels * page.bitspersample
    if len(ends) != int(np.prod(page.chunked)) or is_short:
        raise InputError(
            f"{name}: found {len(ends)} blocks of {sum(page.databytecounts)} bytes, too few for {page.shape} pixels; "
            "the file is damaged"
        )
    return page


def _described(page: Page) -> str:
    kind = _FORMATS.get(page.sample_format, f"kind {page.sample_format}")
    return f"{page.height} × {page.width} pixels of {page.bits} bits ({kind}, {counted(page.samples, 'channel')})"
