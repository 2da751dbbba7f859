"""Pixels of a scene for looking at, with where they hold data by nodata, mask and alpha together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.validity import valid_samples
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.reduced import nearest, nearest_places


@dataclass(frozen=True, slots=True)
class Block:
    """Pixels of one source at full resolution."""

    pixels: NDArray[Any]
    """(bands, rows, columns)."""
    valid: NDArray[np.bool_]
    """Where bands hold data by nodata, mask and alpha together; of its shape."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.pixels.nbytes + self.valid.nbytes


def full_picture(scene: Archive, window: Window) -> Block:
    """Return all bands of a window at full resolution. Raises what reading the file raises."""
    pixels = scene.read(window)
    valid = scene.read_valid(window, pixels)
    mask = scene.read_mask(window)
    if mask is not None:
        valid = valid & (mask > 0)
    alpha = scene.profile.alpha_band
    if alpha is not None:
        valid = valid & (pixels[alpha] > 0)
    if pixels.dtype.kind == "c":
        pixels = np.abs(pixels)
    return Block(pixels, valid & np.isfinite(pixels))


def reduced_picture(
    scene: Archive, window: Window, shape: tuple[int, int], bands: tuple[int, ...]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a window of the reduced resolutions, and where it holds data; both (bands, rows, columns).

    Args:
        scene: open archive or raster.
        window: part of it (px).
        shape: rows and columns wanted, fewer than the window's.
        bands: from 0.
    """
    alpha = scene.profile.alpha_band
    wanted = bands if alpha is None else (*bands, alpha)
    places = nearest_places(window, shape)
    is_quick, has_plane = _is_quick(scene)
    if is_quick:
        pixels = scene.reader.read_resampled(window, shape, bands=wanted)
    else:
        pixels = scene.read(window, out_shape=shape, bands=wanted)
    valid = valid_samples(pixels, [scene.profile.nodata[band] for band in wanted])
    if is_quick and has_plane and (plane := nearest(scene.read_valid, *places, wanted)) is not None:
        valid = plane
    if scene.has_mask:
        mask = nearest(lambda line: _as_planes(scene.read_mask(line)), *places, (0,))
        valid &= True if mask is None else mask > 0
    if alpha is not None:
        valid &= pixels[-1] > 0
    pixels, valid = pixels[: len(bands)], valid[: len(bands)]
    return (np.abs(pixels) if pixels.dtype.kind == "c" else pixels), valid & np.isfinite(pixels)


def _is_quick(scene: Archive) -> tuple[bool, bool]:
    """Return whether the codec's own reduced pixels do, and whether a plane says where there is data.

    Exact means without nodata take all of a lossless scene at full resolution. For looking at it, nodata may
    be mixed into the pixels beside it.
    """
    side, p = scene.side, scene.profile
    if side is None or not side.lossless or not p.has_nodata or p.has_alpha or "affine" in side.extras:
        return False, False
    return True, any(kind == "valid" for _, kind in side.planes)


def _as_planes(mask: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    return None if mask is None else mask[None]
