"""Enhancement of a decoded scene, window by window, in bounded memory.

Padded windows are cut from the decoded mosaic (the halo costs no bits), corrected, blended by weights that
sum to one, and given back as rows of cells from top to bottom. Every quantity a window sees hangs on its
absolute place in the scene, so window size, order and workers do not matter beyond rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.filters import FilterTaps
from rsic_geo.geo.grid import TileGrid, TileIndex
from rsic_geo.geo.lattice import CELL, NODE, sigma_lattice
from rsic_geo.geo.seam import SeamAccumulator, window_weights
from rsic_geo.geo.window import Window
from rsic_geo.progress import Progress
from rsic_geo.repair.base import Enhancer, side_by_side
from rsic_geo.repair.filter import apply_filter
from rsic_geo.repair.plan import EnhancementPlan, PixelSource

BATCH = 2
"""Windows given to the enhancer at once, at least."""
MOST = 8
"""Windows held at once, at most: each takes some tens of megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedRows:
    """Corrections of rows that are final, inside one row of cells and as wide as what was asked for."""

    window: Window
    """Pixels of the scene that are covered."""
    correction: NDArray[np.float32]
    """(bands, h, w), digital numbers to add at strength 1; zero in bands of no group."""


def _read_extended(
    source: PixelSource, window: Window, bands: tuple[int, ...], scene: Window
) -> NDArray[np.generic]:
    """Read a window that may extend below and right of the scene; pixels outside repeat the edge."""
    inside = window.intersection(scene)
    if inside is None:
        raise AssertionError(f"window {window} lies outside its scene")
    pixels = source.read(inside, bands=bands)
    down, right = window.row_stop - inside.row_stop, window.col_stop - inside.col_stop
    return np.pad(pixels, ((0, 0), (0, down), (0, right)), mode="edge") if down or right else pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    index: TileIndex
    padded: Window
    """Where the correction is used."""
    is_wanted: bool
    """Whether any cell needs it."""
    outer: Window
    """What the enhancer sees: aligned to the lattice, may reach below and right of the scene."""


