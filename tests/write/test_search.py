"""The search on a dial finds what grows along it, also where the curve it began with is wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.write.rate.search import LEVELS, Curve, Guide, answered, stops

STOPS = stops(beyond=True)


def curve_of():
    return Curve({}, STOPS)


@given(
    slope=st.floats(0.3, 6),
    bend=st.floats(-0.2, 2),
    wrong=st.floats(-2, 2),
    tilt=st.floats(0.5, 2),
    target=st.floats(-0.95, 1.95),
)
def test_ten_rounds_come_within_two_steps(slope, bend, wrong, tilt, target):
    """The scene differs from the curve by a shift and a factor; the target is the value at some setting."""

    bend = max(bend, 0.01 - slope / 4)  # else it would fall before its end

    def probe(dial):
        return 8 + slope * dial + bend * max(dial, 0) ** 2

    def scene(dial):
        return wrong + 8 + tilt * (probe(dial) - 8)

    wanted = scene(target)
    guide = Guide(curve_of(), wanted, {})
    tried = []
    for _ in range(10):
        dial = answered(guide.next(), probe)
        if dial is None:
            break
        assert dial not in tried
        assert -1 <= dial <= 2
        tried.append(dial)
        guide.learn(dial, scene(dial))
        if abs(scene(dial) - wanted) < 0.01:
            return
    assert min(abs(dial - target) for dial in tried) <= 2 / LEVELS


@given(
    known=st.dictionaries(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), st.floats(0, 9), min_size=1),
    goal=st.floats(0, 9),
)
def test_the_largest_that_fits_else_the_least(known, goal):
    guide = Guide(curve_of(), goal, known)
    chosen = guide.below(0.01)
    fitting = [dial for dial, value in known.items() if value <= goal + 0.01]
    assert chosen == (max(fitting) if fitting else min(known))


@given(value=st.floats(-2, 3), slope=st.floats(0.3, 6))
def test_no_more_is_measured_than_lies_between_the_middle_and_what_is_wanted(value, slope):
    measured = []

    def probe(dial):
        measured.append(dial)
        return 20 + slope * dial

    found = answered(curve_of().inverse(20 + slope * value), probe)
    assert abs(found - min(max(value, STOPS[0]), STOPS[-1])) < 1e-4
    assert len(measured) == len(set(measured))
    below, above = min(measured), max(measured)
    assert below <= found <= above
    assert all(min(value, 0.5) < stop < max(value, 0.5) for stop in measured if below < stop < above)


@given(dial=st.floats(-1, 2), sag=st.floats(0, 3))
def test_a_curve_is_asked_where_it_was_not_measured_and_rises_where_the_scene_does_not(dial, sag):
    curve = curve_of()

    def ask(lookup):
        return answered(lookup, lambda at: 8 + at - sag * (0 < at < 1))

    value = ask(curve.at(dial))
    found = ask(curve.inverse(value))
    assert abs(ask(curve.at(found)) - value) < 1e-4
    if sag == 0:
        assert abs(found - dial) < 1e-4
    rising = [ask(curve.at(stop)) for stop in (-1, 0, 0.5, 1, 2)]
    assert all(low < high for low, high in zip(rising, rising[1:], strict=False))
