"""The seam report finds seams that are there and none that are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from jp2_support import landscape

from rsic_geo.errors import UsageError
from rsic_geo.evaluation.seams import SeamOptions, StepProfile, jackknife, seam_report, steps_at


def _profile(pixels, valid=None, rows=100):
    bands, height, width = pixels.shape
    profile = StepProfile(width, height)
    valid = np.ones(pixels.shape, bool) if valid is None else valid
    for top in range(0, height, rows):
        profile.add(pixels[:, top : top + rows], valid[:, top : top + rows])
    return profile


def test_profiles_are_mean_steps_however_the_rows_come():
    pixels = landscape((2, 150, 130))
    whole, parts = _profile(pixels, rows=150), _profile(pixels, rows=37)
    values = pixels.astype(float)
    np.testing.assert_allclose(parts.down, np.abs(np.diff(values, axis=1)).sum(axis=(0, 2)))
    np.testing.assert_allclose(parts.across, np.abs(np.diff(values, axis=2)).sum(axis=(0, 1)))
    for name in ("across", "down", "across_count", "down_count"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name))


def test_steps_from_and_to_invalid_pixels_do_not_count():
    pixels = np.zeros((1, 40, 40), np.uint8)
    valid = np.ones(pixels.shape, bool)
    pixels[0, 10:20, 10:20] = 255
    valid[0, 10:20, 10:20] = False
    profile = _profile(pixels, valid)
    assert profile.across.sum() == profile.down.sum() == 0
    assert profile.across_count[9] == 30  # ten of the 40 rows step into the hole there


def test_a_step_at_the_border_shows_and_its_absence_too():
    rng = np.random.default_rng(2)
    pixels = rng.normal(100, 4, (1, 400, 400))
    places = (range(100, 400, 100), range(100, 400, 100))
    clean = jackknife(*steps_at(_profile(pixels), places).T)
    assert abs(clean.ratio - 1) < 4 * clean.error < 0.2
    pixels[:, :, 100:] += 3
    pixels[:, :, 200:] -= 3
    pixels[:, 300:] += 3
    seamed = jackknife(*steps_at(_profile(pixels), places).T)
    assert seamed.ratio > 1.05
    assert not seamed.is_seamless


def test_two_ratios_divide_and_errors_are_of_the_right_size():
    rng = np.random.default_rng(3)
    a, b = rng.normal(10, 1, 400), np.full(400, 10.0)
    single = jackknife(a, b)
    assert single.error == pytest.approx(a.std() / math.sqrt(400) / 10, rel=0.05)
    assert jackknife(a, b, a, b).ratio == pytest.approx(1)
    assert jackknife(a, b, a, b).error == pytest.approx(0, abs=1e-9)
    assert jackknife(np.zeros(0), np.zeros(0)).borders == 0


def test_windows_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="multiple of 64"):
        SeamOptions(window_sizes=(100,))
    with pytest.raises(UsageError, match="leave it out"):
        SeamOptions(window_sizes=(448,))


def test_a_scene_smaller_than_its_windows_has_no_borders(sample_data):
    with pytest.raises(UsageError, match="no border"):
        seam_report(str(sample_data / "town_pan_gcps.tif"), SeamOptions(window_sizes=(8192,)))


@pytest.mark.slow
def test_the_shipped_network_leaves_no_seams(sample_data):
    scene = sample_data / "fields_rgb_utm.tif"
    found = seam_report(str(scene), SeamOptions(window_sizes=(192,), other_size=320))
    assert found["passed"]
    (entry,) = found["windows"]
    assert entry["same_places"]["correction"]["ratio"] == pytest.approx(1, abs=0.02)
    assert entry["difference"]["above_1"] < 1e-3
    assert entry["difference"]["max"] <= 3
