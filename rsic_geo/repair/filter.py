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

All of it is whole numbers: pixels and corrections in steps of the used range, coefficients over a power of
two. Products are added up by the matrix product of float32 where no sum can reach 2**24, of float64 where one
might: whole numbers either way, so no order of adding up, and no machine, makes a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.filters import LIGHTS, MIX_STEP, TAP_STEP, FilterTaps, column_count, tap_offsets
from rsic_geo.repair.units import FINE, STEPS, Steps, product, row_strips

FloatArray = NDArray[np.float32]
Whole: TypeAlias = NDArray[np.int64]

MARGIN = 3
"""Pixels around a window that its filter looks at, at most."""
BRIGHTNESS_REACH = 2
"""Half the side of the square whose mean is a pixel's brightness (px)."""
_STRIP_PIXELS = 1 << 14
_CACHED = 1 << 16
"""Pixels whose sums over bands stay in a processor's cache."""
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], np.int64)
"""Sum, red against blue, green against both; orthonormal once scaled."""
_BITS = 8
"""Bits behind the point of weights, in steps of a correction."""
_TURN_BITS = 16
_TURNS = np.array([[21845, 26755, 15447], [26755, 32768, 18919], [15447, 18919, 10923]], np.int64)
"""2**16 over the root of the product of the squared lengths of two axes, which are 3, 2 and 6."""


def _axes(bands: int) -> tuple[Whole, Whole]:
    """Return whole axes (bands, bands), and what turning back from one axis to another is worth (2**-16)."""
    if bands == 3:
        return _OPPONENT, _TURNS
    return np.eye(bands, dtype=np.int64), np.full((bands, bands), 1 << _TURN_BITS, np.int64)


def colour_axes(bands: int) -> NDArray[np.float64]:
    """Return the orthonormal matrix (bands, bands) whose rows the bands are turned onto."""
    axes = _axes(bands)[0]
    unit: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return unit


def brightness(decoded: Steps) -> NDArray[np.int32]:
    """Return sums of pixels (bands, h + 6, w + 6) over bands and 5 x 5 px; shape (h, w)."""
    height, width = (side - 2 * MARGIN for side in decoded.shape[1:])
    out = np.empty((height, width), np.int32)
    skipped, wider = MARGIN - BRIGHTNESS_REACH, 2 * BRIGHTNESS_REACH
    for rows in row_strips(height, width, _CACHED):
        seen = decoded[:, rows.start + skipped : rows.stop + skipped + wider, skipped:-skipped]
        luma = seen.sum(axis=0, dtype=np.int32)
        pairs = luma[:-1] + luma[1:]
        tall = pairs[:-3] + pairs[2:-1]
        tall += luma[wider:]
        pairs = tall[:, :-1] + tall[:, 1:]
        np.add(pairs[:, :-3], pairs[:, 2:-1], out=out[rows])
        out[rows] += tall[:, wider:]
    return out


def lights(sums: NDArray[np.int32], bands: int) -> NDArray[np.intp]:
    """Return the part of the used range (0..LIGHTS - 1) that each of :func:`brightness`'s sums lies in."""
    parts = sums.astype(np.int64) * LIGHTS // (bands * (2 * BRIGHTNESS_REACH + 1) ** 2 * STEPS)
    return np.clip(parts, 0, LIGHTS - 1).astype(np.intp)


