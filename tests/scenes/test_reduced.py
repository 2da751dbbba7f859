"""Reduced reads keep nodata out of the means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pipeline_support import write_scene

import rsic_geo
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive


@pytest.fixture
def archive(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Return a lossless int16 archive with a hole of nodata, and its pixels."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(100, 200, (2, 300, 401)).astype(np.int16)
    pixels[:, 37:90, 55:200] = -9999
    pixels[1, 200:210] = -9999
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", height=300, width=401, count=2, dtype="int16", nodata=-9999,
        crs="EPSG:32633", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as file:  # fmt: skip
        file.write(pixels)
    rsic_geo.compress(tmp_path / "s.tif", tmp_path / "s.jp2")
    return tmp_path / "s.jp2", pixels


def test_means_are_of_valid_pixels_only(archive: tuple[Path, np.ndarray]) -> None:
    path, pixels = archive
    with Archive(path) as scene:
        small = scene.read(out_shape=(50, 50))
        part = scene.read(
            Window(row_off=30, col_off=50, height=120, width=200), out_shape=(30, 50), bands=(1,)
        )
    assert small.shape == (2, 50, 50)
    assert part.shape == (1, 30, 50)
    for reduced in (small, part):
        assert set(np.unique(reduced)) <= {-9999, *range(100, 201)}
    cut = np.ma.masked_equal(pixels[1, 30:150, 50:250], -9999).reshape(30, 4, 50, 4).astype(np.float64)
    expected = cut.mean(axis=(1, 3)).filled(-9999)
    np.testing.assert_allclose(part[0], np.rint(expected), atol=1)


def test_a_larger_shape_repeats_pixels(archive: tuple[Path, np.ndarray]) -> None:
    path, pixels = archive
    with Archive(path) as scene:
        large = scene.read(Window(row_off=0, col_off=0, height=20, width=30), out_shape=(40, 90))
    assert (large == np.kron(pixels[:, :20, :30], np.ones((1, 2, 3), np.int16))).all()


def test_a_level_of_some_quantised_bands_is_of_these_bands(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(64.0), np.arange(96.0))
    pixels = np.stack([ramp / 160, 1000 + ramp * 10]).astype(np.float32)
    pixels[1, :16, :16] = -1
    write_scene(tmp_path / "s.tif", pixels, nodata=-1)
    rsic_geo.compress(tmp_path / "s.tif", tmp_path / "s.jp2", quantize="uint16")
    with Archive(tmp_path / "s.jp2") as scene:
        whole = scene.read(out_shape=(32, 48))
        for bands in ((1,), (1, 0), (0,)):
            np.testing.assert_array_equal(scene.read(out_shape=(32, 48), bands=bands), whole[list(bands)])
    assert (whole[1, :8, :8] == -1).all()
    assert whole[1, 8:].min() > 1000
    assert whole[0].max() < 1


@pytest.mark.parametrize("bands", [(), (4, 2), (1,)])
def test_alpha_of_a_level_is_the_kept_one(tmp_path: Path, bands: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 128, 128)).astype(np.uint8)
    pixels[3] = 255
    pixels[3, :50] = 0
    write_scene(tmp_path / "s.tif", pixels, alpha="YES")
    rsic_geo.compress(tmp_path / "s.tif", tmp_path / "s.jp2", target="psnr=20", model="none")
    with Archive(tmp_path / "s.jp2") as scene:
        chosen = tuple(band - 1 for band in bands) or (0, 1, 2, 3)
        small = scene.read(out_shape=(64, 64), bands=chosen)
    if 3 in chosen:
        np.testing.assert_array_equal(small[chosen.index(3)], pixels[3, 1::2, 1::2])
