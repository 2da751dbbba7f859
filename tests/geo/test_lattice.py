from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rsic_geo.errors import GridError, UsageError
from rsic_geo.geo.lattice import (
    CELL,
    NODE,
    CellMap,
    byte_from_strength,
    cell_counts,
    cell_field,
    level_from_rmse,
    rmse_from_level,
    sigma_lattice,
    strength_from_byte,
)
from rsic_geo.geo.window import Window

cell_values = hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5)))
nodes = st.builds(
    Window,
    row_off=st.integers(0, 20).map(lambda n: n * NODE),
    col_off=st.integers(0, 20).map(lambda n: n * NODE),
    height=st.integers(1, 10).map(lambda n: n * NODE),
    width=st.integers(1, 10).map(lambda n: n * NODE),
)


@given(rmse=st.floats(2.0**-15.8, 1.0))
def test_levels_are_within_a_thirty_second_of_an_octave(rmse: float) -> None:
    back = float(rmse_from_level(level_from_rmse(rmse)))
    assert abs(np.log2(back / rmse)) <= 1 / 32 + 1e-6


def test_every_level_comes_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(level_from_rmse(rmse_from_level(levels)), levels)
    assert (np.diff(rmse_from_level(levels).ravel()) > 0).all()


def test_levels_at_the_ends_of_the_scale() -> None:
    assert level_from_rmse([0.0, 1e-300, 1e-9, 2.0**-15.9, 50.0]).tolist() == [0, 1, 1, 1, 255]
    for wrong in (-1e-3, np.nan, np.inf):
        with pytest.raises(UsageError, match="negative or not finite"):
            level_from_rmse([0.1, wrong])


@given(strength=st.floats(0, 1.5))
def test_strengths_are_within_half_a_step(strength: float) -> None:
    assert abs(float(strength_from_byte(byte_from_strength(strength))) - strength) <= 1 / 256


def test_strength_bytes() -> None:
    assert byte_from_strength([-1.0, 0.0, 1.0, 1.5, 9.0, np.nan, np.inf]).tolist() == [
        0,
        0,
        128,
        192,
        192,
        0,
        192,
    ]
    every = np.arange(193, dtype=np.uint8)
    assert np.array_equal(byte_from_strength(strength_from_byte(every)), every)


@given(levels=cell_values, window=nodes)
def test_distortion_does_not_depend_on_the_window_asked(levels: np.ndarray, window: Window) -> None:
    whole = sigma_lattice(levels, Window.full(32 * NODE, 32 * NODE))
    part = sigma_lattice(levels, window)
    rows = slice(window.row_off // NODE, window.row_stop // NODE)
    cols = slice(window.col_off // NODE, window.col_stop // NODE)
    assert part.dtype == np.float32
    assert np.array_equal(part, whole[rows, cols])


@given(levels=cell_values)
def test_distortion_stays_between_the_smallest_and_largest_level(levels: np.ndarray) -> None:
    sigma = sigma_lattice(levels, Window.full(levels.shape[0] * CELL, levels.shape[1] * CELL))
    present = rmse_from_level(levels[levels > 0] if levels.any() else [1])
    assert present.min() <= sigma.min()
    assert sigma.max() <= present.max()


@given(level=st.integers(1, 255), shape=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_a_constant_map_is_constant(level: int, shape: tuple[int, int]) -> None:
    levels = np.full(shape, level, np.uint8)
    sigma = sigma_lattice(levels, Window.full(6 * CELL, 5 * CELL))
    assert sigma.shape == (24, 20)
    assert (sigma == rmse_from_level(level)).all()


def test_logarithms_are_interpolated_between_cell_centres() -> None:
    sigma = sigma_lattice(np.array([[16, 48]], np.uint8), Window.full(CELL, 2 * CELL))
    octaves = np.log2(sigma[0] / rmse_from_level(16))
    np.testing.assert_allclose(octaves, [0, 0, 0.25, 0.75, 1.25, 1.75, 2, 2], atol=1e-5)


def test_a_cell_without_distortion_counts_as_the_smallest_level() -> None:
    levels = np.array([[0, 90], [100, 0]], np.uint8)
    window = Window.full(2 * CELL, 2 * CELL)
    assert np.array_equal(sigma_lattice(levels, window), sigma_lattice(np.maximum(levels, 90), window))


def test_windows_off_the_lattice_are_refused() -> None:
    levels = np.ones((2, 2), np.uint8)
    for window in (Window.full(64, 65), Window(row_off=32, col_off=0, height=64, width=64)):
        with pytest.raises(GridError, match="not aligned"):
            sigma_lattice(levels, window)
    with pytest.raises(GridError, match="one band group"):
        sigma_lattice(levels[None], Window.full(64, 64))


@given(
    values=cell_values,
    window=st.builds(
        Window,
        row_off=st.integers(0, 900),
        col_off=st.integers(0, 900),
        height=st.integers(1, 100),
        width=st.integers(1, 100),
    ),
)
def test_fields_do_not_depend_on_the_window_asked(values: np.ndarray, window: Window) -> None:
    field = cell_field(values, window)
    wider = Window.full(window.row_stop + 7, window.col_stop + 3)
    assert np.array_equal(field, cell_field(values, wider)[window.slices])
    assert values.min() <= field.min()
    assert field.max() <= values.max()


def test_fields_meet_the_cells_at_their_centres_and_rise_evenly() -> None:
    field = cell_field(np.array([[0, 128]], np.uint8), Window.full(CELL, 2 * CELL))
    assert field.shape == (CELL, 2 * CELL)
    np.testing.assert_allclose(field[0, 127:385], np.clip(np.arange(-0.25, 128.5, 0.5), 0, 128))


def test_cell_maps_cover_the_scene() -> None:
    assert cell_counts(1, 1) == (1, 1)
    assert cell_counts(257, 512) == (2, 2)
    levels = CellMap.filled(3, 300, 600, 7)
    assert (levels.groups, levels.values.shape) == (3, (3, 2, 3))
    hits = np.zeros((300, 600), np.uint8)
    for _, window in levels.cells():
        hits[window.slices] += 1
    assert (hits == 1).all()
    touching = list(levels.cells(Window(row_off=250, col_off=0, height=20, width=20)))
    assert [(index.row, index.col) for index, _ in touching] == [(0, 0), (1, 0)]
    with pytest.raises(GridError, match="does not fit 300 rows"):
        CellMap(height=300, width=600, values=np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(GridError, match="expected uint8"):
        CellMap(height=300, width=600, values=np.zeros((3, 2, 3), np.int16))
