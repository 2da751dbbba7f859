"""Enhancement of a decoded scene, window by window, in bounded memory.

Padded windows are cut from the decoded mosaic (the halo costs no bits), corrected, blended by weights that
sum to one, and given back as rows of cells from top to bottom. Every quantity a window sees hangs on its
absolute place in the scene, so window size, order and workers do not matter beyond rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.enhance.base import Enhancer
from rsic_geo.geo.grid import TileGrid, TileIndex
from rsic_geo.geo.lattice import CELL, NODE, sigma_lattice
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.seam import SeamAccumulator, window_weights
from rsic_geo.geo.window import Window
from rsic_geo.pipeline.events import Progress

BATCH = 2
"""Windows given to the enhancer at once on a CPU; more does not help there."""


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
    window_size: int = 512
    """Core of an enhancement window (px)."""
    seed: int = 0
    """Seed of enhancers that begin with noise."""

    def wants(self, group: int, window: Window) -> bool:
        """Return whether any cell of a window needs the correction of a group."""
        rows = slice(window.row_off // CELL, (window.row_stop - 1) // CELL + 1)
        cols = slice(window.col_off // CELL, (window.col_stop - 1) // CELL + 1)
        return bool(self.active[group, rows, cols].any())

    def grid(self, enhancer: Enhancer) -> TileGrid:
        """Return the enhancement windows of the whole scene."""
        halo = -(-enhancer.halo // NODE) * NODE
        return TileGrid(height=self.height, width=self.width, tile_size=self.window_size, halo=halo)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedRows:
    """Decoded pixels and corrections of full-width rows that are final."""

    window: Window
    """Rows covered; starts on a multiple of the cell size relative to the area asked for."""
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


def _correct_batch(
    jobs: list[_Job], source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan
) -> list[NDArray[np.float32]]:
    """Return the corrections (bands, h, w) in digital numbers of the padded windows of ``jobs``."""
    scene = Window.full(plan.height, plan.width)
    bands = plan.radiometry.bands
    out = [np.zeros((bands, job.padded.height, job.padded.width), np.float32) for job in jobs]
    for g, members in enumerate(plan.groups):
        if not any(plan.wants(g, job.padded) for job in jobs):
            continue
        pixels = [_read_extended(source, job.outer, members, scene) for job in jobs]
        batch = np.stack([plan.radiometry.forward(p, members) for p in pixels])
        sigma = np.stack([sigma_lattice(plan.levels[g], job.outer) for job in jobs])
        origins = [(job.outer.row_off // NODE, job.outer.col_off // NODE) for job in jobs]
        result = enhancer.correct(batch, sigma, origins=origins, seed=plan.seed)
        spans = np.array([plan.radiometry.high[b] - plan.radiometry.low[b] for b in members], np.float32)
        for k, job in enumerate(jobs):
            used = result[k][:, : job.padded.height, : job.padded.width]
            out[k][list(members)] = used * spans[:, None, None]
    return out


def _jobs(enhancer: Enhancer, plan: EnhancementPlan, area: Window | None = None) -> Iterator[_Job]:
    grid = plan.grid(enhancer)
    side = grid.tile_size + 2 * grid.halo
    for index in grid:
        padded = grid.padded(index)
        if area is None or padded.intersection(area) is not None:
            wanted = any(plan.wants(g, padded) for g in range(len(plan.groups)))
            yield _Job(index=index, padded=padded, is_wanted=wanted, outer=_outer_window(padded, plan, side))


def _batches(jobs: Iterator[_Job]) -> Iterator[list[_Job]]:
    """Group consecutive jobs of one row of windows and one shape."""
    held: list[_Job] = []
    for job in jobs:
        if held:
            first = held[0]
            alike = (first.outer.height, first.outer.width) == (job.outer.height, job.outer.width)
            alike = alike and first.is_wanted == job.is_wanted
            if len(held) == BATCH or not alike or first.index.row != job.index.row:
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
    grid = plan.grid(enhancer)
    out = np.zeros((plan.radiometry.bands, area.height, area.width), np.float32)
    for jobs in _batches(_jobs(enhancer, plan, area)):
        if not jobs[0].is_wanted:
            continue
        for job, result in zip(jobs, _correct_batch(jobs, source, enhancer, plan), strict=True):
            shared = job.padded.intersection(area)
            if shared is None:
                raise AssertionError("a window was corrected that is not wanted")
            inner = shared.shifted(-job.padded.row_off, -job.padded.col_off).slices
            weights = window_weights(grid, job.index)[inner]
            target = shared.shifted(-area.row_off, -area.col_off).slices
            out[(slice(None), *target)] += weights * result[(slice(None), *inner)]
    return out


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
    for jobs in _batches(_jobs(enhancer, plan)):
        if jobs[0].is_wanted:
            for job, result in zip(jobs, _correct_batch(jobs, source, enhancer, plan), strict=True):
                seam.add(job.index, result)
        else:
            for job in jobs:
                seam.skip(job.index)
        done += len(jobs)
        progress.report(done / len(grid), "enhancing")
        for window, rows in seam.finished_rows():
            yield from buffer.add(window, rows)


class _CellRows:
    """Cuts rows of any height into rows of cells."""

    def __init__(self, height: int) -> None:
        self._height = height
        self._next = 0
        self._pieces: list[NDArray[np.float32]] = []

    def add(self, window: Window, rows: NDArray[np.float32]) -> Iterator[CorrectedRows]:
        self._pieces.append(rows)
        held = sum(piece.shape[1] for piece in self._pieces)
        while held and (held >= CELL or self._next + held == self._height):
            merged = np.concatenate(self._pieces, axis=1) if len(self._pieces) > 1 else self._pieces[0]
            take = min(CELL, held)
            yield CorrectedRows(
                window=Window(row_off=self._next, col_off=0, height=take, width=window.width),
                correction=merged[:, :take],
            )
            self._next += take
            held -= take
            self._pieces = [merged[:, take:]] if held else []
