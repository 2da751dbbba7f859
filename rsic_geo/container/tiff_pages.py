"""The pages of a learned archive: written and read with tifffile, checksummed as ``TIFF.md`` describes."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import ChecksumError, ContainerError, MissingDependencyError

COMPRESSION_TAG = 259
PRIVATE_COMPRESSION = 65271
"""Value of the Compression tag: tiles are payloads of rsic_geo."""
MARK_TAG = 65271
"""Tag of the first page that says it is the preview of an archive."""
SIDE_TAG = 65272
"""Tag of the full-resolution page that holds the side information."""
START_MAGIC = b"RSIC-TIFF-PAGE-1"
END_MAGIC = b"RSIC-TIFF-END-1\n"
CLASSIC_LIMIT = 4_000_000_000
"""Longest file that is written as classic TIFF (bytes)."""
DESCRIPTION = "Preview of an archive of rsic_geo; the full resolution is in a SubIFD: rsic decompress"

_GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 50844)
_METADATA_TAG = 42112
_JPEG_TAGS = (347, 530, 532)
_PHOTOMETRIC = 262
_DEFLATE = 8
_FULL, _MASK = 0, 1
_STRUCTURE, _PREVIEW = 0, 1
_RANGE = struct.Struct(">BQQI")
_TAIL = struct.Struct(">II16s")
_MAX_RANGES = 1 << 16
_COPY_BYTES = 1 << 20
_HINT = "copy the file again from its source, or restore it from a backup"


def tifffile() -> ModuleType:
    """Return the module tifffile.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import tifffile as module
    except ImportError as error:
        raise MissingDependencyError(
            "archives of the learned codec need tifffile: pip install 'rsic-geo[learned]'"
        ) from error
    return module


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffLayout:
    """What the full-resolution page holds."""

    height: int
    width: int
    bands: int
    dtype: str
    tile_size: int
    """Side of a tile (px), a multiple of 16."""
    is_rgb: bool = False
    """Whether bands 0, 1, 2 are red, green, blue."""
    has_mask: bool = False

    @property
    def tile_count(self) -> int:
        """Tiles of the page, row by row."""
        return -(-self.height // self.tile_size) * -(-self.width // self.tile_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The first page."""

    picture: bytes
    """A TIFF of one strip, JPEG or Deflate, 8 bit, one or three bands."""
    place: bytes | None
    """A TIFF of one pixel with georeference and metadata of the preview; None without."""
    mask: npt.NDArray[np.bool_] | None = None
    """(h, w), True where the preview is valid; None where all of it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Everything an archive is made of."""

    layout: TiffLayout
    preview: Preview
    place: bytes | None
    side: bytes
    tiles: Iterator[bytes]
    tile_bytes: int
    masks: Iterator[bytes] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where the parts of an archive lie."""

    layout: TiffLayout
    side: bytes
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    mask_offsets: tuple[int, ...] = ()
    mask_lengths: tuple[int, ...] = ()


def write_pages(path: Path, pages: Pages) -> None:
    """Write the TIFF: preview, in its SubIFDs the full resolution and its mask, then the preview's mask."""
    lib, layout = tifffile(), pages.layout
    size = layout.tile_size
    largest = pages.tile_bytes + len(pages.side) + 64 * layout.tile_count
    if pages.masks is not None:
        largest += layout.tile_count * size * size // 8
    with lib.TiffWriter(path, bigtiff=largest > CLASSIC_LIMIT, byteorder="<") as writer:
        codes = _write_preview(writer, pages)
        writer.write(
            pages.tiles,
            shape=(layout.height, layout.width) + ((layout.bands,) if layout.bands > 1 else ()),
            dtype=layout.dtype,
            tile=(size, size),
            compression=_DEFLATE,
            photometric="rgb" if layout.is_rgb and layout.bands >= 3 else "minisblack",
            planarconfig="contig" if layout.bands > 1 else None,
            extratags=[*_tags(pages.place, _GEO_TAGS), (SIDE_TAG, 7, len(pages.side), pages.side, True)],
            **_QUIET,
        )
        if pages.masks is not None:
            writer.write(
                pages.masks,
                shape=(layout.height, layout.width),
                dtype=bool,
                tile=(size, size),
                compression=_DEFLATE,
                photometric=4,
                subfiletype=4,
                **_QUIET,
            )
        if pages.preview.mask is not None:
            mask = pages.preview.mask
            writer.write(
                iter([zlib.compress(np.packbits(mask, axis=1).tobytes(), 9)]),
                shape=mask.shape,
                dtype=bool,
                compression=_DEFLATE,
                rowsperstrip=mask.shape[0],
                photometric=4,
                subfiletype=4,
                **_QUIET,
            )
    # tifffile writes no code it cannot encode itself, so the codes are put right afterwards
    with lib.TiffFile(path, mode="r+") as file:
        first = file.pages[0]
        if codes != (_DEFLATE, int(first.photometric)):
            first.tags[COMPRESSION_TAG].overwrite(codes[0])
            first.tags[_PHOTOMETRIC].overwrite(codes[1])
        first.pages[_FULL].tags[COMPRESSION_TAG].overwrite(PRIVATE_COMPRESSION)


_QUIET: dict[str, Any] = {"metadata": None, "software": False}


def _write_preview(writer: Any, pages: Pages) -> tuple[int, int]:  # noqa: ANN401
    """Write the first page; return the codes of its compression and colours."""
    with tifffile().TiffFile(io.BytesIO(pages.preview.picture)) as file:
        page = file.pages[0]
        offset, length = page.dataoffsets[0], page.databytecounts[0]
        if len(page.dataoffsets) != 1:
            raise ContainerError("a preview is one strip")
        is_colour = bool(page.samplesperpixel == 3)
        strip = pages.preview.picture[offset : offset + length]
        writer.write(
            iter([strip]),
            shape=(page.imagelength, page.imagewidth) + ((3,) if is_colour else ()),
            dtype="uint8",
            compression=_DEFLATE,
            photometric="rgb" if is_colour else "minisblack",
            planarconfig="contig" if is_colour else None,
            rowsperstrip=page.imagelength,
            subfiletype=1,
            subifds=1 if pages.masks is None else 2,
            description=DESCRIPTION,
            extratags=[
                *_tags(pages.preview.picture, _JPEG_TAGS),
                *_tags(pages.preview.place, (*_GEO_TAGS, _METADATA_TAG)),
                (MARK_TAG, 7, len(START_MAGIC), START_MAGIC, True),
            ],
            **_QUIET,
        )
        return int(page.tags[COMPRESSION_TAG].value), int(page.tags[_PHOTOMETRIC].value)


def _tags(tiff: bytes | None, codes: tuple[int, ...]) -> list[tuple[int, int, int, Any, bool]]:
    """Return some tags of a small TIFF as tifffile writes them."""
    if tiff is None:
        return []
    with tifffile().TiffFile(io.BytesIO(tiff)) as file:
        tags = file.pages[0].tags
        return [
            (code, int(tags[code].dtype), tags[code].count, _as_written(tags[code].value), True)
            for code in codes
            if code in tags
        ]


def _as_written(value: Any) -> Any:  # noqa: ANN401
    """Return text as GDAL writes it, in UTF-8; tifffile itself writes ASCII only."""
    return value.encode() if isinstance(value, str) else value


def find_pages(path: Path) -> Found:
    """Return where the parts of an archive lie, whose structure was found whole by :func:`read_footer`.

    Raises:
        ContainerError: the pages are not those of an archive.
    """
    with tifffile().TiffFile(path) as file:
        first = file.pages[0]
        inner = list(first.pages or ())
        full = inner[_FULL] if inner else None
        if MARK_TAG not in first.tags or full is None or SIDE_TAG not in full.tags:
            raise ContainerError("the file holds no full-resolution page of rsic_geo")
        mask = inner[_MASK] if len(inner) > _MASK else None
        if int(full.tags[COMPRESSION_TAG].value) != PRIVATE_COMPRESSION or full.tilewidth != full.tilelength:
            raise ContainerError("the full-resolution page is not one that rsic_geo writes")
        if mask is not None and mask.shape != (full.imagelength, full.imagewidth):
            raise ContainerError("the mask page is that of another scene")
        return Found(
            layout=TiffLayout(
                height=int(full.imagelength),
                width=int(full.imagewidth),
                bands=int(full.samplesperpixel),
                dtype=np.dtype(full.dtype).name,
                tile_size=int(full.tilewidth),
                is_rgb=int(full.photometric) == 2,
                has_mask=mask is not None,
            ),
            side=bytes(full.tags[SIDE_TAG].value),
            offsets=tuple(map(int, full.dataoffsets)),
            lengths=tuple(map(int, full.databytecounts)),
            mask_offsets=() if mask is None else tuple(map(int, mask.dataoffsets)),
            mask_lengths=() if mask is None else tuple(map(int, mask.databytecounts)),
        )


def write_footer(path: Path) -> None:
    """Append the checksums of everything but the payloads, which have their own."""
    with tifffile().TiffFile(path) as file:
        first = file.pages[0]
        previews = list(zip(first.dataoffsets, first.databytecounts, strict=True))
        full = first.pages[_FULL]
        payloads = list(zip(full.dataoffsets, full.databytecounts, strict=True))
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        ranges = [(_STRUCTURE, start, length) for start, length in _between(previews + payloads, size)]
        ranges += [(_PREVIEW, start, length) for start, length in previews]
        table = b"".join(
            _RANGE.pack(kind, start, length, range_crc(file, start, length)) for kind, start, length in ranges
        )
        file.seek(0, os.SEEK_END)
        file.write(table + _TAIL.pack(len(ranges), zlib.crc32(table), END_MAGIC))


def read_footer(file: BinaryIO) -> list[tuple[int, int, int]]:
    """Check all structure of an archive; return offset, length and CRC-32 of what only the preview needs.

    Raises:
        ContainerError: the end of the file is not that of an archive.
        ChecksumError: the structure is damaged.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL.size))
    tail = file.read()
    if len(tail) != _TAIL.size or tail[-len(END_MAGIC) :] != END_MAGIC:
        raise ChecksumError(f"the archive's end is missing or damaged: {_HINT}")
    count, crc, _ = _TAIL.unpack(tail)
    table_at = size - _TAIL.size - count * _RANGE.size
    if not 1 <= count <= _MAX_RANGES or table_at < 8:
        raise ChecksumError(f"the archive's end is damaged: {_HINT}")
    file.seek(table_at)
    table = file.read(count * _RANGE.size)
    if zlib.crc32(table) != crc:
        raise ChecksumError(f"the archive's end is damaged: {_HINT}")
    previews = []
    ranges = sorted(_RANGE.iter_unpack(table), key=itemgetter(1))
    ends = [start + length for _, start, length, _ in ranges]
    if ends[-1] > table_at or any(end > each[1] for end, each in zip(ends, ranges[1:], strict=False)):
        raise ContainerError("the archive's checksums are those of another file")
    for kind, start, length, expected in ranges:
        if kind == _PREVIEW:
            previews.append((start, length, expected))
        elif range_crc(file, start, length) != expected:
            raise ChecksumError(f"the archive's structure is damaged: {_HINT}")
    return previews


def range_crc(file: BinaryIO, offset: int, length: int) -> int:
    """Return the CRC-32 of a part of a file."""
    file.seek(offset)
    crc = 0
    while length > 0:
        block = file.read(min(length, _COPY_BYTES))
        if not block:
            break
        crc = zlib.crc32(block, crc)
        length -= len(block)
    return crc


def _between(segments: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length of what lies outside of all segments."""
    at = 0
    for start, length in sorted(segments):
        if start > at:
            yield at, start - at
        at = max(at, start + length)
    if size > at:
        yield at, size - at
