"""A scene as ``compress`` reads it, and which part of a scene is asked for, at which level.

An archive is read by its final output, others as GDAL reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UnsupportedSceneError, UsageError
from rsic_geo.geo.metadata import MetadataSnapshot, usual_mask_flags
from rsic_geo.geo.part import Part
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.validity import valid_samples
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.options import DecodeOptions, EncodeOptions, Execution, PartOptions, usual_tile_size
from rsic_geo.progress import Progress
from rsic_geo.raster import gdal_config, largest_blocks
from rsic_geo.raster.box import window_of_box
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.protocol import Scene, StoredScene, decimated_valid

_KEPT_SHARE = 2.2
"""Cache that keeps a scene beside the archive read for its proof, in sizes of the scene: both in full, as
what was used longest ago goes first, and that is what is needed next."""
LEAST_CACHE_MIB = 64
"""GDAL's block cache for narrow scenes, whose opening and overviews take some, too."""
_SOURCE_SIDE = 4096
"""Pixels of the scene read at once along a side, for a coarser level."""


@contextmanager
def open_source(path: str, execution: Execution, *, is_kept: bool = False) -> Iterator[Scene]:
    """Open a scene for reading: an archive of ours, or whatever GDAL reads.

    The pixels of an archive of rsic_geo are checked, enhanced and restored: read as any JP2 it would be
    without nodata and masks, and damage would go unnoticed.

    Args:
        path: of the scene.
        execution: how it is read.
        is_kept: as of :func:`fitting_cache`.

    Raises:
        SceneError: if GDAL cannot open the file.
        ContainerError, ChecksumError, VersionError: if it is an archive, damaged or too new.
    """
    with (
        Archive(path, execution=execution) as archive,
        fitting_cache(archive.reader, execution, is_kept=is_kept),
    ):
        yield archive if archive.is_archive else archive.reader


@contextmanager
def fitting_cache(scene: StoredScene, execution: Execution, *, is_kept: bool = False) -> Iterator[None]:
    """Let GDAL keep as many blocks in the body as this scene needs, at most what the execution says.

    Tiles and windows go along rows and reach into the next ones by a few pixels, so what they share is two
    rows of tiles or of blocks; half a row more lets blocks go in any order. The blocks of a VRT are small
    whatever those of its members are, which would be decoded again for each.

    Args:
        scene: what is read.
        execution: how.
        is_kept: it is read again and again, and nothing else needs much memory: the cache keeps all of it,
            where it may be so large.
    """
    profile = scene.profile
    block = largest_blocks(scene.name) if scene.driver == "VRT" else scene.block_shape
    rows, width = max(usual_tile_size(profile.count), block[0]), max(profile.width, block[1])
    row = rows * width * profile.count * np.dtype(profile.dtype).itemsize
    needed = min(execution.memory_mib, max(LEAST_CACHE_MIB, math.ceil(2.5 * row / 2**20)))
    whole = math.ceil(_KEPT_SHARE * profile.raw_bytes / 2**20)
    if is_kept and whole <= execution.memory_mib:
        needed = max(needed, whole)
    with gdal_config({"GDAL_CACHEMAX": str(needed)}):
        yield


