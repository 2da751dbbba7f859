"""From a coded scene on disk to its final output: distortion levels, strengths, errors after enhancement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.coded import MAX_CELLS, pack_coded
from rsic_geo.container.filters import FilterTaps
from rsic_geo.geo.lattice import CELL, level_from_rmse
from rsic_geo.geo.validity import avoid_nodata, clamp
from rsic_geo.geo.window import Window
from rsic_geo.progress import Progress
from rsic_geo.repair.base import Enhancer
from rsic_geo.repair.filter import MARGIN
from rsic_geo.repair.filter_fit import NormalEquations, fit_filters, part_left
from rsic_geo.repair.plan import EnhancementPlan, PixelSource
from rsic_geo.repair.strength import CellBand, fit_cell_row, scaled_correction
from rsic_geo.repair.units import STEPS
from rsic_geo.repair.windows import CorrectedRows, corrections, sample_corrections
from rsic_geo.scenes.protocol import Scene
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.kept_fit import FitLog, FittedRow
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.tiles import errors_by_band

SAMPLE_WINDOWS = 16
"""Enhancement windows of one band group that adaptive filters are fitted to, spread over the scene."""
SAMPLE_SIDE = 512
"""Core of these windows (px), whatever windows the work is done in: filters do not depend on those."""
LEAST_WINDOWS = 2
"""Windows looked at in a scene of many band groups."""
SAMPLE_PIXELS = 2_000_000
"""Pixels of them that are used; more change nothing."""
FITTING = "fitting filters"
"""What progress calls it."""
_NO_CELLS = np.zeros((0, 0, 0), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enhancement:
    """What an enhancer does to a coded scene, decided with the original at hand."""

    levels: NDArray[np.uint8]
    """Distortion level bytes (groups, cell rows, cell columns)."""
    strengths: NDArray[np.uint8]
    """Strength bytes, same shape."""
    sse: NDArray[np.float64]
    """Sum of squared errors after enhancement per band, over the scored pixels."""
    worst: NDArray[np.float64]
    """Largest absolute error after enhancement per band."""
    filters: tuple[FilterTaps | None, ...] = ()
    """Adaptive filter of each cluster of groups; empty where none is worth its bits."""
    final_crcs: tuple[int, ...] = ()
    """Checksums of what readers make of it, once that was read; empty where the archive is not sealed."""

    @property
    def max_error(self) -> float:
        """Largest absolute error of any band after enhancement."""
        return float(self.worst.max(initial=0.0))

    @property
    def is_useful(self) -> bool:
        """Whether any cell is switched on."""
        return bool(self.strengths.any())


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """The two scenes a strength is fitted between."""

    source: Scene
    """The original."""
    decoded: PixelSource
    """The archive just written, as its readers decode it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How strengths are fitted."""

    window_size: int = 1024
    """Core of an enhancement window (px)."""
    workers: int = 1
    """Windows worked on at once."""
    max_error: float | None = None
    """Largest absolute error allowed after enhancement."""
    seed: int = 0
    """Seed of enhancers that begin with noise."""
    is_adaptive: bool = True
    """Whether adaptive filters are fitted; False leaves corrections as proposed, for comparisons."""
    filters: tuple[FilterTaps | None, ...] | None = None
    """Filters of an earlier fit, to be used again; None: fit them."""
    is_settled: bool = False
    """Whether the enhancement is kept whatever it saves."""
    log: FitLog | None = None
    """Where fitted rows of cells are kept, so that the same fit interrupted goes on."""
    watch: Callable[[Window, CellBand, NDArray[np.generic]], None] | None = None
    """Shown every row of cells: its place, what was fitted, and the final pixels (bands, h, w)."""


def distortion_levels(coded: CodedScene) -> NDArray[np.uint8]:
    """Return the level bytes (groups, cell rows, cell columns) of a coded scene.

    The root mean square error of a cell is taken over its scored pixels and the group's bands, each band in
    units of its used range. Cells without scored pixels get level 0.
    """
    plan = coded.plan
    spans = np.array(plan.radiometry.high) - np.array(plan.radiometry.low)
    rows, cols = coded.cell_sse.shape[1:]
    levels = np.zeros((len(plan.groups), rows, cols), np.uint8)
    for g, members in enumerate(plan.groups):
        index = list(members)
        scaled = (coded.cell_sse[index] / (spans[index] ** 2)[:, None, None]).sum(axis=0)
        count = coded.cell_count[index].sum(axis=0)
        rmse = np.sqrt(np.divide(scaled, count, out=np.zeros_like(scaled), where=count > 0))
        levels[g] = level_from_rmse(rmse)
    return levels


def scored_pixels(
    reader: Scene, plan: ScenePlan, window: Window, pixels: NDArray[np.generic]
) -> NDArray[np.bool_]:
    """Return (bands, h, w), True where an error counts: no nodata, not masked or transparent, no alpha."""
    scored = np.ones(pixels.shape, np.bool_)
    if plan.has_nodata:
        scored &= reader.read_valid(window)
    if plan.profile.has_mask:
        mask = reader.read_mask(window)
        if mask is not None:
            scored &= (mask != 0)[None]
    for band in plan.alpha_bands:
        scored &= (pixels[band] != 0)[None]
    if plan.alpha_bands:
        scored[list(plan.alpha_bands)] = False
    return scored


def fit_enhancement(
    readers: Readers, coded: CodedScene, enhancer: Enhancer, options: FitOptions, progress: Progress
) -> Enhancement:
    """Run the enhancer over a decoded scene and fit the strength of every cell against the original.

    Args:
        readers: the original scene and its archive.
        coded: errors of the codec alone.
        enhancer: proposes corrections.
        options: window size and bound on the error.
        progress: told after each batch of windows.
    """
    plan, decoded = coded.plan, readers.decoded
    todo = _todo(coded, options)
    levels = todo.levels
    strengths = np.zeros_like(levels)
    sse = np.zeros(plan.profile.count)
    worst = np.zeros(plan.profile.count)
    filters: tuple[FilterTaps | None, ...] = ()
    if options.filters is not None:
        filters = options.filters
        todo = replace(todo, filters=filters)
    elif options.is_adaptive and enhancer.name:
        filters = _fit_filters(readers, coded, enhancer, todo, progress.stage(0, 0.3)).filters
        todo, progress = replace(todo, filters=filters), progress.stage(0.3, 1)
    kept: dict[int, FittedRow] = {}
    if options.log is not None:
        key = pack_coded(_NO_CELLS, _NO_CELLS, filters, plan.groups)
        kept = options.log.rows(enhancer, options.seed, options.max_error, key)
        todo.active[:, list(kept)] = False
    for rows in corrections(decoded, enhancer, todo, progress):
        row = rows.window.row_off // CELL
        fitted = kept.get(row)
        if fitted is None:
            fitted = _fit_row(readers, plan, rows, options)
            if options.log is not None:
                options.log.add(row, fitted)
        del rows  # or its whole strip would stay while the next one is made
        strengths[:, row] = fitted.strengths
        sse += fitted.sse
        worst = np.maximum(worst, fitted.worst)
    found = Enhancement(levels=levels, strengths=strengths, sse=sse, worst=worst, filters=filters)
    is_kept = options.is_settled or _is_worthwhile(found, coded)
    return found if is_kept else _switched_off(found, coded)


@dataclass(frozen=True, slots=True)
class Foretaste:
    """What a sample of a coded scene says of its enhancement."""

    filters: tuple[FilterTaps | None, ...]
    """Adaptive filter of every cluster of groups; empty where none is worth its bits."""
    left: NDArray[np.float64]
    """Squared error that remains with them in each band (bands,), as a part of the codec's own."""


