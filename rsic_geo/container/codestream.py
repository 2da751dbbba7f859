"""Many single-tile codestreams <-> one codestream with many tiles.

Every tile is coded by itself at the origin. That gives the same packets as coding it in place as long as the
tile grid is a power of two at least as large as one sample of the coarsest resolution, because then wavelet
parity and code-block borders fall on the same samples. So tiles can be coded in any order and by any thread.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from rsic_geo.codecs import j2k
from rsic_geo.container.boxes import iter_boxes
from rsic_geo.errors import BitstreamError, ContainerError
from rsic_geo.raster.doors.vsi import is_ranged, open_bytes

MAX_MAIN_HEADER_BYTES = 1 << 24
"""Main header bytes kept in memory; real ones hold a few hundred."""
MAX_TILE_PARTS = 1 << 20
_CODING_SEGMENTS = (j2k.COD, j2k.QCD)
"""What tiles of our own encoder differ in at most; may be repeated in a tile header."""
_MARK = j2k.Segment(code=j2k.COM, payload=b"\0\1rsic")
"""A comment that says that our box belongs to the codestream: a file cut before it is no other JP2."""
_DROPPED_SEGMENTS = (j2k.COM, j2k.TLM, j2k.PLM)


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePartEntry:
    """Where one tile-part lies in its file."""

    tile: int
    offset: int
    """Position of SOT (bytes)."""
    length: int
    """Length of SOT, header and packets (bytes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodestreamIndex:
    """Main header and tile-part positions of a codestream in a file."""

    size: j2k.ImageSize
    segments: tuple[j2k.Segment, ...]
    """Main header segments without SIZ and without comments and indexes."""
    parts: tuple[TilePartEntry, ...]
    """In file order."""
    _by_tile: dict[int, list[TilePartEntry]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the parts by tile once."""
        by_tile: dict[int, list[TilePartEntry]] = {}
        for part in self.parts:
            by_tile.setdefault(part.tile, []).append(part)
        object.__setattr__(self, "_by_tile", by_tile)

    def parts_of(self, tile: int) -> tuple[TilePartEntry, ...]:
        """Return the parts of one tile, in file order."""
        return tuple(self._by_tile.get(tile, ()))


class CodestreamAssembler:
    """Checks tiles against each other and knows the headers around them.

    The first tile accepted settles COD and QCD of the main header; a later tile that differs carries its own.
    """

    def __init__(self, size: j2k.ImageSize) -> None:
        self.size = size
        self.tile_count = size.tile_columns * size.tile_rows
        if self.tile_count > j2k.MAX_TILES:
            raise ContainerError(
                f"{self.tile_count} tiles, a JPEG 2000 file holds {j2k.MAX_TILES}: use larger tiles"
            )
        self._segments: dict[int, j2k.Segment] = {}

    def tile_body(self, tile: int, codestream: bytes) -> bytes:
        """Return what of a single-tile codestream goes into the file behind SOT.

        Raises:
            ContainerError: Not a single-tile codestream of this tile's size and sample type.
        """
        if not 0 <= tile < self.tile_count:
            raise ContainerError(f"tile {tile} does not exist: the file has {self.tile_count} tiles")
        try:
            stream = j2k.split_codestream(codestream)
        except BitstreamError as error:
            raise ContainerError(f"tile {tile} cannot be stored: {error}") from error
        width, height = tile_shape(self.size, tile)
        if (stream.size.width, stream.size.height) != (width, height) or stream.size.x0 or stream.size.y0:
            raise ContainerError(
                f"tile {tile} must be {width} x {height} px at the origin, "
                f"not {stream.size.width} x {stream.size.height}"
            )
        if stream.size.components != self.size.components or len(stream.parts) != 1:
            raise ContainerError(f"tile {tile} has other bands than the file, or more than one tile-part")
        return b"".join(s.to_bytes() for s in self._own_segments(tile, stream)) + stream.parts[0].body

    def main_header(self, body_lengths: Sequence[int]) -> bytes:
        """Return SOC, SIZ, COD, QCD and TLM for tiles with these body lengths (bytes), in tile order."""
        if not self._segments:
            raise ContainerError("no tile was stored: nothing is known about the coding")
        segments = [self.size.to_segment(), *self._segments.values(), _MARK, *_tlm_segments(body_lengths)]
        return struct.pack(">H", j2k.SOC) + b"".join(segment.to_bytes() for segment in segments)

    def tile_header(self, tile: int, body_length: int) -> bytes:
        """Return the SOT segment in front of a tile's body."""
        length = j2k.SOT_BYTES + body_length
        if length >= 2**32:
            raise ContainerError(f"tile {tile} holds {length} bytes, 4 GiB fit: use smaller tiles")
        return j2k.tile_part_header(tile, length)

    def _own_segments(self, tile: int, stream: j2k.Codestream) -> list[j2k.Segment]:
        coding = {s.code: s for s in stream.segments if s.code not in _DROPPED_SEGMENTS}
        if set(coding) != set(_CODING_SEGMENTS):
            raise ContainerError(f"tile {tile} is coded in a way that cannot be combined with other tiles")
        if not self._segments:
            _check_tile_grid(self.size, coding[j2k.COD])
            self._segments = coding
        return [segment for code, segment in coding.items() if segment != self._segments[code]]


def tile_shape(size: j2k.ImageSize, tile: int) -> tuple[int, int]:
    """Return width and height (px) of one tile of the reference grid."""
    row, column = divmod(tile, size.tile_columns)
    left, top = size.tile_x0 + column * size.tile_width, size.tile_y0 + row * size.tile_height
    right, bottom = min(left + size.tile_width, size.width), min(top + size.tile_height, size.height)
    return right - max(left, size.x0), bottom - max(top, size.y0)


def parse_index(file: BinaryIO, start: int, length: int) -> CodestreamIndex:
    """Walk through a codestream in a file from SOT to SOT, without reading packets.

    Raises:
        ContainerError: No codestream, damaged, or cut short.
    """
    try:
        size, segments, position = _read_main_header(file, start, start + length)
        parts = tuple(_walk_tile_parts(file, position, start + length, size))
    except BitstreamError as error:
        raise ContainerError(f"the codestream cannot be read: {error}") from error
    return CodestreamIndex(size=size, segments=segments, parts=parts)


def image_size(file: BinaryIO, start: int, length: int) -> j2k.ImageSize:
    """Return what the main header of a codestream in a file says of its image, whatever follows it.

    Raises:
        ContainerError: No codestream, or its main header is damaged or cut short.
    """
    try:
        return _read_main_header(file, start, start + length)[0]
    except BitstreamError as error:
        raise ContainerError(f"the codestream cannot be read: {error}") from error


def is_marked(file: BinaryIO, start: int, length: int) -> bool:
    """Return whether a codestream in a file says that it is an archive's.

    Raises:
        ContainerError: No codestream, or its main header is damaged or cut short.
    """
    try:
        return _MARK in main_segments(file, start, start + length)[0]
    except BitstreamError as error:
        raise ContainerError(f"the codestream cannot be read: {error}") from error


def read_tile(file: BinaryIO, index: CodestreamIndex, tile: int) -> bytes:
    """Return one tile of an rsic_geo file as a codestream of its own, at the origin.

    Raises:
        ContainerError: The tile is missing or the file ends early.
    """
    width, height = tile_shape(index.size, tile)
    size = replace(index.size, width=width, height=height, x0=0, y0=0, tile_x0=0, tile_y0=0)
    parts = [
        j2k.TilePart(tile=0, part=number, body=body) for number, body in enumerate(_bodies(file, index, tile))
    ]
    return j2k.Codestream(size=size, segments=index.segments, parts=tuple(parts)).to_bytes()


def tile_crc(file: BinaryIO, index: CodestreamIndex, tile: int) -> int:
    """Return the CRC-32 of a tile's bodies: everything behind SOT, as `Jp2Writer.tile_crcs` counts it."""
    crc = 0
    for body in _bodies(file, index, tile):
        crc = zlib.crc32(body, crc)
    return crc


def _bodies(file: BinaryIO, index: CodestreamIndex, tile: int) -> Iterator[bytes]:
    parts = index.parts_of(tile)
    if not parts:
        raise ContainerError(f"tile {tile} is missing: copy the file again")
    for part in parts:
        file.seek(part.offset + j2k.SOT_BYTES)
        body = file.read(part.length - j2k.SOT_BYTES)
        if len(body) != part.length - j2k.SOT_BYTES:
            raise ContainerError(f"tile {tile} is cut short: copy the file again")
        yield body


def _read_main_header(
    file: BinaryIO, start: int, end: int
) -> tuple[j2k.ImageSize, tuple[j2k.Segment, ...], int]:
    segments, position = main_segments(file, start, end)
    if not segments or segments[0].code != j2k.SIZ:
        raise BitstreamError("SIZ does not follow SOC")
    kept = tuple(segment for segment in segments[1:] if segment.code not in _DROPPED_SEGMENTS)
    if not set(_CODING_SEGMENTS) <= {segment.code for segment in kept}:
        raise BitstreamError("the main header has no COD or no QCD")
    return j2k.ImageSize.from_payload(segments[0].payload), kept, start + 2 + position


def main_segments(file: BinaryIO, start: int, end: int) -> tuple[list[j2k.Segment], int]:
    """Return the segments of the main header, and where SOT stands, counted from behind SOC."""
    file.seek(start)
    if end - start < 4 or file.read(2) != b"\xff\x4f":
        raise BitstreamError("SOC is missing")
    data = file.read(min(end - start - 2, 4096))
    while True:
        try:
            return j2k.read_segments(data, 0, stop=j2k.SOT)
        except BitstreamError:
            if len(data) >= min(end - start - 2, MAX_MAIN_HEADER_BYTES):
                raise
            data += file.read(min(end - start - 2 - len(data), 15 * len(data)))


def _walk_tile_parts(file: BinaryIO, position: int, end: int, size: j2k.ImageSize) -> Iterator[TilePartEntry]:
    tiles = size.tile_columns * size.tile_rows
    for _ in range(MAX_TILE_PARTS):
        file.seek(position)
        head = file.read(min(j2k.SOT_BYTES, end - position))
        if head[:2] == b"\xff\xd9":
            return
        tile, length, _part = j2k.parse_sot(head)
        length = length or end - 2 - position
        if tile >= tiles:
            raise BitstreamError(f"a tile-part names tile {tile} of {tiles}")
        if length < j2k.SOT_BYTES + 2 or position + length > end - 2:
            raise BitstreamError(f"a tile-part of tile {tile} is cut short")
        yield TilePartEntry(tile=tile, offset=position, length=length)
        position += length
    raise BitstreamError(f"there are more than {MAX_TILE_PARTS} tile-parts")


def _tlm_segments(body_lengths: Sequence[int]) -> list[j2k.Segment]:
    narrow = len(body_lengths) <= 256
    entry = ">BI" if narrow else ">HI"
    per_segment = 65531 // struct.calcsize(entry)
    segments = []
    for number, first in enumerate(range(0, len(body_lengths), per_segment)):
        lengths = body_lengths[first : first + per_segment]
        body = b"".join(
            struct.pack(entry, first + i, j2k.SOT_BYTES + length) for i, length in enumerate(lengths)
        )
        payload = struct.pack(">BB", number, 0x50 if narrow else 0x60) + body
        segments.append(j2k.Segment(code=j2k.TLM, payload=payload))
    return segments


def _check_tile_grid(size: j2k.ImageSize, coding: j2k.Segment) -> None:
    """Refuse tiles whose samples would be paired differently in place than at the origin."""
    if size.tile_columns * size.tile_rows == 1:
        return
    levels = coding.payload[5] if len(coding.payload) > 5 else 0
    for side in (size.tile_width, size.tile_height):
        if side & (side - 1) or side >> levels == 0:
            raise ContainerError(
                f"tiles of {side} px with {levels} wavelet levels cannot be coded apart: "
                f"choose a power of two of at least {1 << levels}"
            )


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
