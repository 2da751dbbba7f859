"""Seam report: are the steps across the borders of enhancement windows larger than they should be?

Every enhanced scene is reduced to two profiles: the mean absolute difference between neighbouring columns,
for every pair of columns, and the same for rows. A seam shows as a peak where windows meet. Two comparisons
tell it from what else lies there, for window borders are multiples of 64 px, and so are the blocks of the
wavelet and often those of an older compression of the source:

- *beside*: steps across borders against steps beside them, for the codec's picture, which knows no windows,
  for the enhanced one, and the second ratio by the first. Here the network's honest work shows as well, such
  as the smoothing of old block edges.
- *same places*: steps across borders against the steps at the very same places when the scene is enhanced
  with windows whose borders lie elsewhere; for the final output, and for the correction at strength 1 across
  borders and where what is seen around them ends. This is what a seam would show in, and what is judged.

Strengths change at the borders of cells whatever the windows are; *cells* holds the steps there (the final
output's by the codec's) against those half way between. All ratios are 1 but for chance. Standard errors are
those of the jackknife over the borders.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UsageError
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.repair.strength import scaled_correction
from rsic_geo.repair.units import Steps
from rsic_geo.repair.windows import corrections
from rsic_geo.scenes.archive import Archive
from rsic_geo.targets import Target
from rsic_geo.verbs.compress import compress

Pixels = NDArray[Any]
LIMITS = (0.98, 1.02)
"""Ratios in which no seam is seen."""
BESIDE = tuple(d for d in range(-12, 13) if abs(d) >= 3)
"""Distances from a border at which the steps beside it are (px)."""


@dataclass(slots=True)
class StepProfile:
    """Sums and counts of absolute steps between neighbouring columns and rows, fed from top to bottom."""

    width: int
    height: int
    across: NDArray[np.float64] = field(init=False)
    """Sum of steps from column i to i + 1, shape (width - 1,)."""
    down: NDArray[np.float64] = field(init=False)
    """Sum of steps from row i to i + 1, shape (height - 1,)."""
    across_count: NDArray[np.float64] = field(init=False)
    down_count: NDArray[np.float64] = field(init=False)
    _row: int = field(default=0, init=False)
    _last: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Start with nothing."""
        self.across, self.across_count = np.zeros(self.width - 1), np.zeros(self.width - 1)
        self.down, self.down_count = np.zeros(self.height - 1), np.zeros(self.height - 1)

    def add(self, pixels: Pixels, valid: NDArray[np.bool_]) -> None:
        """Count the next full-width rows, both (bands, h, width)."""
        values = pixels.astype(np.float32)
        both = valid[:, :, 1:] & valid[:, :, :-1]
        self.across += (np.abs(np.diff(values, axis=2)) * both).sum(axis=(0, 1), dtype=np.float64)
        self.across_count += both.sum(axis=(0, 1))
        if self._last is not None:
            values = np.concatenate([self._last[0], values], axis=1)
            valid = np.concatenate([self._last[1], valid], axis=1)
        both = valid[:, 1:] & valid[:, :-1]
        rows = slice(self._row, self._row + both.shape[1])
        self.down[rows] = (np.abs(np.diff(values, axis=1)) * both).sum(axis=(0, 2), dtype=np.float64)
        self.down_count[rows] = both.sum(axis=(0, 2))
        self._row += both.shape[1]
        self._last = values[:, -1:].copy(), valid[:, -1:].copy()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeamRatio:
    """A ratio of steps over many borders."""

    ratio: float
    """1 = no seam; NaN where there is nothing to compare."""
    error: float
    """Standard error of the ratio."""
    borders: int
    """Columns and rows looked at."""

    @property
    def is_seamless(self) -> bool:
        """Whether the ratio lies within the limits, or there is no border."""
        return not self.borders or LIMITS[0] <= self.ratio <= LIMITS[1]

    def to_json(self) -> dict[str, float | int | None]:
        """Return a plain dictionary."""
        return {
            "ratio": self.ratio if math.isfinite(self.ratio) else None,
            "standard_error": self.error if math.isfinite(self.error) else None,
            "borders": self.borders,
        }


Places = tuple[Sequence[int], Sequence[int]]
"""Columns and rows (px from the upper left) that borders lie left of and above."""


def steps_at(profile: StepProfile, places: Places) -> NDArray[np.float64]:
    """Return (sum of steps at a place, what it would be by the steps beside it) per place, shape (n, 2)."""
    pairs = []
    for indexes, sums, counts in (
        (places[0], profile.across, profile.across_count),
        (places[1], profile.down, profile.down_count),
    ):
        for at in (index - 1 for index in indexes if 0 < index <= len(sums)):
            beside = [at + d for d in BESIDE if 0 <= at + d < len(sums)]
            mean = sums[beside].sum() / max(counts[beside].sum(), 1)
            pairs.append((sums[at], mean * counts[at]))
    return np.array(pairs, np.float64).reshape(-1, 2)


