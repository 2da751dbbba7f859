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
from rsic_geo.batch.verify import Promise, prove
from rsic_geo.errors import TargetNotReachedError, UnsupportedSceneError, UsageError
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.scenes.archive import Archive
from rsic_geo.targets import Target

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


WHOLE = ("spacenet_ms1.tif",)
"""Scenes of floats that are whole numbers, which are archived exactly."""


@pytest.mark.parametrize("source", scene_params(*NAMES))
def test_real_scenes(source, tmp_path):
    if source.name in WHOLE:
        assert rsic_geo.compress(source, tmp_path / "a.jp2", overwrite=True).to_json()["lossless"]
        assert rsic_geo.compare(source, tmp_path / "a.jp2").is_equal
        return
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


def two_units(path: Path, dtype: str = "float32") -> Path:
    """Write metres beside radians, with a corner of nodata."""
    pixels = heights().astype(dtype)
    pixels[1] = pixels[1] / 2000 + 1
    pixels[:, :30, :30] = -9999
    return write_scene(path, pixels, nodata=-9999)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "target", ["lossless", "psnr=55", "psnr=90", "max-error=20", "max-error=0.01", "bpp=2"]
)
def test_targets_and_reports_are_about_the_values_of_the_scene(tmp_path, target, dtype):
    """Counted here without rsic_geo; the compressing, the comparing and the batch verb say the same."""
    source = two_units(tmp_path / "s.tif", dtype)
    report = rsic_geo.compress(source, tmp_path / "a.jp2", target=target, quantize="uint16", tile_size=256)
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "r.tif")
    with rasterio.open(source) as ours, rasterio.open(tmp_path / "r.tif") as theirs:
        mine, yours = ours.read(), theirs.read()
    np.testing.assert_array_equal(mine == -9999, yours == -9999)
    keep = mine[0] != -9999
    error = (yours.astype(np.float64) - mine)[:, keep]
    ordered = np.sort(mine[:, keep].astype(np.float64), axis=1)
    cut = int(keep.sum() * 0.001)  # the used range leaves out a thousandth at either end
    ranges = (ordered[:, -1 - cut] - ordered[:, cut])[:, None]
    psnr, worst = -10 * np.log10(np.mean((error / ranges) ** 2, axis=1).max()), np.abs(error).max()
    kind, _, number = target.partition("=")
    assert kind != "psnr" or psnr >= float(number)
    assert kind != "max-error" or worst <= float(number)
    if kind == "bpp":
        size = (tmp_path / "a.jp2").stat().st_size
        assert size * 8 / mine[0].size == pytest.approx(2, rel=0.02)
    # the archive tells its ranges in steps: half of one at either end
    assert report.details["psnr"] == pytest.approx(psnr, abs=2e-3)
    assert report.details["max_abs_error"] == pytest.approx(worst, rel=1e-9)
    for path in ("a.jp2", "r.tif"):
        found = rsic_geo.compare(source, tmp_path / path)
        assert found.psnr == pytest.approx(psnr, abs=2e-3)
        assert found.max_abs_error == pytest.approx(worst, rel=1e-9)
        assert found.valid_equal
    promise = Promise(target=Target.parse(target), lossless=False)
    proof = prove(str(source), str(tmp_path / "a.jp2"), promise, Execution(), Progress())
    assert proof.problems == ()
    assert proof.figures["psnr"] == pytest.approx(psnr, abs=2e-3)
    assert proof.figures["max_abs_error"] == pytest.approx(worst, rel=1e-9)


@pytest.mark.parametrize("bound", [0, 0.001])
def test_errors_below_the_steps_are_refused_before_anything_is_written(tmp_path, bound):
    source = two_units(tmp_path / "s.tif")
    with pytest.raises(TargetNotReachedError, match="16 bits"):
        rsic_geo.compress(source, tmp_path / "a.jp2", target=f"max-error={bound}", quantize="uint16")
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_a_band_of_one_value_comes_back_exactly_beside_one_that_is_coded_hard(tmp_path):
    pixels = heights()
    pixels[1] = -7.125
    source = write_scene(tmp_path / "s.tif", pixels)
    report = rsic_geo.compress(source, tmp_path / "a.jp2", target="max-error=50", quantize="uint16")
    assert report.details["max_abs_error"] > 5
    with rsic_geo.open(tmp_path / "a.jp2") as scene:
        assert (scene.read()[1] == pixels[1]).all()


def test_what_the_mask_hides_takes_no_part_in_the_range(tmp_path):
    pixels = heights()
    mask = np.ones(pixels.shape[1:], bool)
    mask[:40, :40] = False
    pixels[:, ~mask] = 1e30
    source = write_scene(tmp_path / "s.tif", pixels, mask=mask)
    report = rsic_geo.compress(source, tmp_path / "a.jp2", quantize="uint16")
    assert report.details["max_abs_error"] < 0.02
    assert rsic_geo.compare(source, tmp_path / "a.jp2").psnr == pytest.approx(report.details["psnr"])


def test_windows_of_a_quantised_scene(tmp_path):
    from rsic_geo.geo.window import Window

    pixels = heights()
    pixels[:, :30, :30] = np.nan
    source = write_scene(tmp_path / "s.tif", pixels)
    there_and_back(source, tmp_path, tile_size=256)
    with Archive(tmp_path / "a.jp2") as scene:
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
