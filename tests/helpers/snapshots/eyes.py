"""What programs say of a file that share nothing with rsic_geo: another GDAL, tifffile, jpylyzer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import tifffile

needs_gdalinfo = pytest.mark.skipif(
    shutil.which("gdalinfo") is None, reason="needs gdal-bin, another GDAL than rasterio's (make test)"
)
_STORAGE = {"COMPRESSION", "INTERLEAVE", "PREDICTOR", "COMPRESSION_REVERSIBILITY", "LAYOUT"}
"""How pixels are stored: it is for the writer of a file to choose."""
_TAGS = (
    "BitsPerSample", "PhotometricInterpretation", "ExtraSamples", "ImageDescription", "Software",
    "ModelTransformationTag", "ModelPixelScaleTag", "ModelTiepointTag", "SamplesPerPixel", "SampleFormat",
)  # fmt: skip
"""What tags of a TIFF say of the scene."""


def gdalinfo(path: Path, *more: str) -> dict[str, Any]:
    """Return what the system's gdalinfo says of a file."""
    words = ["gdalinfo", "-json", *more, str(path)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return json.loads(told)  # type: ignore[no-any-return]


def said(path: Path) -> dict[str, Any]:
    """Return what gdalinfo says of a scene, without how and where it is stored."""
    told = gdalinfo(path)
    bands = [_band(band) for band in told["bands"]]
    system = told.get("coordinateSystem")
    return {
        "size": told["size"],
        "transform": told.get("geoTransform"),
        "crs": None if system is None else _system(system["wkt"]),
        "axes": None if system is None else system.get("dataAxisToSRSAxisMapping"),
        "metadata": _items(told.get("metadata", {})),
        "gcps": told.get("gcps"),
        "bands": bands,
        "tables": told.get("rat"),
    }


def _band(told: dict[str, Any]) -> dict[str, Any]:
    band = {
        key: value for key, value in told.items() if key not in ("block", "overviews", "metadata", "mask")
    }
    mask = told.get("mask")
    return {
        **band,
        "has_overviews": bool(told.get("overviews")),
        "mask": None if mask is None else mask["flags"],
        "metadata": _items(told.get("metadata", {})),
    }


def _items(domains: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    kept = {}
    for domain, items in domains.items():
        if domain in ("SUBDATASETS", "DERIVED_SUBDATASETS"):
            continue
        left = {key: text for key, text in items.items() if (key, text) != ("AREA_OR_POINT", "Area")}
        if domain == "IMAGE_STRUCTURE":
            left = {key: text for key, text in left.items() if key not in _STORAGE}
        if left:
            kept[domain] = left
    return kept


def _system(wkt: str) -> str:
    """Return WKT without layout and labels of axes; of a system with a code but the registry's own words.

    Editions of the registry differ in what they say of scope and area.
    """
    plain = re.sub(r"\s*\n\s*", "", re.sub(r'AXIS\["[^"]*"', "AXIS[", wkt))
    is_own = "REMARK" in plain or "my garden" in plain or plain.startswith("BOUNDCRS")
    code = re.search(r'ID\["EPSG",(\d+)\]\]$', plain)
    return plain if is_own or code is None else f"EPSG:{code[1]}"


def tiff_tags(path: Path) -> dict[str, Any]:
    """Return what the first page of a TIFF says of its scene, as tifffile reads it."""
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        return {"SampleFormat": 1} | {name: tags[name].value for name in _TAGS if name in tags}


def jp2_boxes(path: Path) -> ElementTree.Element:
    """Return what jpylyzer finds in a JP2; fails where it is not valid."""
    words = [sys.executable, "-m", "jpylyzer.jpylyzer", str(path)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    root = ElementTree.fromstring(re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", re.sub(r"xsi:\w+=", "x=", told)))
    assert [each.text for each in root.iter("isValid")] == ["True"], told[:2000]
    return root
