"""Searches that meet a target: sizes within 2 %, PSNR and maximum error never missed.

Every search ends in tiles that were decoded and measured, so what is reported is what was written. The
measured curves only say where to look.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import TargetNotReachedError
from rsic_geo.options import Effort
from rsic_geo.progress import Progress
from rsic_geo.scenes.verdict import Yardstick, cost_of, decibels
from rsic_geo.targets import Target
from rsic_geo.write.coded import CodedScene, SceneCoder
from rsic_geo.write.passes import TilePass
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.rate import allocate
from rsic_geo.write.rate.allocate import Allocation, Hunt, TileCurve
from rsic_geo.write.rate.close import code_close
from rsic_geo.write.rate.search import PSNR_AIM

SIZE_TOLERANCE = 0.01
"""Sizes are searched to within this part of the target; the promise is twice as wide."""
ENHANCED_MARGIN = 0.005
"""What a PSNR after enhancement must exceed its target by (dB): devices and window sizes differ a little."""
PSNR_MARGIN = 0.0005
"""What a PSNR must exceed its target by (dB): decoders differ in a few pixels by one digital number."""
PSNR_SLACK: dict[Effort, float] = {"fast": 0.2, "normal": 0.1, "best": 0.04}
"""A PSNR may exceed its target by this much (dB) before another search round is worth its time: 0.1 dB are
about half a percent of the bytes, a round is a third of the time or more."""
MAX_ROUNDS = 8
MAX_SIZE_PASSES = 4
_STEP_BYTES = 256
"""Bytes a tile may fall short of its size, for want of a pass that fits, with more left to code."""
EXACT_TILES = 6
"""A scene of no more tiles is too small for the encoder's shortfalls to even out."""
PROBE_TILES = 4
"""Tiles looked at first, over all errors, where only the size of a scene is known."""
_SAMPLED_TILES = 16
"""Tiles of a scene from which on a part of them is enough to learn what the encoder leaves of an error."""
_LAYER_STEP, _WIDE_STEP = 1.5, 3.0
"""Distance of the measuring layers (dB), about a quality and over all that a type can have."""
_COARSER, _FINER = 15.0, 12.0
"""How far they go beyond the quality wanted (dB): tiles of one slope differ, and encoders leave more."""
_MOST_LAYERS = 40
_FLOOR = 4.0
"""Mean squared error (digital numbers squared) below which rounding explains what is left."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A quality of the worst band, as what squared errors it leaves."""

    rod: Yardstick
    goal: float
    """Cost of the worst band, see :class:`Yardstick`."""
    count: NDArray[np.float64]
    """Samples that count, per band of the codec."""
    mean_square: float
    """Mean squared error that the most delicate band may have, in what the codec sees."""
    is_by_band: bool
    """Whether what the codec sees are several bands that are judged one by one."""

    @property
    def near(self) -> float | tuple[float, ...]:
        """Mean squared error the curves have to be right about, of all bands or of each."""
        if not self.is_by_band:
            return self.mean_square
        judged = {band for unit in self.rod.units for band in unit}
        return tuple(
            self.goal * square if band in judged else math.inf for band, square in enumerate(self.rod.squares)
        )

    def aim(self, curves: list[TileCurve]) -> float:
        """Return the squared error of all bands together that leaves the worst one at the goal."""
        even = self.mean_square * float(self.count.sum())
        if not self.is_by_band or not all(curve.by_band.size for curve in curves):
            return even
        return allocate.error_of(curves, lambda sse: self.rod.cost(sse, self.count) <= self.goal)


