"""Compact field contents of the side information, and reading them back without trust.

A file of a kilobyte must not take a gigabyte to open. So whatever inflates shares one budget, fields that
this version does not know are not inflated, and lists are counted before they are built: at most 64 MiB
beside what the scene itself needs. What is written keeps the same bounds, or is refused.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from rsic_geo.container.preset import PRESET
from rsic_geo.errors import ContainerError
from rsic_geo.targets import numbered

MAX_INFLATED_BYTES = 12 << 20
"""Most bytes that the deflated fields of one archive inflate to, together."""
MAX_JSON_BYTES = 6 << 20
"""Longest metadata (bytes): as text in memory they may take four times as much."""
MAX_JSON_VALUES = 300_000
"""Most values in the metadata; each takes some sixty bytes as an object."""
_MAX_DIGITS = 20
"""Longest whole number in the metadata: 64 bits."""
MAX_BANDS = 16384
"""Most bands of an archive: what JPEG 2000 can hold."""
_MAX_TILES = 65535
_MAX_KINDS = 16
_MAX_PLANES = 3 * _MAX_TILES
"""Most planes in all: three kinds of them in every tile."""
_MAX_VARINT_BYTES = 10
_EXPONENTS = 16
"""Decimal exponents a target may have, half of them negative; those of sensible targets take one byte."""


class Writer:
    """Gathers fields."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._left = MAX_INFLATED_BYTES

    def add(self, tag: int, content: bytes) -> None:
        """Add a field, deflated where that is shorter; an empty content is a default and is left out."""
        if not content:
            return
        deflated = _deflate(content) if 16 <= len(content) <= self._left else content
        is_shorter = len(deflated) < len(content)
        self._left -= len(content) if is_shorter else 0
        content = deflated if is_shorter else content
        self._parts += [bytes((tag * 2 + is_shorter,)), varint(len(content)), content]

    def data(self) -> bytes:
        """Return all fields."""
        return b"".join(self._parts)


