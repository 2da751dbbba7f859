"""A lossless archive keeps nodata where that is smaller: in the samples, or as a plane beside filled ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rsic_geo

ROWS, COLUMNS = 300, 320


def _smooth(rng, bands: int) -> np.ndarray:
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    base = 9000 + 900 * np.sin(columns / 31) * np.cos(rows / 23)
    return np.stack([base + 200 * band + rng.normal(0, 3, base.shape) for band in range(bands)])


def _write(path: Path, pixels: np.ndarray, nodata) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=ROWS, width=COLUMNS, count=len(pixels), dtype=pixels.dtype,
        nodata=nodata, crs="EPSG:32633", transform=Affine(10, 0, 4e5, 0, -10, 5e6),
    ) as target:  # fmt: skip
        target.write(pixels)
    return path


def _bytes(source: Path, archive: Path, **options) -> int:
    rsic_geo.compress(source, archive, overwrite=True, **options)
    return archive.stat().st_size


def _holes(kind: str, rng) -> np.ndarray:
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    return {
        "rotated": (columns + rows // 3 > 60) & (columns - rows // 4 < 250),
        "speckled": rng.random((ROWS, COLUMNS)) > 0.03,
        "lakes": (np.sin(rows / 17) + np.cos(columns / 13)) < 1.1,
    }[kind]


@pytest.mark.parametrize("kind", ["rotated", "speckled", "lakes"])
@pytest.mark.parametrize(("dtype", "nodata"), [("uint16", 0), ("uint16", 65535), ("int16", -9999)])
def test_the_smaller_way_is_taken_and_all_comes_back(kind, dtype, nodata, tmp_path):
    rng = np.random.default_rng(1)
    keep = _holes(kind, rng)
    pixels = np.where(keep, _smooth(rng, 2), nodata).astype(dtype)
    source = _write(tmp_path / "s.tif", pixels, nodata)
    chosen = _bytes(source, tmp_path / "a.jp2")
    inside = _bytes(source, tmp_path / "b.jp2", sidecar="never")  # where nodata always stays in the samples
    assert chosen <= inside * 1.01
    if kind == "rotated":
        assert chosen < 0.99 * inside, "a plane pays here"
    for archive in ("a.jp2", "b.jp2"):
        with rsic_geo.open(tmp_path / archive) as opened:
            np.testing.assert_array_equal(opened.read(), pixels)
        assert rsic_geo.compare(source, tmp_path / archive).is_equal
        assert rsic_geo.info(tmp_path / archive)["lossless"]
        assert rsic_geo.validate(tmp_path / archive)["valid"]
    with rasterio.open(tmp_path / "a.jp2") as opened:
        np.testing.assert_array_equal(opened.dataset_mask() != 0, keep)
        np.testing.assert_array_equal(opened.read()[:, keep], pixels[:, keep])


def test_bands_with_holes_of_their_own_come_back(tmp_path):
    rng = np.random.default_rng(2)
    pixels = _smooth(rng, 3).astype(np.uint16)
    for band in range(3):
        pixels[band, 40 * band : 40 * band + 150, 20:200] = 0
    source = _write(tmp_path / "s.tif", pixels, 0)
    report = rsic_geo.compress(source, tmp_path / "a.jp2")
    with rsic_geo.open(tmp_path / "a.jp2") as opened:
        np.testing.assert_array_equal(opened.read(), pixels)
    assert rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "b.tif").details["lossless"]
    assert rsic_geo.compare(source, tmp_path / "b.tif").is_equal
    if (tmp_path / "a.jp2.msk").exists():
        assert any("only some bands" in text for text in report.details["others_miss"])


def test_an_empty_scene_and_one_without_holes(tmp_path):
    for name, pixels in (
        ("empty", np.zeros((2, ROWS, COLUMNS), np.uint16)),
        ("full", _smooth(np.random.default_rng(3), 2).astype(np.uint16)),
    ):
        source = _write(tmp_path / f"{name}.tif", pixels, 0)
        rsic_geo.compress(source, tmp_path / f"{name}.jp2")
        assert rsic_geo.compare(source, tmp_path / f"{name}.jp2").is_equal


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**20), bands=st.integers(1, 4), share=st.floats(0, 1), value=st.integers(0, 255))
def test_any_holes_come_back(tmp_path, seed, bands, share, value):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (bands, ROWS // 4, COLUMNS // 4)).astype(np.uint8)
    pixels = np.repeat(np.repeat(pixels, 4, 1), 4, 2)
    block = rng.random((bands if seed % 2 else 1, ROWS // 20, COLUMNS // 20)) < share
    hole = np.repeat(np.repeat(block, 20, 1), 20, 2)
    pixels = np.where(np.broadcast_to(hole, pixels.shape), np.uint8(value), pixels)
    source, archive = _write(tmp_path / "s.tif", pixels, value), tmp_path / "a.jp2"
    rsic_geo.compress(source, archive, overwrite=True, threads=1)
    with rsic_geo.open(archive) as opened:
        np.testing.assert_array_equal(opened.read(), pixels)
