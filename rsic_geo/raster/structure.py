"""How a GeoTIFF is laid out where the scene says so: bits, white, alpha, overviews.

Whether colours were multiplied by alpha is read from the file itself: TIFF says so, and GDAL does not pass it
on. Of a JP2 GDAL names no alpha where the channel definition says that it was multiplied.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from rasterio.enums import Resampling
from rasterio.errors import RasterioError

from rsic_geo.geo.metadata import MetadataSnapshot, usual_mask_flags
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.raster.doors.vsi import open_bytes
from rsic_geo.raster.env import gdal_env, open_dataset

_EXTRA_SAMPLES, _ASSOCIATED = 338, 1
_MULTIPLIED = 2
"""A channel that is an opacity, multiplied into the colours already (ISO 15444-1, I.5.3.6)."""
_HEADER_BYTES = 1 << 16
"""How far into a JP2 its header box is looked for."""
_MAX_ENTRIES = 4096
"""Tags of a directory that are looked at."""
_MAX_VALUE = 1 << 24
"""Longest value of one that is read (bytes)."""
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
    with gdal_env(GTIFF_ALPHA="PREMULTIPLIED"):
        yield


def build_overviews(path: Path, snapshot: MetadataSnapshot) -> None:
    """Build the overviews a scene had into its finished GeoTIFF."""
    if snapshot.overviews:
        with open_dataset(path, "r+") as dataset:
            dataset.build_overviews(list(snapshot.overviews), overview_method(snapshot))


def overview_method(snapshot: MetadataSnapshot) -> Resampling:
    """Return how overviews of a scene are made: means, but of classes the nearest sample."""
    few = [bits for bits in snapshot.bits if bits is not None and bits <= _FEW_BITS]
    is_classes = "palette" in snapshot.colorinterp or snapshot.categories or snapshot.colormaps or few
    return Resampling.nearest if is_classes else Resampling.average


def is_premultiplied(name: str, driver: str, colorinterp: Sequence[str]) -> bool:
    """Return whether a file says that its alpha was multiplied into its colours.

    False where it cannot be looked into, as files that are damaged.

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
        with open_bytes(name) as file:
            return _ASSOCIATED in _extra_samples(file, page)
    except (OSError, ValueError, struct.error, RasterioError):
        return False


def premultiplied_band(name: str, driver: str, count: int) -> int | None:
    """Return the band (from 0) of a JP2 whose channel definition says that it multiplied all colours.

    GDAL takes it for a band of no meaning. None where there is none, or bands are no channels (palettes).
    """
    if driver != "JP2OpenJPEG":
        return None
    try:
        with open_bytes(name) as file:
            header = dict(_boxes(dict(_boxes(file.read(_HEADER_BYTES))).get(b"jp2h", b"")))
    except OSError:
        return None
    definition = header.get(b"cdef", b"")[2:]
    if b"pclr" in header:
        return None
    channels = struct.iter_unpack(">HHH", definition[: len(definition) // 6 * 6])
    found = [channel for channel, kind, of in channels if (kind, of) == (_MULTIPLIED, 0) and channel < count]
    return found[0] if len(found) == 1 else None


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of boxes, as far as they are whole."""
    position = 0
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        if length < 8 or position + length > len(content):  # a codestream, which comes last, or damage
            return
        yield kind, content[position + 8 : position + length]
        position += length


def with_opacity(snapshot: MetadataSnapshot, band: int | None) -> MetadataSnapshot:
    """Return metadata in which a band (from 0) is an alpha that multiplied the colours; None: as is."""
    if band is None:
        return snapshot
    colours = opaque_colours(snapshot.colorinterp, band)
    flags = snapshot.mask_flags
    if not snapshot.has_explicit_mask:
        flags = usual_mask_flags(colours, snapshot.nodata, snapshot.dtypes[0])
    return replace(snapshot, colorinterp=colours, is_premultiplied=True, mask_flags=flags)


def opaque_colours(colorinterp: Sequence[str], band: int) -> tuple[str, ...]:
    """Return what bands mean, one of them alpha."""
    return (*colorinterp[:band], "alpha", *colorinterp[band + 1 :])


def _extra_samples(file: BinaryIO, page: int) -> tuple[int, ...]:
    """Return tag ExtraSamples of one directory of a TIFF or BigTIFF; empty without one."""
    for tag, _, count, value in directory(file, {_EXTRA_SAMPLES: 2}, page):
        if tag == _EXTRA_SAMPLES and 2 * count == len(value):
            return struct.unpack(f"={count}H", value)
    return ()


def directory(
    file: BinaryIO, wanted: Mapping[int, int], page: int = 1
) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield tag, type, count and value of the wanted entries of one directory of a TIFF or BigTIFF.

    Args:
        file: at its start.
        wanted: bytes of an element by tag, in whose order, that of this machine, values come.
        page: the directory, from 1.

    Raises:
        struct.error: the file is too short for what it says.
    """
    order = {b"II": "<", b"MM": ">"}.get(file.read(2))
    if order is None:
        return
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
    entries = [entry.unpack(file.read(entry.size)) for _ in range(min(number(count_form), _MAX_ENTRIES))]
    for tag, kind, count, field in entries:
        size = wanted.get(tag)
        if size is None:
            continue
        length = size * min(count, _MAX_VALUE // size)
        if length > len(field):
            file.seek(struct.unpack(order + place, field)[0])
        value = file.read(length) if length > len(field) else field[:length]
        if size > 1 and (order == "<") != (sys.byteorder == "little"):
            swapped = np.frombuffer(value[: len(value) // size * size], f"u{size}").byteswap()
            yield tag, kind, count, swapped.tobytes()
        else:
            yield tag, kind, count, value
