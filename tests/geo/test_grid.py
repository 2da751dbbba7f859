from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.errors import GridError
from rsic_geo.geo.window import TileGrid, TileIndex, Window

grids = st.builds(
    TileGrid,
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    tile_size=st.integers(1, 97) | st.just(256),
    halo=st.integers(0, 40),
).filter(lambda grid: len(grid) <= 400)


@given(grid=grids)
def test_cores_cover_every_pixel_exactly_once(grid: TileGrid) -> None:
    hits = np.zeros((grid.height, grid.width), np.uint8)
    for index in grid:
        hits[grid.core(index).slices] += 1
    assert (hits == 1).all()


@given(grid=grids)
def test_padded_windows_contain_their_core_and_stay_inside(grid: TileGrid) -> None:
    scene = Window.full(grid.height, grid.width)
    for index in grid:
        core, padded = grid.core(index), grid.padded(index)
        assert padded.contains(core)
        assert scene.contains(padded)
        wide = Window.full(core.row_stop + grid.halo, core.col_stop + grid.halo)
        assert padded.row_off == max(core.row_off - grid.halo, 0)
        assert padded.col_off == max(core.col_off - grid.halo, 0)
        assert padded.row_stop in (wide.row_stop, grid.height)
        assert padded.col_stop in (wide.col_stop, grid.width)


@given(grid=grids)
def test_numbers_run_row_by_row(grid: TileGrid) -> None:
    indices = list(grid)
    assert len(indices) == len(grid) == grid.rows * grid.cols
    assert [grid.index_number(index) for index in indices] == list(range(len(grid)))
    assert [grid.tile_number(number) for number in range(len(grid))] == indices == sorted(indices)


@given(grid=grids, data=st.data())
def test_the_tile_of_a_pixel_holds_it(grid: TileGrid, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, grid.height - 1))
    col = data.draw(st.integers(0, grid.width - 1))
    pixel = Window(row_off=row, col_off=col, height=1, width=1)
    assert grid.core(grid.tile_at(row, col)).contains(pixel)
    assert grid.tiles_touching(pixel) == [grid.tile_at(row, col)]


@given(grid=grids, data=st.data())
def test_tiles_touching_a_window_are_those_that_share_pixels(grid: TileGrid, data: st.DataObject) -> None:
    window = Window(
        row_off=data.draw(st.integers(0, 320)),
        col_off=data.draw(st.integers(0, 320)),
        height=data.draw(st.integers(1, 320)),
        width=data.draw(st.integers(1, 320)),
    )
    expected = [index for index in grid if grid.core(index).intersection(window) is not None]
    assert grid.tiles_touching(window) == expected


@given(grid=grids)
def test_row_bands_are_the_rows_of_cores(grid: TileGrid) -> None:
    for row in range(grid.rows):
        band = grid.row_band(row)
        cores = [grid.core(TileIndex(row=row, col=col)) for col in range(grid.cols)]
        assert {(core.row_off, core.row_stop) for core in cores} == {(band.row_off, band.row_stop)}
        assert (band.col_off, band.width) == (0, grid.width)


@pytest.mark.parametrize(
    "sides",
    [
        {"height": 0, "width": 1, "tile_size": 1},
        {"height": 1, "width": 0, "tile_size": 1},
        {"height": 1, "width": 1, "tile_size": 0},
        {"height": 1, "width": 1, "tile_size": 1, "halo": -1},
    ],
)
def test_empty_grids_are_refused(sides: dict[str, int]) -> None:
    with pytest.raises(GridError):
        TileGrid(**sides)


def test_tiles_and_pixels_outside_are_refused() -> None:
    grid = TileGrid(height=10, width=10, tile_size=4)
    outside = TileIndex(row=3, col=0)
    for ask in (grid.core, grid.padded, grid.index_number):
        with pytest.raises(GridError, match="outside a grid of 3 x 3"):
            ask(outside)
    with pytest.raises(GridError, match="row 10"):
        grid.tile_at(10, 0)
    with pytest.raises(GridError, match="tile number 9"):
        grid.tile_number(9)
    with pytest.raises(GridError):
        grid.row_band(-1)