class PartScene:
    """A window and some bands of a scene, and perhaps another nodata value, read like a scene of its own."""

    def __init__(self, reader: Scene, part: Part, nodata: float | str | None) -> None:
        """Wrap an open scene.

        Args:
            reader: the scene.
            part: what is wanted of it, at full size.
            nodata: value all bands get instead of their own, ``none`` for no value; None keeps their own.

        Raises:
            UsageError: if the samples cannot hold the nodata value.
        """
        self._reader, self._part, self._given = reader, part, nodata
        self.profile: SceneProfile = part.of_profile(reader.profile)
        if nodata is not None:
            value = None if isinstance(nodata, str) else _sample_value(nodata, self.profile.dtype)
            self.profile = replace(self.profile, nodata=(value,) * self.profile.count)

    @property
    def others(self) -> tuple[str, ...]:
        """Other images in the scene's file."""
        return self._reader.others

    def metadata(self) -> MetadataSnapshot:
        """Return all metadata of the part."""
        snapshot = self._part.of_snapshot(self._reader.metadata())
        if self._given is None:
            return snapshot
        snapshot = replace(snapshot.without_nodata_values(), nodata=self.profile.nodata)
        if snapshot.has_explicit_mask:
            return snapshot
        flags = usual_mask_flags(snapshot.colorinterp, snapshot.nodata, self.profile.dtype)
        return replace(snapshot, mask_flags=flags)

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        """Return pixels (bands, h, w) of a window of the part."""
        return self._reader.read(self._area(window, bands), bands=self._bands(bands))

    def read_valid(self, window: Window, pixels: NDArray[Any] | None = None) -> NDArray[np.bool_]:
        """Return (bands, h, w), False where a band holds nodata."""
        if self._given is None:
            valid = self._reader.read_valid(self._area(window))
            return valid if self._part.bands is None else valid[list(self._part.bands)]
        return valid_samples(self.read(window) if pixels is None else pixels, self.profile.nodata)

    def read_mask(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the dataset mask (h, w), 255 = valid; None when there is none."""
        return self._reader.read_mask(self._area(window))

    def read_overview(
        self,
        out_height: int,
        out_width: int,
        bands: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> NDArray[Any]:
        """Return the part, or a window of it, decimated to (bands, out_height, out_width)."""
        area = self._part.window if window is None else self._area(window)
        return self._reader.read_overview(out_height, out_width, self._bands(bands), area)

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where the part holds data by nodata, mask and alpha together, decimated (height, width)."""
        return decimated_valid(self, out_height, out_width)

    def _area(self, window: Window, bands: tuple[int, ...] | None = None) -> Window:
        self.profile.check_window(window, bands)
        return window.shifted(self._part.window.row_off, self._part.window.col_off)

    def _bands(self, bands: tuple[int, ...] | None) -> tuple[int, ...] | None:
        chosen = self._part.bands
        if chosen is None or bands is None:
            return chosen if bands is None else bands
        return tuple(chosen[band] for band in bands)


def part_of(reader: Scene, options: EncodeOptions, progress: Progress) -> tuple[Scene, Part | None]:
    """Return what of an open scene is to be archived, as a scene, and which part it is (None: all of it).

    Raises:
        UsageError: if the part does not lie in the scene, or the samples cannot hold the nodata value.
    """
    part = choose_part(reader.metadata(), options, progress)
    if part is None and options.nodata is None:
        return reader, None
    if reader.profile.has_band_masks:
        raise UnsupportedSceneError("a part of a scene whose bands have masks of their own cannot be taken")
    whole = Part(window=Window.full(reader.profile.height, reader.profile.width))
    return PartScene(reader, part or whole, options.nodata), part


def _sample_value(value: float, dtype: str) -> float | int:
    """Return a nodata value as samples of a type hold it. Raises UsageError."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return value
    limits = np.iinfo(kind)
    if not limits.min <= value <= limits.max or value != int(value):
        raise UsageError(
            f"nodata {value:g}: samples of type {dtype} are whole numbers from {limits.min} to {limits.max}"
        )
    return int(value)


def choose_part(snapshot: MetadataSnapshot, options: PartOptions, progress: Progress) -> Part | None:
    """Return the part of a scene that is asked for; None for all of it as it is.

    Raises:
        UsageError: if the window does not lie in the scene, a band is not there, or nothing would be left.
    """
    window = _window(snapshot, options, progress)
    bands = tuple(band - 1 for band in options.bands) or None
    if bands is not None and max(bands) >= snapshot.count:
        raise UsageError(f"there is no band {max(bands) + 1}: the scene has {snapshot.count}")
    if options.level and 1 << options.level > max(window.height, window.width):
        raise UsageError(
            f"level {options.level} leaves less than a pixel of {window.width} x {window.height} px"
        )
    whole = window == Window.full(snapshot.height, snapshot.width)
    if whole and bands is None and not options.level:
        return None
    return Part(window=window, level=options.level, bands=bands)


def _window(snapshot: MetadataSnapshot, options: PartOptions, progress: Progress) -> Window:
    scene = Window.full(snapshot.height, snapshot.width)
    if options.srcwin is not None:
        left, top, width, height = options.srcwin
        asked = Window(row_off=top, col_off=left, height=height, width=width)
        if not scene.contains(asked):
            raise UsageError(
                f"the window of {width} x {height} px from column {left}, row {top} does not lie in the "
                f"scene of {scene.width} x {scene.height} px"
            )
        return asked
    box = options.bbox
    if options.projwin is not None:
        xs, ys = options.projwin[0::2], options.projwin[1::2]
        box = (min(xs), min(ys), max(xs), max(ys))
    if box is None:
        return scene
    if box[0] >= box[2] or box[1] >= box[3]:
        raise UsageError("the window is empty: give least x, least y, greatest x, greatest y")
    window, is_beyond = window_of_box(snapshot, box, options.window_crs)
    if is_beyond:
        progress.warn("the window reaches beyond the scene: only what is inside is there")
    return window


def enhancement_asked(options: DecodeOptions) -> str:
    """Return what an archive is to be opened with; coarser levels are the codec's own.

    Raises:
        UsageError: if a network is named for a coarser level.
    """
    if not options.level:
        return options.enhance
    if options.enhance not in ("auto", "off", "none"):
        raise UsageError("a network repairs pixels at full size only: leave it out, or the level")
    return "off"


def describe_part(part: Part | None) -> dict[str, Any]:
    """Return the report's entry about a part; nothing for a whole scene."""
    if part is None:
        return {}
    window = part.window
    return {
        "part": {
            "srcwin": [window.col_off, window.row_off, window.width, window.height],
            "level": part.level,
            "bands": None if part.bands is None else [band + 1 for band in part.bands],
        }
    }


def reduced_pixels(archive: Archive, part: Part, progress: Progress) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield windows that together are a part at a coarser level, and their pixels (bands, h, w).

    Every pixel is about its own square of 2**level px: the last row and column, which the window may cut
    short, are about what is left of it.
    """
    side = max(1, _SOURCE_SIDE // part.factor)
    grid = TileGrid(height=part.height, width=part.width, tile_size=side)
    for done, index in enumerate(grid, start=1):
        window = grid.core(index)
        yield window, _reduced(archive, part, window)
        progress.report(done / len(grid), "decoding")


def part_mask(archive: Archive, part: Part, window: Window) -> NDArray[np.uint8] | None:
    """Return the dataset mask (h, w) of a window of a part: that of the middle of each of its pixels."""
    area = _area(part, window)
    mask = archive.read_mask(area)
    if mask is None or not part.level:
        return mask
    rows, cols = _middles(area.height, part.factor), _middles(area.width, part.factor)
    return np.ascontiguousarray(mask[np.ix_(rows, cols)])


def _area(part: Part, window: Window) -> Window:
    """Return the pixels of the scene under a window of a part."""
    size = part.factor
    top, left = part.window.row_off, part.window.col_off
    return Window.between(
        top + window.row_off * size,
        min(top + window.row_stop * size, part.window.row_stop),
        left + window.col_off * size,
        min(left + window.col_stop * size, part.window.col_stop),
    )


def _middles(length: int, size: int) -> NDArray[np.intp]:
    starts = np.arange(0, length, size)
    return (starts + np.minimum(starts + size, length)) // 2


def _reduced(archive: Archive, part: Part, window: Window) -> NDArray[Any]:
    area, size = _area(part, window), part.factor
    count = len(part.pick(range(archive.profile.count)))
    out = np.empty((count, window.height, window.width), archive.profile.dtype)
    for rows in _spans(area.height, size):
        for cols in _spans(area.width, size):
            source = Window.between(*rows, *cols).shifted(area.row_off, area.col_off)
            top, left = rows[0] // size, cols[0] // size
            shape = (-(-source.height // size), -(-source.width // size))
            target = (slice(None), slice(top, top + shape[0]), slice(left, left + shape[1]))
            out[target] = archive.read(source, out_shape=shape, bands=part.bands)
    return out


def _spans(length: int, size: int) -> list[tuple[int, int]]:
    """Return the whole squares along a side, and the rest of the last one."""
    whole = length - length % size
    return [span for span in ((0, whole), (whole, length)) if span[0] < span[1]]
