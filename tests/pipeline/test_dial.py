"""The search on a dial finds what grows along it, also where the curve it began with is wrong."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.pipeline.dial import LEVELS, STOPS, Guide, Stop, Table


def curve_of(value, wanted):
    table = Table(lambda dial: Stop(dial=dial, size=math.exp(value(dial)), error=1.0, scored=1.0))
    for stop in STOPS:
        table.add(stop)
    return table.log_sizes(wanted)


@given(
    slope=st.floats(0.3, 6),
    bend=st.floats(-0.2, 2),
    wrong=st.floats(-2, 2),
    tilt=st.floats(0.5, 2),
    target=st.floats(-0.95, 1.95),
)
def test_ten_rounds_come_within_two_steps(slope, bend, wrong, tilt, target):
    """The scene differs from the curve by a shift and a factor; the target is the value at some setting."""

    def probe(dial):
        return 8 + slope * dial + bend * max(dial, 0) ** 2

    def scene(dial):
        return wrong + 8 + tilt * (probe(dial) - 8)

    wanted = scene(target)
    guide = Guide(curve_of(probe, wanted), wanted, {})
    tried = []
    for _ in range(10):
        dial = guide.next()
        if dial is None:
            break
        assert dial not in tried
        assert -1 <= dial <= 2
        tried.append(dial)
        guide.learn(dial, scene(dial))
        if abs(scene(dial) - wanted) < 0.01:
            return
    if target < min(curve_of(probe, wanted).dials) or target > max(curve_of(probe, wanted).dials):
        return  # the probes promised that the target lies between the network's qualities
    assert min(abs(dial - target) for dial in tried) <= 2 / LEVELS


@given(
    known=st.dictionaries(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), st.floats(0, 9), min_size=1),
    goal=st.floats(0, 9),
)
def test_the_largest_that_fits_else_the_least(known, goal):
    guide = Guide(curve_of(lambda dial: dial, goal), goal, known)
    chosen = guide.below(0.01)
    fitting = [dial for dial, value in known.items() if value <= goal + 0.01]
    assert chosen == (max(fitting) if fitting else min(known))
