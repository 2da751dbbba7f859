"""Enhancing scenes of other writers: distortion estimated, strength kept low, and both are said."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UnsupportedSceneError, UsageError
from rsic_geo.geo.lattice import CELL, strength_from_byte
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.part import Part
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.validity import avoid_nodata, fill_invalid
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.options import DecodeOptions
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.raster import SceneReader, SceneWriter, gdal_config
from rsic_geo.raster.files import check_apart
from rsic_geo.repair.base import Enhancer, LinearEnhancer
from rsic_geo.repair.blind import LossyScene, blind_strengths, estimate_levels, lossy_scene
from rsic_geo.repair.phase import Shifted, wavelet_phase
from rsic_geo.repair.plan import EnhancementPlan
from rsic_geo.repair.strength import scaled_correction
from rsic_geo.repair.windows import CorrectedRows, corrections
from rsic_geo.report import Report, describe_file
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.planes import within_bits
from rsic_geo.scenes.provenance import PROVENANCE_DOMAIN
from rsic_geo.scenes.source import choose_part, describe_part, part_mask
from rsic_geo.verbs.changes import Changes, describe_changes
from rsic_geo.verbs.decompress import decompress
from rsic_geo.verbs.names import check_scene_name
from rsic_geo.write.plan import band_groups, sample

BLIND_NOTE = (
    "no original at hand: distortion estimated by shifted recompression, strength {strength:.2g}{how}; an "
    "estimate, not a promise; keep the source for measuring"
)
CUT_NOTE = "its pixels were cut out of a JPEG 2000 file at an odd row or column: they are repaired as such"
_SAMPLE_SIDE = 1024
"""Side (px) of the middle in which a wavelet's phase is looked for."""
_FILLED_SIDE = 512
"""Side (px) of the squares in which nodata is filled, each with a cell around it."""
NOTHING_NOTE = (
    "so little was lost that repairing it would do harm: the pixels stay as they are; --strength insists"
)


def enhance(
    src: str, dst: str, options: DecodeOptions | None = None, progress: ProgressCallback | None = None
) -> Report:
    """Write an enhanced copy of a lossy raster; an archive of ours is simply decompressed.

    Args:
        src: JPEG 2000 file, or JPEG, WebP, JXL or LERC compressed GeoTIFF, of any writer.
        dst: GeoTIFF or COG to write.
        options: what is asked for; ``enhance`` names the model.
        progress: told a fraction and a text; returning False cancels.

    Raises:
        UsageError: if the file is stored losslessly, so that nothing tells of a loss.
        UnsupportedSceneError: if its samples are no uint8, uint16 or int16.
        WeightsError: if the model cannot be used.
    """
    options = options or DecodeOptions(enhance="auto")
    if options.enhance in ("off", "none"):
        raise UsageError("nothing to do: enhancement is off")
    if options.level:
        raise UsageError("enhancement works at full size: leave out the level")
    if options.change is not None:
        check_scene_name(options.change)
        if os.path.abspath(options.change) == os.path.abspath(dst):
            raise UsageError("output and changes are the same file: give another name for the changes")
    check_apart(src, dst)
    check_scene_name(dst)
    report = Progress(callback=progress)
    with (
        gdal_config(options.execution.gdal),
        Archive(src, execution=options.execution) as archive,
    ):
        if not archive.is_archive:
            return _enhance_foreign(archive, dst, options, report)
    if options.strength is not None:
        raise UsageError("an archive of rsic_geo holds the strength of every cell: leave out the strength")
    return decompress(src, dst, options, progress)


