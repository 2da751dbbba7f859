"""BD-rate: how many more or fewer bits one codec needs than another for the same quality, on average.

Curves are interpolated by the package ``bjontegaard`` (log of the rate over quality, piecewise cubic as in
the sheets of JVET) and compared where their qualities overlap. A number from a sliver of overlap says
nothing, so a pair counts only if both curves have three points that rise, and if the other codec reaches at
least half of the range of qualities the anchor reaches. Pairs that do not are named, not averaged.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsic_geo.errors import MissingDependencyError

MIN_OVERLAP = 0.5
"""Part of the anchor's range of qualities that the other codec must reach, too."""
MIN_POINTS = 3
METHOD = "pchip"
"""Interpolation, in the words of the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCurve:
    """Rate and quality of one codec on one scene."""

    bpp: tuple[float, ...]
    """Bits per pixel."""
    quality: tuple[float, ...]
    """Any measure that grows with quality, at these rates."""

    def rising(self) -> RateCurve:
        """Return the curve in order of rate without points that cost more and give nothing.

        Points that are not finite are left out, too.
        """
        points = sorted(
            (rate, value)
            for rate, value in zip(self.bpp, self.quality, strict=True)
            if math.isfinite(value) and rate > 0
        )
        kept: list[tuple[float, float]] = []
        for rate, value in points:
            if kept and rate == kept[-1][0]:
                kept.pop()
            if not kept or value > kept[-1][1]:
                kept.append((rate, value))
        return RateCurve(bpp=tuple(rate for rate, _ in kept), quality=tuple(value for _, value in kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class BdRate:
    """Outcome of one comparison."""

    percent: float
    """Bits more (positive) or fewer (negative) than the anchor; NaN where it means nothing."""
    overlap: float
    """Part of the anchor's range of qualities that was compared, 0..1."""
    reason: str = ""
    """Why there is no number; empty where there is one."""


def overlap_of(anchor: RateCurve, test: RateCurve) -> float:
    """Return the part of the anchor's range of qualities that both reach, 0..1."""
    low, high = min(anchor.quality), max(anchor.quality)
    shared = min(high, max(test.quality)) - max(low, min(test.quality))
    return max(shared, 0.0) / (high - low) if high > low else 0.0


def bd_rate(anchor: RateCurve, test: RateCurve, *, min_overlap: float = MIN_OVERLAP) -> BdRate:
    """Return the mean difference in rate of ``test`` against ``anchor`` at equal quality.

    Args:
        anchor: what is compared with.
        test: what is judged.
        min_overlap: least overlap a number is given for, 0..1.

    Raises:
        MissingDependencyError: if the package ``bjontegaard`` is not installed.
    """
    try:
        import bjontegaard
    except ImportError as error:
        raise MissingDependencyError(
            "BD-rates need the package bjontegaard: pip install 'rsic-geo[eval]'"
        ) from error
    first, second = anchor.rising(), test.rising()
    if min(len(first.bpp), len(second.bpp)) < MIN_POINTS:
        return BdRate(percent=math.nan, overlap=0.0, reason=f"fewer than {MIN_POINTS} rising points")
    overlap = overlap_of(first, second)
    if overlap < min_overlap or overlap == 0:
        return BdRate(
            percent=math.nan, overlap=overlap, reason=f"reaches only {overlap:.0%} of the anchor's qualities"
        )
    percent = bjontegaard.bd_rate(
        np.array(first.bpp), np.array(first.quality), np.array(second.bpp), np.array(second.quality),
        method=METHOD, require_matching_points=False, min_overlap=0,
    )  # fmt: skip
    return BdRate(percent=float(percent), overlap=overlap)


@dataclass(frozen=True, slots=True, kw_only=True)
class BdSummary:
    """BD-rates of one codec over many scenes (percent)."""

    mean: float
    median: float
    worst: float
    """Largest, that is least favourable."""
    best: float
    worst_scene: str
    count: int
    """Scenes that count."""
    above_zero: int
    """Scenes that need more bits than the anchor."""
    mean_of_sources: float
    """Mean of the sources' means, so that a source with many scenes does not decide."""
    sources: Mapping[str, float]
    """Mean per source."""
    left_out: Mapping[str, str]
    """Scenes that do not count, and why."""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return {
            "mean": self.mean, "median": self.median, "worst": self.worst, "worst_scene": self.worst_scene,
            "best": self.best, "scenes": self.count, "scenes_above_zero": self.above_zero,
            "mean_of_sources": self.mean_of_sources, "sources": dict(self.sources),
            "left_out": dict(self.left_out),
        }  # fmt: skip


def summarise(rates: Mapping[str, BdRate], sources: Mapping[str, str]) -> BdSummary:
    """Return mean, median and worst of the BD-rates of many scenes, in all and per source.

    Args:
        rates: by name of the scene.
        sources: source of each scene, by name.
    """
    counted = {name: rate.percent for name, rate in rates.items() if not rate.reason}
    grouped: dict[str, list[float]] = {}
    for name, percent in counted.items():
        grouped.setdefault(sources[name], []).append(percent)
    means = {source: statistics.fmean(values) for source, values in sorted(grouped.items())}
    values = list(counted.values()) or [math.nan]
    return BdSummary(
        mean=statistics.fmean(values),
        median=statistics.median(values),
        worst=max(values),
        best=min(values),
        worst_scene=max(counted, key=lambda name: counted[name], default=""),
        count=len(counted),
        above_zero=sum(percent > 0 for percent in counted.values()),
        mean_of_sources=statistics.fmean(means.values()) if means else math.nan,
        sources=means,
        left_out={name: rate.reason for name, rate in rates.items() if rate.reason},
    )
