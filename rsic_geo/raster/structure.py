"""How a GeoTIFF is laid out where the scene says so: bits, white, alpha, overviews."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rasterio.enums import Resampling
from rasterio.env import Env

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.raster.env import open_dataset

_BLACK_AND_WHITE = {0: (0, 0, 0, 255), 1: (255, 255, 255, 255)}
_FEW_BITS = 2
"""Samples of so few bits are classes, not brightness."""


def structure_options(snapshot: MetadataSnapshot, driver: str) -> dict[str, str]:
    """Return the creation options by which a file says what its snapshot says of its samples.

    A GeoTIFF has one number of bits for all bands, and knows it of unsigned samples.
    """
    options = {}
    kind = np.dtype(snapshot.dtypes[0])
    bits = SceneProfile(
        height=1, width=1, count=snapshot.count, dtype=kind.name, bits=snapshot.bits
    ).sample_bits
    if bits is not None and kind.kind == "u" and kind.itemsize <= 4:
        options["NBITS"] = str(bits)
    if driver == "GTiff":
        if snapshot.is_min_white:
            options["PHOTOMETRIC"] = "MINISWHITE"
        elif is_black_and_white(snapshot):
            options["PHOTOMETRIC"] = "MINISBLACK"
        if snapshot.is_premultiplied:
            options["ALPHA"] = "PREMULTIPLIED"
    return options


def is_black_and_white(snapshot: MetadataSnapshot) -> bool:
    """Return whether a scene of one bit has but the palette that GDAL makes up for such a file."""
    table = {value: tuple(colour) for value, colour in snapshot.colormaps.get(1, {}).items()}
    return snapshot.count == 1 and snapshot.bits == (1,) and table == _BLACK_AND_WHITE


@contextmanager
def as_alpha_is_said(snapshot: MetadataSnapshot) -> Iterator[None]:
    """Let GDAL in the body write alpha bands as premultiplied ones where the scene's are."""
    if not snapshot.is_premultiplied:
        yield
        return
    with Env(GTIFF_ALPHA="PREMULTIPLIED"):
        yield


def build_overviews(path: Path, snapshot: MetadataSnapshot) -> None:
    """Build the overviews a scene had into its finished GeoTIFF; classes by the nearest sample."""
    if not snapshot.overviews:
        return
    few = [bits for bits in snapshot.bits if bits is not None and bits <= _FEW_BITS]
    is_classes = "palette" in snapshot.colorinterp or snapshot.categories or snapshot.colormaps or few
    method = Resampling.nearest if is_classes else Resampling.average
    with open_dataset(path, "r+") as dataset:
        dataset.build_overviews(list(snapshot.overviews), method)
