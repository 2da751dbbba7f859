"""Bounds that are parts of each sample: kept, exact where they must be, true values to other programs."""

from __future__ import annotations

import json
import subprocess
from fractions import Fraction

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import assert_same_place, painted, view, write_scene

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.errors import ContainerError, StructureLostError, TargetNotReachedError, UsageError
from rsic_geo.scenes.components import steps_of
from rsic_geo.scenes.relative import RelativeSteps
from rsic_geo.targets import Target

SHAPE = (90, 131)


def radar(dtype: str, shape=(2, *SHAPE), seed: int = 0) -> np.ndarray:
    """Return samples as radar has them: a landscape under multiplied noise, and zeros."""
    rng = np.random.default_rng(seed)
    ground = np.exp(painted(shape, "uint8", seed) / 28.0)
    seen = ground * rng.exponential(1.0, shape)
    seen[..., :3, :7] = 0
    if dtype in ("float32", "float64"):
        return (seen / 1e4).astype(dtype)
    return np.clip(np.rint(seen * 4), 0, np.iinfo(dtype).max).astype(dtype)


def read(path):
    with rasterio.open(path) as scene:
        return scene.read(), scene.dataset_mask()


def worst_part(before: np.ndarray, after: np.ndarray) -> Fraction:
    """Return the largest error as a part of its sample, in exact numbers; of zero any error is infinite."""
    different = before != after
    pairs = {(x.item(), y.item()) for x, y in zip(before[different], after[different], strict=True)}
    assert all(x for x, _ in pairs), "a zero came back as another number"
    return max((abs(Fraction(y) - Fraction(x)) / Fraction(x) for x, y in pairs), default=Fraction(0))


