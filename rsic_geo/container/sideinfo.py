"""What our box holds: everything decoding needs beside the picture, in as few bytes as possible.

Layout: major, minor, fields, CRC-32. A field is a tag byte (number * 2 + 1 when deflated), the length of its
content as a varint, and its content. Fields at their default are left out, unknown ones are skipped, so minor
versions may add fields. Every content is checked before it is believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rsic_geo.container import fields as codec
from rsic_geo.container.fields import Reader
from rsic_geo.errors import ChecksumError, ContainerError, VersionError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.j2k import MAX_COMPONENTS

MAJOR, MINOR = 1, 0
DEFAULT_TILE_SIZE = 1024
Cells = npt.NDArray[np.uint8]
"""One byte per 256 px cell, (groups, rows, columns)."""

_LOSSLESS, _TILE_SIZE, _HEADER_CRC, _TILE_CRCS, _PIXEL_CRCS = range(1, 6)
_MODEL, _SEED, _GROUPS, _LEVELS, _STRENGTHS, _PLANES, _DOCUMENT = range(6, 13)


def _no_cells() -> Cells:
    return np.zeros((0, 0, 0), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """The network weights an archive was made with."""

    name: str
    sha256: str
    """64 hexadecimal digits."""

    def __post_init__(self) -> None:
        """Refuse anything but a name and a digest."""
        try:
            digest = bytes.fromhex(self.sha256)
        except ValueError:
            digest = b""
        if not self.name or len(digest) != 32:
            raise ContainerError(f"model {self.name!r} needs a name and a SHA-256 of 64 hexadecimal digits")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideInfo:
    """Side information of one archive."""

    lossless: bool
    snapshot: MetadataSnapshot
    """Metadata of the scene."""
    tile_size: int = DEFAULT_TILE_SIZE
    """Nominal side of a codec tile (px)."""
    header_crc: int = 0
    """CRC-32 of the codestream's main header."""
    tile_crcs: tuple[int, ...] = ()
    """CRC-32 of every tile's body, tile order."""
    pixel_crcs: tuple[int, ...] = ()
    """CRC-32 of every decoded tile, tile order."""
    model: ModelReference | None = None
    seed: int = 0
    groups: tuple[tuple[int, ...], ...] = ()
    """Bands that are enhanced together (from 0)."""
    levels: Cells = field(default_factory=_no_cells)
    """Distortion level of each cell."""
    strengths: Cells = field(default_factory=_no_cells)
    """Enhancement strength of each cell."""
    radiometry: Radiometry | None = None
    planes: Mapping[tuple[int, str], bytes] = field(default_factory=dict)
    """Lossless planes, packed, by tile number and kind (valid, mask, alpha)."""
    target: Mapping[str, float] = field(default_factory=dict)
    """What the encoder was asked for, such as {"bpp": 0.5}; empty for lossless."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Anything else, JSON."""


def pack(side: SideInfo) -> bytes:
    """Return the content of the box.

    Raises:
        ContainerError: A value does not fit.
    """
    document = {
        "s": side.snapshot.to_json(),
        "r": None if side.radiometry is None else side.radiometry.to_json(),
        "t": dict(side.target),
        "x": dict(side.extras),
    }
    writer = codec.Writer()
    writer.add(_LOSSLESS, b"\1" if side.lossless else b"")
    writer.add(_TILE_SIZE, codec.varint(side.tile_size) if side.tile_size != DEFAULT_TILE_SIZE else b"")
    writer.add(_HEADER_CRC, codec.pack_crcs((side.header_crc,)))
    writer.add(_TILE_CRCS, codec.pack_crcs(side.tile_crcs))
    writer.add(_PIXEL_CRCS, codec.pack_crcs(side.pixel_crcs))
    if side.model is not None:
        writer.add(_MODEL, bytes.fromhex(side.model.sha256) + side.model.name.encode())
    writer.add(_SEED, codec.varint(side.seed) if side.seed else b"")
    writer.add(_GROUPS, codec.pack_groups(side.groups))
    writer.add(_LEVELS, codec.pack_cells(side.levels))
    writer.add(_STRENGTHS, codec.pack_cells(side.strengths))
    writer.add(_PLANES, codec.pack_planes(side.planes))
    writer.add(_DOCUMENT, codec.pack_json({key: value for key, value in document.items() if value}))
    body = bytes((MAJOR, MINOR)) + writer.data()
    return body + zlib.crc32(body).to_bytes(4, "big")


def unpack(data: bytes) -> SideInfo:
    """Read the content of the box.

    Raises:
        VersionError: Written by a newer, incompatible version.
        ChecksumError: Damaged.
        ContainerError: Not laid out as it should be.
    """
    if len(data) < 6:
        raise ChecksumError("the side information is cut short: copy the file again")
    if data[0] != MAJOR:
        raise VersionError(
            f"the archive holds side information {data[0]}.{data[1]}, this rsic_geo reads {MAJOR}.x: "
            "update rsic_geo, or read the picture alone with any JPEG 2000 reader"
        )
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise ChecksumError("the side information is damaged: copy the file again")
    found = codec.read_fields(data[2:-4])
    document = codec.unpack_json(found.get(_DOCUMENT, b"{}"))
    header_crc = codec.unpack_crcs(found.get(_HEADER_CRC, b""))
    return SideInfo(
        lossless=_LOSSLESS in found,
        snapshot=_snapshot(_member(document, "s")),
        tile_size=Reader(found[_TILE_SIZE]).varint() if _TILE_SIZE in found else DEFAULT_TILE_SIZE,
        header_crc=header_crc[0] if header_crc else 0,
        tile_crcs=codec.unpack_crcs(found.get(_TILE_CRCS, b"")),
        pixel_crcs=codec.unpack_crcs(found.get(_PIXEL_CRCS, b"")),
        model=_model(found[_MODEL]) if _MODEL in found else None,
        seed=Reader(found[_SEED]).varint() if _SEED in found else 0,
        groups=codec.unpack_groups(found.get(_GROUPS, b"")),
        levels=codec.unpack_cells(found.get(_LEVELS, b"")),
        strengths=codec.unpack_cells(found.get(_STRENGTHS, b"")),
        radiometry=Radiometry.from_json(_member(document, "r")) if "r" in document else None,
        planes=codec.unpack_planes(found.get(_PLANES, b"")),
        target=_member(document, "t"),
        extras=_member(document, "x"),
    )


def _snapshot(document: Mapping[str, Any]) -> MetadataSnapshot:
    count = document.get("count")
    if not isinstance(count, int) or not 1 <= count <= MAX_COMPONENTS:
        raise ContainerError(f"stored metadata name {count!r} bands: the side information is damaged")
    return MetadataSnapshot.from_json(document)


def _member(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise ContainerError("stored metadata are not laid out as they should be: the archive is damaged")
    return value


def _model(content: bytes) -> ModelReference:
    try:
        return ModelReference(name=content[32:].decode(), sha256=content[:32].hex())
    except UnicodeDecodeError as error:
        raise ContainerError("the name of the model is no text: the side information is damaged") from error
