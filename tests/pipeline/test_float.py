"""Float scenes as 16-bit integers, when asked: half a step of error, nodata and NaN exact, metadata back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from jp2_support import assert_valid
from pipeline_support import assert_same_place, painted, source_view, view, write_scene
from support import scene_params

import rsic_geo
from rsic_geo.errors import UnsupportedSceneError, UsageError

NAMES = (
    "geotrellis_aspect.tif", "gtd_LisbonElevation.tif", "gtd_nt_20201024_f18_nrt_s.tif", "og_cog.tif",
    "gtd_wind_direction.tif", "og_dsm.tif", "rasterio_float_nan.tif", "rasterio_float_raster_with_nodata.tif",
    "riocogeo_image_nan.tif", "riotiler_cog_nonearth.tif", "spacenet_ms1.tif", "spacenet_sar_masked.tif",
)  # fmt: skip


def there_and_back(source: Path, folder: Path, target: str = "lossless", **options) -> Path:
    rsic_geo.compress(source, folder / "a.jp2", target=target, quantize="uint16", **options)
    rsic_geo.decompress(folder / "a.jp2", folder / "r.tif", overwrite=True)
    return folder / "r.tif"


def assert_half_a_step(source: Path, result: Path, steps: float = 0.5) -> None:
    """Fail unless valid samples are within ``steps`` of 65535 steps of their range, and all others exact."""
    with rasterio.open(source) as ours, rasterio.open(result) as theirs:
        mine, yours = ours.read(), theirs.read()
        assert mine.dtype == yours.dtype
        np.testing.assert_equal(theirs.nodatavals, ours.nodatavals)
        for band, (a, b, nodata) in enumerate(zip(mine, yours, ours.nodatavals, strict=True), start=1):
            is_nodata = np.zeros(a.shape, bool) if nodata is None else a == np.asarray(nodata, a.dtype)
            finite = np.isfinite(a) & ~is_nodata
            np.testing.assert_array_equal(b[~finite], a[~finite])
            np.testing.assert_array_equal(theirs.read_masks(band), ours.read_masks(band))
            if finite.any():
                low, high = float(a[finite].min()), float(a[finite].max())
                rounding = 2 * np.spacing(np.abs(a[finite]).max())
                error = np.abs(a[finite].astype(np.float64) - b[finite])
                assert error.max() <= steps * (high - low) / 65535 + rounding


@pytest.mark.parametrize("source", scene_params(*NAMES))
def test_real_scenes(source, tmp_path):
    with pytest.raises(UnsupportedSceneError, match="quantize"):
        rsic_geo.compress(source, tmp_path / "a.jp2")
    assert list(tmp_path.iterdir()) == []
    result = there_and_back(source, tmp_path)
    assert_half_a_step(source, result)
    found = rsic_geo.compare(source, result)
    assert [d for d in found.metadata if "STATISTICS" not in d.field] == []
    assert_same_place(source_view(source), view(result))
    assert_valid(tmp_path / "a.jp2")
    about = rsic_geo.info(tmp_path / "a.jp2")
    assert about["lossless"] is False
    assert about["dtype"] in ("float32", "float64")


def heights(shape: tuple[int, int, int] = (2, 130, 300)) -> np.ndarray:
    return (painted(shape, "uint16").astype(np.float32) / 7 - 300).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nodata", [None, -9999.0, float("nan"), 0.0, -3.4028234663852886e38])
def test_nodata_is_exact(tmp_path, dtype, nodata):
    """Nodata, and NaN where it needs no other value, come back; no valid sample becomes one."""
    pixels = heights().astype(dtype)
    pixels[:, 90:, 40:90] = np.nan if nodata is None else nodata
    pixels[1, 10:30, :17] = np.nan if nodata is None else nodata
    source = write_scene(tmp_path / "s.tif", pixels, nodata=nodata)
    assert_half_a_step(source, there_and_back(source, tmp_path, tile_size=256))


@pytest.mark.parametrize("nodata", [None, -9999.0, float("nan")])
def test_what_integers_cannot_say_is_counted(tmp_path, nodata):
    """Infinity, and NaN beside a number for nodata, come back as nodata; the report says how many do."""
    pixels = heights()
    pixels[0, :20, :50], pixels[1, 40:60, 100:150], pixels[1, 70:80, 100:150] = np.nan, np.inf, -np.inf
    source = write_scene(tmp_path / "s.tif", pixels, nodata=nodata)
    report = rsic_geo.compress(source, tmp_path / "a.jp2", quantize="uint16")
    lost = 1500 + (1000 if nodata == -9999 else 0)
    assert any(text.startswith(f"{lost} samples") for text in report.warnings), report.warnings
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "r.tif")
    with rasterio.open(tmp_path / "r.tif") as scene:
        result = scene.read()
    is_nodata = np.isnan(result) if nodata != -9999 else result == -9999
    np.testing.assert_array_equal(is_nodata, ~np.isfinite(pixels))


def test_a_valid_sample_never_lands_on_nodata(tmp_path):
    """Steps of exactly one, nodata in the middle: values beside it round to it, and move off again."""
    pixels = np.arange(0, 65536, dtype=np.float64).reshape(1, 256, 256)
    pixels[0, 100, 100:140] = 30000.4
    pixels[0, 200] = 30000
    source = write_scene(tmp_path / "s.tif", pixels, nodata=30000)
    result = there_and_back(source, tmp_path)
    with rasterio.open(source) as ours, rasterio.open(result) as theirs:
        np.testing.assert_array_equal(theirs.read() == 30000, ours.read() == 30000)
        np.testing.assert_allclose(theirs.read(), ours.read(), atol=0.51)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((1, 40, 40), 7.25, np.float32),
        np.full((1, 40, 40), np.nan, np.float32),
        np.array([[[-3e38, 3e38, 0]]], np.float32),
        np.array([[[-1.7e308, 1.7e308, 0]]], np.float64),
        np.array([[[1e-45, 0, 1e-44]]], np.float32),
        np.array([[[5e-324, 0, 1e-323]]], np.float64),
        np.array([[[16777216, 16777218, 16777220]]], np.float32),
    ],
    ids=["constant", "all NaN", "huge", "huge double", "tiny", "tiny double", "coarse"],
)
def test_extreme_ranges(tmp_path, pixels):
    source = write_scene(tmp_path / "s.tif", pixels)
    assert_half_a_step(source, there_and_back(source, tmp_path))


@pytest.mark.parametrize("target", ["psnr=70", "max-error=20", "bpp=2"])
def test_lossy_targets(tmp_path, target):
    """The target holds for the integers; their steps are named in the archive."""
    pixels = heights()
    pixels[:, :30, :30] = -9999
    source = write_scene(tmp_path / "s.tif", pixels, nodata=-9999)
    result = there_and_back(source, tmp_path, target, tile_size=256)
    with rasterio.open(source) as ours, rasterio.open(result) as theirs:
        mine, yours = ours.read(), theirs.read()
    np.testing.assert_array_equal(mine == -9999, yours == -9999)
    keep = mine != -9999
    steps = np.array([np.ptp(band[band != -9999]) for band in mine])[:, None, None] / 65535
    error = ((yours.astype(np.float64) - mine) / steps)[keep]
    if target.startswith("max-error"):
        assert np.abs(error).max() <= 20.5 + 0.1
    elif target.startswith("psnr"):
        assert 10 * np.log10(65535**2 / np.mean(error**2)) >= 69.99
    else:
        size = (tmp_path / "a.jp2").stat().st_size
        assert size * 8 / mine[0].size == pytest.approx(2, rel=0.02)


def test_windows_of_a_quantised_scene(tmp_path):
    from rsic_geo.geo.window import Window

    pixels = heights()
    pixels[:, :30, :30] = np.nan
    source = write_scene(tmp_path / "s.tif", pixels)
    there_and_back(source, tmp_path, tile_size=256)
    with rsic_geo.open(tmp_path / "a.jp2") as scene:
        whole = scene.read()
        assert whole.dtype == np.float32
        part = scene.read(Window(row_off=10, col_off=20, height=60, width=250))
        np.testing.assert_array_equal(part, whole[:, 10:70, 20:270])
        small = scene.read(out_shape=(65, 150))
        assert np.isnan(small[:, :14, :14]).all()
        assert np.abs(small[:, 20:, 20:] - whole[:, 40::2, 40::2]).mean() < 20


def test_integers_are_not_quantised(tmp_path):
    source = write_scene(tmp_path / "s.tif", painted((1, 40, 50), "uint16"))
    report = rsic_geo.compress(source, tmp_path / "a.jp2", quantize="uint16")
    assert report.details["lossless"] is True
    with pytest.raises(UsageError):
        rsic_geo.compress(source, tmp_path / "b.jp2", quantize="int8")
