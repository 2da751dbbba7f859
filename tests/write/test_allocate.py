"""Laws of the allocation: convex curves, one slope for all tiles, budgets kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsic_geo.write.rate import allocate
from rsic_geo.write.rate.allocate import TileCurve

points = st.lists(
    st.tuples(st.integers(10, 200_000), st.floats(1.0, 1e9)),
    min_size=1,
    max_size=12,
    unique_by=lambda p: p[0],
)


def exponential(scale: float, rate: float) -> TileCurve:
    """Return the curve of a tile whose error falls by e every ``rate`` bytes."""
    sizes = tuple(int(rate * i / 2) + 20 for i in range(14))
    return TileCurve.from_points(sizes, tuple(scale * float(np.exp(-s / rate)) for s in sizes))


@given(points)
@example([(10, 1.0000000000000002), (11, 1.0)])
def test_curves_fall_and_are_convex(measured: list[tuple[int, float]]) -> None:
    curve = TileCurve.from_points(tuple(p[0] for p in measured), tuple(p[1] for p in measured))
    assert (np.diff(curve.size) > 0).all()
    assert (np.diff(curve.sse) < 0).all()
    slopes = np.diff(curve.sse) / np.diff(curve.size)
    assert (np.diff(slopes) >= -1e-9 * np.abs(slopes[:-1])).all()


@given(points, st.floats(1e-6, 1e6))
def test_a_slope_picks_the_cheapest_point(measured: list[tuple[int, float]], slope: float) -> None:
    curve = TileCurve.from_points(tuple(p[0] for p in measured), tuple(p[1] for p in measured))
    size, sse = curve.at_slope(slope)
    best = (curve.sse + slope * curve.size).min()
    assert sse + slope * size == pytest.approx(best, rel=1e-9)


@given(
    st.lists(st.tuples(st.floats(1e3, 1e8), st.floats(200, 40_000)), min_size=1, max_size=20),
    st.floats(0.2, 3),
)
def test_bytes_are_spent_to_the_last_percent(tiles: list[tuple[float, float]], part: float) -> None:
    curves = [exponential(scale, rate) for scale, rate in tiles]
    budget = int(part * sum(rate for _, rate in tiles)) + 40 * len(tiles)
    allocation = allocate.for_bytes(curves, budget)
    assert allocation.total <= budget
    assert allocation.total >= 0.98 * budget - len(tiles)


def test_a_busy_tile_gets_more_than_a_smooth_one() -> None:
    busy, smooth = exponential(1e8, 20_000), exponential(1e5, 20_000)
    allocation = allocate.for_bytes([busy, smooth], 60_000)
    assert allocation.sizes[0] > 2 * allocation.sizes[1]


def test_equal_slope_beats_equal_bytes() -> None:
    curves = [exponential(1e8, 20_000), exponential(1e6, 5_000), exponential(1e4, 1_000)]
    allocation = allocate.for_bytes(curves, 45_000)
    equal = sum(float(np.interp(15_000, c.size, c.sse)) for c in curves)
    assert allocation.predicted_sse < 0.8 * equal


@given(st.floats(2e-3, 0.9))
def test_an_error_is_met_with_few_bytes(part: float) -> None:
    curves = [exponential(1e8, 20_000), exponential(1e7, 9_000)]
    wanted = part * 1.1e8
    allocation = allocate.for_error(curves, wanted)
    assert allocation.predicted_sse <= wanted * (1 + 1e-9)
    fewer = allocate.for_bytes(curves, int(allocation.total * 0.93))
    assert fewer.predicted_sse > wanted


def test_what_is_left_is_told_by_tiles_that_were_decoded_and_by_their_bytes() -> None:
    asked = (100.0, 25.0)
    busy = (((50_000, 90_000), (130.0, 30.0), asked), 28.0)
    few = (((10, 20), (70.0, 20.0), asked), 28.0)
    silent = (((5, 9), (), asked), 28.0)
    assert allocate.usually_left([busy, silent]) == pytest.approx(1.2)
    assert allocate.usually_left([(busy[0], 120.0)]) == pytest.approx(1.3)
    assert allocate.usually_left([busy, few]) == pytest.approx(1.2, rel=1e-3)
    assert allocate.usually_left([silent]) == 1.0
