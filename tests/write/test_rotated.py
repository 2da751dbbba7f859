"""Archives of rotated bands: smaller, the same scene to us and, by the VRT beside them, to others."""

from __future__ import annotations

import base64
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import Smoother, assert_same_place, installed, painted, view, write_scene
from support import SHARED, needs_shared

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.errors import ContainerError, UsageError
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.rotated import Rotation, weights_of

SHAPE = (300, 350)


def kin(dtype: str = "uint16", bands: int = 5, seed: int = 0) -> np.ndarray:
    """Return bands that show the same ground, each with a little of its own."""
    ground = painted((3, *SHAPE), "uint16", seed).astype(float)
    rng = np.random.default_rng(seed)
    mixed = (
        np.tensordot(rng.uniform(0.2, 1, (bands, 3)), ground, 1) * rng.uniform(0.05, 1, bands)[:, None, None]
    )
    noise = rng.normal(0, 3, mixed.shape)
    if dtype == "uint8":
        return np.clip(mixed / mixed.max() * 230 + noise / 3, 1, 254).astype(dtype)
    return np.clip(mixed / 2 + noise + (-4000 if dtype == "int16" else 500), -9000, 60000).astype(dtype)


def pixels_of(path):
    with rasterio.open(path) as scene:
        return scene.read()


def compress(source, archive, target="psnr=40", **options):
    given = {"model": "none", "spectral": "rotated", "overwrite": True, "threads": 1} | options
    return rsic_geo.compress(source, archive, target=target, **given).to_json()


@settings(max_examples=8)
@given(
    dtype=st.sampled_from(["uint8", "uint16", "int16"]),
    bands=st.sampled_from([2, 5, 33]),
    extra=st.sampled_from(["none", "nodata", "mask"]),
    target=st.sampled_from(["psnr=42", "snr=20", "bpppb=0.5", "ratio=30"]),
    weights=st.sampled_from(["range", "error"]),
    seed=st.integers(0, 9),
)
def test_the_scene_comes_back_and_targets_are_met(
    tmp_path_factory, dtype, bands, extra, target, weights, seed
):
    """Counted without rsic_geo; nodata, mask and place are exact, windows and single bands agree."""
    folder = tmp_path_factory.mktemp("rotated")
    source, archive, back = folder / "s.tif", folder / "a.jp2", folder / "b.tif"
    pixels = kin(dtype, bands, seed)
    hole = np.zeros(SHAPE, bool)
    hole[40:120, 200:330] = True
    how: dict[str, object] = {}
    if extra == "nodata":
        pixels[:, hole] = 0
        pixels[0, :9, :9] = 0  # one band alone
        how = {"nodata": 0}
    elif extra == "mask":
        how = {"mask": ~hole}
    write_scene(source, pixels, **how)
    report = compress(source, archive, target, band_weights=weights, accept_loss=True)
    assert report["spectral"] == "rotated"
    rsic_geo.decompress(archive, back)
    ours, theirs = pixels_of(back), pixels
    assert_same_place(view(source), view(back))
    keep = np.ones(pixels.shape, bool)
    if extra == "nodata":
        keep = pixels != 0
        np.testing.assert_array_equal(ours == 0, pixels == 0)
    elif extra == "mask":
        keep &= ~hole
    error = (ours.astype(float) - theirs) * keep
    square = (error**2).sum(axis=(1, 2)) / keep.sum(axis=(1, 2))
    kind, _, value = target.partition("=")
    if kind == "snr":
        spread = np.array([theirs[i][keep[i]].astype(float).var() for i in range(bands)])
        assert (10 * np.log10(spread / square)).min() >= float(value) - 1e-3
    elif kind == "psnr":
        assert report["psnr"] >= 42
    else:
        wanted = pixels.size * float(value) / 8 if kind == "bpppb" else pixels.nbytes / float(value)
        assert archive.stat().st_size == pytest.approx(wanted, rel=0.02)
    with Archive(archive) as scene:
        window = Window(row_off=77, col_off=123, height=100, width=141)
        rows, cols = window.slices
        np.testing.assert_array_equal(scene.read(window), ours[:, rows, cols])
        np.testing.assert_array_equal(scene.read(window, bands=(bands - 1,)), ours[-1:, rows, cols])
        assert scene.read(out_shape=(30, 35)).shape == (bands, 30, 35)
    assert rsic_geo.validate(archive)["valid"]


