"""Whether an archive is what was written: its bytes, before they are decoded, and what it says of itself."""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from rsic_geo.codecs.j2k import SOT_BYTES, ImageSize
from rsic_geo.container import jp2
from rsic_geo.container.boxes import Box
from rsic_geo.container.codestream import CodestreamIndex, TilePartEntry, open_file
from rsic_geo.container.sideinfo import Picture, SideInfo
from rsic_geo.errors import ChecksumError, ContainerError
from rsic_geo.geo.lattice import CELL, cell_counts
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.options import TILE_SIZES

_CHUNK = 1 << 20
_BOX_NAMES = {
    b"ftyp": "the file type box",
    b"uuid": "the GeoJP2 box, which places the scene for other programs",
    b"asoc": "the GML box, which places the scene for other programs",
    b"xml ": "the metadata box",
}
_HINT = "copy the file again from its source, or restore it from a backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCrcs:
    """CRC-32 of every byte of an archive but tiles' bodies and our own box, which have theirs elsewhere."""

    header: int
    """Of what decides how tiles become pixels: the JP2 header box, and the codestream around its tiles."""
    boxes: tuple[int, ...]
    """Of each other box, in file order: among them those that place the scene for other programs."""
    names: tuple[str, ...]
    """What those boxes hold, for messages."""

    @property
    def of_boxes(self) -> int:
        """One checksum of all other boxes."""
        return zlib.crc32(b"".join(crc.to_bytes(4, "big") for crc in self.boxes))

    @property
    def marks(self) -> bytes:
        """One byte of each other box, by which the damaged one is named; nothing where there is but one."""
        return bytes(crc & 0xFF for crc in self.boxes) if len(self.boxes) > 1 else b""


def file_crcs(file: BinaryIO, index: CodestreamIndex) -> FileCrcs:
    """Return the checksums of an archive's boxes.

    Raises:
        ContainerError: if the file holds no codestream box or no tile.
    """
    header, crcs, names = 0, [], []
    found = set()
    for box in jp2.boxes_but_ours(file):
        found.add(box.kind)
        if box.kind == b"jp2h":
            header = _crc_of(file, [(box.offset, box.end)], header)
        elif box.kind == b"jp2c":
            header = _crc_of(file, _around_tiles(box, index), header)
        elif box.kind != b"jP  ":  # which is looked at byte by byte wherever a file is opened
            crcs.append(_crc_of(file, [(box.offset, box.end)]))
            names.append(_BOX_NAMES.get(box.kind, f"the box {box.kind.decode('latin-1')!r}"))
    if not {b"jp2h", b"jp2c"} <= found or not index.parts:
        raise ContainerError("the file holds no JPEG 2000 tiles: it is no archive of rsic_geo")
    return FileCrcs(header=header, boxes=tuple(crcs), names=tuple(names))


def _around_tiles(box: Box, index: CodestreamIndex) -> list[tuple[int, int]]:
    """Return where the bytes of a codestream box lie that belong to no tile's body."""
    spans, position = [], box.offset
    for part in index.parts:
        spans.append((position, part.offset + SOT_BYTES))
        position = part.offset + part.length
    return [*spans, (position, box.end)]


def _crc_of(file: BinaryIO, spans: list[tuple[int, int]], crc: int = 0) -> int:
    for start, end in spans:
        file.seek(start)
        left = end - start
        while left > 0:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise ContainerError("the archive ended while it was read: copy the file again")
            crc = zlib.crc32(chunk, crc)
            left -= len(chunk)
    return crc


def picture_of(size: ImageSize) -> Picture:
    """Return what a codestream says about its pixels."""
    first = size.components[0]
    kind = "int16" if first.is_signed else "uint16"
    return Picture(
        height=size.height - size.y0,
        width=size.width - size.x0,
        count=len(size.components),
        dtype="uint8" if first.precision <= 8 and not first.is_signed else kind,
    )


