"""Samples as colours: stretched pictures, differences about white, cells on a ramp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Valid = NDArray[np.bool_]
Colours = NDArray[np.uint8]
"""Red, green, blue and alpha (rows, columns, 4)."""

_LESS, _NONE, _MORE = (33, 102, 172), (247, 247, 247), (178, 24, 43)
"""Blue where a sample is less than it was, red where it is more; told apart with any kind of sight."""
_RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Even steps of lightness from nothing to most."""


def _faded(colours: NDArray[np.float64], valid: Valid) -> Colours:
    """Return colours (rows, columns, 3) that are transparent where nothing is valid."""
    alpha = np.where(valid, 255, 0).astype(np.uint8)[..., None]
    return np.concatenate([np.where(alpha > 0, np.rint(colours).astype(np.uint8), 0), alpha], axis=2)


def picture(pixels: NDArray[Any], valid: Valid, ranges: Sequence[tuple[float, float]]) -> Colours:
    """Return one or three bands (bands, rows, columns) as grey or colours.

    Args:
        pixels: of the bands that are shown.
        valid: where there is data (rows, columns).
        ranges: least and greatest value of each band, which become black and full light.
    """
    low, high = (np.array(ends, np.float64)[:, None, None] for ends in zip(*ranges, strict=True))
    light = np.nan_to_num((pixels.astype(np.float64) - low) * (255 / (high - low))).clip(0, 255)
    return _faded(np.broadcast_to(light, (3, *light.shape[1:])).transpose(1, 2, 0), valid)


def looked_up(pixels: NDArray[Any], valid: Valid, table: Mapping[int, tuple[int, int, int, int]]) -> Colours:
    """Return one band (rows, columns) in the colours of its table."""
    colours = np.zeros((max(table) + 1, 4), np.uint8)
    colours[list(table)] = list(table.values())
    known = (pixels >= 0) & (pixels < len(colours))
    found: Colours = colours[np.where(known, pixels, 0).astype(np.intp)]
    found[~(valid & known)] = 0
    return found


def strongest(values: NDArray[np.float64], valid: Valid) -> tuple[NDArray[np.float64], Valid]:
    """Return the value farthest from 0 of several (n, rows, columns), and where any of them is valid."""
    sizes = np.where(valid, np.abs(values), -1.0)
    place = sizes.argmax(axis=0)[None]
    return np.take_along_axis(values, place, axis=0)[0], np.any(valid, axis=0, keepdims=True)[0]


def difference(values: NDArray[np.float64], valid: Valid, scale: float) -> Colours:
    """Return differences (rows, columns), full colour from ``scale`` on, white where there is none."""
    share = np.nan_to_num(values / scale).clip(-1, 1)[..., None]
    ends = np.where(share < 0, np.array(_LESS, np.float64), np.array(_MORE, np.float64))
    return _faded(_NONE + np.abs(share) * (ends - _NONE), valid)


def ramp(values: NDArray[Any], valid: Valid, top: float) -> Colours:
    """Return values (rows, columns) from 0 to ``top`` in colours from dark to light."""
    place = (values / top).clip(0, 1) * (len(_RAMP) - 1)
    stops = np.arange(len(_RAMP))
    channels = [np.interp(place, stops, [stop[channel] for stop in _RAMP]) for channel in range(3)]
    return _faded(np.stack(channels, axis=2), valid)


def halved(pixels: NDArray[Any], valid: Valid) -> tuple[NDArray[np.float64], Valid]:
    """Return the means of the valid ones of 2 x 2 samples (bands, rows, columns), and where there is any."""
    weights = quarters(valid.astype(np.float64))
    sums = (quarters(np.where(valid, pixels, 0).astype(np.float64)) * weights).sum(axis=0)
    count = weights.sum(axis=0)
    return sums / np.maximum(count, 1), count > 0


def quarters(planes: NDArray[Any]) -> NDArray[Any]:
    """Return the four samples of every 2 x 2 of planes (..., rows, columns): (4, ..., rows/2, columns/2).

    An odd side is filled with 0.
    """
    rows, columns = planes.shape[-2:]
    even = np.pad(planes, [(0, 0)] * (planes.ndim - 2) + [(0, rows % 2), (0, columns % 2)])
    return np.stack([even[..., i::2, k::2] for i in (0, 1) for k in (0, 1)])


def whole_tile(colours: Colours, side: int) -> Colours:
    """Return a tile of the right edge or the foot of a scene, transparent beyond it."""
    rows, columns = colours.shape[:2]
    if (rows, columns) == (side, side):
        return colours[..., :3] if colours[..., 3].all() else colours
    return np.pad(colours, [(0, side - rows), (0, side - columns), (0, 0)])
