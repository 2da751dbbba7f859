"""Files that GDAL reads without a word although a part of them is missing.

What lies beyond the end of a file is 0 to GDAL's drivers for ENVI (which may be sparse, they say), classic
netCDF, PCIDSK, and the spill files of HFA; tiles of a cut SQLite file (GeoPackage, MBTiles) are empty; a mask
or metadata in a damaged sidecar are none. So the files themselves are asked.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from rsic_geo.raster.env import open_dataset

_ENVI_BYTES = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 9: 16, 12: 2, 13: 4, 14: 8, 15: 8}
_NETCDF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}


def incomplete_files(dataset: DatasetReader) -> tuple[str, ...]:
    """Return in words which of an open scene's local files, and sidecars, are cut short or cannot be read."""
    todo = [str(name) for name in dataset.files]
    seen, found = set(todo), []
    while todo:
        name = todo.pop(0)
        if not os.path.isfile(name):
            continue
        if name.lower().endswith(".vrt"):
            try:
                with open_dataset(name) as inner:
                    more = [str(each) for each in inner.files if str(each) not in seen]
            except RasterioError:  # reading will say so
                more = []
            seen.update(more)
            todo += more
        found += [words for words in (_cut(name), _broken_mask(name), broken_xml(name)) if words]
    if dataset.driver == "HFA":
        blocks = [
            math.ceil(dataset.height / rows) * rows * math.ceil(dataset.width / columns) * columns
            for rows, columns in dataset.block_shapes
        ]
        whole = 8 * np.dtype(dataset.dtypes[0]).itemsize
        bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", whole))
        needed = sum(blocks) * bits // 8
        found += [
            _words(name, os.path.getsize(name), needed)
            for name in map(str, dataset.files)
            if name.lower().endswith(".ige") and os.path.getsize(name) < needed
        ]
    return tuple(dict.fromkeys(found))


def _words(name: str, size: int, needed: int) -> str:
    return f"{Path(name).name} is cut short: {size} of at least {needed} bytes"


def _cut(name: str) -> str | None:
    """Return that a file is shorter than it says of itself; None where it is not, or of no such format."""
    size = os.path.getsize(name)
    try:
        with open(name, "rb") as file:
            magic = file.read(16)
            needed = 0
            for start, measure in _MEASURES.items():
                if magic.startswith(start):
                    needed = measure(file)
    except (OSError, ValueError, struct.error, LookupError):
        return None  # its own reader says what is wrong with what it cannot make out
    needed = needed or _envi(name)
    return _words(name, size, needed) if size < needed else None


def _pcidsk(file: BinaryIO) -> int:
    return int(file.read(16)) * 512


def _sqlite(file: BinaryIO) -> int:
    page, rest = struct.unpack(">H", file.read(2))[0], file.read(82)
    changed, pages, valid_for = (struct.unpack_from(">I", rest, at)[0] for at in (6, 10, 74))
    return (65536 if page == 1 else page) * pages if changed == valid_for else 0


def _netcdf(file: BinaryIO) -> int:
    """Return the bytes that the variables of a classic netCDF file need, without padding at its end."""
    file.seek(3)
    version = file.read(1)[0]
    word = ">Q" if version == 5 else ">I"

    def number(kind: str = word) -> int:
        return int(struct.unpack(kind, file.read(struct.calcsize(kind)))[0])

    def skip(count: int) -> None:
        file.seek(-(-count // 4) * 4, os.SEEK_CUR)

    def attributes() -> None:
        number(">I")
        for _ in range(number()):
            skip(number())
            kind = number(">I")
            skip(number() * _NETCDF_BYTES[kind])

    records = number()
    number(">I")
    sides = []
    for _ in range(number()):
        skip(number())
        sides.append(number())
    attributes()
    number(">I")
    ends, rows = [0], []
    for _ in range(number()):
        skip(number())
        shape = [sides[number()] for _ in range(number())]
        attributes()
        itemsize = _NETCDF_BYTES[number(">I")]
        number()
        begin = number(">I" if version == 1 else ">Q")
        is_record = bool(shape) and shape[0] == 0
        needed = math.prod(shape[1:] if is_record else shape) * itemsize
        if is_record:
            rows.append((begin, needed))
        else:
            ends.append(begin + needed)
    if rows and 0 < records < 2**32 - 1:
        step = rows[0][1] if len(rows) == 1 else sum(-(-needed // 4) * 4 for _, needed in rows)
        ends += [begin + (records - 1) * step + needed for begin, needed in rows]
    return max(ends)


def _envi(name: str) -> int:
    """Return the bytes an ENVI raster needs by the header beside it; 0 for other files."""
    for header in (f"{name}.hdr", os.path.splitext(name)[0] + ".hdr"):
        if header == name or not os.path.isfile(header):
            continue
        text = Path(header).read_text("latin-1")
        if not text.startswith("ENVI"):
            continue
        try:
            with open_dataset(name) as dataset:
                if dataset.driver != "ENVI":
                    return 0
        except RasterioError:
            return 0
        said = {key.strip().lower(): value.strip() for key, _, value in
                (line.partition("=") for line in text.splitlines())}  # fmt: skip
        try:
            if int(said.get("file compression", 0)):
                return 0
            samples = math.prod(int(said[key]) for key in ("samples", "lines", "bands"))
            return int(said.get("header offset", 0)) + samples * _ENVI_BYTES[int(said["data type"])]
        except (ValueError, LookupError):
            return 0
    return 0


def _broken_mask(name: str) -> str | None:
    mask = f"{name}.msk"
    if not os.path.isfile(mask):
        return None
    try:
        with open_dataset(mask):
            return None
    except RasterioError:
        return f"the mask {Path(mask).name} cannot be read"


def broken_xml(name: str) -> str | None:
    """Return in words that the metadata beside a file cannot be read; None where they can be."""
    sidecar = f"{name}.aux.xml"
    if not os.path.isfile(sidecar):
        return None
    try:
        ElementTree.parse(sidecar)
    except (ElementTree.ParseError, OSError):
        return f"the metadata in {Path(sidecar).name} cannot be read"
    return None


_MEASURES: dict[bytes, Callable[[BinaryIO], int]] = {
    b"PCIDSK": _pcidsk,
    b"SQLite format 3\0": _sqlite,
    b"CDF\x01": _netcdf,
    b"CDF\x02": _netcdf,
    b"CDF\x05": _netcdf,
}
"""How to find the least size of a file, by its first bytes; the file stands after the 16th."""
