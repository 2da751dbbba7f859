"""The learned codec under the contract of a codec: the network of a scene, loaded when it is first needed."""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import Coded, Pixels, Setting, TileForm
from rsic_geo.errors import (
    INSTALL_COMPRESSAI,
    INSTALL_LEARNED,
    BitstreamError,
    MissingDependencyError,
    UsageError,
    WeightsMismatchError,
)

PASSES = {"fast": 0, "normal": 1, "best": 3}
"""How often latents are refined, by effort; four times are no better than three."""
ROUNDING = 5e-5
"""How far apart the float32 arithmetic of two devices may come out (share of the used range)."""
_LENGTH = struct.Struct(">I")
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

    def encode_tile(self, samples: Floats, quality: float, *, passes: int = 0) -> LearnedTile:
        """Encode samples (1 or 3 bands, h, w) at a quality of 0..1, refined so many times if it can be."""
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


def load_compressai(name: str, device: str = "auto", *, sha256: str | None = None) -> TileNetwork:
    """Return a network of CompressAI as :func:`load_network` does; there is none for "auto"."""
    try:
        from rsic_geo.codecs.compressai_tile import CompressaiCodec
    except ImportError as error:
        raise MissingDependencyError(
            f"this codec cannot be loaded ({error}): {INSTALL_COMPRESSAI}"
        ) from error
    return CompressaiCodec(name, device=device, sha256=sha256)


class LearnedTiles:
    """Codes tiles group by group, each in 0..1 units of the range its bands use.

    A payload is, group by group, the length of its bitstream (4 bytes) and the bitstream; the last one has no
    length. Several threads may be inside the network.
    """

    def __init__(
        self,
        form: TileForm,
        *,
        weights: str,
        device: str,
        sha256: str | None,
        loader: Callable[..., TileNetwork] | None = None,
    ) -> None:
        """Hold what tiles have in common, and by what the network is loaded when it is first needed.

        Arguments as of :class:`rsic_geo.codecs.base.Maker`; ``loader`` is :func:`load_network` or what takes
        its place.
        """
        self._form, self._asked, self._loader = form, (weights, device, sha256), loader
        self._turn = threading.Lock()
        self._loaded: TileNetwork | None = None

    @property
    def _network(self) -> TileNetwork:
        with self._turn:
            if self._loaded is None:
                weights, device, sha256 = self._asked
                network = (self._loader or load_network)(weights, device, sha256=sha256)
                if sha256 is not None and not network.sha256.startswith(sha256):
                    raise WeightsMismatchError(
                        f"the archive was made with the codec {weights} ({sha256}), here is {network.name} "
                        f"({network.sha256[:16]}): install those weights; no others can decode it"
                    )
                self._loaded = network
            return self._loaded

    @property
    def tolerance(self) -> int:
        """How far apart devices may round what the network makes (DN)."""
        spans = zip(self._form.radiometry.low, self._form.radiometry.high, strict=True)
        return max(1, math.ceil(ROUNDING * max(high - low for low, high in spans)))

    @property
    def weights(self) -> tuple[str, str]:
        """Name and digest of the network. Raises what loading it raises."""
        return self._network.name, self._network.sha256

    def encode(self, pixels: Pixels, setting: Setting) -> Coded:
        """Encode samples (bands, h, w) to a quality."""
        if setting.quality is None:
            raise UsageError("a network codes tiles to a quality of 0 to 1")
        out, parts = np.empty_like(pixels), []
        for group in self._form.groups:
            index = list(group)
            samples = self._form.radiometry.forward(pixels[index], group)
            tile = self._network.encode_tile(samples, setting.quality, passes=PASSES[self._form.effort])
            out[index] = self._form.radiometry.inverse(tile.reconstruction, group)
            parts.append(tile.payload)
        return Coded(b"".join(_LENGTH.pack(len(part)) + part for part in parts[:-1]) + parts[-1], out)

    def decode(self, payload: bytes, shape: tuple[int, int, int], *, reduce: int = 0) -> Pixels:
        """Return samples of a shape (bands, h, w), sides halved ``reduce`` times.

        Raises:
            BitstreamError, ChecksumError: the payload is no bitstream of such a tile.
        """
        height, width = (-(-side >> reduce) for side in shape[1:])
        out = np.empty((shape[0], height, width), self._form.dtype)
        for group, part in zip(self._form.groups, _parts(payload, len(self._form.groups)), strict=True):
            samples = self._network.decode_tile(part, (len(group), *shape[1:]), reduce=reduce)
            if samples.shape != (len(group), height, width) or samples.dtype != np.float32:
                raise BitstreamError(
                    f"the tile holds {samples.dtype} {samples.shape}, the archive says "
                    f"{(len(group), height, width)}: it is damaged"
                )
            out[list(group)] = self._form.radiometry.inverse(samples, group)
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
