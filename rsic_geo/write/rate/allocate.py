"""How a scene's bits are shared over its tiles: equal slope on measured curves, and what to ask of these.

Every tile was coded once in layers and decoded at each, which gives points (bytes, squared error). Between
points the logarithm of the error is taken as linear in the bytes (the high-rate law of transform coding). A
tile's convex curve has a slope everywhere; a scene is coded best, for its total bytes, when all tiles stand
at the same slope (Lagrange; Shoham and Gersho 1988). A constant rate per tile is up to 0.6 dB worse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

_STEPS = 24
"""Samples between two measured points of a curve."""
_ROUNDING = 1e-9
"""Smaller falls of an error, as part of it, are none: sums of squares are not exact."""
_STEEP = 1e18
"""Slope at which every tile stands at its coarsest point."""
_LITTLE = math.log(0.5)
"""Logarithm of what is left over what was asked for, below which there was no more to lose."""
_JUMP = 4.0
"""Ratio of those of two layers from which on an error in between is not to be had."""
_GROWTH = 0.35
"""Growth of a tile beyond its finest point for each 6 dB: one bit more for every three it has."""
SETTLED = 0.01
"""Share of the bytes that is not worth another round."""
_FARTHEST = 64.0
"""Most a squared error that is asked for changes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCurve:
    """Convex rate-distortion curve of one tile, finely sampled."""

    size: NDArray[np.float64]
    """Bytes, increasing, shape (n,)."""
    sse: NDArray[np.float64]
    """Sum of squared errors at these sizes, decreasing, shape (n,)."""
    measured: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Bytes that were measured, increasing, shape (m,)."""
    by_band: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    """Sum of squared errors of each band there, (m, bands); nothing where bands are not told apart."""
    asked: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Sum of squared errors that the encoder was asked for there, (m,)."""
    left: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Sum of squared errors there, (m,)."""
    rise: NDArray[np.float64] = field(init=False)
    """What a byte buys between two samples, (n - 1,), its sign turned: increasing on a convex curve."""

    def __post_init__(self) -> None:
        """Take the slopes once: a search asks for them some hundred times."""
        object.__setattr__(self, "rise", np.diff(self.sse) / np.diff(self.size))

    @classmethod
    def from_points(
        cls,
        size: tuple[int, ...],
        sse: tuple[float, ...],
        by_band: tuple[tuple[float, ...], ...] = (),
        asked: tuple[float, ...] = (),
    ) -> TileCurve:
        """Build the curve from measured layers, in any order; dominated points are dropped."""
        order = np.argsort(np.asarray(size, float), kind="stable")
        bytes_, errors = np.asarray(size, float)[order], np.asarray(sse, float)[order]
        keep = [0]
        for i in range(1, len(bytes_)):
            if errors[i] < errors[keep[-1]] * (1 - _ROUNDING):
                if bytes_[i] == bytes_[keep[-1]]:
                    keep[-1] = i
                else:
                    keep.append(i)
        bytes_, errors = bytes_[keep], errors[keep]
        wanted = np.asarray(asked or sse, float)[order][keep]
        fine_size, fine_sse = [bytes_[:1]], [errors[:1]]
        for i in range(len(bytes_) - 1):
            t = np.linspace(0, 1, 2 if _is_jump(errors, wanted, i) else _STEPS + 1)[1:]
            fine_size.append(bytes_[i] + t * (bytes_[i + 1] - bytes_[i]))
            low = np.log(np.maximum(errors[i : i + 2], 1e-3))
            fine_sse.append(np.exp(low[0] + t * (low[1] - low[0])))
        hull = _lower_hull(np.concatenate(fine_size), np.concatenate(fine_sse))
        bands = np.asarray(by_band, float).reshape(len(order), -1)[order][keep]
        return cls(**hull, measured=bytes_, by_band=bands, asked=wanted, left=errors)

    def to_ask(self, sse: float) -> float:
        """Return the squared error to ask the encoder for where ``sse`` is to be left, 0 for none."""
        left = np.maximum(self.left, 1e-3)
        over = np.log(left / self.asked)
        if sse <= 0:  # all there is, unless a level area is exact before that
            exact = np.flatnonzero(self.left <= 0)
            return float(self.asked[exact[0]]) if len(exact) else 0.0
        finer = int(np.searchsorted(-left, -sse))
        if 0 < finer < len(left) and _is_jump(self.left, self.asked, finer - 1):
            return float(self.asked[finer])
        wanted = sse / math.exp(float(np.interp(-math.log(sse), -np.log(left), over)))
        # A tile that lacks less than it may has nothing left to lose but its mean, all at once.
        return min(wanted, float(self.asked[0])) if over[0] < _LITTLE else wanted

    def bands_at(self, size: float) -> NDArray[np.float64]:
        """Return the squared error of each band (bands,) at a size, its logarithm interpolated."""
        logs = np.log(np.maximum(self.by_band, 1e-3))
        return np.exp([float(np.interp(size, self.measured, column)) for column in logs.T])

    def at_slope(self, slope: float) -> tuple[float, float]:
        """Return (bytes, sse) that minimise ``sse + slope * bytes``."""
        i = int(np.searchsorted(self.rise, -slope, side="right"))
        return float(self.size[i]), float(self.sse[i])


def usually_left(
    tiles: Iterable[tuple[tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]], float]],
) -> float:
    """Return the part of the squared error it is asked for that the encoder leaves: 1.1 to 1.2 of most tiles.

    Args:
        tiles: bytes, squared errors and what was asked for, of layers of each tile that leaves the usual
            part; and the squared error about which that is wanted. Tiles without errors tell nothing, others
            as much as they have bytes.
    """
    weights, logs = [], []
    for (sizes, left, asked), near in tiles:
        if left and min(left) > 0:
            at = min(range(len(left)), key=lambda k: abs(math.log(left[k] / near)))
            weights.append(sizes[at])
            logs.append(math.log(left[at] / asked[at]))
    return math.exp(np.average(logs, weights=weights)) if logs else 1.0


def _is_jump(left: NDArray[np.float64], asked: NDArray[np.float64], layer: int) -> bool:
    """Return whether no error between a layer and the next is to be had: a level area has its mean or not."""
    over, beyond = np.maximum(left[layer : layer + 2], 1e-3) / asked[layer : layer + 2]
    return bool(over > _JUMP * beyond)


def _lower_hull(size: NDArray[np.float64], sse: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    hull: list[int] = []
    for i in range(len(size)):
        while len(hull) >= 2:
            a, b = hull[-2], hull[-1]
            cross = (size[b] - size[a]) * (sse[i] - sse[a]) - (sse[b] - sse[a]) * (size[i] - size[a])
            if cross > 0:
                break
            hull.pop()
        hull.append(i)
    return {"size": size[hull], "sse": sse[hull]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Bytes for every tile, and what the curves promise for them."""

    sizes: tuple[int, ...]
    slope: float
    """Squared error bought by one more byte, the same for every tile."""
    errors: tuple[float, ...]
    """Squared error that every tile then has."""

    @property
    def predicted_sse(self) -> float:
        """Squared error of all tiles."""
        return sum(self.errors)

    @property
    def total(self) -> int:
        """Bytes of all tiles."""
        return sum(self.sizes)


