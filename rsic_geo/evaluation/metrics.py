"""How alike two scenes are: PSNR, MS-SSIM and GMSD per band, over valid pixels only.

All three are computed here, in numpy, because scenes have holes and the usual packages know no mask. Without
invalid pixels the values are those of GDAL and scikit-image (PSNR), pytorch-msssim and piq (MS-SSIM) and
piq (GMSD): tests hold them to 1e-3.

Structural measures look at windows of pixels. A window that touches an invalid pixel does not count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UsageError

Pixels = NDArray[Any]
Plane = NDArray[np.float32]
Valid = NDArray[np.bool_]

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales of MS-SSIM (Wang, Simoncelli, Bovik 2003)."""
WINDOW = 11
"""Side of the Gaussian window of MS-SSIM (px)."""
LEAST_SIDE = (WINDOW - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
"""Least height and width MS-SSIM is defined for (px)."""
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2
_GMS_CONSTANT = 170 / 255**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well one scene stands for another. A value that is not defined is NaN."""

    psnr: float
    """Over all bands' valid samples, peak of the sample type (dB); infinite where nothing differs."""
    ms_ssim: float
    """Mean over the bands, 1 = alike."""
    gmsd: float
    """Mean over the bands, 0 = alike."""
    psnr_bands: tuple[float, ...]
    ms_ssim_bands: tuple[float, ...]
    gmsd_bands: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What the digital numbers of a scene mean."""

    peak: float
    """Peak of PSNR: all steps of the sample type."""
    low: tuple[float, ...]
    """Value per band that structural measures see as 0."""
    high: tuple[float, ...]
    """Value per band that structural measures see as 1."""

    def unit(self, plane: Pixels, band: int) -> Plane:
        """Return a plane (h, w) of one band in units of its used range, float32."""
        # float32 holds 16-bit integers exactly; wider types are shifted first
        low, span = self.low[band], self.high[band] - self.low[band]
        if plane.dtype.itemsize > 2:
            return np.asarray((plane.astype(np.float64) - low) / span, np.float32)
        return np.asarray((plane.astype(np.float32) - np.float32(low)) / np.float32(span))


def quality(reference: Pixels, other: Pixels, valid: Valid | None, scale: Scale) -> Quality:
    """Return all measures of ``other`` against ``reference``.

    Args:
        reference: (bands, h, w).
        other: same shape and type.
        valid: (bands, h, w), True where a pixel counts; None = everywhere.
        scale: peak and used range.

    Raises:
        UsageError: if the shapes differ.
    """
    if reference.shape != other.shape or (valid is not None and valid.shape != reference.shape):
        raise UsageError(f"scenes of shape {reference.shape} and {other.shape} cannot be compared")
    keeps: list[Valid | None] = [None] * len(reference)
    if valid is not None and not valid.all():
        keeps = list(valid)
    errors = [squared_error(a, b, keep) for a, b, keep in zip(reference, other, keeps, strict=True)]
    structural = []
    for band, keep in enumerate(keeps):
        a, b = scale.unit(reference[band], band), scale.unit(other[band], band)
        if keep is not None:
            a, b = np.where(keep, a, 0), np.where(keep, b, 0)  # nodata may be NaN or huge
        structural.append((ms_ssim(a, b, keep), gmsd(a, b, keep)))
    similar, deviations = zip(*structural, strict=True)
    sse, count = (float(sum(column)) for column in zip(*errors, strict=True))
    return Quality(
        psnr=psnr(sse, count, scale.peak),
        ms_ssim=_mean(similar),
        gmsd=_mean(deviations),
        psnr_bands=tuple(psnr(*error, scale.peak) for error in errors),
        ms_ssim_bands=similar,
        gmsd_bands=deviations,
    )


def _mean(values: tuple[float, ...]) -> float:
    """Return the mean of the bands the measure is defined for."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def squared_error(reference: Pixels, other: Pixels, valid: Valid | None) -> tuple[float, float]:
    """Return (sum of squared errors, samples counted) of two arrays of one shape."""
    error = other.astype(np.float64) - reference.astype(np.float64)
    if valid is not None:
        error = error[valid]
    return float(np.vdot(error, error).real), float(error.size)


def psnr(sse: float, count: float, peak: float) -> float:
    """Return ``10 log10(peak^2 * count / sse)`` (dB); infinite without error, NaN without samples."""
    if count <= 0:
        return math.nan
    return math.inf if sse <= 0 else 10 * math.log10(peak * peak * count / sse)


def ms_ssim(reference: Plane, other: Plane, valid: Valid | None = None) -> float:
    """Return the multi-scale structural similarity of two planes (h, w) in units of 0..1.

    Five scales, each of 2 x 2 means of the one before. NaN where the planes are smaller than 161 px a side,
    or where no window of a scale is free of invalid pixels.
    """
    if min(reference.shape) < LEAST_SIDE:
        return math.nan
    result = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            reference, other = halved(reference), halved(other)
            valid = None if valid is None else _all_of_four(valid)
        counted = None if valid is None else _whole_windows(valid, WINDOW)
        if counted is not None and not counted.any():
            return math.nan
        luminance, contrast = _ssim_maps(reference, other)
        last = scale == len(SCALE_WEIGHTS) - 1
        values = contrast * luminance if last else contrast
        mean = float(values.mean(dtype=np.float64) if counted is None else values[counted].mean())
        result *= max(mean, 0.0) ** weight
    return result


def _ssim_maps(a: Plane, b: Plane) -> tuple[Plane, Plane]:
    """Return the luminance and the contrast-structure map of two planes, one value per whole window."""
    mean_a, mean_b = _blur(a), _blur(b)
    product = mean_a * mean_b
    squares = mean_a * mean_a + mean_b * mean_b
    covariance = _blur(a * b) - product
    variances = _blur(a * a + b * b) - squares
    luminance = (2 * product + _C1) / (squares + _C1)
    contrast = (2 * covariance + _C2) / (variances + _C2)
    return np.asarray(luminance, np.float32), np.asarray(contrast, np.float32)


def _gaussian() -> Plane:
    distance = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(distance**2) / (2 * _SIGMA**2))
    return np.asarray(weights / weights.sum(), np.float32)