def foretaste(
    readers: Readers, coded: CodedScene, enhancer: Enhancer, options: FitOptions, progress: Progress
) -> Foretaste:
    """Fit adaptive filters to a sample, and say what comes of it; arguments as of :func:`fit_enhancement`."""
    return _fit_filters(readers, coded, enhancer, _todo(coded, options), progress)


def _todo(coded: CodedScene, options: FitOptions) -> EnhancementPlan:
    plan, levels = coded.plan, distortion_levels(coded)
    return EnhancementPlan(
        height=plan.profile.height,
        width=plan.profile.width,
        groups=plan.groups,
        levels=levels,
        radiometry=plan.radiometry,
        active=levels > 0,
        window_size=options.window_size,
        workers=options.workers,
        seed=options.seed,
    )


def _is_worthwhile(found: Enhancement, coded: CodedScene) -> bool:
    """Return whether an enhancement takes away a larger share of the error than it adds to the file."""
    extra = found.levels.size  # about a byte for both
    if extra <= MAX_CELLS:
        extra = len(pack_coded(found.levels, found.strengths, found.filters, coded.plan.groups))
    return bool(coded.total_sse - found.sse.sum() > coded.total_sse * extra / max(coded.body_bytes, 1))


def _switched_off(found: Enhancement, coded: CodedScene) -> Enhancement:
    return Enhancement(
        levels=found.levels,
        strengths=np.zeros_like(found.strengths),
        sse=coded.sse,
        worst=coded.worst,
    )


