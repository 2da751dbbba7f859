"""The ends of an integer network: from decoded samples to its input, and from its output to corrections.

::

    pixels -- 2 x 2 into channels -- minus local mean, * gain(level) -- byte --+-- network -- * scale(level)
    level of every 2 x 2 px -------- told(level) ------------------------------+

What the float U-Net does with means, logarithms and divisions (``repair.network.unet``), as sums over cells,
tables and shifts. Every quantity hangs on its place in the scene, so windows agree bit for bit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.repair.integer.graph import ZERO, Bytes, IntegerNetwork
from rsic_geo.repair.matrix import product
from rsic_geo.repair.units import Steps

SCALE_BITS = 10
"""Bits behind the point of a network's scale table."""
SCALE_LIMIT = (1 << 23) - 1
"""Largest entry of it: no product leaves 32 bits."""
_LARGEST = 32767
"""Largest correction that is written down: half of the used range."""
_GAIN_BITS = 16
_MEAN_BITS = 4
"""Bits behind the point of a cell's mean."""

Area: TypeAlias = tuple[slice, slice]
"""Rows and columns of a window."""
Whole: TypeAlias = NDArray[np.int32]


def fold(network: IntegerNetwork, pixels: Steps, inner: Area, index: NDArray[np.intp]) -> Bytes:
    """Return a network's input (4 * bands + 1, h/2, w/2) for a part of a window.

    Args:
        network: whose tables and cells are used.
        pixels: (bands, H, W), the window, which begins and ends where cells of the network do.
        inner: the part, of even offsets and sides.
        index: (h/2, w/2) entries of the tables, by the distortion of the part's 2 x 2 px.
    """
    rows, cols = index.shape
    means = _means(pixels, inner, network.mean_cell)
    gain = network.gain[index]
    inside = pixels[(slice(None), *inner)]
    out = np.empty((network.channels, rows, cols), np.uint8)
    work, half = np.empty((rows, cols), np.int32), (1 << _GAIN_BITS - 1) + (ZERO << _GAIN_BITS)
    for band, mean in enumerate(means):
        for corner in range(4):
            np.subtract(inside[band, corner // 2 :: 2, corner % 2 :: 2], mean, out=work, dtype=np.int32)
            work *= gain
            work += half
            work >>= _GAIN_BITS
            np.clip(work, 0, 255, out=work)
            out[4 * band + corner] = work
    out[-1] = network.told[index]
    return out


def unfold(network: IntegerNetwork, y: Bytes, index: NDArray[np.intp]) -> Steps:
    """Return corrections (proposals * bands, 2h, 2w) in 1/FINE of the used range.

    Args:
        network: whose table is used.
        y: (4 * proposals * bands, h, w), its output.
        index: (h, w) entries of the tables, of the same place.
    """
    scale = network.scale[index]
    most = ZERO * int(scale.max())
    planes, (rows, cols) = len(y) // 4, index.shape
    out = np.empty((planes, rows, 2, cols, 2), np.int16)
    work = np.empty((rows, cols), np.int32)
    for channel, plane in enumerate(y):
        bits = SCALE_BITS + network.finer[channel // (4 * network.bands)]
        np.subtract(plane, ZERO, out=work, dtype=np.int32)
        work *= scale
        work += 1 << bits - 1
        work >>= bits
        if most >> bits > _LARGEST:
            np.clip(work, -_LARGEST, _LARGEST, out=work)
        out[channel // 4, :, channel % 4 // 2, :, channel % 2] = work
    return out.reshape(planes, 2 * rows, 2 * cols)


def _means(pixels: Steps, inner: Area, cell: int) -> Whole:
    """Return the means of cells, bilinear between their centres, at every 2 x 2 px of ``inner``; rounded.

    Beyond the outermost centres of the window the nearest cells hold; shape (bands, h/2, w/2).
    """
    _, height, width = pixels.shape
    sums = np.add.reduceat(pixels, np.arange(0, height, cell), axis=1, dtype=np.int32)
    sums = np.add.reduceat(sums, np.arange(0, width, cell), axis=2)
    shift = 2 * cell.bit_length() - 2 - _MEAN_BITS
    whole = (sums + (1 << shift - 1)) >> shift
    rows, cols = (
        _between(part.start, part.stop, side // cell, cell)
        for part, side in zip(inner, (height, width), strict=True)
    )
    # products of whole numbers far below 2**53: exact, in whatever order
    spread = np.array([product(rows @ band, cols.T) for band in whole.astype(np.float64)]).astype(np.int32)
    bits = 2 * cell.bit_length() - 2 + _MEAN_BITS
    spread += 1 << bits - 1
    spread >>= bits
    return spread


@lru_cache(maxsize=64)
def _between(start: int, stop: int, cells: int, cell: int) -> NDArray[np.float64]:
    """Return bilinear weights ((stop - start) / 2, cells) in 1 / cell, at the centres of 2 px squares."""
    # in half pixels from the first cell's centre; a cell is 2 * cell of them
    places = 2 * np.arange(start, stop, 2) + 2 - cell
    first, weight = np.divmod(places, 2 * cell)
    out = np.zeros((len(places), cells))
    each = np.arange(len(places))
    np.add.at(out, (each, np.clip(first, 0, cells - 1)), cell - weight // 2)
    np.add.at(out, (each, np.clip(first + 1, 0, cells - 1)), weight // 2)
    out.flags.writeable = False
    return out
