"""Adaptive filters in the box: every coefficient comes back, and damage is never taken for a filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.container.adaptive import (
    LIMIT,
    MAX_BANDS,
    MAX_COLUMNS,
    MAX_PROPOSALS,
    FilterTaps,
    clusters,
    column_count,
    golomb_bits,
    largest_reach,
    pack_filters,
    tap_offsets,
    unpack_filters,
)
from rsic_geo.errors import ContainerError


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


@given(data=st.data(), groups=band_groups())
def test_filters_come_back(data, groups):
    parts = clusters(groups)
    filters = tuple(data.draw(filters_of(sum(len(groups[n]) for n in numbers))) for numbers in parts)
    back = unpack_filters(pack_filters(filters), groups)
    assert back == (filters if any(filters) else ())


@given(groups=band_groups())
def test_clusters_hold_every_group_once_in_order_and_not_too_many_bands(groups):
    parts = clusters(groups)
    assert [number for part in parts for number in part] == list(range(len(groups)))
    sizes = [sum(len(groups[number]) for number in part) for part in parts]
    assert max(sizes) <= MAX_BANDS
    for size, after in zip(sizes, parts[1:], strict=False):  # no cluster could take what follows it
        assert size + len(groups[after[0]]) > MAX_BANDS


@given(content=st.binary(min_size=1, max_size=200), groups=band_groups())
def test_noise_is_refused_or_a_filter_that_can_be_used(content, groups):
    try:
        found = unpack_filters(content, groups)
    except ContainerError:
        return
    assert len(found) == len(clusters(groups))
    for one in filter(None, found):
        assert np.abs(one.coefficients).max() <= 2 * LIMIT + 16
        assert one.coefficients.shape[2] <= MAX_COLUMNS + MAX_BANDS * (MAX_PROPOSALS - 1)


def test_a_filter_cut_short_is_refused():
    taps = FilterTaps(bands=3, reach=1, edges=(9,), differences=np.full((3, 3, 9), 77, np.int16))
    content = pack_filters([taps])
    for length in range(1, len(content)):
        with pytest.raises(ContainerError):
            unpack_filters(content[:length], ((0, 1, 2),))
    with pytest.raises(ContainerError, match="followed"):
        unpack_filters(content + b"\0", ((0, 1, 2),))
    with pytest.raises(ContainerError, match="long"):
        unpack_filters(content + bytes(1 << 20), ((0, 1, 2),))
    with pytest.raises(ContainerError, match="fit"):
        unpack_filters(content, ((0,),))


@given(value=st.integers(-LIMIT, LIMIT), order=st.integers(0, 7))
def test_the_price_of_a_coefficient_is_what_it_takes(value, order):
    from rsic_geo.container.adaptive import _put_golomb

    bits: list[int] = []
    _put_golomb(bits, value, order)
    assert len(bits) == golomb_bits(np.array([value]), order)[0]


def test_what_changes_nothing_takes_one_bit_a_coefficient():
    taps = FilterTaps(bands=3, reach=2, edges=(), differences=np.zeros((1, 3, column_count(3, 2)), np.int16))
    assert len(pack_filters([taps])) <= (18 + column_count(3, 2) * 3) // 8 + 1
    assert pack_filters([None, None]) == b""


@given(reach=st.integers(0, 3))
def test_taps_are_one_of_every_pair_of_neighbours(reach):
    offsets = tap_offsets(reach)
    places = {*offsets, *((-dy, -dx) for dy, dx in offsets)}
    assert len(places) == 2 * len(offsets) == 2 * reach * (reach + 1)
    assert all(0 < abs(dy) + abs(dx) <= reach for dy, dx in places)
    assert offsets == tap_offsets(3)[: len(offsets)]


@pytest.mark.parametrize(
    ("bands", "reach", "edges"),
    [(9, 0, ()), (0, 0, ()), (8, 3, ()), (3, 4, ()), (3, 1, (0,)), (3, 1, (5, 5)), (3, 1, (32,))],
)
def test_impossible_filters_are_refused(bands, reach, edges):
    shape = (len(edges) + 2 if edges else 1, bands, max(1, column_count(bands, reach)))
    with pytest.raises(ContainerError):
        FilterTaps(bands=bands, reach=reach, edges=edges, differences=np.zeros(shape, np.int16))
