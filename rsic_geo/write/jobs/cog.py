"""Archives that are COGs of GDAL's: the scene's own samples, without loss or within a largest error."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container import cog, sideinfo
from rsic_geo.errors import UsageError, VerificationError
from rsic_geo.geo.footprint import scene_footprint
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.sampling import core_spreads
from rsic_geo.geo.window import TileGrid
from rsic_geo.options import TILE_SIZES, EncodeOptions, usual_tile_size
from rsic_geo.progress import Progress
from rsic_geo.quality import blank_errors
from rsic_geo.raster import LERC_TYPES, CogDraft, metadata_differences, open_scene, predictor_pays
from rsic_geo.raster.structure import structure_options
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.quantised import Affinity, QuantisedScene, exact_range
from rsic_geo.scenes.signals import gather_signals
from rsic_geo.scenes.tiff import named_codec
from rsic_geo.scenes.verdict import BandQuality
from rsic_geo.write.coded import CodedScene, empty_coded
from rsic_geo.write.near import bounds_of, used_ranges
from rsic_geo.write.plan import ScenePlan, band_groups, sample, sample_valid, sampled_peaks
from rsic_geo.write.sidecars import sidecars_wanted, write_for_others
from rsic_geo.write.sideinfo import Seal, side_information
from rsic_geo.write.spectral import pieces_of
from rsic_geo.write.tiles import packed_valid, pixel_crc
from rsic_geo.write.verify import compare_window
from rsic_geo.write.writer import Job, Made


def plan_cog(opened: Scene, options: EncodeOptions, progress: Progress) -> tuple[Scene, ScenePlan]:
    """Decide how a scene becomes a COG; see :func:`rsic_geo.write.plan.plan_scene`.

    Raises:
        UsageError: the target is no largest error.
    """
    profile, target = opened.profile, options.target
    if not target.is_lossless and not target.is_bound:
        raise UsageError(
            f"{target}: a COG keeps every sample, or all within a largest error: use --target lossless or "
            "max-error=N; of floats JPEG 2000 takes other targets in steps (--codec jp2 --quantize uint16)"
        )
    lossless = target.is_relative or target.is_lossless or not _has_lerc(opened)
    names = tuple(name.lower() for name in profile.colorinterp)
    if not lossless and "palette" in names:
        raise UsageError("a palette scene holds class numbers, not brightness: use --target lossless")
    pixels, valid = sample(opened)
    side = min((size for size in TILE_SIZES if size >= max(profile.height, profile.width)), default=4096)
    plan = ScenePlan(
        profile=profile,
        snapshot=opened.metadata(),
        radiometry=Radiometry.whole_range("uint8", profile.count),  # no codec looks at it
        grid=TileGrid(
            height=profile.height,
            width=profile.width,
            tile_size=options.tile_size or min(side, usual_tile_size(profile.count)),
        ),
        groups=band_groups(profile.colorinterp),
        alpha_bands=tuple(band for band, name in enumerate(names) if name == "alpha"),
        mct=False,
        lossless=lossless,
        has_nodata=profile.has_nodata or profile.has_band_masks,
        affinity=None,
        footprint=scene_footprint(profile, valid[0]),
        keeps_samples=True,
    )
    if lossless:
        return opened, plan
    return opened, _with_facts(
        opened, plan, options, (pixels, sample_valid(profile, pixels, valid)), progress
    )


def _has_lerc(scene: Scene) -> bool:
    """Return whether LERC can hold a scene's samples."""
    return scene.profile.dtype in LERC_TYPES and "NBITS" not in structure_options(scene.metadata(), "COG")


