"""Tiles decoded by several threads, some ahead of their turn: the pixels of one, and the errors of one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsic_geo.errors import BitstreamError, ChecksumError
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.scenes.payloads import TilePixels

GRID = TileGrid(height=70, width=90, tile_size=20)
SCENE = np.arange(2 * 70 * 90, dtype=np.uint16).reshape(2, 70, 90)


class Tiles:
    """Source and decoder: a payload is the tile's number, and some are damaged."""

    bands, dtype = 2, SCENE.dtype

    def __init__(self, *, cut: int = -1, damaged: int = -1) -> None:
        self.cut, self.damaged, self.asked, self.decoded = cut, damaged, [], []

    def payload(self, tile: int) -> tuple[int, bytes]:
        assert threading.current_thread() is threading.main_thread()  # a file serves one at a time
        self.asked.append(tile)
        if tile == self.cut:
            raise ChecksumError(f"tile {tile} is cut")
        return 0, bytes([tile])

    def pixels(self, kind: int, body: bytes, size: tuple[int, int], reduce: int = 0) -> np.ndarray:
        if body[0] == self.damaged:
            raise BitstreamError("damaged")
        self.decoded.append(body[0])
        window = GRID.core(GRID.tile_number(body[0]))
        assert (window.height, window.width) == size
        return SCENE[(slice(None), *window.slices)]


@st.composite
def windows(draw) -> Window:
    top, left = draw(st.integers(0, 69)), draw(st.integers(0, 89))
    return Window.between(top, draw(st.integers(top + 1, 70)), left, draw(st.integers(left + 1, 90)))


@settings(max_examples=40)
@given(asked=st.lists(windows(), min_size=1, max_size=8), workers=st.integers(1, 4))
def test_windows_are_the_scene_s_whoever_decodes_them(asked, workers):
    tiles = Tiles()
    pixels = TilePixels(tiles, tiles, GRID, 256, workers)
    for window in asked:
        np.testing.assert_array_equal(pixels.read(window), SCENE[(slice(None), *window.slices)])


def test_only_who_reads_on_has_tiles_decoded_ahead():
    tiles = Tiles()
    pixels = TilePixels(tiles, tiles, GRID, 256, 3)
    for number in (7, 0, 12):
        pixels.read(GRID.core(GRID.tile_number(number)))
    assert tiles.asked == [7, 0, 12]
    pixels.read(GRID.core(GRID.tile_number(13)))
    assert tiles.asked == [7, 0, 12, 13, 14, 15]
    pixels.read(GRID.core(GRID.tile_number(14)))
    deadline = time.monotonic() + 30
    while len(tiles.decoded) < 7 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(tiles.decoded) == [0, 7, 12, 13, 14, 15, 16]  # each once


@pytest.mark.parametrize("how", [{"cut": 6}, {"damaged": 6}])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_damaged_tile_is_refused_where_it_is_wanted_and_nowhere_else(how, workers):
    tiles = Tiles(**how)
    pixels = TilePixels(tiles, tiles, GRID, 256, workers)
    for number in (3, 4, 5, 6, 6, 7, 8):
        window = GRID.core(GRID.tile_number(number))
        if number == 6:
            with pytest.raises((ChecksumError, BitstreamError), match="tile 6"):
                pixels.read(window)
        else:
            np.testing.assert_array_equal(pixels.read(window), SCENE[(slice(None), *window.slices)])


class _Meeting(OrderedDict):
    """Whoever has seen tile 6 held waits for the other thread, as long as that has any chance to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.gone = threading.Event(), threading.Event()

    def __contains__(self, number: object) -> bool:
        is_held = super().__contains__(number)
        if number == 6 and is_held:
            self.seen.set()
            self.gone.wait(0.1)
        return is_held


def test_a_damaged_tile_is_the_same_error_for_threads_that_meet_at_it():
    tiles, window = Tiles(), GRID.core(GRID.tile_number(6))
    pixels = TilePixels(tiles, tiles, GRID, 256, 2)
    held = pixels._held = _Meeting()
    waiting = held[6] = Future()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(pixels.read, window)
        assert held.seen.wait(10)
        held.seen.clear()
        held.gone.set()
        while pixels._turn.acquire(blocking=False) is False:  # it holds the tile, and waits for its pixels
            time.sleep(0.001)
        pixels._turn.release()
        held.gone.clear()
        second = pool.submit(pixels.read, window)
        assert held.seen.wait(10)
        waiting.set_exception(BitstreamError("damaged"))
        for each in (first, second):
            with pytest.raises(BitstreamError):
                each.result(10)
