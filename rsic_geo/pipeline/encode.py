"""From a scene to a verified archive: plan, code to the target, fit, verify, and only then take the name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsic_geo.codecs.jpeg2000 import J2KParams
from rsic_geo.container.jp2 import Jp2Writer
from rsic_geo.enhance.base import Enhancer
from rsic_geo.errors import (
    MetadataLossError,
    RsicGeoError,
    SceneError,
    TargetNotReachedError,
    UsageError,
    WeightsError,
)
from rsic_geo.geo.io import SceneReader, gdal_config, metadata_lost_in_geotiff, open_scene, write_pam_sidecar
from rsic_geo.geo.io_files import PendingFile, check_apart
from rsic_geo.geo.lattice import cell_counts
from rsic_geo.pipeline import ratecontrol
from rsic_geo.pipeline.archive_boxes import boxes_of, layout_of
from rsic_geo.pipeline.coder import CodedScene, SceneCoder
from rsic_geo.pipeline.events import Progress, ProgressCallback
from rsic_geo.pipeline.finish import Enhancement, FitOptions, Readers, fit_enhancement
from rsic_geo.pipeline.names import check_archive_name
from rsic_geo.pipeline.options import EncodeOptions, Target
from rsic_geo.pipeline.plan import ScenePlan, plan_scene
from rsic_geo.pipeline.ratecontrol import RateSearch, psnr_of
from rsic_geo.pipeline.report import Report, describe_file
from rsic_geo.pipeline.seal import Seal, seal_archive
from rsic_geo.pipeline.source import open_source
from rsic_geo.pipeline.verify import verify_archive
from rsic_geo.weights import open_weights

SIZE_PROMISE = 0.02
"""Largest miss of a size target, as part of it."""
MAX_SIZE_ROUNDS = 4
USUAL_GAIN = 0.3
"""What enhancement usually adds (dB); only where a search for a PSNR begins."""


def compress(
    src: str, dst: str, options: EncodeOptions | None = None, progress: ProgressCallback | None = None
) -> Report:
    """Write a scene as a JPEG 2000 archive that meets its target, checked by decoding it.

    The archive appears under its name only when it is complete and verified; the source is never touched.

    Args:
        src: any raster GDAL reads, including ``/vsi`` names.
        dst: archive to write (``.jp2``).
        options: what is asked for.
        progress: told a fraction and a text; returning False cancels.

    Returns:
        What was reached, in numbers.

    Raises:
        UnsupportedSceneError: if the scene's samples do not fit the codec.
        TargetNotReachedError: if the target cannot be met.
        VerificationError: if the written file does not decode to what was promised.
        OutputExistsError: if ``dst`` exists and overwriting was not asked for.
        UsageError: if ``dst`` has not the codec's suffix, or is ``src``.
    """
    options = options or EncodeOptions()
    report = Progress(callback=progress)
    started = time.perf_counter()
    if options.codec != "jp2":
        raise UsageError(f"codec {options.codec!r} is not known: use jp2")
    check_archive_name(dst, options.codec)
    with (
        gdal_config(options.execution.gdal),
        _pending(src, dst, options.overwrite) as pending,
        open_source(src, options.execution) as opened,
    ):
        reader, plan = plan_scene(opened, options)
        lost = metadata_lost_in_geotiff(plan.snapshot)
        if lost:
            first = "; ".join(str(item) for item in lost[:3])
            raise MetadataLossError(f"no GeoTIFF could give this scene's metadata back: {first}")
        if plan.not_finite:
            report.warn(f"{plan.not_finite} samples are infinite or NaN: they come back as nodata")
        job = _Job(
            reader=reader,
            plan=plan,
            options=options,
            path=pending.temporary,
            enhancer=_enhancer(options, plan, report),
            progress=report,
        )
        outcome = job.run()
        if options.sidecar != "never":
            everything = options.sidecar == "require"
            write_pam_sidecar(pending.temporary, plan.snapshot, everything=everything)
        pending.publish()
        report.report(1.0, "done")
        return Report(
            verb="compress",
            source=describe_file(src, opened.profile),
            output=describe_file(dst, plan.profile),
            seconds=time.perf_counter() - started,
            warnings=tuple(report.warnings),
            details=outcome,
        )


@contextmanager
def _pending(src: str, dst: str, overwrite: bool) -> Iterator[PendingFile]:
    """Reserve a temporary name beside the output; whatever happens, no half file stays."""
    if str(dst).startswith("/vsi"):
        raise UsageError("archives are written to local files: write it here and copy it")
    check_apart(src, dst)
    pending = PendingFile(dst, overwrite=overwrite)
    try:
        yield pending
    except RsicGeoError:  # some are OSErrors too, such as weights that are missing
        raise
    except OSError as error:
        raise SceneError(f"cannot write {dst}: {error.strerror or error}") from error
    finally:
        pending.discard()


def _enhancer(options: EncodeOptions, plan: ScenePlan, progress: Progress) -> Enhancer | None:
    """Return the enhancer the archive will name, or None."""
    if options.model == "none":
        return None
    if plan.lossless or not plan.groups or plan.affinity is not None:
        if options.model != "auto":
            open_weights(options.model)  # a name nobody knows is a mistake even where no network is used
        return None
    from rsic_geo.enhance import load_enhancer  # torch only when needed

    try:
        return load_enhancer(options.model, options.execution.device)
    except WeightsError as error:
        if options.model != "auto":
            raise
        progress.warn(f"no enhancement: {error}")
        return None


@dataclass(slots=True, kw_only=True)
class _Job:
    """One scene on its way into an archive."""

    reader: SceneReader
    plan: ScenePlan
    options: EncodeOptions
    path: Path
    enhancer: Enhancer | None
    progress: Progress
    enhancement: Enhancement | None = None
    enhancing_seconds: float = 0.0

    def run(self) -> dict[str, Any]:
        """Code, fit, seal and verify; return the report's numbers."""
        with Jp2Writer(self.path, layout_of(self.plan), boxes_of(self.plan)) as writer:
            coder = SceneCoder(self.reader, self.plan, writer, self.options.execution.workers)
            params = J2KParams(lossless=False, mct=self.plan.mct, tile_size=self.plan.grid.tile_size)
            is_measured = bool(
                self.enhancer or self.options.verify == "full" or not self.options.target.is_size
            )
            search = RateSearch(coder=coder, plan=self.plan, params=params, is_measured=is_measured)
            coded, seal = self._code(search, writer)
        achieved = self._achieved(coded, seal)
        before = time.perf_counter()
        if self.options.verify == "full":
            verify_archive(self.path, self.reader, coded, self._bound, self.progress.stage(0.9, 1))
        return {
            "codec": "jp2",
            "lossless": self.plan.lossless and self.plan.affinity is None,
            "target": {"asked": str(self.options.target), "achieved": achieved},
            "bytes": seal.file_bytes,
            "side_information_bytes": seal.side_bytes,
            "ratio": self.plan.raw_bytes / seal.file_bytes,
            "bpp": seal.file_bytes * 8 / self.plan.pixels,
            "encoding_passes": max(1, search.passes),
            "timing": {
                "measuring": round(search.measuring_seconds, 3),
                "coding_last_pass_all_threads": round(coded.coding_seconds, 3),
                "enhancing": round(self.enhancing_seconds, 3),
                "verifying": round(time.perf_counter() - before, 3),
            },
            **self._quality(coded),
            "footprint": self.plan.footprint,
            "verified": self.options.verify == "full",
        }

    @property
    def _fit_bound(self) -> float | None:
        """Largest error strengths may leave: one less than asked for; devices and windows round apart."""
        return None if self._bound is None else max(self._bound - 1, 0.0)

    @property
    def _bound(self) -> float | None:
        """Largest absolute error asked for."""
        return self.options.target.value if self.options.target.kind == "max-error" else None

    def _code(self, search: RateSearch, writer: Jp2Writer) -> tuple[CodedScene, Seal]:
        target, progress = self.options.target, self.progress
        if target.is_lossless:
            coded = ratecontrol.lossless(search.coder, progress.stage(0, 0.85))
            return coded, self._seal(coded, writer)
        if target.is_size:
            return self._to_size(search, writer)
        if target.kind == "psnr":
            coded = ratecontrol.to_psnr(
                search,
                target.value,
                lambda c, p: self._finish(c, writer, p),
                progress.stage(0, 0.85),
                expected_gain=0.0 if self.enhancer is None else USUAL_GAIN,
            )
            return coded, self._seal(coded, writer)
        coded = ratecontrol.to_max_error(search, target.value, progress.stage(0, 0.5))
        self._finish(coded, writer, progress.stage(0.5, 0.85))
        return coded, self._seal(coded, writer)

    def _finish(self, coded: CodedScene, writer: Jp2Writer, progress: Progress) -> float:
        """Write the codestream, fit the enhancement to it; return the squared error of the final output."""
        writer.finish()
        self.enhancement = None
        if self.enhancer is None or coded.total_sse <= 0:
            return coded.total_sse
        fit = FitOptions(
            window_size=self.options.execution.window_size, max_error=self._fit_bound, seed=self.options.seed
        )
        before = time.perf_counter()
        with open_scene(self.path) as decoded:
            enhancement = fit_enhancement(
                Readers(source=self.reader, decoded=decoded), coded, self.enhancer, fit, progress
            )
        self.enhancing_seconds += time.perf_counter() - before
        if not enhancement.is_useful:
            return coded.total_sse
        self.enhancement = enhancement
        return float(enhancement.sse.sum())

    def _seal(self, coded: CodedScene, writer: Jp2Writer) -> Seal:
        if not self.path.exists():
            writer.finish()
        return seal_archive(
            self.path,
            coded,
            writer.tile_crcs,
            fitted=None
            if self.enhancement is None or self.enhancer is None
            else (self.enhancement, self.enhancer),
            options=self.options,
        )

    def _to_size(self, search: RateSearch, writer: Jp2Writer) -> tuple[CodedScene, Seal]:
        """Code to a size of the whole file; what headers and side information take is learned on the way.

        The enhancement is fitted only to a coding whose predicted file size is right, since it takes most of
        the time.
        """
        wanted = ratecontrol.file_budget(self.options.target, self.plan)
        overhead = 200 + 32 * len(self.plan.grid)
        for attempt in range(MAX_SIZE_ROUNDS):
            stage = self.progress.stage(attempt * 0.2, attempt * 0.2 + 0.2)
            budget = wanted - overhead
            if budget < 16 * len(self.plan.grid):
                raise TargetNotReachedError(
                    f"{self.options.target}: the archive would have {wanted} bytes, of which headers and "
                    f"side information take {overhead}; ask for more"
                )
            coded = ratecontrol.to_bytes(search, budget, stage.stage(0, 0.5))
            writer.finish()
            self.enhancement = None
            seal = self._seal(coded, writer)
            expected = seal.file_bytes + self._enhancement_bytes()
            is_spare = expected < wanted and coded.is_complete
            near = SIZE_PROMISE if attempt == MAX_SIZE_ROUNDS - 1 else SIZE_PROMISE / 2
            if abs(expected / wanted - 1) <= near or is_spare:
                self._finish(coded, writer, stage.stage(0.5, 1))
                seal = self._seal(coded, writer)
                if abs(seal.file_bytes / wanted - 1) <= SIZE_PROMISE or is_spare:
                    break
                expected = seal.file_bytes
            overhead = expected - coded.body_bytes
        miss = seal.file_bytes / wanted - 1
        if miss > SIZE_PROMISE:
            raise TargetNotReachedError(
                f"{self.options.target}: the smallest archive of this scene has {seal.file_bytes} bytes, "
                f"{wanted} were asked for; ask for more"
            )
        if miss < -SIZE_PROMISE:
            self.progress.warn(f"the scene needs only {seal.file_bytes} of the {wanted} bytes asked for")
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
            return ratecontrol.check_size(target, self.plan, seal.file_bytes)
        if target.kind == "psnr":
            return self._psnr(self._final_sse(coded), coded.total_count)
        if target.kind == "max-error":
            return coded.max_error if self.enhancement is None else self.enhancement.max_error
        return None

    def _final_sse(self, coded: CodedScene) -> float:
        return coded.total_sse if self.enhancement is None else float(self.enhancement.sse.sum())

    def _psnr(self, sse: float, count: float) -> float | None:
        value = psnr_of(sse, count, self.plan.radiometry.dtype_peak)
        return None if value == float("inf") else value

    def _quality(self, coded: CodedScene) -> dict[str, Any]:
        if not coded.is_measured:
            return {
                "psnr_codec": None, "psnr": None, "psnr_per_band": None, "max_abs_error": None, "model": None,
                "cells_enhanced": 0.0,
            }  # fmt: skip
        final = coded.sse if self.enhancement is None else self.enhancement.sse
        model = None
        if self.enhancement is not None and self.enhancer is not None:
            model = {"name": self.enhancer.name, "sha256": self.enhancer.sha256}
        return {
            "psnr_codec": self._psnr(coded.total_sse, coded.total_count),
            "psnr": self._psnr(self._final_sse(coded), coded.total_count),
            "psnr_per_band": [
                self._psnr(float(sse), float(count)) for sse, count in zip(final, coded.count, strict=True)
            ],
            "max_abs_error": coded.max_error if self.enhancement is None else self.enhancement.max_error,
            "model": model,
            "cells_enhanced": 0.0
            if self.enhancement is None
            else float((self.enhancement.strengths > 0).mean()),
        }
