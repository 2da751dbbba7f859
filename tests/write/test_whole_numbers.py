"""Floats that are whole numbers go to JPEG 2000 exactly, and come back in their type."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import assert_same_place, painted, view, write_scene

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.errors import UnsupportedSceneError


@settings(max_examples=15)
@given(
    dtype=st.sampled_from(["float32", "float64"]),
    low=st.sampled_from([-60000, -9, 0, 5, 4_000_000]),
    span=st.sampled_from([0, 1, 255, 30000, 65535]),
    nodata=st.sampled_from([None, -9999.0, float("nan"), 1e20]),
    bands=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_every_sample_comes_back_in_its_type(tmp_path_factory, dtype, low, span, nodata, bands, seed):
    folder = tmp_path_factory.mktemp("whole")
    source, archive, back = folder / "s.tif", folder / "a.jp2", folder / "b.tif"
    rng = np.random.default_rng(seed)
    pixels = (low + rng.integers(0, span, (bands, 60, 70), endpoint=True)).astype(dtype)
    if nodata is not None:
        pixels[:, rng.random((60, 70)) < 0.2] = nodata
    write_scene(source, pixels, nodata=nodata)
    report = rsic_geo.compress(source, archive).to_json()
    assert report["lossless"]
    assert report["warnings"] == []
    assert rsic_geo.info(archive)["lossless"]
    rsic_geo.decompress(archive, back)
    with rasterio.open(back) as scene:
        found = scene.read()
        assert scene.dtypes[0] == dtype
    np.testing.assert_array_equal(found, pixels)
    assert_same_place(view(source), view(back))
    assert rsic_geo.compare(source, archive).is_equal
    assert rsic_geo.validate(archive)["valid"]


@pytest.mark.parametrize("odd", [0.5, -0.0, float("inf"), float("nan"), 70000.0, 1e300])
def test_one_sample_that_no_step_says_is_enough_to_refuse(tmp_path, odd):
    pixels = painted((1, 50, 60), "int16").astype("float64")
    pixels[0, 7, 9] = odd
    source = write_scene(tmp_path / "s.tif", pixels)
    with pytest.raises(UnsupportedSceneError, match="max-error"):
        rsic_geo.compress(source, tmp_path / "a.jp2")
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_masked_samples_come_back_too(tmp_path):
    pixels = painted((1, 50, 60), "int16").astype("float32")
    source = write_scene(tmp_path / "s.tif", pixels, mask=pixels[0] % 2 == 0)
    rsic_geo.compress(source, tmp_path / "a.jp2")
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "b.tif")
    assert rsic_geo.compare(source, tmp_path / "b.tif").is_equal


def test_targets_and_a_batch(tmp_path):
    (tmp_path / "in").mkdir()
    write_scene(tmp_path / "in" / "s.tif", painted((1, 200, 210), "int16").astype("float32"))
    for target in ("lossless", "psnr=45", "max-error=4", "max-error=0.5"):
        out = tmp_path / target
        words = ["batch", "run", str(tmp_path / "in"), str(out), "--target", target, "--jobs", "1"]
        words += ["--codec", "jp2"] * target.startswith("max-error")  # auto takes the smaller
        assert main([*words, "--model", "none"]) == 0, target
        product = next(path for path in out.glob("s.*") if path.name.endswith((".jp2", ".cog.tif")))
        assert rsic_geo.compare(tmp_path / "in" / "s.tif", product).is_equal == (
            target in ("lossless", "max-error=0.5")
        )