class Reader:
    """Reads numbers and bytes off a content; every overrun is a ContainerError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        """True when nothing is left."""
        return self._position == len(self._data)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if count > len(self._data) - self._position:
            raise ContainerError("the side information is cut short: copy the file again")
        self._position += count
        return self._data[self._position - count : self._position]

    def varint(self) -> int:
        """Return the next unsigned number."""
        value = 0
        for shift in range(_MAX_VARINT_BYTES):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << (7 * shift)
            if byte < 0x80:
                return value
        raise ContainerError("a number in the side information is impossible: it is damaged")

    def rest(self) -> bytes:
        """Return everything left."""
        return self.take(len(self._data) - self._position)


def varint(value: int) -> bytes:
    """Return an unsigned number below 2**64, seven bits per byte, lowest first."""
    if not 0 <= value < 2**64:
        raise ContainerError(f"{value} cannot be stored in the side information")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes((value,))


def read_fields(data: bytes, known: Collection[int]) -> dict[int, bytes]:
    """Return the contents by tag, inflated; of tags that are not ``known`` nothing. Raises ContainerError."""
    reader = Reader(data)
    found: dict[int, bytes] = {}
    left = MAX_INFLATED_BYTES
    while not reader.is_at_end:
        tag = reader.take(1)[0]
        content = reader.take(reader.varint())
        if tag // 2 not in known:
            continue
        if tag & 1:
            content = _inflate(content, left)
            left -= len(content)
        found[tag // 2] = content
    return found


def pack_crcs(crcs: Sequence[int]) -> bytes:
    """Return 4 bytes each."""
    return struct.pack(f">{len(crcs)}I", *crcs)


def unpack_crcs(content: bytes) -> tuple[int, ...]:
    """Undo `pack_crcs`. Raises ContainerError."""
    if len(content) > 4 * (2 * _MAX_TILES + 2):
        raise ContainerError("there are more checksums than tiles: the side information is damaged")
    if len(content) % 4:
        raise ContainerError("checksums are cut short: the side information is damaged")
    return struct.unpack(f">{len(content) // 4}I", content)


def pack_groups(groups: Sequence[Sequence[int]]) -> bytes:
    """Return each group as its number of bands and the bands."""
    return b"".join(varint(n) for group in groups for n in (len(group), *group))


def unpack_groups(content: bytes) -> tuple[tuple[int, ...], ...]:
    """Undo `pack_groups`. Raises ContainerError."""
    if len(content) > 6 * MAX_BANDS:
        raise ContainerError("there are more groups than bands: the side information is damaged")
    reader = Reader(content)
    groups: list[tuple[int, ...]] = []
    while not reader.is_at_end:
        count = reader.varint()
        if count > len(content) or len(groups) >= MAX_BANDS:
            raise ContainerError("a band group is impossible: the side information is damaged")
        groups.append(tuple(reader.varint() for _ in range(count)))
    return tuple(groups)


def pack_cells(cells: npt.NDArray[np.uint8]) -> bytes:
    """Return (groups, rows, columns) bytes as columns, rows and differences along the columns."""
    if cells.size == 0:
        return b""
    if cells.ndim != 3 or cells.dtype != np.uint8:
        raise ContainerError(
            f"cell values are uint8 (groups, rows, columns), not {cells.dtype} {cells.shape}"
        )
    _, rows, columns = cells.shape
    differences = np.diff(cells, axis=2, prepend=np.uint8(0))
    return varint(columns) + varint(rows) + differences.tobytes()


def unpack_cells(content: bytes) -> npt.NDArray[np.uint8]:
    """Undo `pack_cells`; no content is shape (0, 0, 0). Raises ContainerError."""
    if not content:
        return np.zeros((0, 0, 0), np.uint8)
    reader = Reader(content)
    columns, rows = reader.varint(), reader.varint()
    data = reader.rest()
    if not columns or not rows or not data or len(data) % (columns * rows):
        raise ContainerError("cell values do not fill their lattice: the side information is damaged")
    differences = np.frombuffer(data, np.uint8).reshape(-1, rows, columns)
    return np.cumsum(differences, axis=2, dtype=np.uint8)


def pack_json(value: Mapping[str, Any]) -> bytes:
    """Return compact JSON, or nothing for an empty object. Raises ContainerError where JSON fails."""
    if not value:
        return b""
    try:
        content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise ContainerError(f"metadata cannot be stored as JSON: {error}") from error
    if len(content) > MAX_JSON_BYTES or _values(content) > MAX_JSON_VALUES:
        raise ContainerError(
            f"metadata of {len(content)} bytes and about {_values(content)} values are too long: "
            f"{MAX_JSON_BYTES} bytes and {MAX_JSON_VALUES} values fit"
        )
    return content


def _values(content: bytes) -> int:
    """Return at least how many values JSON text holds, without reading it; marks in texts count too."""
    return sum(content.count(mark) for mark in (b",", b"[", b"{", b":"))


def unpack_json(content: bytes) -> dict[str, Any]:
    """Undo `pack_json`; every number in it is finite and fits 64 bits. Raises ContainerError."""
    if len(content) > MAX_JSON_BYTES or _values(content) > MAX_JSON_VALUES:
        raise ContainerError("stored metadata are too long: the side information is damaged")
    try:
        value = json.loads(content, parse_float=_finite, parse_int=_whole, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise ContainerError("stored metadata are no JSON: the side information is damaged") from error
    if not isinstance(value, dict):
        raise ContainerError("stored metadata are no JSON object: the side information is damaged")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number of a scene")
    return value


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_DIGITS:
        raise ValueError("a whole number is longer than 64 bits")
    return int(text)


def pack_target(target: Mapping[str, float]) -> bytes:
    """Return a target such as {"bpp": 0.4} as kind, decimal exponent and digits; nothing if that fails."""
    if len(target) != 1:
        return b""
    ((kind, value),) = target.items()
    try:
        number = Decimal(repr(float(value)))
    except OverflowError:
        return b""
    row = numbered().get(kind)
    if row is None or not number.is_finite() or number < 0:
        return b""
    _, digits, exponent = number.normalize().as_tuple()
    whole = int("".join(map(str, digits)))
    if not isinstance(exponent, int) or not -_EXPONENTS // 2 <= exponent < _EXPONENTS // 2 or whole >= 2**63:
        return b""
    return varint(row.code * _EXPONENTS + exponent + _EXPONENTS // 2) + varint(whole)


def unpack_target(content: bytes) -> dict[str, float]:
    """Undo `pack_target`. Raises ContainerError."""
    if not content:
        return {}
    reader = Reader(content)
    code, place = divmod(reader.varint(), _EXPONENTS)
    whole = reader.varint()
    kind = next((kind for kind, row in numbered().items() if row.code == code), None)
    if kind is None or not reader.is_at_end:
        raise ContainerError("the target of the side information is impossible: it is damaged")
    return {kind: float(f"{whole}e{place - _EXPONENTS // 2}")}


def pack_planes(planes: Mapping[tuple[int, str], bytes]) -> bytes:
    """Return the planes sorted by kind and tile, each kind named once."""
    out = []
    for kind in sorted({kind for _, kind in planes}):
        tiles = sorted(tile for tile, other in planes if other == kind)
        name = kind.encode()
        out += [varint(len(name)), name, varint(len(tiles))]
        for tile in tiles:
            content = planes[(tile, kind)]
            out += [varint(tile), varint(len(content)), content]
    return b"".join(out)


def unpack_planes(content: bytes) -> dict[tuple[int, str], bytes]:
    """Undo `pack_planes`. Raises ContainerError."""
    reader = Reader(content)
    planes: dict[tuple[int, str], bytes] = {}
    for _ in range(_MAX_KINDS):
        if reader.is_at_end:
            return planes
        try:
            kind = reader.take(reader.varint()).decode()
        except UnicodeDecodeError as error:
            raise ContainerError("the name of a plane is no text: the side information is damaged") from error
        last = -1
        for _ in range(reader.varint()):
            tile = reader.varint()
            if not last < tile < _MAX_TILES or len(planes) >= _MAX_PLANES:
                raise ContainerError(f"a plane of tile {tile} is impossible: the side information is damaged")
            last = tile
            planes[(tile, kind)] = reader.take(reader.varint())
    raise ContainerError(f"more than {_MAX_KINDS - 1} kinds of planes: the side information is damaged")


def _deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, PRESET)
    return packer.compress(content) + packer.flush()


def _inflate(content: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(-15, PRESET)
    try:
        data = unpacker.decompress(content, most + 1)
    except zlib.error as error:
        raise ContainerError("the side information cannot be inflated: it is damaged") from error
    if len(data) > most or not unpacker.eof:
        raise ContainerError("a field of the side information is too long or cut short: it is damaged")
    return data
