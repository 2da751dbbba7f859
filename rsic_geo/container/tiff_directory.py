"""The directories of a TIFF or BigTIFF: which images it holds, and where their blocks lie."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import ContainerError, RsicGeoError

_TYPES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 7: "u1", 16: "u8"}
_MOST_IMAGES, MOST_TAGS = 64, 1024
_EDGE = 4
"""Bytes before and behind a block that GDAL adds."""
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
