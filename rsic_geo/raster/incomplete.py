"""Files that GDAL reads without a word although a part of them is missing.

What lies beyond the end of a file is 0 to GDAL's drivers for ENVI (which may be sparse, they say), classic
netCDF, PCIDSK, and the spill files of HFA; tiles of a cut SQLite file (GeoPackage, MBTiles) are empty; a mask
or metadata in a damaged sidecar are none. So the files themselves are asked.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from rsic_geo.raster.doors.vsi import open_bytes
from rsic_geo.raster.env import open_dataset
from rsic_geo.raster.structure import directory

_ENVI_BYTES = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 9: 16, 12: 2, 13: 4, 14: 8, 15: 8}
_NETCDF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}


_LONGEST_TEXT = 1 << 26


def incomplete_files(dataset: DatasetReader) -> tuple[str, ...]:
    """Return in words which of an open scene's files, and sidecars, are cut short or cannot be read."""
    todo = [str(name) for name in dataset.files]
    seen, found = set(todo), []
    while todo:
        name = todo.pop(0)
        if not is_file(name):
            continue
        if name.lower().endswith(".vrt"):
            try:
                with open_dataset(name) as inner:
                    more = [str(each) for each in inner.files if str(each) not in seen]
            except RasterioError:  # reading will say so
                more = []
            seen.update(more)
            todo += more
        checks = (_cut, _broken_mask, broken_xml, _broken_tags)
        found += [words for check in checks if (words := check(name))]
    if dataset.driver == "HFA":
        found += _cut_spill(dataset)
    return tuple(dict.fromkeys(found))


def _cut_spill(dataset: DatasetReader) -> list[str]:
    blocks = [
        math.ceil(dataset.height / rows) * rows * math.ceil(dataset.width / columns) * columns
        for rows, columns in dataset.block_shapes
    ]
    whole = 8 * np.dtype(dataset.dtypes[0]).itemsize
    bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", whole))
    needed = sum(blocks) * bits // 8
    return [
        _words(name, _size(name), needed)
        for name in map(str, dataset.files)
        if name.lower().endswith(".ige") and _size(name) < needed
    ]


def _size(name: str) -> int:
    with open_bytes(name) as file:
        return file.seek(0, os.SEEK_END)


def is_file(name: str) -> bool:
    """Return whether there is such a file, of the system's or of GDAL's."""
    if not name.startswith("/vsi"):
        return os.path.isfile(name)
    try:
        with open_bytes(name) as file:
            return len(file.read(1)) == 1
    except (OSError, RasterioError):
        return False


def _words(name: str, size: int, needed: int) -> str:
    return f"{Path(name).name} is cut short: {size} of at least {needed} bytes"


def _cut(name: str) -> str | None:
    """Return that a file is shorter than it says of itself; None where it is not, or of no such format."""
    needed = 0
    try:
        with open_bytes(name) as file:
            magic = file.read(16)
            for start, measure in _MEASURES.items():
                if magic.startswith(start):
                    needed = measure(file)
            size = file.seek(0, os.SEEK_END)
    except (OSError, ValueError, struct.error, LookupError, RasterioError):
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
    for header in dict.fromkeys((f"{name}.hdr", os.path.splitext(name)[0] + ".hdr")):
        if header == name or not is_file(header):
            continue
        with open_bytes(header) as file:
            text = file.read(_LONGEST_TEXT).decode("latin-1")
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
    if not is_file(mask):
        return None
    try:
        with open_dataset(mask):
            return None
    except RasterioError:
        return f"the mask {Path(mask).name} cannot be read"


def broken_xml(name: str) -> str | None:
    """Return in words that the metadata beside a file cannot be read; None where they can be."""
    sidecar = f"{name}.aux.xml"
    if not is_file(sidecar):
        return None
    try:
        with open_bytes(sidecar) as file:
            ElementTree.fromstring(file.read(_LONGEST_TEXT))
    except (ElementTree.ParseError, OSError):
        return f"the metadata in {Path(sidecar).name} cannot be read"
    return None


_SCALE, _POINTS, _MATRIX, _KEYS, _NUMBERS, _TEXTS, _METADATA, _NODATA = (
    33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113,
)  # fmt: skip
_ASCII, _BYTES, _DOUBLE = 2, (1, 7), 12
"""TIFF's numbers of types."""
_TINY = 1e-60
"""Magnitude beyond which, and its inverse, nothing lies that places a scene."""
_TAGS = {
    _SCALE: (12, 8), _POINTS: (12, 8), _MATRIX: (12, 8), _KEYS: (3, 2), _NUMBERS: (12, 8), _TEXTS: (2, 1),
    _METADATA: (2, 1), _NODATA: (2, 1),
}  # fmt: skip
"""Type of TIFF's tags that place a scene or hold its metadata, and bytes of an element."""
_NEAR = {
    tag ^ (1 << bit): tag
    for tag in (_METADATA, _NODATA)
    for bit in range(16)
    if tag ^ (1 << bit) not in _TAGS
}
"""Numbers that one flipped bit makes of those two tags, which contradict nothing when they are gone."""
_KEY_ENTRY = 4
"""Numbers of a key: what it is, the tag its value is in, how many, and where in it (or the value itself)."""