@settings(max_examples=16)
@given(
    dtype=st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    part=st.sampled_from([0.002, 0.01, 0.05, 0.4]),
    extra=st.sampled_from(["none", "nodata", "nodata inside", "mask", "nan"]),
    content=st.sampled_from(["radar", "flat", "extremes"]),
    seed=st.integers(0, 99),
)
def test_no_sample_is_further_off_than_a_part_of_itself(tmp_path_factory, dtype, part, extra, content, seed):
    """Counted in exact numbers, without rsic_geo; GDAL's programs read the same values by the .vrt."""
    folder = tmp_path_factory.mktemp("relative")
    source, archive, back, seen = (folder / name for name in ("s.tif", "a.jp2", "b.tif", "v.tif"))
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max if dtype[0] in "ui" else np.finfo("float32").max / 2
    pixels = {
        "radar": lambda: radar(dtype, seed=seed),
        "flat": lambda: np.full((2, *SHAPE), 5, dtype),
        "extremes": lambda: rng.choice([0, 1, top], (2, *SHAPE)).astype(dtype),
    }[content]()
    hole = rng.random(SHAPE) < 0.2
    how: dict[str, object] = {}
    if extra.startswith("nodata"):
        value = 7 if extra == "nodata" else pixels.flat[-1].item()
        pixels[:, hole] = value
        how = {"nodata": value}
    elif extra == "nan" and dtype[0] == "f":
        pixels[:, hole] = np.nan
        how = {"nodata": np.nan}
    elif extra == "mask":
        how = {"mask": ~hole}
    write_scene(source, pixels, **how)
    options = {"model": "none", "threads": 1, "accept_loss": True, "codec": "jp2"}
    report = rsic_geo.compress(source, archive, target=f"max-rel-error={part}", **options).to_json()
    rsic_geo.decompress(archive, back)
    (before, mask), (after, mask_after) = read(source), read(back)
    np.testing.assert_array_equal(mask, mask_after)
    counted = mask != 0 if extra == "mask" else np.ones(SHAPE, bool)
    nothing = np.isnan(before) if extra == "nan" else before == how.get("nodata")
    np.testing.assert_array_equal(np.isnan(after) if extra == "nan" else after == how.get("nodata"), nothing)
    keep = counted & ~nothing
    found = worst_part(before[keep], after[keep])
    assert found <= Fraction(part)
    assert report["target"]["achieved"] == pytest.approx(float(found), abs=1e-12)
    assert_same_place(view(source), view(back))
    assert rsic_geo.validate(str(archive))["valid"]
    if dtype[0] in "ui":  # floats that are not whole have no JPEG 2000 without loss
        exact = rsic_geo.compress(source, folder / "e.jp2", target="lossless", **options).to_json()
        assert report["bytes"] <= exact["bytes"]
    vrt = folder / "a.jp2.vrt"
    if vrt.exists() and extra in ("none", "mask"):  # steps were smaller
        subprocess.run(["gdal_translate", "-q", vrt, seen], check=True)
        shown, _ = read(seen)
        by_rasterio, mask_shown = read(vrt)
        np.testing.assert_array_equal(shown[:, counted], after[:, counted])
        np.testing.assert_array_equal(by_rasterio[:, counted], after[:, counted])
        np.testing.assert_array_equal(mask_shown, mask)
        if dtype[0] == "f":
            assert np.array_equal(by_rasterio.dtype, before.dtype)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_windows_levels_bands_and_strange_handling(tmp_path, dtype):
    """Parts read equal slices of the whole; what lies beside it is missed, and found altered."""
    source, archive = write_scene(tmp_path / "s.tif", radar(dtype)), tmp_path / "a.jp2"
    rsic_geo.compress(source, archive, max_rel_error=("1%", 0.2), codec="jp2", tile_size=256)
    with rsic_geo.open(archive) as scene:
        whole = scene.read()
        np.testing.assert_array_equal(scene.read(2, window=((11, 60), (5, 99))), whole[1, 11:60, 5:99])
        small = scene.read(window=((0, 90), (0, 130)), out_shape=(2, 45, 65))
        assert small.dtype == whole.dtype
        means = whole[:, :90, :130].astype(float).reshape(2, 45, 2, 65, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(small, means, rtol=1e-6, atol=0.5 if dtype == "uint16" else 0)
    with rasterio.open(source) as original:
        before = original.read()
    assert 0.01 < worst_part(before[1], whole[1]) <= Fraction(0.2)
    assert worst_part(before[0], whole[0]) <= Fraction(0.01)
    told = rsic_geo.info(str(archive))
    assert told["relative_step"] == [0.01, 0.2]
    vrt = tmp_path / "a.jp2.vrt"
    vrt.write_text(vrt.read_text().replace("<LUT>0:", "<LUT>0:1"))
    assert any("altered" in word for word in rsic_geo.validate(str(archive))["problems"])
    vrt.unlink()
    assert any("missing" in word for word in rsic_geo.validate(str(archive))["problems"])


def test_a_few_very_large_samples_do_not_stand_in_the_way(tmp_path):
    """Ships in radar: errors of theirs are large, and those of the sea around them are not."""
    rng = np.random.default_rng(0)
    pixels = rng.exponential(0.1, (1, 200, 200)).astype("float32")
    pixels[0, ::40, ::50] = 5e3
    source = write_scene(tmp_path / "s.tif", pixels)
    rsic_geo.compress(source, tmp_path / "a.jp2", max_rel_error=0.01)
    with rsic_geo.open(tmp_path / "a.jp2") as scene:
        assert worst_part(pixels, scene.read()) <= Fraction(0.01)
    huge = np.full((1, 60, 60), 5.0)
    huge[0, 0, 0] = 1e200
    rsic_geo.compress(write_scene(tmp_path / "h.tif", huge), tmp_path / "h.jp2", max_rel_error=0.01)
    with rsic_geo.open(tmp_path / "h.jp2") as scene:
        assert worst_part(huge, scene.read()) <= Fraction(0.01)


def test_what_steps_erase_is_still_refused(tmp_path):
    rng = np.random.default_rng(0)
    source = write_scene(tmp_path / "s.tif", rng.normal(300, 0.5, (1, 90, 90)).astype("float32"))
    with pytest.raises(StructureLostError):
        rsic_geo.compress(source, tmp_path / "a.jp2", max_rel_error=0.05)


def test_what_is_exact_is_not_warned_of(tmp_path):
    for name, pixels in (("c", np.full((1, 50, 50), 0.3, "float32")), ("w", np.full((1, 9, 9), 7, "uint16"))):
        source = write_scene(tmp_path / f"{name}.tif", pixels)
        report = rsic_geo.compress(source, tmp_path / f"{name}.jp2", max_rel_error=0.01)
        assert not report.warnings


def test_a_missing_mask_blames_no_other_sidecar(tmp_path):
    pixels = radar("uint16")
    pixels[:, 20:50, 20:60] = 7
    source = write_scene(tmp_path / "s.tif", pixels, nodata=7)
    rsic_geo.compress(source, tmp_path / "a.jp2", max_rel_error=0.05)
    (tmp_path / "a.jp2.msk").unlink()
    (problem,) = rsic_geo.validate(str(tmp_path / "a.jp2"))["problems"]
    assert "a.jp2.msk" in problem
    assert "missing" in problem


def test_alpha_keeps_every_sample(tmp_path):
    pixels = radar("uint8", (4, *SHAPE))
    pixels[3] = np.where(pixels[0] > 90, 255, pixels[3])
    source = write_scene(tmp_path / "s.tif", pixels, photometric="RGB", alpha="YES")
    rsic_geo.compress(source, tmp_path / "a.jp2", max_rel_error=0.3, accept_loss=True)
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "b.tif")
    after, _ = read(tmp_path / "b.tif")
    np.testing.assert_array_equal(after[3], pixels[3])
    seen = pixels[3] > 0
    assert 0.05 < worst_part(pixels[:3, seen], after[:3, seen]) <= Fraction(0.3)


