"""A scene as ``compress`` reads it: an archive by its final output, anything else as GDAL reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.io import SceneReader
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.pipeline.archive import Archive, open_archive
from rsic_geo.pipeline.decode import with_provenance
from rsic_geo.pipeline.options import Execution


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
        self, out_height: int, out_width: int, bands: tuple[int, ...] | None = None
    ) -> NDArray[Any]:
        """Return the whole scene decimated to (bands, out_height, out_width)."""
        return self._archive.read(out_shape=(out_height, out_width), bands=bands)

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where the scene holds data by nodata, mask and alpha together, decimated (height, width)."""
        profile = self.profile
        pixels = self.read_overview(out_height, out_width)
        valid = np.ones((out_height, out_width), np.bool_)
        rows = ((np.arange(out_height) + 0.5) * profile.height / out_height).astype(int)
        cols = ((np.arange(out_width) + 0.5) * profile.width / out_width).astype(int)
        for i, row in enumerate(rows):
            line = Window(row_off=int(row), col_off=0, height=1, width=profile.width)
            valid[i] = self.read_valid(line)[:, 0, cols].any(axis=0)
            mask = self.read_mask(line)
            if mask is not None:
                valid[i] &= mask[0, cols] != 0
        if profile.alpha_band is not None:
            valid &= pixels[profile.alpha_band] != 0
        return valid
