"""BD-rates: known answers, and no number where there is too little to compare."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.evaluation.curves.bdrate import BdRate, RateCurve, bd_rate, overlap_of, summarise

pytest.importorskip("bjontegaard")

RATES = (0.15, 0.25, 0.4, 0.6, 1.0)
ANCHOR = RateCurve(bpp=RATES, quality=(26.0, 28.1, 30.2, 32.0, 34.9))


@given(st.floats(0.6, 1.6))
def test_a_curve_shifted_in_rate_gives_that_shift(factor):
    found = bd_rate(ANCHOR, RateCurve(bpp=tuple(rate * factor for rate in RATES), quality=ANCHOR.quality))
    assert found.percent == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert found.overlap == pytest.approx(1)


def test_the_example_of_the_package():
    anchor = RateCurve(bpp=(9487.76, 4593.60, 2486.44, 1358.24), quality=(40.037, 38.615, 36.845, 34.851))
    test = RateCurve(bpp=(9787.80, 4469.00, 2451.52, 1356.24), quality=(40.121, 38.651, 36.970, 34.987))
    assert bd_rate(anchor, test).percent == pytest.approx(-4.8, abs=0.6)


def test_better_at_equal_bits_is_negative():
    better = RateCurve(bpp=RATES, quality=tuple(value + 0.4 for value in ANCHOR.quality))
    # a doubling of the rate brings about 3.3 dB here: 2 ** (-0.4 / 3.3) is 0.92
    assert -9 < bd_rate(ANCHOR, better).percent < -4
    assert bd_rate(better, ANCHOR).percent > 4


def test_points_that_cost_more_and_give_nothing_are_left_out():
    curve = RateCurve(bpp=(0.4, 0.15, 0.25, 0.25, 0.6, 1.0), quality=(30, 26, 28, 28.5, 29.9, math.inf))
    rising = curve.rising()
    assert rising.bpp == (0.15, 0.25, 0.4)
    assert rising.quality == (26, 28.5, 30)


def test_too_little_overlap_gives_a_reason_and_no_number():
    far = RateCurve(bpp=RATES, quality=tuple(value + 6 for value in ANCHOR.quality))
    found = bd_rate(ANCHOR, far)
    assert math.isnan(found.percent)
    assert "33%" in found.reason
    assert math.isfinite(bd_rate(ANCHOR, far, min_overlap=0.2).percent)
    nowhere = RateCurve(bpp=RATES, quality=tuple(value + 60 for value in ANCHOR.quality))
    assert bd_rate(ANCHOR, nowhere, min_overlap=0).reason
    flat = RateCurve(bpp=RATES, quality=(30.0,) * 5)
    assert "rising points" in bd_rate(ANCHOR, flat).reason


def test_overlap_is_counted_in_the_anchors_range():
    wide = RateCurve(bpp=(0.1, 2.0), quality=(10.0, 60.0))
    assert overlap_of(ANCHOR, wide) == pytest.approx(1)
    assert overlap_of(wide, ANCHOR) == pytest.approx(8.9 / 50)


def test_summary_counts_scenes_and_weighs_sources_alike():
    rates = {name: BdRate(percent=value, overlap=1) for name, value in
             {"a1": -1.0, "a2": -3.0, "a3": -5.0, "b1": 7.0}.items()}  # fmt: skip
    rates["b2"] = BdRate(percent=math.nan, overlap=0.1, reason="too little")
    found = summarise(rates, {name: name[0] for name in rates})
    assert found.mean == pytest.approx(-0.5)
    assert found.median == pytest.approx(-2)
    assert (found.worst, found.worst_scene, found.best) == (7.0, "b1", -5.0)
    assert (found.count, found.above_zero) == (4, 1)
    assert found.sources == {"a": -3.0, "b": 7.0}
    assert found.mean_of_sources == pytest.approx(2)
    assert found.left_out == {"b2": "too little"}


def test_summary_of_nothing_is_no_number():
    found = summarise({}, {})
    assert np.isnan(found.mean)
    assert found.count == 0
