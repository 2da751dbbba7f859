"""The adaptive filter: what the encoder can tell the decoder about this scene's corrections.

The enhancer has never seen this sensor. The encoder holds the original, so it can say how far to trust each
band's correction, how bands' corrections mix, and what is left to sharpen or to smooth: a symmetric filter
with few coefficients, fitted by least squares and sent only where a coefficient saves more than it costs.
The idea is that of the adaptive loop filter of video coding (ITU-T H.266, 8.8.5), with the network's
correction among its inputs and classes by brightness, which the network is not told.

::

    decoded d ---+--------------------------------- luma, 5 x 5 mean --> class k
                 |                                                        |
    correction c +-- d + c -- differences to pairs of neighbours --+-- K_k -- new correction
                 |            in all bands                         |
                 +-------------------- mixed over bands -----------+

Bands that were coded apart hold the same edges with other errors, so neighbours in the other bands say most.
Three bands were decorrelated by the codec already; they are turned into one sum and two differences, which
differ most in what their corrections are worth. Every pixel depends on its neighbourhood of 7 px only, so
windows agree.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.filters import LIGHTS, MIX_STEP, TAP_STEP, FilterTaps, column_count, tap_offsets

FloatArray = NDArray[np.float32]

BRIGHTNESS_REACH = 2
"""Half the side of the square whose mean is a pixel's brightness (px)."""
_STRIP_PIXELS = 1 << 16
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], np.float64)
"""Sum, red against blue, green against both; orthonormal once scaled."""


def colour_axes(bands: int) -> NDArray[np.float64]:
    """Return the orthonormal matrix (bands, bands) whose rows the bands are turned onto."""
    axes = _OPPONENT if bands == 3 else np.eye(bands)
    unit: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return unit


def brightness(decoded: FloatArray) -> FloatArray:
    """Return the mean of pixels (bands, h, w) over bands and 5 x 5 px; shape (h, w), edges repeated.

    Sums are made in one order everywhere, so that a pixel's class does not depend on the window.
    """
    side = 2 * BRIGHTNESS_REACH + 1
    height, width = decoded.shape[1:]
    luma = decoded[0].copy()
    for band in decoded[1:]:
        luma += band
    padded = np.pad(luma, BRIGHTNESS_REACH, mode="edge")
    rows = padded[:height].copy()
    for step in range(1, side):
        rows += padded[step : step + height]
    out = rows[:, :width].copy()
    for step in range(1, side):
        out += rows[:, step : step + width]
    out *= np.float32(1 / (side * side * len(decoded)))
    return out


def classes_of(light: FloatArray, edges: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the class of every pixel's brightness, same shape."""
    return np.searchsorted(np.array(edges, np.float32), light * np.float32(LIGHTS), side="right")


def columns(decoded: FloatArray, correction: FloatArray, reach: int) -> Iterator[tuple[slice, FloatArray]]:
    """Yield, strip by strip, rows of the window and the planes a filter adds up.

    Args:
        decoded: (bands, h, w) in units of the used range.
        correction: (proposals * bands, h, w) in the same units, proposal after proposal.
        reach: of the taps (px).

    Yields:
        Rows, and planes (columns, rows, w) on the colour axes: the corrections; then, tap by tap and axis by
        axis, what a pair of opposite neighbours has more than twice the pixel, enhanced as first proposed.
    """
    bands, height, width = decoded.shape
    mixed = len(correction)
    axes = colour_axes(bands).astype(np.float32)

    def turned(planes: FloatArray) -> FloatArray:
        return np.tensordot(axes, planes, axes=1) if bands == 3 else planes

    enhanced = np.pad(decoded + correction[:bands], ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    count = max(1, _STRIP_PIXELS // width)
    offsets = tap_offsets(reach)
    for top in range(0, height, count):
        stop = min(top + count, height)
        out = np.empty((column_count(bands, reach, mixed // bands), stop - top, width), np.float32)
        for first in range(0, mixed, bands):
            out[first : first + bands] = turned(correction[first : first + bands, top:stop])
        around = turned(enhanced[:, top : stop + 2 * reach])
        rows = stop - top

        def moved(dy: int, dx: int, planes: FloatArray = around, rows: int = rows) -> FloatArray:
            return planes[:, reach + dy : reach + dy + rows, reach + dx : reach + dx + width]

        middle = 2 * moved(0, 0)
        for place, (dy, dx) in enumerate(offsets):
            tap = out[mixed + bands * place : mixed + bands * (place + 1)]
            np.add(moved(dy, dx), moved(-dy, -dx), out=tap)
            tap -= middle
        yield slice(top, stop), out


def step_sizes(bands: int, reach: int, proposals: int) -> NDArray[np.float64]:
    """Return what one unit of each column's coefficient is worth, shape (columns,)."""
    sizes = np.full(column_count(bands, reach, proposals), TAP_STEP)
    sizes[: bands * proposals] = MIX_STEP
    return sizes


def apply_filter(taps: FilterTaps, decoded: FloatArray, correction: FloatArray) -> FloatArray:
    """Return the correction (bands, h, w) the filter makes of another one; both in units of the used range.

    Args:
        taps: coefficients of the cluster these bands are.
        decoded: (bands, h, w).
        correction: (proposals * bands, h, w), as the enhancer proposes it.
    """
    bands, _, width = decoded.shape
    scaled = taps.coefficients * step_sizes(bands, taps.reach, taps.proposals)
    back = colour_axes(bands).T @ scaled  # (classes, bands, columns)
    used = np.flatnonzero(scaled.any(axis=(0, 1)))
    weights = back[:, :, used].astype(np.float32)
    light = brightness(decoded) if taps.edges else None
    out = np.empty_like(decoded)
    for rows, planes in columns(decoded, correction, taps.reach):
        flat = planes.reshape(len(planes), -1)[used]
        if light is None:
            out[:, rows] = (weights[0] @ flat).reshape(bands, -1, width)
            continue
        kinds = classes_of(light[rows], taps.edges).ravel()
        strip = np.empty((bands, kinds.size), np.float32)
        for kind in range(len(weights)):
            here = np.flatnonzero(kinds == kind)
            strip[:, here] = weights[kind] @ flat[:, here]
        out[:, rows] = strip.reshape(bands, -1, width)
    return out
