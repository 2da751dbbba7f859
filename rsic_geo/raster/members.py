"""Which files a scene is read from (a mosaic is its members too), and what else those hold."""

from __future__ import annotations

import mmap
import os
import re
import struct
from pathlib import Path
from xml.etree import ElementTree

from rasterio.io import DatasetReader

from rsic_geo.errors import RsicGeoError
from rsic_geo.raster.env import gdal_config, open_dataset, scene_errors

_FROM_ELSEWHERE = frozenset({
    "DAAS", "EEDAI", "GTI", "HTTP", "NGW", "OGCAPI", "PLMosaic", "PostGISRaster", "Rasterlite", "SENTINEL2",
    "STACIT", "STACTA", "TileDB", "WCS", "WMS", "WMTS", "Zarr",
})  # fmt: skip
"""GDAL's names of formats whose pixels lie where their list of files does not say."""
_FRAME = "frame "
_LOOKED_AT = 8
"""Files of a mosaic that are opened to know its members: they are mostly alike."""
_NAMED = 3
"""Most names in one message."""
_PAGE = re.compile(r"GTIFF_DIR:(\d+):")
_IMAGE = re.compile(r"NITF_IM:(\d+):")


def members_of(path: str) -> tuple[tuple[str, ...], bool]:
    """Return all other local files a scene is read from, by name, and whether those are all there are.

    They are not all where the scene cannot be opened, a member is missing or no local file, or a format
    fetches pixels from elsewhere.
    """
    found: dict[str, None] = {}
    seen, known, todo = {os.path.realpath(path)}, True, [path]
    while todo:
        name = todo.pop()
        try:
            files, whole = _files_of(name)
        except RsicGeoError:  # what is no raster itself is read by those who list it
            files, whole = [], name != path
        known &= whole
        for file in files:
            if not os.path.isfile(file):
                known = False
            elif os.path.realpath(file) not in seen:
                seen.add(os.path.realpath(file))
                found[file] = None
                todo.append(file)
    return tuple(sorted(found)), known


def _files_of(path: str) -> tuple[list[str], bool]:
    """Return the files one dataset names, itself too, and whether they are all it is read from."""
    with gdal_config(), scene_errors("read", path), open_dataset(path) as dataset:
        files, driver = [str(name) for name in dataset.files], str(dataset.driver)
    if driver != "VRT":
        return files, driver not in _FROM_ELSEWHERE
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return files, False
    for element in root.iter():  # GDAL does not list sources of masks and overviews
        text = (element.text or "").strip()
        if text and (element.tag.endswith("Filename") or element.tag == "SourceDataset"):
            is_relative = element.get("relativeToVRT", element.get("relativetoVRT")) == "1"
            files.append(str(Path(path).parent / text) if is_relative else text)
    return files, next(root.iter("PixelFunctionLanguage"), None) is None


def largest_blocks(path: str) -> tuple[int, int]:
    """Return the most rows and columns (px) of the blocks a VRT reads, judged by a few of its members."""
    shapes, todo = [(0, 0)], [path]
    for name in todo:
        try:
            with gdal_config(), scene_errors("read", name), open_dataset(name) as dataset:
                shapes += dataset.block_shapes
                files = [str(file) for file in dataset.files] if dataset.driver == "VRT" else []
        except RsicGeoError:  # who reads it tells
            files = []
        todo += [file for file in files if file not in todo][: _LOOKED_AT - len(todo)]
    heights, widths = zip(*shapes, strict=True)
    return max(heights), max(widths)


def others_beside(dataset: DatasetReader) -> tuple[str, ...]:
    """Return GDAL's names of the images in a file that is open, other than the one that is read.

    GDAL opens the first image of a TIFF or NITF file under the file's own name, and lists it as well.
    """
    names = [str(name) for name in dataset.subdatasets]
    if not names:
        return frames_beside(dataset)
    if len(names) == 1 and (_PAGE.match(names[0]) or _IMAGE.match(names[0])):
        return ()  # the image itself, alone
    own = {dataset.name}
    if not (_PAGE.match(dataset.name) or _IMAGE.match(dataset.name)):
        own |= {f"GTIFF_DIR:1:{dataset.name}", f"NITF_IM:0:{dataset.name}"}
    return tuple(name for name in names if name not in own)


def frames_beside(dataset: DatasetReader) -> tuple[str, ...]:
    """Return names of the frames of an animation, or codestreams of a JPX file, that GDAL passes over."""
    count = _COUNTS.get(str(dataset.driver))
    if count is None:
        return ()
    try:
        with (
            open(dataset.name, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            frames = count(content)
    except (
        OSError,
        ValueError,
        struct.error,
        IndexError,
    ):  # a name of GDAL's, or damage, which reading tells
        return ()
    return tuple(f"{_FRAME}{number} of {dataset.name}" for number in range(2, frames + 1))


def _gif_frames(content: mmap.mmap) -> int:
    """Return the number of images of a GIF: blocks are walked, since their bytes may be anything."""
    frames, place = 0, 13 + (3 << ((content[10] & 7) + 1) if content[10] & 0x80 else 0)
    while content[place] in (0x21, 0x2C):
        if content[place] == 0x2C:
            frames += 1
            flags = content[place + 9]
            place += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        else:
            place += 2
        while content[place]:
            place += content[place] + 1
        place += 1
    return frames


def _png_frames(content: mmap.mmap) -> int:
    place = content.find(b"acTL", 8, 4096)
    return int.from_bytes(content[place + 4 : place + 8], "big") if place > 0 else 1


def _codestreams(content: mmap.mmap) -> int:
    found, place = 0, 0
    while content[:4] == b"\0\0\0\x0c" and place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        if length == 1:
            length = struct.unpack_from(">Q", content, place + 8)[0]
        found += kind == b"jp2c"
        if length < 8:
            break
        place += length
    return found


_COUNTS = {"GIF": _gif_frames, "BIGGIF": _gif_frames, "PNG": _png_frames, "JP2OpenJPEG": _codestreams}
"""How the images of a file are counted in formats of which GDAL opens the first alone."""


def said_of_others(names: tuple[str, ...]) -> str | None:
    """Return one line that names what else a file holds and how to open it; None where there is nothing."""
    if not names:
        return None
    if names[0].startswith(_FRAME):
        return (
            f"the file holds {len(names) + 1} images, of which only the first was archived: GDAL opens no "
            "other, so save each to a file of its own by another program"
        )
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    count = "another image" if len(names) == 1 else f"{len(names)} other images"
    return (
        f"the file holds {count} of which nothing was archived: archive each by its own name: "
        f"{', '.join(names[:_NAMED])}{more}"
    )