def _with_facts(
    opened: Scene,
    plan: ScenePlan,
    options: EncodeOptions,
    seen: tuple[NDArray[Any], NDArray[np.bool_]],
    progress: Progress,
) -> ScenePlan:
    """Return the plan of a lossy archive with what its bands hold, and what each may lose."""
    pixels, valid = seen
    profile, affinity, reader = plan.profile, None, opened
    if np.dtype(profile.dtype).kind == "f":
        low, high, _ = exact_range(opened)
        affinity = Affinity.fit(profile.dtype, low, high)
        reader, pixels = QuantisedScene(opened, affinity), affinity.quantise(pixels, valid)
    radiometry = Radiometry.fit(reader.profile.dtype, [(pixels, valid)])
    signals = gather_signals(
        reader,
        alpha_bands=plan.alpha_bands,
        has_nodata=plan.has_nodata or affinity is not None,
        cores=core_spreads(seen[0], valid, None if affinity is None else affinity.scale),
        side=usual_tile_size(profile.count),
        progress=progress,
        workers=options.execution.workers,
    )
    spans = [high - low for low, high in used_ranges(radiometry, affinity)]
    peaks = sampled_peaks(reader.profile, pixels, valid)
    return replace(
        plan,
        radiometry=radiometry,
        affinity=affinity,
        signals=signals,
        peaks=peaks,
        bounds=bounds_of(options.target, plan.snapshot, spans),
    )


