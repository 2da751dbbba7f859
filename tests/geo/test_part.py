"""Parts of scenes lie where GDAL, asked for the same part, says they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import osgeo_gdal

from rsic_geo.errors import UsageError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.part import Part
from rsic_geo.geo.window import Window
from rsic_geo.raster import open_scene
from rsic_geo.raster.box import window_of_box

WIDTH, HEIGHT = 96, 64
NORTH_UP = (500_000.0, 0.5, 0.0, 5_600_000.0, 0.0, -0.5)
ROTATED = (500_000.0, 0.4, 0.3, 5_600_000.0, 0.3, -0.4)
GEOLOCATION = {
    "LINE_OFFSET": "4", "LINE_STEP": "8", "PIXEL_OFFSET": "2", "PIXEL_STEP": "8", "X_DATASET": "x.tif",
}  # fmt: skip
RPC = {
    "LINE_OFF": "31.25", "SAMP_OFF": "40.5", "LINE_SCALE": "32", "SAMP_SCALE": "48",
    "LAT_OFF": "48", "LONG_OFF": "13", "LAT_SCALE": "0.1", "LONG_SCALE": "0.1",
    "HEIGHT_OFF": "100", "HEIGHT_SCALE": "500", "ERR_BIAS": "1", "ERR_RAND": "1",
    **{f"{side}_{kind}_COEFF": " ".join(["0"] * 20) for side in ("LINE", "SAMP") for kind in ("NUM", "DEN")},
}  # fmt: skip


@st.composite
def windows(draw: st.DrawFn) -> Window:
    left, top = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    width, height = draw(st.integers(1, WIDTH - left)), draw(st.integers(1, HEIGHT - top))
    return Window(row_off=top, col_off=left, height=height, width=width)


def scene(kind: str) -> Any:
    """Return a scene in GDAL's memory, placed in one of the ways there are."""
    gdal = osgeo_gdal()
    dataset = gdal.GetDriverByName("MEM").Create("", WIDTH, HEIGHT, 3)
    srs = gdal.osr.SpatialReference()
    srs.ImportFromEPSG(32633)
    if kind == "gcps":
        points = [
            gdal.GCP(x + 5e5, y + 5e6, 3, p, q)
            for x, y, p, q in ((0, 0, 0.5, 1.5), (9, 1, 90, 7), (2, 8, 11, 60))
        ]
        dataset.SetGCPs(points, srs)
    elif kind == "rpcs":
        dataset.SetMetadata(RPC, "RPC")
    else:
        dataset.SetGeoTransform(NORTH_UP if kind == "north up" else ROTATED)
        dataset.SetSpatialRef(srs)
    return dataset


def described(kind: str, folder: Path) -> MetadataSnapshot:
    """Return what we say of it."""
    path = folder / f"{kind}.tif"
    if not path.exists():
        osgeo_gdal().GetDriverByName("GTiff").CreateCopy(str(path), scene(kind))
    with open_scene(path) as reader:
        return reader.metadata()


