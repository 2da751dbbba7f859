"""The bytes of archives: local files, and files behind GDAL's names, fetched in pieces."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO, cast

from rsic_geo.codecs import j2k
from rsic_geo.container.boxes import iter_boxes
from rsic_geo.container.codestream import main_segments
from rsic_geo.errors import BitstreamError, ContainerError
from rsic_geo.raster.doors.vsi import is_ranged, open_bytes


def open_file(path: str | Path) -> BinaryIO:
    """Open an archive for reading bytes.

    Of a far one the headers in front of the tiles are not fetched, each from another place of the file, but
    told from the list of tile lengths in the main header, whose checksum covers both.

    Raises:
        OSError: it is not there, or may not be read.
    """
    file = open_bytes(path)
    if not is_ranged(str(path)):
        return file
    try:
        return cast(BinaryIO, _Told(file, _tile_headers(file)))
    except BaseException:
        file.close()
        raise


class _Told(io.RawIOBase):
    """A file some of whose bytes are known; they are asked for one header at a time."""

    def __init__(self, file: BinaryIO, known: dict[int, bytes]) -> None:
        self._file, self._known = file, known
        self._place = file.seek(0)

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            self._place = self._file.seek(offset, whence)
        else:
            self._place = offset + (self._place if whence == io.SEEK_CUR else 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        content = self._known.get(self._place, b"") if 0 <= size <= j2k.SOT_BYTES else b""
        if content:
            content = content[:size]
        else:
            self._file.seek(self._place)
            content = self._file.read(size)
        self._place += len(content)
        return content

    def readinto(self, target: Any) -> int:  # noqa: ANN401 - anything of bytes
        content = self.read(len(target))
        target[: len(content)] = content
        return len(content)


def _tile_headers(file: BinaryIO) -> dict[int, bytes]:
    """Return the tile-part headers of an archive of ours by their places; empty if its list is not whole."""
    file.seek(0)
    try:
        if file.read(8)[4:] != b"jP  ":
            return {}
        box = next((box for box in iter_boxes(file) if box.kind == b"jp2c"), None)
        if box is None:
            return {}
        segments, position = main_segments(file, box.content_offset, box.end)
    except (BitstreamError, ContainerError):
        return {}  # whoever reads on finds and names the damage
    found: dict[int, bytes] = {}
    place = box.content_offset + 2 + position
    for segment in segments:
        if segment.code == j2k.TLM and len(segment.payload) >= 2:
            entry = {0x50: ">BI", 0x60: ">HI"}.get(segment.payload[1])
            body = segment.payload[2:]
            if entry is None or len(body) % struct.calcsize(entry):
                return {}
            for tile, length in struct.iter_unpack(entry, body):
                found[place] = j2k.tile_part_header(tile, length)
                place += length
    return found if place == box.end - 2 else {}
