"""Rate-distortion curves as one picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rsic_geo.errors import MissingDependencyError
from rsic_geo.evaluation.curves.rd import ANCHOR, RdResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#c23b22", "#1f6f8b", "#e08e1b", "#4b8b3b", "#7a4fa3", "#8c6d46", "#d4589b", "#2b9e9e")
_GREY = "#404040"
_LOWEST_GAIN = -1.5
"""What is far worse than plain JPEG 2000 is cut off (dB), so that gains can be told apart."""
_HIGHEST_BD_RATE = 40.0
"""Likewise (percent)."""


def plot_rate_distortion(result: RdResult, target: Path) -> None:
    """Draw mean curves, the gain over plain JPEG 2000, and the BD-rate of every scene as a PNG.

    Raises:
        MissingDependencyError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("plots need matplotlib: pip install 'rsic-geo[eval]'") from error
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(result.systems[1:])}
    colours[ANCHOR] = _GREY
    figure = Figure(figsize=(13, 9.2), dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, 2)
    _mean_curves(upper[0], result, "psnr", "mean PSNR (dB)", colours)
    _gains(upper[1], result, colours)
    _mean_curves(lower[0], result, "ms_ssim", "mean MS-SSIM (dB, -10 log10(1 - value))", colours)
    _scene_rates(lower[1], result, colours)
    scenes, sources = len(result.sources), len(set(result.sources.values()))
    figure.suptitle(
        f"Rate and distortion of {scenes} scenes from {sources} sources, every byte of the file counted",
        fontsize=13,
    )
    figure.savefig(target)


def _mean_curves(axes: Axes, result: RdResult, measure: str, label: str, colours: dict[str, str]) -> None:
    for system in result.systems:
        points = [result.mean_at(system, rate, measure) for rate in result.options.rates]
        points = [point for point in points if math.isfinite(point[1])]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", ms=4, lw=1.6, color=colours[system], label=system)
    _dress(axes, label)
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def _dress(axes: Axes, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel(label)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "1235" else "")
    axes.grid(True, which="both", color="#e4e4e4", lw=0.7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _gains(axes: Axes, result: RdResult, colours: dict[str, str]) -> None:
    """PSNR over plain JPEG 2000 at the same number of bytes: mean and the middle half of the scenes."""
    for system in result.systems[1:]:
        rates, curves = gains_at_equal_rate(result, system)
        if not curves.size:
            continue
        low, middle, high = np.nanpercentile(curves, (25, 50, 75), axis=0)
        axes.fill_between(rates, low, high, color=colours[system], alpha=0.12, lw=0)
        axes.plot(rates, np.nanmean(curves, axis=0), "-", lw=1.8, color=colours[system], label=system)
        axes.plot(rates, middle, ":", lw=1.0, color=colours[system])
    axes.axhline(0, color=_GREY, lw=1)
    _dress(axes, "PSNR over plain JPEG 2000, equal bytes (dB)")
    axes.set_ylim(bottom=max(axes.get_ylim()[0], _LOWEST_GAIN))
    axes.set_title("line: mean, dots: median, band: middle half of the scenes", fontsize=9, color=_GREY)


def gains_at_equal_rate(result: RdResult, system: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return rates and, per scene, the PSNR of a codec less plain JPEG 2000's at these rates (dB).

    Interpolated linearly over the logarithm of the rate. Rates that not all scenes' curves reach are left
    out, so that the mean is one of the same scenes everywhere.
    """
    pairs = []
    for scene in result.sources:
        anchor, test = (result.curve(scene, name, "psnr").rising() for name in (ANCHOR, system))
        if min(len(anchor.bpp), len(test.bpp)) >= 2:
            pairs.append((anchor, test))
    if not pairs:
        return np.zeros(0), np.zeros((0, 0))
    low = max(max(a.bpp[0], t.bpp[0]) for a, t in pairs)
    high = min(min(a.bpp[-1], t.bpp[-1]) for a, t in pairs)
    if high <= low:
        return np.zeros(0), np.zeros((0, 0))
    rates = np.geomspace(low, high, 60)
    at = np.log(rates)
    curves = [
        np.interp(at, np.log(t.bpp), t.quality) - np.interp(at, np.log(a.bpp), a.quality) for a, t in pairs
    ]
    return rates, np.array(curves)


def _scene_rates(axes: Axes, result: RdResult, colours: dict[str, str]) -> None:
    """BD-rate of every scene, one column per source."""
    sources = sorted(set(result.sources.values()))
    shown = result.systems[1:]
    for k, system in enumerate(shown):
        rates = result.bd_rates(system, "psnr")
        shift = (k - (len(shown) - 1) / 2) * 0.7 / max(len(shown), 1)
        for column, source in enumerate(sources):
            values = sorted(
                rate.percent
                for scene, rate in rates.items()
                if result.sources[scene] == source and not rate.reason
            )
            places = column + shift + (np.arange(len(values)) - (len(values) - 1) / 2) * 0.006
            axes.plot(places, values, "o", ms=3.5, alpha=0.75, color=colours[system], mew=0)
    axes.axhline(0, color=_GREY, lw=1)
    axes.set_xticks(range(len(sources)), [source.replace("_", "\n", 1) for source in sources], fontsize=8)
    axes.set_ylim(top=min(axes.get_ylim()[1], _HIGHEST_BD_RATE))
    axes.set_ylabel("BD-rate of each scene (%), below 0 is better")
    axes.grid(True, axis="y", color="#e4e4e4", lw=0.7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
