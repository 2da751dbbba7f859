"""From an archive back to a GeoTIFF: decode, enhance, restore, verify, and only then take the name."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.integrity import StripCrcs
from rsic_geo.errors import ChecksumError
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.part import Part
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.options import DecodeOptions
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.raster import SceneWriter, gdal_config
from rsic_geo.raster.files import check_apart
from rsic_geo.repair.strength import scaled_correction
from rsic_geo.repair.windows import corrections
from rsic_geo.report import Report, describe_file
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.source import (
    choose_part,
    describe_part,
    enhancement_asked,
    fitting_cache,
    part_mask,
    reduced_pixels,
)
from rsic_geo.verbs.changes import Changes, describe_changes
from rsic_geo.verbs.names import check_scene_name
from rsic_geo.write.tiles import pixel_crc


def decompress(
    src: str, dst: str, options: DecodeOptions | None = None, progress: ProgressCallback | None = None
) -> Report:
    """Write the final output of an archive (or any readable scene) as a GeoTIFF or COG.

    The file appears under its name only when it is complete and its metadata were read back and found
    equal to the archive's.

    Args:
        src: archive.
        dst: file to write.
        options: what is asked for.
        progress: told a fraction and a text; returning False cancels.

    Returns:
        What was done, in numbers.

    Raises:
        ChecksumError: if stored bytes or lossless pixels are damaged.
        MetadataLossError: if the output would not hold metadata that a GeoTIFF (with its sidecar) can hold;
            what none can is left out and named in the warnings.
        OutputExistsError: if ``dst`` exists and overwriting was not asked for.
        UsageError: if ``dst`` is ``src``, or its name is not that of a TIFF.
    """
    options = options or DecodeOptions()
    check_apart(src, dst)
    check_scene_name(dst)
    report = Progress(callback=progress)
    started = time.perf_counter()
    with (
        gdal_config(options.execution.gdal),
        Archive(
            src,
            enhance=enhancement_asked(options),
            execution=options.execution,
            allow_other_model=options.allow_other_model,
        ) as archive,
        fitting_cache(archive.reader, options.execution),
    ):
        if not archive.is_archive and options.enhance == "auto":
            report.warn("no archive of rsic_geo: decoded as it is; `rsic enhance` repairs it by estimate")
        for note in () if archive.side is None else archive.side.source_damage:
            report.warn(f"the scene was damaged when it was archived: {note}")
        part = choose_part(archive.snapshot, options, report)
        profile, snapshot = archive.profile, archive.metadata(options.max_change)
        if part is not None:
            profile, snapshot = part.of_profile(profile), part.of_snapshot(snapshot)
        writer = SceneWriter(
            dst,
            profile,
            snapshot,
            driver=options.driver,
            creation_options=options.execution.output_options(options.creation_options),
            overwrite=options.overwrite,
        )
        with writer, _changes(archive, part, options, profile, snapshot) as changes:
            pixels = changes.through(part_pixels(archive, part, report.stage(0, 0.97)))
            write_rows(writer, archive, pixels, part)
            report.report(0.98, "finishing")
            changes.commit(writer)
        for note in writer.notes:
            report.warn(note)
        details = {**_details(archive), **describe_part(part), **describe_changes(options)}
        if details.get("lossless"):
            details["lossless"] = writer.keeps_pixels and not options.level
        report.report(1.0, "done")
        return Report(
            verb="decompress",
            source=describe_file(src, archive.profile),
            output=describe_file(dst, profile),
            seconds=time.perf_counter() - started,
            warnings=tuple(archive.warnings + report.warnings),
            details=details,
        )


@contextmanager
def _changes(
    archive: Archive,
    part: Part | None,
    options: DecodeOptions,
    profile: SceneProfile,
    snapshot: MetadataSnapshot,
) -> Iterator[Changes]:
    with ExitStack() as held:
        plain = archive
        if describe_changes(options):
            plain = held.enter_context(Archive(archive.path, enhance="off", execution=options.execution))
        yield held.enter_context(Changes(plain, part, options, profile, snapshot))


def write_rows(
    writer: SceneWriter,
    archive: Archive,
    windows: Iterable[tuple[Window, NDArray[Any]]],
    part: Part | None = None,
) -> None:
    """Write windows (of ``part``) and their dataset mask; the next one is decoded while one is written."""

    def write(window: Window, pixels: NDArray[Any], mask: NDArray[np.uint8] | None) -> None:
        writer.write(window, pixels)
        if mask is not None:
            writer.write_mask(window, mask)

    with ThreadPoolExecutor(1) as pool:
        pending: Future[None] | None = None
        for window, pixels in windows:
            mask = archive.read_mask(window) if part is None else part_mask(archive, part, window)
            if pending is not None:
                pending.result()
            pending = pool.submit(write, window, pixels, mask)
        if pending is not None:
            pending.result()


def part_pixels(
    archive: Archive, part: Part | None, progress: Progress
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield windows that together are a part of the scene (None: all of it), counted from its corner.

    Raises:
        ChecksumError: if a tile's bytes, or a lossless tile's pixels, are damaged.
    """
    if part is None:
        yield from final_pixels(archive, progress)
    elif part.level:
        yield from reduced_pixels(archive, part, progress)
    else:
        for window, pixels in final_pixels(archive, progress, part):
            yield window.within(part.window), pixels if part.bands is None else pixels[list(part.bands)]


