from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

NAMES = ("fields_rgb_utm.tif", "coast_4band_rotated.tif", "town_pan_gcps.tif")


@pytest.fixture(scope="module")
def generated(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    subprocess.run([sys.executable, sample_data / "generate.py", "--out", folder], check=True, timeout=600)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_generator_reproduces_the_committed_scenes(name: str, generated: Path, sample_data: Path) -> None:
    with rasterio.open(sample_data / name) as ours, rasterio.open(generated / name) as made:
        assert made.profile == ours.profile
        assert [p.asdict() for p in made.gcps[0]] == [p.asdict() for p in ours.gcps[0]]
        for what in ("tags", "descriptions", "units", "scales", "offsets", "colorinterp"):
            a, b = getattr(made, what), getattr(ours, what)
            assert (a() == b()) if callable(a) else (a == b), what
        difference = np.abs(made.read().astype(int) - ours.read().astype(int))
    # Another numpy or processor may round a sum differently: by one step, and seldom.
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= 0.001 * difference.size


def test_the_orthophoto_has_a_collar_and_no_holes(sample_data: Path) -> None:
    with rasterio.open(sample_data / NAMES[0]) as scene:
        pixels = scene.read()
        assert (scene.count, scene.dtypes[0], scene.nodata) == (3, "uint8", 0)
        assert scene.crs.to_epsg() == 32633
        assert scene.transform.is_rectilinear
    valid = (pixels != 0).any(axis=0)
    assert np.array_equal(valid, (pixels != 0).all(axis=0))
    assert 0.7 < valid.mean() < 0.9
    assert not valid[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    # The footprint is convex: every row and column is valid in one piece.
    assert (np.abs(np.diff(valid.astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert (np.abs(np.diff(valid.astype(int), axis=0)).sum(axis=0) <= 2).all()


def test_the_coast_is_rotated_and_scaled(sample_data: Path) -> None:
    with rasterio.open(sample_data / NAMES[1]) as scene:
        pixels = scene.read()
        assert (scene.count, scene.dtypes[0]) == (4, "uint16")
        assert scene.transform.b != 0
        assert scene.transform.d != 0
        assert set(scene.scales) == {0.0001}
        assert set(scene.offsets) == {-0.1}
        assert set(scene.units) == {"reflectance"}
        assert scene.descriptions[3] == "Near infrared"
        assert scene.tags(4)["WAVELENGTH_UM"] == "0.842"
        assert scene.tags(ns="IMAGERY")["CLOUDCOVER"] == "0"
    reflectance = pixels * 0.0001 - 0.1
    assert 0 < np.median(reflectance) < 0.3
    land, sea = reflectance[3] > 0.2, reflectance[3] < 0.03
    assert land.mean() > 0.3
    assert sea.mean() > 0.3


def test_the_town_has_points_at_pixel_centres_instead_of_a_transform(sample_data: Path) -> None:
    with rasterio.open(sample_data / NAMES[2]) as scene:
        points, crs = scene.gcps
        assert scene.crs is None
        assert scene.transform.is_identity
        assert scene.tags()["AREA_OR_POINT"] == "Point"
        assert scene.read().max() <= 2047
    assert crs.to_epsg() == 32633
    assert len(points) == 9
    assert (points[0].row, points[0].col) == (0.5, 0.5)
    assert (points[-1].row, points[-1].col) == (223.5, 255.5)
