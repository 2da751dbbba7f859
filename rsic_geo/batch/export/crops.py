"""Crops of a source and of its archive side by side, as pictures inside a page."""

from __future__ import annotations

import itertools
import os
import struct
import zlib
from base64 import b64encode

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import RsicGeoError
from rsic_geo.geo.window import Window
from rsic_geo.scenes.open import open_archive

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
        with open_archive(source, enhance="off") as before, open_archive(product, enhance="off") as after:
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


def _address(pixels: npt.NDArray[np.float64], low: float, high: float) -> str:
    """Return pixels (bands, h, w), stretched to bytes, as an address that is a PNG."""
    scaled = np.nan_to_num((pixels - low) * (255 / max(high - low, 1e-12)))
    samples = scaled.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    height, width, bands = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if bands == 3 else 0, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in samples)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    )
    return f"data:image/png;base64,{b64encode(png).decode()}"