@dataclass(slots=True, kw_only=True)
class CogJob(Job):
    """One scene on its way into a COG."""

    shows_pixels = True
    beside: tuple[str, ...] = ()
    """Suffixes of the sidecars to come."""
    has_overviews: bool = False
    """Whether the COG has any."""
    has_nan: bool = False
    """Whether a sample of a scene of several bands is NaN."""

    def write_sidecar(self, name: str) -> list[str]:
        """Write what GDAL reads beside the archive; return what others miss."""
        if self.coded is None:
            return []
        missed = write_for_others(self.path, name, self.coded, self.options)
        if self.plan.snapshot.overviews and not self.has_overviews:
            missed.append("overviews, of which so small a COG has none; a GeoTIFF given back has them again")
        if self.plan.profile.has_band_masks:
            missed.append("masks of single bands: they see one of all bands, in the .msk beside the file")
        return missed

    def _made(self) -> Made:
        plan, grid = self.plan, self.plan.grid
        default = plan.snapshot.tags.get("", {})
        carrier = next((name for name in cog.CARRIERS if name not in default), next(iter(cog.CARRIERS)))
        coded = empty_coded(plan)
        threads = self.options.execution.threads
        item = (carrier, cog.MAGIC.decode())
        shown = plan.snapshot if plan.lossless else plan.snapshot.without_statistics()
        with CogDraft(self.path, plan.profile, shown, item=item, threads=threads) as draft:
            for done, index in enumerate(grid, start=1):
                window, number = grid.core(index), grid.index_number(index)
                pixels = self.reader.read(window)
                draft.write(window, pixels, self.reader.read_mask(window))
                coded.pixel_crcs[number] = pixel_crc(pixels)
                if not plan.lossless and pixels.dtype.kind == "f" and len(pixels) > 1:
                    self.has_nan |= bool(np.isnan(pixels).any())
                if plan.profile.has_band_masks:
                    coded.planes[(number, "valid")] = packed_valid(self.reader.read_valid(window, pixels))
                self.progress.stage(0, 0.4).report(done / len(grid), "reading")
            draft.finish()
            coded.body_bytes = self._compressed(draft, coded)
            coded.plan = self.plan
        cog.mark(self.path, carrier)
        seal = self._seal(coded)
        if self.options.verify == "later" and self.plan.lossless:
            self._verify(coded)  # who proves it later compares numbers: -0.0 and what is in a NaN are none
        return Made(coded=coded, seal=seal)

    def _compressed(self, draft: CogDraft, coded: CodedScene) -> int:
        """Write the COG, the smaller of those that keep what was promised; return its bytes."""
        block = self.plan.grid.tile_size
        effort = self.options.effort
        size = draft.compress(self.path, block=block, effort=effort, has_predictor=self._has_predictor())
        if self.plan.lossless:
            return size
        other = self.path.with_name(f"{self.path.stem}.lossy{self.path.suffix}")
        for bound in self._lerc_bounds():
            smaller = draft.compress(other, block=block, effort=effort, bound=bound)
            if smaller < size and self._keeps(other, coded):
                other.replace(self.path)
                self.plan = replace(self.plan, snapshot=self.plan.snapshot.without_statistics())
                return smaller
        other.unlink(missing_ok=True)
        self.found, coded.sse, coded.worst = None, np.zeros_like(coded.sse), np.zeros_like(coded.worst)
        self.plan = replace(self.plan, lossless=True, bounds=())
        return size

    def _has_predictor(self) -> bool:
        p = self.plan.profile
        if p.sample_bits is not None:  # which GDAL packs, and then knows no predictor
            return False
        return predictor_pays(self.reader.read(window) for window in pieces_of(p.height, p.width))

    def _lerc_bounds(self) -> list[float]:
        """Return what LERC is asked for in turn: it holds numbers to it that are then rounded to samples."""
        bound = min(self.plan.bounds)
        if self.has_nan:
            return []  # GDAL 3.10 writes a form of LERC then that 3.6 cannot read
        if self.plan.affinity is None:
            return [math.floor(bound)] if bound >= 1 else []
        most = max(max(abs(low), abs(high)) for low, high in self.plan.affinity.ends)
        safe = (bound - float(np.spacing(np.asarray(most, self.plan.profile.dtype)))) * (1 - 1e-9)
        return [bound, safe] if safe > 0 else []

    def _keeps(self, path: Path, coded: CodedScene) -> bool:
        """Return whether a lossy file is within the bounds, all else the same; note its errors."""
        with open_scene(path, is_archive=True) as stored:
            same = self._measure(stored, self.progress.stage(0.7, 0.8))
        assert self.found is not None
        coded.sse = np.array([band.sse for band in self.found])
        coded.worst = np.array([band.max_abs_error for band in self.found])
        coded.count = np.array([float(band.samples) for band in self.found])
        pairs = zip(self.found, self.plan.bounds, strict=True)
        return same and all(band.max_abs_error <= most for band, most in pairs)

    def _measure(self, stored: Scene, progress: Progress) -> bool:
        """Compare a file with the scene, errors into ``found``; return whether masks and nodata are alike."""
        grid, same = self.plan.grid, stored.profile.has_mask == self.plan.profile.has_mask
        self.found = blank_errors(self.plan.profile, [peak.span for peak in self.plan.scene_peaks])
        for done, index in enumerate(grid, start=1):
            same &= compare_window(self.reader, stored, grid.core(index), self.found)
            progress.report(done / len(grid), "verifying")
        return same

    def _seal(self, coded: CodedScene) -> Seal:
        file = cog.CogFile(self.path)
        found, self.has_overviews = file.crcs(), bool(file.overviews)
        self.beside = sidecars_wanted(self.path, coded, self.options)
        side = side_information(
            coded,
            None,
            self.options,
            damage=self.damage,
            extras={"codec": named_codec(self.entry.name, None)},
            header_crc=found.structure,
            tile_crcs=found.tiles,
            sidecars=self.beside,
        )
        added = cog.append_record(self.path, sideinfo.pack(side, file.picture))
        return Seal(file_bytes=self.path.stat().st_size, side_bytes=added)

    def _verify(self, coded: CodedScene) -> None:
        if self.plan.lossless:
            Job._verify(self, coded)  # a dataclass with slots knows no bare super()
            return
        expected = self.found
        how = replace(self.options.execution, fast=False)
        with Archive(str(self.path), enhance="off", execution=how) as archive:
            if not self._measure(archive, self.progress.stage(0.9, 1)) or self.found != expected:
                raise VerificationError("the written archive does not decode to what was measured before")
            if lost := metadata_differences(self.plan.snapshot, archive.snapshot):
                raise VerificationError(f"the written archive lost metadata: {'; '.join(map(str, lost[:3]))}")

    def _band_qualities(self, coded: CodedScene) -> list[BandQuality]:
        """Return what became of each band but alpha, by errors in the units of the scene."""
        return [
            facts.judged(float(coded.sse[facts.band - 1]), float(coded.worst[facts.band - 1]))
            for facts in self.plan.facts
        ]
