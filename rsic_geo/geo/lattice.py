"""Small maps fixed to the scene: one value per cell of 256 x 256 px, read on a finer lattice.

What the enhancer is told, and how strongly its correction is used, must not depend on how the scene is
cut into windows. Both live on cells counted from the scene's upper left corner; between cell centres they
are interpolated in integers, so every window sees the very same numbers.

A *level byte* is a root mean square error on a scale of 16 steps per octave, 0 meaning none at all. A
*strength byte* is the factor on the correction, in steps of 1/128.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import GridError, UsageError
from rsic_geo.geo.window import TileGrid, TileIndex, Window

CELL = 256
"""Side of a cell (px)."""
NODE = 64
"""Spacing of the lattice an enhancer is told the distortion on (px)."""
MAX_LEVEL = 255
"""Largest level byte."""
MAX_STRENGTH_BYTE = 192
"""Largest strength byte: a factor of 1.5."""

_LATTICE_UNITS = (2 * CELL // NODE) ** 2  # per level, when interpolated on the lattice
_STEPS_PER_OCTAVE = 16
_LEVEL_OFFSET = 15.9
NEUTRAL_STRENGTH_BYTE = 128
"""Strength byte of a correction used as it is."""

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def cell_counts(height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns of cells that cover a scene of ``height`` x ``width`` px."""
    grid = TileGrid(height=height, width=width, tile_size=CELL)
    return grid.rows, grid.cols


