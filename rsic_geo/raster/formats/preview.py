"""What a learned archive's TIFF needs of GDAL: a georeference as GeoTIFF tags, and a small JPEG picture."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.raster.env import gdal_config, scene_errors
from rsic_geo.raster.restore import GEOREFERENCE, create_from_vrt

JPEG_QUALITY = 75


def place_geotiff(snapshot: MetadataSnapshot, height: int, width: int, *, with_tags: bool) -> bytes | None:
    """Return a GeoTIFF of one pixel whose tags place a picture of another size where the scene lies.

    Args:
        snapshot: metadata of the scene.
        height: rows of the picture (px).
        width: columns of the picture (px).
        with_tags: also hold the items of the scene's default domain.

    Returns:
        The file; None where there is nothing to say.

    Raises:
        SceneError: GDAL cannot express the georeference.
    """
    named = [name for name in GEOREFERENCE if getattr(snapshot, name)]
    tags = {"": snapshot.tags[""]} if with_tags and snapshot.tags.get("") else {}
    if not named and not tags:
        return None
    down, right = height / snapshot.height, width / snapshot.width
    place = MetadataSnapshot(
        width=1,
        height=1,
        count=1,
        area_or_point=snapshot.area_or_point,
        tags=tags,
        **{name: getattr(snapshot, name) for name in named},
    )
    with (
        gdal_config(),
        scene_errors("write", "the georeference of the archive"),
        tempfile.TemporaryDirectory(prefix="rsic-") as folder,
    ):
        path = Path(folder) / "place.tif"
        options = {"COMPRESS": "NONE", "BLOCKYSIZE": "1", "ENDIANNESS": "LITTLE"}
        create_from_vrt(str(path), _resized(place, down, right), options)
        return path.read_bytes()


def _resized(place: MetadataSnapshot, down: float, right: float) -> MetadataSnapshot:
    """Return a georeference for a picture of ``down`` times the rows and ``right`` times the columns."""
    transform = place.transform
    if transform is not None:
        a, b, c, d, e, f = transform
        transform = (a / right, b / down, c, d / right, e / down, f)
    return replace(
        place,
        transform=transform,
        gcps=tuple(replace(point, row=point.row * down, col=point.col * right) for point in place.gcps),
        rpcs=None if place.rpcs is None else _resized_rpcs(dict(place.rpcs), down, right),
    )


def _resized_rpcs(rpcs: dict[str, str], down: float, right: float) -> dict[str, str]:
    """Return rational polynomials for the resized picture; their pixels are counted from centres."""
    if down == right == 1:
        return rpcs
    for axis, factor in (("LINE", down), ("SAMP", right)):
        offset, scale = f"{axis}_OFF", f"{axis}_SCALE"
        if offset in rpcs and scale in rpcs:
            rpcs[offset] = repr((float(rpcs[offset]) + 0.5) * factor - 0.5)
            rpcs[scale] = repr(float(rpcs[scale]) * factor)
    return rpcs


def picture_geotiff(pixels: NDArray[np.uint8], compression: str) -> bytes:
    """Return a TIFF of one strip, pixels (1 or 3 bands, h, w).

    Args:
        pixels: what it shows.
        compression: jpeg or deflate.

    Raises:
        SceneError: this GDAL does not write that.
    """
    bands, height, width = pixels.shape
    options: dict[str, Any] = {"photometric": "rgb"} if bands == 3 else {}
    if compression == "jpeg":
        options = {"jpeg_quality": JPEG_QUALITY} | ({"photometric": "ycbcr"} if bands == 3 else {})
    somewhere = Affine(1, 0, 1, 0, -1, 1)  # rasterio warns of pictures without a place
    with gdal_config(), scene_errors("write", "the preview of the archive"), MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            height=height,
            width=width,
            count=bands,
            dtype="uint8",
            compress=compression,
            interleave="pixel",
            blockysize=height,
            endianness="little",
            transform=somewhere,
            **options,
        ) as picture:
            picture.write(pixels)
        return bytes(memory.read())