def final_pixels(
    archive: Archive, progress: Progress, part: Part | None = None
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield windows that together are the scene and their final pixels (bands, h, w), in bounded memory.

    With ``part`` only its window is covered, and bands it leaves out need not be enhanced.

    Raises:
        ChecksumError: if a tile's bytes, or a lossless tile's pixels, are damaged.
    """
    if archive.is_enhanced and archive.side is not None and archive.side.strengths.any():
        yield from _enhanced_rows(archive, progress, part)
        return
    size = archive.side.tile_size if archive.side is not None else 1024
    grid = TileGrid(height=archive.profile.height, width=archive.profile.width, tile_size=size)
    area = Window.full(grid.height, grid.width) if part is None else part.window
    tiles = grid.tiles_touching(area)
    for done, index in enumerate(tiles, start=1):
        window = grid.core(index)
        wanted = window.intersection(area)
        if wanted is None:
            continue
        if wanted == window or (archive.side is not None and archive.side.lossless):
            pixels = archive.read_decoded(window)  # all of a tile, for its checksum
            _check_pixels(archive, grid.index_number(index), pixels)
            pixels = pixels[(slice(None), *wanted.within(window).slices)]
        else:
            pixels = archive.read_decoded(wanted)
        yield wanted, archive.finish(pixels, wanted)
        progress.report(done / len(tiles), "decoding")


def _check_pixels(archive: Archive, number: int, pixels: NDArray[Any]) -> None:
    side = archive.side
    if side is not None and side.lossless and pixel_crc(pixels) != side.pixel_crcs[number]:
        raise ChecksumError(
            f"tile {number} does not decode to the pixels that were stored: the decoder here is faulty"
        )


class _Source:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        return self._archive.read_decoded(window, bands=bands)


def _enhanced_rows(
    archive: Archive, progress: Progress, part: Part | None
) -> Iterator[tuple[Window, NDArray[Any]]]:
    side = archive.side
    if side is None:
        raise AssertionError("only archives are enhanced here")
    plan = archive.enhancement_plan()
    area = None
    is_sealed = (
        part is None and side.final_crcs and side.model and side.model.matches(archive.enhancer.sha256)
    )
    crcs = StripCrcs(archive.profile, archive.snapshot.dtypes[0]) if is_sealed else None
    if part is not None:
        plan, area = plan.for_bands(part.bands), part.window
    for rows in corrections(_Source(archive), archive.enhancer, plan, progress, area):
        window = rows.window
        strengths = side.strengths[:, window.row_off // CELL]
        pixels = scaled_correction(rows.decoded, rows.correction, strengths, plan, col_off=window.col_off)
        del rows  # or its whole strip would stay while the next one is made
        final = archive.finish(pixels, window)
        if crcs is not None and crcs.add(window, final):
            row = len(crcs.found) - 1
            if crcs.found[row] != side.final_crcs[row]:
                last = min((row + 1) * CELL, archive.profile.height) - 1
                raise ChecksumError(
                    f"rows {row * CELL} to {last} are not the bits the archive was sealed with: the OpenJPEG "
                    "of this machine decodes otherwise, or its arithmetic is faulty (see rsic doctor)"
                )
        yield window, final


def _details(archive: Archive) -> dict[str, Any]:
    side = archive.side
    if side is None:
        return {"archive": False, "enhanced": False}
    switched_on = float(np.mean(side.strengths > 0)) if side.strengths.size else 0.0
    # what made the pixels: the caller may have asked for another one than the archive's
    used = archive.enhancer if archive.is_enhanced else side.model
    return {
        "archive": True,
        "lossless": side.is_exact,
        "enhanced": archive.is_enhanced,
        "model": None if used is None else {"name": used.name, "sha256": used.sha256},
        "seed": side.seed,
        "cells_enhanced": switched_on,
        "sealed": bool(side.final_crcs),
        "target": dict(side.target),
    }