@pytest.mark.parametrize(
    ("pixels", "target", "error", "words"),
    [
        (-radar("int16"), "max-rel-error=1%", UsageError, "negative"),
        (radar("float32"), "max-rel-error=0.001%", TargetNotReachedError, "16 bits"),
        (radar("float32"), "max-rel-error=1%,2%,3%", UsageError, "3 values for 2 bands"),
        (np.full((1, 9, 9), 1e-42, "float32"), "max-rel-error=1%", TargetNotReachedError, "16 bits"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_one_line_and_leaves_nothing(tmp_path, pixels, target, error, words):
    source, archive = write_scene(tmp_path / "s.tif", pixels), tmp_path / "a.jp2"
    with pytest.raises(error, match=words):
        rsic_geo.compress(source, archive, target=target, codec="jp2")
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_a_codec_without_such_a_bound_says_so(tmp_path):
    source = write_scene(tmp_path / "s.tif", painted((3, 64, 64), "uint8"))
    with pytest.raises(UsageError, match="takes one value"):
        rsic_geo.compress(source, tmp_path / "a.rsic.tif", target="max-rel-error=1%", codec="learned")


def test_the_smaller_kind_of_archive_is_kept_for_floats(tmp_path):
    """Noise over many magnitudes is smaller in steps; a few values are smaller as they are, in a COG."""
    rsic_geo.compress(
        write_scene(tmp_path / "s.tif", radar("float32")), f"{tmp_path}/s.*", max_rel_error=0.02
    )
    assert (tmp_path / "s.jp2").exists()
    few = write_scene(tmp_path / "f.tif", np.full((1, 256, 256), 0.1, "float32"))
    rsic_geo.compress(few, f"{tmp_path}/f.*", max_rel_error=0.0001)
    assert (tmp_path / "f.cog.tif").exists()
    with rasterio.open(tmp_path / "f.cog.tif") as scene:
        assert (scene.read() == np.float32(0.1)).all()


def test_whole_numbers_in_floats_are_no_larger_than_without_loss(tmp_path):
    pixels = radar("uint16", (1, 200, 200)).astype("float32")
    source = write_scene(tmp_path / "s.tif", pixels)
    sizes = {}
    for n, target in enumerate(["lossless", "max-rel-error=0.02%", "max-rel-error=5%"]):
        report = rsic_geo.compress(source, tmp_path / f"{n}.jp2", target=target, codec="jp2")
        sizes[target] = report.to_json()["bytes"]
    assert sizes["max-rel-error=5%"] < sizes["max-rel-error=0.02%"] <= sizes["lossless"]


@pytest.mark.parametrize(
    "text", ["max-rel-error=0", "max-rel-error=60%", "max-rel-error=1r", "max-rel-error", "max-rel-error=-1%"]
)
def test_a_wrong_value_is_a_usage_error(text):
    with pytest.raises(UsageError, match="max-rel-error"):
        Target.parse(text)


@given(st.floats(1e-5, 0.5))
def test_targets_are_read_back_as_they_are_written(part):
    target = Target(kind="max-rel-error", value=part)
    assert Target.parse(target.exact) == target
    assert Target.parse(str(target)).value == pytest.approx(part, rel=1e-5)


@given(
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["uint8", "float32", "complex64", 7]),
            "bounds": st.one_of(st.just(None), st.lists(st.floats(-1, 2), min_size=1, max_size=2)),
            "low": st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=2),
            "top": st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=2),
        }
    )
)
@settings(max_examples=60)
def test_a_damaged_record_is_a_clear_error_and_takes_no_memory(record):
    try:
        steps = steps_of({"affine": json.loads(json.dumps(record))})
    except ContainerError:
        return
    assert isinstance(steps, RelativeSteps)
    assert all(len(values) <= 65536 for values, _ in steps.tables())


def test_a_batch_keeps_it_counts_it_and_migrates_only_to_what_keeps_it(tmp_path, capsys):
    """The proof counts parts of samples by itself; a migration to a looser promise is refused."""
    (tmp_path / "in").mkdir()
    write_scene(tmp_path / "in/s.tif", radar("uint16"))
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    asked = ["--target", "max-rel-error=1%", "--codec", "jp2", "--jobs", "1"]
    assert main(["batch", "run", str(tmp_path / "in"), str(first), *asked]) == 0
    with rsic_geo.open(next(first.rglob("*.jp2"))) as scene:
        assert worst_part(radar("uint16"), scene.read()) <= Fraction(0.01)
    capsys.readouterr()
    looser = ["batch", "migrate", str(first), str(second), "--target", "max-rel-error=5%"]
    assert main(looser) == 2
    assert "keeps less" in capsys.readouterr().err
    other = ["batch", "migrate", str(first), str(third), "--target", "max-error=100"]
    assert main(other) == 3
    said = capsys.readouterr()
    assert "of a sample" in said.out + said.err
    assert not list(third.rglob("*.jp2"))
