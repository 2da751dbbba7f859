"""What a correction depends on besides pixels: levels, groups, filters, windows, and the scale of its steps.

From samples to steps and back all is in whole numbers for samples of up to 16 bits, so that no machine rounds
otherwise; a multiplication and a shift stand for the division by a band's used range. Wider samples and
floats, which archives never hold, go through float64, one operation after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.filters import FilterTaps, clusters
from rsic_geo.geo.lattice import CELL, NEUTRAL_STRENGTH_BYTE
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.repair.units import FINE, LEAST, MOST, STEPS, Steps

_PARTS = NEUTRAL_STRENGTH_BYTE.bit_length() - 1
"""Bits behind the point of a strength byte."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The used range of every band of a scene, in whole numbers."""

    radiometry: Radiometry

    def forward(self, pixels: NDArray[Any], bands: Sequence[int]) -> Steps:
        """Return samples (bands, h, w) in steps, int16, held to LEAST..MOST."""
        out = np.empty(pixels.shape, np.int16)
        for place, band in enumerate(bands):
            out[place] = self._steps(pixels[place], band)
        return out

    def _steps(self, plane: NDArray[Any], band: int) -> NDArray[Any]:
        low, high = self.radiometry.low[band], self.radiometry.high[band]
        if plane.dtype == np.uint8 and (low, high) == (0, 255):
            return plane.astype(np.int16) << np.int16(4)
        if plane.dtype.kind in "iu" and plane.dtype.itemsize <= 2:
            factor, shift = _fraction(STEPS / (high - low))
            offset = round(low * factor) - (1 << shift - 1)
            found = plane.astype(np.int64)
            found *= factor
            found -= offset
            found >>= shift
            return np.clip(found, LEAST, MOST)
        scaled = np.nan_to_num((plane.astype(np.float64) - low) * (STEPS / (high - low)))
        return np.clip(np.rint(scaled), LEAST, MOST)

    def corrected(
        self, plane: NDArray[Any], correction: Steps, band: int, strength: int | NDArray[np.uint8]
    ) -> NDArray[Any]:
        """Return one band's samples plus a part of a correction, rounded and held to their type.

        Args:
            plane: (h, w).
            correction: (h, w) in 1/FINE of the used range.
            band: number of the band.
            strength: byte, 128 for all of the correction; or one per column (w,).
        """
        span = self.radiometry.high[band] - self.radiometry.low[band]
        if plane.dtype.kind not in "iu" or plane.dtype.itemsize > 2:
            return self._corrected_wide(plane, correction, span, strength)
        work: NDArray[Any]
        if span == 255:  # a digital number is 256 steps
            work, shift = correction.astype(np.int32), 8 + _PARTS
            work *= np.asarray(strength, np.int32)
        else:
            factor, shift = _fraction(span / FINE)
            work, shift = correction.astype(np.int64), shift + _PARTS
            work *= factor * np.asarray(strength, np.int64)
        work += 1 << shift - 1
        work >>= shift
        work += plane
        limits = np.iinfo(plane.dtype)
        return np.clip(work, limits.min, limits.max, out=work).astype(plane.dtype)

    def _corrected_wide(
        self, plane: NDArray[Any], correction: Steps, span: float, strength: int | NDArray[np.uint8]
    ) -> NDArray[Any]:
        added = correction * (np.asarray(strength, np.float64) * (span / FINE / NEUTRAL_STRENGTH_BYTE))
        found = plane + added
        if plane.dtype.kind in "iu":
            limits = np.iinfo(plane.dtype)
            found = np.clip(np.rint(found), limits.min, np.nextafter(float(limits.max), 0))
        return np.asarray(found, plane.dtype)

    def unit(self, band: int) -> float:
        """Return what one step of a correction is in a band's samples."""
        return (self.radiometry.high[band] - self.radiometry.low[band]) / FINE


def _fraction(value: float) -> tuple[int, int]:
    """Return a whole factor of 16 bits and the shift that together multiply by a positive ``value``."""
    shift = 0
    while value * 2**shift < 1 << 15:
        shift += 1
    return round(value * 2**shift), shift


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
