"""Coded cells and filters: everything comes back, damage is refused or harmless, and prices are true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsic_geo.container import coded
from rsic_geo.container.arithmetic import Meter, Model, Writer, code_signed
from rsic_geo.container.coded import coefficient_bits, filter_bits, pack_coded, unpack_coded
from rsic_geo.container.filters import (
    LIMIT,
    MAX_BANDS,
    MAX_COLUMNS,
    MAX_PROPOSALS,
    FilterTaps,
    clusters,
    column_count,
    largest_reach,
)
from rsic_geo.errors import ContainerError

NOTHING = np.zeros((0, 0, 0), np.uint8)
RGB = ((0, 1, 2),)


@st.composite
def band_groups(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    sizes = draw(st.lists(st.sampled_from([1, 3]), min_size=1, max_size=12))
    ends = np.cumsum([0, *sizes])
    return tuple(tuple(range(a, b)) for a, b in zip(ends[:-1], ends[1:], strict=True))


@st.composite
def filters_of(draw: st.DrawFn, bands: int) -> FilterTaps | None:
    if draw(st.booleans()):
        return None
    reach = draw(st.integers(0, largest_reach(bands)))
    edges = tuple(sorted(draw(st.sets(st.integers(1, 31), max_size=7))))
    proposals = draw(st.integers(1, MAX_PROPOSALS))
    shape = (len(edges) + 2 if edges else 1, bands, column_count(bands, reach, proposals))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([1, 3, 40, LIMIT]))
    values = rng.integers(-size, size, shape, endpoint=True) * (rng.random(shape) < 0.5)
    differences = values.astype(np.int16)
    return FilterTaps(bands=bands, reach=reach, edges=edges, differences=differences, proposals=proposals)


@st.composite
def cells_of(draw: st.DrawFn, groups: int) -> tuple[np.ndarray, np.ndarray]:
    shape = (groups, draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        return tuple(rng.integers(0, 256, (2, *shape)).astype(np.uint8))
    levels = np.clip(150 + rng.normal(0, 5, shape), 0, 255).astype(np.uint8)
    strengths = (128 + 8 * rng.integers(-3, 3, shape)) * (rng.random(shape) < 0.9)
    return levels, strengths.astype(np.uint8)


@given(data=st.data(), groups=band_groups(), with_cells=st.booleans())
@settings(max_examples=60)
def test_cells_and_filters_come_back(data, groups, with_cells):
    parts = clusters(groups)
    filters = tuple(data.draw(filters_of(sum(len(groups[n]) for n in numbers))) for numbers in parts)
    levels, strengths = data.draw(cells_of(len(groups))) if with_cells else (NOTHING, NOTHING)
    content = pack_coded(levels, strengths, filters, groups)
    back = unpack_coded(content, levels.shape if with_cells else (len(groups), 3, 4), groups)
    np.testing.assert_array_equal(back[0], levels)
    np.testing.assert_array_equal(back[1], strengths)
    assert back[2] == (filters if any(filters) else ())
    assert bool(content) == (with_cells or any(filters))


@given(content=st.binary(min_size=1, max_size=200), groups=band_groups())
def test_noise_is_refused_or_something_that_can_be_used(content, groups):
    shape = (len(groups), 2, 3)
    try:
        levels, strengths, filters = unpack_coded(content, shape, groups)
    except ContainerError:
        return
    assert levels.shape == strengths.shape
    assert levels.shape in ((0, 0, 0), shape)
    assert len(filters) in (0, len(clusters(groups)))
    for one in filter(None, filters):
        assert np.abs(one.coefficients).max() <= 2 * LIMIT + 16
        assert one.coefficients.shape[2] <= MAX_COLUMNS + MAX_BANDS * (MAX_PROPOSALS - 1)


def test_what_follows_or_is_far_too_long_is_refused():
    taps = FilterTaps(bands=3, reach=1, edges=(9,), differences=np.full((3, 3, 9), 77, np.int16))
    content = pack_coded(NOTHING, NOTHING, (taps,), RGB)
    with pytest.raises(ContainerError, match="followed"):
        unpack_coded(content + b"\1" * 8, (1, 1, 1), RGB)
    with pytest.raises(ContainerError, match="long"):
        unpack_coded(content + bytes(1 << 20), (1, 1, 1), RGB)


def test_many_filters_of_nothing_are_refused_before_they_take_time():
    """A learned zero takes a hundredth of a bit: a kilobyte could ask for hours."""
    groups = tuple((3 * k, 3 * k + 1, 3 * k + 2) for k in range(2000))
    nothing = np.zeros((9, 6, column_count(6, 2, 4)), np.int16)
    taps = FilterTaps(bands=6, reach=2, edges=tuple(range(1, 8)), differences=nothing, proposals=4)
    with pytest.raises(ContainerError, match="more than"):
        pack_coded(NOTHING, NOTHING, (taps,) * 1000, groups)
    writer = Writer(coded._model())
    writer.flat(1, 0)
    for _ in range(1000):
        coded._code_filter(writer, taps, 6, 1 << 30)
    content = writer.data()
    assert len(content) < 20_000
    with pytest.raises(ContainerError, match="more than"):
        unpack_coded(content, (0, 0, 0), groups)


def test_a_coefficient_that_is_none_costs_a_fraction_of_a_bit():
    nothing = np.zeros((1, 3, column_count(3, 3)), np.int16)
    taps = FilterTaps(bands=3, reach=3, edges=(), differences=nothing)
    assert len(pack_coded(NOTHING, NOTHING, (taps,), RGB)) <= 6  # 117 coefficients


@given(data=st.data())
@settings(max_examples=30)
def test_what_a_filter_is_said_to_take_it_takes(data):
    taps = data.draw(filters_of(3))
    if taps is None:
        return
    taken = 8 * len(pack_coded(NOTHING, NOTHING, (taps,), RGB))
    assert taken - 10 <= filter_bits(taps) + 1 <= taken + 10


@given(kind=st.integers(0, 9), value=st.integers(-63, 63), of_class=st.booleans())
def test_the_price_of_a_coefficient_is_that_of_the_first_one_coded(kind, value, of_class):
    (price,) = coefficient_bits(np.array([value]), np.array([kind]), of_class=of_class)
    shares = coded._KINDS_BEGIN[of_class][kind]
    meter = Meter(Model(shares))
    code_signed(meter, 0, value, longest=len(shares) - 1)
    assert price == pytest.approx(meter.bits, abs=1e-3)


def test_alike_cells_are_nearly_free():
    levels = np.full((3, 40, 40), 150, np.uint8)
    strengths = np.full((3, 40, 40), 128, np.uint8)
    assert len(pack_coded(levels, strengths, (), ((0,), (1,), (2,)))) < 3 * 1600 / 20
