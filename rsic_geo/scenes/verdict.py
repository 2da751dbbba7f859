"""What an error means to a band: its signal, the yardstick of targets in dB, and the verdict on what is left.

PSNR is told against a peak (:class:`rsic_geo.geo.radiometry.Peak`), SNR against the spread of the valid
samples. Both are of the worst band, since one that is erased is no better for the others being good; red,
green and blue of uint8 count as one, by the mean over the three that everybody means there.

A verdict is passed whatever was asked for: no target, and no size, may erase a band without a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.radiometry import Peak, units_of
from rsic_geo.scenes.signals import NOISE, BandSignal
from rsic_geo.targets import Decibels, References, Target

WEAK_DB, LOST_DB = 20.0, 6.0
"""SNR below which a band is named in a warning, and below which its structure is gone (dB)."""
_MOST_NAMED, _WITHOUT = 8, " without a few extreme samples"

Verdict = Literal["exact", "good", "weak", "lost", "empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """What squared errors are held against, band by band."""

    squares: tuple[float, ...]
    """Square of each band's reference (peak or spread), in the units of the errors, squared."""
    units: tuple[tuple[int, ...], ...]
    """Bands whose errors are averaged; the worst unit counts."""

    def cost(self, sse: NDArray[np.float64], count: NDArray[np.float64]) -> float:
        """Return mean squared error over squared reference, of the worst unit; 0 without an error.

        Args:
            sse: sum of squared errors (bands,).
            count: samples that count (bands,).
        """
        worst = 0.0
        for unit in self.units:
            lost = sum(float(sse[band]) for band in unit)
            weight = sum(float(count[band]) * self.squares[band] for band in unit)
            if lost > 0:
                worst = max(worst, lost / weight if weight > 0 else math.inf)
        return worst

    def decibels(self, sse: NDArray[np.float64], count: NDArray[np.float64]) -> float:
        """Return the dB of the worst unit: infinite without an error, -inf where one is infinite."""
        return decibels(self.cost(sse, count))

    def mean_square(self, target: float) -> float:
        """Return the mean squared error the most delicate unit may have at ``target`` dB."""
        return min(sum(self.squares[band] for band in unit) / len(unit) for unit in self.units) * cost_of(
            target
        )

    def scaled(self, factors: Sequence[float]) -> Yardstick:
        """Return the yardstick for errors that are ``factors`` times as large, per band."""
        squares = tuple(s * f * f for s, f in zip(self.squares, factors, strict=True))
        return Yardstick(squares=squares, units=self.units)


def cost_of(target: float) -> float:
    """Return the share of the squared reference that ``target`` dB leave to errors."""
    return float(10 ** (-target / 10))


def decibels(cost: float) -> float:
    """Return a cost in dB."""
    if cost <= 0:
        return math.inf
    return -math.inf if math.isinf(cost) else -10 * math.log10(cost)


