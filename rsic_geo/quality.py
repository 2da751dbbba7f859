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

from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.radiometry import units_of


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
    is_relative: bool = False
    """Whether errors are counted as parts of their samples, too."""
    max_rel_error: float = 0.0
    """Largest error as a part of its sample, where that is counted; infinite for one of zero."""
    valid_equal: bool = True
    """Whether the same pixels are valid in both; of alpha: whether it is the same."""
    peak: float = 255.0
    """What the band's PSNR is relative to (units of the samples); see `rsic_geo.geo.radiometry.peaks_of`."""
    is_joined: bool = False
    """Whether the band is red, green or blue of uint8, which have one PSNR, over the samples of all three."""

    def add(self, reference: NDArray[Any], other: NDArray[Any], counts: NDArray[np.bool_]) -> None:
        """Count one window, arrays (h, w); ``counts`` is True where the reference is valid and finite."""
        same = reference == other
        if reference.dtype.kind in "fc":
            same |= np.isnan(reference) & np.isnan(other)
        self.different += int(same.size - np.count_nonzero(same))
        self.samples += int(np.count_nonzero(counts))
        if same.all():
            return
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.where(counts & ~same, _distance(reference, other), 0.0)
            error[np.isnan(error)] = np.inf  # a number against NaN: no number says how far apart they are
            self.sad += float(error.sum())
            self.sse += float(np.vdot(error, error).real)
        self.max_abs_error = max(self.max_abs_error, float(error.max(initial=0.0)))
        if self.is_relative and error.any():
            with np.errstate(divide="ignore"):
                parts = error[error > 0] / np.abs(reference[error > 0].astype(np.float64))
            self.max_rel_error = max(self.max_rel_error, float(parts.max()))

    @property
    def psnr(self) -> float:
        """PSNR of the band (dB); infinite without an error, -inf for a number against NaN."""
        return total_psnr([self])

    @property
    def rmse(self) -> float:
        """Root mean square error of the samples that count, in their units."""
        return math.sqrt(self.sse / (self.samples or 1))

    def to_json(self) -> dict[str, Any]:
        """Return the band's metrics; an infinite PSNR is null."""
        mean = self.samples or 1
        return {
            "band": self.band,
            "valid_samples": self.samples,
            "different_samples": self.different,
            "psnr": finite(self.psnr),
            "peak": self.peak,
            "rmse": self.rmse,
            "mae": self.sad / mean,
            "max_abs_error": self.max_abs_error,
            "valid_equal": self.valid_equal,
        }


def _distance(reference: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far apart samples are, as doubles; of complex ones in the plane, of 64 bits to the last."""
    if reference.dtype.kind == "c":
        return np.asarray(np.abs(other.astype(np.complex128) - reference))
    if reference.dtype.kind in "iu" and reference.dtype.itemsize == 8 and other.dtype == reference.dtype:
        apart = np.where(other > reference, other - reference, reference - other)
        # A signed difference that wrapped is right if it is taken for unsigned.
        return np.asarray(apart.view(np.uint64), np.float64)
    return np.asarray(np.abs(other.astype(np.float64) - reference.astype(np.float64)))


def scored_bands(bands: Sequence[BandErrors]) -> list[BandErrors]:
    """Return the bands that make a scene's figures: all but alpha, where there are others."""
    return [band for band in bands if not band.is_alpha] or list(bands)


def figures_of(bands: Sequence[BandErrors]) -> dict[str, float]:
    """Return what the errors of some bands come to; relative ones where they were counted."""
    names = ("rmse", "max_abs_error", *(["max_rel_error"] if any(band.is_relative for band in bands) else []))
    return {"psnr": total_psnr(bands), **{name: max(getattr(band, name) for band in bands) for name in names}}


def total_psnr(bands: Sequence[BandErrors]) -> float:
    """Return the PSNR of the worst of some bands (dB), each relative to its own peak.

    Red, green and blue of uint8 count as one band. A mean over all bands would hide one that is erased.
    """
    joined = [band for band in bands if band.is_joined]
    alone = [[band] for band in bands if not band.is_joined]
    return min(_unit_psnr(unit) for unit in [*alone, *([joined] if joined else [])])


def _unit_psnr(bands: Sequence[BandErrors]) -> float:
    return _decibels(sum(band.sse for band in bands), sum(band.samples for band in bands), bands[0].peak)


def blank_errors(
    profile: SceneProfile, peaks: Sequence[float], *, is_relative: bool = False
) -> list[BandErrors]:
    """Return the account of every band of a scene before anything is counted.

    Args:
        profile: of the scene errors are counted against.
        peaks: what each band's PSNR is relative to.
        is_relative: whether errors are counted as parts of their samples, too.
    """
    joined = next((unit for unit in units_of(profile) if len(unit) > 1), ())
    return [
        BandErrors(
            band=i + 1,
            is_alpha=name.lower() == "alpha",
            peak=peak,
            is_joined=i in joined,
            is_relative=is_relative,
        )
        for i, (name, peak) in enumerate(zip(profile.colorinterp, peaks, strict=True))
    ]


def finite(value: float) -> float | None:
    """Return a number JSON can hold, or None for an infinite one."""
    return value if math.isfinite(value) else None


def _decibels(sse: float, count: float, peak: float) -> float:
    if math.isinf(sse):
        return -math.inf
    if sse <= 0 or count <= 0:
        return math.inf
    return 10 * (2 * math.log10(peak) + math.log10(count) - math.log10(sse))


def quantised_quality(found: list[BandErrors] | None) -> dict[str, Any]:
    """Return the report's numbers on a quantised scene, in its own units; None where nothing was verified."""
    whole = {} if found is None else figures_of(scored_bands(found))
    psnr = finite(whole.get("psnr", math.nan))
    return {
        "rmse": None,
        "max_abs_error": None,
        **whole,
        "psnr_codec": psnr,
        "psnr": psnr,
        "psnr_per_band": None if found is None else [finite(band.psnr) for band in found],
        "model": None,
        "cells_enhanced": 0.0,
    }
