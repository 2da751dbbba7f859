"""Writing JP2 files of many tiles, and keeping our side information in one removable box."""

from __future__ import annotations

import struct
import tempfile
import uuid
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from rsic_geo.codecs import j2k
from rsic_geo.container.boxes import (
    GEOJP2_UUID,
    SIGNATURE_BOX,
    Box,
    Jp2Boxes,
    Jp2Layout,
    box_header,
    file_header,
    file_size,
    iter_boxes,
    make_box,
    read_content,
)
from rsic_geo.container.codestream import CodestreamAssembler, CodestreamIndex, open_file, parse_index
from rsic_geo.errors import ContainerError

__all__ = [
    "GEOJP2_UUID",
    "SIDE_INFORMATION_UUID",
    "Jp2Boxes",
    "Jp2Layout",
    "Jp2Writer",
    "append_side_information",
    "find_codestream",
    "lead_with_side_information",
    "read_side_information",
    "strip_side_information",
]

SIDE_INFORMATION_UUID = uuid.UUID("6d0f9c35-7b1e-4f0a-9d52-8e2c71a4b3f6")
"""Marks the box with rsic_geo's side information."""
MAX_SIDE_INFORMATION = 1 << 31
"""Longest side information (bytes)."""
_COPY_BYTES = 1 << 20


class Jp2Writer:
    """Collects tiles in any order, on disk, and writes the file at the end.

    Use as a context manager; leaving it without `finish` leaves nothing behind.
    """

    def __init__(self, path: str | Path, layout: Jp2Layout, boxes: Jp2Boxes | None = None) -> None:
        self._path = Path(path)
        self._layout = layout
        self._header = file_header(layout, boxes or Jp2Boxes())
        self._assembler = CodestreamAssembler(layout.image_size())
        self._spool: BinaryIO = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115
        self._bodies: dict[int, tuple[int, int]] = {}
        self._crcs: dict[int, int] = {}

    def __enter__(self) -> Jp2Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    @property
    def tile_count(self) -> int:
        """Number of tiles the file must hold."""
        return self._assembler.tile_count

    @property
    def tile_crcs(self) -> tuple[int, ...]:
        """CRC-32 of every tile's body, in tile order. Raises ContainerError while a tile is missing."""
        return tuple(self._crcs[tile] for tile in self._tiles())

    def restart(self) -> None:
        """Forget all tiles and give their space on disk back: every tile is going to be coded again."""
        self._spool.seek(0)
        self._spool.truncate()
        self._bodies.clear()
        self._crcs.clear()

    def add_tile(self, tile: int, codestream: bytes) -> int:
        """Store the single-tile codestream of tile `tile`, replacing an earlier one; returns body bytes.

        Raises:
            ContainerError: The codestream does not fit there.
        """
        body = self._assembler.tile_body(tile, codestream)
        offset = self._spool.seek(0, 2)
        self._spool.write(body)
        self._bodies[tile] = (offset, len(body))
        self._crcs[tile] = zlib.crc32(body)
        return len(body)

    def file_bytes(self, body_bytes: int | None = None) -> int:
        """Return how long the file gets with the tiles stored, or with bodies of `body_bytes` in all.

        Needs one stored tile. The side information, appended later, is not counted.
        """
        lengths = [self._bodies.get(tile, (0, 0))[1] for tile in range(self.tile_count)]
        stream = len(self._assembler.main_header(lengths)) + j2k.SOT_BYTES * self.tile_count + 2
        stream += sum(lengths) if body_bytes is None else body_bytes
        return len(self._header) + len(box_header(b"jp2c", stream)) + stream

    def finish(self) -> int:
        """Write the file and return its length (bytes).

        Raises:
            ContainerError: A tile is missing.
        """
        bodies = [self._bodies[tile] for tile in self._tiles()]
        main_header = self._assembler.main_header([length for _, length in bodies])
        stream_bytes = len(main_header) + sum(j2k.SOT_BYTES + length for _, length in bodies) + 2
        try:
            with self._path.open("wb") as file:
                file.write(self._header + box_header(b"jp2c", stream_bytes) + main_header)
                for tile, (offset, length) in enumerate(bodies):
                    file.write(self._assembler.tile_header(tile, length))
                    self._spool.seek(offset)
                    _copy(self._spool, file, length)
                file.write(struct.pack(">H", j2k.EOC))
                return file.tell()
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise

    def _tiles(self) -> range:
        missing = next((tile for tile in range(self.tile_count) if tile not in self._bodies), None)
        if missing is not None:
            raise ContainerError(f"tile {missing} of {self.tile_count} was never stored")
        return range(self.tile_count)


