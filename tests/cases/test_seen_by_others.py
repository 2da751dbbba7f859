"""An archive as programs see it that know nothing of rsic_geo: another GDAL's gdalinfo, and jpylyzer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pipeline_support import painted
from rasterio.enums import ColorInterp

import rsic_geo
from rsic_geo.scenes.archive import Archive

needs_gdalinfo = pytest.mark.skipif(
    shutil.which("gdalinfo") is None, reason="needs gdal-bin, another GDAL than rasterio's (make test)"
)
PLACE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 4e5, 0, -10, 5e6)}


def _write(path: Path, pixels: np.ndarray, colours=None, mask=None, **more) -> Path:
    bands, height, width = pixels.shape
    settings = {"height": height, "width": width, "count": bands, "dtype": pixels.dtype, **PLACE, **more}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", **settings) as out,
    ):
        out.write(pixels)
        if colours:
            out.colorinterp = [ColorInterp[name] for name in colours]
        if mask is not None:
            out.write_mask(mask)
    return path


def _others(path: Path) -> dict:
    """Return what another GDAL says of a file."""
    words = ["gdalinfo", "-json", "-mm", str(path)]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def _is_valid_jp2(path: Path) -> bool:
    words = [sys.executable, "-m", "jpylyzer.jpylyzer", str(path)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return '<isValid format="jp2">True</isValid>' in said


@needs_gdalinfo
@pytest.mark.parametrize(
    "colours",
    [
        ["blue", "green", "red"],
        ["alpha", "red", "green", "blue"],
        ["alpha", "blue", "green", "red"],
        ["alpha", "gray"],
        ["undefined", "green", "red", "blue"],
        ["blue", "green", "red", "undefined", "undefined"],
        ["red", "green", "blue", "alpha"],
    ],
    ids=",".join,
)
@pytest.mark.parametrize("target", ["lossless", "bpp=3"])
def test_colours_in_any_order_are_said_in_the_file_itself(colours, target, tmp_path):
    """F10: bands in the order blue, green, red were three undefined bands to others."""
    pixels = painted((len(colours), 200, 220))
    if "alpha" in colours:
        pixels[colours.index("alpha")] = np.where(_hole(200, 220), 255, 0)
    source = _write(tmp_path / "s.tif", pixels, colours)
    archive = tmp_path / "a.jp2"
    report = rsic_geo.compress(str(source), str(archive), target=target, model="none", sidecar="never")
    assert [band["colorInterpretation"].lower() for band in _others(archive)["bands"]] == colours
    assert _is_valid_jp2(archive)
    is_alpha_coded = "alpha" in colours and target != "lossless"
    assert [text.split()[0] for text in report.details["others_miss"]] == ["alpha"] * is_alpha_coded
    with Archive(str(archive)) as opened:
        assert list(opened.profile.colorinterp) == colours


def _hole(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (rows - 30) ** 2 + (columns - 40) ** 2 > 400


@needs_gdalinfo
@pytest.mark.parametrize("target", ["lossless", "bpp=3"])
def test_a_mask_lies_beside_the_archive(target, tmp_path):
    """F11: others saw no mask."""
    keep = _hole(600, 530)
    source = _write(tmp_path / "s.tif", painted((3, 600, 530)), mask=keep)
    archive = tmp_path / "a.jp2"
    report = rsic_geo.compress(str(source), str(archive), target=target, model="none", tile_size=256)
    with rasterio.open(archive) as opened:
        np.testing.assert_array_equal(opened.dataset_mask() != 0, keep)
    words = ["gdalinfo", str(archive)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.count("Mask Flags: PER_DATASET") == 3, said
    assert report.details["others_miss"] == []
    assert report.details["sidecar_bytes"] >= archive.with_name("a.jp2.msk").stat().st_size
    with Archive(str(archive)) as opened:
        np.testing.assert_array_equal(opened.read_mask(rsic_geo_window(600, 530)) != 0, keep)
    assert rsic_geo.compare(str(source), str(archive)).to_json()["mask_equal"]


def rsic_geo_window(height: int, width: int):
    from rsic_geo.geo.window import Window

    return Window.full(height, width)


@pytest.mark.parametrize("how", [{}, {"bpp": 6}, {"quantize": "uint16", "max_error": 0.5}], ids=str)
def test_where_a_mask_shows_nodata_values_others_see_what_they_see_of_the_source(how, tmp_path):
    """GDAL asks a mask and no nodata value where both are there: the .msk hid what the source shows."""
    keep = _hole(120, 130)
    dtype, nodata = ("float32", -9999) if "quantize" in how else ("uint16", 0)
    pixels = painted((2, 120, 130)).astype(dtype) + 1
    pixels[:, 60:90, 70:100] = nodata
    pixels[1, :9] = nodata
    source, archive = _write(tmp_path / "s.tif", pixels, mask=keep, nodata=nodata), tmp_path / "a.jp2"
    report = rsic_geo.compress(str(source), str(archive), model="none", **how)
    with rasterio.open(source) as theirs, rasterio.open(archive) as ours:
        np.testing.assert_array_equal(theirs.dataset_mask() != 0, keep)
        if "quantize" in how:  # a step is no nodata value: hidden, and said
            keep = keep & (pixels != nodata).any(axis=0)
        np.testing.assert_array_equal(ours.dataset_mask() != 0, keep)
        if not how:
            np.testing.assert_array_equal(ours.read(), pixels)
            assert ours.nodata == nodata
    assert any("filled samples" in text for text in report.details["others_miss"]) == ("bpp" in how)
    assert rsic_geo.validate(str(archive))["valid"]
    with rsic_geo.open(str(archive)) as scene:
        np.testing.assert_array_equal(scene.read() == nodata, pixels == nodata)


@pytest.mark.parametrize("step", [1, 200])
def test_filled_nodata_of_an_exact_archive_is_one_line_of_the_report(step, tmp_path):
    keep = _hole(300, 330)
    pixels = np.where(keep, painted((1, 300, 330)).astype("uint16") * step + 9000, 0).astype("uint16")
    source, archive = _write(tmp_path / "s.tif", pixels, nodata=0), tmp_path / "a.jp2"
    report = rsic_geo.compress(str(source), str(archive), model="none")
    with rasterio.open(archive) as shown:
        is_filled = (shown.read()[0][~keep] != 0).any()
    assert is_filled == any("no .msk" in text for text in report.details["others_miss"])
    assert is_filled == (step == 1)


def test_without_sidecars_it_is_said_that_others_miss_the_mask(tmp_path):
    source = _write(tmp_path / "s.tif", painted((3, 60, 70)), mask=_hole(60, 70))
    report = rsic_geo.compress(str(source), str(tmp_path / "a.jp2"), sidecar="never")
    assert any("mask" in text for text in report.details["others_miss"])
    assert [path.name for path in tmp_path.glob("a.jp2*")] == ["a.jp2"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_nodata_of_a_lossy_archive_is_masked_for_others(dtype, tmp_path):
    keep, nodata = _hole(100, 90), -5 if dtype == "int16" else 0
    pixels = np.where(keep, painted((2, 100, 90)).astype(dtype) + 1, nodata).astype(dtype)
    source = _write(tmp_path / "s.tif", pixels, nodata=nodata)
    archive = tmp_path / "a.jp2"
    rsic_geo.compress(str(source), str(archive), target="bpp=4", model="none")
    with rasterio.open(archive) as opened:
        np.testing.assert_array_equal(opened.dataset_mask() != 0, keep)
    with rsic_geo.open(str(archive)) as opened:
        np.testing.assert_array_equal(opened.read()[0] == nodata, ~keep)


@needs_gdalinfo
def test_a_quantised_scene_has_its_scale_beside_it(tmp_path):
    """QGIS showed 10389 for a height of 12.04 m and drew nodata as data."""
    keep = _hole(120, 130)
    rows, columns = np.mgrid[:120, :130]
    heights = np.where(keep, 12.04 + rows * 0.1 + np.sin(columns / 9), -9999.0).astype(np.float32)
    source = _write(tmp_path / "s.tif", heights[None], nodata=-9999.0)
    archive = tmp_path / "a.jp2"
    report = rsic_geo.compress(str(source), str(archive), target="max-error=0.01", quantize="uint16")
    band = _others(archive)["bands"][0]
    with rasterio.open(archive) as opened:
        shown = opened.read(1) * opened.scales[0] + opened.offsets[0]
        np.testing.assert_array_equal(opened.dataset_mask() != 0, keep)
    assert abs(shown - heights)[keep].max() <= 0.011
    assert band["scale"] == pytest.approx(rasterio.open(archive).scales[0])
    assert "noDataValue" not in band
    assert report.details["others_miss"] == []


def test_an_archive_written_again_loses_the_sidecars_of_the_old_one(tmp_path):
    masked = _write(tmp_path / "m.tif", painted((1, 60, 70)), mask=_hole(60, 70))
    plain = _write(tmp_path / "p.tif", painted((1, 60, 70)))
    archive = tmp_path / "a.jp2"
    rsic_geo.compress(str(masked), str(archive))
    assert (tmp_path / "a.jp2.msk").exists()
    rsic_geo.compress(str(plain), str(archive), overwrite=True)
    assert not (tmp_path / "a.jp2.msk").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jp2", "m.tif", "p.tif"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_psnr_that_others_see_is_that_of_what_others_read(tmp_path, dtype):
    # Two flat levels with noise: the codec rings beyond what it saw, and only our own readers hold that back.
    noise = np.random.default_rng(5).integers(0, 3, (1, 160, 200))
    pixels = np.where(np.arange(200) // 9 % 2, 180, 60) + noise
    source = _write(tmp_path / "s.tif", (pixels * (0.25 if dtype == "float32" else 1)).astype(dtype))
    more = {"quantize": "uint16"} if dtype == "float32" else {}
    report = rsic_geo.compress(str(source), str(tmp_path / "a.jp2"), psnr=32, model="none", **more).details
    with rasterio.open(tmp_path / "a.jp2") as shown, rasterio.open(source) as scene:
        original = scene.read().astype(float)
        errors = shown.read() * shown.scales[0] + shown.offsets[0] - original
    peak = 255 if dtype == "uint8" else report["peaks"][0]["high"] - report["peaks"][0]["low"]
    if dtype == "float32":
        peak = np.ptp(original)
    assert report["psnr_shown"] == pytest.approx(10 * np.log10(peak**2 / np.mean(errors**2)), abs=0.01)
    if dtype != "float32":  # whose steps fill their type: there is no beyond
        assert report["psnr_shown"] < report["psnr_codec"] - 0.01


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_the_psnr_that_others_see_of_steps_within_a_bound_is_told(tmp_path, dtype):
    pixels = painted((1, 160, 200)).astype(dtype) * (16 if dtype == "uint16" else 0.25)
    source = _write(tmp_path / "s.tif", pixels.astype(dtype))
    more = {"quantize": "uint16"} if dtype == "float32" else {}
    options = {"model": "none", "max_error": 9 if dtype == "uint16" else 0.5, **more}
    report = rsic_geo.compress(str(source), str(tmp_path / "a.jp2"), **options).details
    with rasterio.open(tmp_path / "a.jp2") as shown:
        assert shown.scales[0] != 1  # kept in steps, or this test tries nothing
        errors = shown.read() * shown.scales[0] + shown.offsets[0] - pixels
    peak = report["peaks"][0]["high"] - report["peaks"][0]["low"]
    assert report["psnr_shown"] == pytest.approx(10 * np.log10(peak**2 / np.mean(errors**2)), abs=0.01)


def test_no_psnr_is_told_of_what_was_not_decoded_or_lost_nothing(tmp_path):
    source = _write(tmp_path / "s.tif", painted((1, 300, 290)))
    for name, more in (("exact", {}), ("blind", {"verify": "none", "bpp": 2})):
        archive = str(tmp_path / f"{name}.jp2")
        assert rsic_geo.compress(str(source), archive, model="none", **more).details["psnr_shown"] is None


def _archive_with_sidecars(folder: Path) -> tuple[Path, Path, Path]:
    """Return an archive that needs both sidecars, and these."""
    pixels = np.random.default_rng(4).integers(1, 4000, (2, 70, 90)).astype(np.uint16)
    pixels[:, :20, :30] = 0
    source = _write(folder / "s.tif", pixels, nodata=0)
    with rasterio.open(source, "r+") as scene:
        scene.scales, scene.offsets, scene.units = (0.5, 0.25), (1, 0), ("m", "m")
        scene.descriptions = ("red", "nir")
        scene.update_tags(PLATFORM="x")
        scene.update_tags(2, GAIN="3")
    archive = folder / "a.jp2"
    rsic_geo.compress(str(source), str(archive), bpppb=4, model="none")
    assert rsic_geo.validate(str(archive))["valid"]
    return archive, folder / "a.jp2.aux.xml", folder / "a.jp2.msk"


@pytest.mark.parametrize("pixels", [True, False])
def test_sidecars_that_are_gone_are_missed(tmp_path, pixels):
    archive, *beside = _archive_with_sidecars(tmp_path)
    for sidecar in beside:
        kept = sidecar.read_bytes()
        sidecar.unlink()
        found = rsic_geo.validate(str(archive), pixels=pixels)
        assert not found["valid"]
        assert f"{sidecar.name}, which other programs read, is missing" in str(found["problems"])
        sidecar.write_bytes(kept)
    assert rsic_geo.validate(str(archive), pixels=pixels)["valid"]


def test_archives_that_need_no_sidecar_miss_none(tmp_path):
    source = _write(tmp_path / "s.tif", painted((3, 60, 70)), ["red", "green", "blue"])
    for sidecar in ("auto", "never", "require"):
        archive = tmp_path / f"{sidecar}.jp2"
        rsic_geo.compress(str(source), str(archive), sidecar=sidecar, psnr=38, model="none")
        assert rsic_geo.validate(str(archive))["valid"]
        assert Path(f"{archive}.aux.xml").exists() == (sidecar == "require")
    Path(f"{archive}.aux.xml").unlink()
    assert not rsic_geo.validate(str(archive))["valid"]


@needs_gdalinfo
def test_what_gdal_adds_to_a_sidecar_is_no_damage_and_what_is_altered_is(tmp_path):
    archive, sidecar, _ = _archive_with_sidecars(tmp_path)
    written = sidecar.read_text()
    subprocess.run(["gdalinfo", "-stats", "-hist", str(archive)], capture_output=True, check=True)
    added = sidecar.read_text()
    assert "STATISTICS_MEAN" in added
    assert "Histogram" in added
    assert rsic_geo.validate(str(archive))["problems"] == []
    altered = {
        "<Scale>0.5<": "<Scale>0.6<", ">red<": ">rod<", ">m<": ">k<", "GAIN": "GAIM", ">x</MDI>": ">y</MDI>",
        "<Offset>1": "<Offset>7",
    }  # fmt: skip
    for text in (written, added):
        for ours, theirs in altered.items():
            assert ours in text.replace("1.0", "1"), ours
            sidecar.write_text(text.replace(ours, theirs, 1))
            for pixels in (True, False):
                found = rsic_geo.validate(str(archive), pixels=pixels)
                assert "a.jp2.aux.xml was altered" in str(found["problems"]), ours
        sidecar.write_text(
            text.replace("</PAMDataset>", "<GeoTransform>0,1,0,0,0,1</GeoTransform></PAMDataset>")
        )
        assert "altered: transform" in str(rsic_geo.validate(str(archive))["problems"])
    sidecar.write_text(added)
    with rasterio.Env(GDAL_PAM_ENABLED="NO"):  # the caller's own way of reading is not what others see
        assert rsic_geo.validate(str(archive))["valid"]


@pytest.mark.parametrize("damage", ["cut", "bits", "xml"])
def test_a_damaged_sidecar_is_found_by_validate(damage, tmp_path):
    scene, archive = tmp_path / "scene.tif", tmp_path / "a.jp2"
    pixels = np.random.default_rng(4).integers(1, 250, (3, 70, 90)).astype(np.uint8)
    pixels[:, :20, :30] = 9
    with rasterio.open(
        scene, "w", driver="GTiff", height=70, width=90, count=3, dtype="uint8", nodata=9
    ) as dataset:
        dataset.write(pixels)
    rsic_geo.compress(str(scene), str(archive), bpp=15, model="none")
    assert rsic_geo.validate(str(archive))["valid"]
    mask, sidecar = tmp_path / "a.jp2.msk", tmp_path / "a.jp2.aux.xml"
    if damage == "cut":
        mask.write_bytes(mask.read_bytes()[:60])
    elif damage == "bits":
        with rasterio.open(mask, "r+") as dataset:
            shown = dataset.read()
            shown[0, 30, 40] ^= 255
            dataset.write(shown)
    else:
        sidecar.write_bytes(sidecar.read_bytes()[:-20])
    found = rsic_geo.validate(str(archive))
    assert not found["valid"]
    assert (sidecar if damage == "xml" else mask).name in str(found["problems"])
