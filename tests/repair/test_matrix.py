"""Products in pieces: the same numbers, whatever the shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsic_geo.repair.units import gram, product


@settings(max_examples=40)
@given(
    m=st.sampled_from([1, 3, 36, 600]),
    k=st.sampled_from([1, 9, 40, 600]),
    n=st.sampled_from([0, 1, 9, 257, 3000]),
    kind=st.sampled_from([np.float32, np.float64]),
)
def test_whole_numbers_are_multiplied_exactly(m, k, n, kind):
    rng = np.random.default_rng(m + k + n)
    small, columns = rng.integers(-9, 9, (m, k)), rng.integers(-9, 9, (k, n))
    found = product(small.astype(kind), columns.astype(kind))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, small @ columns)
    turned = np.ascontiguousarray(columns.T)
    np.testing.assert_array_equal(gram(small.astype(kind), turned.astype(kind)), small @ columns)


def test_turned_arrays_are_taken_as_they_are():
    columns = np.arange(60_000.0).reshape(6000, 10).T
    np.testing.assert_array_equal(product(np.eye(10), columns), columns)
    with pytest.raises(ValueError, match="no product"):
        product(np.eye(9), columns)