def _outer_window(padded: Window, plan: EnhancementPlan, side: int) -> Window:
    """Return the lattice-aligned window around ``padded``, at most ``side`` px a side.

    At the scene's far edges it ends one lattice square after the scene, so that the repeated edge is seen.
    """

    def reach(offset: int, length: int) -> int:
        return min(side, -(-(length - offset) // NODE) * NODE + NODE)

    return Window(
        row_off=padded.row_off,
        col_off=padded.col_off,
        height=reach(padded.row_off, plan.height),
        width=reach(padded.col_off, plan.width),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    """What an enhancer proposes for some bands of some windows, in units of their used ranges."""

    members: list[int]
    """Bands of the scene."""
    decoded: NDArray[np.float32]
    """(windows, bands, h, w)."""
    correction: NDArray[np.float32]
    """(windows, proposals * bands, h, w), proposal after proposal."""


def _propose(
    jobs: list[_Job], numbers: tuple[int, ...], source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan
) -> _Proposal:
    """Return corrections of some groups of equally large windows, side by side."""
    scene = Window.full(plan.height, plan.width)
    origins = [(job.outer.row_off // NODE, job.outer.col_off // NODE) for job in jobs]
    decoded, proposed = [], []
    for number in numbers:
        group = plan.groups[number]
        pixels = [_read_extended(source, job.outer, group, scene) for job in jobs]
        decoded.append(np.stack([plan.radiometry.forward(p, group) for p in pixels]))
        sigma = np.stack([sigma_lattice(plan.levels[number], job.outer) for job in jobs])
        proposed.append(enhancer.correct(decoded[-1], sigma, origins=origins, seed=plan.seed))
    members = [band for number in numbers for band in plan.groups[number]]
    if len(numbers) == 1:
        return _Proposal(members=members, decoded=decoded[0], correction=proposed[0])
    windows, _, *sides = proposed[0].shape
    split = [one.reshape(windows, enhancer.proposals, -1, *sides) for one in proposed]
    return _Proposal(
        members=members,
        decoded=np.concatenate(decoded, axis=1),
        correction=np.concatenate(split, axis=2).reshape(windows, -1, *sides),
    )


def _correct_batch(
    jobs: list[_Job], source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan
) -> list[NDArray[np.float32]]:
    """Return the corrections (bands, h, w) in digital numbers of the padded windows of ``jobs``."""
    out = [np.zeros((plan.radiometry.bands, job.padded.height, job.padded.width), np.float32) for job in jobs]
    for cluster, taps in plan.clusters():
        # a filter mixes the bands of its cluster: what one of them needs is made of all
        for numbers in [(number,) for number in cluster] if taps is None else [cluster]:
            if not any(plan.wants(number, job.padded) for number in numbers for job in jobs):
                continue
            found = _propose(jobs, numbers, source, enhancer, plan)
            spans = np.array(
                [plan.radiometry.high[b] - plan.radiometry.low[b] for b in found.members], np.float32
            )
            finish = partial(_finish, jobs, found, taps, spans, out)
            side_by_side(finish, range(len(jobs)), plan.workers)
    return out


def _finish(  # noqa: PLR0913, PLR0917 - one window of a batch
    jobs: list[_Job],
    found: _Proposal,
    taps: FilterTaps | None,
    spans: NDArray[np.float32],
    out: list[NDArray[np.float32]],
    number: int,
) -> None:
    """Filter what was proposed for one window of a batch, and put it into its output."""
    result = found.correction[number]
    if taps is None:
        result = result[: len(found.members)]
    else:
        result = apply_filter(taps, found.decoded[number], _fitting(result, taps))
    used = result[:, : jobs[number].padded.height, : jobs[number].padded.width]
    out[number][found.members] = used * spans[:, None, None]


def _fitting(correction: NDArray[np.float32], taps: FilterTaps) -> NDArray[np.float32]:
    """Return as many proposals as a filter mixes; other networks than its own, if asked for, have others."""
    wanted = taps.bands * taps.proposals
    if len(correction) >= wanted:
        return correction[:wanted]
    return np.pad(correction, ((0, wanted - len(correction)), (0, 0), (0, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSample:
    """What an enhancer proposes for one cluster of band groups in the core of one window."""

    core: Window
    """Pixels of the scene that are covered."""
    cluster: int
    """Number of the cluster."""
    members: list[int]
    """Its bands."""
    decoded: NDArray[np.float32]
    """(bands of the cluster, h, w) in units of the used range."""
    correction: NDArray[np.float32]
    """(proposals * bands, h, w) in the same units."""
    done: float
    """Share of the work behind it, 0..1."""


def sample_corrections(
    source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan, count: int
) -> Iterator[ClusterSample]:
    """Yield what an enhancer proposes in up to ``count`` windows spread over the scene, before any filter.

    Args:
        source: decoded pixels.
        enhancer: proposes corrections.
        plan: levels, groups and radiometry of the scene.
        count: windows looked at.
    """
    grid = plan.grid(enhancer)
    jobs = [job for job in _jobs(enhancer, plan) if job.is_wanted]
    places = sorted({round(i) for i in np.linspace(0, len(jobs) - 1, min(count, len(jobs)))})
    parts = list(plan.clusters())
    for looked, place in enumerate(places):
        job = jobs[place]
        core = grid.core(job.index)
        inner = (0, slice(None), *core.within(job.padded).slices)
        for k, (numbers, _) in enumerate(parts):
            if any(plan.wants(number, job.padded) for number in numbers):
                found = _propose([job], numbers, source, enhancer, plan)
                yield ClusterSample(
                    core=core,
                    cluster=k,
                    members=found.members,
                    decoded=found.decoded[inner],
                    correction=found.correction[inner],
                    done=(looked + (k + 1) / len(parts)) / len(places),
                )


def _jobs(enhancer: Enhancer, plan: EnhancementPlan, area: Window | None = None) -> Iterator[_Job]:
    grid = plan.grid(enhancer)
    side = grid.tile_size + 2 * grid.halo
    for index in grid:
        padded = grid.padded(index)
        if area is None or padded.intersection(area) is not None:
            wanted = any(plan.wants(g, padded) for g in range(len(plan.groups)))
            yield _Job(index=index, padded=padded, is_wanted=wanted, outer=_outer_window(padded, plan, side))


def _batches(jobs: Iterator[_Job], workers: int) -> Iterator[list[_Job]]:
    """Group consecutive jobs of one row of windows and one shape, one for each worker."""
    held: list[_Job] = []
    most = min(max(BATCH, workers), MOST)
    for job in jobs:
        if held:
            first = held[0]
            alike = (first.outer.height, first.outer.width) == (job.outer.height, job.outer.width)
            alike = alike and first.is_wanted == job.is_wanted
            if len(held) == most or not alike or first.index.row != job.index.row:
                yield held
                held = []
        held.append(job)
    if held:
        yield held


def correct_window(
    source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan, area: Window
) -> NDArray[np.float32]:
    """Return the correction (bands, h, w) of one window of the scene, equal to that part of the whole's.

    Args:
        source: decoded pixels.
        enhancer: proposes corrections.
        plan: levels, groups and radiometry of the scene.
        area: pixels wanted, inside the scene.
    """
    out = np.zeros((plan.radiometry.bands, area.height, area.width), np.float32)
    for rows in corrections_in(source, enhancer, plan, area, Progress()):
        out[(slice(None), *rows.window.within(area).slices)] = rows.correction
    return out


def corrections_in(
    source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan, area: Window, progress: Progress
) -> Iterator[CorrectedRows]:
    """Yield the corrections of one window of the scene from top to bottom, equal to that part of the whole's.

    Memory is the width of the window times the reach of one row of enhancement windows.

    Args:
        source: decoded pixels.
        enhancer: proposes corrections.
        plan: levels, groups and radiometry of the scene.
        area: pixels wanted, inside the scene.
        progress: told after each batch.
    """
    grid = plan.grid(enhancer)
    touched = list(_jobs(enhancer, plan, area))
    top = area.row_off
    sums = np.zeros((plan.radiometry.bands, 0, area.width), np.float32)
    done = 0
    for row in sorted({job.index.row for job in touched}):
        row_jobs = [job for job in touched if job.index.row == row]
        reach = min(max(job.padded.row_stop for job in row_jobs), area.row_stop) - top
        grown = np.zeros((sums.shape[0], max(reach, sums.shape[1]), area.width), np.float32)
        grown[:, : sums.shape[1]] = sums
        sums = grown
        for jobs in _batches(iter(row_jobs), plan.workers):
            if jobs[0].is_wanted:
                held = Window.between(top, top + sums.shape[1], area.col_off, area.col_stop)
                for job, result in zip(jobs, _correct_batch(jobs, source, enhancer, plan), strict=True):
                    _add(sums, held, job, result, grid)
            done += len(jobs)
            progress.report(done / len(touched), "enhancing")
        is_last = row == touched[-1].index.row
        stop = area.row_stop if is_last else max(top, (row + 1) * grid.tile_size - grid.halo)
        yield from _cut(top, stop, area, sums)
        sums, top = sums[:, stop - top :], stop


def _add(
    sums: NDArray[np.float32], held: Window, job: _Job, result: NDArray[np.float32], grid: TileGrid
) -> None:
    """Add a weighted window to the rows ``held`` of an area."""
    shared = job.padded.intersection(held)
    if shared is None:
        return
    inner = shared.within(job.padded).slices
    weights = window_weights(grid, job.index)[inner]
    sums[(slice(None), *shared.within(held).slices)] += weights * result[(slice(None), *inner)]


def _cut(top: int, stop: int, area: Window, sums: NDArray[np.float32]) -> Iterator[CorrectedRows]:
    """Yield rows ``top`` to before ``stop`` of the scene, cut where a row of cells ends."""
    first = top
    while first < stop:
        last = min(first - first % CELL + CELL, stop)
        yield CorrectedRows(
            window=Window.between(first, last, area.col_off, area.col_stop),
            correction=sums[:, first - top : last - top],
        )
        first = last


def corrections(
    source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan, progress: Progress
) -> Iterator[CorrectedRows]:
    """Yield the corrections of the whole scene from top to bottom, as full-width rows of cells.

    Args:
        source: decoded pixels.
        enhancer: proposes corrections.
        plan: levels, groups and radiometry of the scene.
        progress: told after each batch.
    """
    grid = plan.grid(enhancer)
    seam = SeamAccumulator(grid, plan.radiometry.bands)
    buffer = _CellRows(plan.height)
    done = 0
    for jobs in _batches(_jobs(enhancer, plan), plan.workers):
        if jobs[0].is_wanted:
            for job, result in zip(jobs, _correct_batch(jobs, source, enhancer, plan), strict=True):
                seam.add(job.index, result)
        else:
            for job in jobs:
                seam.skip(job.index)
        done += len(jobs)
        progress.report(done / len(grid), "enhancing")
        yield from buffer.drain(seam)


class _CellRows:
    """Cuts rows of any height into rows of cells."""

    def __init__(self, height: int) -> None:
        self._height = height
        self._next = 0
        self._pieces: list[NDArray[np.float32]] = []

    def drain(self, seam: SeamAccumulator) -> Iterator[CorrectedRows]:
        """Yield what is complete; of the rest a copy is kept, so that the rows around it are let go."""
        for window, rows in seam.finished_rows():
            self._pieces.append(rows)
            held = sum(piece.shape[1] for piece in self._pieces)
            while held and (held >= CELL or self._next + held == self._height):
                take = min(CELL, held)
                yield CorrectedRows(
                    window=Window(row_off=self._next, col_off=0, height=take, width=window.width),
                    correction=self._take(take),
                )
                self._next += take
                held -= take
            self._pieces = [piece.copy() for piece in self._pieces]

    def _take(self, count: int) -> NDArray[np.float32]:
        """Return the first rows held, as a copy: a caller may keep them while the next ones are made."""
        parts = []
        while count:
            piece = self._pieces.pop(0)
            parts.append(piece[:, :count])
            if piece.shape[1] > count:
                self._pieces.insert(0, piece[:, count:])
            count -= parts[-1].shape[1]
        return np.concatenate(parts, axis=1)
