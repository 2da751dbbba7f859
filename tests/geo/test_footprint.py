from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
import shapely.affinity
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shapely.geometry import shape

from rsic_geo.errors import UsageError
from rsic_geo.geo.footprint import footprint_geojson, valid_footprint

# 10 m pixels, turned by 12 degrees
UTM = Affine(9.781476, 2.079117, 500000, 2.079117, -9.781476, 4000000)


def on_the_ground(geometry: shapely.Geometry) -> shapely.Geometry:
    return shapely.affinity.affine_transform(geometry, UTM.to_shapely())


def test_a_full_scene_is_its_exact_rectangle() -> None:
    footprint = valid_footprint(np.ones((30, 50), bool), UTM)
    corners = on_the_ground(shapely.box(0, 0, 50, 30))
    assert footprint.normalize().equals_exact(corners.normalize(), 1e-6)


def test_a_scene_without_data_has_no_footprint() -> None:
    footprint = valid_footprint(np.zeros((30, 50), bool), UTM)
    assert footprint.is_empty
    assert footprint_geojson(footprint)["geometry"] is None


def test_a_rotated_collar_becomes_a_few_straight_lines() -> None:
    rows, cols = np.mgrid[:400, :500] + 0.5
    quad = shapely.Polygon([(60.3, 20.1), (480.7, 90.2), (430.4, 390.9), (10.8, 320.6)])
    valid = shapely.contains_xy(quad, cols, rows)
    footprint = valid_footprint(valid, UTM)
    truth = on_the_ground(quad)
    assert shapely.get_num_coordinates(footprint) < 20
    assert footprint.hausdorff_distance(truth) < 2 * 10
    assert footprint.area == pytest.approx(truth.area, rel=0.01)


def test_holes_and_islands_are_kept() -> None:
    valid = np.zeros((60, 80), bool)
    valid[5:50, 5:50] = True
    valid[20:30, 20:40] = False
    valid[55, 70] = True
    footprint = valid_footprint(valid, Affine.identity())
    assert footprint.area == valid.sum()
    assert len(shapely.get_parts(footprint)) == 2
    assert sum(len(part.interiors) for part in shapely.get_parts(footprint)) == 1
    assert shape(footprint_geojson(footprint)["geometry"]).equals(footprint)


@given(valid=hnp.arrays(np.bool_, st.tuples(st.integers(1, 16), st.integers(1, 16))))
def test_footprints_are_valid_and_close(valid: np.ndarray) -> None:
    footprint = valid_footprint(valid, Affine.identity())
    assert footprint.is_valid
    assert footprint.geom_type in ("Polygon", "MultiPolygon")
    assert footprint.is_empty == (not valid.any())
    for row, col in np.argwhere(valid):
        assert footprint.distance(shapely.Point(col + 0.5, row + 0.5)) <= 2


def test_speckle_is_followed_coarsely() -> None:
    specks = np.random.default_rng(0).random((700, 700)) < 0.3
    footprint = valid_footprint(specks, Affine.identity())
    assert footprint.is_valid
    assert footprint.area > specks.sum()
    assert shapely.box(0, 0, 700, 700).covers(footprint)


def test_geojson_is_counter_clockwise_and_plain() -> None:
    footprint = valid_footprint(np.ones((3, 4), bool), Affine.identity())
    feature = json.loads(json.dumps(footprint_geojson(footprint, {"name": "a scene"})))
    assert feature["properties"] == {"name": "a scene"}
    assert shape(feature["geometry"]).exterior.is_ccw
    assert shape(feature["geometry"]).equals(footprint)


def test_impossible_footprints_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(h, w\)"):
        valid_footprint(np.ones((1, 3, 4), bool), UTM)
    with pytest.raises(UsageError, match="no footprint"):
        valid_footprint(np.ones((3, 4), bool), Affine.scale(0, 1))
