"""What a file is, without decoding it; and whether it is whole."""

from __future__ import annotations

import math
import os
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rsic_geo.container.coded import pack_coded
from rsic_geo.container.sideinfo import OVERVIEW
from rsic_geo.errors import ChecksumError, MissingDependencyError, RsicGeoError, WeightsError
from rsic_geo.geo.lattice import rmse_from_level, strength_from_byte
from rsic_geo.geo.window import TileGrid
from rsic_geo.options import Execution
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.raster import open_scene, sidecar_differences
from rsic_geo.raster.gdal_xml import vrt_source
from rsic_geo.raster.incomplete import broken_xml
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.components import SPECTRAL_NAMES, spectral_of, steps_of, vrt_made_by, vrt_of
from rsic_geo.scenes.payloads import JPEG2000, OWN
from rsic_geo.scenes.planes import Planes
from rsic_geo.scenes.quantised import Affinity
from rsic_geo.scenes.tiff import codec_of
from rsic_geo.scenes.verdict import band_names, target_meaning
from rsic_geo.targets import TARGETS, References, Target
from rsic_geo.verbs.decompress import final_pixels
from rsic_geo.write.sidecars import as_stored, as_values

_MOST_ALTERED = 3
"""Differences of one sidecar that are named."""


def info(path: str) -> dict[str, Any]:
    """Return a plain dictionary about a scene or archive.

    Raises:
        SceneError, ContainerError: if the file cannot be opened.
    """
    with Archive(path, enhance="off") as archive:
        p = archive.profile
        out: dict[str, Any] = {
            "path": str(path),
            "driver": archive.reader.driver,
            "width": p.width,
            "height": p.height,
            "bands": p.count,
            "dtype": p.dtype,
            "colorinterp": list(p.colorinterp),
            "nodata": [v if v is None or math.isfinite(v) else str(v) for v in p.nodata],
            "crs": archive.snapshot.crs,
            "transform": None if archive.snapshot.transform is None else list(archive.snapshot.transform),
            "gcps": len(archive.snapshot.gcps),
            "has_rpcs": archive.snapshot.rpcs is not None,
            "area_or_point": archive.snapshot.area_or_point,
            "has_mask": archive.has_mask,
            "archive": archive.is_archive,
        }
        if Path(path).is_file():
            size = os.path.getsize(path)
            out |= {
                "bytes": size,
                "bpp": size * 8 / (p.width * p.height),
                "bpppb": size * 8 / (p.width * p.height * p.count),
                "ratio": p.raw_bytes / size,
            }
        return out | _side(archive)


def _side(archive: Archive) -> dict[str, Any]:
    side, p = archive.side, archive.profile
    if side is None:
        return {}
    out: dict[str, Any] = {
        "lossless": side.is_exact,
        "tile_size": side.tile_size,
        "tiles": len(TileGrid(height=p.height, width=p.width, tile_size=side.tile_size)),
        "codec": _codec(archive),
        **_representation(archive),
        "target": dict(side.target),
        "meaning": _meaning(archive),
        "peaks": _peaks(archive),
        "limits": [None if ends is None else list(ends) for ends in side.limits],
        "seed": side.seed,
        "model": None if side.model is None else {"name": side.model.name, "sha256": side.model.sha256},
        "planes": sorted({kind for _, kind in side.planes} | ({"mask"} if archive.has_mask else set())),
    }
    if side.source_damage:
        out["source_damage"] = list(side.source_damage)
    if side.model is not None:
        strengths, rmse = strength_from_byte(side.strengths), rmse_from_level(side.levels)
        out["sealed"] = bool(side.final_crcs)
        out["enhancement"] = {
            "groups": [list(group) for group in side.groups],
            "cells_enhanced": float(np.mean(strengths > 0)),
            "mean_strength": float(strengths.mean()),
            "median_distortion": float(np.median(rmse)),
            "filters": [
                None if taps is None else {"reach": taps.reach, "classes": len(taps.edges) + 1}
                for taps in side.filters
            ],
            "filter_bytes": len(pack_coded(side.levels[:0], side.strengths[:0], side.filters, side.groups)),
        }
    return out


