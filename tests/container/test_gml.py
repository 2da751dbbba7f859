"""Georeferencing boxes: GDAL reads the scene where it is, the GML is laid out as the standard says."""

from __future__ import annotations

import json
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from affine import Affine
from jp2_support import assert_valid, noise, write_jp2
from rasterio.io import MemoryFile

import rsic_geo
from rsic_geo.codecs.jpeg2000 import J2KParams
from rsic_geo.container.boxes import iter_boxes
from rsic_geo.container.gml import gmljp2
from rsic_geo.container.jp2 import Jp2Boxes
from rsic_geo.errors import UsageError

CORNERS = [(0, 0), (60, 0), (0, 40), (60, 40)]
GML = "{http://www.opengis.net/gml}"
NORTH_UP = Affine(10, 0, 399960, 0, -10, 5600040)
ROTATED = Affine(8, 3, 399960, 2, -7, 5600040)


def on_the_ground(col, row):
    """Return where a point of the rotated scene lies."""
    return (8 * col + 3 * row + 399960, 2 * col - 7 * row + 5600040)


def degenerate(transform, epsg):
    with MemoryFile() as memory:
        profile = {"driver": "GTiff", "width": 1, "height": 1, "count": 1, "dtype": "uint8"}
        with memory.open(**profile, crs=f"EPSG:{epsg}", transform=transform) as scene:
            scene.write(np.zeros((1, 1, 1), np.uint8))
        return memory.read()


def written(path, boxes):
    write_jp2(path, noise((1, 40, 60), "uint8"), J2KParams(lossless=True, tile_size=64), boxes=boxes)
    assert_valid(path)
    return path


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED])
@pytest.mark.parametrize("with_gml", [False, True])
def test_the_geotiff_box_places_the_scene(tmp_path, transform, with_gml):
    document = gmljp2(60, 40, transform, 32633) if with_gml else None
    boxes = Jp2Boxes(geotiff=degenerate(transform, 32633), gml=document, xml="<note>ü</note>")
    with rasterio.open(written(tmp_path / "scene.jp2", boxes)) as scene:
        assert scene.transform.almost_equals(transform, 1e-9)
        assert scene.crs.to_epsg() == 32633


@pytest.mark.parametrize(("epsg", "swapped"), [(32633, False), (4326, True)])
def test_gml_alone_places_a_north_up_scene(tmp_path, epsg, swapped):
    transform = NORTH_UP if not swapped else Affine(0.01, 0, 12.5, 0, -0.02, 47.25)
    document = gmljp2(60, 40, transform, epsg, axis_swapped=swapped)
    with rasterio.open(written(tmp_path / "scene.jp2", Jp2Boxes(gml=document))) as scene:
        assert scene.crs.to_epsg() == epsg
        assert scene.transform.almost_equals(transform, 1e-9)


@pytest.mark.parametrize("swapped", [False, True])
def test_offset_vectors_are_steps_along_columns_and_rows(swapped):
    root = ElementTree.fromstring(gmljp2(60, 40, ROTATED, 32633, axis_swapped=swapped))
    columns, rows = (tuple(map(float, v.text.split())) for v in root.iter(f"{GML}offsetVector"))
    origin = tuple(map(float, root.find(f".//{GML}pos").text.split()))
    order = slice(None, None, -1 if swapped else 1)
    assert columns == (8, 2)[order]
    assert rows == (3, -7)[order]
    assert (
        origin == (ROTATED @ (0.5, 0.5))[order]
        if hasattr(ROTATED, "__matmul__")
        else (ROTATED * (0.5, 0.5))[order]
    )


def test_the_grid_ends_at_the_last_pixel():
    root = ElementTree.fromstring(gmljp2(60, 40, ROTATED, 32633))
    assert root.find(f".//{GML}high").text == "59 39"


def test_without_a_code_there_is_no_gml():
    assert gmljp2(60, 40, NORTH_UP, None) is None


@pytest.mark.parametrize(("georef", "most"), [("both", 1100), ("geojp2", 400), ("gml", 700)])
def test_the_place_takes_few_bytes_and_is_found_by_two_gdals(georef, most, tmp_path):
    source, archive = tmp_path / "s.tif", tmp_path / "s.jp2"
    with rasterio.open(
        source,
        "w",
        driver="GTiff",
        width=60,
        height=40,
        count=1,
        dtype="uint8",
        crs="EPSG:32633",
        transform=NORTH_UP,
    ) as scene:
        scene.write(noise((1, 40, 60), "uint8"))
    rsic_geo.compress(source, archive, georef=georef)
    with archive.open("rb") as file:
        kinds = [(box.kind, box.content_length + 8) for box in iter_boxes(file)]
    ahead = kinds[: [kind for kind, _ in kinds].index(b"jp2c")]
    assert sum(size for kind, size in ahead if kind in (b"uuid", b"asoc")) <= most
    with rasterio.open(archive) as scene:
        assert (scene.crs.to_epsg(), scene.transform) == (32633, NORTH_UP)
    told = json.loads(subprocess.run(["gdalinfo", "-json", archive], capture_output=True, check=True).stdout)
    assert told["geoTransform"] == list(NORTH_UP.to_gdal())
    assert 'ID["EPSG",32633]' in told["coordinateSystem"]["wkt"]


def test_gml_alone_is_refused_where_it_says_too_little(tmp_path):
    source = tmp_path / "s.tif"
    for crs, transform in (("EPSG:32633", ROTATED), ("+proj=laea +lat_0=52 +lon_0=10", NORTH_UP)):
        with rasterio.open(
            source,
            "w",
            driver="GTiff",
            width=9,
            height=9,
            count=1,
            dtype="uint8",
            crs=crs,
            transform=transform,
        ) as scene:
            scene.write(noise((1, 9, 9), "uint8"))
        with pytest.raises(UsageError, match="use geojp2 or both"):
            rsic_geo.compress(source, tmp_path / "s.jp2", georef="gml")
        assert not (tmp_path / "s.jp2").exists()
