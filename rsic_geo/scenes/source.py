"""A scene as ``compress`` reads it: an archive by its final output, others as GDAL reads them; or a part."""

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
from rsic_geo.geo.validity import equals_nodata
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions, Execution, usual_tile_size
from rsic_geo.progress import Progress
from rsic_geo.raster import gdal_config, largest_blocks
from rsic_geo.scenes.open import open_archive
from rsic_geo.scenes.part import choose_part
from rsic_geo.scenes.protocol import Scene, StoredScene, decimated_valid

LEAST_CACHE_MIB = 64
"""GDAL's block cache for narrow scenes, whose opening and overviews take some, too."""


@contextmanager
def open_source(path: str, execution: Execution) -> Iterator[Scene]:
    """Open a scene for reading: an archive of ours, or whatever GDAL reads.

    The pixels of an archive of rsic_geo are checked, enhanced and restored: read as any JP2 it would be
    without nodata and masks, and damage would go unnoticed.

    Raises:
        SceneError: if GDAL cannot open the file.
        ContainerError, ChecksumError, VersionError: if it is an archive, damaged or too new.
    """
    with (
        open_archive(path, execution=execution) as archive,
        fitting_cache(archive.reader, execution),
    ):
        yield archive if archive.is_archive else archive.reader


@contextmanager
def fitting_cache(scene: StoredScene, execution: Execution) -> Iterator[None]:
    """Let GDAL keep as many blocks in the body as this scene needs, at most what the execution says.

    Tiles and windows go along rows and reach into the next ones by a few pixels, so what they share is two
    rows of tiles or of blocks; half a row more lets blocks go in any order. The blocks of a VRT are small
    whatever those of its members are, which would be decoded again for each.
    """
    profile = scene.profile
    block = largest_blocks(scene.name) if scene.driver == "VRT" else scene.block_shape
    rows, width = max(usual_tile_size(profile.count), block[0]), max(profile.width, block[1])
    row = rows * width * profile.count * np.dtype(profile.dtype).itemsize
    needed = min(execution.memory_mib, max(LEAST_CACHE_MIB, math.ceil(2.5 * row / 2**20)))
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
        samples = self.read(window) if pixels is None else pixels
        valid = np.ones(samples.shape, np.bool_)
        for band, value in enumerate(self.profile.nodata):
            if value is not None:
                valid[band] = ~equals_nodata(samples[band], value)
        return valid

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