def _blur(plane: Plane) -> Plane:
    """Return Gaussian means of every whole window: shape (h - 10, w - 10)."""
    weights = _gaussian()
    height, width = (side - WINDOW + 1 for side in plane.shape)
    rows = weights[0] * plane[:height]
    for k in range(1, WINDOW):
        rows += weights[k] * plane[k : k + height]
    out: Plane = weights[0] * rows[:, :width]
    for k in range(1, WINDOW):
        out += weights[k] * rows[:, k : k + width]
    return out


def halved(plane: Plane, *, repeat_last: bool = False) -> Plane:
    """Return means of 2 x 2 px; of an odd number of rows or columns the first (or last) is repeated."""
    even = _even(plane, repeat_last)
    return np.asarray((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)


def _all_of_four(valid: Valid, *, repeat_last: bool = False) -> Valid:
    even = _even(valid, repeat_last)
    return np.asarray(even[::2, ::2] & even[1::2, ::2] & even[::2, 1::2] & even[1::2, 1::2])


def _even(plane: Pixels, repeat_last: bool) -> Pixels:
    odd = [side % 2 for side in plane.shape]
    if not any(odd):
        return plane
    return np.pad(plane, [(0, n) if repeat_last else (n, 0) for n in odd], mode="edge")


def _whole_windows(valid: Valid, side: int) -> Valid:
    """Return where a window of ``side`` px holds valid pixels only: shape (h - side + 1, w - side + 1)."""
    sums = np.zeros((valid.shape[0] + 1, valid.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(~valid, axis=0, dtype=np.int64), axis=1, out=sums[1:, 1:])
    invalid = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(invalid == 0)


def gmsd(reference: Plane, other: Plane, valid: Valid | None = None) -> float:
    """Return the gradient magnitude similarity deviation of two planes (h, w) in units of 0..1.

    Prewitt gradients of means of 2 x 2 px, zero outside the plane (Xue et al. 2013). NaN where no gradient is
    free of invalid pixels.
    """
    first, second = (_gradient(halved(plane, repeat_last=True)) for plane in (reference, other))
    similarity = (2 * first * second + _GMS_CONSTANT) / (first**2 + second**2 + _GMS_CONSTANT)
    if valid is not None:
        edge = np.pad(_all_of_four(valid, repeat_last=True), 1, constant_values=True)
        similarity = similarity[_whole_windows(edge, 3)]
    return float(similarity.std(dtype=np.float64)) if similarity.size else math.nan


def _gradient(plane: Plane) -> Plane:
    p = np.pad(plane, 1)
    down = p[:-2] + p[1:-1] + p[2:]
    across = p[:, :-2] + p[:, 1:-1] + p[:, 2:]
    horizontal = (down[:, 2:] - down[:, :-2]) / 3
    vertical = (across[2:] - across[:-2]) / 3
    return np.asarray(np.sqrt(horizontal**2 + vertical**2))