def jackknife(*columns: NDArray[np.float64]) -> SeamRatio:
    """Return sum(first) / sum(second), divided by sum(third) / sum(fourth) if given, over borders (n,)."""
    n = len(columns[0])
    totals = [float(column.sum()) for column in columns]
    if not n or min(totals) <= 0:
        return SeamRatio(ratio=math.nan, error=math.nan, borders=0)

    def ratio(sums: Sequence[Any]) -> Any:  # noqa: ANN401 - numbers, or arrays of them
        first = sums[0] / sums[1]
        return first / (sums[2] / sums[3]) if len(sums) == 4 else first

    error = math.nan
    rest = [total - column for total, column in zip(totals, columns, strict=True)]
    if n > 1 and all((column > 0).all() for column in rest):
        without = ratio(rest)
        error = float(math.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
    return SeamRatio(ratio=float(ratio(totals)), error=error, borders=n)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeamOptions:
    """What is looked at."""

    window_sizes: tuple[int, ...] = (256, 512, 1024)
    """Cores of enhancement windows (px, multiples of 64)."""
    other_size: int = 448
    """Windows the correction is compared with; their borders should coincide with few of the others."""
    target: Target = field(default_factory=lambda: Target(kind="bpp", value=0.5))
    """At which a scene that is no archive yet is compressed first."""
    model: str = "auto"
    execution: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        """Raise UsageError for windows the lattice does not allow."""
        if not self.window_sizes:
            raise UsageError("give at least one window size, such as 512")
        if self.other_size in self.window_sizes:
            raise UsageError(
                f"{self.other_size} px are the windows the others are compared with: leave it out"
            )
        for size in (*self.window_sizes, self.other_size):
            replace(self.execution, window_size=size)


def seam_report(scene: str, options: SeamOptions, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Enhance a scene with windows of several sizes and measure the steps across their borders.

    Args:
        scene: an archive made with a model, or a scene, which is then compressed to a temporary archive.
        options: window sizes, and how a scene is compressed.
        progress: told after each batch of windows; returning False cancels.

    Returns:
        A plain dictionary: ``windows``, one entry per size, and ``passed``.

    Raises:
        UsageError: if the archive was made without a model, or no window border lies inside the scene.
    """
    report = Progress(callback=progress)
    with tempfile.TemporaryDirectory(prefix="rsic-seams-") as folder:
        path = _archive_of(scene, Path(folder) / "scene.jp2", options, report.stage(0, 0.3))
        with Archive(path, execution=options.execution) as archive:
            if not archive.is_enhanced:
                raise UsageError(f"{scene} holds no enhancement: compress it with a model, lossy")
            return _measure(scene, archive, options, report.stage(0.3, 1))


def _archive_of(scene: str, temporary: Path, options: SeamOptions, progress: Progress) -> str:
    with Archive(scene) as opened:
        if opened.is_archive:
            return scene
    wanted = EncodeOptions(
        target=options.target,
        model=options.model,
        verify="none",
        sidecar="never",
        execution=options.execution,
    )
    compress(scene, str(temporary), wanted, progress.report)
    return str(temporary)


def _measure(scene: str, archive: Archive, options: SeamOptions, progress: Progress) -> dict[str, Any]:
    p = archive.profile
    sizes = options.window_sizes
    if all(size >= max(p.height, p.width) for size in sizes):
        raise UsageError(f"{scene} is smaller than the windows: no border lies inside it")
    other = _Run(archive, options.other_size)
    pixels = other.enhance(progress.stage(0, 1 / (len(sizes) + 1)))
    entries = []
    for k, size in enumerate(sizes, start=1):
        run = _Run(archive, size)
        final = run.enhance(progress.stage(k / (len(sizes) + 1), (k + 1) / (len(sizes) + 1)))
        entries.append({**_judge(run, other), "difference": _difference(archive, final, pixels)})
    return {
        "schema": "rsic-seams-1",
        "scene": scene,
        "width": p.width,
        "height": p.height,
        "bands": p.count,
        "dtype": p.dtype,
        "model": archive.enhancer.name,
        "other_size": options.other_size,
        "limits": list(LIMITS),
        "windows": entries,
        "cells": _at_cells(other).to_json(),
        "passed": all(entry["passed"] for entry in entries),
    }


def _difference(archive: Archive, first: Pixels, other: Pixels) -> dict[str, float]:
    """Return how two results of one scene differ, in 1/255 of the used range: digital numbers of 8 bits."""
    radiometry = archive.enhancement_plan().radiometry
    largest, above = 0.0, 0
    for band, (a, b) in enumerate(zip(first, other, strict=True)):
        unit = (radiometry.high[band] - radiometry.low[band]) / 255
        step = np.abs(a.astype(np.float32) - b.astype(np.float32)) / unit
        largest, above = max(largest, float(step.max())), above + int((step > 1).sum())
    return {"max": largest, "above_1": above / first.size}


class _Run:
    """One archive enhanced with one window size."""

    def __init__(self, archive: Archive, size: int) -> None:
        p = archive.profile
        self.archive, self.size, self.halo = archive, size, archive.enhancer.halo
        self.profiles = {name: StepProfile(p.width, p.height) for name in ("decoded", "final", "correction")}

    def enhance(self, progress: Progress) -> Pixels:
        """Fill the profiles; return the final pixels (bands, h, w)."""
        p = self.archive.profile
        final = np.empty((p.count, p.height, p.width), self.archive.reader.profile.dtype)
        is_enhanced = np.zeros(p.count, np.bool_)
        is_enhanced[[band for group in self.archive.enhancement_plan().groups for band in group]] = True
        for window, decoded, correction, pixels in self._rows(progress):
            valid = self.archive.read_valid(window) & is_enhanced[:, None, None]
            if (mask := self.archive.read_mask(window)) is not None:
                valid &= mask != 0
            for name, values in (("decoded", decoded), ("final", pixels), ("correction", correction)):
                self.profiles[name].add(values, valid)
            final[:, window.row_off : window.row_stop] = pixels
        return final

    def _rows(self, progress: Progress) -> Iterator[tuple[Window, Pixels, Steps, Pixels]]:
        side = self.archive.side
        if side is None:
            raise AssertionError("only archives are enhanced here")
        # All cells, also those switched off, so that the correction itself can be judged.
        plan = replace(self.archive.enhancement_plan(), active=side.levels > 0, window_size=self.size)
        for rows in corrections(self.archive.reader, self.archive.enhancer, plan, progress):
            decoded = self.archive.read_decoded(rows.window)
            strengths = side.strengths[:, rows.window.row_off // CELL]
            final = scaled_correction(decoded, rows.correction, strengths, plan)
            yield rows.window, decoded, rows.correction, final

    def borders(self) -> Places:
        """Return where the cores of windows meet."""
        p = self.archive.profile
        return range(self.size, p.width, self.size), range(self.size, p.height, self.size)

    def edges(self) -> Places:
        """Return where what windows see around themselves ends."""
        columns, rows = (
            [k + d for k in places for d in (-self.halo, self.halo)] for places in self.borders()
        )
        return columns, rows


def _judge(run: _Run, other: _Run) -> dict[str, Any]:
    """Return the ratios of one window size."""
    borders = run.borders()
    final, decoded = (steps_at(run.profiles[name], borders) for name in ("final", "decoded"))
    judged = {
        "final": _same_places(run, other, "final", borders),
        "correction": _same_places(run, other, "correction", borders),
        "blend_edges": _same_places(run, other, "correction", run.edges()),
    }
    beside = {
        "decoded": jackknife(*decoded.T),
        "final": jackknife(*final.T),
        "final_by_decoded": jackknife(*final.T, *decoded.T),
    }
    return {
        "window_size": run.size,
        "beside": {name: ratio.to_json() for name, ratio in beside.items()},
        "same_places": {name: ratio.to_json() for name, ratio in judged.items()},
        "passed": all(ratio.is_seamless for ratio in judged.values()),
    }


def _same_places(run: _Run, other: _Run, name: str, places: Places) -> SeamRatio:
    """Compare steps with those under other windows, at places where those have neither border nor edge."""
    taken = [{*a, *b} for a, b in zip(other.borders(), other.edges(), strict=True)]
    free = [[k for k in ks if k not in own] for ks, own in zip(places, taken, strict=True)]
    here, there = (steps_at(r.profiles[name], (free[0], free[1])) for r in (run, other))
    return jackknife(here[:, 0], there[:, 0])


def _at_cells(run: _Run) -> SeamRatio:
    """Compare the final output's steps by the codec's at cell borders with those half way between."""
    sides = (run.archive.profile.width, run.archive.profile.height)
    ratios = []
    for first in (CELL, CELL // 2):
        places = [range(first, side, CELL) for side in sides]
        final, decoded = (
            steps_at(run.profiles[name], (places[0], places[1])) for name in ("final", "decoded")
        )
        ratios.append(jackknife(final[:, 0], decoded[:, 0]))
    at, between = ratios
    if not at.borders or not between.borders:
        return SeamRatio(ratio=math.nan, error=math.nan, borders=0)
    ratio = at.ratio / between.ratio
    error = ratio * math.hypot(at.error / at.ratio, between.error / between.ratio)
    return SeamRatio(ratio=ratio, error=error, borders=at.borders)
