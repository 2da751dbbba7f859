"""Strength per cell and band group: the closed-form guard that makes enhancement never worse.

The encoder holds the original ``x``, the decoded ``d`` and the correction ``c`` an enhancer proposes. The
strength that minimises ``sum((x - d - a*c)**2)`` over the valid pixels of a cell is
``a = <x-d, c> / <c, c>``. It is clipped to 0..1.5 and kept as one byte. Rounding to the output type and
clipping to its range can undo a small gain, so the byte is kept only if the squared error *after* both is
lower by a margin; otherwise it is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.lattice import CELL, byte_from_strength
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.validity import avoid_nodata, clamp
from rsic_geo.repair.plan import Scale
from rsic_geo.repair.units import Steps

MARGIN = 1e-3
"""Least relative gain in squared error worth switching a cell on: covers rounding between devices."""

_STEP = 8
"""Strengths are fitted to sixteenths: a finer one gains less than its bits cost."""


class Grouped(Protocol):
    """What is known of the bands of a scene: an enhancement plan, or that of an encoder."""

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Bands of each group (from 0)."""

    @property
    def radiometry(self) -> Radiometry:
        """Used range of every band."""


def scaled_correction(
    decoded: NDArray[Any],
    correction: Steps,
    row: NDArray[np.uint8],
    plan: Grouped,
    *,
    col_off: int = 0,
) -> NDArray[Any]:
    """Return decoded pixels corrected by one row of cells' strengths, in the type of ``decoded``.

    Args:
        decoded: (bands, h, w), inside one row of cells.
        correction: (bands, h, w) at strength 1, in 1/FINE of each band's used range.
        row: strength bytes (groups, cells) of that row of cells, the whole scene's width.
        plan: groups and used ranges; bands of no group stay as they are.
        col_off: columns of the scene left of the pixels (px).
    """
    out, scale = decoded.copy(), Scale(plan.radiometry)
    width = decoded.shape[2]
    first = col_off // CELL
    for g, members in enumerate(plan.groups):
        cells = row[g, first : (col_off + width - 1) // CELL + 1]
        if not cells.any():
            continue
        factors = np.repeat(cells, CELL)[col_off - first * CELL :][:width]
        for band in members:
            out[band] = scale.corrected(decoded[band], correction[band], band, factors)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class CellBand:
    """One row of cells of one scene: what was, what the codec gave, what the enhancer proposes."""

    original: NDArray[Any]
    """(bands, h, w), h at most one cell."""
    decoded: NDArray[Any]
    """(bands, h, w), the type of the output."""
    correction: Steps
    """(bands, h, w) to be added at strength 1, in 1/FINE of each band's used range."""
    valid: NDArray[np.bool_]
    """(bands, h, w), True where the pixel counts."""
    nodata: tuple[float | int | None, ...] | None = None
    """Sentinel per band that the output moves valid pixels off; None = no band has one."""
    limits: tuple[tuple[int, int] | None, ...] = ()
    """Least and greatest value per band that the output is held to; empty = it is held to none."""

    def part(self, members: tuple[int, ...], columns: slice) -> CellBand:
        """Return some bands and columns."""
        index = list(members)
        return CellBand(
            original=self.original[index, :, columns],
            decoded=self.decoded[index, :, columns],
            correction=self.correction[index, :, columns],
            valid=self.valid[index, :, columns],
            nodata=None if self.nodata is None else tuple(self.nodata[band] for band in members),
            limits=tuple(self.limits[band] for band in members) if self.limits else (),
        )

    def errors(self, decoded: NDArray[Any]) -> NDArray[np.float64]:
        """Return what the output lacks, (counted pixels,), given its pixels before limits and nodata."""
        final = clamp(decoded, self.limits)
        final = final if self.nodata is None else avoid_nodata(final, self.valid, self.nodata)
        missing: NDArray[np.float64] = (self.original.astype(np.float64) - final)[self.valid]
        return missing


def fit_cell_row(band: CellBand, plan: Grouped, *, max_error: float | None = None) -> NDArray[np.uint8]:
    """Return the strength bytes (groups, cells) of one row of cells.

    Args:
        band: pixels of the row.
        plan: groups of bands and their used ranges.
        max_error: largest absolute error allowed in the output; a cell that exceeds it is switched off.
    """
    _, height, width = band.decoded.shape
    cells = -(-width // CELL)
    out = np.zeros((len(plan.groups), cells), np.uint8)
    for g, members in enumerate(plan.groups):
        for c in range(cells):
            columns = slice(c * CELL, min((c + 1) * CELL, width))
            out[g, c] = _fit_cell(band.part(members, columns), members, Scale(plan.radiometry), max_error)
    return out


def _fit_cell(cell: CellBand, members: tuple[int, ...], scale: Scale, max_error: float | None) -> int:
    wanted = cell.errors(cell.decoded)
    units = np.array([scale.unit(band) for band in members])
    offered = (cell.correction * units[:, None, None])[cell.valid]
    energy = _dot(offered, offered)
    if energy <= 0:
        return 0
    byte = _STEP * round(int(byte_from_strength(_dot(wanted, offered) / energy)) / _STEP)
    if byte == 0:
        return 0
    final = np.stack(
        [
            scale.corrected(cell.decoded[place], cell.correction[place], band, byte)
            for place, band in enumerate(members)
        ]
    )
    remaining = cell.errors(final)
    before, after = _dot(wanted, wanted), _dot(remaining, remaining)
    if after > before * (1 - MARGIN):
        return 0
    if max_error is not None and float(np.abs(remaining).max()) > max_error:
        return 0
    return byte


def _dot(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.einsum("i,i->", a, b))  # not by BLAS, which begins threads for it
