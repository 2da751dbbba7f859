"""Where a scene's wavelet began: networks know on which rows and columns its low-pass samples lie.

A picture that was cut out of a decoded JPEG 2000 file at an odd row or column has them on the odd ones, and
a network that takes them for even loses half of its gain (``python -m rsic_geo.evaluation.trials phase``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.window import Window
from rsic_geo.repair.base import ALIGN, Enhancer, Sight
from rsic_geo.repair.units import Steps

_HIGH_PASS = (0.091271763114, -0.057543526229, -0.591271763114, 1.11508705)
"""First half and middle of the analysis high-pass filter of the 9/7 wavelet (ISO/IEC 15444-1, Annex F)."""
SURE = 1.06
"""Mean high-pass sample on even over odd places above which a wavelet began on the other ones. Pictures that
no wavelet coded have 0.96 to 1.03, those coded from their corner less, at 2 bits per pixel up to 0.95."""


def wavelet_phase(pixels: NDArray[Any]) -> tuple[int, int]:
    """Return (row, column), each 0 or 1, of the first low-pass sample of the wavelet that coded pixels.

    What its coder dropped is missing from the high-pass samples, which lie between the low-pass ones.

    Args:
        pixels: (bands, h, w) at full resolution, from an even row and column of the scene.
    """
    taps = (*_HIGH_PASS, *_HIGH_PASS[-2::-1])
    summed = pixels.sum(axis=0, dtype=np.float32)
    found = []
    for plane in (summed.T, summed):
        count = plane.shape[1] - len(taps) + 1
        if count < ALIGN:
            found.append(0)
            continue
        high = np.abs(sum(tap * plane[:, i : i + count] for i, tap in enumerate(taps)))
        odd, even = high[:, 0::2].mean(), high[:, 1::2].mean()  # the first lies around column 3
        found.append(int(odd > SURE * even))
    return found[0], found[1]


class Shifted:
    """An enhancer of pixels whose wavelet began one row above them, one column left of them, or both."""

    def __init__(self, enhancer: Enhancer, phase: tuple[int, int]) -> None:
        """Take the enhancer, and where the first low-pass sample lies (row, column), each 0 or 1."""
        self._inner, (self._down, self._right) = enhancer, phase
        self.name, self.sha256 = enhancer.name, enhancer.sha256
        self.halo, self.proposals = enhancer.halo + 1, enhancer.proposals
        self.is_exact = enhancer.is_exact

    def _moved(self, window: Window) -> Window:
        """Return where the enhancer believes a window of the scene."""
        return Window.between(
            window.row_off + self._down,
            window.row_stop + self._down,
            window.col_off + self._right,
            window.col_stop + self._right,
        )

    def view(self, core: Window, bounds: Window) -> Window:
        """See :meth:`rsic_geo.repair.base.Enhancer.view`."""
        wider = Window.full(bounds.height + ALIGN * self._down, bounds.width + ALIGN * self._right)
        seen = self._inner.view(self._moved(core), wider)
        return Window.between(
            max(seen.row_off - self._down, 0),
            min(seen.row_stop - self._down, bounds.row_stop),
            max(seen.col_off - self._right, 0),
            min(seen.col_stop - self._right, bounds.col_stop),
        )

    def correct(self, sight: Sight, seed: int = 0) -> Steps:
        """See :meth:`rsic_geo.repair.base.Enhancer.correct`; its levels may lie a pixel off."""
        # Where the scene ends the enhancer believes in more rows and columns of it: they are mirrored.
        rows = _beyond(sight.window.row_off, sight.window.row_stop, self._down)
        cols = _beyond(sight.window.col_off, sight.window.col_stop, self._right)
        at = self._moved(sight.window)
        window = Window.between(
            at.row_off - rows[0], at.row_stop + rows[1], at.col_off - cols[0], at.col_stop + cols[1]
        )
        pixels = np.pad(sight.pixels, ((0, 0), rows, cols), mode="symmetric")
        return self._inner.correct(
            replace(sight, pixels=pixels, window=window, core=self._moved(sight.core)), seed
        )


def _beyond(start: int, stop: int, phase: int) -> tuple[int, int]:
    """Return what is missing before and after a window (px): windows inside the scene end at even places."""
    if not phase:
        return 0, 0
    return (0 if start else 1), (-(stop + 1) % ALIGN if stop % 2 == 0 else 0)
