"""JP2 boxes: writing and reading them without trusting a number, and those in front of the codestream."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree import ElementTree

from rsic_geo.codecs import j2k
from rsic_geo.errors import ContainerError

SIGNATURE_BOX = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
"""The first box of every JP2 file, whole."""
MAX_BOXES = 65536
"""Boxes in one place; more means damage or malice."""
GEOJP2_UUID = uuid.UUID("b14bf8bd-083d-4b43-a5ae-8cd7d5a6ce03")
"""Marks the box with a degenerate GeoTIFF."""
_COLOURS = {"grey": 1, "rgb": 3, "palette": 1}
"""Bands that carry the colour."""
_SRGB, _GREY = 16, 17
_COLOUR_CHANNEL, _OPACITY, _PREMULTIPLIED, _UNSPECIFIED = 0, 1, 2, 65535
_WHOLE_IMAGE, _NO_COLOUR = 0, 65535


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


_GML_REQUIREMENTS = make_box(b"rreq", struct.pack(">BBBHHBHBH", 1, 0xC0, 0x80, 2, 5, 0x80, 67, 0x40, 0))
"""Reader requirements: one plain codestream (5) must be understood, GML (67) may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jp2Layout:
    """What the header boxes have to say about the pixels."""

    height: int
    """Rows (px)."""
    width: int
    """Columns (px)."""
    bands: int
    dtype: str
    """uint8, uint16 or int16."""
    tile_size: int = 1024
    """Nominal side of a tile (px), a power of two."""
    colour: str = "grey"
    """grey: one band; rgb: three bands; palette: the only band indexes `palette`."""
    colour_bands: tuple[int, ...] = ()
    """Bands that carry grey, or red, green and blue, from 0; empty for the first ones."""
    alpha_band: int | None = None
    """Band that is an opacity, from 0."""
    is_premultiplied: bool = False
    """Whether colours were multiplied by that opacity."""
    bits: int | None = None
    """Bits a sample uses; None for all of its type."""
    palette: tuple[tuple[int, int, int, int], ...] | None = None
    """Red, green, blue, alpha (0..255) of each index, 1..256 entries."""

    def __post_init__(self) -> None:
        """Refuse layouts JP2 cannot describe."""
        if self.colour not in _COLOURS:
            raise ContainerError(f"colour is one of {', '.join(_COLOURS)}, not {self.colour!r}")
        if min(self.height, self.width) < 1 or not _COLOURS[self.colour] <= self.bands <= j2k.MAX_COMPONENTS:
            raise ContainerError(
                f"{self.bands} bands of {self.width} x {self.height} px are no {self.colour} JP2"
            )
        if self.dtype not in ("uint8", "uint16", "int16"):
            raise ContainerError(f"JP2 files of rsic_geo hold uint8, uint16 or int16, not {self.dtype}")
        full = 8 if self.dtype == "uint8" else 16
        if self.bits is not None and not full - 7 <= self.bits <= full:
            raise ContainerError(f"samples of {self.bits} bits are none of type {self.dtype}")
        places = self.colour_places
        if len(set(places)) != _COLOURS[self.colour] or not all(0 <= band < self.bands for band in places):
            raise ContainerError(f"bands {places} cannot be the colours of this {self.colour} file")
        if self.alpha_band is not None and not (
            0 <= self.alpha_band < self.bands and self.alpha_band not in places
        ):
            raise ContainerError(
                f"band {self.alpha_band} cannot be the alpha band of this {self.colour} file"
            )
        if (self.colour == "palette") != (self.palette is not None):
            raise ContainerError("colour palette and a palette go together")
        if self.palette is not None:
            self._check_palette(self.palette)

    def _check_palette(self, palette: tuple[tuple[int, int, int, int], ...]) -> None:
        if self.bands != 1 or self.dtype != "uint8" or not 1 <= len(palette) <= 256:
            raise ContainerError("a palette has 1..256 entries and needs exactly one uint8 band")
        if any(len(entry) != 4 or not all(0 <= v <= 255 for v in entry) for entry in palette):
            raise ContainerError("palette entries are red, green, blue and alpha, 0..255 each")

    @property
    def colour_places(self) -> tuple[int, ...]:
        """Bands that carry the colours, from 0, in the order of the colours."""
        return self.colour_bands or tuple(range(_COLOURS[self.colour]))

    @property
    def component(self) -> j2k.Component:
        """Precision and sign of every band."""
        full = 8 if self.dtype == "uint8" else 16
        return j2k.Component(precision=self.bits or full, is_signed=self.dtype == "int16")

    def image_size(self) -> j2k.ImageSize:
        """Return the SIZ segment of the whole file."""
        return j2k.ImageSize(
            width=self.width,
            height=self.height,
            tile_width=self.tile_size,
            tile_height=self.tile_size,
            components=(self.component,) * self.bands,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Jp2Boxes:
    """Optional boxes in front of the codestream."""

    geotiff: bytes | None = None
    """Degenerate GeoTIFF for the GeoJP2 box."""
    gml: str | None = None
    """GMLJP2 root instance."""
    xml: str | None = None
    """Any XML document."""


def file_header(layout: Jp2Layout, boxes: Jp2Boxes) -> bytes:
    """Return all boxes in front of the codestream box.

    Raises:
        ContainerError: An XML document is not well-formed.
    """
    parts = [SIGNATURE_BOX, _file_type(is_jpx=boxes.gml is not None)]
    if boxes.gml is not None:
        parts.append(_GML_REQUIREMENTS)
    parts.append(_jp2_header(layout))
    if boxes.geotiff is not None:
        parts.append(make_box(b"uuid", GEOJP2_UUID.bytes + boxes.geotiff))
    if boxes.gml is not None:
        root = make_box(b"lbl ", b"gml.root-instance") + make_box(b"xml ", _xml_bytes(boxes.gml))
        parts.append(make_box(b"asoc", make_box(b"lbl ", b"gml.data") + make_box(b"asoc", root)))
    if boxes.xml is not None:
        parts.append(make_box(b"xml ", _xml_bytes(boxes.xml)))
    return b"".join(parts)


def _file_type(*, is_jpx: bool) -> bytes:
    return make_box(b"ftyp", b"jp2 " + struct.pack(">I", 0) + b"jp2 " + (b"jpx " if is_jpx else b""))


def _jp2_header(layout: Jp2Layout) -> bytes:
    component = layout.component
    depth = (component.precision - 1) | (0x80 if component.is_signed else 0)
    image = struct.pack(">IIHBBBB", layout.height, layout.width, layout.bands, depth, 7, 0, 0)
    space = _GREY if layout.colour == "grey" else _SRGB
    parts = [make_box(b"ihdr", image), make_box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))]
    if layout.palette is not None:
        parts += _palette_boxes(layout.palette)
    else:
        parts += _channel_definitions(layout)
    return make_box(b"jp2h", b"".join(parts))