@pytest.mark.parametrize(("dtype", "weights"), [("uint8", "range"), ("uint16", "error")])
def test_alpha_stays_what_it_is_beside_components(tmp_path, dtype, weights):
    """Exact to us, and nearly so in the VRT; pixels that it hides count nowhere."""
    pixels = kin(dtype, 5)[:, :120, :140]
    pixels[2] = np.where(painted((1, 120, 140), "uint8", 3)[0] > 60, np.iinfo(dtype).max, 0)
    source, archive = write_scene(tmp_path / "s.tif", pixels), tmp_path / "a.jp2"
    with rasterio.open(source, "r+") as scene:
        kinds = list(scene.colorinterp)
        kinds[2] = rasterio.enums.ColorInterp.alpha
        scene.colorinterp = kinds
    report = compress(source, archive, "snr=25", band_weights=weights)
    assert report["spectral"] == "rotated"
    with rsic_geo.open(archive) as scene:
        found = scene.read()
        np.testing.assert_array_equal(scene.read(out_shape=(5, 24, 28))[2], pixels[2, 2::5, 2::5])
    np.testing.assert_array_equal(found[2], pixels[2])
    seen = pixels[2] != 0
    for band in (0, 1, 3, 4):
        square = np.square(found[band][seen] - pixels[band][seen].astype(float)).mean()
        assert 10 * np.log10(pixels[band][seen].astype(float).var() / square) >= 25 - 1e-3
    with rasterio.open(f"{archive}.vrt") as scene:
        assert scene.colorinterp[2] == rasterio.enums.ColorInterp.alpha
        assert ((scene.read(3) > np.iinfo(dtype).max / 2) == seen).mean() > 0.98
    assert rsic_geo.validate(archive)["valid"]


def test_floats_in_steps_are_rotated(tmp_path):
    """Others get values by the scale and offset in the VRT."""
    pixels = (kin()[:, :120, :140] / 1000).astype("float32")
    pixels[3] *= 20
    source, archive = write_scene(tmp_path / "s.tif", pixels), tmp_path / "a.jp2"
    plain = compress(source, tmp_path / "p.jp2", "snr=30", quantize="uint16", spectral="as-is")
    report = compress(source, archive, "snr=30", quantize="uint16")
    assert report["spectral"] == "rotated"
    assert report["bytes"] < plain["bytes"]
    with rsic_geo.open(archive) as scene:
        found = scene.read()
    assert found.dtype == np.float32
    square = np.square(found.astype(float) - pixels).mean(axis=(1, 2))
    assert (10 * np.log10(pixels.astype(float).var(axis=(1, 2)) / square)).min() >= 30 - 1e-3
    with rasterio.open(f"{archive}.vrt") as scene:
        scale, offset = (np.array(each)[:, None, None] for each in (scene.scales, scene.offsets))
        values = scene.read() * scale + offset
    np.testing.assert_allclose(values, found, atol=2 * float(scale.max()))
    assert rsic_geo.validate(archive)["valid"]


def test_fewer_bytes_for_the_same_quality(tmp_path):
    source = write_scene(tmp_path / "s.tif", kin(bands=8))
    plain = compress(source, tmp_path / "p.jp2", "snr=30", spectral="as-is")
    rotated = compress(source, tmp_path / "r.jp2", "snr=30")
    assert rotated["bytes"] < 0.8 * plain["bytes"]
    assert any("--bands rotated would save" in text for text in plain["warnings"])
    chosen = compress(source, tmp_path / "c.jp2", "snr=30", spectral="auto")
    assert (chosen["spectral"], chosen["bytes"]) == ("rotated", rotated["bytes"])