def _enhance_foreign(archive: Archive, dst: str, options: DecodeOptions, progress: Progress) -> Report:
    from rsic_geo.repair import load_enhancer

    started = time.perf_counter()
    check_enhanceable(archive.profile)
    part = choose_part(archive.snapshot, options, progress)
    how = options.execution
    enhancer: Enhancer = load_enhancer(options.enhance, how.device, fast=how.fast)
    if isinstance(enhancer, LinearEnhancer):
        raise UsageError(f"{enhancer.name} knows only what an original tells an archive: name a network")
    reach = options.execution.window_size + 2 * enhancer.halo + CELL
    area = None if part is None else _widened(part.window, reach)
    assert isinstance(archive.reader, SceneReader)  # GDAL reads whatever is no archive of ours
    lossy = lossy_scene(archive.reader)
    phase = wavelet_phase(_middle(archive))
    if any(phase):
        enhancer = Shifted(enhancer, phase)
        progress.warn(CUT_NOTE)
    plan = estimated_plan(lossy, options, progress.stage(0, 0.3), area)
    strengths = blind_strengths(plan.levels, plan.groups, lossy.bpp, lossy.kind, options.strength)
    is_enhanced = bool(strengths.any())
    strength = float(strength_from_byte(strengths[plan.levels > 0]).mean()) if plan.levels.any() else 0.0
    plan = replace(plan, active=plan.active & (strengths > 0))
    how_found = " on average" if options.strength is None else ""
    progress.warn(BLIND_NOTE.format(strength=strength, how=how_found))
    if not is_enhanced and options.strength is None:
        progress.warn(NOTHING_NOTE)
    profile, snapshot = archive.profile, _estimated_snapshot(archive, enhancer, options, is_enhanced)
    if part is not None:
        profile, snapshot = part.of_profile(profile), part.of_snapshot(snapshot)
        plan = plan.for_bands(part.bands)
    writer = SceneWriter(
        dst,
        profile,
        snapshot,
        driver=options.driver,
        creation_options=options.execution.output_options(options.creation_options),
        overwrite=options.overwrite,
    )
    with writer, Changes(archive, part, options, profile, snapshot) as changes:
        source, stage = _Filled(archive), progress.stage(0.3, 0.97)
        found = corrections(source, enhancer, plan, stage, None if part is None else part.window)
        for window, pixels in changes.through(_rows(archive, plan, strengths, part, found)):
            writer.write(window, pixels)
            mask = archive.read_mask(window) if part is None else part_mask(archive, part, window)
            if mask is not None:
                writer.write_mask(window, mask)
        changes.commit(writer)
    for note in writer.notes:
        progress.warn(note)
    progress.report(1.0, "done")
    return Report(
        verb="enhance",
        source=describe_file(archive.path, archive.profile),
        output=describe_file(dst, profile),
        seconds=time.perf_counter() - started,
        warnings=tuple(progress.warnings),
        details={
            "archive": False,
            "enhanced": is_enhanced,
            "estimated": True,
            "strength": strength,
            "model": {"name": enhancer.name, "sha256": enhancer.sha256},
            "wavelet_phase": list(phase),
            **describe_part(part),
            **describe_changes(options),
        },
    )


