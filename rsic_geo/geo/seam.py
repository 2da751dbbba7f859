"""Joining windows that overlap, so that no border shows and memory stays bounded.

Every tile's padded window is weighted by a cosine ramp across the borders of its core. At each pixel of the
scene the weights of all windows sum to 1; there is no ramp at the edge of the scene, where no neighbour
could take over.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import GridError
from rsic_geo.geo.grid import TileGrid, TileIndex
from rsic_geo.geo.window import Window

Floats = npt.NDArray[np.float32]


def window_weights(grid: TileGrid, index: TileIndex, blend: int | None = None) -> Floats:
    """Return the weight of every pixel of a tile's padded window, shape (h, w).

    Args:
        grid: how the scene is cut; its halo is what the windows overlap by.
        index: the tile.
        blend: how far the ramp reaches to either side of a border (px), at most the halo: pixels further
            outside the core have weight 0. None takes the whole halo, 0 places cores hard.

    Raises:
        GridError: when the tile is not in the grid or ``blend`` is not in 0..halo.
    """
    reach = _reach(grid, blend)
    padded = grid.padded(index)
    row = _axis_weights(grid.height, grid.tile_size, reach, index.row)
    col = _axis_weights(grid.width, grid.tile_size, reach, index.col)
    outer = grid.halo - reach
    weights = np.zeros((padded.height, padded.width), np.float32)
    top = min(outer, max(index.row * grid.tile_size - reach, 0))
    left = min(outer, max(index.col * grid.tile_size - reach, 0))
    weights[top : top + row.size, left : left + col.size] = row[:, None] * col
    return weights


class SeamAccumulator:
    """Adds up weighted windows and gives rows back as soon as no later window touches them.

    Rows of tiles are fed from top to bottom; within a row the order is free and does not change the result.
    Memory is the width of the scene times the reach of one row of tiles, and once more the overlap.
    """

    def __init__(self, grid: TileGrid, bands: int, blend: int | None = None) -> None:
        """Start above the first row of the scene.

        Args:
            grid: how the scene is cut; its halo is what the windows overlap by.
            bands: bands of every window.
            blend: as in :func:`window_weights`.

        Raises:
            GridError: when there is no band or ``blend`` is not in 0..halo.
        """
        if bands < 1:
            raise GridError(f"{bands} bands cannot be joined: give at least 1")
        self._grid = grid
        self._bands = bands
        self._reach = _reach(grid, blend)
        # Up to this reach at most two windows of a row meet in a pixel, and a + b is b + a in any precision.
        self._work = np.dtype(np.float32 if 2 * self._reach <= grid.tile_size else np.float64)
        self._row = 0
        self._fed: set[int] = set()
        self._sums: npt.NDArray[Any] | None = None
        self._carry = np.zeros((bands, 0, grid.width), self._work)
        self._ready: list[tuple[Window, Floats]] = []

    @property
    def is_complete(self) -> bool:
        """Whether every window was fed."""
        return self._row == self._grid.rows

    def add(self, index: TileIndex, array: npt.NDArray[Any]) -> None:
        """Add the values of a tile's padded window.

        Args:
            index: a tile of the row of tiles being fed; the next row begins when this one is complete.
            array: shape (bands, h, w) of the padded window.

        Raises:
            GridError: when the tile was fed before, is not of this row, or the shape does not fit.
        """
        grid = self._grid
        padded = grid.padded(index)
        if array.shape != (self._bands, padded.height, padded.width):
            raise GridError(
                f"window of shape {array.shape} for tile {index.row}, {index.col}: expected"
                f" {(self._bands, padded.height, padded.width)} (bands, height, width)"
            )
        self._register(index)
        band = self._span(index.row)
        if self._sums is None:
            self._sums = np.zeros((self._bands, band.height, grid.width), self._work)
        reach = _widened(grid, index, self._reach)
        row = _axis_weights(grid.height, grid.tile_size, self._reach, index.row)
        col = _axis_weights(grid.width, grid.tile_size, self._reach, index.col)
        values = array[(slice(None), *reach.within(padded).slices)]
        self._sums[(slice(None), *reach.within(band).slices)] += values * (row[:, None] * col)
        self._close_row()

    def skip(self, index: TileIndex) -> None:
        """Count a tile's window as zero everywhere, without its array.

        Raises:
            GridError: when the tile was fed before or is not of the row being fed.
        """
        self._grid.core(index)
        self._register(index)
        self._close_row()

    def finished_rows(self) -> Iterator[tuple[Window, Floats]]:
        """Yield, once each, full-width windows of finished rows and their values (bands, h, width).

        From top to bottom and without gaps; after the last tile everything has been yielded.
        """
        while self._ready:
            yield self._ready.pop(0)

    def _register(self, index: TileIndex) -> None:
        """Refuse what would be counted twice or comes too late."""
        if index.row != self._row:
            raise GridError(f"tile row {index.row} was fed while row {self._row} is not complete")
        if index.col in self._fed:
            raise GridError(f"tile {index.row}, {index.col} was fed twice")
        self._fed.add(index.col)

    def _span(self, row: int) -> Window:
        """Return the full-width rows that windows of tile row ``row`` have weight in."""
        column = _widened(self._grid, TileIndex(row=row, col=0), self._reach)
        return Window.between(column.row_off, column.row_stop, 0, self._grid.width)

    def _close_row(self) -> None:
        """After the last tile of a row, release the rows that the next row does not reach."""
        if len(self._fed) < self._grid.cols:
            return
        span = self._span(self._row)
        sums = self._sums
        if sums is None:
            sums = np.zeros((self._bands, span.height, self._grid.width), self._work)
        # What the rows above left begins exactly where this row's reach begins.
        sums[:, : self._carry.shape[1]] += self._carry
        self._row += 1
        self._fed.clear()
        self._sums = None
        stop = self._grid.height if self.is_complete else self._span(self._row).row_off
        count = stop - span.row_off
        self._carry = sums[:, count:].copy()
        if count:
            window = Window.between(span.row_off, stop, 0, self._grid.width)
            self._ready.append((window, sums[:, :count].astype(np.float32, copy=False)))


def _reach(grid: TileGrid, blend: int | None) -> int:
    """Return how far ramps reach over a border (px)."""
    reach = grid.halo if blend is None else blend
    if not 0 <= reach <= grid.halo:
        raise GridError(f"a blend of {reach} px does not fit a halo of {grid.halo} px: give 0..{grid.halo}")
    return reach


def _widened(grid: TileGrid, index: TileIndex, margin: int) -> Window:
    """Return a core widened by ``margin`` px, clipped to the scene."""
    narrow = TileGrid(height=grid.height, width=grid.width, tile_size=grid.tile_size, halo=margin)
    return narrow.padded(index)


@lru_cache(maxsize=4096)
def _axis_weights(length: int, tile_size: int, reach: int, number: int) -> Floats:
    """Return the weights along one axis of tile ``number``, over its core and ``reach`` px around it.

    Where more than two windows meet (a last tile narrower than the ramp) the ramps alone do not sum to 1,
    hence the division; the window whose core holds a pixel always has a ramp of at least 1/4 there.
    """
    start = max(number * tile_size - reach, 0)
    stop = min((number + 1) * tile_size + reach, length)
    centres = np.arange(start, stop, dtype=np.float64) + 0.5
    count = -(-length // tile_size)
    neighbours = 2 * reach // tile_size + 1
    total = np.zeros_like(centres)
    for other in range(max(number - neighbours, 0), min(number + neighbours, count - 1) + 1):
        total += _ramps(centres, other, count, tile_size, reach)
    weights: Floats = (_ramps(centres, number, count, tile_size, reach) / total).astype(np.float32)
    weights.flags.writeable = False
    return weights


def _ramps(
    centres: npt.NDArray[np.float64], number: int, count: int, tile_size: int, reach: int
) -> npt.NDArray[np.float64]:
    """Return the ramp up across a tile's first border times the ramp down across its last."""
    weights = np.ones_like(centres)
    if number > 0:
        weights *= _rise(centres - number * tile_size, reach)
    if number < count - 1:
        weights *= _rise((number + 1) * tile_size - centres, reach)
    return weights


def _rise(distance: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """Return 0 at ``reach`` px before a border, 1 at ``reach`` px behind it, and a cosine between."""
    if reach == 0:
        return (distance > 0).astype(np.float64)
    return 0.5 - 0.5 * np.cos(np.pi * np.clip((distance + reach) / (2 * reach), 0, 1))
