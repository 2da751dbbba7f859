"""One tile of a learned archive: payloads of the network or of JPEG 2000, and their pixels."""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs import jpeg2000
from rsic_geo.errors import INSTALL_LEARNED, BitstreamError, MissingDependencyError
from rsic_geo.geo.radiometry import Radiometry

LEARNED, JPEG2000 = ord("L"), ord("J")
"""First byte of a payload: whose bitstream follows."""
MAX_REDUCE = 5
"""Most halvings of a reduced read."""
ROUNDING = 5e-5
"""How far apart the float32 arithmetic of two devices may come out (share of the used range)."""
_LENGTH = struct.Struct(">I")
Pixels = NDArray[Any]
Floats = NDArray[np.float32]


class LearnedTile(Protocol):
    """What a network makes of a tile."""

    @property
    def payload(self) -> bytes:
        """Bitstream of one group of bands."""
        ...

    @property
    def reconstruction(self) -> Floats:
        """Samples (bands, h, w) it decodes to."""
        ...


class TileNetwork(Protocol):
    """A learned codec of tiles; see ``rsic_geo.codecs.learned``."""

    name: str
    sha256: str

    def encode_tile(self, samples: Floats, quality: float) -> LearnedTile:
        """Encode samples (1 or 3 bands, h, w) at a quality of 0..1."""
        ...

    def decode_tile(self, payload: bytes, shape: tuple[int, int, int], *, reduce: int = 0) -> Floats:
        """Decode samples of a shape (bands, h, w), sides then halved (rounded up) ``reduce`` times."""
        ...


def load_network(name: str, device: str = "auto", *, sha256: str | None = None) -> TileNetwork:
    """Return the learned codec called ``name`` ("auto": the best there is).

    Args:
        name: name of weights, or a path.
        device: auto, cpu, cuda or cuda:N.
        sha256: digest the weights must have, or its first 16 digits; None for any.

    Raises:
        MissingDependencyError: the extra it needs is not installed.
        WeightsError: there are no such weights.
        WeightsMismatchError: they have another digest.
    """
    try:
        from rsic_geo.codecs.learned import LearnedCodec
    except ImportError as error:
        if isinstance(error, MissingDependencyError):
            raise
        raise MissingDependencyError(
            f"the learned codec cannot be loaded ({error}): {INSTALL_LEARNED}"
        ) from error
    return LearnedCodec(name, device=device, sha256=sha256)


class Networks:
    """A network that is loaded when it is first needed and used by one thread at a time."""

    def __init__(self, load: Callable[[], TileNetwork]) -> None:
        """Hold how to load it."""
        self._load, self._lock = load, threading.Lock()
        self._network: TileNetwork | None = None

    def get(self) -> TileNetwork:
        """Return the network. Raises what loading it raises."""
        if self._network is None:
            self._network = self._load()
        return self._network

    def encode(self, samples: Floats, quality: float) -> LearnedTile:
        """Encode samples (bands, h, w)."""
        with self._lock:
            return self.get().encode_tile(samples, quality)

    def decode(self, payload: bytes, shape: tuple[int, int, int], reduce: int) -> Floats:
        """Decode samples of a shape (bands, h, w). Raises BitstreamError, ChecksumError."""
        with self._lock:
            return self.get().decode_tile(payload, shape, reduce=reduce)