def yardstick_of(row: Decibels, references: Sequence[float], profile: SceneProfile) -> Yardstick:
    """Return what a target on the worst band is measured by, in the units that ``references`` are in."""
    units = units_of(profile)
    if not row.joins_colours:
        units = tuple((band,) for unit in units for band in unit)
    return Yardstick(squares=tuple(each**2 for each in references), units=units)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandQuality:
    """What became of one band."""

    band: int
    """Number of the band, from 1."""
    name: str
    """What people call it."""
    signal: BandSignal
    rmse: float
    """Root mean square error over the samples that count, in the units the codec sees."""
    largest: float
    """Largest error of such a sample, in the same units."""
    scale: float = 1.0
    """Units of the scene in one of those."""

    @property
    def snr(self) -> float | None:
        """Spread over RMSE (dB); None where there is no error or no spread."""
        if self.rmse <= 0 or self.signal.spread <= 0:
            return None
        return 20 * (math.log10(self.signal.spread) - math.log10(self.rmse))

    @property
    def core_snr(self) -> float | None:
        """The same by the spread without a few extreme samples; None where they do not dominate it."""
        if self.rmse <= 0 or not self.signal.is_dominated:
            return None
        return 20 * (math.log10(self.signal.core) - math.log10(self.rmse))

    @property
    def judged_snr(self) -> float | None:
        """What the band is judged by (dB)."""
        return self.snr if self.core_snr is None else self.core_snr

    @property
    def verdict(self) -> Verdict:
        """Exact; good; weak: below 20 dB SNR; lost: below 6 dB; empty: no sample counts.

        Where a few extreme samples make most of the spread, what the others spread is asked. A band without
        signal is judged by its largest error: weak above a count, or where it is all the band has; lost above
        a count where it is half of all the band has.
        """
        signal = self.signal
        if not signal.count:
            return "empty"
        if self.rmse <= 0:
            return "exact"
        if signal.is_constant:  # which steps keep exactly, though rounding to steps counts as an error
            return "weak" if self.largest else "exact"
        if signal.has_signal:
            snr = self.judged_snr
            assert snr is not None
            return "lost" if snr < LOST_DB else "weak" if snr < WEAK_DB else "good"
        whole = signal.high - signal.low
        if self.largest > NOISE:
            return "lost" if 2 * self.largest >= whole else "weak"
        return "weak" if self.largest >= whole else "good"

    def __str__(self) -> str:
        """Return name and what was found, as a warning tells it."""
        if self.signal.has_signal and self.judged_snr is not None:
            return f"{self.name} ({self.judged_snr:.1f} dB{'' if self.core_snr is None else _WITHOUT})"
        spread, largest = self.signal.spread * self.scale, self.largest * self.scale
        return f"{self.name} (spread {spread:.2g}, no signal: largest error {largest:.3g})"

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary, in the units of the scene."""
        snr, core = self.snr, self.core_snr
        by = "snr" if core is None else "snr without extremes"
        return {
            "band": self.band,
            "name": self.name,
            "spread": self.signal.spread * self.scale,
            "rmse": self.rmse * self.scale,
            "snr": None if snr is None else round(snr, 4),
            **({} if core is None else {"snr_without_extremes": round(core, 4)}),
            "max_abs_error": self.largest * self.scale,
            "judged_by": by if self.signal.has_signal else "largest error",
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BandFacts:
    """What a report tells of one band of the source, so that others can judge what became of it."""

    band: int
    """Number of the band, from 1."""
    name: str
    signal: BandSignal
    step: float
    """Units of the scene in one of those the signal is in: 1, or the step of a float scene."""

    def judged(self, sse: float, largest: float) -> BandQuality:
        """Return what became of the band.

        Args:
            sse: sum of squared errors over the samples that count, in the units of the scene, squared.
            largest: largest error of such a sample, in the units of the scene.
        """
        rmse = math.sqrt(sse / max(self.signal.count, 1)) / self.step
        return self.judged_in_steps(rmse, largest / self.step)

    def judged_in_steps(self, rmse: float, largest: float) -> BandQuality:
        """Return the same by root mean square and largest error in steps, whose squares any step has."""
        own: dict[str, Any] = {"band": self.band, "name": self.name, "signal": self.signal}
        return BandQuality(**own, scale=self.step, rmse=rmse, largest=largest)

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return {"band": self.band, "name": self.name, "step": self.step, **asdict(self.signal)}

    @classmethod
    def from_json(cls, entries: dict[str, Any]) -> BandFacts:
        """Rebuild what :meth:`to_json` gave."""
        own = ("band", "name", "step")
        signal = BandSignal(**{key: value for key, value in entries.items() if key not in own})
        return cls(signal=signal, **{key: entries[key] for key in own})


def band_names(descriptions: Sequence[str | None], count: int) -> list[str]:
    """Return what people call each band: its description, else its number."""
    said = list(descriptions) + [None] * (count - len(descriptions))
    return [text.strip() if text and text.strip() else f"band {n}" for n, text in enumerate(said, start=1)]


def weak_warning(found: Sequence[BandQuality]) -> str | None:
    """Return the warning that names bands of little quality; None where all are good."""
    weak = [band for band in found if band.verdict in ("weak", "lost")]
    if not weak:
        return None
    one = len(weak) == 1
    return (
        f"{'1 band ends' if one else f'{len(weak)} bands end'} below {WEAK_DB:g} dB SNR: {_named(weak)}: "
        "look at the result, or ask for more quality"
    )


def lost_message(found: Sequence[BandQuality], asked: str) -> str | None:
    """Return the error that names bands whose structure is gone; None where there is none."""
    lost = [band for band in found if band.verdict == "lost"]
    if not lost:
        return None
    far = "" if all(band.core_snr is None for band in lost) else "say if extremes mean no data (--nodata), "
    return (
        f"{asked} leaves nothing of {_named(lost)} (below {LOST_DB:g} dB SNR there is no structure): {far}"
        "ask for more quality, or say --accept-loss (accept_loss=True)"
    )


def _named(bands: Sequence[BandQuality]) -> str:
    worst = sorted(bands, key=lambda band: math.inf if band.judged_snr is None else band.judged_snr)
    more = len(worst) - _MOST_NAMED
    return ", ".join(map(str, worst[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def target_meaning(target: Target, bands: Sequence[tuple[References, Peak, str]]) -> str | None:
    """Return what a target on the worst band allows in the units of the scene, if it does not say so itself.

    ``psnr=40 of a used range 0..8414: RMSE at most 84 (B10: 6)``: the band that may lose most, and in
    brackets the one that may lose least, where that is another bound.

    Args:
        target: what was asked for.
        bands: with data: what errors of each are relative to, as far as that is known, its peak and name.
    """
    row = target.row
    if not isinstance(row, Decibels) or not bands or (target.is_amount and target.is_plain):
        return None
    spans = [row.reference(band) for band, _, _ in bands]
    bounds = [span * math.sqrt(cost_of(target.decibels)) for span in spans]
    if not all(map(math.isfinite, bounds)):
        return None
    most, least = int(np.argmax(bounds)), int(np.argmin(bounds))
    bound = f"RMSE at most {_short(bounds[most])}"
    if _short(bounds[least]) != _short(bounds[most]):
        bound += f" ({bands[least][2]}: {_short(bounds[least])})"
    band, top, _ = bands[most]
    what = {"type": "the range", "bits": "the range of its bits", "used": "a used range"}[top.kind]
    told = row.of.format(range=f"{what} {top.low:.6g}..{top.high:.6g}", spread=band.spread)
    return f"{target}{told}: {bound}"


def _short(value: float) -> str:
    """Return a number by two digits that count, as people write it: 160, 8.9, 0.16."""
    return f"{float(f'{value:.2g}'):g}"