def test_bands_of_different_scenes_stay_as_they_are(tmp_path):
    """Nothing is gained where bands have nothing in common, and nothing said."""
    pixels = np.stack([painted((1, *SHAPE), "uint16", seed)[0] for seed in range(4)])
    rng = np.random.default_rng(0)
    pixels = np.stack([np.rot90(rng.permutation(band), 2) for band in pixels])
    source = write_scene(tmp_path / "s.tif", pixels)
    assert (
        compress(source, tmp_path / "a.jp2", "ratio=8", spectral="auto", accept_loss=True)["spectral"]
        == "as-is"
    )
    told = compress(source, tmp_path / "a.jp2", "ratio=8", spectral="as-is", accept_loss=True)["warnings"]
    assert not any("rotated" in text for text in told)


@pytest.mark.parametrize("extra", ["none", "nodata"])
def test_other_programs_see_true_bands_by_the_vrt(tmp_path, extra):
    """Two GDALs of different versions and we read the same numbers, place, names and holes."""
    pixels = kin(bands=6)
    if extra == "nodata":
        pixels[:, 100:150, 50:90] = 0
    source = write_scene(tmp_path / "s.tif", pixels, **({"nodata": 0} if extra == "nodata" else {}))
    with rasterio.open(source, "r+") as scene:
        scene.descriptions = [f"B{n} <nm>" for n in range(6)]
    archive = tmp_path / "a & b.jp2"
    report = compress(source, archive, "snr=25")
    vrt = tmp_path / "a & b.jp2.vrt"
    with Archive(str(archive)) as own:
        shown = own.read_shown(Window.full(*SHAPE))
        valid = own.read_valid(Window.full(*SHAPE))
    with rasterio.open(vrt) as scene:
        apart = np.abs(scene.read().astype(int) - shown)  # sums in another order may round apart
        assert apart.max() <= 1
        assert (apart > 0).mean() < 1e-4
        assert scene.crs == rasterio.open(source).crs
        assert scene.transform == rasterio.open(source).transform
        assert scene.descriptions == tuple(f"B{n} <nm>" for n in range(6))
        np.testing.assert_array_equal(scene.dataset_mask() != 0, valid.any(axis=0))
        small = scene.read(out_shape=(6, 30, 35))
    assert small.shape == (6, 30, 35)
    subprocess.run(["gdal_translate", "-q", str(vrt), str(tmp_path / "t.tif")], check=True)
    assert np.abs(pixels_of(tmp_path / "t.tif").astype(int) - shown).max() <= 1
    with rasterio.open(archive) as scene:  # the file alone says what it holds
        assert scene.descriptions == tuple(f"component {n}" for n in range(1, 7))
        assert scene.dtypes == ("int16",) * 6
    assert rsic_geo.info(archive)["spectral"] == "rotated"
    (missed,) = report["others_miss"]
    assert ".vrt" in missed
    compress(source, archive, "snr=25", sidecar="never")
    assert not vrt.exists()


def test_a_vrt_that_is_gone_or_altered_is_found(tmp_path):
    source, archive = write_scene(tmp_path / "s.tif", kin()), tmp_path / "a.jp2"
    compress(source, archive)
    vrt = tmp_path / "a.jp2.vrt"
    text = vrt.read_text()
    vrt.write_text(text.replace("<ScaleOffset>", "<ScaleOffset>1", 1))
    (problem,) = rsic_geo.validate(archive)["problems"]
    assert "a.jp2.vrt" in problem
    assert "was altered" in problem
    vrt.unlink()
    (problem,) = rsic_geo.validate(archive)["problems"]
    assert "a.jp2.vrt" in problem
    assert "is missing" in problem
    vrt.write_text(text)
    assert rsic_geo.validate(archive)["valid"]
    moved = tmp_path / "away.jp2"
    archive.rename(moved)
    shutil.copyfile(vrt, tmp_path / "away.jp2.vrt")
    problem = "away.jp2.vrt, by which other programs see bands, is of a.jp2: the archive was renamed"
    assert problem in " ".join(rsic_geo.validate(moved)["problems"])
    (tmp_path / "away.jp2.vrt").unlink()
    with pytest.raises(rasterio.RasterioIOError), rasterio.open(vrt) as scene:
        scene.read()
    assert main(["compress", str(vrt), str(tmp_path / "again.jp2")]) == 1