def cell_sums(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return sums over the cells of an array (bands, h, w): shape (bands, cell rows, cell columns)."""
    _, height, width = values.shape
    if height % CELL or width % CELL:
        values = np.pad(values, ((0, 0), (0, -height % CELL), (0, -width % CELL)))
    rows, cols = values.shape[1] // CELL, values.shape[2] // CELL
    parts = values.reshape(-1, rows, CELL, cols, CELL)  # ten times as fast as adding up by reduceat
    total: npt.NDArray[np.float64] = parts.sum(axis=(2, 4), dtype=np.float64)
    return total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellMap:
    """One byte per band group and cell of a scene.

    Raises:
        GridError: when the shape of ``values`` is not that of the scene's cells.
    """

    height: int
    """Rows of the scene (px)."""
    width: int
    """Columns of the scene (px)."""
    values: Bytes
    """Level or strength bytes, shape (groups, cell rows, cell columns)."""

    def __post_init__(self) -> None:
        """Refuse values that do not cover the scene."""
        if self.values.dtype != np.uint8 or self.values.ndim != 3 or self.values.shape[1:] != self._counts():
            raise GridError(
                f"cell map of {self.values.dtype} {self.values.shape} does not fit {self.height} rows x"
                f" {self.width} columns: expected uint8 (groups, {self._counts()[0]}, {self._counts()[1]})"
            )

    @classmethod
    def filled(cls, groups: int, height: int, width: int, value: int = 0) -> CellMap:
        """Return a map with the same byte in every cell; its values may be written into."""
        values = np.full((groups, *cell_counts(height, width)), value, np.uint8)
        return cls(height=height, width=width, values=values)

    @property
    def groups(self) -> int:
        """Band groups in the map."""
        return int(self.values.shape[0])

    def cells(self, window: Window | None = None) -> Iterator[tuple[TileIndex, Window]]:
        """Yield cells touching ``window`` (default: all) with their pixels, clipped to the scene."""
        grid = TileGrid(height=self.height, width=self.width, tile_size=CELL)
        for index in grid if window is None else grid.tiles_touching(window):
            yield index, grid.core(index)

    def _counts(self) -> tuple[int, int]:
        return cell_counts(self.height, self.width)


def level_from_rmse(rmse: npt.ArrayLike) -> Bytes:
    """Return the level byte of each root mean square error, in units where the used range is 0..1.

    An error of exactly 0 gives 0. Any other gives 1..255, so that :func:`rmse_from_level` is within 1/32 of
    an octave of it where it lies between 2**-15.8 and 1. The result has the shape of ``rmse``.

    Raises:
        UsageError: when an error is negative or not finite.
    """
    errors = np.asarray(rmse, np.float64)
    if not (np.isfinite(errors) & (errors >= 0)).all():
        raise UsageError("a root mean square error is negative or not finite: leave invalid pixels out of it")
    octaves = np.log2(np.maximum(errors, np.finfo(np.float64).tiny)) + _LEVEL_OFFSET
    levels = np.clip(np.rint(_STEPS_PER_OCTAVE * octaves), 1, MAX_LEVEL)
    return np.where(errors == 0, 0, levels).astype(np.uint8)


def rmse_from_level(levels: npt.ArrayLike) -> Floats:
    """Return the root mean square error each level byte stands for (0 for 0); same shape."""
    codes = np.asarray(levels, np.uint8)
    rmse = _rmse_table()[codes.astype(np.intp) * _LATTICE_UNITS]
    return np.where(codes == 0, np.float32(0), rmse)


def byte_from_strength(strength: npt.ArrayLike) -> Bytes:
    """Return the nearest strength byte, 0..192; strengths outside 0..1.5 are clipped, NaN gives 0."""
    factors = np.nan_to_num(np.asarray(strength, np.float64))
    steps = np.clip(factors, 0, MAX_STRENGTH_BYTE / NEUTRAL_STRENGTH_BYTE) * NEUTRAL_STRENGTH_BYTE
    return np.rint(steps).astype(np.uint8)


def strength_from_byte(values: npt.ArrayLike) -> Floats:
    """Return the factor each strength byte stands for; same shape."""
    return np.asarray(values, np.uint8).astype(np.float32) / np.float32(NEUTRAL_STRENGTH_BYTE)


def sigma_lattice(levels: Bytes, window: Window) -> Floats:
    """Return the distortion at the centres of the 64 x 64 px lattice squares of ``window``.

    Logarithms are interpolated bilinearly between cell centres; beyond the outermost centres the nearest
    cells hold. A cell of level 0 counts as the smallest level in the map that is not 0, since the scale has
    no place for "none".

    Args:
        levels: level bytes of one band group of the whole scene, shape (cell rows, cell columns).
        window: pixels of the scene, offsets and sides multiples of 64; it may reach beyond the scene.

    Returns:
        Root mean square errors in units where the used range is 0..1, shape (height / 64, width / 64). Each
        value depends on its place in the scene only, bit for bit.

    Raises:
        GridError: when the window is not aligned to the lattice, or ``levels`` is not two-dimensional.
    """
    if any(side % NODE for side in (window.row_off, window.col_off, window.height, window.width)):
        raise GridError(f"{window} is not aligned to the lattice of {NODE} px: round it outwards")
    codes = _interpolate(_present(levels), window, NODE)
    # Weights on the lattice are multiples of 1/8 on each axis, so a table of 1/64 levels holds every result.
    return _rmse_table()[codes]


def level_field(levels: Bytes, window: Window, step: int) -> tuple[npt.NDArray[np.int32], int]:
    """Return the level at the centres of the squares of ``step`` px of ``window``, in whole numbers.

    Interpolated as by :func:`sigma_lattice`, which takes the error of it.

    Args:
        levels: level bytes of one band group of the whole scene, shape (cell rows, cell columns).
        window: pixels of the scene, offsets and sides multiples of ``step``; it may reach beyond the scene.
        step: side of the squares (px), an even divisor of a cell.

    Returns:
        Levels (height / step, width / step), and the unit they are given in: so many are one level, a power
        of two.
    """
    return _interpolate(_present(levels), window, step), (2 * CELL // step) ** 2


def _present(levels: Bytes) -> Bytes:
    """Return levels with none below the smallest that is not 0."""
    present = levels[levels > 0]
    return np.maximum(levels, present.min() if present.size else np.uint8(1))


def cell_field(values: Bytes, window: Window) -> Floats:
    """Return cell bytes interpolated bilinearly between cell centres, for every pixel of ``window``.

    Args:
        values: bytes of one band group of the whole scene, shape (cell rows, cell columns).
        window: pixels of the scene; it may reach beyond the scene, where the nearest cells hold.

    Returns:
        Values in the units of the bytes (0..255), shape (height, width); each depends on its place in the
        scene only, bit for bit.

    Raises:
        GridError: when ``values`` is not two-dimensional.
    """
    weight_sum = np.float32((2 * CELL) ** 2)
    return _interpolate(values, window, 1).astype(np.float32) / weight_sum


def _interpolate(values: Bytes, window: Window, step: int) -> npt.NDArray[np.int32]:
    """Interpolate cells at the centres of squares of ``step`` px, as integers.

    The unit is 1 / (2 * CELL / step) ** 2 of a cell value: at most 255 * 512 ** 2, well inside int32.
    """
    if values.ndim != 2 or 0 in values.shape:
        raise GridError(f"give the (cell rows, cell columns) of one band group, not {values.shape}")
    top, row_weight = _axis(window.row_off, window.height, step)
    left, col_weight = _axis(window.col_off, window.width, step)
    last_row, last_col = values.shape[0] - 1, values.shape[1] - 1
    cells = values.astype(np.int32)
    unit = np.int32(2 * CELL // step)
    upper, lower = cells[np.clip(top, 0, last_row)], cells[np.clip(top + 1, 0, last_row)]
    bands = upper * (unit - row_weight)[:, None] + lower * row_weight[:, None]
    # taken, not indexed: numpy would lay columns out as rows, which all that follows would be slow with
    field: npt.NDArray[np.int32] = bands.take(np.clip(left, 0, last_col), axis=1)
    field *= unit - col_weight
    field += bands.take(np.clip(left + 1, 0, last_col), axis=1) * col_weight
    return field


def _axis(offset: int, length: int, step: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
    """Return, per square of ``step`` px, the cell whose centre lies before it and the next cell's weight.

    Everything is counted in half steps, where centres of squares and of cells are whole numbers.
    """
    unit = 2 * CELL // step
    centres = 2 * np.arange(offset // step, (offset + length) // step, dtype=np.int64) + 1
    cell, weight = np.divmod(centres - unit // 2, unit)
    return cell.astype(np.intp), weight.astype(np.int32)


@lru_cache(maxsize=1)
def _rmse_table() -> Floats:
    """Return the error of every level in steps of 1/64 level, the unit of the lattice's interpolation."""
    levels = np.arange(MAX_LEVEL * _LATTICE_UNITS + 1, dtype=np.float64) / _LATTICE_UNITS
    table: Floats = np.exp2(levels / _STEPS_PER_OCTAVE - _LEVEL_OFFSET).astype(np.float32)
    table.flags.writeable = False
    return table
