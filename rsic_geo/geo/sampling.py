"""The range of values a band uses, gathered from samples one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

TAIL = 0.001
"""Part of the samples left out at either end of the range."""

_HISTOGRAM_BYTES = 2
_FEW = 5
"""With fewer different values than these a band tells nothing of values that lie apart."""
_FAR = 4.0
"""Spans of the others from which on a value lies far from them: 40 dB of the whole leave 12 dB of these."""
_RARE = 0.01
"""Part of the samples at either end that is too small to be more than extremes, where it lies far out."""


class BandRange:
    """Gathers the used range of one band.

    Integers of up to 16 bits are counted in a histogram, so quantiles are exact and the order of samples
    does not matter; of other types only the extremes are kept.
    """

    def __init__(self, kind: np.dtype[Any]) -> None:
        """Start without samples, for pixels of type ``kind``."""
        self._histogram: npt.NDArray[np.uint32] | None = None
        self._offset = 0
        self._extremes: tuple[float, float] | None = None
        if kind.kind in "iu" and kind.itemsize <= _HISTOGRAM_BYTES:
            self._offset = int(np.iinfo(kind).min)
            self._histogram = np.zeros(2 ** (8 * kind.itemsize), np.uint32)

    def add(self, values: npt.NDArray[Any]) -> None:
        """Count the valid values of one sample, shape (n,); values that are not finite are left out."""
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if not values.size:
            return
        if self._histogram is not None:
            counts = np.bincount(values.astype(np.int64) - self._offset, minlength=self._histogram.size)
            self._histogram += counts.astype(np.uint32)
            return
        low, high = float(values.min()), float(values.max())
        if self._extremes is not None:
            low, high = min(low, self._extremes[0]), max(high, self._extremes[1])
        self._extremes = low, high

    def ends(self) -> tuple[float, float] | None:
        """Return the lower and upper end of the used range, or None without samples."""
        if self._histogram is None:
            return self._extremes
        total = int(self._histogram.sum(dtype=np.int64))
        if not total:
            return None
        below = np.cumsum(self._histogram, dtype=np.int64)
        skipped = int(total * TAIL)
        low = int(np.searchsorted(below, skipped, side="right"))
        high = int(np.searchsorted(below, total - skipped, side="left"))
        return float(low + self._offset), float(high + self._offset)


def far_value(values: npt.NDArray[Any], ends: tuple[float, float]) -> float | None:
    """Return a value at one end of a band that lies far from all others, as an untagged nodata value does.

    Args:
        values: valid samples (n,); without what is not finite, and of integers what
            lies outside of ``ends``.
        ends: the least and the greatest value that count.

    Returns:
        The value nearest to the others of those that lie apart from them by four times the others' span
        or more; None where there are none, or the others are all but equal.
    """
    wide = values.astype(np.float64)
    low, high = ends
    keep = np.isfinite(wide) if values.dtype.kind == "f" else (wide >= low) & (wide <= high)
    inside = np.unique(np.append(wide[keep], ends))
    if inside.size < _FEW:
        return None
    with np.errstate(over="ignore"):
        gaps = np.diff(inside)
        widest = int(np.argmax(gaps))
        below, above = inside[: widest + 1], inside[widest + 1 :]
        others, far = (below, above[0]) if below.size > above.size else (above, below[-1])
        span = others[-1] - others[0]
        is_far = others.size >= _FEW - 1 and gaps[widest] >= _FAR * span
    return float(far) if is_far else None


def core_spread(values: npt.NDArray[Any]) -> float:
    """Return the standard deviation of a band's samples without extremes that would dominate it.

    Left out at either end is what lies four spans of the others or more away from them, if it is a value or
    a few (nodata that nobody told of) or at most 1 % of the samples. Land beside a sea is no extreme.

    Args:
        values: valid samples (n,).

    Returns:
        0 where there are too few different values to tell.
    """
    wide = np.sort(values[np.isfinite(values)].astype(np.float64))
    different, counts = np.unique(wide, return_counts=True)
    if different.size < _FEW:
        return 0.0
    first, last = _together(different)
    before, after = int(counts[:first].sum()), int(counts[last + 1 :].sum())
    rare = int(len(wide) * _RARE)
    start = before if first < _FEW or before <= rare else 0
    stop = len(wide) - (after if different.size - 1 - last < _FEW or after <= rare else 0)
    wide = wide[start:stop]
    rare = int(len(wide) * _RARE)
    low, high = wide[rare], wide[len(wide) - 1 - rare]
    reach = _FAR * (high - low)
    if high > low:
        wide = wide[(wide >= low - reach) & (wide <= high + reach)]
    return float(wide.std())


def core_spreads(
    pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_], steps: Sequence[float] | None
) -> list[float]:
    """Return what each band spreads without extremes, in what the codec sees; 0 where that is but noise.

    Of a float scene less than a step is no noise: it is what the steps could not keep beside the extremes.

    Args:
        pixels: a sample of the scene (bands, h, w), in its own units.
        valid: where it is valid, of the same shape.
        steps: units of the scene in one the codec sees, per band; None for integers.
    """
    found = [core_spread(pixels[band][valid[band]]) for band in range(len(pixels))]
    if steps is None:
        return [core if core >= 1 else 0.0 for core in found]
    return [core / step for core, step in zip(found, steps, strict=True)]


def _together(values: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return first and last index of those of sorted, different values that lie about the middle ones.

    From the middle half outwards, until the next lies four spans of those before away.
    """
    first, last = values.size // 4, values.size - 1 - values.size // 4
    with np.errstate(over="ignore"):
        gaps = np.diff(values)
        while True:
            reach = _FAR * (values[last] - values[first])
            far_below, far_above = np.nonzero(gaps[:first] >= reach)[0], np.nonzero(gaps[last:] >= reach)[0]
            grown = (
                int(far_below[-1]) + 1 if far_below.size else 0,
                last + int(far_above[0]) if far_above.size else values.size - 1,
            )
            if grown == (first, last):
                return grown
            first, last = grown