def _classes(sums: NDArray[np.int32], bands: int, edges: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the class of each of :func:`brightness`'s sums: how many edges it has reached."""
    whole = bands * (2 * BRIGHTNESS_REACH + 1) ** 2 * STEPS
    out = np.zeros(sums.shape, np.uint8)
    for edge in edges:
        out += sums >= -(-edge * whole // LIGHTS)
    return out


def _enhanced(decoded: Steps, correction: Steps) -> Steps:
    """Return pixels as first proposed, on the colour axes: (bands, h, w) in steps.

    Held to the used range, so that the differences taken of them fit 16 bits.
    """
    bands, height, width = decoded.shape
    out = np.empty_like(decoded)
    for rows in row_strips(
        height, width, _STRIP_PIXELS
    ):  # a few rows at a time stay in the processor's cache
        found = out[:, rows]
        np.right_shift(correction[:bands, rows], 3, out=found)
        found += 1
        found >>= 1
        found += decoded[:, rows]
        np.clip(found, 0, STEPS, out=found)
        if bands == 3:
            red, green, blue = found
            both = red + blue
            np.subtract(red, blue, out=blue)
            np.add(both, green, out=red)  # the sum
            green += green
            green -= both
            found[1:] = found[:0:-1].copy()
    return out


def _flat(planes: Steps, rows: slice, dy: int = 0, dx: int = 0) -> Steps:
    """Return what lies ``dy``, ``dx`` px from the pixels of some rows, (planes, (rows * (w + 6)) - 6).

    ``planes``: (planes, h + 6, w + 6). Rows are taken with the margin between them, as they lie in memory:
    one run is worked on in half the time of many. :func:`_rows_of` drops the margin again.
    """
    side = planes.shape[2]
    first = (rows.start + MARGIN + dy) * side + MARGIN + dx
    count = (rows.stop - rows.start) * side - 2 * MARGIN
    return planes.reshape(len(planes), -1)[:, first : first + count]


def _rows_of(flat: NDArray[Any], width: int) -> NDArray[Any]:
    """Return (planes, rows, width) of what is laid out as by :func:`_flat`."""
    planes, count = flat.shape
    side = width + 2 * MARGIN
    whole = np.empty((planes, count + 2 * MARGIN), flat.dtype)
    whole[:, :count] = flat
    return whole.reshape(planes, -1, side)[:, :, :width]


def _differences(enhanced: Steps, rows: slice, taps: Sequence[int], out: Steps) -> None:
    """Write what pairs of opposite neighbours have more than twice the pixel, (taps, bands, run).

    ``enhanced``: (bands, h + 6, w + 6); ``taps``: numbers of places within :data:`MARGIN`; a run as
    :func:`_flat` gives it.
    """
    twice = _flat(enhanced, rows) * np.int16(2)
    for place, tap in enumerate(taps):
        dy, dx = _OFFSETS[tap]
        np.add(_flat(enhanced, rows, dy, dx), _flat(enhanced, rows, -dy, -dx), out=out[place])
        out[place] -= twice


_OFFSETS = tap_offsets(MARGIN)


def columns(decoded: Steps, correction: Steps, reach: int) -> Iterator[tuple[slice, FloatArray]]:
    """Yield, strip by strip, rows of a window and the planes a filter adds up, in units of the used range.

    Args:
        decoded: (bands, h + 6, w + 6) in steps.
        correction: (proposals * bands, h + 6, w + 6) in 1/FINE, proposal after proposal.
        reach: of the taps (px).

    Yields:
        Rows, and planes (columns, rows, w) on the colour axes: the corrections; then, tap by tap and axis by
        axis, what a pair of opposite neighbours has more than twice the pixel, enhanced as first proposed.
    """
    bands, mixed = len(decoded), len(correction)
    axes, enhanced = colour_axes(bands), _enhanced(decoded, correction)
    units = STEPS * np.linalg.norm(_axes(bands)[0], axis=1)[:, None]
    inner = correction[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    height, width = inner.shape[1:]
    taps = range(len(tap_offsets(reach)))
    for rows in row_strips(height, width, _STRIP_PIXELS):
        shape = (column_count(bands, reach, mixed // bands), rows.stop - rows.start, width)
        out = np.empty(shape, np.float32)
        for first in range(0, mixed, bands):
            turned = np.tensordot(axes, inner[first : first + bands, rows].astype(np.float64), axes=1)
            out[first : first + bands] = turned / FINE
        count = _flat(enhanced, rows).shape[1]
        planes = np.empty((len(taps), bands, count), np.int16)
        _differences(enhanced, rows, taps, planes)
        out[mixed:] = _rows_of((planes / units).reshape(-1, count), width)
        yield rows, out


def step_sizes(bands: int, reach: int, proposals: int) -> NDArray[np.float64]:
    """Return what one unit of each column's coefficient is worth, shape (columns,)."""
    sizes = np.full(column_count(bands, reach, proposals), TAP_STEP)
    sizes[: bands * proposals] = MIX_STEP
    return sizes


def whole_weights(taps: FilterTaps) -> Whole:
    """Return what each plane counts in each band, (classes, bands, columns) in 2**-8 of a correction's steps.

    Planes are the corrections of the bands as they are, then differences of pixels on the whole axes.
    """
    bands, mixed = taps.bands, taps.bands * taps.proposals
    axes, turns = _axes(bands)
    # coefficients (classes, axes out, columns) -> (classes, bands, columns), in 2**-16
    per_axis = np.tile(turns, (1, taps.coefficients.shape[2] // bands))
    back = np.einsum("jb,kjc->kbc", axes, taps.coefficients * per_axis)
    shifts = np.full(back.shape[2], _TURN_BITS - _BITS + round(np.log2(STEPS / FINE / TAP_STEP)))
    shifts[:mixed] = _TURN_BITS - _BITS + round(np.log2(1 / MIX_STEP))
    parts = back[:, :, :mixed].reshape(*back.shape[:2], taps.proposals, bands)
    back[:, :, :mixed] = (parts @ axes).reshape(*back.shape[:2], mixed)
    whole: Whole = (back + (1 << shifts - 1)) >> shifts
    return whole


def apply_filter(taps: FilterTaps, decoded: Steps, correction: Steps) -> Steps:
    """Return the corrections (bands, h, w) a filter makes of others, in 1/FINE of the used range.

    Args:
        taps: coefficients of the cluster these bands are.
        decoded: (bands, h + 6, w + 6) in steps: the window and :data:`MARGIN` around it.
        correction: (proposals * bands, h + 6, w + 6), as the enhancer proposes it.
    """
    bands, proposals = taps.bands, taps.proposals
    by_place = whole_weights(taps).reshape(len(taps.edges) + 1, bands, -1, bands)
    used = np.flatnonzero(by_place.any(axis=(0, 1, 3))).tolist()  # proposals, then taps
    height, width = (side - 2 * MARGIN for side in decoded.shape[1:])
    out = np.zeros((bands, height, width), np.int16)
    if not used:
        return out
    weights = by_place[:, :, used].reshape(-1, len(used) * bands)  # (classes * bands, columns)
    mixed = [place for place in used if place < proposals]
    near = [place - proposals for place in used[len(mixed) :]]
    enhanced = _enhanced(decoded, correction) if near else decoded
    correction = np.ascontiguousarray(correction)
    kinds = _classes(brightness(decoded), bands, taps.edges) if taps.edges else None
    side = width + 2 * MARGIN
    held = np.empty(len(used) * bands * side * max(1, _STRIP_PIXELS // width), np.int16)
    for rows in row_strips(height, width, _STRIP_PIXELS):
        count = (rows.stop - rows.start) * side - 2 * MARGIN
        planes = held[: len(used) * bands * count].reshape(len(used), bands, count)
        for plane, place in zip(planes, mixed, strict=False):
            plane[...] = _flat(correction[place * bands : (place + 1) * bands], rows)
        if near:
            _differences(enhanced, rows, near, planes[len(mixed) :])
        found = _products(weights, planes.reshape(-1, count))
        if kinds is not None:
            found = _chosen(found.reshape(-1, bands, count), kinds[rows])
        whole = found.astype(np.int32)
        whole += 1 << _BITS - 1
        whole >>= _BITS
        np.clip(whole, -32767, 32767, out=whole)
        out[:, rows] = _rows_of(whole, width)
    return out


def _products(weights: Whole, planes: Steps) -> NDArray[np.floating[Any]]:
    """Return the matrix product, exact: in float32 if no partial sum can leave its whole numbers."""
    largest = np.maximum(planes.max(axis=1), -planes.min(axis=1).astype(np.int64))
    kind = np.float32 if (np.abs(weights) @ largest).max() < 1 << 24 else np.float64
    found: NDArray[np.floating[Any]] = product(weights.astype(kind), planes.astype(kind))
    return np.clip(found, -(2.0**30), 2.0**30) if kind is np.float64 else found


def _chosen(found: NDArray[Any], kinds: NDArray[np.uint8]) -> NDArray[Any]:
    """Return (bands, run): of every pixel what was found (classes, bands, run) for its class.

    ``kinds``: (rows, w), to be laid out as the run is.
    """
    _, bands, count = found.shape
    places = np.zeros((len(kinds), kinds.shape[1] + 2 * MARGIN), np.intp)
    places[:, : kinds.shape[1]] = kinds
    places *= bands * count
    places = places.reshape(-1)[:count]
    places += np.arange(count)
    flat = found.reshape(-1)
    return np.stack([flat[band * count :].take(places) for band in range(bands)])
