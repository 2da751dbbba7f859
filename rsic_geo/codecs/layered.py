"""A JPEG 2000 tile coded in quality layers: what each costs, and what it leaves, from few decodings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rsic_geo.codecs import j2k, openjpeg
from rsic_geo.codecs.base import Pixels
from rsic_geo.errors import CodecError

_USUALLY_LEFT = 1.17
"""Error that is left over that asked for, about."""
_MUCH_LEFT = 1.3
"""The same where other errors than those of what is left out begin to count."""
_LOOKS = 4
"""Layers that are decoded where it is not known which matter."""
_NO_ERROR = 1e-3


@dataclass(slots=True, kw_only=True)
class Layered:
    """A tile coded in layers, decoded as far as it is asked."""

    codestream: bytes
    pixels: Pixels
    keep: npt.NDArray[np.bool_] | None
    counts: npt.NDArray[np.int64]
    """Samples that count, (bands,)."""
    asked: tuple[float, ...]
    """Mean squared error asked for, layer by layer, of all samples."""
    filled: list[int]
    """Layers that hold more than empty packets."""
    errors: dict[int, npt.NDArray[np.float64]] = field(default_factory=dict)
    """Squared errors (bands,) of the layers decoded so far."""

    def error(self, layer: int) -> npt.NDArray[np.float64]:
        """Return the squared errors (bands,) when decoding up to a layer."""
        if layer not in self.errors:
            self.errors[layer] = _squared_error(self.codestream, self.pixels, self.keep, layer + 1)
        return self.errors[layer]

    def left(self, layer: int) -> float:
        """Return the mean squared error of all samples up to a layer."""
        return float(self.error(layer).sum()) / self.pixels.size

    def look_everywhere(self) -> None:
        """Decode a few layers, spread over all."""
        for part in range(_LOOKS):
            self.error(self.filled[round((part + 0.5) * (len(self.filled) - 1) / _LOOKS)])

    def look_near(self, near: float | Sequence[float], share: float) -> None:
        """Decode the layer nearest to a mean squared error (of each band), and others where one is too few.

        Args:
            near: as of :func:`layer_profile`.
            share: of the samples that count.
        """
        filled, asked = self.filled, self.asked
        is_judged = isinstance(near, Sequence)
        limits = near if isinstance(near, Sequence) else (near,)
        wanted = share * min(limit for limit in limits if limit > 0)

        def nearest(square: float) -> int:
            return min(range(len(filled)), key=lambda k: abs(math.log(asked[filled[k]] / square)))

        def is_coarse(layer: int) -> bool:
            if not isinstance(near, Sequence):
                return bool(self.error(layer).sum() > near * self.counts.sum())
            # What is not judged may have any error: infinity times no sample is no number.
            most = [limit * count for limit, count in zip(near, self.counts.tolist(), strict=True) if count]
            return bool((self.error(layer)[self.counts > 0] > most).any())

        at = nearest(wanted / _USUALLY_LEFT)
        left = self.left(filled[at])
        if left > 0:
            at = nearest(wanted * asked[filled[at]] / left)
        # To both sides of it where a band may be far better or worse than the tile, or where the quantiser
        # and the rounding leave much of what is left: that changes from layer to layer.
        stride = 2 if is_judged else 1
        step = stride if is_coarse(filled[at]) else -stride
        while is_judged or self.left(filled[at]) > _MUCH_LEFT * asked[filled[at]]:
            at = min(max(at + step, 0), len(filled) - 1)
            if is_coarse(filled[at]) != (step > 0) or at in (0, len(filled) - 1):
                break


def expected(
    known: dict[int, npt.NDArray[np.float64]], layer: int, asked: Sequence[float], samples: int
) -> npt.NDArray[np.float64]:
    """Return squared errors (bands,) of a layer by what others left of what they were asked for.

    What is left beyond the usual is put down to the quantiser and to rounding, which are alike at all layers.
    """
    places, over, beyond = sorted(known), [], []
    for k in places:
        total = max(float(known[k].sum()), _NO_ERROR)
        beyond.append(known[k] * max(1 - _USUALLY_LEFT * asked[k] * samples / total, 0.0))
        over.append(np.log(np.maximum(known[k] - beyond[-1], _NO_ERROR) / asked[k]))
    at = [[float(np.interp(layer, places, column)) for column in np.array(rows).T] for rows in (over, beyond)]
    found: npt.NDArray[np.float64] = np.exp(at[0]) * asked[layer] + np.array(at[1])
    return found


def layer_bytes(codestream: bytes, layers: int) -> tuple[int, ...]:
    """Return the bytes of packets up to and including each layer. Raises CodecError if none are listed."""
    lengths = [n for part in j2k.split_codestream(codestream).parts for n in j2k.packet_lengths(part.body)]
    if not lengths or len(lengths) % layers:
        raise CodecError("OpenJPEG listed no packet lengths: OpenJPEG 2.4 or newer is needed")
    per_layer = len(lengths) // layers
    return tuple(int(total) for total in np.cumsum(lengths)[per_layer - 1 :: per_layer])


def _squared_error(
    codestream: bytes, pixels: Pixels, keep: npt.NDArray[np.bool_] | None, layers: int
) -> npt.NDArray[np.float64]:
    """Return the sum of squared errors of each band when decoding so many layers."""
    total = np.zeros(len(pixels))

    def add(band: int, samples: npt.NDArray[np.int32]) -> None:
        error = np.subtract(samples, pixels[band], dtype=np.float32)
        if keep is not None:
            error *= keep[band]
        total[band] = float(np.einsum("ij,ij->", error, error, dtype=np.float64, casting="safe"))

    openjpeg.decode(codestream, layers=layers, consume=add)
    return total
