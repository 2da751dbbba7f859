from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsic_geo.errors import GridError
from rsic_geo.geo.grid import TileGrid, TileIndex
from rsic_geo.geo.seam import SeamAccumulator, window_weights
from rsic_geo.geo.window import Window


@st.composite
def blended_grids(draw: st.DrawFn) -> tuple[TileGrid, int | None]:
    halo = draw(st.integers(0, 40))
    grid = TileGrid(
        height=draw(st.integers(1, 120)),
        width=draw(st.integers(1, 120)),
        tile_size=draw(st.integers(8, 64)),
        halo=halo,
    )
    return grid, draw(st.none() | st.integers(0, halo))


def joined(accumulator: SeamAccumulator, grid: TileGrid, bands: int) -> np.ndarray:
    """Collect what is finished, checking that rows come in order and without gaps."""
    out = np.full((bands, grid.height, grid.width), np.nan, np.float32)
    next_row = 0
    for window, values in accumulator.finished_rows():
        assert (window.row_off, window.col_off, window.width) == (next_row, 0, grid.width)
        assert values.shape == (bands, window.height, window.width)
        assert values.dtype == np.float32
        out[(slice(None), *window.slices)] = values
        next_row = window.row_stop
    return out


@given(case=blended_grids())
def test_weights_sum_to_one_at_every_pixel(case: tuple[TileGrid, int | None]) -> None:
    grid, blend = case
    total = np.zeros((grid.height, grid.width))
    for index in grid:
        weights = window_weights(grid, index, blend)
        assert weights.shape == (grid.padded(index).height, grid.padded(index).width)
        assert (weights >= 0).all()
        total[grid.padded(index).slices] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(case=blended_grids())
def test_the_window_of_a_core_counts_in_it(case: tuple[TileGrid, int | None]) -> None:
    grid, blend = case
    for index in grid:
        own = grid.core(index).within(grid.padded(index)).slices
        assert (window_weights(grid, index, blend)[own] > 0.01).all()


def test_there_is_no_ramp_at_the_edge_of_the_scene() -> None:
    grid = TileGrid(height=100, width=90, tile_size=64, halo=16)
    corner = window_weights(grid, TileIndex(row=0, col=0))
    assert (corner[:48, :48] == 1).all()
    last = window_weights(grid, TileIndex(row=1, col=1))
    assert (last[32:, 32:] == 1).all()
    assert corner[64, 0] < 0.5 < corner[63, 0]


def test_one_window_is_taken_as_it_is() -> None:
    grid = TileGrid(height=7, width=5, tile_size=64, halo=16)
    assert (window_weights(grid, TileIndex(row=0, col=0)) == 1).all()


def test_a_blend_of_zero_places_cores_hard() -> None:
    grid = TileGrid(height=40, width=40, tile_size=16, halo=8)
    weights = window_weights(grid, TileIndex(row=1, col=1), blend=0)
    expected = np.zeros((32, 32))
    expected[8:24, 8:24] = 1
    assert np.array_equal(weights, expected)


@given(case=blended_grids(), bands=st.integers(1, 3), value=st.floats(-1e3, 1e3, width=32))
def test_a_constant_field_comes_back(case: tuple[TileGrid, int | None], bands: int, value: float) -> None:
    grid, blend = case
    accumulator = SeamAccumulator(grid, bands, blend)
    for index in grid:
        padded = grid.padded(index)
        accumulator.add(index, np.full((bands, padded.height, padded.width), value, np.float32))
    assert accumulator.is_complete
    np.testing.assert_allclose(joined(accumulator, grid, bands), value, rtol=2e-6, atol=1e-6)


@settings(max_examples=40)
@given(case=blended_grids(), seed=st.integers(0, 2**32 - 1))
def test_windows_of_one_scene_give_it_back(case: tuple[TileGrid, int | None], seed: int) -> None:
    grid, blend = case
    scene = np.random.default_rng(seed).random((2, grid.height, grid.width), np.float32)
    accumulator = SeamAccumulator(grid, 2, blend)
    for index in grid:
        accumulator.add(index, scene[(slice(None), *grid.padded(index).slices)])
    np.testing.assert_allclose(joined(accumulator, grid, 2), scene, atol=2e-6)


