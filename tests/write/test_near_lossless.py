"""Near-lossless archives: every bound kept, never larger than without loss, the same to other programs."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import assert_same_place, painted, view, write_scene
from support import SHARED, needs_shared

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.errors import StructureLostError, TargetNotReachedError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.quantised import Affinity


def pixels_of(path):
    with rasterio.open(path) as scene:
        return scene.read(), scene.dataset_mask(), scene.nodata


@settings(max_examples=25)
@given(
    shape=st.sampled_from([(1, 1), (37, 260), (128, 90)]),
    bands=st.integers(1, 4),
    dtype=st.sampled_from(["uint8", "uint16", "int16"]),
    bound=st.sampled_from([0.5, 1, 2, 3.9, 10, 100]),
    extra=st.sampled_from(["none", "nodata", "nodata inside", "mask", "alpha"]),
    content=st.sampled_from(["landscape", "noise", "few values", "extremes"]),
    seed=st.integers(0, 99),
)
def test_every_sample_is_within_the_bound(tmp_path_factory, shape, bands, dtype, bound, extra, content, seed):
    """Counted without rsic_geo; nodata, mask and alpha are exact; no file is larger than without loss."""
    folder = tmp_path_factory.mktemp("near")
    source, archive, back = folder / "s.tif", folder / "a.jp2", folder / "b.tif"
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    pixels = {
        "landscape": lambda: painted((bands, *shape), dtype, seed),
        "noise": lambda: rng.integers(limits.min, limits.max, (bands, *shape), endpoint=True),
        "few values": lambda: rng.choice([3, 9, 40, 41], (bands, *shape)),
        "extremes": lambda: rng.choice([limits.min, limits.max], (bands, *shape)),
    }[content]().astype(dtype)
    hole = rng.random(shape) < 0.2
    how: dict[str, object] = {}
    if extra.startswith("nodata"):
        value = 7 if extra == "nodata" else int(pixels.flat[0]) + (1 if pixels.flat[0] < limits.max else -1)
        pixels[:, hole] = value
        how = {"nodata": value}
    elif extra == "mask":
        how = {"mask": ~hole}
    elif extra == "alpha" and bands == 4 and dtype == "uint8":
        pixels[3] = np.where(hole, 0, 255)
        how = {"photometric": "RGB", "alpha": "YES"}
    write_scene(source, pixels, **how)
    options = {"model": "none", "threads": 1, "accept_loss": True}
    report = rsic_geo.compress(source, archive, target=f"max-error={bound}", **options).to_json()
    rsic_geo.decompress(archive, back)
    ours, mask, nodata = pixels_of(back)
    theirs, mask_before, nodata_before = pixels_of(source)
    np.testing.assert_array_equal(mask, mask_before)
    assert nodata == nodata_before
    error = np.abs(ours.astype(np.int64) - theirs)
    if extra.startswith("nodata"):
        np.testing.assert_array_equal(ours == nodata, theirs == nodata)
    if how.get("alpha"):
        np.testing.assert_array_equal(ours[3], theirs[3])
        error = error[:3]
    counted = error[:, mask_before != 0] if extra != "none" else error.reshape(len(error), -1)
    assert counted.max(initial=0) <= bound
    valid = theirs[:, mask_before != 0].reshape(bands, -1)
    if valid.size:
        seen = ours[:, mask_before != 0].reshape(bands, -1)
        assert (seen.min(axis=1) >= valid.min(axis=1)).all()
        assert (seen.max(axis=1) <= valid.max(axis=1)).all()
    assert_same_place(view(source), view(back))
    exact = folder / "e.jp2"
    size = rsic_geo.compress(source, exact, target="lossless", **options).to_json()["bytes"]
    assert report["bytes"] <= size
    assert report["bytes"] == archive.stat().st_size
    with Archive(archive) as scene:
        window = Window(row_off=shape[0] // 2, col_off=shape[1] // 3, height=1, width=1)
        rows, cols = window.slices
        np.testing.assert_array_equal(scene.read(window), ours[:, rows, cols])
    assert rsic_geo.validate(archive)["valid"]


@pytest.mark.parametrize("bound", [0.01, 0.25])
def test_heights_in_metres(tmp_path, bound):
    """A float scene with holes in steps of twice the bound: smaller than by the lossy codec, and kept."""
    heights = painted((1, 300, 400), "int16").astype("float32") / 16
    heights[0, 30:80, 50:100] = -9999
    source = write_scene(tmp_path / "dem.tif", heights, nodata=-9999.0)
    archive, back = tmp_path / "a.jp2", tmp_path / "b.tif"
    report = rsic_geo.compress(source, archive, target=f"max-error={bound}").to_json()
    rsic_geo.decompress(archive, back)
    ours, _, _ = pixels_of(back)
    np.testing.assert_array_equal(ours == -9999, heights == -9999)
    assert np.abs(ours.astype(float) - heights).max() <= bound
    assert report["step"] is not None
    assert report["lossless"] is False
    assert main(["info", str(archive), "--json"]) == 0


def test_a_bound_below_the_precision_of_the_samples(tmp_path):
    heights = painted((1, 100, 100), "int16").astype("float32") * 1000
    source = write_scene(tmp_path / "dem.tif", heights)
    with pytest.raises(TargetNotReachedError, match="ask for more"):
        rsic_geo.compress(source, tmp_path / "a.jp2", target="max-error=0.0001", quantize="uint16")
    assert [path.name for path in tmp_path.iterdir()] == ["dem.tif"]


def test_other_programs_get_values_within_the_bound(tmp_path):
    """By scale and offset of the sidecar, as GDAL's own tool applies them, and the mask beside it."""
    pixels = painted((1, 300, 300), "uint16")
    pixels[:, 10:60, 20:90] = 0
    source = write_scene(tmp_path / "s.tif", pixels, nodata=0)
    archive, back = tmp_path / "a.jp2", tmp_path / "b.tif"
    report = rsic_geo.compress(source, archive, target="max-error=25").to_json()
    assert report["step"] == rsic_geo.info(archive)["step"] == [51.0]
    words = ["gdal_translate", "-q", "-unscale", "-ot", "Float64", str(archive), str(back)]
    subprocess.run(words, check=True)
    with rasterio.open(back) as scene:
        values, mask = scene.read(1), scene.dataset_mask()
    np.testing.assert_array_equal(mask != 0, pixels[0] != 0)
    assert np.abs(values - pixels[0])[mask != 0].max() <= 25