def test_enhancement_works_on_the_bands(tmp_path):
    source, archive = write_scene(tmp_path / "s.tif", kin()), tmp_path / "a.jp2"
    with installed(Smoother()):
        report = compress(source, archive, "bpppb=0.3", model="auto", accept_loss=True)
        assert report["psnr"] >= report["psnr_codec"]
        with rsic_geo.open(archive) as scene:
            found = scene.read()
    worst = 10 * np.log10(
        np.var(kin().astype(float), axis=(1, 2)) / np.square(found - kin().astype(float)).mean(axis=(1, 2))
    )
    assert worst.min() == pytest.approx(report["snr"], abs=0.01)


@pytest.mark.parametrize(
    ("pixels", "profile", "why"),
    [
        (kin(bands=1), {}, "the scene has one"),
        (kin("uint8", 2), {"photometric": "MINISBLACK", "alpha": "YES"}, "the scene has one"),
        (kin()[:, :2, :2], {}, "fewer valid pixels than bands"),
        (np.zeros_like(kin()), {"nodata": 0}, "fewer valid pixels than bands"),
    ],
)
def test_scenes_that_cannot_be_rotated_are_kept_as_they_are_and_it_is_said(tmp_path, pixels, profile, why):
    source = write_scene(tmp_path / "s.tif", pixels, **profile)
    report = compress(source, tmp_path / "a.jp2", "psnr=40")
    assert report["spectral"] == "as-is"
    assert any("bands are kept as they are" in text and why in text for text in report["warnings"])
    assert not (tmp_path / "a.jp2.vrt").exists()


def test_constant_bands_beside_others_come_back(tmp_path):
    pixels = kin()
    pixels[2] = 777
    source = write_scene(tmp_path / "s.tif", pixels)
    compress(source, tmp_path / "a.jp2", "snr=25")
    with rsic_geo.open(tmp_path / "a.jp2") as scene:
        assert (scene.read()[2] == 777).all()


@needs_shared
def test_a_scene_of_few_counts_is_no_more_than_was_asked_for(tmp_path):
    """What enhancement was expected to cost by rounding once made every sample exact, in twice the bytes."""
    source = SHARED / "data/scenes/s2_4band_uint16_wgs84.tif"
    how = {"spectral": "rotated", "srcwin": (0, 0, 200, 200), "threads": 1}
    exact = rsic_geo.compress(source, tmp_path / "e.jp2", target="lossless", **how).to_json()
    report = rsic_geo.compress(source, tmp_path / "a.jp2", target="psnr=40", **how).to_json()
    # 0.16 counts: coded to that it takes a quarter more than without loss, which is what is kept.
    assert report["lossless"]
    assert report["bytes"] == exact["bytes"]
    looser = rsic_geo.compress(source, tmp_path / "l.jp2", target="psnr=28", **how).to_json()
    assert 28 <= looser["target"]["achieved"] < 30
    assert looser["bytes"] < exact["bytes"]


def test_bands_by_the_command_line_s_word_are_told_apart_in_python(tmp_path):
    source = write_scene(tmp_path / "s.tif", kin(bands=2))
    with pytest.raises(UsageError, match="spectral='rotated'"):
        rsic_geo.compress(source, tmp_path / "a.jp2", psnr=40, bands="rotated")


