"""Enhancing scenes of other writers: distortion estimated, strength kept low, and both are said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.enhance.base import Enhancer
from rsic_geo.errors import UnsupportedSceneError, UsageError
from rsic_geo.geo.io import SceneWriter, gdal_config
from rsic_geo.geo.io_files import check_apart
from rsic_geo.geo.lattice import CELL, byte_from_strength
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.validity import avoid_nodata, fill_invalid
from rsic_geo.geo.window import Window
from rsic_geo.pipeline.archive import PROVENANCE_DOMAIN, Archive, open_archive
from rsic_geo.pipeline.blind import estimate_levels
from rsic_geo.pipeline.decode import decompress
from rsic_geo.pipeline.enhancing import EnhancementPlan, corrections
from rsic_geo.pipeline.events import Progress, ProgressCallback
from rsic_geo.pipeline.names import check_scene_name
from rsic_geo.pipeline.options import DecodeOptions
from rsic_geo.pipeline.plan import band_groups, sample
from rsic_geo.pipeline.report import Report, describe_file
from rsic_geo.pipeline.strength import scaled_correction

BLIND_STRENGTH = 0.6
"""Strength where no original is at hand: part of the gain, little of the risk."""
BLIND_NOTE = (
    "no original at hand: distortion estimated by shifted recompression, strength {strength:g}; an estimate, "
    "not a promise; keep the source for measuring"
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
    check_apart(src, dst)
    check_scene_name(dst)
    report = Progress(callback=progress)
    with (
        gdal_config(options.execution.gdal),
        open_archive(src, execution=options.execution) as archive,
    ):
        if not archive.is_archive:
            return _enhance_foreign(archive, dst, options, report)
    if options.strength is not None:
        raise UsageError("an archive of rsic_geo holds the strength of every cell: leave out the strength")
    return decompress(src, dst, options, progress)


def _enhance_foreign(archive: Archive, dst: str, options: DecodeOptions, progress: Progress) -> Report:
    from rsic_geo.enhance import load_enhancer  # torch only when needed

    started = time.perf_counter()
    check_enhanceable(archive.profile)
    strength = BLIND_STRENGTH if options.strength is None else options.strength
    plan = estimated_plan(archive, options, progress.stage(0, 0.3))
    enhancer = load_enhancer(options.enhance, options.execution.device)
    progress.warn(BLIND_NOTE.format(strength=strength))
    writer = SceneWriter(
        dst,
        archive.profile,
        _estimated_snapshot(archive, enhancer, strength),
        driver=options.driver,
        creation_options=options.execution.output_options(options.creation_options),
        overwrite=options.overwrite,
    )
    with writer:
        for window, rows in _rows(archive, enhancer, plan, strength, progress.stage(0.3, 0.97)):
            writer.write(window, rows)
            mask = archive.read_mask(window)
            if mask is not None:
                writer.write_mask(window, mask)
        writer.commit()
    progress.report(1.0, "done")
    return Report(
        verb="enhance",
        source=describe_file(archive.path, archive.profile),
        output=describe_file(dst, archive.profile),
        seconds=time.perf_counter() - started,
        warnings=tuple(progress.warnings),
        details={
            "archive": False,
            "enhanced": True,
            "estimated": True,
            "strength": strength,
            "model": {"name": enhancer.name, "sha256": enhancer.sha256},
        },
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


def estimated_plan(archive: Archive, options: DecodeOptions, progress: Progress) -> EnhancementPlan:
    """Return groups, radiometry and estimated distortion of a scene without an original.

    Raises:
        UsageError: if the file is stored losslessly.
    """
    profile = archive.profile
    radiometry = Radiometry.fit(profile.dtype, [sample(archive.reader)])
    groups = band_groups(profile.colorinterp)
    levels = estimate_levels(archive.reader, groups, radiometry, progress)
    return EnhancementPlan(
        height=profile.height,
        width=profile.width,
        groups=groups,
        levels=levels,
        active=levels > 0,
        radiometry=radiometry,
        window_size=options.execution.window_size,
    )


def _estimated_snapshot(archive: Archive, enhancer: Enhancer, strength: float) -> MetadataSnapshot:
    """Return the scene's metadata and a domain that says how its pixels came to be."""
    made_by = {
        "RSIC_ENHANCED": "YES",
        "RSIC_ESTIMATED": "YES",
        "RSIC_STRENGTH": f"{strength:g}",
        "RSIC_MODEL": enhancer.name,
        "RSIC_MODEL_SHA256": enhancer.sha256,
    }
    snapshot = archive.snapshot.without_statistics()
    return replace(snapshot, tags={**snapshot.tags, PROVENANCE_DOMAIN: made_by})


class _Filled:
    """Decoded pixels with nodata filled, as the enhancer should see them."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        if not self._archive.profile.has_nodata:
            return self._archive.reader.read(window, bands=bands)
        pixels = self._archive.reader.read(window)
        filled = fill_invalid(pixels, self._archive.reader.read_valid(window, pixels))
        return filled if bands is None else filled[list(bands)]


def _rows(
    archive: Archive, enhancer: Enhancer, plan: EnhancementPlan, strength: float, progress: Progress
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield rows of cells of the enhanced scene; nodata stays as it was, pixel by pixel."""
    cells = np.full((len(plan.groups), -(-plan.width // CELL)), byte_from_strength(strength), np.uint8)
    for rows in corrections(_Filled(archive), enhancer, plan, progress):
        decoded = archive.reader.read(rows.window)
        out = scaled_correction(decoded, rows.correction, cells, plan.groups)
        valid = archive.reader.read_valid(rows.window, decoded)
        if not valid.all():
            out = avoid_nodata(out, valid, list(archive.profile.nodata))
            out[~valid] = decoded[~valid]
        yield rows.window, out
