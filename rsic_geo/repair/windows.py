"""Enhancement of a decoded scene, window by window, in bounded memory.

What an enhancer has to see around a window is cut from the decoded mosaic (the halo costs no bits), and what
it proposes for the window itself is filtered and put into its place, without any blending: windows agree.
Every quantity a window sees hangs on its absolute place in the scene, so window size, order and workers do
not matter; with networks of integers to the bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.filters import FilterTaps
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.window import Window
from rsic_geo.heap import give_back
from rsic_geo.progress import Progress
from rsic_geo.repair.base import Enhancer, Sight, bounds_of
from rsic_geo.repair.filter import MARGIN, apply_filter
from rsic_geo.repair.plan import EnhancementPlan, PixelSource
from rsic_geo.repair.units import Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedRows:
    """Corrections of rows that are final, inside one row of cells and as wide as what was asked for."""

    window: Window
    """Pixels of the scene that are covered."""
    correction: Steps
    """(bands, h, w) to add at strength 1, in 1/FINE of each band's used range; zero in bands of no group."""
    decoded: NDArray[np.generic]
    """(bands, h, w), as the source gave them."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Decoded pixels of a strip and of what its windows see around it: all bands, each pixel read once."""

    window: Window
    pixels: NDArray[np.generic]
    """(bands, h, w)."""

    @classmethod
    def of(cls, source: PixelSource, window: Window, above: _Rows | None) -> _Rows:
        """Read a window, but for the rows of it that are known."""
        if above is None:
            return cls(window, source.read(window))
        if above.window == window:
            return above
        below = Window.between(above.window.row_stop, window.row_stop, window.col_off, window.col_stop)
        pixels = np.empty((len(above.pixels), window.height, window.width), above.pixels.dtype)
        pixels[:, : above.window.height] = above.pixels
        pixels[:, above.window.height :] = source.read(below)
        return cls(window, pixels)

    def top_of(self, window: Window) -> _Rows | None:
        """Return a copy of the uppermost rows of a window, as far as they are held; None if they are not."""
        shared = self.window.intersection(window)
        if shared is None or shared.row_off > window.row_off or shared.width < window.width:
            return None
        return _Rows(shared, self.read(shared).copy())

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[np.generic]:
        """Return (bands, h, w) of a window inside this one."""
        found = self.pixels[(slice(None), *window.within(self.window).slices)]
        return found if bands is None or bands == tuple(range(len(found))) else found[list(bands)]


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
class Proposal:
    """What an enhancer proposes for some bands of a window and a margin around it."""

    members: list[int]
    """Bands of the scene."""
    decoded: Steps
    """(bands, h + 2 * margin, w + 2 * margin) in steps."""
    correction: Steps
    """(proposals * bands, h + 2 * margin, w + 2 * margin) in 1/FINE, proposal after proposal."""


def _wider(core: Window, margin: int) -> Window:
    return Window.between(
        max(core.row_off - margin, 0), core.row_stop + margin,
        max(core.col_off - margin, 0), core.col_stop + margin,
    )  # fmt: skip


def _propose(
    core: Window,
    margin: int,
    numbers: tuple[int, ...],
    source: PixelSource,
    job: tuple[Enhancer, EnhancementPlan],
) -> Proposal:
    """Return what is proposed for some groups, one after the other."""
    enhancer, plan = job
    scene, bounds = Window.full(plan.height, plan.width), bounds_of(plan.height, plan.width)
    wider = _wider(core, margin)
    decoded, proposed = [], []
    for number in numbers:
        group = plan.groups[number]
        window = enhancer.view(wider, bounds)
        pixels = plan.scale.forward(_read_extended(source, window, group, scene), group)
        sight = Sight(pixels=pixels, window=window, core=wider, cells=plan.levels[number])
        decoded.append(pixels[(slice(None), *wider.within(window).slices)])
        shape = enhancer.proposals, len(group), wider.height, wider.width
        proposed.append(enhancer.correct(sight, plan.seed).reshape(shape))
    members = [band for number in numbers for band in plan.groups[number]]
    correction = proposed[0] if len(numbers) == 1 else np.concatenate(proposed, axis=1)
    correction = correction.reshape(-1, wider.height, wider.width)
    pixels = decoded[0] if len(numbers) == 1 else np.concatenate(decoded)
    # above and left of the scene its edge is repeated; below and right it was continued
    above, left = margin - (core.row_off - wider.row_off), margin - (core.col_off - wider.col_off)
    if above or left:
        around = ((0, 0), (above, 0), (left, 0))
        pixels, correction = (np.pad(part, around, mode="edge") for part in (pixels, correction))
    return Proposal(members=members, decoded=pixels, correction=correction)


