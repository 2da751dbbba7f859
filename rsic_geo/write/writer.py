"""What every kind of archive has in common on its way from a scene to a verified file."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import CodecEntry
from rsic_geo.errors import StructureLostError
from rsic_geo.options import EncodeOptions
from rsic_geo.progress import Progress
from rsic_geo.quality import BandErrors, blank_errors, finite, quantised_quality
from rsic_geo.repair.base import Enhancer
from rsic_geo.scenes.components import SPECTRAL_NAMES
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.quantised import Affinity
from rsic_geo.scenes.verdict import BandFacts, BandQuality, lost_message, weak_warning
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.fit import Enhancement
from rsic_geo.write.on_disk import ReadBack
from rsic_geo.write.parts import BandStore
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.sideinfo import Seal
from rsic_geo.write.verify import verify_archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An archive, written and sealed, and what that took."""

    coded: CodedScene
    seal: Seal
    passes: int = 1
    """Encoding passes made."""
    measuring_seconds: float = 0.0
    """Time spent on finding out what to encode."""


@dataclass(slots=True, kw_only=True)
class Job(ABC):
    """One scene on its way into an archive. Each kind of archive codes, stores and seals in its own way."""

    shows_pixels: ClassVar[bool] = False
    """Whether other programs show the codec's own pixels, not a preview."""
    entry: CodecEntry
    """What codes the tiles."""
    reader: Scene
    plan: ScenePlan
    options: EncodeOptions
    path: Path
    enhancer: Enhancer | None
    progress: Progress
    enhancement: Enhancement | None = None
    enhancing_seconds: float = 0.0
    found: list[BandErrors] | None = None
    """Errors of a quantised scene in its own units, as verification found them."""
    shown: NDArray[np.float64] | None = None
    """Squared errors per band of what other programs show, as verification found them."""
    read_back: ReadBack | None = None
    """What the file told when it was measured, before it was sealed; None where tiles were."""
    coded: CodedScene | None = None
    """What the tiles were coded to, once :meth:`run` has ended."""
    damage: Sequence[str] = ()
    """What the source's reader reported of damage so far, accepted by the caller."""
    bands: BandStore | None = None
    """Where finished row bands are kept; None keeps none."""
    is_contested: bool = False
    """Whether another codec is so near, tile by tile, that its archive may be the better one."""
    is_close: bool = False
    """Whether a quality took nearly all there is, so that an archive without loss may take less."""

    def run(self) -> dict[str, Any]:
        """Code, fit, seal and verify; return the report's numbers."""
        made = self._made()
        coded, seal = made.coded, made.seal
        self.coded = coded
        found = self._judged(coded)
        before = time.perf_counter()
        if self.options.verify == "full":
            self._verify(coded)
        target = self.options.target
        report = {
            "codec": self.entry.name,
            "codec_sha256": self.codec_sha256,
            "lossless": self.plan.is_exact,
            "step": list(self.plan.steps.scale) if isinstance(self.plan.steps, Affinity) else None,
            "target": {"asked": str(target), "achieved": None, "meaning": self.plan.meaning(target)},
            "bytes": seal.file_bytes,
            "side_information_bytes": seal.side_bytes,
            "ratio": self.plan.raw_bytes / seal.file_bytes,
            "bpp": seal.file_bytes * 8 / self.plan.pixels,
            "encoding_passes": max(1, made.passes),
            "bands": None if self.bands is None else {"made": self.bands.made, "kept": self.bands.kept},
            "timing": {
                "measuring": round(made.measuring_seconds, 3),
                "coding_last_pass_all_threads": round(coded.coding_seconds, 3),
                "enhancing": round(self.enhancing_seconds, 3),
                "verifying": round(time.perf_counter() - before, 3),
            },
            "bounds": list(self.plan.bounds),
            "spectral": SPECTRAL_NAMES[type(self.plan.spectral)],
            "bpppb": seal.file_bytes * 8 / self.plan.pixels / self.plan.profile.count,
            **self._quality(coded),
            "peaks": [peak.to_json() for peak in self.plan.scene_peaks],
            "signals": [facts.to_json() for facts in self.plan.facts],
            "quality": None if found is None else [band.to_json() for band in found],
            "footprint": self.plan.footprint,
            "verified": self.options.verify == "full",
        }
        numbers = {name: value for name, value in report.items() if isinstance(value, float)}
        report["target"]["achieved"] = target.reached(defaultdict(lambda: math.nan, numbers))
        return report

    @abstractmethod
    def _made(self) -> Made:
        """Write the archive."""

    def _verify(self, coded: CodedScene) -> None:
        """Decode the archive from disk and compare it with its source. Raises VerificationError."""
        target, stage = self.options.target, self.progress.stage(0.9, 1)
        how = replace(self.options.execution, fast=False)
        verified = verify_archive(
            self.path, self.reader, coded, target, stage, execution=how, read_back=self.read_back
        )
        self.found, self.shown = verified.bands, verified.shown

    def _judged(self, coded: CodedScene) -> list[BandQuality] | None:
        """Return what became of each band, and say aloud what is weak; None where it is judged later.

        Raises:
            StructureLostError: a band has lost its structure, and that was not accepted.
        """
        if not self.plan.facts:
            return []
        if not coded.is_measured and not self.plan.lossless:
            return None
        found = self._band_qualities(coded)
        message = lost_message(found, str(self.options.target))
        if message is not None and not self.options.accept_loss:
            raise StructureLostError(message)
        warning = weak_warning(found)
        if warning is not None:
            self.progress.warn(warning)
        return found

    def _band_qualities(self, coded: CodedScene) -> list[BandQuality]:
        """Return what became of each band but alpha, of the final output; floats rounded."""
        if self.plan.steps is not None:
            return [self._stepped(facts) for facts in self.plan.facts]
        final = coded if self.enhancement is None else self.enhancement
        rounding = 0.0 if self.plan.is_integral else 1 / 12
        return [
            facts.judged_in_steps(
                math.sqrt(float(final.sse[facts.band - 1]) / max(facts.signal.count, 1) + rounding),
                float(final.worst[facts.band - 1]),
            )
            for facts in self.plan.facts
        ]

    @abstractmethod
    def write_sidecar(self, name: str) -> list[str]:
        """Write what lies beside the archive, to be called so; return what other programs still miss."""

    def _stepped(self, facts: BandFacts) -> BandQuality:
        """Return what steps make of a band whose errors spread evenly over a step."""
        assert self.plan.steps is not None
        square, largest = self.plan.steps.noise(facts.band - 1)
        return facts.judged(square * facts.signal.count, largest)

    @property
    def codec_sha256(self) -> str | None:
        """Digest of the codec's own network; None for one without."""
        return None

    def _decibels(self, kind: str, sse: NDArray[np.float64], count: NDArray[np.float64]) -> float | None:
        """Return PSNR or SNR of the worst band (dB); None without an error."""
        return finite(self.plan.yardstick(kind).decibels(sse, count)) if self.plan.signals else None

    def _quality(self, coded: CodedScene) -> dict[str, Any]:
        is_fine = self.plan.coded_as is not None and self.plan.steps is None
        if self.plan.coded_as is not None or self.found is not None:
            found = quantised_quality(self.found)  # others show steps within a bound, and a COG, as they are
            snr = self._decibels("snr", coded.sse, coded.count) if is_fine else self._snr_found()
            return {**found, "psnr_shown": self._psnr_shown(coded) if is_fine else found["psnr"], "snr": snr}
        plan, final, bands = self.plan, self.enhancement or coded, None
        if coded.is_measured:
            peaks = [peak.span for peak in plan.peaks] or [math.nan] * plan.profile.count
            bands = blank_errors(plan.profile, peaks)
            for band, sse, count, worst in zip(bands, final.sse, coded.count, final.worst, strict=True):
                band.sse, band.samples, band.max_abs_error = float(sse), int(count), float(worst)
        told = {
            **quantised_quality(bands),
            # one way of computing all of them, or equal ones would differ in their last digit
            "psnr": self._decibels("psnr", final.sse, coded.count) if bands else None,
            "psnr_codec": self._decibels("psnr", coded.sse, coded.count) if bands else None,
            "psnr_shown": self._psnr_shown(coded),
            "snr": self._decibels("snr", final.sse, coded.count) if bands else None,
            **({"max_rel_error": 0.0} if plan.lossless else {}),
        }
        if self.enhancement is not None and self.enhancer is not None:
            told["model"] = {"name": self.enhancer.name, "sha256": self.enhancer.sha256}
            told["cells_enhanced"] = float((self.enhancement.strengths > 0).mean())
        return told

    def _snr_found(self) -> float | None:
        """Return the SNR of what was found in the units of the scene (dB)."""
        if self.found is None or not self.plan.signals:
            return None
        rod = self.plan.yardstick("snr").scaled(self.plan.factors)
        sse = np.array([band.sse for band in self.found])
        return finite(rod.decibels(sse, np.array([float(band.samples) for band in self.found])))

    def _psnr_shown(self, coded: CodedScene) -> float | None:
        """Return the PSNR of what other programs show; None where that is a preview, or was not decoded."""
        if self.shown is None or not self.shows_pixels:
            return None
        return self._decibels("psnr", self.shown, coded.count)
