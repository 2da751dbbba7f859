"""What archives whose tiles are coded one by one have in common: searches, enhancement, sizes."""

from __future__ import annotations

import time
from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.filters import FilterTaps
from rsic_geo.container.integrity import StripCrcs
from rsic_geo.errors import TargetNotReachedError, UsageError
from rsic_geo.geo.lattice import CELL, cell_counts
from rsic_geo.geo.window import Window
from rsic_geo.progress import Progress
from rsic_geo.repair.plan import PixelSource
from rsic_geo.scenes.archive import Archive
from rsic_geo.targets import Bound, Decibels, Exact, Size, refuse
from rsic_geo.weights.store import SUFFIX
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.fit import FitOptions, Readers, fit_enhancement, foretaste
from rsic_geo.write.kept_fit import FitLog
from rsic_geo.write.parts import plan_digest
from rsic_geo.write.reading import Clamped
from rsic_geo.write.sideinfo import Fitted, Seal
from rsic_geo.write.writer import Job, Made

SIZE_PROMISE = 0.02
"""Largest miss of a size target, as part of it."""
MAX_SIZE_ROUNDS = 4
ABOUT_AS_LARGE = 0.08
"""Difference in bytes up to which two codings of a scene share adaptive filters."""
USUAL_GAIN = 0.3
"""What enhancement usually adds (dB); only where a search for a PSNR begins."""


class Search(Protocol):
    """What a search for a target reports of itself."""

    passes: int
    """Encoding passes made."""
    measuring_seconds: float
    """Time spent on finding out where to look."""

    def lossless(self, progress: Progress) -> CodedScene:
        """Code every tile without loss."""

    def within(self, bound: float, progress: Progress) -> CodedScene:
        """Code every tile with its largest error within a bound."""


WriterT = TypeVar("WriterT")
SearchT = TypeVar("SearchT", bound=Search)


