"""What a scene is: the one way in which pixels, their validity and their metadata are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window

Pixels = NDArray[Any]
"""Samples (bands, height, width)."""


class Scene(Protocol):
    """A scene open for reading: a raster, an archive, or a view of another scene.

    All windows lie inside the scene; others raise UsageError. Bands are counted from 0.
    """

    profile: SceneProfile

    @property
    def others(self) -> tuple[str, ...]:
        """Names of other images in the same file, which are no part of the scene."""
        ...

    def metadata(self) -> MetadataSnapshot:
        """Return everything that is said of the scene beside its pixels."""
        ...

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return the samples (bands, h, w) of a window, of the type the profile says; None: all bands."""
        ...

    def read_valid(self, window: Window, pixels: Pixels | None = None) -> NDArray[np.bool_]:
        """Return (count, h, w), False where a band holds its nodata value or a mask of its own covers it.

        Args:
            window: part of the scene (px).
            pixels: all bands of that window, if the caller has read them already.
        """
        ...

    def read_mask(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the mask of all bands together (h, w), 255 = data; None where the scene has none."""
        ...

    def read_overview(
        self,
        out_height: int,
        out_width: int,
        bands: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> Pixels:
        """Return the scene, or a window of it, decimated to (bands, out_height, out_width)."""
        ...

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where there is data by nodata, mask and alpha together, decimated (height, width)."""
        ...


class StoredScene(Scene, Protocol):
    """What one file stores, as its decoder gives it."""

    name: str
    """What messages call it."""

    @property
    def driver(self) -> str:
        """Name of what decodes it, such as GDAL's ``JP2OpenJPEG``."""
        ...

    @property
    def block_shape(self) -> tuple[int, int]:
        """Height and width of the blocks it is stored in (px)."""
        ...

    @property
    def reductions(self) -> tuple[int, ...]:
        """Factors of the reduced resolutions that the file holds, ascending; empty where there are none."""
        ...

    def read_resampled(
        self, window: Window, out_shape: tuple[int, int], *, bands: tuple[int, ...] | None = None
    ) -> Pixels:
        """Return means over a window (bands, *out_shape), from reduced resolutions where there are any."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class ReadBy:
    """Pixels that a function reads."""

    def __init__(self, read: Callable[..., Pixels]) -> None:
        """Hold the function; called as :meth:`Scene.read` is."""
        self.read = read


def decimated_valid(scene: Scene, out_height: int, out_width: int) -> NDArray[np.bool_]:
    """Return where a scene holds data by nodata, mask and alpha together, (out_height, out_width).

    The pixel in the middle of each of the output decides, read line by line.
    """
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
        valid &= scene.read_overview(out_height, out_width, (profile.alpha_band,))[0] != 0
    return valid
