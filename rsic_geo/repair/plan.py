"""What a correction depends on besides pixels: levels, groups, scale, filters, and where windows lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.filters import FilterTaps, clusters
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.repair.steps import Scale


class PixelSource(Protocol):
    """Anything decoded pixels can be read from."""

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[np.generic]:
        """Return (bands, h, w) of a window inside the scene."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancementPlan:
    """Everything a correction depends on besides the decoded pixels."""

    height: int
    """Rows of the scene (px)."""
    width: int
    """Columns of the scene (px)."""
    groups: tuple[tuple[int, ...], ...]
    """Bands enhanced together, one or three each."""
    levels: NDArray[np.uint8]
    """Distortion level bytes (groups, cell rows, cell columns)."""
    radiometry: Radiometry
    active: NDArray[np.bool_]
    """(groups, cell rows, cell columns), False where a correction is not asked for."""
    window_size: int = 1024
    """Core of an enhancement window (px)."""
    seed: int = 0
    """Seed of enhancers that begin with noise."""
    workers: int = 1
    """Windows worked on at once; changes nothing else."""
    filters: tuple[FilterTaps | None, ...] = ()
    """Adaptive filter of each cluster of groups; empty: corrections are used as proposed."""

    def wants(self, group: int, window: Window) -> bool:
        """Return whether any cell of a window needs the correction of a group."""
        rows = slice(window.row_off // CELL, (window.row_stop - 1) // CELL + 1)
        cols = slice(window.col_off // CELL, (window.col_stop - 1) // CELL + 1)
        return bool(self.active[group, rows, cols].any())

    def for_bands(self, bands: tuple[int, ...] | None) -> EnhancementPlan:
        """Return a plan that leaves out the groups none of ``bands`` (from 0; None: all) is of."""
        if bands is None:
            return self
        used = np.array([any(band in members for band in bands) for members in self.groups], np.bool_)
        for numbers, taps in self.clusters():
            if taps is not None and used[list(numbers)].any():
                used[list(numbers)] = True
        return replace(self, active=self.active & used[:, None, None])

    def clusters(self) -> Iterator[tuple[tuple[int, ...], FilterTaps | None]]:
        """Yield the group numbers of every cluster and its adaptive filter."""
        numbers = clusters(self.groups)
        yield from zip(numbers, self.filters or (None,) * len(numbers), strict=True)

    @property
    def scale(self) -> Scale:
        """Return what turns samples into steps, and corrections into samples."""
        return Scale(self.radiometry)