class PayloadCheck:
    """Checksums of an archive's codestream, looked at once per tile and only for tiles that are read."""

    def __init__(self, path: str, side: SideInfo, grid: TileGrid) -> None:
        """Prepare the checks of an archive; reads nothing yet."""
        self._path, self._side, self._grid = path, side, grid
        self._parts: dict[int, list[TilePartEntry]] = defaultdict(list)
        self._checked: set[int] = set()
        self._boxes: FileCrcs | None = None

    def structure(self) -> None:
        """Check the headers around the tiles.

        Raises:
            ChecksumError: if the main header or the list of tiles is not what was written.
        """
        with open_file(self._path) as file:
            index = jp2.find_codestream(file)
            for part in index.parts:
                self._parts[part.tile].append(part)
            found = (index.size.height, index.size.width, index.size.tile_height, len(self._parts))
            expected = (self._grid.height, self._grid.width, self._grid.tile_size, len(self._grid))
            if found != expected or len(self._side.tile_crcs) != len(self._grid):
                raise ChecksumError(f"the archive's codestream is not the one described in it: {_HINT}")
            found_crcs = file_crcs(file, index)
            if found_crcs.header != self._side.header_crc:
                raise ChecksumError(f"the archive's codestream header is damaged: {_HINT}")
            self._boxes = found_crcs

    def minor_damage(self) -> list[str]:
        """Return what is damaged of the boxes that only other programs read; :meth:`structure` looked."""
        if self._boxes is None:
            return []
        if self._boxes.of_boxes == self._side.boxes_crc:
            return []
        if len(self._boxes.marks) != len(self._side.box_marks):
            return ["boxes were added or taken away that other programs read"]
        marks = zip(self._boxes.names, self._boxes.marks, self._side.box_marks, strict=True)
        named = [f"{name} is damaged" for name, mark, stored in marks if mark != stored]
        return named or [f"{' or '.join(self._boxes.names)} is damaged"]

    def parts(self, window: Window) -> Iterator[Window]:
        """Check the stored bytes of all tiles that touch a window, and yield the window.

        Raises:
            ChecksumError: if the bytes of one of them are damaged; the message names it.
        """
        self.reduced(window, 1.0)
        yield window

    def reduced(self, window: Window, shrink: float) -> None:
        """Check the same: every resolution of a tile lies in its bytes. Raises ChecksumError."""
        del shrink
        todo = [each for each in self._grid.numbers_touching(window) if each not in self._checked]
        if not todo:
            return
        with open_file(self._path) as file:
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
                self.reduced(self._grid.core(index), 1.0)
            except ChecksumError:
                out.append(self._grid.index_number(index))
        return out


def scene_crc(tile_crcs: tuple[int, ...]) -> int:
    """Return one checksum for the pixel checksums of all tiles, in tile order."""
    return zlib.crc32(struct.pack(f">{len(tile_crcs)}I", *tile_crcs))


class StripCrcs:
    """Checksums of final pixels, one per row of cells: what an archive may be sealed with.

    Pixels come in windows, each within one row of cells, those of a row one after another. A checksum is the
    CRC-32 of the row's samples (bands, 256, columns) in C order and little-endian bytes.
    """

    def __init__(self, profile: SceneProfile, dtype: str) -> None:
        """Begin with the scene's first row of cells; ``dtype`` is that of its samples."""
        self._profile, self._dtype = profile, np.dtype(dtype).newbyteorder("<")
        self._strip: npt.NDArray[Any] | None = None
        self._left = 0
        self.found: list[int] = []
        """Those of the rows that are complete."""

    def add(self, window: Window, pixels: npt.NDArray[Any]) -> bool:
        """Take the pixels (bands, h, w) of a window; return whether a row of cells is complete now."""
        p, top = self._profile, window.row_off // CELL * CELL
        if self._strip is None:
            rows = min(CELL, p.height - top)
            self._strip = np.empty((p.count, rows, p.width), self._dtype)
            self._left = rows * p.width
        first = window.row_off - top
        columns = slice(window.col_off, window.col_off + window.width)
        self._strip[:, first : first + window.height, columns] = pixels
        self._left -= window.height * window.width
        if self._left:
            return False
        self.found.append(zlib.crc32(self._strip.data))
        self._strip = None
        return True


def check_side(side: SideInfo) -> SideInfo:
    """Return side information whose parts fit each other.

    Raises:
        ContainerError: if they do not; a checksum of its own protects it, so it was written wrongly.
    """
    if side.tile_size not in TILE_SIZES:
        raise ContainerError(f"the archive names tiles of {side.tile_size} px, which rsic_geo does not write")
    tiles = -(-side.snapshot.height // side.tile_size) * -(-side.snapshot.width // side.tile_size)
    if side.lossless and len(side.pixel_crcs) != tiles:
        raise ContainerError("the archive has checksums of another scene: it was altered")
    if side.final_crcs and len(side.final_crcs) != cell_counts(side.snapshot.height, side.snapshot.width)[0]:
        raise ContainerError("the archive is sealed as another scene: it was altered")
    if side.model is None:
        return side
    cells = (len(side.groups), *cell_counts(side.snapshot.height, side.snapshot.width))
    if side.levels.shape != cells or side.strengths.shape != cells or side.radiometry is None:
        raise ContainerError("the archive's enhancement is that of another scene: it was altered")
    bands = {band for group in side.groups for band in group}
    if any(len(group) not in (1, 3) for group in side.groups):
        raise ContainerError("the archive's enhancement groups bands as no network does: it was altered")
    if side.radiometry.bands != side.snapshot.count or not bands <= set(range(side.snapshot.count)):
        raise ContainerError("the archive's enhancement names bands the scene lacks: it was altered")
    return side


def checked_limits(side: SideInfo, stored: SceneProfile) -> tuple[tuple[int, int] | None, ...]:
    """Return the limits of decoded samples. Raises ContainerError where they are not those of the scene."""
    kind = np.iinfo(stored.dtype)
    ends = [pair for pair in side.limits if pair is not None]
    is_foreign = len(side.limits) not in (0, stored.count) or len(side.peaks) not in (0, stored.count)
    if is_foreign or any(low < kind.min or high > kind.max for low, high in ends):
        raise ContainerError("the archive's limits of samples are those of another scene: it was altered")
    return side.limits
