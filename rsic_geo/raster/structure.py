"""How a GeoTIFF is laid out where the scene says so: bits, white, alpha, overviews.

Whether colours were multiplied by alpha is read from the file itself: TIFF says so, and GDAL does not pass it
on. Of a JP2 GDAL names no alpha where the channel definition says that it was multiplied.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from rasterio.enums import Resampling
from rasterio.env import Env

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.raster.env import open_dataset

_EXTRA_SAMPLES, _ASSOCIATED = 338, 1
_MAX_ENTRIES = 4096
"""Tags of a directory, and samples of a pixel, that are looked at."""
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


def is_premultiplied(name: str, driver: str, colorinterp: Sequence[str]) -> bool:
    """Return whether a file says that its alpha was multiplied into its colours.

    False where it cannot be looked into: names of GDAL's own (``/vsi``), files that are damaged.

    Args:
        name: GDAL's name of the dataset; one page of a TIFF is ``GTIFF_DIR:number:file``.
        driver: GDAL's name of the format.
        colorinterp: colour interpretation per band.
    """
    if "alpha" not in colorinterp or driver not in ("GTiff", "COG"):
        return False
    page = 1
    if name.startswith("GTIFF_DIR:"):
        number, _, name = name.removeprefix("GTIFF_DIR:").partition(":")
        page = int(number) if number.isdecimal() and len(number) < 6 else 1
    try:
        with Path(name).open("rb") as file:
            return _ASSOCIATED in _extra_samples(file, page)
    except (OSError, ValueError, struct.error):
        return False


def _extra_samples(file: BinaryIO, page: int) -> tuple[int, ...]:
    """Return tag ExtraSamples of one directory of a TIFF or BigTIFF; empty without one."""
    order = {b"II": "<", b"MM": ">"}.get(file.read(2))
    if order is None:
        return ()
    is_big = struct.unpack(order + "H", file.read(2))[0] == 43
    if is_big:
        file.read(4)
    place, count_form, entry_form = ("Q", "Q", "HHQ8s") if is_big else ("I", "H", "HHI4s")
    entry = struct.Struct(order + entry_form)

    def number(form: str) -> int:
        size = struct.calcsize(order + form)
        return int(struct.unpack(order + form, file.read(size))[0])

    offset = number(place)
    for _ in range(page - 1):
        file.seek(offset)
        file.seek(number(count_form) * entry.size, 1)
        offset = number(place)
    file.seek(offset)
    for _ in range(min(number(count_form), _MAX_ENTRIES)):
        tag, _, count, value = entry.unpack(file.read(entry.size))
        if tag == _EXTRA_SAMPLES and count <= _MAX_ENTRIES:
            if 2 * count > len(value):
                file.seek(struct.unpack(order + place, value)[0])
                value = file.read(2 * count)
            return struct.unpack_from(f"{order}{count}H", value)
    return ()