def _fit_filters(
    readers: Readers, coded: CodedScene, enhancer: Enhancer, todo: EnhancementPlan, progress: Progress
) -> Foretaste:
    plan = coded.plan
    todo = replace(todo, window_size=SAMPLE_SIDE)
    bands = [[b for n in numbers for b in plan.groups[n]] for numbers, _ in todo.clusters()]
    sums = [NormalEquations(bands=len(members), proposals=enhancer.proposals) for members in bands]
    count = max(LEAST_WINDOWS, SAMPLE_WINDOWS // len(plan.groups))
    stride = -(-min(plan.pixels, count * todo.window_size**2) // SAMPLE_PIXELS)
    seen, pixels, scored = None, np.zeros(0), np.zeros(0, np.bool_)
    for part in sample_corrections(readers.decoded, enhancer, todo, count):
        progress.report(part.done, FITTING)
        if part.core != seen:
            seen, pixels = part.core, readers.source.read(part.core)
            scored = scored_pixels(readers.source, plan, part.core, pixels)
        found, members = part.proposal, part.proposal.members
        decoded = found.decoded[:, MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float32) / np.float32(STEPS)
        error = plan.radiometry.forward(pixels[members], members) - decoded
        counted = np.all(scored[members], axis=0)
        sums[part.cluster].add(found.decoded, found.correction, error, counted, stride=stride)
    spans = np.array(plan.radiometry.high) - np.array(plan.radiometry.low)
    weights = [np.square(spans[members]) for members in bands]
    filters = fit_filters(sums, weights, 8 * coded.body_bytes)
    left = np.ones(plan.profile.count)
    for members, one, taps in zip(bands, sums, filters, strict=True):
        left[members] = part_left(one, taps)
    return Foretaste(filters if any(filters) else (), left)


def _fit_row(readers: Readers, plan: ScenePlan, rows: CorrectedRows, options: FitOptions) -> FittedRow:
    """Fit the strengths of one row of cells, and measure what is left after enhancement."""
    pixels = readers.source.read(rows.window)
    band = CellBand(
        original=pixels,
        decoded=rows.decoded,
        correction=rows.correction,
        valid=scored_pixels(readers.source, plan, rows.window, pixels),
        nodata=plan.profile.nodata if plan.profile.has_nodata else None,
        limits=plan.limits,
    )
    strengths = fit_cell_row(band, plan, max_error=options.max_error)
    final = scaled_correction(band.decoded, rows.correction, strengths, plan)
    final = clamp(final, band.limits)
    if band.nodata is not None:
        final = avoid_nodata(final, band.valid, band.nodata)
    if options.watch is not None:
        options.watch(rows.window, band, final)
    sse, worst = errors_by_band(final, pixels, band.valid)
    return FittedRow(strengths=strengths, sse=sse, worst=worst)
