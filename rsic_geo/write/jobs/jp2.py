"""JPEG 2000 archives: tiles of one codestream, sealed by a box of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from rsic_geo.container.jp2 import Jp2Writer, lead_with_side_information
from rsic_geo.progress import Progress
from rsic_geo.raster import open_scene
from rsic_geo.raster.formats.overviews import LEAST, small_overview
from rsic_geo.repair.plan import PixelSource
from rsic_geo.scenes.components import Unrotated
from rsic_geo.write.coded import CodedScene, SceneCoder
from rsic_geo.write.jobs.tiled import TiledJob
from rsic_geo.write.on_disk import is_told_by_disk, measure_on_disk
from rsic_geo.write.rate import control
from rsic_geo.write.rate.control import RateSearch
from rsic_geo.write.reading import Bench, sized_codec
from rsic_geo.write.sidecars import boxes_of, layout_of, sidecars_wanted, write_for_others
from rsic_geo.write.sideinfo import Seal, seal_archive

MOST_OVERVIEW = 0.02
"""Largest part of an archive's bytes that its overview takes."""


@dataclass(slots=True, kw_only=True)
class Jp2Job(TiledJob[Jp2Writer, RateSearch]):
    """One scene on its way into a JPEG 2000 archive."""

    shows_pixels = True
    beside: tuple[str, ...] | None = None
    """Suffixes of the sidecars to come; None before the first sealing."""
    overview: bytes | None = None
    """The small overview to come, of what was sealed last."""

    def write_sidecar(self, name: str) -> list[str]:
        """Write what GDAL reads beside the archive; return what others miss."""
        if self.overview is not None:
            self.path.with_name(f"{self.path.name}.ovr").write_bytes(self.overview)
            lead_with_side_information(self.path)
        elif self.options.overviews == "small":
            self.progress.warn(f"no overview was written: {self._why_none()}")
        return [] if self.coded is None else write_for_others(self.path, name, self.coded, self.options)

    def _why_none(self) -> str:
        if self.options.sidecar == "never":
            return "it is a sidecar, and --sidecar never wants none"
        if max(self.plan.profile.height, self.plan.profile.width) < 2 * LEAST:
            return f"the scene has less than {2 * LEAST} px itself"
        return (
            f"even {LEAST} px take more than {MOST_OVERVIEW:.0%} of so small an archive, which reads as fast "
            "whole; --codec cog has overviews of its own"
        )

    def _open(self) -> Jp2Writer:
        return Jp2Writer(self.path, layout_of(self.plan), boxes_of(self.plan, self.options.georef))

    def _search(self, writer: Jp2Writer) -> RateSearch:
        workers = self.options.execution.workers
        bench = Bench(
            reader=self.reader, plan=self.plan, codec=sized_codec(self.entry, self.plan), workers=workers
        )
        coder = SceneCoder(bench, writer)
        coder.bands = self.bands
        is_judged_later = self.options.verify == "later" and self.options.target.is_size
        is_measured = bool(self.enhancer) or not (is_judged_later or self._is_read_back)
        return RateSearch(
            coder=coder,
            plan=self.plan,
            is_measured=is_measured,
            slack=control.PSNR_SLACK[self.options.effort],
        )

    @property
    def _is_read_back(self) -> bool:
        """Whether the file that was written tells what the codec lost, and proves itself by that."""
        is_last = self.enhancer is None and self.options.verify == "full"
        return (
            is_last
            and is_told_by_disk(self.plan)
            and (self.options.target.is_size or self.options.target.is_decibels)
        )

    def _measure(self, writer: Jp2Writer, coded: CodedScene, progress: Progress) -> None:
        self.read_back = None  # of a coding before
        if not coded.is_measured and self._is_read_back:
            workers = self.options.execution.workers
            self.read_back = measure_on_disk(
                self.path, self.reader, coded, writer.tile_crcs, progress, workers=workers
            )

    def _to_decibels(self, search: RateSearch, writer: Jp2Writer, progress: Progress) -> CodedScene:
        carrying = control.Carrying(
            finish=partial(self._finish, writer),
            usual_gain=self._usual_gain,
            foretaste=partial(self._foretaste, writer),
        )
        coded = control.to_decibels(search, self.options.target, carrying, progress)
        # Steps of floats cannot be coded without loss: what they were rounded from is lost.
        is_whole = self.plan.affinity is None or self.plan.affinity.is_whole
        self.is_close = search.is_close and is_whole
        return coded

    def _to_bytes(self, search: RateSearch, budget: int, progress: Progress) -> CodedScene:
        coded = control.to_bytes(search, budget, progress)
        coded.is_read_later = self._is_read_back
        return coded

    def _store(self, writer: Jp2Writer) -> None:
        writer.finish()

    @contextmanager
    def _decoded(self, writer: Jp2Writer) -> Iterator[PixelSource]:
        del writer
        with open_scene(self.path) as stored:
            spectral = self.plan.spectral
            yield stored if spectral is None else Unrotated(stored, spectral)

    def _seal(self, coded: CodedScene, writer: Jp2Writer) -> Seal:
        if not self.path.exists():
            writer.finish()
        if self.beside is None:  # it depends on the headers alone, which every sealing has alike
            self.beside = sidecars_wanted(self.path, coded, self.options)
        if self.options.overviews == "small" and self.options.sidecar != "never":
            self.overview = small_overview(self.path, int(self.path.stat().st_size * MOST_OVERVIEW))
        return seal_archive(
            self.path,
            coded,
            writer.tile_crcs,
            fitted=self.fitted,
            options=self.options,
            damage=self.damage,
            sidecars=self.beside,
            overview=self.overview,
        )
