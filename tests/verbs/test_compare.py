"""Two scenes side by side: what counts, what PSNR is relative to, and what equal means."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pipeline_support import Smoother, installed, measured, painted, write_scene

import rsic_geo
from rsic_geo.batch.verify import Promise, prove
from rsic_geo.cli.entry import main
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.targets import Target


def with_alpha(path: Path, dtype: str = "uint8") -> Path:
    """Write colour bands with an alpha band of three values."""
    pixels = painted((4, 200, 300), dtype)
    pixels[3] = np.iinfo(dtype).max
    pixels[3, :50, :80] = 0
    pixels[3, 100:, 200:] = 100
    settings = {
        "driver": "GTiff",
        "count": 4,
        "height": 200,
        "width": 300,
        "dtype": dtype,
        "crs": "EPSG:32633",
    }
    with rasterio.open(path, "w", photometric="RGB", alpha="YES", **settings) as scene:
        scene.write(pixels)
    return path


def proof_of(source: Path, archive: Path, target: str):
    promise = Promise(target=Target.parse(target), lossless=target == "lossless")
    return prove(str(source), str(archive), promise, Execution(), Progress())


@pytest.mark.parametrize("model", ["none", "smoother"])
@pytest.mark.parametrize(("dtype", "least"), [("uint8", 32), ("uint16", 38)])
def test_every_verb_gives_the_same_figures_of_a_scene_with_alpha(tmp_path, dtype, least, model):
    source = with_alpha(tmp_path / "s.tif", dtype)
    with installed(Smoother()):
        report = rsic_geo.compress(source, tmp_path / "a.jp2", target=f"psnr={least}", model=model).details
        rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "r.tif")
        psnr, worst = measured(source, tmp_path / "r.tif")
        assert (report["model"] is None) == (model == "none")
        for path in ("a.jp2", "r.tif"):
            found = rsic_geo.compare(source, tmp_path / path)
            assert found.psnr == pytest.approx(psnr, abs=1e-3)
            assert found.max_abs_error == worst
        proof = proof_of(source, tmp_path / "a.jp2", f"psnr={least}")
    assert report["psnr"] == pytest.approx(psnr, abs=1e-3)
    assert report["max_abs_error"] == worst
    assert proof.figures["psnr"] == pytest.approx(psnr, abs=1e-3)
    assert proof.problems == ()


def test_alpha_that_differs_is_told_whatever_errors_are_allowed(tmp_path, capsys):
    source = with_alpha(tmp_path / "s.tif")
    with rasterio.open(source) as scene:
        pixels, profile = scene.read(), scene.profile
    pixels[3, 120, 220] += 1
    with rasterio.open(tmp_path / "other.tif", "w", photometric="RGB", alpha="YES", **profile) as scene:
        scene.write(pixels)
    found = rsic_geo.compare(source, tmp_path / "other.tif")
    assert (found.psnr, found.max_abs_error) == (None, 0)
    assert not found.is_equal
    assert not found.valid_equal
    assert main(["compare", str(source), str(tmp_path / "other.tif"), "--max-error", "9"]) == 4
    assert "different" in capsys.readouterr().out


def with_nans(path: Path, nodata: float | None, *, moved: bool = False) -> Path:
    pixels = (painted((2, 60, 90), "uint16") / 7).astype(np.float32)
    pixels[0, 5:20, 7:30] = np.nan
    pixels[1, 40, 40] = np.inf
    if moved:
        pixels[0, 0, 0] = np.nan
    return write_scene(path, pixels, nodata=nodata)


@pytest.mark.parametrize("nodata", [None, -9999.0, math.nan])
def test_a_scene_with_nan_equals_itself(tmp_path, capsys, nodata):
    first, second = with_nans(tmp_path / "a.tif", nodata), with_nans(tmp_path / "b.tif", nodata)
    assert main(["compare", str(first), str(second)]) == 0
    assert "different" not in capsys.readouterr().out
    assert rsic_geo.compare(first, second).is_equal


def test_nan_in_a_quantised_archive_is_no_difference_of_validity(tmp_path):
    """What the archive calls nodata, the scene without a nodata value calls NaN."""
    source = with_nans(tmp_path / "s.tif", None)
    with rasterio.open(source, "r+") as scene:
        pixels = scene.read()
        pixels[~np.isfinite(pixels)] = np.nan
        scene.write(pixels)
    rsic_geo.compress(source, tmp_path / "a.jp2", quantize="uint16")
    found = rsic_geo.compare(source, tmp_path / "a.jp2")
    assert found.valid_equal
    assert found.psnr is not None
    assert found.psnr > 90


@pytest.mark.parametrize("nodata", [None, -9999.0, math.nan])
def test_a_number_that_became_nan_is_a_difference(tmp_path, nodata):
    first, second = with_nans(tmp_path / "a.tif", nodata), with_nans(tmp_path / "b.tif", nodata, moved=True)
    found = rsic_geo.compare(first, second)
    assert not found.is_equal
    assert not found.valid_equal
    assert found.max_abs_error == math.inf
    assert main(["compare", str(first), str(second), "--max-error", "1e9", "-q"]) == 4


def test_a_proof_says_infinite_where_nothing_differs(tmp_path):
    source = write_scene(tmp_path / "s.tif", painted((1, 60, 90)))
    rsic_geo.compress(source, tmp_path / "a.jp2")
    proof = proof_of(source, tmp_path / "a.jp2", "psnr=50")
    assert proof.figures["psnr"] == math.inf
    assert proof.to_json()["psnr"] is None
    assert proof.problems == ()


def test_tiles_of_many_bands_are_measured_one_band_at_a_time():
    """Errors of thirteen bands at once would take as much as all the rest of a tile's work."""
    import tracemalloc

    from rsic_geo.codecs.base import Setting, TileForm
    from rsic_geo.codecs.jpeg2000 import Jpeg2000Codec
    from rsic_geo.geo.radiometry import Radiometry
    from rsic_geo.write import tiles

    pixels = painted((13, 256, 256), "uint16")
    raw = tiles.RawTile(number=0, pixels=pixels, nodata_valid=None, mask=None)
    tile = tiles.prepare(raw, lossless=False)
    codec = Jpeg2000Codec(TileForm(radiometry=Radiometry.whole_range("uint16", 13), tile_size=256))
    coded = codec.encode(tile.pixels, Setting(size=pixels.nbytes // 20))
    tracemalloc.start()
    found = tiles.measure(tile, codec, coded)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * pixels.nbytes
    decoded = codec.decode(coded.payload, pixels.shape).astype(np.float64) - pixels
    np.testing.assert_allclose(found.sse, (decoded**2).sum(axis=(1, 2)), rtol=1e-6)
    assert found.max_error == np.abs(decoded).max()
    sse, worst = tiles.errors_by_band(decoded + pixels, pixels, np.ones(pixels.shape, bool))
    np.testing.assert_allclose(sse, found.sse, rtol=1e-6)
    np.testing.assert_array_equal(worst, found.worst)
