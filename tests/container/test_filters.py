"""Adaptive filters: their taps, clusters and kinds of coefficients, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.container.filters import (
    KINDS,
    MAX_BANDS,
    MAX_PROPOSALS,
    FilterTaps,
    clusters,
    coefficient_kinds,
    column_count,
    tap_offsets,
)
from rsic_geo.errors import ContainerError


@st.composite
def band_groups(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    sizes = draw(st.lists(st.sampled_from([1, 3]), min_size=1, max_size=12))
    ends = np.cumsum([0, *sizes])
    return tuple(tuple(range(a, b)) for a, b in zip(ends[:-1], ends[1:], strict=True))


@given(groups=band_groups())
def test_clusters_hold_every_group_once_in_order_and_not_too_many_bands(groups):
    parts = clusters(groups)
    assert [number for part in parts for number in part] == list(range(len(groups)))
    sizes = [sum(len(groups[number]) for number in part) for part in parts]
    assert max(sizes) <= MAX_BANDS
    for size, after in zip(sizes, parts[1:], strict=False):  # no cluster could take what follows it
        assert size + len(groups[after[0]]) > MAX_BANDS


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


@given(
    bands=st.sampled_from([1, 2, 3, 4, 8]), reach=st.integers(0, 3), proposals=st.integers(1, MAX_PROPOSALS)
)
def test_every_coefficient_has_a_kind_and_own_ones_lie_on_diagonals(bands, reach, proposals):
    kinds = coefficient_kinds(bands, reach, proposals)
    assert kinds.shape == (bands, column_count(bands, reach, proposals))
    assert 0 <= kinds.min() <= kinds.max() < KINDS
    is_own = np.tile(np.eye(bands, dtype=bool), kinds.shape[1] // bands)
    assert np.array_equal(is_own, np.isin(kinds, (0, 1, 4, 5, 6)))
    mixing = kinds[:, : bands * proposals]
    assert set(np.unique(mixing)) <= {0, 1, 2, 3}