def _middle(archive: Archive) -> NDArray[Any]:
    """Return the middle of the first bands (1 or 3, h, w), from an even row and column."""
    profile = archive.profile
    top, left = (max(0, side - _SAMPLE_SIDE) // 4 * 2 for side in (profile.height, profile.width))
    area = Window.between(
        top, min(top + _SAMPLE_SIDE, profile.height), left, min(left + _SAMPLE_SIDE, profile.width)
    )
    return archive.reader.read(area, bands=next(iter(band_groups(profile.colorinterp)), (0,)))


def _widened(window: Window, margin: int) -> Window:
    return Window.between(
        max(0, window.row_off - margin),
        window.row_stop + margin,
        max(0, window.col_off - margin),
        window.col_stop + margin,
    )


def check_enhanceable(profile: SceneProfile) -> None:
    """Raise UnsupportedSceneError for samples no enhancer can work on."""
    if "palette" in profile.colorinterp:
        raise UnsupportedSceneError(
            "a palette scene holds class numbers, not brightness: it cannot be enhanced"
        )
    if profile.dtype not in ("uint8", "uint16", "int16"):
        raise UnsupportedSceneError(
            f"enhancement works on uint8, uint16 or int16 samples, not on {profile.dtype}"
        )


def estimated_plan(
    lossy: LossyScene, options: DecodeOptions, progress: Progress, area: Window | None = None
) -> EnhancementPlan:
    """Return groups, radiometry and estimated distortion of a scene without an original.

    With ``area`` cells far outside of it may be left at no distortion.
    """
    profile = lossy.reader.profile
    radiometry = Radiometry.fit(profile.dtype, [sample(lossy.reader)])
    groups = band_groups(profile.colorinterp)
    levels = estimate_levels(lossy, groups, radiometry, progress, area)
    return EnhancementPlan(
        height=profile.height,
        width=profile.width,
        groups=groups,
        levels=levels,
        active=levels > 0,
        radiometry=radiometry,
        window_size=options.execution.window_size,
        workers=options.execution.workers,
    )


def _estimated_snapshot(
    archive: Archive, enhancer: Enhancer, options: DecodeOptions, is_enhanced: bool
) -> MetadataSnapshot:
    """Return the scene's metadata and a domain that says how its pixels came to be."""
    made_by = {
        "RSIC_ENHANCED": "YES" if is_enhanced else "NO",
        "RSIC_ESTIMATED": "YES",
        "RSIC_STRENGTH": "estimated" if options.strength is None else f"{options.strength:g}",
        "RSIC_MODEL": enhancer.name,
        "RSIC_MODEL_SHA256": enhancer.sha256,
        **({} if options.max_change is None else {"RSIC_MAX_CHANGE": f"{options.max_change:g}"}),
    }
    snapshot = archive.snapshot.without_statistics()
    return replace(snapshot, tags={**snapshot.tags, PROVENANCE_DOMAIN: made_by})


class _Filled:
    """Decoded pixels with nodata filled, as the enhancer should see them."""

    def __init__(self, archive: Archive) -> None:
        self._reader, self._profile = archive.reader, archive.profile
        p = self._profile
        self._grid = TileGrid(height=p.height, width=p.width, tile_size=_FILLED_SIDE)

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        if not self._profile.has_nodata:
            return self._reader.read(window, bands=bands)
        pixels = self._reader.read(window)
        valid = self._reader.read_valid(window, pixels)
        # A fill hangs on all that is seen for it: squares of the scene, lest it hang on the window.
        for index in [] if valid.all() else self._grid.tiles_touching(window):
            core = self._grid.core(index)
            part = core.intersection(window)
            if part is None or valid[(slice(None), *part.within(window).slices)].all():
                continue
            around = _widened(core, CELL).intersection(Window.full(self._grid.height, self._grid.width))
            assert around is not None
            seen = self._reader.read(around)
            filled = fill_invalid(seen, self._reader.read_valid(around, seen))
            pixels[(slice(None), *part.within(window).slices)] = filled[
                (slice(None), *part.within(around).slices)
            ]
        return pixels if bands is None else pixels[list(bands)]


def _rows(
    archive: Archive,
    plan: EnhancementPlan,
    strengths: NDArray[np.uint8],
    part: Part | None,
    found: Iterator[CorrectedRows],
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield rows of the enhanced scene, or of a part of it; nodata stays as it was, pixel by pixel."""
    for rows in found:
        window = rows.window
        cells = strengths[:, window.row_off // CELL]
        decoded = archive.reader.read(window)
        out = scaled_correction(decoded, rows.correction, cells, plan, col_off=window.col_off)
        del rows  # or its whole strip would stay while the next one is made
        valid = archive.reader.read_valid(window, decoded)
        bits = archive.profile.sample_bits
        out = within_bits(out, bits)
        if not valid.all():
            out = avoid_nodata(out, valid, list(archive.profile.nodata), bits=bits)
            out[~valid] = decoded[~valid]
        if part is not None:
            window = window.within(part.window)
            out = out if part.bands is None else out[list(part.bands)]
        yield window, out
