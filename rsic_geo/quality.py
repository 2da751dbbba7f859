"""Errors of one scene against another, gathered window by window: the one account all verbs give of quality.

What counts: samples that are valid (no nodata, not masked, not under a transparent pixel) and finite. Alpha
is validity, kept losslessly, so it has no part in PSNR and errors; that it is the same is asked for apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True, kw_only=True)
class BandErrors:
    """Errors of one band."""

    band: int
    """Number of the band, from 1."""
    is_alpha: bool = False
    """Whether the band says what is transparent; then its errors are not part of the scene's."""
    samples: int = 0
    """Samples that count in the reference."""
    different: int = 0
    """Samples that differ, counting or not."""
    sse: float = 0.0
    sad: float = 0.0
    max_abs_error: float = 0.0
    valid_equal: bool = True
    """Whether the same pixels are valid in both; of alpha: whether it is the same."""
    dtype_peak: float = 255.0
    """Peak of an integer type; floating types have the used range of the band instead."""
    used_range: float = 255.0
    low: float = math.inf
    """Least sample that counts in the reference; kept for floating types."""
    high: float = -math.inf
    """Largest one."""
    is_float: bool = False

    def add(self, reference: NDArray[Any], other: NDArray[Any], counts: NDArray[np.bool_]) -> None:
        """Count one window, arrays (h, w); ``counts`` is True where the reference is valid and finite."""
        if reference.dtype.kind == "f":
            self._add_range(reference, counts)
        same = reference == other
        if reference.dtype.kind == "f":
            same |= np.isnan(reference) & np.isnan(other)
        self.different += int(same.size - np.count_nonzero(same))
        self.samples += int(np.count_nonzero(counts))
        if same.all():
            return
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.where(counts & ~same, other.astype(np.float64) - reference.astype(np.float64), 0.0)
            np.abs(error, out=error)
            error[np.isnan(error)] = np.inf  # a number against NaN: no number says how far apart they are
            self.sad += float(error.sum())
            self.sse += float(np.vdot(error, error).real)
        self.max_abs_error = max(self.max_abs_error, float(error.max(initial=0.0)))

    def _add_range(self, reference: NDArray[Any], counts: NDArray[np.bool_]) -> None:
        self.is_float = True
        self.low = min(self.low, float(reference.min(where=counts, initial=np.inf)))
        self.high = max(self.high, float(reference.max(where=counts, initial=-np.inf)))

    @property
    def peak(self) -> float:
        """What the band's PSNR is relative to."""
        if not self.is_float:
            return self.dtype_peak
        if self.low > self.high:
            return 1.0
        # a constant band still needs a range
        return max(self.high - self.low, max(abs(self.low), abs(self.high), 1e-300) * 2.0**-20)

    @property
    def psnr(self) -> float:
        """PSNR of the band (dB); infinite without an error, -inf for a number against NaN."""
        return total_psnr([self])

    def to_json(self) -> dict[str, Any]:
        """Return the band's metrics; an infinite PSNR is null."""
        mean = self.samples or 1
        used = self.peak if self.is_float else self.used_range
        return {
            "band": self.band,
            "valid_samples": self.samples,
            "different_samples": self.different,
            "psnr": finite(self.psnr),
            "psnr_used_range": finite(_decibels(self.sse, self.samples, used)),
            "rmse": math.sqrt(self.sse / mean),
            "mae": self.sad / mean,
            "max_abs_error": self.max_abs_error,
            "valid_equal": self.valid_equal,
        }


def scored_bands(bands: Sequence[BandErrors]) -> list[BandErrors]:
    """Return the bands that make a scene's figures: all but alpha, where there are others."""
    return [band for band in bands if not band.is_alpha] or list(bands)


def total_psnr(bands: Sequence[BandErrors]) -> float:
    """Return the PSNR over all samples of some bands (dB), each band's error relative to its own peak.

    The peak of integer types is that of the type (255, 65535) in every band; that of floating types is the
    range of the band's samples that count, so that bands of different units weigh alike.
    """
    samples = sum(band.samples for band in bands)
    peak = bands[0].peak
    if all(band.peak == peak for band in bands):
        return _decibels(sum(band.sse for band in bands), samples, peak)
    return _decibels(sum(band.sse / band.peak / band.peak for band in bands), samples, 1.0)


def finite(value: float) -> float | None:
    """Return a number JSON can hold, or None for an infinite one."""
    return value if math.isfinite(value) else None


def _decibels(sse: float, count: float, peak: float) -> float:
    if math.isinf(sse):
        return -math.inf
    if sse <= 0 or count <= 0:
        return math.inf
    return 10 * (2 * math.log10(peak) + math.log10(count) - math.log10(sse))
