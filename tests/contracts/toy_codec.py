"""A codec of another package, in forty lines: samples in steps, deflated."""

from __future__ import annotations

import zlib

import numpy as np

from rsic_geo.codecs.base import Codec, CodecEntry, Coded, Pixels, Setting, TileForm, halved
from rsic_geo.errors import BitstreamError

_COARSEST = 10
"""Steps of 2^10 parts of the type's range at quality 0, of one digital number at quality 1."""


class Toy:
    """Rounds to a step that falls with quality; the payload is the step's exponent and deflated numbers."""

    tolerance = 0
    weights = None

    def __init__(self, form: TileForm) -> None:
        self._dtype = form.dtype

    def encode(self, pixels: Pixels, setting: Setting) -> Coded:
        exponent = 0 if setting.quality is None else round(_COARSEST * (1 - setting.quality))
        half = (1 << exponent) >> 1
        steps = (pixels.astype(np.int64) + half) >> exponent
        planes = np.diff(steps, axis=2, prepend=0).astype("<i4")
        return Coded(bytes([exponent]) + zlib.compress(planes.tobytes(), 9))

    def decode(self, payload: bytes, shape: tuple[int, int, int], *, reduce: int = 0) -> Pixels:
        if not payload or payload[0] > _COARSEST:
            raise BitstreamError("this is no tile of the toy codec")
        inflater = zlib.decompressobj()
        try:
            raw = inflater.decompress(payload[1:], 4 * int(np.prod(shape)))
        except zlib.error as error:
            raise BitstreamError(f"the tile cannot be inflated ({error})") from error
        if len(raw) != 4 * int(np.prod(shape)):
            raise BitstreamError("the tile is cut short")
        steps = np.cumsum(np.frombuffer(raw, "<i4").reshape(shape).astype(np.int64), axis=2)
        limits = np.iinfo(self._dtype)
        return halved(np.clip(steps << payload[0], limits.min, limits.max).astype(self._dtype), reduce)


def _make(form: TileForm, *, weights: str, device: str, sha256: str | None) -> Codec:
    del weights, device, sha256
    return Toy(form)


ENTRY = CodecEntry(
    name="toy",
    title="the toy codec",
    dtypes=("uint8", "uint16", "int16"),
    is_lossless_capable=True,
    make=_make,
)
