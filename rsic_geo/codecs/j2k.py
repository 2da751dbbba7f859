"""JPEG 2000 marker segments: the little syntax that codecs and containers both have to read.

Pure standard library. Numbers are checked before they are believed: every function raises
:class:`~rsic_geo.errors.BitstreamError` on bytes that are no JPEG 2000 codestream and never anything else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rsic_geo.errors import BitstreamError

SOC = 0xFF4F
CAP = 0xFF50
SIZ = 0xFF51
COD = 0xFF52
COC = 0xFF53
TLM = 0xFF55
PLM = 0xFF57
PLT = 0xFF58
QCD = 0xFF5C
QCC = 0xFF5D
RGN = 0xFF5E
POC = 0xFF5F
PPM = 0xFF60
PPT = 0xFF61
CRG = 0xFF63
COM = 0xFF64
SOT = 0xFF90
SOD = 0xFF93
EOC = 0xFFD9

SOT_BYTES = 12
"""Length of a whole SOT marker segment (bytes)."""
MAX_COMPONENTS = 16384
MAX_TILES = 65535
MAX_SEGMENTS = 50000
"""Segments in one header: two for each component and some hundreds of indexes at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One marker segment: its code and what follows the length field."""

    code: int
    payload: bytes

    def to_bytes(self) -> bytes:
        """Return marker, length and payload."""
        if len(self.payload) > 65533:
            raise BitstreamError(
                f"marker segment {self.code:#06x} holds {len(self.payload)} bytes, 65533 fit"
            )
        return struct.pack(">HH", self.code, len(self.payload) + 2) + self.payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One component of the image as SIZ describes it."""

    precision: int
    """Bits per sample, 1..38."""
    is_signed: bool
    dx: int = 1
    dy: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSize:
    """The SIZ segment: reference grid, tiles and components."""

    width: int
    """Right end of the image on the reference grid (px)."""
    height: int
    """Lower end of the image on the reference grid (px)."""
    tile_width: int
    tile_height: int
    components: tuple[Component, ...]
    x0: int = 0
    y0: int = 0
    tile_x0: int = 0
    tile_y0: int = 0
    capabilities: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes the standard forbids."""
        numbers = (self.width, self.height, self.tile_width, self.tile_height)
        offsets = (self.x0, self.y0, self.tile_x0, self.tile_y0)
        if min(numbers) < 1 or min(offsets) < 0 or max(*numbers, *offsets) >= 2**32:
            raise BitstreamError("SIZ holds impossible sizes: the codestream is damaged")
        if (
            self.x0 >= self.width
            or self.y0 >= self.height
            or self.tile_x0 > self.x0
            or self.tile_y0 > self.y0
        ):
            raise BitstreamError("SIZ places the image outside of its tiles: the codestream is damaged")
        if not 1 <= len(self.components) <= MAX_COMPONENTS:
            raise BitstreamError(f"SIZ names {len(self.components)} components, 1..{MAX_COMPONENTS} exist")

    @property
    def tile_columns(self) -> int:
        """Number of tiles in one row of tiles."""
        return -(-(self.width - self.tile_x0) // self.tile_width)

    @property
    def tile_rows(self) -> int:
        """Number of rows of tiles."""
        return -(-(self.height - self.tile_y0) // self.tile_height)

    def to_segment(self) -> Segment:
        """Return the SIZ marker segment."""
        head = struct.pack(
            ">H8IH",
            self.capabilities,
            self.width,
            self.height,
            self.x0,
            self.y0,
            self.tile_width,
            self.tile_height,
            self.tile_x0,
            self.tile_y0,
            len(self.components),
        )
        body = b"".join(
            struct.pack(">3B", (c.precision - 1) | (0x80 if c.is_signed else 0), c.dx, c.dy)
            for c in self.components
        )
        return Segment(code=SIZ, payload=head + body)

    @classmethod
    def from_payload(cls, payload: bytes) -> ImageSize:
        """Read SIZ. Raises BitstreamError."""
        if len(payload) < 39:
            raise BitstreamError("SIZ is too short: the codestream is damaged")
        head = struct.unpack_from(">H8IH", payload)
        count = head[9]
        if len(payload) != 36 + 3 * count:
            raise BitstreamError("SIZ does not hold as many components as it says: the codestream is damaged")
        components = []
        for depth, dx, dy in struct.iter_unpack(">3B", payload[36:]):
            if (depth & 0x7F) > 37 or dx == 0 or dy == 0:
                raise BitstreamError("SIZ describes an impossible component: the codestream is damaged")
            components.append(
                Component(precision=(depth & 0x7F) + 1, is_signed=bool(depth & 0x80), dx=dx, dy=dy)
            )
        return cls(
            capabilities=head[0],
            width=head[1],
            height=head[2],
            x0=head[3],
            y0=head[4],
            tile_width=head[5],
            tile_height=head[6],
            tile_x0=head[7],
            tile_y0=head[8],
            components=tuple(components),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePart:
    """One tile-part: its place in the image and everything behind its SOT segment."""

    tile: int
    part: int
    body: bytes
    """Tile-part header segments, SOD and packets."""

    def to_bytes(self, *, tile: int | None = None, parts: int = 1) -> bytes:
        """Return SOT and body, renumbered to `tile` when given."""
        number = self.tile if tile is None else tile
        length = SOT_BYTES + len(self.body)
        if length >= 2**32:
            raise BitstreamError(f"tile {number} holds {length} bytes, 4 GiB fit: use smaller tiles")
        return struct.pack(">HHHIBB", SOT, 10, number, length, self.part, parts) + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Codestream:
    """A codestream taken apart: main header and tile-parts in file order."""

    size: ImageSize
    segments: tuple[Segment, ...]
    """Main header segments without SIZ, in file order."""
    parts: tuple[TilePart, ...]

    def to_bytes(self) -> bytes:
        """Put the codestream together again."""
        counts: dict[int, int] = {}
        for part in self.parts:
            counts[part.tile] = counts.get(part.tile, 0) + 1
        return b"".join(
            [
                struct.pack(">H", SOC),
                self.size.to_segment().to_bytes(),
                *(segment.to_bytes() for segment in self.segments),
                *(part.to_bytes(parts=min(counts[part.tile], 255)) for part in self.parts),
                struct.pack(">H", EOC),
            ]
        )


def split_codestream(data: bytes) -> Codestream:
    """Take a whole codestream in memory apart.

    Raises:
        BitstreamError: The bytes are no codestream, are cut short, or miss SIZ, COD or QCD.
    """
    if data[:2] != b"\xff\x4f":
        raise BitstreamError("these bytes are no JPEG 2000 codestream: SOC is missing")
    segments, position = read_segments(data, 2, stop=SOT)
    if not segments or segments[0].code != SIZ:
        raise BitstreamError("SIZ does not follow SOC: the codestream is damaged")
    size = ImageSize.from_payload(segments[0].payload)
    if not {COD, QCD} <= {segment.code for segment in segments}:
        raise BitstreamError("the main header has no COD or no QCD: the codestream is damaged")
    parts = []
    while data[position : position + 2] != b"\xff\xd9":
        tile, length, part = parse_sot(data[position : position + SOT_BYTES])
        end = position + length if length else len(data) - 2
        if end > len(data) or end <= position + SOT_BYTES:
            raise BitstreamError(f"tile-part {part} of tile {tile} is cut short")
        parts.append(TilePart(tile=tile, part=part, body=bytes(data[position + SOT_BYTES : end])))
        position = end
    return Codestream(size=size, segments=tuple(segments[1:]), parts=tuple(parts))


def read_segments(data: bytes, position: int, *, stop: int) -> tuple[list[Segment], int]:
    """Read marker segments up to marker `stop`; returns them and the position of that marker.

    Raises:
        BitstreamError: A segment is cut short, or another delimiting marker comes first.
    """
    segments: list[Segment] = []
    while True:
        if position + 4 > len(data) and data[position : position + 2] != struct.pack(">H", stop):
            raise BitstreamError("a codestream header is cut short")
        (code,) = struct.unpack_from(">H", data, position)
        if code == stop:
            return segments, position
        if not 0xFF30 < code < 0xFFFF or code in (SOC, SOT, SOD, EOC):
            raise BitstreamError(
                f"{code:#06x} stands where a marker segment belongs: the codestream is damaged"
            )
        (length,) = struct.unpack_from(">H", data, position + 2)
        if length < 2 or position + 2 + length > len(data):
            raise BitstreamError(f"marker segment {code:#06x} is cut short")
        segments.append(Segment(code=code, payload=bytes(data[position + 4 : position + 2 + length])))
        if len(segments) > MAX_SEGMENTS:
            raise BitstreamError("a header holds too many segments: the codestream is damaged")
        position += 2 + length


def tile_part_header(tile: int, length: int) -> bytes:
    """Return SOT of a tile that has one tile-part, of so many bytes."""
    return struct.pack(">HHHIBB", SOT, 10, tile, length, 0, 1)


def parse_sot(data: bytes) -> tuple[int, int, int]:
    """Read one SOT segment of 12 bytes: tile number, tile-part length (0: to the end), tile-part number."""
    if len(data) != SOT_BYTES:
        raise BitstreamError("a tile-part header is cut short")
    marker, length, tile, size, part, _ = struct.unpack(">HHHIBB", data)
    if marker != SOT or length != 10:
        raise BitstreamError("a tile-part does not start with SOT: the codestream is damaged")
    if size != 0 and size < SOT_BYTES + 2:
        raise BitstreamError(
            f"tile-part of tile {tile} is shorter than its header: the codestream is damaged"
        )
    return tile, size, part


def packet_lengths(body: bytes) -> list[int]:
    """Return the packet lengths (bytes) that the PLT segments of a tile-part list, in packet order.

    Raises:
        BitstreamError: The tile-part header or a PLT segment is damaged.
    """
    segments, _ = read_segments(body, 0, stop=SOD)
    plts = sorted((s.payload for s in segments if s.code == PLT), key=lambda payload: payload[:1])
    lengths: list[int] = []
    value = 0
    for byte in b"".join(payload[1:] for payload in plts):
        value = (value << 7) | (byte & 0x7F)
        if value >= 2**32:
            raise BitstreamError("PLT lists an impossible packet: the codestream is damaged")
        if not byte & 0x80:
            lengths.append(value)
            value = 0
    return lengths
