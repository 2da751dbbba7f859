"""Which files a scene is read from, all the way down: a mosaic is its members too."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

from rsic_geo.errors import RsicGeoError
from rsic_geo.raster.env import gdal_config, open_dataset, scene_errors

_FROM_ELSEWHERE = frozenset({
    "DAAS", "EEDAI", "GTI", "HTTP", "NGW", "OGCAPI", "PLMosaic", "PostGISRaster", "Rasterlite", "SENTINEL2",
    "STACIT", "STACTA", "TileDB", "WCS", "WMS", "WMTS", "Zarr",
})  # fmt: skip
"""GDAL's names of formats whose pixels lie where their list of files does not say."""


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