def find_codestream(file: BinaryIO) -> CodestreamIndex:
    """Return the index of the first codestream of an open JP2 or raw codestream file.

    Raises:
        ContainerError: There is none, or it is damaged.
    """
    file.seek(0)
    if file.read(2) == b"\xff\x4f":
        return parse_index(file, 0, file_size(file))
    for box in _jp2_boxes(file):
        if box.kind == b"jp2c":
            return parse_index(file, box.content_offset, box.content_length)
    raise ContainerError("the file holds no codestream: it is no JPEG 2000 image")


def read_side_information(path: str | Path) -> bytes | None:
    """Return the content of our box, or None when the file has none.

    Raises:
        ContainerError: No JP2 file, or damaged; also where a box is ours but for a few bytes of its name.
    """
    with open_file(path) as file:
        boxes = _jp2_boxes(file)
        for box in boxes:
            if _is_ours(file, box):
                return read_content(file, box, MAX_SIDE_INFORMATION)[16:]
        if any(_is_nearly_ours(file, box) for box in boxes):
            raise ContainerError("the name of the side information is damaged: copy the file again")
    return None


def boxes_but_ours(file: BinaryIO) -> list[Box]:
    """Return the boxes of an open JP2 file in order, without that of our side information.

    Raises:
        ContainerError: No JP2 file, or damaged.
    """
    return [box for box in _jp2_boxes(file) if not _is_ours(file, box)]


def append_side_information(path: str | Path, content: bytes) -> int:
    """Append our box to a JP2 file; a box of ours that already ends the file is replaced.

    Returns:
        Bytes the box takes.

    Raises:
        ContainerError: No JP2 file, damaged, or its last box is open-ended.
    """
    if not 1 <= len(content) <= MAX_SIDE_INFORMATION - 16:
        raise ContainerError(f"{len(content)} bytes of side information: 1..{MAX_SIDE_INFORMATION - 16} fit")
    with Path(path).open("r+b") as file:
        boxes = list(_jp2_boxes(file))
        ours = [box for box in boxes if _is_ours(file, box)]
        if any(box is not boxes[-1] for box in ours):
            raise ContainerError("the file already holds side information: strip it first")
        if not ours and boxes[-1].is_open_ended:
            raise ContainerError("the last box of the file is open-ended: nothing can be appended")
        file.seek(ours[0].offset if ours else boxes[-1].end)
        written = file.write(make_box(b"uuid", SIDE_INFORMATION_UUID.bytes + content))
        file.truncate()
    return written


def lead_with_side_information(path: str | Path) -> None:
    """Move our box from the end of a JP2 file to before its codestream: who reads from afar asks once less.

    GDAL looks at every box before it decodes, and the beginning of the file has been read by then. The file
    is changed where it lies, and is none while that lasts.

    Raises:
        ContainerError: No JP2 file, damaged, or our box does not end it.
    """
    with Path(path).open("r+b") as file:
        boxes = _jp2_boxes(file)
        start = next((box.offset for box in boxes if box.kind == b"jp2c"), None)
        if start is None or not _is_ours(file, boxes[-1]):
            raise ContainerError("no side information ends the file: there is none to be moved")
        file.seek(boxes[-1].offset)
        ours, position = file.read(boxes[-1].length), boxes[-1].offset
        while position > start:
            length = min(_COPY_BYTES, position - start)
            position -= length
            file.seek(position)
            piece = file.read(length)
            file.seek(position + len(ours))
            file.write(piece)
        file.seek(start)
        file.write(ours)


def strip_side_information(source: str | Path, target: str | Path) -> None:
    """Copy a JP2 file without our box; everything else stays byte for byte.

    Raises:
        ContainerError: No JP2 file, or damaged.
    """
    with Path(source).open("rb") as file, Path(target).open("wb") as out:
        for box in list(_jp2_boxes(file)):
            if not _is_ours(file, box):
                file.seek(box.offset)
                _copy(file, out, box.length)


def _jp2_boxes(file: BinaryIO) -> list[Box]:
    file.seek(0)
    if file.read(len(SIGNATURE_BOX)) != SIGNATURE_BOX:
        raise ContainerError("the file does not start like a JP2 file")
    return list(iter_boxes(file))


def _is_ours(file: BinaryIO, box: Box) -> bool:
    if box.kind != b"uuid" or box.content_length < 16:
        return False
    file.seek(box.content_offset)
    return file.read(16) == SIDE_INFORMATION_UUID.bytes


def _is_nearly_ours(file: BinaryIO, box: Box) -> bool:
    """Return whether three of four bytes of type and UUID are those of our box."""
    file.seek(box.content_offset)
    found, ours = box.kind + file.read(16), b"uuid" + SIDE_INFORMATION_UUID.bytes
    return sum(a == b for a, b in zip(found, ours, strict=False)) >= 15


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    while length > 0:
        chunk = source.read(min(length, _COPY_BYTES))
        if not chunk:
            raise ContainerError("a file ended while it was being copied")
        target.write(chunk)
        length -= len(chunk)