def at_slope(curves: list[TileCurve], slope: float) -> Allocation:
    """Return the allocation at which every tile stands at ``slope``."""
    chosen = [curve.at_slope(slope) for curve in curves]
    return Allocation(
        sizes=tuple(int(round(size)) for size, _ in chosen),
        slope=slope,
        errors=tuple(sse for _, sse in chosen),
    )


def coarsest(curves: list[TileCurve]) -> Allocation:
    """Return the allocation at which every tile has as few bytes as were measured."""
    return at_slope(curves, _STEEP)


def for_bytes(curves: list[TileCurve], budget: int) -> Allocation:
    """Return the equal-slope allocation nearest to ``budget`` bytes; the rest is spread in proportion.

    Where every curve ends below the budget, each tile is given its share above its last measured point.
    """
    best = _search(curves, lambda a: a.total <= budget)
    least = coarsest(curves)
    if least.total > budget > 0:  # outside what was measured sizes are guessed
        return replace(least, sizes=tuple(max(1, size * budget // least.total) for size in least.sizes))
    spare = budget - best.total
    weights = np.asarray(best.sizes, float)
    if spare <= 0 or weights.sum() == 0:
        return best
    grown = np.floor(weights * (1 + spare / weights.sum())).astype(int)
    return replace(best, sizes=tuple(int(x) for x in grown))


def for_error(curves: list[TileCurve], sse: float) -> Allocation:
    """Return the smallest equal-slope allocation whose predicted squared error is at most ``sse``.

    Outside what was measured sizes are guessed, so that a search finds its way there.
    """
    best = _search(curves, lambda a: a.predicted_sse > sse, step_back=True)
    least = coarsest(curves)
    if best.predicted_sse > sse:
        return _scaled(best, 1 + _GROWTH * math.log(best.predicted_sse / max(sse, 1e-3), 4), sse)
    if least.predicted_sse < sse:
        return _scaled(least, least.predicted_sse / sse, sse)
    return _between(_search(curves, lambda a: a.predicted_sse > sse), best, sse)


def error_of(curves: list[TileCurve], is_enough: Callable[[NDArray[np.float64]], bool]) -> float:
    """Return the largest squared error of all bands together that is enough, as the curves predict it.

    Args:
        curves: of all tiles, bands told apart.
        is_enough: tells it of squared errors (bands,).
    """

    def is_before(allocation: Allocation) -> bool:
        tiles = zip(curves, allocation.sizes, strict=True)
        return not is_enough(np.sum([curve.bands_at(size) for curve, size in tiles], axis=0))

    return _search(curves, is_before, step_back=True).predicted_sse


def _between(steep: Allocation, flat: Allocation, sse: float) -> Allocation:
    """Return what lies between two neighbouring allocations where the squared error is ``sse``."""
    span = steep.predicted_sse - flat.predicted_sse
    part = (steep.predicted_sse - sse) / span if span > 0 else 1.0
    pairs = zip(steep.sizes, flat.sizes, strict=True)
    sizes = tuple(math.ceil(few + part * (many - few)) for few, many in pairs)
    errors = tuple(
        most + part * (least - most) for most, least in zip(steep.errors, flat.errors, strict=True)
    )
    return replace(flat, sizes=sizes, errors=errors)


def _scaled(allocation: Allocation, factor: float, sse: float) -> Allocation:
    over = sse / allocation.predicted_sse if allocation.predicted_sse > 0 else 1.0
    sizes = tuple(max(1, round(size * factor)) for size in allocation.sizes)
    return replace(allocation, sizes=sizes, errors=tuple(error * over for error in allocation.errors))


def _search(
    curves: list[TileCurve], is_before: Callable[[Allocation], bool], *, step_back: bool = False
) -> Allocation:
    """Bisect the slope: ``is_before`` holds for steep slopes (few bytes) and fails for flat ones."""
    steep, flat = _STEEP, 1e-12
    if is_before(at_slope(curves, flat)):
        return at_slope(curves, flat)
    for _ in range(90):
        middle = (steep * flat) ** 0.5
        if is_before(at_slope(curves, middle)):
            steep = middle
        else:
            flat = middle
    return at_slope(curves, flat if step_back else steep)


@dataclass(slots=True, kw_only=True)
class Hunt:
    """A search for a squared error: what was asked of the curves so far, and what came of it."""

    goal: float
    """Cost of the worst band to steer at, a little below the largest allowed."""
    low: float = 0.0
    """Largest aim (squared error of all bands) known to reach."""
    high: float = math.inf
    """Smallest aim known to miss."""
    gain: NDArray[np.float64] | float = 1.0
    """Squared errors (bands,) of the final output over those of the codec, at the last look."""
    is_known: bool = False
    """Whether there was such a look."""
    reached_bytes: float = math.inf
    """Fewest bytes known to reach."""
    missed_bytes: float = 0.0
    """Most bytes known to miss."""
    missed: dict[int, int] = field(default_factory=dict)
    """How often a coding of so many bytes came up and missed."""
    last: tuple[float, float] | None = None
    """Aim of the round before, and what came of it."""

    def learn_gain(self, coded: NDArray[np.float64], achieved: NDArray[np.float64]) -> None:
        """Remember what carrying on makes of the codec's errors (bands,); it hardly depends on the rate."""
        self.gain = np.divide(achieved, coded, out=np.ones(len(coded)), where=coded > 0)
        self.is_known = True

    def is_settled(self, reached_bytes: float, missed_bytes: float) -> bool:
        """Return whether a coding that reaches (or misses, where that is given) leaves nothing to win."""
        reached = min(self.reached_bytes, reached_bytes or math.inf)
        missed = max(self.missed_bytes, missed_bytes)
        return 0 < missed < reached <= (1 + SETTLED) * missed

    def is_over(self, missed_bytes: int) -> bool:
        """Return whether a coding that missed shows that nothing better than what reached is to be had."""
        is_stuck = math.isfinite(self.reached_bytes) and self.missed[missed_bytes] > 3
        return is_stuck or self.is_settled(0, missed_bytes)

    def is_at_floor(self, aim: float, achieved: float) -> bool:
        """Return whether a coding that missed is hardly better than one asked for far more error."""
        if self.last is None or self.low > 0:
            return False
        return aim < self.last[0] / 1.5 and achieved > 0.98 * self.last[1]

    def next_aim(self, aim: float, achieved: float, size: int, *, reached: bool) -> float:
        """Return the squared error to ask of the curves next, by the slope of the last two rounds."""
        if reached:
            self.low, self.reached_bytes = max(self.low, aim), min(self.reached_bytes, size)
        else:
            self.high, self.missed_bytes = min(self.high, aim), max(self.missed_bytes, size)
        achieved = max(achieved, 1e-30)
        power = 1.0
        if self.last is not None and aim != self.last[0] and achieved != self.last[1]:
            power = math.log(achieved / self.last[1]) / math.log(aim / self.last[0])
        self.last = (aim, achieved)
        guess: float = aim * (self.goal / achieved) ** (1 / min(max(power, 0.2), 2.0))
        guess = min(max(guess, aim / _FARTHEST), aim * _FARTHEST)  # exact samples have no slope
        if self.low > 0 and math.isfinite(self.high):
            if self.missed.get(size, 0) > 1:  # the encoder has nothing here: half way to what reached
                return math.sqrt(self.low * self.high)
            tenth: float = (self.high / self.low) ** 0.1
            return min(max(guess, self.low * tenth), self.high / tenth)
        if self.low > 0:
            return max(guess, self.low * 1.0005)
        return min(guess, self.high * 0.995)
