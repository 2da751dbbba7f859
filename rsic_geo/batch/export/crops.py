"""Pictures for people: crops of a source and of its archive side by side, thumbnails of archives."""

from __future__ import annotations

import itertools
import os
from base64 import b64encode

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import RsicGeoError
from rsic_geo.geo.window import Window
from rsic_geo.raster.png import png
from rsic_geo.scenes.archive import Archive

SIDE = 128
"""Longest side of a crop (px)."""
_TRIES = 4
"""Places looked at along each axis."""


def crops(source: str, product: str) -> tuple[str, str] | None:
    """Return ``data:`` addresses of a crop of a source and of the codec's pixels there.

    It lies where they differ most of a few places, and both have one stretch: from the 2nd to the 98th
    percentile of the source. Three bands are red, green and blue, of fewer the first is grey. None where one
    of the files is not there, not on a local disk, or cannot be read.
    """
    if not os.path.isfile(source) or not os.path.isfile(product):
        return None
    try:
        with Archive(source, enhance="off") as before, Archive(product, enhance="off") as after:
            profile, other = before.profile, after.profile
            rows, columns, count = profile.height, profile.width, profile.count
            if (rows, columns, count) != (other.height, other.width, other.count):
                return None
            bands = (0, 1, 2) if count >= 3 else (0,)
            height, width = min(SIDE, rows), min(SIDE, columns)
            found = []
            for i, k in itertools.product(range(_TRIES), repeat=2):
                window = Window(
                    row_off=(rows - height) * i // (_TRIES - 1),
                    col_off=(columns - width) * k // (_TRIES - 1),
                    height=height,
                    width=width,
                )
                # What is no data is filled to be coded: it is no loss, and black in both.
                valid, mask = before.read_valid(window)[list(bands)], before.read_mask(window)
                valid = valid if mask is None else valid & (mask > 0)
                pair = [
                    np.where(valid, each.read(window, bands=bands).astype(np.float64), np.nan)
                    for each in (before, after)
                ]
                miss = float(np.nan_to_num(np.square(pair[0] - pair[1])).sum())
                found.append((miss, pair))
    except (RsicGeoError, OSError):
        return None
    original, coded = max(found, key=lambda each: each[0])[1]
    values = original[np.isfinite(original)]
    low, high = np.percentile(values, (2, 98)) if values.size else (0.0, 1.0)
    first, second = (_address(each, float(low), float(high)) for each in (original, coded))
    return first, second


def thumbnail(archive: Archive, side: int = 256) -> bytes:
    """Return a PNG of an archive, at most ``side`` px, nodata transparent: of its levels, not enhanced.

    Three bands are red, green and blue, of fewer the first is grey, from the 2nd to the 98th percentile.

    Raises:
        RsicGeoError: the archive cannot be read.
    """
    profile = archive.profile
    scale = min(1.0, side / max(profile.height, profile.width))
    height, width = (max(1, round(length * scale)) for length in (profile.height, profile.width))
    bands = (0, 1, 2) if profile.count >= 3 else (0,)
    pixels = archive.read_overview(height, width, bands)
    valid = archive.read_valid_overview(height, width)
    values = np.where(valid & np.isfinite(pixels), pixels, np.nan).astype(np.float64)
    alpha = np.asarray(np.isfinite(values).all(axis=0))
    low, high = np.nanpercentile(values, (2, 98)) if alpha.any() else (0.0, 1.0)
    return _png(_stretched(values, float(low), float(high)), alpha)


def _address(pixels: npt.NDArray[np.float64], low: float, high: float) -> str:
    """Return pixels (bands, h, w), stretched to bytes, as an address that is a PNG."""
    return f"data:image/png;base64,{b64encode(_png(_stretched(pixels, low, high))).decode()}"


def _stretched(pixels: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.uint8]:
    scaled = np.nan_to_num((pixels - low) * (255 / max(high - low, 1e-12)))
    return scaled.clip(0, 255).astype(np.uint8)


def _png(samples: npt.NDArray[np.uint8], alpha: npt.NDArray[np.bool_] | None = None) -> bytes:
    """Return bytes (1 or 3 bands, h, w) as a PNG."""
    if alpha is not None:
        samples = np.concatenate([samples, np.where(alpha, 255, 0).astype(np.uint8)[None]])
    return png(samples.transpose(1, 2, 0), 9)
