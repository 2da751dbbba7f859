"""The ends of an integer network: from decoded samples to its input, and from its output to corrections.

::

    pixels -- 2 x 2 into channels -- minus local mean, * gain(level) -- byte --+-- network -- * scale(level)
    level of every 2 x 2 px -------- told(level) ------------------------------+

What the float U-Net does with means, logarithms and divisions (``repair.network.unet``), as sums over cells,
tables and shifts. Every quantity hangs on its place in the scene, so windows agree bit for bit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.repair.integer.graph import ZERO, Bytes, IntegerNetwork
from rsic_geo.repair.units import Steps, row_strips

SCALE_BITS = 10
"""Bits behind the point of a network's scale table."""
SCALE_LIMIT = (1 << 23) - 1
"""Largest entry of it: no product leaves 32 bits."""
_CACHED = 1 << 15
"""Pixels (2 x 2) worked on at once."""
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
    means = _Means(pixels, inner, network.mean_cell)
    # two neighbours in a row as one number of 32 bits: taken apart in half the time of every second one
    pairs = np.ascontiguousarray(pixels[(slice(None), *inner)], "<i2").view("<i4")
    out = np.empty((network.channels, rows, cols), np.uint8)
    half = (1 << _GAIN_BITS - 1) + (ZERO << _GAIN_BITS)
    for part in row_strips(rows, cols, _CACHED):
        gain, mean = network.gain[index[part]], means.of(part)
        work = np.empty((4, *gain.shape), np.int32)
        for band in range(network.bands):
            for row in (0, 1):
                both = pairs[band, 2 * part.start + row : 2 * part.stop : 2]
                np.right_shift(both << 16, 16, out=work[2 * row])
                np.right_shift(both, 16, out=work[2 * row + 1])
            work -= mean[band]
            work *= gain
            work += half
            work >>= _GAIN_BITS
            np.clip(work, 0, 255, out=work)
            out[4 * band : 4 * band + 4, part] = work
        out[-1, part] = network.told[index[part]]
    return out


def unfold(network: IntegerNetwork, y: Bytes, index: NDArray[np.intp]) -> Steps:
    """Return corrections (proposals * bands, 2h, 2w) in 1/FINE of the used range.

    Args:
        network: whose table is used.
        y: (4 * proposals * bands, h, w), its output.
        index: (h, w) entries of the tables, of the same place.
    """
    planes, (rows, cols) = len(y) // 4, index.shape
    out = np.empty((planes, rows, 2, cols), "<i4")  # each two neighbours in a row
    for part in row_strips(rows, cols, _CACHED):
        scale = network.scale[index[part]]
        most = ZERO * int(scale.max())
        work = np.empty((4, *scale.shape), np.int32)
        for plane, place in enumerate(out[:, part]):
            bits = SCALE_BITS + network.finer[plane // network.bands]
            work[...] = y[4 * plane : 4 * plane + 4, part]
            work -= ZERO
            work *= scale
            work += 1 << bits - 1
            work >>= bits
            if most >> bits > _LARGEST:
                np.clip(work, -_LARGEST, _LARGEST, out=work)
            for row in (0, 1):
                left, right = work[2 * row], work[2 * row + 1]
                right <<= 16
                left &= 0xFFFF
                np.bitwise_or(left, right, out=place[:, row])
    return out.view("<i2").reshape(planes, 2 * rows, 2 * cols)


class _Means:
    """Means of cells, bilinear between their centres, at every 2 x 2 px of a part of a window; rounded.

    Beyond the outermost centres of the window the nearest cells hold.
    """

    def __init__(self, pixels: Steps, inner: Area, cell: int) -> None:
        """Sum cells up; sides of ``pixels`` (bands, H, W) are multiples of one."""
        bands, height, width = pixels.shape
        sums = pixels.reshape(bands, height // cell, cell, width).sum(axis=2, dtype=np.int32)
        sums = sums.reshape(bands, height // cell, width // cell, cell).sum(axis=3, dtype=np.int32)
        shift = 2 * cell.bit_length() - 2 - _MEAN_BITS
        cells = (sums + (1 << shift - 1)) >> shift
        self._bits = 2 * cell.bit_length() - 2 + _MEAN_BITS
        self._rows, cols = (
            _between(part.start, part.stop, side // cell, cell)
            for part, side in zip(inner, (height, width), strict=True)
        )
        # 17 bits of a mean and twice as many parts as a cell has sides: 27 of 31 bits
        self._cells = cells.take(cols[0], axis=2) * cols[1] + cells.take(cols[2], axis=2) * cols[3]

    def of(self, part: slice) -> Whole:
        """Return the means (bands, rows, w/2) of some rows of 2 x 2 px."""
        above, its, below, others = (each[part] for each in self._rows)
        found: Whole = self._cells.take(above, axis=1)
        found *= its[:, None]
        found += self._cells.take(below, axis=1) * others[:, None]
        found += 1 << self._bits - 1
        found >>= self._bits
        return found


@lru_cache(maxsize=64)
def _between(start: int, stop: int, cells: int, cell: int) -> tuple[NDArray[Any], ...]:
    """Return, at the centres of 2 px squares, the cells around them and their bilinear weights (1 / cell)."""
    # in half pixels from the first cell's centre; a cell is 2 * cell of them
    first, weight = np.divmod(2 * np.arange(start, stop, 2) + 2 - cell, 2 * cell)
    weight = (weight // 2).astype(np.int32)
    return np.clip(first, 0, cells - 1), cell - weight, np.clip(first + 1, 0, cells - 1), weight