def test_a_bound_that_erases_a_band_is_refused(tmp_path):
    source = write_scene(tmp_path / "s.tif", painted((3, 200, 200)))
    with pytest.raises(StructureLostError, match="max-error=120"):
        rsic_geo.compress(source, tmp_path / "a.jp2", target="max-error=120", model="none")
    report = rsic_geo.compress(
        source, tmp_path / "a.jp2", target="max-error=120", model="none", accept_loss=True
    ).to_json()
    assert "dB SNR" in report["warnings"][0]


def test_steps_avoid_nodata_and_refuse_ranges_they_cannot_hold():
    profile = SceneProfile(height=1, width=1, count=1, dtype="uint16", nodata=(20,))
    steps = Affinity.within(profile, [(10.0, 90.0)], [2])
    assert steps is not None
    values = np.arange(10, 91).reshape(1, 1, -1)
    valid = values != 20
    back = steps.restore(steps.quantise(values, valid), valid, (20,))
    assert np.abs(back.astype(int) - values)[valid].max() <= 2
    assert (back[valid] != 20).all()
    assert back.min() >= 10
    wide = SceneProfile(height=1, width=1, count=1, dtype="float32")
    assert Affinity.within(wide, [(0.0, 1e6)], [0.5]) is None
    assert Affinity.within(wide, [(0.0, 1e6)], [1e-9]) is None


