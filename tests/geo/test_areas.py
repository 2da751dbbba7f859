"""Laws of means over areas: shares are whole, runs fit together, means keep the mean."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.geo.areas import area_means, shares


@given(
    length=st.integers(1, 300),
    count=st.integers(1, 60),
    tile=st.integers(1, 128),
    halvings=st.integers(0, 5),
    offset=st.integers(0, 50),
)
def test_runs_of_tiles_make_up_every_output_pixel(length, count, tile, halvings, offset):
    """Tiles may begin before the window and end after it; each output pixel gets 1 in all."""
    total = np.zeros(count)
    for start in range(0, offset + length + tile, tile):
        rows, weights = shares(offset, length, count, start, tile, halvings)
        assert (weights >= 0).all()
        assert weights.shape == (rows.stop - rows.start, -(-tile // (1 << halvings)))
        total[rows] += weights.sum(axis=1)
    np.testing.assert_allclose(total, 1)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    out=st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
def test_the_mean_stays(shape, out):
    pixels = np.random.default_rng(sum(shape)).integers(0, 255, (2, *shape))
    found = area_means(pixels, out)
    assert found.shape == (2, *out)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), pixels.mean(axis=(1, 2)))


def test_halves_are_means_of_squares():
    pixels = np.random.default_rng(0).integers(0, 255, (1, 8, 6))
    np.testing.assert_allclose(area_means(pixels, (4, 3))[0], pixels[0].reshape(4, 2, 3, 2).mean(axis=(1, 3)))
