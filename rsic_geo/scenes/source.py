"""A scene as ``compress`` reads it: an archive by its final output, others as GDAL reads them; or a part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UnsupportedSceneError, UsageError
from rsic_geo.geo.metadata import MetadataSnapshot, usual_mask_flags
from rsic_geo.geo.part import Part
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.validity import equals_nodata
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.progress import Progress
from rsic_geo.raster import SceneReader
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.open import open_archive
from rsic_geo.scenes.part import choose_part
from rsic_geo.scenes.provenance import with_provenance


@contextmanager
def open_source(path: str, execution: Execution) -> Iterator[SceneReader]:
    """Open a scene for reading by :class:`SceneReader`'s methods.

    The pixels of an archive of rsic_geo are checked, enhanced and restored: read as any JP2 it would be
    without nodata and masks, and damage would go unnoticed.

    Raises:
        SceneError: if GDAL cannot open the file.
        ContainerError, ChecksumError, VersionError: if it is an archive, damaged or too new.
    """
    with open_archive(path, execution=execution) as archive:
        yield cast("SceneReader", ArchiveScene(archive)) if archive.is_archive else archive.reader


class ArchiveScene:
    """The final output of an archive, read like any other scene; what is not here the file itself answers."""

    def __init__(self, archive: Archive) -> None:
        """Wrap an open archive."""
        self._archive = archive
        self.profile: SceneProfile = archive.profile

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Hand everything else to the file."""
        return getattr(self._archive.reader, name)

    def snapshot(self) -> MetadataSnapshot:
        """Return all metadata, and that pixels are enhanced where they are."""
        return with_provenance(self._archive)

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        """Return final pixels (bands, h, w)."""
        return self._archive.read(window, bands=bands)

    def read_valid(self, window: Window, pixels: NDArray[Any] | None = None) -> NDArray[np.bool_]:
        """Return (bands, h, w), False where a band holds nodata."""
        del pixels
        return self._archive.read_valid(window)

    def read_mask(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the dataset mask (h, w), 255 = valid; None when there is none."""
        return self._archive.read_mask(window)

    def read_overview(
        self,
        out_height: int,
        out_width: int,
        bands: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> NDArray[Any]:
        """Return the scene, or a window of it, decimated to (bands, out_height, out_width)."""
        return self._archive.read(window, out_shape=(out_height, out_width), bands=bands)

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where the scene holds data by nodata, mask and alpha together, decimated (height, width)."""
        return _valid_overview(cast("SceneReader", self), out_height, out_width)


class PartScene:
    """A window and some bands of a scene, and perhaps another nodata value, read like a scene of its own."""

    def __init__(self, reader: SceneReader, part: Part, nodata: float | str | None) -> None:
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

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Hand everything else to the scene."""
        return getattr(self._reader, name)

    def snapshot(self) -> MetadataSnapshot:
        """Return all metadata of the part."""
        snapshot = self._part.of_snapshot(self._reader.snapshot())
        if self._given is None:
            return snapshot
        snapshot = replace(snapshot.without_nodata_values(), nodata=self.profile.nodata)
        if snapshot.has_explicit_mask:
            return snapshot
        flags = usual_mask_flags(snapshot.colorinterp, snapshot.nodata, self.profile.dtype)
        return replace(snapshot, mask_flags=flags)

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        """Return pixels (bands, h, w) of a window of the part."""
        return self._reader.read(self._area(window), bands=self._bands(bands))

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
        self, out_height: int, out_width: int, bands: tuple[int, ...] | None = None
    ) -> NDArray[Any]:
        """Return the part decimated to (bands, out_height, out_width)."""
        return self._reader.read_overview(out_height, out_width, self._bands(bands), self._part.window)

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where the part holds data by nodata, mask and alpha together, decimated (height, width)."""
        return _valid_overview(cast("SceneReader", self), out_height, out_width)

    def _area(self, window: Window) -> Window:
        return window.shifted(self._part.window.row_off, self._part.window.col_off)

    def _bands(self, bands: tuple[int, ...] | None) -> tuple[int, ...] | None:
        chosen = self._part.bands
        if chosen is None or bands is None:
            return chosen if bands is None else bands
        return tuple(chosen[band] for band in bands)


def part_of(
    reader: SceneReader, options: EncodeOptions, progress: Progress
) -> tuple[SceneReader, Part | None]:
    """Return what of an open scene is to be archived, as a scene, and which part it is (None: all of it).

    Raises:
        UsageError: if the part does not lie in the scene, or the samples cannot hold the nodata value.
    """
    part = choose_part(reader.snapshot(), options, progress)
    if part is None and options.nodata is None:
        return reader, None
    if reader.profile.has_band_masks:
        raise UnsupportedSceneError("a part of a scene whose bands have masks of their own cannot be taken")
    whole = Part(window=Window.full(reader.profile.height, reader.profile.width))
    return cast("SceneReader", PartScene(reader, part or whole, options.nodata)), part


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


def _valid_overview(scene: SceneReader, out_height: int, out_width: int) -> NDArray[np.bool_]:
    """Return where a scene holds data by nodata, mask and alpha together, decimated (height, width)."""
    profile = scene.profile
    valid = np.ones((out_height, out_width), np.bool_)
    rows = ((np.arange(out_height) + 0.5) * profile.height / out_height).astype(int)
    cols = ((np.arange(out_width) + 0.5) * profile.width / out_width).astype(int)
    if profile.has_nodata or profile.has_mask:
        for i, row in enumerate(rows):
            line = Window(row_off=int(row), col_off=0, height=1, width=profile.width)
            valid[i] = scene.read_valid(line)[:, 0, cols].any(axis=0)
            mask = scene.read_mask(line)
            if mask is not None:
                valid[i] &= mask[0, cols] != 0
    if profile.alpha_band is not None:
        valid &= scene.read_overview(out_height, out_width)[profile.alpha_band] != 0
    return valid