def scaled(path, pixels, scales, **profile):
    write_scene(path, pixels, **profile)
    with rasterio.open(path, "r+") as scene:
        scene.scales = scales
    return path


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("max-error=0.5%", None), ("max-error=30,2,200", (30, 2, 200)), ("max-error=0.01r", (100, 100, 50)),
        ("max-error=0.01,0,0.02r", (100, 0, 100)), ("max-error=9,0.4,0", (9, 0, 0)),
    ],
)  # fmt: skip
def test_bounds_by_band_by_range_and_in_the_units_of_the_scene(tmp_path, asked, allowed):
    pixels = painted((3, 260, 300), "uint16")
    pixels[1] //= 7
    source = scaled(tmp_path / "s.tif", pixels, (0.0001, 0.0001, 0.0002))
    archive, back = tmp_path / "a.jp2", tmp_path / "b.tif"
    report = rsic_geo.compress(source, archive, target=asked, accept_loss=True).to_json()
    assert report["target"]["asked"] == asked
    rsic_geo.decompress(archive, back)
    worst = np.abs(pixels_of(back)[0].astype(int) - pixels).max(axis=(1, 2))
    if allowed is None:  # the range between the 0.1 % and the 99.9 % quantile
        low, high = np.quantile(pixels, (0.001, 0.999), axis=(1, 2))
        allowed = 1.01 * 0.005 * (high - low)
    assert (worst <= allowed).all()
    assert (worst >= np.floor(allowed) * 0.8).all()
    assert archive.stat().st_size < rsic_geo.compress(source, tmp_path / "e.jp2").to_json()["bytes"]


def test_bounds_through_python_and_a_batch(tmp_path):
    (tmp_path / "in").mkdir()
    source = write_scene(tmp_path / "in" / "s.tif", painted((3, 200, 220)))
    report = rsic_geo.compress(source, tmp_path / "a.jp2", max_error=(3, 5, 0)).to_json()
    assert report["step"] == [7.0, 11.0, 1.0]
    words = ["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--target", "max-error=3,5,0"]
    assert main([*words, "--jobs", "1"]) == 0
    product = next((tmp_path / "out").rglob("*.jp2"))
    with rsic_geo.open(product) as scene:
        worst = np.abs(scene.read().astype(int) - painted((3, 200, 220))).max(axis=(1, 2))
    assert worst.tolist() == [3, 5, 0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("max-error=1,2", "2 values for 3 bands"), ("max-error=0.1r", "no scale of its own"),
        ("max-error=%", "no number"), ("max-error=1,x", "no number"), ("max-error=-1%", "must be between"),
        ("psnr=40%", "no number"),
    ],
)  # fmt: skip
def test_bounds_without_meaning_are_refused_in_one_line(tmp_path, capsys, asked, said):
    source = write_scene(tmp_path / "s.tif", painted((3, 40, 50)))
    assert main(["compress", str(source), str(tmp_path / "a.jp2"), "--target", asked]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bound", "most"),
    [
        ("landsat8_L1TP_10band_uint16", 2, 0.82), ("landsat8_L1TP_10band_uint16", 10, 0.65),
        ("cbers4_awfi_4band_int16", 2, 0.67), ("cbers4_awfi_4band_int16", 10, 0.41),
        ("pleiades_rpc_pair_img_01", 2, 0.63), ("pleiades_rpc_pair_img_01", 10, 0.36),
        ("og_2020", 2, 0.58), ("og_2020", 10, 0.28),
    ],
)  # fmt: skip
def test_parts_of_our_lossless_file_on_real_scenes(tmp_path, name, bound, most):
    source = SHARED / "data" / "scenes" / f"{name}.tif"
    sizes = [
        rsic_geo.compress(source, tmp_path / "a.jp2", target=target, model="none", overwrite=True).to_json()
        for target in ("lossless", f"max-error={bound}")
    ]
    assert sizes[1]["bytes"] <= most * sizes[0]["bytes"], json.dumps(sizes[1]["target"])
