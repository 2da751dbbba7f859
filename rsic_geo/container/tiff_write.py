"""Writing the TIFF structure of a learned archive in as few bytes as it takes.

Everything a reader needs before the first payload comes first, in one piece: header, directories, their
values. Values that two pages share are stored once, and fields at the default of TIFF 6.0 are left out, which
libraries do not do: on a small scene every byte here is one the codec cannot use.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from rsic_geo.container.tiff_directory import END_MAGIC, MARK, MARK_TAG
from rsic_geo.container.tiff_pages import (
    COMPRESSION_TAG,
    DESCRIPTION,
    FOOTER,
    PRIVATE_COMPRESSION,
    SEAL,
    SIDE_TAG,
    TiffLayout,
    tifffile,
)
from rsic_geo.errors import ContainerError

CLASSIC_LIMIT = 4_000_000_000
"""Longest file that is written as classic TIFF (bytes)."""

_ASCII, _SHORT, _LONG, _UNDEFINED, _LONG8 = 2, 3, 4, 7, 16
_SUBFILE, _WIDTH, _LENGTH, _BITS, _COLOURS, _DESCRIPTION_TAG = 254, 256, 257, 258, 262, 270
_STRIP_OFFSETS, _SAMPLES, _STRIP_ROWS, _STRIP_COUNTS, _PREDICTOR, _SUBIFDS = 273, 277, 278, 279, 317, 330
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS, _EXTRA, _FORMAT = 322, 323, 324, 325, 338, 339
_GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 50844)
_METADATA_TAG = 42112
_JPEG_TAGS = (347, 530, 532)
_PICTURE_TAGS = (_WIDTH, _LENGTH, _BITS, COMPRESSION_TAG, _COLOURS, _SAMPLES, _PREDICTOR, *_JPEG_TAGS)
_DEFLATE = 8
_REDUCED, _MASK = 1, 4
_GREY, _RGB, _TRANSPARENCY = 1, 2, 4
_FORMATS = {"u": 1, "i": 2, "f": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The first page."""

    picture: bytes
    """A little-endian TIFF of one strip, JPEG or Deflate, 8 bit, one or three bands."""
    place: bytes | None
    """A little-endian TIFF of one pixel with georeference and metadata of the preview; None without."""
    mask: npt.NDArray[np.bool_] | None = None
    """(h, w), True where the preview is valid; None where all of it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Everything an archive is made of."""

    layout: TiffLayout
    preview: Preview
    place: bytes | None
    """A little-endian TIFF of one pixel with the georeference of the full resolution; None without."""
    side: bytes
    tiles: Iterator[bytes]
    tile_lengths: Sequence[int]
    masks: Iterator[bytes] | None


@dataclass(frozen=True, slots=True)
class _Tag:
    """One field of a directory."""

    code: int
    kind: int
    count: int
    value: bytes
    """Little-endian."""
    is_shared: bool = False
    """Whether another directory's equal value may stand for it."""


@dataclass(slots=True)
class _Places:
    """Where things lie that directories point to: zeros while the directories are measured."""

    directories: list[int]
    preview: int = 0
    preview_mask: int = 0
    payloads: int = 0
    masks: int = 0
    mask_lengths: list[int] = field(default_factory=list)