def _broken_tags(name: str) -> str | None:
    """Return that tags of a TIFF for its place, nodata or metadata contradict TIFF or each other.

    GDAL leaves such tags out, some of them without a word.
    """
    with open_bytes(name) as file:
        if file.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
        file.seek(0)
        try:
            wanted = {tag: size for tag, (_, size) in _TAGS.items()} | dict.fromkeys(_NEAR, 1)
            every = list(directory(file, wanted))
        except (OSError, struct.error):  # so short that GDAL opens it no more
            return None
    found = [entry for entry in every if entry[0] in _TAGS]
    values = {tag: value for tag, _, _, value in found}
    # What reads as the value of a tag that is missing, under a number a bit away from its own, is that tag.
    strays = [(_NEAR[tag], kind, count, value) for tag, kind, count, value in every if tag in _NEAR]
    bad = [
        tag
        for tag, kind, count, value in strays
        if tag not in values and kind == _ASCII and _is_right(tag, count, value)
    ]
    bad += [
        tag
        for tag, kind, count, value in found
        if not _is_of_type(tag, kind) or not _is_right(tag, count, value)
    ]
    keys = np.frombuffer(values.get(_KEYS, b""), np.uint16)
    if _KEYS not in values:
        is_whole = not values.keys() & {_NUMBERS, _TEXTS}
    else:
        is_whole = _KEYS in bad or _keys_fit(keys, values)
    bad += [] if is_whole else [_KEYS]
    if _SCALE in values and not values.keys() & {_POINTS, _MATRIX}:
        bad.append(_POINTS)
    if not bad:
        return None
    return (
        f"tags of {Path(name).name} that hold its place or metadata are damaged ({', '.join(map(str, bad))})"
    )


def _is_of_type(tag: int, kind: int) -> bool:
    """Return whether a tag has its type; texts may be plain bytes, which GDAL reads as well."""
    return kind == _TAGS[tag][0] or (_TAGS[tag][0] == _ASCII and kind in _BYTES)


def _is_right(tag: int, count: int, value: bytes) -> bool:
    """Return whether the value of a tag can be what it says."""
    if len(value) != count * _TAGS[tag][1]:
        return False
    text = value.strip(b"\0 \t\r\n").decode("latin-1")
    if tag == _NODATA:
        try:
            float(text.replace(",", "."))
        except ValueError:
            return "#" in text  # NaN as old compilers print it: -1.#IND
        return True
    if tag == _METADATA:
        return text.startswith("<GDALMetadata") and text.endswith(">")
    sizes = np.abs(np.frombuffer(value if _TAGS[tag][0] == _DOUBLE else b""))
    if not ((sizes == 0) | ((sizes > _TINY) & (sizes < 1 / _TINY))).all():
        return False
    return {
        _SCALE: count in (2, 3),
        _POINTS: count > 0 and count % 6 == 0,
        _MATRIX: count == 16,
        _KEYS: count >= _KEY_ENTRY,
    }.get(tag, count > 0)


def _keys_fit(keys: npt.NDArray[np.uint16], values: Mapping[int, bytes]) -> bool:
    """Return whether a GeoKeyDirectory is one, and what its keys refer to is there."""
    number = int(keys[3])
    if keys[0] != 1 or len(keys) < _KEY_ENTRY * (number + 1):
        return False
    room = {_NUMBERS: len(values.get(_NUMBERS, b"")) // 8, _TEXTS: len(values.get(_TEXTS, b""))}
    entries = keys[_KEY_ENTRY : _KEY_ENTRY * (number + 1)].reshape(number, _KEY_ENTRY)
    return all(
        place == 0 or int(start) + int(count) <= room.get(int(place), len(keys))
        for _, place, count, start in entries
    )


_MEASURES: dict[bytes, Callable[[BinaryIO], int]] = {
    b"PCIDSK": _pcidsk,
    b"SQLite format 3\0": _sqlite,
    b"CDF\x01": _netcdf,
    b"CDF\x02": _netcdf,
    b"CDF\x05": _netcdf,
}
"""How to find the least size of a file, by its first bytes; the file stands after the 16th."""