@dataclass(frozen=True, slots=True, kw_only=True)
class TileFormat:
    """What all tiles of a scene have in common."""

    groups: tuple[tuple[int, ...], ...]
    """Bands coded together, one or three each; bands of no group (alpha) are 0 and come from their planes."""
    radiometry: Radiometry
    mct: bool = False
    """Whether JPEG 2000 decorrelates the first three coded bands."""
    tile_size: int = 512

    @property
    def coded(self) -> list[int]:
        """Bands with a bitstream, in the order they are coded."""
        return [band for group in self.groups for band in group]

    @property
    def uses_mct(self) -> bool:
        """Whether the colour transform is used: the first group must be red, green, blue."""
        return self.mct and bool(self.groups) and len(self.groups[0]) == 3

    def params(self, **changes: Any) -> jpeg2000.J2KParams:  # noqa: ANN401
        """Return the JPEG 2000 parameters of a tile."""
        return jpeg2000.J2KParams(
            **{"lossless": False, "mct": self.uses_mct, "tile_size": self.tile_size, "plt": False} | changes
        )

    @property
    def rounding(self) -> int:
        """How far apart devices may round what the network makes (DN)."""
        spans = zip(self.radiometry.low, self.radiometry.high, strict=True)
        return max(1, math.ceil(ROUNDING * max(high - low for low, high in spans)))

    def blank(self, height: int, width: int) -> Pixels:
        """Return pixels (bands, h, w) that are all 0."""
        return np.zeros((self.radiometry.bands, height, width), self.radiometry.dtype)


def encode_learned(
    networks: Networks, form: TileFormat, pixels: Pixels, quality: float
) -> tuple[bytes, Pixels]:
    """Return the payload's body and the pixels (bands, h, w) it decodes to.

    Each group is given to the network in 0..1 units of the scene's radiometry. The body is, group by group,
    the length of its bitstream (4 bytes) and the bitstream; the last one has no length.
    """
    out = form.blank(*pixels.shape[1:])
    parts = []
    for group in form.groups:
        index = list(group)
        tile = networks.encode(form.radiometry.forward(pixels[index], group), quality)
        out[index] = form.radiometry.inverse(tile.reconstruction, group)
        parts.append(tile.payload)
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts[:-1]) + parts[-1], out


@dataclass(frozen=True, slots=True)
class TileDecoder:
    """Turns payloads into pixels."""

    networks: Networks
    form: TileFormat

    def pixels(self, kind: int, body: bytes, size: tuple[int, int], reduce: int = 0) -> Pixels:
        """Return the pixels (bands, h, w) of a payload.

        Args:
            kind: LEARNED or JPEG2000.
            body: what :func:`encode_learned` made, or a JPEG 2000 codestream of all coded bands.
            size: (rows, columns) of the tile at full resolution (px).
            reduce: how often the sides are halved, rounded up.

        Raises:
            BitstreamError, ChecksumError: the payload is no bitstream of such a tile.
        """
        form, step = self.form, 1 << reduce
        height, width = -(-size[0] // step), -(-size[1] // step)
        out = form.blank(height, width)
        if kind == JPEG2000:
            if form.coded:
                pixels = jpeg2000.decode_tile(body, reduce=reduce)
                out[form.coded] = _checked(pixels, (len(form.coded), height, width), out.dtype)
        elif kind == LEARNED:
            for group, part in zip(form.groups, _parts(body, len(form.groups)), strict=True):
                samples = self.networks.decode(part, (len(group), *size), reduce)
                _checked(samples, (len(group), height, width), np.dtype(np.float32))
                out[list(group)] = form.radiometry.inverse(samples, group)
        else:
            raise BitstreamError(f"payloads of kind {kind} are not known: update rsic_geo")
        return out


def _parts(body: bytes, count: int) -> list[bytes]:
    if not count:
        raise BitstreamError("a tile of the network in a scene without bands for it")
    parts, at = [], 0
    for _ in range(count - 1):
        if at + _LENGTH.size > len(body):
            raise BitstreamError("the tile is cut short")
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        if at + length > len(body):
            raise BitstreamError("the tile is cut short")
        parts.append(body[at : at + length])
        at += length
    return [*parts, body[at:]]


def _checked(pixels: Pixels, shape: tuple[int, ...], kind: np.dtype[Any]) -> Pixels:
    if pixels.shape != shape or pixels.dtype != kind:
        raise BitstreamError(
            f"the tile holds {pixels.dtype} {pixels.shape}, the archive says {kind} {shape}: it is damaged"
        )
    return pixels
