"""The adaptive filter: what it computes, what fitting finds, and what archives with it are worth."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from enhance_support import steps
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import measured, write_scene
from scipy import ndimage
from support import SCENES, needs_shared

import rsic_geo
from rsic_geo.container.filters import (
    LIGHTS,
    FilterTaps,
    column_count,
    largest_reach,
    tap_offsets,
)
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.repair import load_enhancer
from rsic_geo.repair.filter import MARGIN, apply_filter, colour_axes, step_sizes, whole_weights
from rsic_geo.repair.filter_fit import NormalEquations, fit_filters
from rsic_geo.repair.units import FINE, STEPS
from rsic_geo.scenes.archive import Archive

BANDS = st.sampled_from([1, 2, 3, 4, 8])


INNER = (slice(None), slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
"""What a filter gives back of the planes it is given."""


def planes(bands: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return decoded pixels, smooth and of all brightnesses, and a correction of them, in steps."""
    rng = np.random.default_rng(seed)
    decoded = ndimage.gaussian_filter(rng.normal(0, 1, (bands, side, side + 9)), (0, 2, 2))
    decoded = 0.1 + 0.8 * (decoded - decoded.min()) / np.ptp(decoded)  # far from where pixels are held
    return steps(decoded), fine(rng.normal(0, 0.02, decoded.shape))


def fine(correction: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(correction * FINE), -32767, 32767).astype(np.int16)


def proposals_of(correction: np.ndarray, count: int) -> np.ndarray:
    """Return a correction followed by unlike ones: (count * bands, h, w)."""
    rng = np.random.default_rng(count)
    return np.concatenate([correction, *fine(rng.normal(0, 0.02, (count - 1, *correction.shape)))])


def taps_of(
    bands: int, reach: int, edges: tuple[int, ...], seed: int, count: int = 1, most: int = 30
) -> FilterTaps:
    rng = np.random.default_rng(seed)
    sets = len(edges) + 2 if edges else 1
    values = rng.integers(-most, most, (sets, bands, column_count(bands, reach, count))).astype(np.int16)
    return FilterTaps(bands=bands, reach=reach, edges=edges, differences=values, proposals=count)


@given(bands=BANDS, edges=st.sampled_from([(), (9, 17)]), seed=st.integers(0, 999), count=st.integers(1, 3))
@settings(max_examples=20)
def test_the_neutral_filter_passes_the_first_proposal_on(bands, edges, seed, count):
    decoded, correction = planes(bands, 40, seed)
    nothing = np.zeros((len(edges) + 2 if edges else 1, bands, column_count(bands, 1, count)), np.int16)
    taps = FilterTaps(bands=bands, reach=1, edges=edges, differences=nothing, proposals=count)
    found = apply_filter(taps, decoded, proposals_of(correction, count))
    np.testing.assert_array_equal(found, correction[INNER])


@pytest.mark.parametrize("bands", [1, 3, 4])
@pytest.mark.parametrize("edges", [(), (11, 16, 20)])
@pytest.mark.parametrize("count", [1, 3])
def test_it_is_the_convolution_it_says(bands, edges, count):
    """Against scipy, class by class, kernels written out."""
    decoded, correction = planes(bands, 50, 3)
    proposed = proposals_of(correction, count)
    reach = largest_reach(bands)
    taps = taps_of(bands, reach, edges, 4, count)
    axes = colour_axes(bands)
    enhanced = decoded / STEPS + correction / FINE
    turned = np.tensordot(axes, enhanced, axes=1)
    every = (proposed / FINE).reshape(count, *correction.shape)
    mixed = np.concatenate([np.tensordot(axes, one, axes=1) for one in every])
    light = ndimage.uniform_filter((decoded / STEPS).mean(axis=0), 5, mode="nearest") * LIGHTS
    kinds = np.digitize(light, edges) if edges else np.zeros(light.shape, int)
    expected = np.zeros_like(turned)
    for kind, one in enumerate(taps.coefficients * step_sizes(bands, reach, count)):
        for axis in range(bands):
            out = np.tensordot(one[axis, : bands * count], mixed, axes=1)
            for source in range(bands):
                kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
                for place, (dy, dx) in enumerate(tap_offsets(reach)):
                    value = one[axis, bands * (count + place) + source]
                    kernel[reach + dy, reach + dx] += value
                    kernel[reach - dy, reach - dx] += value
                    kernel[reach, reach] -= 2 * value
                out = out + ndimage.correlate(turned[source], kernel, mode="nearest")
            expected[axis][kinds == kind] = out[kinds == kind]
    expected = np.clip(np.tensordot(axes.T, expected, axes=1), -32767 / FINE, 32767 / FINE)
    far = np.ones(light.shape, bool)  # rounding may class a pixel on an edge the other way
    for edge in edges:
        far &= np.abs(light - edge) > 1e-4
    assert far.mean() > 0.99
    far = far[INNER[1:]]
    # enhanced pixels are rounded to steps, which each tap takes a share of
    size = np.abs(taps.coefficients).sum(axis=2).max() / 128
    found = apply_filter(taps, decoded, proposed)[:, far] / FINE
    np.testing.assert_allclose(found, expected[INNER][:, far], atol=(1 + 2 * size) / STEPS)
    assert np.abs(found - expected[INNER][:, far]).mean() < 0.2 * (1 + size) / STEPS


