"""Whether the bytes of an archive are still the ones that were written: checked before they are decoded."""

from __future__ import annotations

import zlib
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO

from rsic_geo.codecs.j2k import SOT_BYTES, ImageSize
from rsic_geo.container import jp2
from rsic_geo.container.boxes import iter_boxes, read_content
from rsic_geo.container.codestream import CodestreamIndex, TilePartEntry
from rsic_geo.container.sideinfo import Picture, SideInfo
from rsic_geo.errors import ChecksumError, ContainerError
from rsic_geo.geo.grid import TileGrid
from rsic_geo.geo.window import Window

MAX_HEADER_BYTES = 1 << 20
"""Longest JP2 header box (bytes); ours hold a palette at most."""
_HINT = "copy the file again from its source, or restore it from a backup"


def header_crc(file: BinaryIO, index: CodestreamIndex) -> int:
    """Return the CRC-32 of what decides how tiles become pixels: the JP2 header box and the main header.

    The main header is counted from SOC to before the first tile-part.

    Raises:
        ContainerError: if the file holds no codestream box or no tile.
    """
    boxes = {box.kind: box for box in reversed(list(iter_boxes(file)))}
    stream, header = boxes.get(b"jp2c"), boxes.get(b"jp2h")
    if stream is None or header is None or not index.parts:
        raise ContainerError("the file holds no JPEG 2000 tiles: it is no archive of rsic_geo")
    crc = zlib.crc32(read_content(file, header, MAX_HEADER_BYTES))
    file.seek(stream.content_offset)
    return zlib.crc32(file.read(min(part.offset for part in index.parts) - stream.content_offset), crc)


def picture_of(size: ImageSize) -> Picture:
    """Return what a codestream says about its pixels."""
    first = size.components[0]
    kind = "int16" if first.is_signed else "uint16"
    return Picture(
        height=size.height - size.y0,
        width=size.width - size.x0,
        count=len(size.components),
        dtype="uint8" if first.precision == 8 and not first.is_signed else kind,
    )


class PayloadCheck:
    """Checksums of an archive's codestream, looked at once per tile and only for tiles that are read."""

    def __init__(self, path: str, side: SideInfo, grid: TileGrid) -> None:
        """Prepare the checks of an archive; reads nothing yet."""
        self._path, self._side, self._grid = Path(path), side, grid
        self._parts: dict[int, list[TilePartEntry]] = defaultdict(list)
        self._checked: set[int] = set()

    def structure(self) -> None:
        """Check the headers around the tiles.

        Raises:
            ChecksumError: if the main header or the list of tiles is not what was written.
        """
        with self._path.open("rb") as file:
            index = jp2.find_codestream(file)
            for part in index.parts:
                self._parts[part.tile].append(part)
            found = (index.size.height, index.size.width, index.size.tile_height, len(self._parts))
            expected = (self._grid.height, self._grid.width, self._grid.tile_size, len(self._grid))
            if found != expected or len(self._side.tile_crcs) != len(self._grid):
                raise ChecksumError(f"the archive's codestream is not the one described in it: {_HINT}")
            if header_crc(file, index) != self._side.header_crc:
                raise ChecksumError(f"the archive's codestream header is damaged: {_HINT}")

    def window(self, window: Window) -> None:
        """Check the stored bytes of all tiles that touch a window.

        Raises:
            ChecksumError: if the bytes of one of them are damaged; the message names it.
        """
        todo = [self._grid.index_number(index) for index in self._grid.tiles_touching(window)]
        todo = [number for number in todo if number not in self._checked]
        if not todo:
            return
        with self._path.open("rb") as file:
            for number in todo:
                crc = 0
                for part in self._parts[number]:
                    file.seek(part.offset + SOT_BYTES)
                    crc = zlib.crc32(file.read(part.length - SOT_BYTES), crc)
                if crc != self._side.tile_crcs[number]:
                    index = self._grid.tile_number(number)
                    raise ChecksumError(
                        f"tile {number} (row {index.row}, column {index.col}) is damaged: {_HINT}"
                    )
                self._checked.add(number)

    def damaged(self) -> list[int]:
        """Return the numbers of all damaged tiles."""
        out = []
        for index in self._grid:
            try:
                self.window(self._grid.core(index))
            except ChecksumError:
                out.append(self._grid.index_number(index))
        return out
