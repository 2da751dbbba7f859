"""JP2 boxes: writing their headers, walking through them without trusting a single number."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from rsic_geo.errors import ContainerError

SIGNATURE_BOX = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
"""The first box of every JP2 file, whole."""
MAX_BOXES = 65536
"""Boxes in one place; more means damage or malice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where one box lies in its file."""

    kind: bytes
    """Four-character type."""
    offset: int
    """Position of the first byte of the header (bytes)."""
    header_length: int
    """8, or 16 with an extended length (bytes)."""
    length: int
    """Length of header and content (bytes)."""
    is_open_ended: bool
    """True when the box says "until the end of the file" instead of a length."""

    @property
    def content_offset(self) -> int:
        """Position of the first byte of the content."""
        return self.offset + self.header_length

    @property
    def content_length(self) -> int:
        """Length of the content (bytes)."""
        return self.length - self.header_length

    @property
    def end(self) -> int:
        """Position behind the last byte."""
        return self.offset + self.length


def box_header(kind: bytes, content_length: int) -> bytes:
    """Return the header of a box, with an extended length where 32 bits do not suffice."""
    if content_length + 8 < 2**32:
        return struct.pack(">I4s", content_length + 8, kind)
    return struct.pack(">I4sQ", 1, kind, content_length + 16)


def make_box(kind: bytes, content: bytes) -> bytes:
    """Return a whole box."""
    return box_header(kind, len(content)) + content


def file_size(file: BinaryIO) -> int:
    """Return the length of an open file (bytes)."""
    return file.seek(0, 2)


def iter_boxes(file: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes between two positions of a file, in order, reading headers only.

    Raises:
        ContainerError: A box is shorter than its header or reaches past `end`, or there are too many.
    """
    limit = file_size(file) if end is None else end
    position = start
    for _ in range(MAX_BOXES):
        if position == limit:
            return
        box = _read_box(file, position, limit)
        yield box
        position = box.end
    raise ContainerError(f"the file holds more than {MAX_BOXES} boxes: it is damaged")


def read_content(file: BinaryIO, box: Box, max_length: int) -> bytes:
    """Return the content of a box.

    Raises:
        ContainerError: It is longer than `max_length`, or the file ends early.
    """
    if box.content_length > max_length:
        raise ContainerError(
            f"{named(box.kind)} holds {box.content_length} bytes, {max_length} are plausible"
        )
    file.seek(box.content_offset)
    content = file.read(box.content_length)
    if len(content) != box.content_length:
        raise ContainerError(f"{named(box.kind)} is cut short: copy the file again")
    return content


def named(kind: bytes) -> str:
    """Return what messages call a box; damage may leave anything for its four letters."""
    letters = kind.decode("latin-1").strip()
    return f"the {letters} box" if letters.isascii() and letters.isalnum() else "a box"


def _read_box(file: BinaryIO, position: int, limit: int) -> Box:
    file.seek(position)
    head = file.read(min(16, limit - position))
    if len(head) < 8:
        raise ContainerError(f"the box at byte {position} is cut short: copy the file again")
    length, kind = struct.unpack_from(">I4s", head)
    header_length, is_open_ended = 8, length == 0
    if length == 1:
        if len(head) < 16:
            raise ContainerError(f"the box at byte {position} is cut short: copy the file again")
        header_length = 16
        (length,) = struct.unpack_from(">Q", head, 8)
    elif is_open_ended:
        length = limit - position
    if length < header_length:
        raise ContainerError(
            f"the box at byte {position} is shorter than its header: the file is damaged, copy it again"
        )
    if position + length > limit:
        raise ContainerError(
            f"{named(kind)} at byte {position} reaches past the end: the file is damaged or cut short, "
            "copy it again"
        )
    return Box(
        kind=kind, offset=position, header_length=header_length, length=length, is_open_ended=is_open_ended
    )