def _meaning(archive: Archive) -> str | None:
    """Return what the target allowed in the units of the scene; None where an archive cannot tell."""
    side, p = archive.side, archive.profile
    asked = [] if side is None else [(kind, value) for kind, value in side.target.items() if kind in TARGETS]
    if side is None or not asked or not archive.peaks:  # a later version may know more targets
        return None
    names = band_names(archive.snapshot.descriptions, p.count)
    data = [band for band, colour in enumerate(p.colorinterp) if colour != "alpha"]
    if side.limits:  # a band without limits has no valid sample, one of a single value nothing to lose
        data = [band for band in data if (ends := side.limits[band]) is not None and ends[0] < ends[1]]
    target, peaks = Target(kind=asked[0][0], value=asked[0][1]), archive.peaks
    # Spreads are not recorded.
    bands = [(References(peaks[band].span), peaks[band], names[band]) for band in data]
    return target_meaning(target, bands)


def _peaks(archive: Archive) -> dict[str, Any] | None:
    """Return what PSNR was measured by, a list per band; None for an archive that lost nothing."""
    peaks = archive.peaks
    if not peaks:
        return None
    return {name: [getattr(peak, name) for peak in peaks] for name in ("kind", "low", "high")}


def _representation(archive: Archive) -> dict[str, Any]:
    """Return what the samples of the file are where they are not those of the scene: components, or steps."""
    side, count = archive.side, archive.profile.count
    if side is None:
        return {}
    spectral, affinity = spectral_of(side.extras, count), steps_of(side.extras)
    out: dict[str, Any] = {} if spectral is None else {"spectral": SPECTRAL_NAMES[type(spectral)]}
    if affinity is None:
        return out
    told = {"step": affinity.scale} if isinstance(affinity, Affinity) else {"relative_step": affinity.bounds}
    return out | {name: list(values) for name, values in told.items()}


def _codec(archive: Archive) -> dict[str, Any]:
    """Return the codec, and of an archive of tiles in a TIFF its weights and how many tiles are whose."""
    scene = archive.tiff
    if scene is None:
        side = archive.side
        return {"name": "jp2" if side is None or "codec" not in side.extras else codec_of(side)[0]}
    kinds, network = scene.kinds(), scene.model
    return {
        "name": scene.codec,
        **({} if network is None else {"weights": network.name, "sha256": network.sha256}),
        f"tiles_{scene.codec}": kinds.get(OWN, 0),
        "tiles_jpeg2000": kinds.get(JPEG2000, 0),
    }


