"""Georeferencing boxes: GDAL reads the scene where it is, the GML is laid out as the standard says."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from affine import Affine
from jp2_support import assert_valid, noise, write_jp2
from rasterio.io import MemoryFile

from rsic_geo.codecs.jpeg2000 import J2KParams
from rsic_geo.container.gml import gmljp2
from rsic_geo.container.jp2 import Jp2Boxes

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


def test_the_envelope_holds_all_corners():
    root = ElementTree.fromstring(gmljp2(60, 40, ROTATED, 32633))
    lower = np.array(root.find(f".//{GML}lowerCorner").text.split(), float)
    upper = np.array(root.find(f".//{GML}upperCorner").text.split(), float)
    corners = np.array([on_the_ground(*corner) for corner in CORNERS])
    np.testing.assert_allclose(lower, corners.min(axis=0))
    np.testing.assert_allclose(upper, corners.max(axis=0))
    assert root.find(f".//{GML}high").text == "59 39"


def test_without_a_code_there_is_no_gml():
    assert gmljp2(60, 40, NORTH_UP, None) is None