def _palette_boxes(palette: tuple[tuple[int, int, int, int], ...]) -> list[bytes]:
    columns = 3 if all(entry[3] == 255 for entry in palette) else 4
    rows = b"".join(bytes(entry[:columns]) for entry in palette)
    boxes = [
        make_box(b"pclr", struct.pack(">HB", len(palette), columns) + b"\x07" * columns + rows),
        make_box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in range(columns))),
    ]
    if columns == 4:
        channels = [(channel, _COLOUR_CHANNEL, channel + 1) for channel in range(3)]
        boxes.append(_cdef([*channels, (3, _OPACITY, _WHOLE_IMAGE)]))
    return boxes


def _channel_definitions(layout: Jp2Layout) -> list[bytes]:
    places = layout.colour_places
    if places == tuple(range(layout.bands)):
        return []
    channels = []
    for band in range(layout.bands):
        if band in places:
            channels.append((band, _COLOUR_CHANNEL, places.index(band) + 1))
        elif band == layout.alpha_band:
            opacity = _PREMULTIPLIED if layout.is_premultiplied else _OPACITY
            channels.append((band, opacity, _WHOLE_IMAGE))
        else:
            channels.append((band, _UNSPECIFIED, _NO_COLOUR))
    return [_cdef(channels)]


def _cdef(channels: list[tuple[int, int, int]]) -> bytes:
    return make_box(
        b"cdef",
        struct.pack(">H", len(channels)) + b"".join(struct.pack(">HHH", *entry) for entry in channels),
    )


def _xml_bytes(document: str) -> bytes:
    content = document.encode("utf-8").strip(b"\0 \r\n\t")
    try:
        ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError) as error:
        raise ContainerError(f"the XML for the file is not well-formed: {error}") from error
    return content