@pytest.mark.parametrize("kind", ["north up", "rotated", "gcps", "rpcs"])
@settings(max_examples=25, deadline=None)
@given(window=windows(), level=st.integers(0, 3))
def test_a_part_lies_where_gdal_puts_it(tmp_path_factory, kind: str, window: Window, level: int) -> None:
    part = Part(window=window, level=level)
    ours = part.of_snapshot(described(kind, tmp_path_factory.getbasetemp()))
    if level:  # GDAL keeps the extent instead of the pixel size: compare where both are the same
        size = part.factor
        window = Window(
            row_off=window.row_off,
            col_off=window.col_off,
            height=max(size, window.height // size * size),
            width=max(size, window.width // size * size),
        )
        if window.row_stop > HEIGHT or window.col_stop > WIDTH:
            return
        part = Part(window=window, level=level)
        ours = part.of_snapshot(described(kind, tmp_path_factory.getbasetemp()))
    box = [window.col_off, window.row_off, window.width, window.height]
    gdal = osgeo_gdal()
    theirs = gdal.Translate("", scene(kind), format="MEM", srcWin=box, width=part.width, height=part.height)
    assert (ours.width, ours.height) == (theirs.RasterXSize, theirs.RasterYSize)
    if ours.transform is not None:
        a, b, c, d, e, f = ours.transform
        np.testing.assert_allclose((c, a, b, f, d, e), theirs.GetGeoTransform(), rtol=1e-14)
    for mine, other in zip(ours.gcps, theirs.GetGCPs(), strict=True):
        found = (mine.col, mine.row, mine.x, mine.y, mine.z)
        np.testing.assert_allclose(
            found, (other.GCPPixel, other.GCPLine, other.GCPX, other.GCPY, other.GCPZ), rtol=1e-12, atol=1e-12
        )
    # RPCs count from pixel centres; GDAL before 3.9.2 forgot that where pixel sizes change (gdal#10600).
    lag = 0.0 if int(gdal.VersionInfo()) >= 3090200 else 0.5 - 0.5 / part.factor
    for name, value in (theirs.GetMetadata("RPC") or {}).items():
        late = lag if name in ("LINE_OFF", "SAMP_OFF") else 0.0
        mine = [float(v) for v in (ours.rpcs or {})[name].split()]
        np.testing.assert_allclose(mine, [float(v) - late for v in value.split()], rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    left=st.floats(-2, WIDTH - 1),
    top=st.floats(-2, HEIGHT - 1),
    width=st.floats(1, WIDTH),
    height=st.floats(1, HEIGHT),
)
def test_a_box_is_rounded_as_gdal_rounds_it(
    tmp_path_factory, left: float, top: float, width: float, height: float
) -> None:
    x, step, _, y, _, down = NORTH_UP
    corners = (x + left * step, y + top * down, x + (left + width) * step, y + (top + height) * down)
    box = (corners[0], corners[3], corners[2], corners[1])
    snapshot = described("north up", tmp_path_factory.getbasetemp())
    theirs = osgeo_gdal().Translate("", scene("north up"), format="VRT", projWin=corners).GetGeoTransform()
    try:
        window, _ = window_of_box(snapshot, box)
    except UsageError:
        assert left + width < 1 or top + height < 1
        return
    first = (round((theirs[0] - x) / step), round((theirs[3] - y) / down))
    assert (window.col_off, window.row_off) == (max(first[0], 0), max(first[1], 0))


def test_whole_pixels_of_a_box_are_gdals(tmp_path) -> None:
    box = (500_010.2, 5_599_980.1, 500_020.9, 5_599_990.3)
    window, is_beyond = window_of_box(described("north up", tmp_path), box)
    corners = (box[0], box[3], box[2], box[1])
    theirs = osgeo_gdal().Translate("", scene("north up"), format="MEM", projWin=corners)
    assert (window.width, window.height) == (theirs.RasterXSize, theirs.RasterYSize)
    assert not is_beyond


@settings(max_examples=25, deadline=None)
@given(window=windows(), kind=st.sampled_from(["north up", "rotated"]))
def test_a_box_around_pixels_holds_them(tmp_path_factory, window: Window, kind: str) -> None:
    snapshot = described(kind, tmp_path_factory.getbasetemp())
    a, b, c, d, e, f = snapshot.transform
    corners = [
        (col, row) for col in (window.col_off, window.col_stop) for row in (window.row_off, window.row_stop)
    ]
    xs, ys = [a * col + b * row + c for col, row in corners], [d * col + e * row + f for col, row in corners]
    found, _ = window_of_box(snapshot, (min(xs), min(ys), max(xs), max(ys)))
    assert found.contains(window)
    if kind == "north up":
        assert found == window


def test_a_box_in_another_reference_system(tmp_path) -> None:
    snapshot = described("north up", tmp_path)
    west, south, east, north = rasterio.warp.transform_bounds(
        "EPSG:32633", "EPSG:4326", 500_010, 5_599_980, 500_020, 5_599_990
    )
    window, _ = window_of_box(snapshot, (west, south, east, north), "EPSG:4326")
    assert abs(window.col_off - 20) <= 1
    assert abs(window.width - 20) <= 2
    with pytest.raises(UsageError, match="does not touch"):
        window_of_box(snapshot, (0, 0, 1, 1), "EPSG:4326")
    with pytest.raises(UsageError, match="reference system"):
        window_of_box(snapshot, (0, 0, 1, 1), "no system")


@pytest.mark.parametrize("epsg", [32724, 32633, 26913, 3412, 3035, 3857])
@pytest.mark.parametrize("box", [(-180, -90, 180, 90), (-179.9, -85, 179.9, 85)])
def test_a_box_around_the_world_holds_every_scene_whole(epsg: int, box) -> None:
    """Far from its own zone a projection gives any numbers: such boxes once cut scenes, or missed them."""
    lon, lat = place_in(epsg)
    (x,), (y,) = rasterio.warp.transform("EPSG:4326", f"EPSG:{epsg}", [lon], [lat])
    snapshot = MetadataSnapshot(
        width=200, height=100, count=1, crs=f"EPSG:{epsg}", transform=(30.0, 0, x, 0, -30.0, y)
    )
    window, is_beyond = window_of_box(snapshot, box, "EPSG:4326")
    assert window == Window.full(100, 200)
    assert is_beyond
    elsewhere = (lon - 90, -80, lon - 60, 85) if lon > 0 else (lon + 60, -80, lon + 90, 85)
    with pytest.raises(UsageError, match="does not touch"):
        window_of_box(snapshot, elsewhere, "EPSG:4326")


def place_in(epsg: int) -> tuple[float, float]:
    """Return longitude and latitude of a place where a reference system is used."""
    places = {32724: (-37.5, -8.0), 32633: (13.0, 52.0), 26913: (-105.0, 40.0), 3412: (30.0, -70.0)}
    return places.get(epsg, (10.0, 50.0))


@settings(max_examples=60, deadline=None)
@given(
    west=st.floats(-0.6, 0.9),
    south=st.floats(-0.6, 0.9),
    east=st.floats(0.05, 1.5),
    north=st.floats(0.05, 1.5),
)
def test_a_box_in_degrees_holds_the_pixels_that_are_in_it(west, south, east, north) -> None:
    """Against GDAL's own transformation of every pixel's centre."""
    snapshot = MetadataSnapshot(
        width=60,
        height=50,
        count=1,
        crs="EPSG:32633",
        transform=(500.0, 0, 300_000.0, 0, -500.0, 5_600_000.0),
    )
    rows, cols = np.mgrid[0:50, 0:60]
    x, y = 300_000 + 500 * (cols.ravel() + 0.5), 5_600_000 - 500 * (rows.ravel() + 0.5)
    lon, lat = (np.asarray(v) for v in rasterio.warp.transform("EPSG:32633", "EPSG:4326", x, y))
    span = (lon.max() - lon.min(), lat.max() - lat.min())
    left, bottom = lon.min() + west * span[0], lat.min() + south * span[1]
    box = (left, bottom, left + east * span[0], bottom + north * span[1])
    inside = (lon > box[0]) & (lon < box[2]) & (lat > box[1]) & (lat < box[3])
    try:
        window, _ = window_of_box(snapshot, box, "EPSG:4326")
    except UsageError:
        assert not inside.any()
        return
    if inside.any():
        assert window.row_off <= rows.ravel()[inside].min()
        assert window.row_stop >= rows.ravel()[inside].max()
        assert window.col_off <= cols.ravel()[inside].min()
        assert window.col_stop >= cols.ravel()[inside].max()


def test_a_box_needs_a_transform(tmp_path) -> None:
    with pytest.raises(UsageError, match="--srcwin"):
        window_of_box(described("gcps", tmp_path), (0, 0, 1, 1))


def test_bands_keep_what_is_theirs() -> None:
    snapshot = MetadataSnapshot(
        width=10, height=10, count=3, descriptions=("r", "g", "n"), scales=(1.0, 2.0, 3.0),
        band_tags={1: {"": {"A": "1"}}, 3: {"": {"B": "2", "STATISTICS_MEAN": "5"}}},
        categories={3: ("x", "y")},
        tags={"GEOLOCATION": GEOLOCATION, "": {"STATISTICS_MEAN": "1", "KEPT": "yes"}},
    )  # fmt: skip
    part = Part(window=Window(row_off=4, col_off=2, height=4, width=6), level=1, bands=(2, 0))
    found = part.of_snapshot(snapshot)
    assert (found.count, found.descriptions, found.scales) == (2, ("n", "r"), (3.0, 1.0))
    assert found.band_tags == {1: {"": {"B": "2"}}, 2: {"": {"A": "1"}}}
    assert found.categories == {1: ("x", "y")}
    assert found.tags[""] == {"KEPT": "yes"}
    moved = {key: float(value) for key, value in found.tags["GEOLOCATION"].items() if key != "X_DATASET"}
    assert moved == {"LINE_OFFSET": 0, "LINE_STEP": 4, "PIXEL_OFFSET": 0, "PIXEL_STEP": 4}


WORLD = MetadataSnapshot(
    width=3600, height=1800, count=1, crs="EPSG:4326", transform=(0.1, 0.0, -180.0, 0.0, -0.1, 90.0)
)


@pytest.mark.parametrize(
    ("of_scene", "box", "crs", "why"),
    [
        (WORLD, (2.9e6, -2.1e6, 3.6e6, -1.8e6), "EPSG:3832", "180th meridian"),
        (WORLD, (-1e308, -1e308, 1e308, 1e308), None, "too large"),
        (
            MetadataSnapshot(width=9, height=9, count=1, transform=(0.0, 0, 5, 0, 0, 5)),
            (0, 0, 1, 1),
            None,
            "area",
        ),
    ],
)
def test_boxes_that_mean_no_pixels_are_refused(of_scene, box, crs, why) -> None:
    with pytest.raises(UsageError, match=why):
        window_of_box(of_scene, box, crs)


def test_coefficients_that_are_no_numbers_stay_as_they_are() -> None:
    said = {"LINE_OFF": "32 pixels", "NOTE": "none"}
    part = Part(window=Window(row_off=1, col_off=1, height=4, width=4))
    assert part.of_snapshot(MetadataSnapshot(width=9, height=9, count=1, rpcs=said)).rpcs == said
