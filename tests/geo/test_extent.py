"""Laws of boxes around footprints."""

from __future__ import annotations

import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import mapping

from rsic_geo.geo.extent import Extent, blob_boxes, blob_parts
from rsic_geo.geo.footprint_blob import blob_shape, geopackage_blob

BOXES = st.tuples(
    st.floats(-400, 400, width=32), st.floats(-89, 80), st.floats(0.01, 200), st.floats(0.01, 9)
).map(lambda each: shapely.box(each[0], each[1], each[0] + each[2], each[1] + each[3]))


def blob_of(shape: shapely.Polygon) -> bytes:
    blob = geopackage_blob(dict(mapping(shape)))
    assert blob is not None
    return blob


@given(st.lists(BOXES, min_size=1, max_size=6))
def test_every_point_of_every_footprint_is_in_the_box(shapes):
    extent = Extent()
    for shape in shapes:
        assert extent.add(blob_of(shape))
    found = extent.bounds()
    assert found is not None
    west, south, east, north = found
    assert -180 <= west <= 180
    assert -180 <= east <= 180
    width = east - west if west <= east else east - west + 360
    for shape in shapes:
        least, low, greatest, high = shape.bounds
        assert south <= low <= high <= north
        for longitude in (least, (least + greatest) / 2, greatest):
            assert (longitude - west + 1e-4) % 360 <= width + 2e-4


@given(BOXES)
def test_parts_cover_what_the_footprint_covers_within_180_degrees(shape):
    blob = blob_of(shape)
    area, parts = blob_shape(blob).area, blob_parts(blob)
    assert abs(sum(part.area for part in parts) - area) < 1e-6 * area + 1e-9
    for part, box in zip(parts, blob_boxes(blob), strict=True):
        assert part.exterior.is_ccw
        assert -180 <= box[0] <= box[2] <= 180


@given(st.floats(-180, 179), st.floats(0.001, 1))
def test_one_usual_footprint_is_its_own_box(west, size):
    shape = shapely.box(west, 10, min(180.0, west + size), 11)
    extent = Extent()
    extent.add(blob_of(shape))
    assert extent.bounds() == shape.bounds
