"""The directories of a TIFF or BigTIFF: its images, where their blocks lie, and whose archive it is."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import ContainerError, RsicGeoError
from rsic_geo.raster.doors.vsi import open_bytes

VERSION = 2
"""Version of the layout of archives of tiles."""
MARK_TAG = 65271
"""Tag of the first page that says it is the preview of an archive of tiles."""
MARK = b"RSI%d" % VERSION
"""Value of that mark; its last byte is the version of the layout."""
END_MAGIC = b"RSICTIF%d" % VERSION
"""Last bytes of such an archive; the last one is the version of the layout."""
COG_TAG = 65273
"""Private tag of the first directory that tells an archive that is a COG."""
COG_MAGIC = b"RSICCOG1"
"""Value of that mark, and last bytes of the file; the last one is the version of the layout."""
HEAD_BYTES = 1 << 16
"""Beginning of a file in which the mark of its first page lies."""

_TYPES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 7: "u1", 16: "u8"}
_MOST_IMAGES, MOST_TAGS = 64, 1024
_EDGE = 4
"""Bytes before and behind a block that GDAL adds."""
_WRONG = 2
"""Bytes of a mark at the end that damage may have changed while it still tells."""
_MARKS = re.compile(rb"\xf7\xfe\x07\0\x04\0{3}(?:\0{4})?RSI([0-9])|RSIC-TIFF-PAGE-(1)", re.DOTALL)
Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory."""

    place: int
    """Where it lies in the file."""
    raw: bytes
    kind: int
    values: npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True)
class Form:
    """Byte order and width of a TIFF or BigTIFF."""

    order: str
    is_big: bool

    @property
    def offset(self) -> struct.Struct:
        """A place in the file."""
        return struct.Struct(self.order + ("Q" if self.is_big else "I"))

    @property
    def entries(self) -> struct.Struct:
        """The number of entries of a directory."""
        return struct.Struct(self.order + ("Q" if self.is_big else "H"))

    @property
    def entry(self) -> struct.Struct:
        """Tag, type, count, and the value or where it lies."""
        return struct.Struct(self.order + ("HHQ8s" if self.is_big else "HHI4s"))


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the file: the scene, a mask, or an overview of either."""

    tags: dict[int, Entry]

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first value of a tag."""
        entry = self.tags.get(tag)
        return default if entry is None or not len(entry.values) else int(entry.values[0])

    @property
    def is_mask(self) -> bool:
        """Whether it says where the image before it holds data."""
        return bool(self.number(254) & 4)

    @property
    def is_overview(self) -> bool:
        """Whether it is smaller than the scene."""
        return bool(self.number(254) & 1)

    @property
    def spans(self) -> Spans:
        """First and one-past-last byte of each block, with what GDAL writes around it, row by row."""
        offsets, lengths = self.tags[324].values.tolist(), self.tags[325].values.tolist()
        if len(offsets) != len(lengths) or not all(lengths):
            raise ContainerError("the file lacks blocks: it is no archive of rsic_geo")
        return [(o - _EDGE, o + n + _EDGE) for o, n in zip(offsets, lengths, strict=True)]


def form_of(file: BinaryIO) -> Form | None:
    """Return byte order and width of a TIFF; None for any other file."""
    file.seek(0)
    head = file.read(4)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 4:
        return None
    version = struct.unpack(order + "H", head[2:])[0]
    return Form(order, version == 43) if version in (42, 43) else None


def is_tiff_archive(path: str | Path) -> bool:
    """Return whether a file is an archive of tiles of ours, or what damage left of one.

    The mark in the first page and the one at the end of the file count each on its own; the latter also with
    a few wrong bytes. Copies that other programs made of the preview have neither.
    """
    try:
        with open_bytes(path) as file:
            if form_of(file) is None:
                return False
            file.seek(0)
            return version_of(file.read(HEAD_BYTES)) is not None or has_end(file, END_MAGIC)
    except OSError:
        return False


def version_of(head: bytes) -> int | None:
    """Return the version of the layout the first page's mark names; None without a mark.

    Args:
        head: the beginning of a file, with the first directory.
    """
    found = _MARKS.search(head)
    return None if found is None else int(found[1] or found[2])


def is_cog_archive(path: str | Path) -> bool:
    """Return whether a file is an archive that is a COG, or what damage left of one.

    Of what lies behind a name of GDAL's the mark alone tells: nobody fetches the end of each TIFF for it.
    """
    try:
        with open_bytes(path) as file:
            return has_mark(file) or (not str(path).startswith("/vsi") and has_end(file))
    except OSError:
        return False


def has_mark(file: BinaryIO) -> bool:
    """Return whether the first directory of a TIFF holds the mark; False for any other file."""
    if (form := form_of(file)) is None:
        return False
    try:
        file.seek(8 if form.is_big else 4)
        file.seek(form.offset.unpack(file.read(form.offset.size))[0])
        (count,) = form.entries.unpack(file.read(form.entries.size))
        table = file.read(min(count, MOST_TAGS) * form.entry.size)
        return any(entry[0] == COG_TAG for entry in form.entry.iter_unpack(table))
    except (struct.error, OverflowError, ValueError):
        return False


def has_end(file: BinaryIO, magic: bytes = COG_MAGIC) -> bool:
    """Return whether a TIFF ends like an archive, by default a COG: also with a few wrong bytes."""
    if form_of(file) is None:
        return False
    file.seek(-min(len(magic), file.seek(0, os.SEEK_END)), os.SEEK_END)
    return sum(a == b for a, b in zip(file.read(), magic, strict=False)) >= len(magic) - _WRONG


def images_of(file: BinaryIO) -> Iterator[Image]:
    """Yield the images of a TIFF, in the order of its directories.

    Raises:
        ContainerError: it is none, or directories are damaged.
    """
    form = form_of(file)
    if form is None:
        raise ContainerError("the file is no TIFF")
    size = file.seek(0, os.SEEK_END)
    try:
        file.seek(8 if form.is_big else 4)
        (place,) = form.offset.unpack(file.read(form.offset.size))
        for _ in range(_MOST_IMAGES):
            file.seek(place)
            (count,) = form.entries.unpack(file.read(form.entries.size))
            if count > MOST_TAGS:
                raise ValueError("too many tags")
            first = place + form.entries.size
            table = file.read(count * form.entry.size)
            (place,) = form.offset.unpack(file.read(form.offset.size))
            raw = [table[at : at + form.entry.size] for at in range(0, len(table), form.entry.size)]
            entries = [
                _entry(file, form, each, (first + n * form.entry.size, size)) for n, each in enumerate(raw)
            ]
            yield Image({struct.unpack(form.order + "H", each.raw[:2])[0]: each for each in entries})
            if not place:
                return
        raise ValueError("too many images")
    except (struct.error, ValueError, RsicGeoError, OverflowError) as error:
        raise ContainerError(f"the directories of the TIFF cannot be read ({error})") from error


def _entry(file: BinaryIO, form: Form, raw: bytes, bounds: tuple[int, int]) -> Entry:
    """Return an entry with its values; of types that are not looked at without them."""
    place, size = bounds
    _, kind, count, value = form.entry.unpack(raw)
    numbers = np.dtype(form.order + _TYPES[kind]) if kind in _TYPES else None
    if numbers is None:
        return Entry(place, raw, kind, np.zeros(0, np.uint8))
    length = count * numbers.itemsize
    if length > size:
        raise ValueError("a value is longer than the file")
    if length > len(value):
        file.seek(form.offset.unpack(value)[0])
        value = file.read(length)
    return Entry(place, raw, kind, np.frombuffer(value[:length], numbers, count))