@dataclass(slots=True, kw_only=True)
class RateSearch:
    """One scene, its coder and everything learned about it so far."""

    coder: SceneCoder
    plan: ScenePlan
    _curves: list[TileCurve] = field(default_factory=list)
    passes: int = 0
    """Encoding passes made."""
    slack: float = PSNR_SLACK["normal"]
    """What a quality may exceed its target by (dB)."""
    is_measured: bool = True
    """False: tiles are not decoded as they are coded, so nothing is known of their errors before the scene is
    carried on, if then."""
    measuring_seconds: float = 0.0
    """Time spent on the tiles' curves."""
    is_close: bool = False
    """Whether a quality took nearly all there is, so that all of it, coded without loss, may take less."""
    everything: int = 0
    """Bytes of all there is to code, once a size was asked for that nothing fills."""

    def curves(
        self, progress: Progress, bpp: float | None = None, wanted: _Wanted | None = None
    ) -> list[TileCurve]:
        """Return the tiles' curves, measured at the first call.

        Args:
            progress: told after each tile.
            bpp: mean bits per pixel the search is about.
            wanted: quality the search is about, where ``bpp`` is None.
        """
        if not self._curves:
            started = time.perf_counter()
            near = None if wanted is None or not wanted.mean_square > 0 else wanted.near
            if bpp is not None and len(self.plan.grid) > PROBE_TILES:
                near = self._probe(bpp, progress.stage(0, 0.2))
                progress = progress.stage(0.2, 1)
            self._curves = self._measured(near, near, progress)
            budget = math.inf if bpp is None else bpp * self.plan.pixels / 8
            if isinstance(near, float):
                least = 0.0 if wanted is None else allocate.at_slope(self._curves, 0.0).predicted_sse
                step = 10 ** ((_COARSER + _FINER) / 10)
                if allocate.coarsest(self._curves).total > budget:
                    near *= step  # the few tiles were no sample of the others
                    self._curves = self._measured(near, near, progress)
                elif wanted is not None and near > _FLOOR and least > near * wanted.count.sum():
                    # the encoder thinks too well of its own
                    self._curves = self._measured(near / step, near, progress)
            self.measuring_seconds += time.perf_counter() - started
        return self._curves

    def _measured(
        self,
        about: float | tuple[float, ...] | None,
        near: float | tuple[float, ...] | None,
        progress: Progress,
    ) -> list[TileCurve]:
        """Return the curves of all tiles, layers lying about one error, decoded near another."""
        # Rounding and the quantiser add to a small error what is another part of it in every tile.
        is_alike = isinstance(near, float) and near > _FLOOR and len(self.plan.grid) >= _SAMPLED_TILES
        layers = layer_errors(self.plan, about)
        return self.coder.curves(layers, progress, near=near, is_sampled=is_alike)

    def _probe(self, bpp: float, progress: Progress) -> float | None:
        """Return about the mean squared error that a few tiles have at a mean rate (bits per pixel)."""
        grid = self.plan.grid
        looks = min(PROBE_TILES, len(grid) // 8 + 1)
        chosen = sorted({round((i + 0.5) * len(grid) / looks - 0.5) for i in range(looks)})
        layers = layer_errors(self.plan, None)
        # One look in the middle will do: the range taken from this is wide.
        curves = self.coder.curves(layers, progress, only=chosen, near=layers[len(layers) // 2])
        pixels = [grid.core(grid.tile_number(number)).pixel_count for number in chosen]
        shared = allocate.for_bytes(curves, round(bpp * sum(pixels) / 8))
        # Of equal slope busy tiles have about the same error, level ones less: those matter less.
        worst = max(error / count for error, count in zip(shared.errors, pixels, strict=True))
        return worst / self.plan.form.bands or None  # nothing is left: anything may be

    def lossless(self, progress: Progress) -> CodedScene:
        """Code every tile reversibly."""
        return self.coder.encode(TilePass(work="lossless"), progress)

    def within(self, bound: float, progress: Progress) -> CodedScene:
        """Code every tile with as few bytes as keep its largest absolute error within ``bound``.

        Raises:
            TargetNotReachedError: if a tile misses the bound at the finest lossy quality.
        """
        self.passes += 1
        return self.coder.encode(TilePass(work="within", bound=bound), progress, "searching tile by tile")

    def encode(self, allocation: Allocation, progress: Progress) -> CodedScene:
        """Code every tile to its squared error."""
        self.passes += 1
        shares = zip(self._curves, allocation.errors, strict=True)
        errors = tuple(curve.to_ask(error) for curve, error in shares)
        return self._coded(TilePass(work="errors", errors=errors, is_measured=self.is_measured), progress)

    def encode_close(self, error: float, progress: Progress) -> CodedScene:
        """Code every tile to one mean squared error, by the wavelet that could keep all."""
        self.passes += 1
        return self._coded(TilePass(work="close", error=error, is_measured=self.is_measured), progress)

    def encode_sizes(self, sizes: tuple[int, ...], progress: Progress) -> CodedScene:
        """Code every tile to its number of bytes.

        A few tiles are fitted to the byte. Among many the encoder's own small shortfall (below 1 % from 32 kB
        on) is left to the search over the scene, which costs no second coding of each tile.
        """
        self.passes += 1
        todo = TilePass(
            work="sizes",
            sizes=sizes,
            is_exact=len(self.plan.grid) <= EXACT_TILES,
            is_measured=self.is_measured,
        )
        return self._coded(todo, progress)

    def _coded(self, todo: TilePass, progress: Progress) -> CodedScene:
        coded = self.coder.encode(todo, progress)
        coded.is_measured = self.is_measured
        return coded


def layer_errors(plan: ScenePlan, near: float | tuple[float, ...] | None) -> tuple[float, ...]:
    """Return the mean squared errors of the measuring layers, falling.

    Args:
        plan: of the scene.
        near: mean squared error, or that of each band, the search is about; None: anything.
    """
    finite = [each for each in (near if isinstance(near, tuple) else (near,)) if each and each < math.inf]
    if finite:
        step, high, low = _LAYER_STEP, max(finite) * 10 ** (_COARSER / 10), min(finite) / 10 ** (_FINER / 10)
    else:
        peak = 2.0 ** (plan.form.bits or 8 * np.dtype(plan.form.dtype).itemsize)
        step, high, low = _WIDE_STEP, peak**2 / 10, 0.1
    count = min(round(10 * math.log10(high / low) / step) + 1, _MOST_LAYERS)
    return tuple(map(float, np.geomspace(high, low, count)))


def to_bytes(search: RateSearch, budget: int, progress: Progress) -> CodedScene:
    """Code the scene so that all tile codestreams together have ``budget`` bytes within 1 %.

    A scene that needs fewer bytes at the finest quality is given those.

    Raises:
        TargetNotReachedError: if even the coarsest coding is larger.
    """
    if len(search.plan.grid) == 1:
        coded = search.encode_sizes((budget,), progress)
        coded.is_complete = coded.body_bytes < (1 - 2 * SIZE_TOLERANCE) * budget
        return coded
    bpp = budget * 8 / search.plan.pixels
    curves = search.curves(progress.stage(0, 0.5), bpp=bpp)
    wanted, most = float(budget), search.everything
    for attempt in range(MAX_SIZE_PASSES):
        sizes = allocate.for_bytes(curves, round(wanted)).sizes
        part = 0.5 / MAX_SIZE_PASSES
        coded = search.encode_sizes(sizes, progress.stage(0.5 + attempt * part, 0.5 + (attempt + 1) * part))
        # asked for more than ever and given no more than before: everything is coded
        coded.is_complete = coded.body_bytes <= most
        if coded.is_complete:
            search.everything = coded.body_bytes
        if coded.is_complete or abs(coded.body_bytes - budget) <= SIZE_TOLERANCE * budget:
            break
        most = coded.body_bytes if coded.body_bytes < budget else 0
        wanted *= budget / coded.body_bytes
    return coded


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """What becomes of a coded scene."""

    finish: Callable[[CodedScene, Progress], NDArray[np.float64]]
    """Carries a coding to its final output and returns the squared errors (bands,) of that."""
    usual_gain: float = 0.0
    """What that usually adds to the codec's quality (dB): where a search begins."""
    foretaste: Callable[[CodedScene, Progress], NDArray[np.float64] | None] = lambda _coded, _progress: None
    """Tells by a sample what squared errors (bands,) to expect, in a fraction of the time; None where it
    cannot."""


def to_decibels(search: RateSearch, target: Target, carrying: Carrying, progress: Progress) -> CodedScene:
    """Code the scene with as few bytes as a PSNR or SNR of its worst band needs.

    The curves of the tiles know the error of all bands together. What that means to the worst band is learned
    from each coding: the search steers the bands' common error by the cost of the worst.

    Args:
        search: the scene.
        target: quality (dB) the final output must have, never less.
        carrying: what becomes of a coding.
        progress: told all along.

    Raises:
        TargetNotReachedError: if even exact samples miss the target, as those of quantised floats may.
    """
    plan = search.plan
    rod = plan.yardstick(target.kind)
    # Curves are in what the codec sees, which for rotated bands has units of its own.
    goal = _Wanted(
        rod=rod,
        goal=cost_of(target.decibels),
        count=np.array([float(signal.count) for signal in plan.signals]),
        mean_square=rod.mean_square(target.decibels) * plan.error_scale,
        is_by_band=len(rod.units) > 1 and plan.spectral is None,
    )
    curves = search.curves(progress.stage(0, 0.3), wanted=goal)
    margin = ENHANCED_MARGIN if carrying.usual_gain else PSNR_MARGIN
    hunt = Hunt(goal=cost_of(target.decibels + PSNR_AIM * search.slack))
    least, most_wanted = target.decibels + margin, target.decibels + search.slack
    best = None
    aim = goal.aim(curves) * 10 ** ((carrying.usual_gain - PSNR_AIM * search.slack) / 10)
    first = _first_coding(search, carrying, hunt, aim, progress.stage(0.3, 0.4))
    likely = rod.cost(first.sse * hunt.gain, first.count)
    is_off = hunt.is_known and not least <= decibels(likely) <= most_wanted
    aim, begun = (aim * hunt.goal / likely, None) if is_off else (aim, first)
    before = most = 0
    for attempt in range(MAX_ROUNDS):
        stage = progress.stage(0.4 + 0.5 * attempt / MAX_ROUNDS, 0.4 + 0.5 * (attempt + 1) / MAX_ROUNDS)
        allocation = allocate.for_error(curves, aim)
        coded, begun = begun or search.encode(allocation, stage.stage(0, 0.5)), None
        likely = rod.cost(coded.sse * hunt.gain, coded.count)
        is_far = hunt.is_known and decibels(likely) < least - search.slack
        if coded.is_measured and (is_far or coded.body_bytes in hunt.missed):
            achieved, reached = likely, False  # not worth carrying on
        else:
            found = carrying.finish(coded, stage.stage(0.5, 1))
            hunt.learn_gain(coded.sse, found)
            achieved = rod.cost(found, coded.count)
            reached = decibels(achieved) >= least
        if reached:
            is_near = decibels(achieved) <= most_wanted
            if is_near or attempt >= 4 or coded.body_bytes == most or hunt.is_settled(coded.body_bytes, 0):
                return coded
            best = (allocation, achieved)
        else:
            asked = sum(allocation.sizes)
            is_ignored = asked > 1.1 * coded.body_bytes + _STEP_BYTES * len(allocation.sizes)
            hunt.missed[coded.body_bytes] = hunt.missed.get(coded.body_bytes, 0) + 1
            is_all = is_ignored and asked >= before and coded.body_bytes <= most
            if is_all or hunt.is_over(coded.body_bytes) or hunt.is_at_floor(aim, achieved):
                break  # everything is coded, or the encoder has nothing between this and what reached
        aim = hunt.next_aim(aim, achieved, coded.body_bytes, reached=reached)
        if not reached and not hunt.low and coded.body_bytes == most:
            aim *= 0.96  # a step too small for the encoder
        before, most = sum(allocation.sizes), coded.body_bytes
    else:
        if best is None:  # steps too coarse for the search: well below what missed, before all there is
            best = (allocate.for_error(curves, aim / 8), 0.0)
    return _last_resort(search, target, carrying, None if best is None else best[0], progress)


def _first_coding(
    search: RateSearch, carrying: Carrying, hunt: Hunt, aim: float, progress: Progress
) -> CodedScene:
    """Return a coding of the squared error to begin with.

    The search learns by it what carrying on gains, to some 0.02 dB: mostly the next coding is right, and only
    that is carried on, which takes most of the time.
    """
    coded = search.encode(allocate.for_error(search.curves(progress), aim), progress.stage(0, 0.6))
    expected = carrying.foretaste(coded, progress.stage(0.6, 1))
    if expected is not None:
        hunt.learn_gain(coded.sse, expected)
    return coded


def _last_resort(
    search: RateSearch,
    target: Target,
    carrying: Carrying,
    best: Allocation | None,
    progress: Progress,
) -> CodedScene:
    """Return the best coding known to reach, else the finest, else one of exact samples."""
    rod = search.plan.yardstick(target.kind)
    least = target.decibels + (ENHANCED_MARGIN if carrying.usual_gain else PSNR_MARGIN)
    count = len(search.plan.grid)
    finest = Allocation(sizes=(0,) * count, slope=0.0, errors=(0.0,) * count)

    def reaches(coded: CodedScene, stage: Progress) -> bool:
        return decibels(rod.cost(carrying.finish(coded, stage), coded.count)) >= least

    if best is not None:
        coded = search.encode(best, progress.stage(0.9, 0.91))
        if reaches(coded, progress.stage(0.91, 0.92)):
            return coded
    coded = search.encode(finest, progress.stage(0.92, 0.93))
    is_enough, size = reaches(coded, progress.stage(0.93, 0.94)), coded.body_bytes
    # The 9/7 wavelet leaves half a digital number or so: for less than that there is the reversible one, and
    # where all there is of the one is just enough, the other may take less.
    search.is_close = True
    close = code_close(search, target, least, carrying, progress.stage(0.94, 0.97))
    if close is not None and (not is_enough or close.body_bytes < size):
        return close
    # A band of few counts may be allowed next to nothing: then every sample is exact.
    last = partial(search.encode, finest) if is_enough else partial(search.within, 0.0)
    coded = last(progress.stage(0.97, 0.98))
    if reaches(coded, progress.stage(0.98, 1)):
        return coded
    raise TargetNotReachedError(
        f"{target} cannot be met on this scene, whose values are stored in steps of 16 bits: ask for less"
    )
