"""Measures agree with independent implementations, and keep to the valid pixels."""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
import types

import numpy as np
import pytest
from jp2_support import landscape

from rsic_geo.errors import UsageError
from rsic_geo.evaluation.metrics import LEAST_SIDE, Scale, gmsd, ms_ssim, quality

BYTES = Scale(peak=255, low=(0,) * 3, high=(255,) * 3)


@pytest.fixture(scope="module", params=[(256, 320), (233, 301)], ids=["even", "odd"])
def pair(request):
    """Return a scene and a distorted copy, uint8 (3, h, w)."""
    height, width = request.param
    scene = landscape((3, height, width))
    noise = np.random.default_rng(5).normal(0, 9, scene.shape)
    blurred = (scene.astype(float) + np.roll(scene, 1, axis=2) + np.roll(scene, 1, axis=1)) / 3
    return scene, np.clip(blurred + noise, 0, 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def piq():
    """Return a loader of piq's modules that passes by its package, which needs torchvision."""
    found = importlib.util.find_spec("piq")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("piq is not installed")
    package = types.ModuleType("piq")
    package.__path__ = list(found.submodule_search_locations)
    before = {name for name in sys.modules if name.split(".")[0] == "piq"}
    if not before:
        sys.modules["piq"] = package
    yield lambda name: importlib.import_module(f"piq.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == "piq" and name not in before]:
        del sys.modules[name]


def _tensors(*planes):
    torch = pytest.importorskip("torch")
    return [torch.from_numpy(p.astype(np.float32) / 255)[None, None] for p in planes]


def test_psnr_is_that_of_scikit_image(pair):
    metrics = pytest.importorskip("skimage.metrics")
    scene, other = pair
    found = quality(scene, other, None, BYTES)
    assert found.psnr == pytest.approx(
        metrics.peak_signal_noise_ratio(scene, other, data_range=255), abs=1e-3
    )
    for band in range(3):
        expected = metrics.peak_signal_noise_ratio(scene[band], other[band], data_range=255)
        assert found.psnr_bands[band] == pytest.approx(expected, abs=1e-3)


def test_ms_ssim_is_that_of_pytorch_msssim(pair):
    independent = pytest.importorskip("pytorch_msssim")
    scene, other = pair
    found = quality(scene, other, None, BYTES)
    for band in range(3):
        expected = float(independent.ms_ssim(*_tensors(scene[band], other[band]), data_range=1.0))
        assert found.ms_ssim_bands[band] == pytest.approx(expected, abs=1e-3)
    assert found.ms_ssim == pytest.approx(sum(found.ms_ssim_bands) / 3)


def test_ms_ssim_and_gmsd_are_those_of_piq(pair, piq):
    scene, other = pair
    found = quality(scene, other, None, BYTES)
    for band in range(3):
        tensors = _tensors(scene[band], other[band])
        assert found.ms_ssim_bands[band] == pytest.approx(
            float(piq("ms_ssim").multi_scale_ssim(*tensors)), abs=1e-3
        )
        assert found.gmsd_bands[band] == pytest.approx(float(piq("gmsd").gmsd(*tensors)), abs=1e-3)


def test_a_scene_is_like_itself(pair):
    found = quality(pair[0], pair[0], None, BYTES)
    assert math.isinf(found.psnr)
    assert found.ms_ssim == pytest.approx(1)
    assert found.gmsd == pytest.approx(0, abs=1e-6)


def test_invalid_pixels_do_not_count(pair):
    scene, other = pair
    valid = np.ones(scene.shape, bool)
    valid[:, 40:60, 30:45] = False
    wild = np.where(valid, other, 0)
    wilder = np.where(valid, other, 255)
    assert quality(scene, wild, valid, BYTES) == quality(scene, wilder, valid, BYTES)
    assert quality(scene, wild, valid, BYTES).psnr > quality(scene, wild, None, BYTES).psnr


def test_nodata_that_is_no_number_does_no_harm():
    scene = landscape((1, 200, 200)).astype(np.float32)
    other = scene + 3
    valid = np.ones(scene.shape, bool)
    valid[0, :5] = False
    scene[~valid] = np.nan
    found = quality(scene, other, valid, Scale(peak=255, low=(0,), high=(255,)))
    assert found.psnr == pytest.approx(20 * math.log10(255 / 3), abs=1e-6)
    assert 0.9 < found.ms_ssim <= 1
    assert found.gmsd < 0.1


def test_a_mask_of_all_valid_pixels_changes_nothing(pair):
    scene, other = pair
    plane, second = (p[0].astype(np.float32) / 255 for p in pair)
    everywhere = np.ones(plane.shape, bool)
    assert quality(scene, other, np.ones(scene.shape, bool), BYTES) == quality(scene, other, None, BYTES)
    assert ms_ssim(plane, second, everywhere) == pytest.approx(ms_ssim(plane, second), abs=1e-6)
    assert gmsd(plane, second, everywhere) == pytest.approx(gmsd(plane, second), abs=1e-6)


def test_scenes_too_small_or_too_full_of_holes_have_no_ms_ssim():
    small = np.zeros((LEAST_SIDE - 1, 400), np.float32)
    assert math.isnan(ms_ssim(small, small))
    plane = np.zeros((LEAST_SIDE, LEAST_SIDE), np.float32)
    holes = np.ones(plane.shape, bool)
    holes[::40, ::40] = False
    assert ms_ssim(plane, plane) == pytest.approx(1)
    assert math.isnan(ms_ssim(plane, plane, holes))


def test_bands_without_samples_are_left_out_of_the_mean(pair):
    scene, other = pair
    valid = np.ones(scene.shape, bool)
    valid[2] = False
    found = quality(scene, other, valid, BYTES)
    assert math.isnan(found.psnr_bands[2])
    assert found.ms_ssim == pytest.approx(sum(found.ms_ssim_bands[:2]) / 2)
    assert math.isfinite(found.psnr)


def test_structure_is_measured_in_the_used_range(pair):
    scene, other = pair
    twelve_bits = Scale(peak=65535, low=(100,) * 3, high=(100 + 255 * 16,) * 3)
    found = quality(scene.astype(np.uint16) * 16 + 100, other.astype(np.uint16) * 16 + 100, None, twelve_bits)
    eight = quality(scene, other, None, BYTES)
    assert found.ms_ssim == pytest.approx(eight.ms_ssim, abs=1e-5)
    assert found.gmsd == pytest.approx(eight.gmsd, abs=1e-5)
    assert found.psnr == pytest.approx(eight.psnr + 20 * math.log10(65535 / (255 * 16)), abs=1e-6)


def test_scenes_of_two_shapes_are_refused():
    with pytest.raises(UsageError, match="cannot be compared"):
        quality(np.zeros((1, 5, 5)), np.zeros((1, 5, 6)), None, BYTES)