def validate(path: str, *, pixels: bool = True, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Return whether a file is whole: ``valid``, and a list of what is wrong.

    An archive of ours is checked byte by byte against its checksums; with ``pixels`` it is also decoded. Any
    other raster is read through once.

    Args:
        path: file to check.
        pixels: decode everything.
        progress: told a fraction and a text; returning False cancels.

    Raises:
        SceneError: if there is no such file.
    """
    report = Progress(callback=progress)
    out: dict[str, Any] = {"path": str(path), "archive": False, "valid": False, "problems": []}
    try:
        with Archive(path, enhance="off", execution=Execution()) as archive:
            out["archive"] = archive.is_archive
            damaged = archive.damaged_tiles()
            out["damaged_tiles"] = damaged
            if damaged:
                named = ", ".join(map(str, damaged[:8])) + (", ..." if len(damaged) > 8 else "")
                count = "1 damaged tile" if len(damaged) == 1 else f"{len(damaged)} damaged tiles"
                raise ChecksumError(f"{count} ({named}): copy the file again")
            out["problems"] += archive.minor_damage()
            if pixels:
                for window, _ in final_pixels(archive, report):
                    archive.read_mask(window)
                _check_seal(archive, report)
            out["problems"] += _damaged_sidecars(archive, pixels=pixels)
    except RsicGeoError as error:
        is_about_us = isinstance(error, (MissingDependencyError, WeightsError))
        if is_about_us or not _can_be_read(path):
            raise
        out["problems"].append(str(error))
    out["valid"] = not out["problems"]
    return out


def _check_seal(archive: Archive, progress: Progress) -> None:
    """Enhance an archive that is sealed; ChecksumError where that gives other pixels."""
    if archive.side is not None and archive.side.final_crcs:
        with Archive(archive.path, execution=Execution()) as enhanced:
            for _ in final_pixels(enhanced, progress):
                pass


def damaged_sidecars(path: str) -> list[str]:
    """Return in words what is wrong with the files beside an archive that other programs read.

    Raises:
        RsicGeoError: the archive itself cannot be read.
    """
    with Archive(path, enhance="off", execution=Execution()) as archive:
        return _damaged_sidecars(archive, pixels=True)


def _damaged_sidecars(archive: Archive, *, pixels: bool) -> list[str]:
    """Return in words which of an archive's sidecars tell other programs something else than the archive."""
    side, p, mask = archive.side, archive.profile, f"{archive.path}.msk"
    if side is None or archive.tiff is not None or not os.path.isfile(archive.path):
        return []  # what lies beside a name of GDAL's own is not looked at
    found = [
        f"{Path(archive.path).name}{suffix}, which other programs read, is missing: copy it beside the file"
        for suffix in side.sidecars
        if not os.path.isfile(archive.path + suffix)
    ]
    has_mask = os.path.isfile(mask) or ".msk" in side.sidecars
    spectral, affinity = spectral_of(side.extras, p.count), steps_of(side.extras)
    if words := broken_xml(archive.path):
        found.append(words)
    elif os.path.isfile(f"{archive.path}.aux.xml"):
        said = as_stored(archive.snapshot, spectral or affinity, has_mask=has_mask)
        found += [
            f"{Path(archive.path).name}.aux.xml was altered: {difference}"
            for difference in sidecar_differences(archive.path, said)[:_MOST_ALTERED]
        ]
    overview = Path(f"{archive.path}.ovr")
    is_ours = ".ovr" in side.sidecars and overview.exists()
    if is_ours and zlib.crc32(overview.read_bytes()) != side.extras.get(OVERVIEW):
        found.append(f"{overview.name}, read for small sizes, was altered: copy it again")
    vrt = Path(f"{archive.path}.vrt")
    made_by = vrt_made_by(spectral, affinity)
    if made_by is not None and vrt.exists():
        bands = as_values(archive.snapshot, affinity, has_mask=has_mask)
        told_of = partial(vrt_of, shown=bands, spectral=made_by, has_mask=has_mask)
        if (content := vrt.read_bytes()) != told_of(Path(archive.path).name):
            before = vrt_source(content)
            is_renamed = before is not None and content == told_of(before)
            what = (
                f"is of {before}: the archive was renamed; call it so again, or archive the scene anew"
                if is_renamed
                else "was altered: copy it again"
            )
            found.append(f"{vrt.name}, by which other programs see bands, {what}")
    if not os.path.isfile(mask) or not pixels:
        return found
    grid = TileGrid(height=p.height, width=p.width, tile_size=side.tile_size)
    planes = Planes(side.planes, grid, dtype=archive.reader.profile.dtype, bands=p.count)
    try:
        with open_scene(mask) as shown:
            for index in grid:
                window = grid.core(index)
                own = planes.for_others(window, is_quantised="affine" in side.extras)
                if not np.array_equal(shown.read(window)[0], own):
                    raise ChecksumError("it shows another mask than the archive's")
    except RsicGeoError as error:
        found.append(f"the mask {mask}, which other programs read, is damaged: {error}")
    return found


def _can_be_read(path: str) -> bool:
    """Return False for the name of no file, or of one we may not read; True for what only GDAL can tell."""
    is_name_of_gdal = str(path).startswith("/vsi") or ":" in os.path.splitdrive(path)[1]
    return is_name_of_gdal or (os.path.isfile(path) and os.access(path, os.R_OK))
