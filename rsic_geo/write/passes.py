"""One pass over the tiles of a scene as a value: any worker can be told it, and its results are bytes."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import LOSSLESS, Setting, SizedCodec
from rsic_geo.errors import ContainerError
from rsic_geo.write import tiles as tilework
from rsic_geo.write.tiles import RawTile, TileResult

_ARRAYS = ("sse", "worst", "cell_sse", "cell_count")
_NUMBERS = ("pixel_crc", "coding_seconds")
_GOLDEN, _SAMPLE = 0.6180339887498949, 0.25
_HEAD = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRecord:
    """What one pass found out about one tile."""

    number: int
    """Row-major number of the tile."""
    points: tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]] = ((), (), ())
    """Bytes of a layered coding, squared errors (none of an undecoded one), and what was asked for; all empty
    when the tile was coded."""
    by_band: tuple[tuple[float, ...], ...] = ()
    """The errors of each band, point by point."""
    is_usual: bool = False
    """Whether the tile leaves the usual part of what the encoder is asked for; see :class:`RDPoints`."""
    result: TileResult | None = None
    """The coded tile; None when its curve was measured."""
    planes: dict[str, bytes] = field(default_factory=dict)
    """Planes kept losslessly beside the codec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePass:
    """What is done to every tile of a scene."""

    work: Literal["curves", "lossless", "sizes", "errors", "close", "within"]
    """Measure rate-distortion curves, code without loss, to sizes, to errors, to one small error, or within a
    largest one."""
    layers: tuple[float, ...] = ()
    """Mean squared errors of the curves, falling."""
    near: float | tuple[float, ...] | None = None
    """Mean squared error, or that of each band, that the curves are to be right about; None: everywhere."""
    is_sampled: bool = False
    """Whether most tiles leave their layers undecoded: what the others leave of an error tells theirs."""
    sizes: tuple[int, ...] = ()
    """Bytes of every tile of the scene."""
    errors: tuple[float, ...] = ()
    """Squared error to ask the encoder for, of every tile of the scene; 0 for all there is."""
    error: float = 0.0
    """Mean squared error to ask of every tile alike, coded by what could keep all."""
    is_exact: bool = False
    """Sizes are met to the byte, by trial."""
    is_measured: bool = True
    """False leaves tiles undecoded; their errors then read 0."""
    bound: float = 0.0
    """Largest absolute error."""

    def run(self, raw: RawTile, codec: SizedCodec) -> TileRecord:
        """Do the work of this pass on one tile; a pure function, any thread may call it."""
        tile = tilework.prepare(raw, lossless=self.work == "lossless")
        if self.work == "curves":
            is_decoded = not self.is_sampled or is_sample(tile.number)
            points = codec.curve(tile.pixels, self.layers, tile.counted, self.near, is_decoded=is_decoded)
            found = points.bytes, points.sse, points.asked
            return TileRecord(
                number=tile.number, points=found, by_band=points.by_band, is_usual=points.is_usual
            )
        if self.work == "within":
            result = tilework.code_within(tile, codec, self.bound)
        elif self.work == "lossless":
            result = tilework.code(tile, codec, LOSSLESS)
        elif self.work == "close":
            setting = Setting(error=self.error, is_reversible=True)
            result = tilework.code(tile, codec, setting, is_measured=self.is_measured)
        elif self.work == "errors":
            setting = Setting(error=self.errors[tile.number] / tile.pixels.size)
            result = tilework.code(tile, codec, setting, is_measured=self.is_measured)
        else:
            setting = Setting(size=max(1, self.sizes[tile.number]), is_exact=self.is_exact)
            result = tilework.code(tile, codec, setting, is_measured=self.is_measured)
        return TileRecord(number=tile.number, result=result, planes=tile.planes)

    def key(self, tiles: range) -> str:
        """Return a digest of everything in this pass that decides what becomes of some tiles."""
        own = slice(tiles.start, tiles.stop)
        part = replace(self, sizes=self.sizes[own], errors=self.errors[own])
        entries = {**part.to_json(), "tiles": [tiles.start, tiles.stop]}
        return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, entries: dict[str, Any]) -> TilePass:
        """Rebuild what :meth:`to_json` gave."""
        lists = {name: tuple(entries[name]) for name in ("layers", "sizes", "errors")}
        if isinstance(entries["near"], list):
            lists["near"] = tuple(entries["near"])
        return cls(**{**entries, **lists})


def is_sample(number: int) -> bool:
    """Return whether a tile is one of the fourth part that is looked at for all, spread over the scene."""
    return number * _GOLDEN % 1.0 < _SAMPLE


def pack_record(record: TileRecord) -> bytes:
    """Return a record as bytes: its numbers as JSON, then arrays, codestream and planes."""
    blobs: list[tuple[str, bytes]] = [(f"plane {kind}", packed) for kind, packed in record.planes.items()]
    head = {name: getattr(record, name) for name in ("number", "points", "by_band", "is_usual")}
    if record.result is not None:
        result = record.result
        head |= {name: getattr(result, name) for name in _NUMBERS}
        head["shapes"] = {name: getattr(result, name).shape for name in _ARRAYS}
        blobs += [(name, getattr(result, name).astype("<f8").tobytes()) for name in _ARRAYS]
        blobs.append(("codestream", result.codestream))
    head["blobs"] = [(name, len(content)) for name, content in blobs]
    text = json.dumps(head).encode()
    return b"".join([_HEAD.pack(len(text)), text, *(content for _, content in blobs)])


def unpack_record(content: bytes) -> TileRecord:
    """Return what :func:`pack_record` packed.

    Raises:
        ContainerError: if it did not pack this.
    """
    try:
        (length,) = _HEAD.unpack_from(content)
        place = _HEAD.size + length
        head = json.loads(content[_HEAD.size : place])
        blobs: dict[str, bytes] = {}
        for name, size in head["blobs"]:
            blobs[name] = content[place : place + size]
            place += size
        if place != len(content):
            raise ValueError("cut short")
        result = None
        if "codestream" in blobs:
            fields: dict[str, Any] = {name: _array(blobs[name], head["shapes"][name]) for name in _ARRAYS}
            fields |= {name: head[name] for name in _NUMBERS}
            result = TileResult(number=head["number"], codestream=blobs["codestream"], **fields)
        sizes, errors, asked = head["points"]
        by_band = tuple(map(tuple, head["by_band"]))
        planes = {name[6:]: packed for name, packed in blobs.items() if name.startswith("plane ")}
        return TileRecord(
            number=head["number"],
            points=(tuple(sizes), tuple(errors), tuple(asked)),
            by_band=by_band,
            is_usual=head["is_usual"],
            result=result,
            planes=planes,
        )
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise ContainerError(f"a kept tile cannot be read ({error}): it is coded again") from error


def _array(content: bytes, shape: list[int]) -> NDArray[np.float64]:
    return np.frombuffer(content, "<f8").astype(np.float64).reshape(shape)
