"""Means over areas: which pixels a coarser pixel is made of, and how much of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def shares(  # noqa: PLR0913, PLR0917 - two intervals, each with its pixels
    offset: int, length: int, count: int, start: int, size: int, halvings: int = 0
) -> tuple[slice, NDArray[np.float64]]:
    """Return along one axis which output pixels a run of input pixels is part of, and their shares.

    Args:
        offset: where the output begins (px).
        length: what it covers (px).
        count: output pixels, all of one size.
        start: where the input begins (px).
        size: what it covers (px).
        halvings: input pixels are ``2 ** halvings`` px long, the last one perhaps shorter.

    Returns:
        The output pixels touched, and (output pixels, input pixels) the part of each output pixel that each
        input pixel covers.
    """
    step = 1 << halvings
    edges = offset + np.arange(count + 1) * (length / count)
    starts = start + np.arange(-(-size // step)) * step
    stops = np.minimum(starts + step, start + size)
    touched = np.flatnonzero((edges[1:] > start) & (edges[:-1] < start + size))
    if not touched.size:
        return slice(0, 0), np.zeros((0, len(starts)))
    rows = slice(int(touched[0]), int(touched[-1]) + 1)
    upper, lower = edges[1:][rows, None], edges[:-1][rows, None]
    covered = np.maximum(np.minimum(upper, stops) - np.maximum(lower, starts), 0.0)
    return rows, covered * (count / length)


def area_means(pixels: NDArray[Any], out_shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return pixels (bands, h, w) resampled to (bands, *out_shape) by means over areas."""
    _, height, width = pixels.shape
    _, down = shares(0, height, out_shape[0], 0, height)
    _, right = shares(0, width, out_shape[1], 0, width)
    return np.asarray(down @ pixels.astype(np.float64) @ right.T)
