"""Bands predicted from each other without loss: exact to us and, by the VRT beside, to every GDAL."""

from __future__ import annotations

import base64
import subprocess

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pipeline_support import assert_same_place, painted, view, write_scene
from support import SHARED, needs_shared

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.errors import ContainerError
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.predicted import Prediction, moments_of

SHAPE = (110, 120)


def kin(dtype: str = "uint16", bands: int = 5, seed: int = 0) -> np.ndarray:
    """Return bands that show the same ground in every value of the type, each with a little of its own."""
    rng = np.random.default_rng(seed)
    ground = painted((1, *SHAPE), "uint8", seed).astype(float) / 255 + rng.normal(0, 0.02, (1, *SHAPE))
    limits = np.iinfo(dtype)
    own = rng.normal(0, 0.002, (bands, *SHAPE))
    mixed = (ground * rng.uniform(0.3, 1.1, (bands, 1, 1)) + own) * limits.max
    return np.clip(mixed if dtype != "int16" else 2 * mixed - limits.max, limits.min, limits.max).astype(
        dtype
    )


def pixels_of(path):
    with rasterio.open(path) as scene:
        return scene.read()


def by_another_gdal(path, folder):
    """Return the pixels another GDAL than rasterio's finds."""
    subprocess.run(["gdal_translate", "-q", str(path), str(folder / "other.tif")], check=True)
    return pixels_of(folder / "other.tif")


def compress(source, archive, target="lossless", **options):
    given = {"spectral": "rotated", "overwrite": True, "threads": 1} | options
    return rsic_geo.compress(source, archive, target=target, **given).to_json()


@settings(max_examples=8)
@given(
    dtype=st.sampled_from(["uint8", "uint16", "int16", "float32"]),
    bands=st.sampled_from([2, 5, 35]),
    extra=st.sampled_from(["none", "nodata", "nodata of one band", "mask", "alpha"]),
    seed=st.integers(0, 9),
)
def test_everything_comes_back_and_the_vrt_is_exact(tmp_path_factory, dtype, bands, extra, seed):
    """Whatever holds no data, and whole numbers in a float type; windows, single bands and levels agree."""
    folder = tmp_path_factory.mktemp("predicted")
    source, archive, back = folder / "s.tif", folder / "a.jp2", folder / "b.tif"
    pixels = kin("uint16" if dtype == "float32" else dtype, bands, seed).astype(dtype)
    hole = np.zeros(SHAPE, bool)
    hole[40:70, 80:] = True
    how: dict[str, object] = {}
    if extra.startswith("nodata"):
        value = np.iinfo(np.int16).min if dtype == "int16" else 0
        pixels[pixels == value] = 1
        pixels[0 if extra == "nodata of one band" else slice(None), hole] = value
        how = {"nodata": value}
    elif extra == "mask":
        how = {"mask": ~hole}
    write_scene(source, pixels, **how)
    if extra == "alpha":
        with rasterio.open(source, "r+") as scene:
            last = rasterio.enums.ColorInterp.alpha
            scene.colorinterp = [*scene.colorinterp[:-1], last]
    report = compress(source, archive)
    assert report["lossless"]
    assert report["verified"]
    as_is = compress(source, folder / "as-is.jp2", spectral="as-is")
    assert report["bytes"] <= as_is["bytes"]
    rsic_geo.decompress(archive, back)
    np.testing.assert_array_equal(pixels_of(back), pixels)
    assert_same_place(view(source), view(back))
    with rsic_geo.open(archive) as scene:
        np.testing.assert_array_equal(
            scene.read(bands, window=((33, 100), (77, 110))), pixels[-1, 33:100, 77:110]
        )
        assert scene.read(out_shape=(bands, 22, 24)).shape == (bands, 22, 24)
    if report["spectral"] == "predicted":  # the VRT says where there is no data
        assert not any("mask_flags" in text for text in report["others_miss"])
    if "nodata" in how:
        with Archive(str(archive)) as scene:
            found = scene.read_valid(Window(row_off=33, col_off=77, height=60, width=40))
        np.testing.assert_array_equal(found, pixels[:, 33:93, 77:117] != how["nodata"])
    assert rsic_geo.validate(archive)["valid"]
    if report["spectral"] == "predicted":
        keep = np.ones(pixels.shape, bool)
        if (folder / "a.jp2.msk").exists() and "nodata" in how:  # filled, or in steps
            keep = pixels != how["nodata"]
        scale, offset = np.ones(bands), np.zeros(bands)
        with rasterio.open(f"{archive}.vrt") as shown:
            found = shown.read()
            if dtype == "float32":
                scale, offset = np.array(shown.scales), np.array(shown.offsets)
            assert extra != "nodata" or np.array_equal(shown.dataset_mask() == 0, hole)
        for each in (found, by_another_gdal(f"{archive}.vrt", folder)):
            values = each * scale[:, None, None] + offset[:, None, None]
            np.testing.assert_array_equal(values[keep], pixels[keep])