@given(bands=BANDS, seed=st.integers(0, 999), row=st.integers(0, 30), col=st.integers(0, 30))
@settings(max_examples=20)
def test_a_pixel_depends_on_its_neighbourhood_only(bands, seed, row, col):
    decoded, correction = planes(bands, 60, seed)
    taps = taps_of(bands, largest_reach(bands), (10, 20), seed)
    whole = apply_filter(taps, decoded, correction)
    part = (slice(None), slice(row, row + 30), slice(col, col + 30))
    seen = apply_filter(taps, decoded[part], correction[part])
    np.testing.assert_array_equal(seen, whole[:, row : row + 24, col : col + 24])


def test_sums_too_large_for_single_precision_are_still_exact():
    """The largest coefficients there are, against sums of whole numbers."""
    rng = np.random.default_rng(3)
    decoded, correction = planes(3, 40, 1)
    proposed = rng.integers(-32767, 32767, (9, *correction.shape[1:])).astype(np.int16)
    values = rng.choice(np.array([-4095, 4095], np.int16), (1, 3, column_count(3, 0, 3)))
    taps = FilterTaps(bands=3, reach=0, edges=(), differences=values, proposals=3)
    sums = np.tensordot(whole_weights(taps)[0], proposed[INNER].astype(np.int64), axes=1)
    assert np.abs(sums).max() > 1 << 24
    expected = np.clip((sums + 128) >> 8, -32767, 32767)
    np.testing.assert_array_equal(apply_filter(taps, decoded, proposed), expected)


@given(bands=BANDS, seed=st.integers(0, 999), edges=st.sampled_from([(), (8, 16, 24)]))
@settings(max_examples=20)
def test_the_sums_tell_the_error_that_applying_leaves(bands, seed, edges):
    count = 1 + seed % 3
    decoded, correction = planes(bands, 70, seed)
    proposed = proposals_of(correction, count)
    error = np.random.default_rng(seed).normal(0, 0.03, decoded[INNER].shape).astype(np.float32)
    scored = np.random.default_rng(seed + 1).random(error.shape[1:]) < 0.8
    sums = NormalEquations(bands=bands, proposals=count)
    sums.add(decoded, proposed, error, scored)
    taps = taps_of(bands, sums.reach, edges, seed, count, most=4)  # none that leaves 16 bits
    left = (error - apply_filter(taps, decoded, proposed) / FINE)[:, scored]
    assert sums.counts.sum() == scored.sum()
    assert sums.error_of(taps).sum() == pytest.approx(np.square(left, dtype=np.float64).sum(), rel=2e-3)


def test_fitting_finds_the_filter_that_made_the_error():
    decoded, correction = planes(4, 200, 7)
    correction = proposals_of(correction, 2)
    true = taps_of(4, 1, (15,), 8, 2)
    error = (apply_filter(true, decoded, correction) / FINE).astype(np.float32)
    sums = NormalEquations(bands=4, proposals=2)
    sums.add(decoded, correction, error, np.ones(error.shape[1:], bool))
    (found,) = fit_filters([sums], [np.ones(4)], 1e7)
    before = np.square(error).sum()
    assert np.square(error - apply_filter(found, decoded, correction) / FINE).sum() < 0.03 * before


@pytest.mark.parametrize("bits", [300.0, 3e4, 3e6, 3e8])
def test_no_filter_costs_more_than_it_saves(bits):
    """Noise: what a coefficient seems to save here it would not save elsewhere, so few are sent."""
    decoded, correction = planes(3, 300, 9)
    error = np.random.default_rng(1).normal(0, 0.03, decoded[INNER].shape).astype(np.float32)
    sums = NormalEquations(bands=3)
    sums.add(decoded, 0 * correction, error, np.ones(error.shape[1:], bool))
    (found,) = fit_filters([sums], [np.ones(3)], bits)
    if found is None:
        return
    from rsic_geo.container.coded import filter_bits

    saved = 1 - sums.error_of(found).sum() / np.square(error, dtype=np.float64).sum()
    assert saved > filter_bits(found) / bits


def test_nothing_is_fitted_to_too_few_pixels():
    decoded, correction = planes(3, 20, 9)
    sums = NormalEquations(bands=3)
    error = (2 * correction[INNER] / FINE).astype(np.float32)
    sums.add(decoded, correction, error, np.ones(error.shape[1:], bool))
    assert fit_filters([sums], [np.ones(3)], 1e9) == (None,)