def test_weights_shift_errors_between_bands(tmp_path):
    source = write_scene(tmp_path / "s.tif", kin(bands=3))
    errors = []
    for weights in ("1,1,1", "1,1,40"):
        compress(source, tmp_path / "a.jp2", "bpppb=0.4", band_weights=weights, accept_loss=True)
        with rsic_geo.open(tmp_path / "a.jp2") as scene:
            errors.append(np.square(scene.read() - kin(bands=3).astype(float)).mean(axis=(1, 2)))
    assert errors[1][2] < 0.8 * errors[0][2]
    assert errors[1][0] > errors[0][0]
    assert weights_of("range", [10.0, 40.0]) == (4.0, 1.0)
    for wrong in ("1,2", "1,2,-3", "much", "1,2,inf", ""):
        with pytest.raises(UsageError, match="band weights"):
            weights_of(wrong, [1.0, 1.0, 1.0])


def test_a_batch_rotates_and_proves(tmp_path):
    (tmp_path / "in").mkdir()
    write_scene(tmp_path / "in" / "s.tif", kin())
    words = ["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--target", "snr=25", "--jobs", "1"]
    assert main([*words, "--bands", "rotated", "--band-weights", "error", "--model", "none"]) == 0
    product = next((tmp_path / "out").rglob("*.jp2"))
    with rasterio.open(f"{product}.vrt") as scene:
        assert scene.count == 5
    assert main(["compare", str(tmp_path / "in" / "s.tif"), str(product), "--min-psnr", "30", "-q"]) == 0


def rotation() -> Rotation:
    found = Rotation.fit(kin()[:, ::7, ::7], np.ones((5, 43, 50), bool), (1.0,) * 5)
    assert found is not None
    return found


@given(pixels=st.integers(0, 9).map(lambda seed: kin(seed=seed)[:, :20, :30]))
def test_forth_and_back_is_exact_to_the_rounding_of_components(pixels):
    own = rotation()
    np.testing.assert_allclose(own.inverse(own.forward(pixels)), pixels, atol=2)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r | {"matrix": r["matrix"][:-8]},
        lambda r: r | {"matrix": "!!" + r["matrix"]},
        lambda r: r | {"mean": r["mean"][:-1]},
        lambda r: r | {"mean": [*r["mean"][:-1], float("inf")]},
        lambda r: r | {"mean": None},
        lambda r: r | {"weight": [1.0, 1.0, 0.0, 1.0, 1.0]},
        lambda r: r | {"weight": [1.0, 2.0]},
        lambda r: r | {"gain": 0},
        lambda r: r | {"gain": float("nan")},
        lambda r: r | {"dtype": "float32"},
        lambda r: r | {"matrix": base64.b64encode(bytes(50)).decode()},
        lambda r: r | {"matrix": base64.b64encode(bytes([4] * 50)).decode()},
        lambda _: [], lambda _: "rotated", lambda _: {"dtype": "uint16"},
    ],
)  # fmt: skip
def test_records_that_are_no_rotation_are_refused(change):
    record = rotation().to_json()
    again = Rotation.from_json(record, 5)
    assert again is not None
    assert again.to_json() == record
    with pytest.raises(ContainerError, match="rotation of bands"):
        Rotation.from_json(change(record), 5)
    with pytest.raises(ContainerError, match="of another scene"):
        Rotation.from_json(record, 6)


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [("landsat8_L1TP_10band_uint16", 0.45), ("cbers4_awfi_4band_int16", 0.37), ("og_2020", 0.19)],
)
def test_what_real_scenes_save(name, least):
    from rsic_geo.evaluation.bands import measured
    from rsic_geo.progress import Progress

    found = measured(str(SHARED / "data" / "scenes" / f"{name}.tif"), (0.1, 0.2, 0.4, 0.8), Progress())
    assert found["bd_rates"]["rotated, error"]["squared error"] <= -100 * least
