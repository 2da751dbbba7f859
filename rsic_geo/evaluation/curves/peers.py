"""Other codecs, each at its dial position nearest to a rate: AVIF, JPEG XL, WebP and JPEG.

They are given the pixels alone, no metadata, and every byte they return is counted. Settings are those a
careful user would take for quality: full colour resolution (WebP has none) and thorough search.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import MissingDependencyError, UsageError

Pixels = NDArray[Any]
"""(bands, h, w)."""
STEPS = 100
"""Positions of every dial: 0 is the coarsest."""
_STARTS = (35, 65)
"""Positions every scene is encoded at."""
_MAX_TRIALS = 9
_CLOSE_ENOUGH = 0.05
_INSTALL = "pip install 'rsic-geo[eval]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One codec with one dial."""

    name: str
    settings: str
    """What is fixed, for the report."""
    encode: Callable[[Pixels, int], bytes]
    """Pixels and a position of the dial to the bytes of a file."""
    decode: Callable[[bytes], Pixels]
    dtypes: tuple[str, ...] = ("uint8",)

    def takes(self, pixels: Pixels) -> bool:
        """Whether the codec knows pixels of this type and number of bands."""
        return len(pixels) in (1, 3) and pixels.dtype.name in self.dtypes


@dataclass(slots=True, kw_only=True)
class DialSearch:
    """Finds the dial positions for rates of one scene; every position is encoded at most once."""

    peer: Peer
    pixels: Pixels
    _coded: dict[int, bytes] = field(default_factory=dict)

    def at(self, position: int) -> bytes:
        """Return the file at one position."""
        if position not in self._coded:
            self._coded[position] = self.peer.encode(self.pixels, position)
        return self._coded[position]

    def at_rate(self, bpp: float) -> bytes:
        """Return a file whose rate is within 5 % of ``bpp`` (bits per pixel), or else the nearest found.

        Sizes are taken as rising with the dial; their logarithm is interpolated, which takes two or three
        encodings a rate instead of the seven of a bisection.
        """
        wanted = bpp * self.pixels.shape[1] * self.pixels.shape[2] / 8
        for _ in range(_MAX_TRIALS):
            position = self._guess(wanted)
            if position is None:
                break
            if abs(len(self.at(position)) / wanted - 1) <= _CLOSE_ENOUGH:
                break
        return min(self._coded.values(), key=lambda data: abs(math.log(len(data) / wanted)))

    def _guess(self, wanted: float) -> int | None:
        """Return the position to try next, or None where all that could be nearer is known."""
        known = sorted((position, math.log(len(data) / wanted)) for position, data in self._coded.items())
        untried = [start for start in _STARTS if start not in self._coded]
        if untried:
            return untried[0]
        low = max((entry for entry in known if entry[1] <= 0), default=None)
        high = min((entry for entry in known if entry[1] > 0), default=None)
        (p, a), (q, b) = (
            (low, high) if low and high else (known[0], known[1]) if high else (known[-2], known[-1])
        )
        guess = p - a * (q - p) / (b - a) if b > a else (p + q) / 2
        least = low[0] + 1 if low else 0
        most = high[0] - 1 if high else STEPS
        return round(min(max(guess, least), most)) if least <= most else None


def _interleaved(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _pillow_encode(pixels: Pixels, kind: str, **settings: object) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_interleaved(pixels)).save(buffer, kind, **settings)
    return buffer.getvalue()


def _pillow_decode(bands: int) -> Callable[[bytes], Pixels]:
    def decode(data: bytes) -> Pixels:
        from PIL import Image

        with Image.open(io.BytesIO(data)) as image:
            values = np.asarray(image.convert("L" if bands == 1 else "RGB"))
        return values[None] if bands == 1 else np.ascontiguousarray(values.transpose(2, 0, 1))

    return decode


def _jxl_encode(pixels: Pixels, position: int) -> bytes:
    import imagecodecs

    distance = 25.0 * (0.1 / 25.0) ** (position / STEPS)
    data = imagecodecs.jpegxl_encode(
        _interleaved(pixels), distance=distance, effort=7, lossless=False, numthreads=1
    )
    return bytes(data)


def _jxl_decode(data: bytes) -> Pixels:
    import imagecodecs

    values: Pixels = imagecodecs.jpegxl_decode(data, numthreads=1)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))


def _avif(bands: int) -> Peer:
    return Peer(
        name="avif",
        settings="AV1 by libaom through Pillow, speed 4, 4:4:4",
        encode=lambda pixels, position: _pillow_encode(
            pixels, "AVIF", quality=position, speed=4, subsampling="4:4:4", codec="aom", max_threads=1
        ),
        decode=_pillow_decode(bands),
    )


def _webp(bands: int) -> Peer:
    return Peer(
        name="webp",
        settings="libwebp through Pillow, method 6, 4:2:0 (it knows no other)",
        encode=lambda pixels, position: _pillow_encode(pixels, "WEBP", quality=position, method=6),
        decode=_pillow_decode(bands),
    )


def _jpeg(bands: int) -> Peer:
    return Peer(
        name="jpeg",
        settings="libjpeg-turbo through Pillow, progressive, optimised, 4:4:4",
        encode=lambda pixels, position: _pillow_encode(
            pixels, "JPEG", quality=max(position, 1), subsampling=0, optimize=True, progressive=True
        ),
        decode=_pillow_decode(bands),
    )


def _jxl(_bands: int) -> Peer:
    return Peer(
        name="jxl",
        settings="libjxl through imagecodecs, effort 7, distance 25 to 0.1",
        encode=_jxl_encode,
        decode=_jxl_decode,
        dtypes=("uint8", "uint16"),
    )


_PEERS = {"avif": _avif, "jxl": _jxl, "webp": _webp, "jpeg": _jpeg}
NAMES = tuple(_PEERS)


def unavailable() -> dict[str, str]:
    """Return the peers that cannot run here, and why."""
    missing = {}
    try:
        from PIL import features

        for name, feature in (("avif", "avif"), ("webp", "webp"), ("jpeg", "jpg")):
            if not features.check(feature):
                missing[name] = f"this Pillow was built without {feature}"
    except ImportError:
        missing = dict.fromkeys(("avif", "webp", "jpeg"), f"pillow is not installed: {_INSTALL}")
    try:
        import imagecodecs

        if not imagecodecs.JPEGXL.available:
            missing["jxl"] = "this imagecodecs was built without JPEG XL"
    except ImportError:
        missing["jxl"] = f"imagecodecs is not installed: {_INSTALL}"
    return missing


def settings(name: str) -> str:
    """Return what is fixed of a peer, for a report."""
    return _PEERS[name](3).settings


def get_peer(name: str, bands: int) -> Peer:
    """Return a peer for scenes of 1 or 3 bands.

    Raises:
        UsageError: if there is none of this name.
        MissingDependencyError: if it cannot run here.
    """
    if name not in _PEERS:
        raise UsageError(f"no codec {name!r} to compare with: use {', '.join(NAMES)}")
    reason = unavailable().get(name)
    if reason:
        raise MissingDependencyError(f"{name}: {reason}")
    return _PEERS[name](bands)
