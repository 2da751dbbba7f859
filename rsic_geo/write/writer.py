"""What every kind of archive has in common on its way from a scene to a verified file."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import CodecEntry
from rsic_geo.container.filters import FilterTaps
from rsic_geo.errors import StructureLostError, TargetNotReachedError
from rsic_geo.geo.lattice import cell_counts
from rsic_geo.options import EncodeOptions, Target
from rsic_geo.progress import Progress
from rsic_geo.quality import BandErrors, finite, psnr_of_band, quantised_quality
from rsic_geo.repair.base import Enhancer
from rsic_geo.repair.plan import PixelSource
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.verdict import BandFacts, BandQuality, lost_message, weak_warning
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.fit import Enhancement, FitOptions, Readers, fit_enhancement
from rsic_geo.write.kept_fit import FitLog
from rsic_geo.write.parts import BandStore, plan_digest
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.rate import control
from rsic_geo.write.reading import Clamped
from rsic_geo.write.sideinfo import Fitted, Seal
from rsic_geo.write.verify import verify_archive

SIZE_PROMISE = 0.02
"""Largest miss of a size target, as part of it."""
MAX_SIZE_ROUNDS = 4
USUAL_GAIN = 0.3
"""What enhancement usually adds (dB); only where a search for a PSNR begins."""


class Search(Protocol):
    """What a search for a target reports of itself."""

    passes: int
    """Encoding passes made."""
    measuring_seconds: float
    """Time spent on finding out where to look."""


WriterT = TypeVar("WriterT")
SearchT = TypeVar("SearchT", bound=Search)


@dataclass(slots=True, kw_only=True)
class Job(ABC, Generic[WriterT, SearchT]):
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
    settled: tuple[FilterTaps | None, ...] | None = None
    """Adaptive filters of the search's first fit: their bytes must not change while a size is aimed at."""
    is_declined: bool = False
    """Whether that fit found enhancement not worth its bytes."""
    coded: CodedScene | None = None
    """What the tiles were coded to, once :meth:`run` has ended."""
    damage: Sequence[str] = ()
    """What the source's reader reported of damage so far, accepted by the caller."""
    bands: BandStore | None = None
    """Where finished row bands are kept; None keeps none."""

    def run(self) -> dict[str, Any]:
        """Code, fit, seal and verify; return the report's numbers."""
        with self._open() as writer:
            search = self._search(writer)
            coded, seal = self._code(search, writer)
        self.coded = coded
        found = self._judged(coded)
        before = time.perf_counter()
        if self.options.verify == "full":
            target, stage = self.options.target, self.progress.stage(0.9, 1)
            how = replace(self.options.execution, fast=False)
            verified = verify_archive(self.path, self.reader, coded, target, stage, execution=how)
            self.found, self.shown = verified.bands, verified.shown
        achieved = self._achieved(coded, seal)
        return {
            "codec": self.entry.name,
            "codec_sha256": self.codec_sha256,
            "lossless": self.plan.is_exact,
            "step": None if self.plan.steps is None else list(self.plan.steps.scale),
            "target": {
                "asked": str(self.options.target),
                "achieved": achieved,
                "meaning": self.plan.meaning(self.options.target.kind, self.options.target.value),
            },
            "bytes": seal.file_bytes,
            "side_information_bytes": seal.side_bytes,
            "ratio": self.plan.raw_bytes / seal.file_bytes,
            "bpp": seal.file_bytes * 8 / self.plan.pixels,
            "encoding_passes": max(1, search.passes),
            "bands": None if self.bands is None else {"made": self.bands.made, "kept": self.bands.kept},
            "timing": {
                "measuring": round(search.measuring_seconds, 3),
                "coding_last_pass_all_threads": round(coded.coding_seconds, 3),
                "enhancing": round(self.enhancing_seconds, 3),
                "verifying": round(time.perf_counter() - before, 3),
            },
            "bounds": list(self.plan.bounds),
            "spectral": "as-is" if self.plan.rotation is None else "rotated",
            "bpppb": seal.file_bytes * 8 / self.plan.pixels / self.plan.profile.count,
            **self._quality(coded),
            "peaks": [peak.to_json() for peak in self.plan.scene_peaks],
            "signals": [facts.to_json() for facts in self.plan.facts],
            "quality": None if found is None else [band.to_json() for band in found],
            "footprint": self.plan.footprint,
            "verified": self.options.verify == "full",
        }

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
        step = self.plan.steps.scale[facts.band - 1]
        is_whole = self.plan.affinity is None
        square = (step * step - is_whole) / 12
        return facts.judged(square * facts.signal.count, (step - is_whole) / 2)

    @property
    def fitted(self) -> Fitted | None:
        """The enhancement the archive is sealed with, and its enhancer; None without."""
        if self.enhancement is None or self.enhancer is None:
            return None
        return self.enhancement, self.enhancer

    @property
    def codec_sha256(self) -> str | None:
        """Digest of the codec's own network; None for one without."""
        return None

    @abstractmethod
    def _open(self) -> AbstractContextManager[WriterT]:
        """Return what collects the tiles."""

    @abstractmethod
    def _search(self, writer: WriterT) -> SearchT:
        """Return what codes the scene, as often as the target needs."""

    @abstractmethod
    def _code(self, search: SearchT, writer: WriterT) -> tuple[CodedScene, Seal]:
        """Code the scene to its target and write the archive."""

    @abstractmethod
    def _to_bytes(self, search: SearchT, budget: int, progress: Progress) -> CodedScene:
        """Code all tiles to a number of bytes."""

    @abstractmethod
    def _store(self, writer: WriterT) -> None:
        """Write what the enhancement is fitted to, where that is a file."""

    @abstractmethod
    def _decoded(self, writer: WriterT) -> AbstractContextManager[PixelSource]:
        """Return the decoded pixels the enhancement is fitted to."""

    @abstractmethod
    def _seal(self, coded: CodedScene, writer: WriterT) -> Seal:
        """Write the archive with its side information."""

    @property
    def _usual_overhead(self) -> int:
        """About what a file holds beside its tiles' bytes: where a search for a size begins."""
        return 200 + 32 * len(self.plan.grid)

    @property
    def _fit_bound(self) -> float | None:
        """Largest error strengths may leave: less than asked for, where devices and windows round apart."""
        return None if self._bound is None else max(self._bound - self._rounding, 0.0)

    @property
    def _rounding(self) -> int:
        """How far apart devices and windows may round the final output (DN)."""
        return 0 if self.enhancer is None or self.enhancer.is_exact else 1

    @property
    def _bound(self) -> float | None:
        """Largest absolute error asked for, in the scene's units."""
        return self.options.target.value if self.options.target.kind == "max-error" else None

    @property
    def _codec_bound(self) -> float:
        """Largest absolute error the codec may make under a max-error target, in what it codes."""
        value, affinity = self.options.target.value, self.plan.affinity
        return value if affinity is None else affinity.steps_within(value)

    def _finish(self, coded: CodedScene, writer: WriterT, progress: Progress) -> NDArray[np.float64]:
        """Write the scene and fit the enhancement to it; return the final squared errors (bands,)."""
        self._store(writer)
        self.enhancement = None
        if self.enhancer is None or coded.total_sse <= 0 or self.is_declined:
            return coded.sse
        bands = self.bands
        log = None if bands is None else FitLog(bands.folder, coded.pixel_crcs, plan_digest(self.plan))
        fit = FitOptions(
            window_size=self.options.execution.window_size,
            workers=self.options.execution.workers,
            max_error=self._fit_bound,
            seed=self.options.seed,
            filters=self.settled,
            log=log,
        )
        before = time.perf_counter()
        with self._decoded(writer) as stored:
            decoded = Clamped(stored, self.plan.limits)
            enhancement = fit_enhancement(
                Readers(source=self.reader, decoded=decoded), coded, self.enhancer, fit, progress
            )
        self.enhancing_seconds += time.perf_counter() - before
        if not enhancement.is_useful:
            return coded.sse
        self.enhancement = enhancement
        return enhancement.sse

    def _to_size(self, search: SearchT, writer: WriterT) -> tuple[CodedScene, Seal]:
        """Code to a size of the whole file; what headers and side information take is learned on the way.

        The enhancement is fitted only to a coding whose predicted file size is right, since it takes most of
        the time.
        """
        wanted = control.file_budget(self.options.target, self.plan)
        overhead, added = self._usual_overhead, self._enhancement_bytes()
        rounds, fits = 2 * MAX_SIZE_ROUNDS, 0
        for attempt in range(rounds):
            stage = self.progress.stage(0.9 * attempt / rounds, 0.9 * (attempt + 1) / rounds)
            budget = wanted - overhead
            if budget < 16 * len(self.plan.grid):
                raise TargetNotReachedError(
                    f"{self.options.target}: the archive would have {wanted} bytes, of which headers and "
                    f"side information take {overhead}; ask for more"
                )
            coded = self._to_bytes(search, budget, stage.stage(0, 0.5))
            self._store(writer)
            self.enhancement = None
            seal = self._seal(coded, writer)
            expected = seal.file_bytes + added
            is_spare = expected < wanted and coded.is_complete
            is_late = attempt == rounds - 1 or (attempt >= MAX_SIZE_ROUNDS - 1 and not fits)
            # Half of what is promised, while there is time: a codec with coarse steps may have none so near.
            near = SIZE_PROMISE * (0.5 if attempt < MAX_SIZE_ROUNDS else 0.9)
            if abs(expected / wanted - 1) <= near or is_spare or is_late:
                plain, fits = seal.file_bytes, fits + 1
                self._finish(coded, writer, stage.stage(0.5, 1))
                seal = self._seal(coded, writer)
                is_right = abs(seal.file_bytes / wanted - 1) <= SIZE_PROMISE
                if is_right or (is_spare and fits > 1):  # the first fit only tells what it adds
                    break
                expected, added = seal.file_bytes, seal.file_bytes - plain
                self.is_declined = self.enhancement is None
                self.settled = None if self.enhancement is None else self.enhancement.filters
            overhead += expected - wanted  # the codec's own misses, too
        miss = seal.file_bytes / wanted - 1
        if miss > SIZE_PROMISE:
            raise TargetNotReachedError(
                f"{self.options.target}: the smallest archive of this scene has {seal.file_bytes} bytes, "
                f"{wanted} were asked for; ask for more"
            )
        if miss < -SIZE_PROMISE:
            self.progress.warn(
                f"the archive has {seal.file_bytes} of the {wanted} bytes asked for: the scene needs no "
                "more, or its codec has no step in between"
            )
        return coded, seal

    def _enhancement_bytes(self) -> int:
        """Return about what levels, strengths and the model's name add to the side information."""
        if self.enhancer is None:
            return 0
        rows, cols = cell_counts(self.plan.profile.height, self.plan.profile.width)
        return 50 + len(self.enhancer.name) + round(1.6 * rows * cols * len(self.plan.groups))

    def _achieved(self, coded: CodedScene, seal: Seal) -> float | None:
        target: Target = self.options.target
        if target.is_size:
            return control.check_size(target, self.plan, seal.file_bytes)
        if target.kind == "snr":
            return self._decibels("snr", self._final_sse(coded), coded.count)
        if self.plan.coded_as is not None:
            name = {"psnr": "psnr", "max-error": "max_abs_error"}.get(target.kind)
            return None if name is None else quantised_quality(self.found)[name]
        if target.kind == "psnr":
            return self._decibels("psnr", self._final_sse(coded), coded.count)
        if target.kind == "max-error":
            return coded.max_error if self.enhancement is None else self.enhancement.max_error
        return None

    def _final_sse(self, coded: CodedScene) -> NDArray[np.float64]:
        return coded.sse if self.enhancement is None else self.enhancement.sse

    def _decibels(self, kind: str, sse: NDArray[np.float64], count: NDArray[np.float64]) -> float | None:
        """Return PSNR or SNR of the worst band (dB); None without an error."""
        return finite(self.plan.yardstick(kind).decibels(sse, count)) if self.plan.signals else None

    def _quality(self, coded: CodedScene) -> dict[str, Any]:
        if self.plan.coded_as is not None:
            found = quantised_quality(self.found)  # others show steps within a bound as they are
            shown = self._psnr_shown(coded) if self.plan.steps is None else found["psnr"]
            return {**found, "psnr_shown": shown, "snr": self._snr_in_steps(coded)}
        if not coded.is_measured:
            return {
                "psnr_codec": None, "psnr_shown": None, "psnr": None, "snr": None, "psnr_per_band": None,
                "max_abs_error": None, "model": None, "cells_enhanced": 0.0,
            }  # fmt: skip
        final = self._final_sse(coded)
        model = None
        if self.enhancement is not None and self.enhancer is not None:
            model = {"name": self.enhancer.name, "sha256": self.enhancer.sha256}
        return {
            "psnr_codec": self._decibels("psnr", coded.sse, coded.count),
            "psnr_shown": self._psnr_shown(coded),
            "psnr": self._decibels("psnr", final, coded.count),
            "snr": self._decibels("snr", final, coded.count),
            "psnr_per_band": [
                psnr_of_band(float(sse), float(count), peak.span)
                for sse, count, peak in zip(final, coded.count, self.plan.peaks, strict=True)
            ]
            if self.plan.peaks
            else [None] * self.plan.profile.count,
            "max_abs_error": coded.max_error if self.enhancement is None else self.enhancement.max_error,
            "model": model,
            "cells_enhanced": 0.0
            if self.enhancement is None
            else float((self.enhancement.strengths > 0).mean()),
        }

    def _snr_in_steps(self, coded: CodedScene) -> float | None:
        """Return the SNR of a quantised scene (dB): of steps within a bound as verification found it."""
        if self.plan.steps is None:
            return self._decibels("snr", coded.sse, coded.count)
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