def write_pages(path: Path, pages: Pages) -> int:
    """Write an archive and return its length (bytes).

    Order: structure, preview and its mask, payloads, mask tiles, footer.

    Raises:
        ContainerError: the preview is not one strip, or a mask does not compress.
    """
    layout = pages.layout
    mask_room = 0 if pages.masks is None else layout.tile_count * (layout.tile_size**2 // 8 + 1024)
    largest = sum(pages.tile_lengths) + len(pages.side) + mask_room + 64 * layout.tile_count
    is_big = largest > CLASSIC_LIMIT
    strip = _strip_of(pages.preview.picture)
    preview_mask = b"" if pages.preview.mask is None else _packed(pages.preview.mask)
    count = 2 + (pages.masks is not None) + (pages.preview.mask is not None)
    places = _Places([0] * count, mask_lengths=[0] * (layout.tile_count if pages.masks is not None else 0))
    lengths = (len(strip), len(preview_mask))
    head, directories = _structure(_directories(pages, places, lengths, is_big), pages, is_big)
    places.directories, places.preview = directories, len(head)
    places.preview_mask = places.preview + len(strip)
    places.payloads = places.preview_mask + len(preview_mask)
    places.masks = places.payloads + sum(pages.tile_lengths)
    with path.open("wb") as file:
        file.write(bytes(len(head)) + strip + preview_mask)
        for tile in pages.tiles:
            file.write(tile)
        if file.tell() != places.masks:
            raise ContainerError("tiles have other lengths than they were said to have")
        mask_crc = _write_masks(file, pages.masks, places)
        head, _ = _structure(_directories(pages, places, lengths, is_big), pages, is_big)
        borders = (places.preview, places.payloads, places.masks)
        said = FOOTER[is_big].pack(*borders, zlib.crc32(strip + preview_mask))
        file.write(said + SEAL.pack(zlib.crc32(said, zlib.crc32(head, mask_crc)), END_MAGIC))
        length = file.tell()
        file.seek(0)
        file.write(head)
    return length


def _write_masks(file: BinaryIO, masks: Iterator[bytes] | None, places: _Places) -> int:
    """Write the mask's tiles, note their lengths, return the CRC-32 of them all."""
    crc = 0
    for number, packed in enumerate(masks or ()):
        places.mask_lengths[number] = len(packed)
        crc = zlib.crc32(packed, crc)
        file.write(packed)
    return crc


def _structure(directories: list[list[_Tag]], pages: Pages, is_big: bool) -> tuple[bytes, list[int]]:
    """Return header, directories and values, and where each directory begins."""
    number = struct.Struct("<Q" if is_big else "<I")
    entry = struct.Struct("<HHQ" if is_big else "<HHI")
    out = bytearray(b"II\x2b\0\x08\0\0\0" if is_big else b"II\x2a\0")
    out += number.pack(len(out) + number.size)
    starts, at = [], len(out)
    for tags in directories:
        starts.append(at)
        at += (8 if is_big else 2) + len(tags) * (entry.size + number.size) + number.size
    values = bytearray()
    shared: dict[bytes, int] = {}
    for place, tags in enumerate(directories):
        out += struct.pack("<Q" if is_big else "<H", len(tags))
        for tag in sorted(tags, key=lambda tag: tag.code):
            out += entry.pack(tag.code, tag.kind, tag.count)
            if len(tag.value) <= number.size:
                out += tag.value.ljust(number.size, b"\0")
                continue
            known = shared.get(tag.value) if tag.is_shared else None
            if known is None:
                known = at + len(values)
                values += tag.value + b"\0" * (len(tag.value) % 2)
            if tag.is_shared:
                shared[tag.value] = known
            out += number.pack(known)
        is_followed = place == 0 and pages.preview.mask is not None
        out += number.pack(starts[-1] if is_followed else 0)
    return bytes(out + values), starts


def _directories(pages: Pages, places: _Places, lengths: tuple[int, int], is_big: bool) -> list[list[_Tag]]:
    """Return the tags of preview, full resolution, its mask, and the preview's mask; the last two if any."""
    layout, size = pages.layout, pages.layout.tile_size
    inner = places.directories[1 : 2 + (pages.masks is not None)]
    found = [
        [
            _short(_SUBFILE, _REDUCED, kind=_LONG),
            *_copied(pages.preview.picture, _PICTURE_TAGS),
            _Tag(_DESCRIPTION_TAG, _ASCII, len(DESCRIPTION) + 1, DESCRIPTION.encode("ascii") + b"\0"),
            *_strip_tags(places.preview, lengths[0], _rows_of(pages.preview.picture), is_big),
            _offsets(_SUBIFDS, inner, is_big),
            *_copied(pages.preview.place, (*_GEO_TAGS, _METADATA_TAG)),
            _Tag(MARK_TAG, _UNDEFINED, len(MARK), MARK),
        ],
        [
            *_size_tags(layout.height, layout.width),
            *_sample_tags(layout),
            _short(COMPRESSION_TAG, PRIVATE_COMPRESSION),
            *_tile_tags(size, places.payloads, pages.tile_lengths, is_big),
            *_copied(pages.place, _GEO_TAGS),
            _Tag(SIDE_TAG, _UNDEFINED, len(pages.side), pages.side),
        ],
    ]
    if pages.masks is not None:
        tiles = _tile_tags(size, places.masks, places.mask_lengths, is_big, is_long=True)
        found.append([*_mask_tags(layout.height, layout.width), *tiles])
    if pages.preview.mask is not None:
        strip = _strip_tags(places.preview_mask, lengths[1], len(pages.preview.mask), is_big)
        found.append([*_mask_tags(*pages.preview.mask.shape), *strip])
    return found


def _size_tags(height: int, width: int) -> list[_Tag]:
    return [_short(_WIDTH, width, kind=_LONG), _short(_LENGTH, height, kind=_LONG)]


def _sample_tags(layout: TiffLayout) -> list[_Tag]:
    """Return what the samples of the full resolution are."""
    kind, bands = np.dtype(layout.dtype), layout.bands
    is_rgb = layout.is_rgb and bands >= 3
    tags = [_shorts(_BITS, [kind.itemsize * 8] * bands), _short(_COLOURS, _RGB if is_rgb else _GREY)]
    if bands > 1:
        tags.append(_short(_SAMPLES, bands))
    spare = bands - (3 if is_rgb else 1)
    if spare:
        tags.append(_shorts(_EXTRA, [0] * spare))
    if _FORMATS[kind.kind] != 1:
        tags.append(_shorts(_FORMAT, [_FORMATS[kind.kind]] * bands))
    return tags


def _mask_tags(height: int, width: int) -> list[_Tag]:
    """Return what a mask page says but for its pixels' place; one bit, one sample are TIFF's defaults."""
    return [
        _short(_SUBFILE, _MASK, kind=_LONG),
        *_size_tags(height, width),
        _short(COMPRESSION_TAG, _DEFLATE),
        _short(_COLOURS, _TRANSPARENCY),
    ]


def _strip_tags(offset: int, length: int, rows: int, is_big: bool) -> list[_Tag]:
    """Return what finds the one strip of a page; its rows too, though at the default: GDAL would warn."""
    return [
        _offsets(_STRIP_OFFSETS, [offset], is_big),
        _short(_STRIP_ROWS, rows),
        _short(_STRIP_COUNTS, length, kind=_LONG),
    ]


def _tile_tags(
    side: int, first: int, lengths: Sequence[int], is_big: bool, *, is_long: bool = False
) -> list[_Tag]:
    """Return what finds tiles that lie one behind another."""
    starts = first + np.cumsum([0, *lengths[:-1]], dtype=np.int64)
    kind = _LONG if is_long or max(lengths) > 0xFFFF else _SHORT
    counts = np.asarray(lengths, "<u4" if kind == _LONG else "<u2")
    return [
        _short(_TILE_WIDTH, side),
        _short(_TILE_LENGTH, side),
        _offsets(_TILE_OFFSETS, starts, is_big),
        _Tag(_TILE_COUNTS, kind, len(counts), counts.tobytes()),
    ]


def _short(code: int, value: int, *, kind: int = _SHORT) -> _Tag:
    return _Tag(code, kind, 1, value.to_bytes(4 if kind == _LONG else 2, "little"))


def _shorts(code: int, values: Sequence[int]) -> _Tag:
    return _Tag(code, _SHORT, len(values), np.asarray(values, "<u2").tobytes(), is_shared=True)


def _offsets(code: int, values: Sequence[int] | npt.NDArray[np.int64], is_big: bool) -> _Tag:
    packed = np.asarray(values, np.int64).astype("<u8" if is_big else "<u4").tobytes()
    return _Tag(code, _LONG8 if is_big else _LONG, len(values), packed)


def _copied(tiff: bytes | None, codes: tuple[int, ...]) -> list[_Tag]:
    """Return some tags of a small TIFF as they are."""
    if tiff is None:
        return []
    if tiff[:4] != b"II*\0":
        raise ContainerError("a part of the first page is no little-endian TIFF")
    with tifffile().TiffFile(io.BytesIO(tiff)) as file:
        tags = file.pages[0].tags
        return [
            _Tag(
                code,
                int(tags[code].dtype),
                tags[code].count,
                tiff[tags[code].valueoffset :][: tags[code].valuebytecount],
                is_shared=True,
            )
            for code in codes
            if code in tags
        ]


def picture_bytes(picture: bytes) -> int:
    """Return about how many bytes a preview's picture will take: its strip, and tags only JPEG needs."""
    extra = sum(12 + len(tag.value) for tag in _copied(picture, _JPEG_TAGS))
    return len(_strip_of(picture)) + extra


def _strip_of(picture: bytes) -> bytes:
    with tifffile().TiffFile(io.BytesIO(picture)) as file:
        page = file.pages[0]
        if len(page.dataoffsets) != 1:
            raise ContainerError("a preview is one strip")
        return picture[page.dataoffsets[0] :][: page.databytecounts[0]]


def _rows_of(picture: bytes) -> int:
    with tifffile().TiffFile(io.BytesIO(picture)) as file:
        return int(file.pages[0].imagelength)


def _packed(mask: npt.NDArray[np.bool_]) -> bytes:
    return zlib.compress(np.packbits(mask, axis=1).tobytes(), 9)
