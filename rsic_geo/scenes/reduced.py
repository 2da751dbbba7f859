"""Reduced reads that keep nodata out of the means, from the pixels at full resolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UsageError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.validity import avoid_nodata
from rsic_geo.geo.window import Window
from rsic_geo.scenes.planes import Planes, put_nodata
from rsic_geo.scenes.quantised import Steps

MOST_SAMPLES = 1 << 36
"""Most samples one read is asked for: where memory is only promised, more would end the process."""
_STRIP_SAMPLES = 1 << 23
"""Samples read at once."""


class FullResolution(Protocol):
    """A scene at full resolution."""

    profile: SceneProfile

    def read(self, window: Window | None = None) -> NDArray[Any]:
        """Return (bands, h, w)."""
        ...

    def read_valid(self, window: Window) -> NDArray[np.bool_]:
        """Return (bands, h, w)."""
        ...


def masked_means(
    scene: FullResolution, area: Window, out_shape: tuple[int, int], bands: tuple[int, ...]
) -> NDArray[Any]:
    """Return the mean of the valid pixels under every output pixel, nodata where there is none.

    Args:
        scene: read strip by strip, at full resolution.
        area: part of the scene (px).
        out_shape: (rows, columns) wanted; where larger than ``area``, pixels repeat.
        bands: indexes from 0.
    """
    rows, cols = _edges(area.height, out_shape[0]), _edges(area.width, out_shape[1])
    nodata = scene.profile.nodata
    out = np.empty((len(bands), *out_shape), scene.profile.dtype)
    step = max(1, int(_STRIP_SAMPLES * out_shape[0] / (scene.profile.count * area.width * area.height)))
    for first in range(0, out_shape[0], step):
        last = min(first + step, out_shape[0])
        top, bottom = int(rows[first, 0]), int(rows[last - 1, 1])
        window = Window.between(area.row_off + top, area.row_off + bottom, area.col_off, area.col_stop)
        pixels, valid = scene.read(window)[list(bands)], scene.read_valid(window)[list(bands)]
        sums = _box_sums(np.where(valid, pixels, 0).astype(np.float64), rows[first:last] - top, cols)
        counts = _box_sums(valid.astype(np.float64), rows[first:last] - top, cols)
        for i, band in enumerate(bands):
            means = sums[i] / np.maximum(counts[i], 1)
            value, found = nodata[band], counts[i] > 0
            is_float = out.dtype.kind == "f"
            limits: Any = np.finfo(out.dtype) if is_float else np.iinfo(out.dtype)
            means = means if is_float else np.rint(means)
            strip = np.clip(means, limits.min, limits.max).astype(out.dtype)
            strip = avoid_nodata(strip[None], found[None], [value], bits=scene.profile.sample_bits)[0]
            if value is not None or is_float:
                strip[~found] = np.nan if value is None else value
            out[i, first:last] = strip
    return out


def restored(
    pixels: NDArray[Any],
    places: tuple[NDArray[np.intp], NDArray[np.intp], tuple[int, ...]],
    planes: Planes,
    profile: SceneProfile,
    affinity: Steps | None,
) -> NDArray[Any]:
    """Return reduced pixels with nodata and alpha of the pixel at full resolution in the middle of each.

    Args:
        pixels: (bands, h, w) as the codec gives them; may be changed in place.
        places: rows and columns, of the scene at full resolution, of those middles; and which bands, from 0.
        planes: the archive's lossless planes.
        profile: of the scene.
        affinity: scaling of a quantised scene.
    """
    rows, cols, bands = places
    nodata = tuple(profile.nodata[band] for band in bands)
    valid = nearest(lambda line: planes.valid(line, profile.count), rows, cols, bands)
    alphas = [place for place, band in enumerate(bands) if band in planes.alpha_bands]
    own = [planes.alpha_bands.index(bands[place]) for place in alphas]
    alpha = nearest(planes.alpha, rows, cols, own) if own else None
    if affinity is None and valid is not None:
        pixels = put_nodata(pixels, valid, nodata, profile.sample_bits)
    if alpha is not None:
        pixels[alphas] = alpha
    return pixels if affinity is None else affinity.pick(bands).restore(pixels, valid, nodata)


def nearest(
    read: Callable[[Window], NDArray[Any] | None],
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
    bands: Sequence[int],
) -> NDArray[Any] | None:
    """Return a scene's plane at chosen pixels only, read line by line.

    Args:
        read: gives the plane (bands, h, w) of a window, or None where there is no such plane.
        rows: rows wanted, of the scene (px).
        cols: columns wanted, ascending, of the scene (px).
        bands: which of the plane's bands, from 0.

    Returns:
        Shape (bands, rows, columns); None where there is no plane.
    """
    left, chosen = int(cols[0]), list(bands)
    lines = []
    for row in rows:
        line = read(Window(row_off=int(row), col_off=left, height=1, width=int(cols[-1]) + 1 - left))
        if line is None:
            return None
        lines.append(line[chosen, 0][:, cols - left])
    return np.stack(lines, axis=1)


def _edges(length: int, count: int) -> NDArray[np.intp]:
    """Return first and one-past-last input pixel of every output pixel, shape (count, 2), none empty."""
    start = (np.arange(count) * length) // count
    stop = np.maximum(((np.arange(count) + 1) * length) // count, start + 1)
    return np.stack([start, stop], axis=1).astype(np.intp)


def _box_sums(
    values: NDArray[np.float64], rows: NDArray[np.intp], cols: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return sums over boxes of (bands, h, w): shape (bands, rows, columns)."""
    total = np.zeros((values.shape[0], values.shape[1] + 1, values.shape[2] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:, 1:])
    np.cumsum(total[:, 1:, 1:], axis=2, out=total[:, 1:, 1:])
    top, bottom = total[:, rows[:, 0]], total[:, rows[:, 1]]
    band = bottom - top
    return np.asarray(band[:, :, cols[:, 1]] - band[:, :, cols[:, 0]])


def nearest_places(area: Window, shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns in the middle of each pixel of a window at another size."""
    rows = area.row_off + (2 * np.arange(shape[0]) + 1) * area.height // (2 * shape[0])
    cols = area.col_off + (2 * np.arange(shape[1]) + 1) * area.width // (2 * shape[1])
    return rows, cols


def rows_and_columns(out_shape: tuple[int, ...], count: int) -> tuple[int, int]:
    """Return rows and columns of a shape that may also tell the ``count`` bands. Raises UsageError."""
    whole = all(isinstance(side, int | np.integer) and side >= 1 for side in out_shape)
    if len(out_shape) not in (2, 3) or not whole or (len(out_shape) == 3 and out_shape[0] != count):
        raise UsageError(
            f"out_shape {tuple(out_shape)}: give rows and columns from 1 on, before them {count} bands "
            "or nothing"
        )
    if math.prod(map(int, out_shape[-2:])) * count > MOST_SAMPLES:
        raise UsageError(
            f"out_shape {tuple(out_shape)} of {count} bands: no memory holds so many samples; read windows"
        )
    return int(out_shape[-2]), int(out_shape[-1])