@dataclass(slots=True, kw_only=True)
class TiledJob(Job, Generic[WriterT, SearchT]):
    """A job that codes tile by tile, as often as a target needs, and may enhance what comes of it."""

    settled: tuple[FilterTaps | None, ...] | None = None
    """Adaptive filters of the search's first fit: their bytes must not change while a size is aimed at."""
    tasted: tuple[tuple[FilterTaps | None, ...], int] | None = None
    """Adaptive filters of the sample by which a search for a quality began, and the bytes of that coding."""
    is_declined: bool = False
    """Whether that fit found enhancement not worth its bytes."""

    @property
    def is_steady(self) -> bool:
        """Whether the codec gives the same samples back everywhere, so far as its decoders agree."""
        return True

    @property
    def fitted(self) -> Fitted | None:
        """The enhancement the archive is sealed with, and its enhancer; None without."""
        if self.enhancement is None or self.enhancer is None:
            return None
        return self.enhancement, self.enhancer

    def _made(self) -> Made:
        if (
            self.options.seal
            and self.enhancer is not None
            and not (self.enhancer.is_exact and self.is_steady)
        ):
            what = self.enhancer.name if self.is_steady else self.entry.title
            raise UsageError(
                f"seal: {what} computes in floats, whose last bits differ from machine to machine"
            )
        with self._open() as writer:
            search = self._search(writer)
            coded, seal = self._code(search, writer)
            if self.options.seal and self.enhancement is not None:
                self.enhancement = replace(self.enhancement, final_crcs=self._final_crcs())
                seal = self._seal(coded, writer)
        return Made(coded=coded, seal=seal, passes=search.passes, measuring_seconds=search.measuring_seconds)

    def _final_crcs(self) -> tuple[int, ...]:
        """Return checksums of the archive's final pixels, read from disk as its readers will read them."""
        how, profile = replace(self.options.execution, fast=False), self.plan.profile
        model = self.options.model if self.options.model.endswith(SUFFIX) else "auto"
        with Archive(str(self.path), enhance=model, execution=how) as archive:
            crcs = StripCrcs(profile, archive.snapshot.dtypes[0])
            for top in range(0, profile.height, CELL):
                rows = min(CELL, profile.height - top)
                window = Window(row_off=top, col_off=0, height=rows, width=profile.width)
                crcs.add(window, archive.read(window))
                self.progress.report(0.88 + 0.02 * top / profile.height, "sealing")
        return tuple(crcs.found)

    @abstractmethod
    def _open(self) -> AbstractContextManager[WriterT]:
        """Return what collects the tiles."""

    @abstractmethod
    def _search(self, writer: WriterT) -> SearchT:
        """Return what codes the scene, as often as the target needs."""

    def _code(self, search: SearchT, writer: WriterT) -> tuple[CodedScene, Seal]:
        """Code the scene to its target and write the archive."""
        match Exact() if self.plan.lossless else self.options.target.row:
            case Exact():
                coded = search.lossless(self.progress.stage(0, 0.85))
            case Size():
                return self._to_size(search, writer)
            case Decibels():
                coded = self._to_decibels(search, writer, self.progress.stage(0, 0.85))
            case Bound():
                coded = search.within(self._codec_bound, self.progress.stage(0, 0.5))
                self._finish(writer, coded, self.progress.stage(0.5, 0.85))
            case unknown:
                refuse(unknown)
        return coded, self._seal(coded, writer)

    @abstractmethod
    def _to_decibels(self, search: SearchT, writer: WriterT, progress: Progress) -> CodedScene:
        """Code the scene to the quality of its worst band."""

    @abstractmethod
    def _to_bytes(self, search: SearchT, budget: int, progress: Progress) -> CodedScene:
        """Code all tiles to a number of bytes."""

    @abstractmethod
    def _store(self, writer: WriterT) -> None:
        """Write what the enhancement is fitted to, where that is a file."""

    def _measure(self, writer: WriterT, coded: CodedScene, progress: Progress) -> None:
        """Measure what a coding lost, where that was left to the file it was written to."""

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
    def _usual_gain(self) -> float:
        """What enhancement usually adds (dB): where a search for a quality begins."""
        return 0.0 if self.enhancer is None else USUAL_GAIN

    @property
    def _file_budget(self) -> int:
        """Bytes that the whole archive may have under a size target."""
        row, plan = self.options.target.row, self.plan
        assert isinstance(row, Size)
        scene = (plan.raw_bytes, plan.pixels, plan.profile.count)
        return int(row.budget(self.options.target.value, *scene))

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
        return self.options.target.value if self.options.target.is_bound else None

    @property
    def _codec_bound(self) -> float:
        """Largest absolute error the codec may make under a max-error target, in what it codes."""
        value, affinity = self.options.target.value, self.plan.affinity
        return value if affinity is None else affinity.steps_within(value)

    def _finish(self, writer: WriterT, coded: CodedScene, progress: Progress) -> NDArray[np.float64]:
        """Write the scene and fit the enhancement to it; return the final squared errors (bands,)."""
        self._store(writer)
        self._measure(writer, coded, progress)
        self.enhancement = None
        if self.enhancer is None or coded.total_sse <= 0 or self.is_declined:
            return coded.sse
        fit = self._fit_options(coded)
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

    def _foretaste(
        self, writer: WriterT, coded: CodedScene, progress: Progress
    ) -> NDArray[np.float64] | None:
        """Write the scene and fit filters to a sample; return squared errors to expect, None if unknown."""
        if self.enhancer is None or not self.enhancer.name or coded.total_sse <= 0:
            return None
        self._store(writer)
        before = time.perf_counter()
        with self._decoded(writer) as stored:
            readers = Readers(source=self.reader, decoded=Clamped(stored, self.plan.limits))
            found = foretaste(readers, coded, self.enhancer, self._fit_options(coded), progress)
        self.tasted = found.filters, coded.body_bytes
        self.enhancing_seconds += time.perf_counter() - before
        # Final pixels are rounded to whole numbers; where the codec is that good, enhancement stays off.
        return np.minimum(coded.sse * found.left + coded.count / 12, coded.sse)

    def _fit_options(self, coded: CodedScene) -> FitOptions:
        bands = self.bands
        log = None if bands is None else FitLog(bands.folder, coded.pixel_crcs, plan_digest(self.plan))
        filters = self.settled
        if filters is None and self.tasted is not None:
            tasted, size = self.tasted
            # Filters are good for codings about as large; for others they lose some hundredths of a decibel.
            filters = tasted if abs(coded.body_bytes / max(size, 1) - 1) <= ABOUT_AS_LARGE else None
        return FitOptions(
            window_size=self.options.execution.window_size,
            workers=self.options.execution.workers,
            max_error=self._fit_bound,
            seed=self.options.seed,
            filters=filters,
            is_settled=self.settled is not None,
            log=log,
        )

    def _to_size(self, search: SearchT, writer: WriterT) -> tuple[CodedScene, Seal]:
        """Code to a size of the whole file; what headers and side information take is learned on the way.

        The enhancement is fitted only to a coding whose predicted file size is right, since it takes most of
        the time.
        """
        wanted = self._file_budget
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
                self._finish(writer, coded, stage.stage(0.5, 1))
                seal = self._seal(coded, writer)
                is_right = abs(seal.file_bytes / wanted - 1) <= SIZE_PROMISE
                # The first fit only tells what it adds; a little spare may be a step of the codec.
                is_whole = self.enhancer is None and expected < 0.9 * wanted
                if is_right or (is_spare and (fits > 1 or is_whole)):
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
        sealed = 4 * rows + 3 if self.options.seal else 0
        return 50 + sealed + len(self.enhancer.name) + round(1.6 * rows * cols * len(self.plan.groups))
