"""Which files a scene is read from (a mosaic is its members too), and what else those hold."""

from __future__ import annotations

import os
import re
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


def others_beside(dataset: DatasetReader) -> tuple[str, ...]:
    """Return GDAL's names of the images in a file that is open, other than the one that is read.

    GDAL opens the first image of a TIFF or NITF file under the file's own name, and lists it as well.
    """
    names = [str(name) for name in dataset.subdatasets]
    if len(names) == 1 and (_PAGE.match(names[0]) or _IMAGE.match(names[0])):
        return ()  # the image itself, alone
    own = {dataset.name}
    if not (_PAGE.match(dataset.name) or _IMAGE.match(dataset.name)):
        own |= {f"GTIFF_DIR:1:{dataset.name}", f"NITF_IM:0:{dataset.name}"}
    return tuple(name for name in names if name not in own)


def said_of_others(names: tuple[str, ...]) -> str | None:
    """Return one line that names what else a file holds and how to open it; None where there is nothing."""
    if not names:
        return None
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    count = "another image" if len(names) == 1 else f"{len(names)} other images"
    return (
        f"the file holds {count} of which nothing was archived: archive each by its own name: "
        f"{', '.join(names[:_NAMED])}{more}"
    )