@settings(max_examples=40)
@given(case=blended_grids(), seed=st.integers(0, 2**32 - 1))
def test_the_order_within_a_row_does_not_matter(case: tuple[TileGrid, int | None], seed: int) -> None:
    grid, blend = case
    rng = np.random.default_rng(seed)
    arrays = {i: rng.standard_normal((1, grid.padded(i).height, grid.padded(i).width)) for i in grid}
    arrays = {index: array.astype(np.float32) for index, array in arrays.items()}
    results = []
    for shuffle in (False, True):
        accumulator = SeamAccumulator(grid, 1, blend)
        for row in range(grid.rows):
            cols = list(range(grid.cols))
            if shuffle:
                rng.shuffle(cols)
            for col in cols:
                index = TileIndex(row=row, col=col)
                accumulator.add(index, arrays[index])
        results.append(joined(accumulator, grid, 1))
    assert np.array_equal(results[0], results[1])


@settings(max_examples=40)
@given(case=blended_grids(), seed=st.integers(0, 2**32 - 1))
def test_a_skipped_window_counts_as_zero(case: tuple[TileGrid, int | None], seed: int) -> None:
    grid, blend = case
    rng = np.random.default_rng(seed)
    skipping, adding = SeamAccumulator(grid, 1, blend), SeamAccumulator(grid, 1, blend)
    for index in grid:
        values = rng.random((1, grid.padded(index).height, grid.padded(index).width), np.float32)
        if rng.random() < 0.5:
            skipping.skip(index)
            adding.add(index, np.zeros_like(values))
        else:
            skipping.add(index, values)
            adding.add(index, values)
    assert np.array_equal(joined(skipping, grid, 1), joined(adding, grid, 1))


def test_rows_are_given_back_as_soon_as_no_window_touches_them() -> None:
    grid = TileGrid(height=100, width=64, tile_size=32, halo=8)
    accumulator = SeamAccumulator(grid, 1)
    stops = []
    for index in grid:
        padded = grid.padded(index)
        accumulator.add(index, np.ones((1, padded.height, padded.width), np.float32))
        stops += [window.row_stop for window, _ in accumulator.finished_rows()]
    assert stops == [24, 56, 88, 100]


def test_memory_stays_within_a_row_of_windows() -> None:
    import tracemalloc

    grid = TileGrid(height=4096, width=1024, tile_size=64, halo=16)
    accumulator = SeamAccumulator(grid, 1)
    tracemalloc.start()
    for index in grid:
        padded = grid.padded(index)
        accumulator.add(index, np.ones((1, padded.height, padded.width), np.float32))
        for _ in accumulator.finished_rows():
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024 * 96 * 4


def test_windows_out_of_order_or_twice_are_refused() -> None:
    grid = TileGrid(height=20, width=20, tile_size=10, halo=2)
    accumulator = SeamAccumulator(grid, 1)
    first = TileIndex(row=0, col=0)
    with pytest.raises(GridError, match="while row 0 is not complete"):
        accumulator.add(TileIndex(row=1, col=0), np.zeros((1, 12, 12)))
    with pytest.raises(GridError, match=r"expected \(1, 12, 12\)"):
        accumulator.add(first, np.zeros((1, 10, 10)))
    accumulator.add(first, np.zeros((1, 12, 12)))
    with pytest.raises(GridError, match="fed twice"):
        accumulator.skip(first)
    with pytest.raises(GridError, match="outside a grid"):
        accumulator.skip(TileIndex(row=0, col=2))
    with pytest.raises(GridError, match="does not fit a halo"):
        SeamAccumulator(grid, 1, blend=3)
    with pytest.raises(GridError, match="0 bands"):
        SeamAccumulator(grid, 0)


def test_values_outside_the_blend_do_not_count() -> None:
    grid = TileGrid(height=32, width=32, tile_size=16, halo=8)
    accumulator = SeamAccumulator(grid, 1, blend=4)
    for index in grid:
        padded = grid.padded(index)
        values = np.full((1, padded.height, padded.width), np.nan, np.float32)
        core = grid.core(index)
        near = Window.between(
            max(core.row_off - 4, 0),
            min(core.row_stop + 4, 32),
            max(core.col_off - 4, 0),
            min(core.col_stop + 4, 32),
        )
        values[(slice(None), *near.within(padded).slices)] = 3
        accumulator.add(index, values)
    np.testing.assert_allclose(joined(accumulator, grid, 1), 3, rtol=1e-6)