def _fitting(correction: Steps, taps: FilterTaps) -> Steps:
    """Return as many proposals as a filter mixes; other networks than its own, if asked for, have others."""
    wanted = taps.bands * taps.proposals
    if len(correction) >= wanted:
        return correction[:wanted]
    return np.pad(correction, ((0, wanted - len(correction)), (0, 0), (0, 0)))


def _correct_core(
    source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan, core: Window, out: Steps
) -> None:
    """Put the corrections of a window into ``out`` (bands, h, w)."""
    for cluster, taps in plan.clusters():
        # a filter mixes the bands of its cluster: what one of them needs is made of all
        for numbers in [(number,) for number in cluster] if taps is None else [cluster]:
            if not any(plan.wants(number, core) for number in numbers):
                continue
            found = _propose(core, 0 if taps is None else MARGIN, numbers, source, (enhancer, plan))
            if taps is None:
                out[found.members] = found.correction[: len(found.members)]
            else:
                out[found.members] = apply_filter(taps, found.decoded, _fitting(found.correction, taps))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSample:
    """What an enhancer proposes for one cluster of band groups in one window."""

    core: Window
    """Pixels of the scene that are covered; what is proposed reaches MARGIN px further on all sides."""
    cluster: int
    """Number of the cluster."""
    proposal: Proposal
    done: float
    """Share of the work behind it, 0..1."""


def sample_corrections(
    source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan, count: int
) -> Iterator[ClusterSample]:
    """Yield what an enhancer proposes in up to ``count`` windows spread over the scene, before any filter.

    Args:
        source: decoded pixels.
        enhancer: proposes corrections.
        plan: levels, groups and radiometry of the scene; the size of the windows.
        count: windows looked at.
    """
    cores = [core for core in _cores(plan, Window.full(plan.height, plan.width)) if _is_wanted(plan, core)]
    places = sorted({round(i) for i in np.linspace(0, len(cores) - 1, min(count, len(cores)))})
    parts = list(plan.clusters())
    for looked, place in enumerate(places):
        core = cores[place]
        for k, (numbers, _) in enumerate(parts):
            if any(plan.wants(number, core) for number in numbers):
                yield ClusterSample(
                    core=core,
                    cluster=k,
                    proposal=_propose(core, MARGIN, numbers, source, (enhancer, plan)),
                    done=(looked + (k + 1) / len(parts)) / len(places),
                )


def _is_wanted(plan: EnhancementPlan, core: Window) -> bool:
    return any(plan.wants(group, core) for group in range(len(plan.groups)))