@pytest.mark.parametrize("size", [64, 128, 1024])
def test_windows_of_any_size_give_the_same_archive(tmp_path, size):
    source = alike_bands(tmp_path / "s.tif", side=300)
    for name, window in (("a", size), ("b", 512)):
        archive = tmp_path / f"{name}.jp2"
        rsic_geo.compress(source, archive, target="bpp=2", model="rsic-linear", window_size=window)
    assert (tmp_path / "a.jp2").read_bytes() == (tmp_path / "b.jp2").read_bytes()


def alike_bands(path, *, bands: int = 4, side: int = 400):
    """Write a scene whose bands show the same fields and roads, each with noise and contrast of its own."""
    rng = np.random.default_rng(5)
    fields = ndimage.gaussian_filter(np.kron(rng.random((20, 20)), np.ones((side // 20, side // 20))), 0.8)
    grain = ndimage.gaussian_filter(rng.normal(0, 1, (side, side)), 1.0)
    out = []
    for band in range(bands):
        own = ndimage.gaussian_filter(rng.normal(0, 1, (side, side)), 1.0)
        out.append(2000 + 3000 * fields * (0.6 + 0.2 * band) + 260 * grain + 40 * own)
    return write_scene(path, np.rint(np.stack(out)).astype(np.uint16))


def test_bands_coded_apart_help_each_other(tmp_path):
    source = alike_bands(tmp_path / "s.tif")
    gained = {}
    for model in ("none", "rsic-linear"):
        archive = tmp_path / f"{model}.jp2"
        report = rsic_geo.compress(source, archive, target="bpp=2", model=model)
        rsic_geo.decompress(archive, tmp_path / f"{model}.tif")
        gained[model] = measured(source, tmp_path / f"{model}.tif")[0]
        assert report.details["psnr"] == pytest.approx(gained[model], abs=2e-3)
    assert gained["rsic-linear"] > gained["none"] + 0.8
    # one band, one window, other enhancement windows: the same pixels
    whole = rasterio.open(tmp_path / "rsic-linear.tif").read().astype(int)
    rsic_geo.decompress(tmp_path / "rsic-linear.jp2", tmp_path / "b.tif", bands=(2,))
    np.testing.assert_array_equal(rasterio.open(tmp_path / "b.tif").read(1), whole[1])
    with Archive(tmp_path / "rsic-linear.jp2", execution=Execution(window_size=128)) as scene:
        part = scene.read(Window(row_off=100, col_off=37, height=200, width=300))
    np.testing.assert_array_equal(part, whole[:, 100:300, 37:337])


def test_archives_of_the_learned_codec_carry_filters_too(tmp_path):
    source = alike_bands(tmp_path / "s.tif", bands=3, side=320)
    archive = tmp_path / "a.rsic.tif"
    report = rsic_geo.compress(source, archive, target="bpp=2", model="rsic-linear", codec="learned")
    assert report.details["psnr"] > report.details["psnr_codec"] + 0.05
    rsic_geo.decompress(archive, tmp_path / "r.tif")
    assert measured(source, tmp_path / "r.tif")[0] == pytest.approx(report.details["psnr"], abs=2e-2)


def test_a_scene_too_small_to_gain_names_no_model(tmp_path):
    noise = np.random.default_rng(2).integers(0, 255, (3, 45, 45)).astype(np.uint8)
    source = write_scene(tmp_path / "s.tif", noise)
    report = rsic_geo.compress(source, tmp_path / "a.jp2", target="psnr=30", model="rsic-linear")
    assert report.details["model"] is None
    assert report.details["psnr"] == report.details["psnr_codec"]


def test_the_linear_enhancer_needs_an_original(tmp_path, sample_data):
    from rsic_geo.errors import UsageError

    with rasterio.open(sample_data / "fields_rgb_utm.tif") as scene:
        pixels = scene.read()
    lossy = write_scene(tmp_path / "s.tif", pixels, compress="jpeg", photometric="ycbcr")
    with pytest.raises(UsageError, match="network"):
        rsic_geo.enhance(lossy, tmp_path / "e.tif", model="rsic-linear")


@needs_shared
def test_sentinel_2_bands_help_each_other(tmp_path):
    """Must-reach of issue 3: a uint16 scene gains at equal bytes; here without any network."""
    scene = SCENES / "s2_4band_uint16_wgs84.tif"
    psnr = {}
    for model in ("none", "rsic-linear"):
        report = rsic_geo.compress(scene, tmp_path / f"{model}.jp2", target="bpp=1.5", model=model)
        psnr[model] = report.details["psnr"]
    assert psnr["rsic-linear"] > psnr["none"] + 0.25


def test_the_linear_enhancer_loads_no_torch():
    import subprocess
    import sys

    code = (
        "import sys; from rsic_geo.repair import load_enhancer; e = load_enhancer('rsic-linear'); "
        "assert e.name == 'rsic-linear' and 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert load_enhancer("rsic-linear").sha256
