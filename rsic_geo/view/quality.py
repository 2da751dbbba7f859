"""How good what is in view is: measured against the original, or as the archive recorded it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import JobCancelledError, UsageError
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.window import Window
from rsic_geo.quality import BandErrors, blank_errors, finite, scored_bands, total_psnr
from rsic_geo.view.scene import SceneView

_EVENLY = (0.7548776662466927, 0.5698402909980532)
"""Shares whose multiples fill a square evenly: the additive sequence of the plastic number."""
MOST_BLOCKS = 8
"""Blocks that are measured of a window."""


class _Spread:
    """Standard deviation of the valid samples of one band, block by block."""

    def __init__(self) -> None:
        self.count, self.sum, self.squares, self.shift = 0, 0.0, 0.0, 0.0

    def add(self, values: NDArray[Any]) -> None:
        if not values.size:
            return
        if not self.count:
            self.shift = float(values[0])  # large numbers of little spread keep their digits
        floats = values.astype(np.float64) - self.shift
        self.count += floats.size
        self.sum += float(floats.sum())
        self.squares += float(np.vdot(floats, floats))

    @property
    def value(self) -> float:
        if not self.count:
            return 0.0
        return math.sqrt(max(0.0, self.squares / self.count - (self.sum / self.count) ** 2))


def measured(view: SceneView, window: Window, is_wanted: Callable[[], bool] = lambda: True) -> dict[str, Any]:
    """Return PSNR, SNR and errors of the archive in a window, at full resolution.

    Of a window of many blocks some are measured, spread evenly over it. PSNR and SNR are of the worst band,
    as those of ``rsic compare``; SNR is told against the spread of the samples measured.

    Args:
        view: an archive and its original; without one, what the archive recorded of its codec is told.
        window: part of the scene (px).
        is_wanted: asked before every block.

    Raises:
        UsageError: nothing of the scene is in the window.
        JobCancelledError: it is no longer wanted.
        RsicGeoError: the files cannot be read there.
    """
    blocks, count = blocks_in(view, window, MOST_BLOCKS)
    if "original" not in view.sources:
        return {"recorded": _recorded(view, window)}
    names = [name for name in view.sources if name != "original"]
    peaks = [peak.span for peak in view.peaks]
    errors = {name: blank_errors(view.profile, peaks) for name in names}
    spreads = [_Spread() for _ in range(view.profile.count)]
    for part in blocks:
        if not is_wanted():
            raise JobCancelledError("something else is in view by now")
        before = view.block("original", part)
        for band, spread in enumerate(spreads):
            spread.add(before.pixels[band][before.valid[band]])
        for name in names:
            after = view.block(name, part)
            for band, account in enumerate(errors[name]):
                account.add(before.pixels[band], after.pixels[band], before.valid[band])
    return {
        "pixels": sum(part.pixel_count for part in blocks),
        "blocks": len(blocks),
        "of": count,
        "sources": {name: _told(found, spreads) for name, found in errors.items()},
    }


def _told(found: list[BandErrors], spreads: Sequence[_Spread]) -> dict[str, Any]:
    scored = scored_bands(found)
    ratios = [
        20 * math.log10(spreads[band.band - 1].value / math.sqrt(band.sse / band.samples))
        for band in scored
        if band.samples and 0 < band.sse < math.inf and spreads[band.band - 1].value > 0
    ]
    return {
        "samples": sum(band.samples for band in scored),
        "psnr": finite(total_psnr(scored)),
        "snr": min(ratios) if ratios else None,
        "rmse": math.sqrt(sum(band.sse for band in scored) / (sum(band.samples for band in scored) or 1)),
        "max_error": finite(max(band.max_abs_error for band in scored)),
        "is_equal": all(band.sse == 0 for band in scored),
    }


def blocks_in(view: SceneView, window: Window, most: int) -> tuple[list[Window], int]:
    """Return blocks of a window, cut to it: at most so many, spread evenly; and how many there are."""
    side = view.block_side
    inner = window.intersection(Window.full(view.profile.height, view.profile.width))
    if inner is None:
        raise UsageError("nothing of the scene is in view")
    tops = range(inner.row_off // side * side, inner.row_stop, side)
    lefts = range(inner.col_off // side * side, inner.col_stop, side)
    count = len(tops) * len(lefts)
    places = dict.fromkeys((top, left) for top in tops for left in lefts) if count <= most else {}
    number = 0
    while len(places) < min(most, count):
        number += 1
        row = int(number * _EVENLY[0] % 1 * len(tops))
        column = int(number * _EVENLY[1] % 1 * len(lefts))
        places[tops[row], lefts[column]] = None
    parts = (Window(row_off=top, col_off=left, height=side, width=side) for top, left in sorted(places))
    return [part for each in parts if (part := inner.intersection(each))], count


def _recorded(view: SceneView, window: Window) -> dict[str, Any] | None:
    """Return the codec's error in the cells of a window, of the worst band; None where none is recorded."""
    archive = view.sources["codec"]
    if "distortion" not in view.layers or not archive.peaks:
        return None
    rows = slice(window.row_off // CELL, -(-window.row_stop // CELL))
    columns = slice(window.col_off // CELL, -(-window.col_stop // CELL))
    worst: tuple[float, float] | None = None
    for band, name in enumerate(view.profile.colorinterp):
        cells = view.recorded_error(band)[rows, columns].astype(np.float64)
        if name == "alpha" or not cells.size:
            continue
        rmse = math.sqrt(float(np.mean(np.square(cells))))
        psnr = math.inf if rmse == 0 else 20 * math.log10(archive.peaks[band].span / rmse)
        worst = min(worst or (psnr, rmse), (psnr, rmse))
    return None if worst is None else {"psnr": finite(worst[0]), "rmse": worst[1]}