def _strips(plan: EnhancementPlan, area: Window) -> Iterator[Window]:
    """Cut an area into strips of whole rows of cells, each about half as high as a window is wide.

    Squares would see fewer pixels around them and take twice the memory.
    """
    height = max(CELL, plan.window_size // 2 // CELL * CELL)
    top = area.row_off
    while top < area.row_stop:
        stop = min(top - top % height + height, area.row_stop)
        yield Window.between(top, stop, area.col_off, area.col_stop)
        top = stop


def _cores(plan: EnhancementPlan, area: Window) -> Iterator[Window]:
    """Cut an area into windows, at multiples of their size in the scene, row after row."""
    size = plan.window_size
    for top in range(area.row_off - area.row_off % size, area.row_stop, size):
        for left in range(area.col_off - area.col_off % size, area.col_stop, size):
            core = Window.between(top, top + size, left, left + size).intersection(area)
            if core is not None:
                yield core


def correct_window(source: PixelSource, enhancer: Enhancer, plan: EnhancementPlan, area: Window) -> Steps:
    """Return the correction (bands, h, w) of one window of the scene, equal to that part of the whole's.

    Args:
        source: decoded pixels.
        enhancer: proposes corrections.
        plan: levels, groups and radiometry of the scene.
        area: pixels wanted, inside the scene.
    """
    out = np.zeros((plan.radiometry.bands, area.height, area.width), np.int16)
    for rows in corrections(source, enhancer, plan, Progress(), area):
        out[(slice(None), *rows.window.within(area).slices)] = rows.correction
    return out


def corrections(
    source: PixelSource,
    enhancer: Enhancer,
    plan: EnhancementPlan,
    progress: Progress,
    area: Window | None = None,
) -> Iterator[CorrectedRows]:
    """Yield the corrections of a scene, or a window of it, from top to bottom, cut where rows of cells end.

    With several workers the windows of a strip are corrected side by side, while the next one is read and
    what was yielded is used. Memory is the width of the area times the height of two strips.

    Args:
        source: decoded pixels, which the caller's thread alone reads.
        enhancer: proposes corrections.
        plan: levels, groups and radiometry of the scene.
        progress: told before the first window and after each.
        area: pixels wanted; None for the whole scene.
    """
    area = area or Window.full(plan.height, plan.width)
    done = 0
    above: _Rows | None = None
    progress.report(0.0, "enhancing")
    with ExitStack() as held:
        pool = None
        if plan.workers > 1:
            pool = held.enter_context(ThreadPoolExecutor(plan.workers))
            held.callback(pool.shutdown, cancel_futures=True)
        begun: deque[_Begun] = deque()
        for number, strip in enumerate(_strips(plan, area)):
            if number:
                give_back()  # what windows took, in sizes that the next ones often do not fit into
            cores = [core for core in _cores(plan, strip) if _is_wanted(plan, core)]
            window = _seen(enhancer, plan, strip, cores)
            above = None if above is None else above.top_of(window)  # the rest need not stay
            above = _Rows.of(source, window, above)
            begun.append(_begin(strip, cores, above, (enhancer, plan), pool))
            if pool is None or len(begun) > 1:
                yield from _finish(begun.popleft(), progress, (done, area.height))
                done += strip.height
        while begun:
            yield from _finish(begun.popleft(), progress, (done, area.height))


def _seen(enhancer: Enhancer, plan: EnhancementPlan, strip: Window, cores: list[Window]) -> Window:
    """Return the smallest window with a strip and all that is seen of the scene for some windows in it."""
    scene, bounds = Window.full(plan.height, plan.width), bounds_of(plan.height, plan.width)
    margin = MARGIN if any(plan.filters) else 0
    seen = [strip, *(enhancer.view(_wider(core, margin), bounds) for core in cores)]
    around = Window.between(
        min(each.row_off for each in seen), max(each.row_stop for each in seen),
        min(each.col_off for each in seen), max(each.col_stop for each in seen),
    )  # fmt: skip
    return around.intersection(scene) or strip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A strip whose windows are at work, or wait for it."""

    strip: Window
    decoded: _Rows
    out: Steps
    jobs: list[Callable[[], object]]
    """Each ends when its window is in ``out``."""


def _begin(
    strip: Window,
    cores: list[Window],
    decoded: _Rows,
    job: tuple[Enhancer, EnhancementPlan],
    pool: ThreadPoolExecutor | None,
) -> _Begun:
    work = partial(_correct_core, decoded, *job)
    out = np.zeros((len(decoded.pixels), strip.height, strip.width), np.int16)
    jobs: list[Callable[[], object]] = []
    for core in cores:
        place = out[(slice(None), *core.within(strip).slices)]
        jobs.append(partial(work, core, place) if pool is None else pool.submit(work, core, place).result)
    return _Begun(strip=strip, decoded=decoded, out=out, jobs=jobs)


def _finish(begun: _Begun, progress: Progress, share: tuple[int, int]) -> Iterator[CorrectedRows]:
    """Wait for a strip's windows, then yield it; ``share``: rows behind it, and rows of all."""
    done, height = share
    for number, job in enumerate(begun.jobs, start=1):
        job()
        progress.report((done + begun.strip.height * number / len(begun.jobs)) / height, "enhancing")
    if not begun.jobs:
        progress.report((done + begun.strip.height) / height, "enhancing")
    # cut where a row of cells ends
    strip, first = begun.strip, begun.strip.row_off
    while first < strip.row_stop:
        last = min(first - first % CELL + CELL, strip.row_stop)
        window = Window.between(first, last, strip.col_off, strip.col_stop)
        yield CorrectedRows(
            window=window,
            correction=begun.out[:, first - strip.row_off : last - strip.row_off],
            decoded=begun.decoded.read(window),
        )
        first = last