def test_differences_beyond_16_bits_are_not_stored(tmp_path):
    """Where one band is saturated and another dark they would be: other guesses are taken, still exact."""
    dark = np.random.default_rng(0).integers(0, 16000, SHAPE)
    pixels = np.stack([dark, 2 * dark, 4 * dark, dark // 2]).astype("uint16")
    pixels[:, 30, 30], pixels[:, 50, 50] = (16000, 32000, 0, 0), (0, 0, 65535, 8000)
    moments, free = moments_of([pixels]), np.ones((4, 4), bool)
    ends = Prediction.fit([pixels], moments, free, {}).reach(pixels)
    assert (ends[1] - ends[0]).max() > 65535  # or there is nothing to show
    source, archive = write_scene(tmp_path / "s.tif", pixels), tmp_path / "a.jp2"
    report = compress(source, archive)
    assert report["spectral"] == "predicted"
    np.testing.assert_array_equal(pixels_of(f"{archive}.vrt"), pixels)


def test_no_archive_is_larger_for_a_trial_that_saw_too_little(tmp_path):
    """Pieces of the diagonal gain a little, what lies beside them loses: then both are made."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, [[[200]], [[60]]], (2, 900, 900))
    for offset in (58, 194, 330):
        place = (slice(offset, offset + 512),) * 2
        quiet = rng.integers(0, 60, (512, 512))
        pixels[(slice(None), *place)] = quiet, quiet + rng.integers(0, 120, (512, 512))
    pixels = pixels.astype("uint8")
    source = write_scene(tmp_path / "s.tif", pixels)
    plain = compress(source, tmp_path / "p.jp2", spectral="as-is", verify="none")
    report = compress(source, tmp_path / "r.jp2", verify="none")
    assert (report["spectral"], report["bytes"]) == ("as-is", plain["bytes"])
    assert report["warnings"] == []  # the trial did find something


@pytest.mark.parametrize("target", ["max-error=2", "max-error=1%", "max-error=3,3,3,9,9"])
def test_steps_within_a_bound_are_predicted_too(tmp_path, target):
    """Others see them within the bound by the scale and offset in the VRT."""
    source, archive = write_scene(tmp_path / "s.tif", kin()), tmp_path / "a.jp2"
    plain = compress(source, tmp_path / "p.jp2", target, spectral="as-is")
    report = compress(source, archive, target)
    assert report["spectral"] == "predicted"
    assert report["bytes"] < 0.9 * plain["bytes"]
    bounds = np.array(report["bounds"])[:, None, None]
    with rsic_geo.open(archive) as scene:
        assert (np.abs(scene.read().astype(float) - kin()) <= bounds).all()
    with rasterio.open(f"{archive}.vrt") as shown:
        scale, offset = (np.array(each)[:, None, None] for each in (shown.scales, shown.offsets))
    for each in (pixels_of(f"{archive}.vrt"), by_another_gdal(f"{archive}.vrt", tmp_path)):
        assert (np.abs(each * scale + offset - kin()) <= bounds + 1e-6).all()
    assert rsic_geo.validate(archive)["valid"]


def test_floats_within_a_bound_are_predicted(tmp_path):
    pixels = (kin(bands=6) / 256 + 0.125).astype("float32")
    source, archive = write_scene(tmp_path / "s.tif", pixels), tmp_path / "a.jp2"
    plain = compress(source, tmp_path / "p.jp2", "max-error=0.2", spectral="as-is")
    report = compress(source, archive, "max-error=0.2")
    assert (report["spectral"], plain["spectral"]) == ("predicted", "as-is")
    assert report["bytes"] < plain["bytes"]
    with rsic_geo.open(archive) as scene:
        assert np.abs(scene.read().astype(float) - pixels).max() <= 0.2


def test_auto_takes_it_where_it_pays_and_otherwise_one_line_says_so(tmp_path):
    source = write_scene(tmp_path / "s.tif", np.repeat(np.repeat(kin("uint8", 6), 3, axis=1), 3, axis=2))
    chosen = compress(source, tmp_path / "c.jp2", spectral="auto")
    assert chosen["spectral"] == "predicted"
    told = compress(source, tmp_path / "p.jp2", spectral="as-is")
    assert any("--bands rotated would save" in text and "without loss" in text for text in told["warnings"])
    assert chosen["bytes"] + chosen["sidecar_bytes"] < 0.95 * told["bytes"]
    quiet = compress(source, tmp_path / "q.jp2", sidecar="never")
    assert not (tmp_path / "q.jp2.vrt").exists()
    assert any("components" in text for text in quiet["others_miss"])


@pytest.mark.parametrize(
    ("pixels", "profile", "why"),
    [
        (kin(bands=1), {}, "the scene has one"),
        (np.random.default_rng(0).integers(0, 65536, (3, *SHAPE), "uint16"), {}, "nothing was saved"),
        (kin()[:, :1, :1], {}, "nothing was saved"),
    ],
)
def test_scenes_without_gain_are_kept_as_they_are_and_it_is_said(tmp_path, pixels, profile, why):
    source = write_scene(tmp_path / "s.tif", pixels, **profile)
    report = compress(source, tmp_path / "a.jp2")
    assert report["spectral"] == "as-is"
    assert any("bands are kept as they are" in text and why in text for text in report["warnings"])
    np.testing.assert_array_equal(pixels_of(tmp_path / "a.jp2"), pixels)


def test_a_batch_predicts_and_proves(tmp_path):
    (tmp_path / "in").mkdir()
    source = write_scene(tmp_path / "in" / "s.tif", kin())
    words = ["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--jobs", "1", "--bands", "rotated"]
    assert main(words) == 0
    product = next((tmp_path / "out").rglob("*.jp2"))
    assert rsic_geo.info(product)["spectral"] == "predicted"
    assert main(["compare", str(source), str(product), "-q"]) == 0
    np.testing.assert_array_equal(pixels_of(f"{product}.vrt"), kin())


def prediction(pixels: np.ndarray) -> Prediction:
    count = len(pixels)
    return Prediction.fit([pixels], moments_of([pixels]), np.ones((count, count), bool), {})


@settings(max_examples=30)
@given(data=st.data(), dtype=st.sampled_from(["uint8", "uint16", "int16"]), seed=st.integers(0, 3))
def test_forth_and_back_is_exact_where_16_bits_hold_it(data, dtype, seed):
    """Also of pixels the prediction never saw; elsewhere it says so."""
    fitted = prediction(kin(dtype, 4, seed))
    pixels = data.draw(arrays(dtype, (4, 3, 5)))
    ends = fitted.reach(pixels)
    if ends.min() >= -32768 and ends.max() <= 32767:
        np.testing.assert_array_equal(fitted.inverse(fitted.forward(pixels)), pixels)
    taps = fitted.taps[0] / 1024  # the same by the formula, without blocks or matrices
    for k in range(4):
        stored = fitted.forward(pixels).astype(int)
        guess = np.floor(sum((taps[k, j] * stored[j] for j in range(k)), np.zeros((3, 5))) + 0.5)
        if np.abs(ends).max() < 32768:
            np.testing.assert_array_equal(stored[k], pixels[k].astype(int) - fitted.offset[k] - guess)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r | {"numbers": r["numbers"][:-8]},
        lambda r: r | {"numbers": "!!" + r["numbers"]},
        lambda r: r | {"dtype": "float32"},
        lambda r: {"dtype": r["dtype"]},
        lambda _: [], lambda _: "predicted", lambda r: r | {"numbers": base64.b64encode(b"1234").decode()},
    ],
)  # fmt: skip
def test_records_that_are_no_prediction_are_refused(change):
    fitted = prediction(kin())
    record = fitted.to_json()
    again = Prediction.from_json(record, 5)
    assert again is not None
    assert again.to_json() == record
    np.testing.assert_array_equal(again.taps[0], fitted.taps[0])
    with pytest.raises(ContainerError, match="prediction of bands"):
        Prediction.from_json(change(record), 5)
    with pytest.raises(ContainerError, match="of another scene"):
        Prediction.from_json(record, 6)


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("landsat8_L1TP_10band_uint16", 0.925),
        ("cbers4_awfi_4band_int16", 0.86),
        ("sentinel2_L1C_13band_122_uint16", 0.86),
    ],
)
def test_what_real_scenes_save(tmp_path, name, most):
    source = SHARED / "data" / "scenes" / f"{name}.tif"
    plain = compress(source, tmp_path / "p.jp2", spectral="as-is")
    assert compress(source, tmp_path / "r.jp2")["bytes"] <= most * plain["bytes"]
    np.testing.assert_array_equal(pixels_of(tmp_path / "r.jp2.vrt"), pixels_of(source))
