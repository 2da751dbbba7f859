"""What the codec sees where a scene has no data, and how the places without data are kept.

``pack_plane`` and ``unpack_plane``, which store masks losslessly, live in :mod:`rsic_geo.geo.planes`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import UsageError
from rsic_geo.geo.planes import pack_plane, unpack_plane

__all__ = [
    "avoid_nodata",
    "clamp",
    "equals_nodata",
    "fill_invalid",
    "pack_plane",
    "unpack_plane",
    "valid_samples",
]

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]


def fill_invalid(pixels: Pixels, valid: Valid, constant: float | None = None) -> Pixels:
    """Replace invalid pixels by a smooth continuation of the valid ones, which costs a codec few bits.

    A pyramid of means is built from the valid pixels and read back where there are none, so that the fill is
    exact at the border and flattens with distance.

    Args:
        pixels: shape (bands, h, w), integers or real floats.
        valid: True where a pixel counts, shape (bands or 1, h, w).
        constant: fill of a band without any valid pixel; None takes the middle of an integer type's range,
            or 0 for floating types.

    Returns:
        Pixels of the same shape and type; ``pixels`` itself when nothing is invalid. Valid pixels are
        untouched, and the same input gives the same fill everywhere.

    Raises:
        UsageError: when the shapes do not belong together.
    """
    _check_shapes(pixels, valid)
    if valid.all():
        return pixels
    usable: Valid = valid
    if pixels.dtype.kind == "f":
        usable = np.bitwise_and(valid, np.isfinite(pixels), dtype=np.bool_)
    populated = [bool(plane.any()) for plane in usable]
    filled = np.empty_like(pixels)
    for band, plane in enumerate(pixels):
        source = band if usable.shape[0] > 1 else 0
        if populated[source]:
            fill = _typed(_push_pull(plane, usable[source]), pixels.dtype)
        else:
            fill = np.array(_middle(pixels.dtype) if constant is None else constant).astype(pixels.dtype)
        filled[band] = np.where(valid[band if valid.shape[0] > 1 else 0], plane, fill)
    return filled


def avoid_nodata(
    pixels: Pixels, valid: Valid, nodata: Sequence[float | None], *, bits: int | None = None
) -> Pixels:
    """Move valid pixels off their band's nodata value by one step, towards the middle of the type's range.

    A lossy codec may turn a dark pixel into 0; where 0 means "no data" that would tear a hole.

    Args:
        pixels: shape (bands, h, w), integers or real floats.
        valid: True where a pixel counts, shape (bands or 1, h, w).
        nodata: nodata value per band; None for a band without one.
        bits: bits a sample uses; None for all of its type.

    Returns:
        Pixels of the same shape and type; ``pixels`` itself when no pixel has to move.

    Raises:
        UsageError: when the shapes do not belong together.
    """
    _check_shapes(pixels, valid)
    if len(nodata) != pixels.shape[0]:
        raise UsageError(
            f"{len(nodata)} nodata values for {pixels.shape[0]} bands: give one per band, or None"
        )
    result = pixels
    for band, value in enumerate(nodata):
        sentinel = _sentinel(value, pixels.dtype)
        if sentinel is None:
            continue
        hits = pixels[band] == sentinel
        if not hits.any():
            continue
        hits &= valid[band if valid.shape[0] > 1 else 0]
        if hits.any():
            if result is pixels:
                result = pixels.copy()
            result[band][hits] = _neighbour(sentinel, pixels.dtype, bits)
    return result


def clamp(pixels: Pixels, limits: Sequence[tuple[int, int] | None]) -> Pixels:
    """Return pixels held to each band's least and greatest value.

    A lossy codec rings beyond what it saw: a dark pixel becomes 0 or negative, a bright one exceeds the bits
    of its sensor. Every value the encoder saw lies within the limits, so no error grows.

    Args:
        pixels: shape (bands, ...), of the type the limits are of.
        limits: least and greatest value per band; None leaves a band alone, no entries all of them.

    Returns:
        Pixels of the same shape and type; ``pixels`` itself when none has to move.
    """
    result = pixels
    for band, ends in enumerate(limits):
        if ends is None or not pixels[band].size:
            continue
        if pixels[band].min() < ends[0] or pixels[band].max() > ends[1]:
            if result is pixels:
                result = pixels.copy()
            np.clip(pixels[band], *ends, out=result[band])
    return result


def _check_shapes(pixels: Pixels, valid: Valid) -> None:
    """Refuse a keep-map that does not belong to the pixels."""
    if pixels.ndim != 3 or valid.shape not in (pixels.shape, (1, *pixels.shape[1:])):
        raise UsageError(f"valid of shape {valid.shape} does not fit pixels (bands, h, w) of {pixels.shape}")


def _middle(kind: np.dtype[Any]) -> float:
    """Return what a codec with a level shift codes as zero."""
    if kind.kind not in "iu":
        return 0.0
    limits = np.iinfo(kind)
    return float((int(limits.min) + int(limits.max) + 1) // 2)


def _typed(values: npt.NDArray[np.floating[Any]], kind: np.dtype[Any]) -> Pixels:
    """Return finite values in the type of the pixels, rounded and clipped if it is an integer type."""
    if kind.kind not in "iu":
        return values.astype(kind)
    limits = np.iinfo(kind)
    np.rint(values, out=values)
    low, high = values.dtype.type(limits.min), values.dtype.type(limits.max)
    if int(high) > int(limits.max):  # the type's largest value lies between two floats
        high = np.nextafter(high, values.dtype.type(0))
    return np.clip(values, low, high, out=values).astype(kind)


def _push_pull(plane: Pixels, valid: Valid) -> npt.NDArray[np.floating[Any]]:
    """Return ``plane`` (h, w) continued over its invalid pixels; at least one must be valid."""
    work: type[np.floating[Any]] = np.float32 if plane.dtype.itemsize <= 2 else np.float64
    means: list[npt.NDArray[np.floating[Any]]] = [np.where(valid, plane, plane.dtype.type(0)).astype(work)]
    keeps = [valid]
    while not keeps[-1].all():
        total = _pair_sums(means[-1])
        count = _pair_sums(keeps[-1].astype(work))
        keeps.append(count > 0)
        means.append(total / np.maximum(count, work(1)))
    filled = means.pop()
    keeps.pop()
    while means:
        mean, keep = means.pop(), keeps.pop()
        smooth = _double(_double(filled, mean.shape[0]).T, mean.shape[1]).T
        filled = np.where(keep, mean, smooth)
    return filled


def _pair_sums(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Return sums over 2 x 2 squares; what sticks out over an odd edge counts as nothing."""
    rows = values[0::2].copy()
    rows[: values.shape[0] // 2] += values[1::2]
    sums = rows[:, 0::2].copy()
    sums[:, : values.shape[1] // 2] += rows[:, 1::2]
    return sums


def _double(values: npt.NDArray[np.floating[Any]], length: int) -> npt.NDArray[np.floating[Any]]:
    """Return the first ``length`` rows of ``values`` interpolated at twice the spacing."""
    near, far = values.dtype.type(0.75), values.dtype.type(0.25)
    out = np.empty((2 * values.shape[0], values.shape[1]), values.dtype)
    scaled = values * far
    out[0::2] = values * near
    out[1::2] = out[0::2]
    out[0] += scaled[0]
    out[2::2] += scaled[:-1]
    out[1:-1:2] += scaled[1:]
    out[-1] += scaled[-1]
    return out[:length]


def _sentinel(value: float | None, kind: np.dtype[Any]) -> np.generic | None:
    """Return a nodata value in the pixel type, or None where no pixel can equal it."""
    if value is None or np.isnan(value):
        return None
    if kind.kind not in "iu":
        with np.errstate(over="ignore"):
            return _scalar(kind, value)
    limits = np.iinfo(kind)
    if not np.isfinite(value) or value != int(value) or not limits.min <= int(value) <= limits.max:
        return None
    return _scalar(kind, int(value))


def _neighbour(sentinel: np.generic, kind: np.dtype[Any], bits: int | None) -> np.generic:
    """Return the value one step from ``sentinel`` towards the middle of the range."""
    if kind.kind not in "iu":
        towards = _scalar(kind, 1 if sentinel == 0 else 0)
        stepped: np.generic = np.nextafter(sentinel, towards)
        return stepped
    value = int(sentinel.item())
    middle = _middle(kind) if bits is None or kind.kind == "i" else float(1 << (bits - 1))
    return _scalar(kind, value + 1 if value < middle else value - 1)


def _scalar(kind: np.dtype[Any], value: float) -> np.generic:
    """Return one number in the pixel type; whole numbers stay exact."""
    number: np.generic = kind.type(value)
    return number


def equals_nodata(samples: Pixels, value: float) -> Valid:
    """Return where samples equal a nodata value in their own type (NaN equals NaN)."""
    kind = samples.dtype.kind
    if kind in "iu":
        limits = np.iinfo(samples.dtype)
        if math.isnan(value) or not limits.min <= value <= limits.max or int(value) != value:
            return np.zeros(samples.shape, dtype=bool)
        return np.asarray(samples == samples.dtype.type(int(value)), dtype=bool)
    if math.isnan(value):
        return np.asarray(np.isnan(samples), dtype=bool)
    with np.errstate(over="ignore"):
        return np.asarray(samples == np.asarray(value).astype(samples.dtype), dtype=bool)


def valid_samples(pixels: Pixels, nodata: Sequence[float | None]) -> Valid:
    """Return where samples (bands, h, w) are not the nodata value of their band."""
    valid = np.ones(pixels.shape, np.bool_)
    for band, value in enumerate(nodata):
        if value is not None:
            valid[band] = ~equals_nodata(pixels[band], value)
    return valid
