from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.errors import GridError
from rsic_geo.geo.window import Window

windows = st.builds(
    Window,
    row_off=st.integers(0, 30),
    col_off=st.integers(0, 30),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
)


def painted(window: Window | None) -> np.ndarray:
    scene = np.zeros((64, 64), bool)
    if window is not None:
        scene[window.slices] = True
    return scene


@given(a=windows, b=windows)
def test_intersection_is_the_shared_pixels(a: Window, b: Window) -> None:
    shared = a.intersection(b)
    assert np.array_equal(painted(shared), painted(a) & painted(b))
    assert shared == b.intersection(a)


@given(a=windows, b=windows)
def test_a_window_contains_another_when_they_share_all_of_it(a: Window, b: Window) -> None:
    assert a.contains(b) == (a.intersection(b) == b)


@given(window=windows, drow=st.integers(0, 20), dcol=st.integers(0, 20))
def test_shifting_back_undoes_shifting(window: Window, drow: int, dcol: int) -> None:
    assert window.shifted(drow, dcol).shifted(-drow, -dcol) == window


@given(a=windows, b=windows)
def test_within_addresses_the_same_pixels(a: Window, b: Window) -> None:
    shared = a.intersection(b)
    if shared is None:
        return
    scene = np.arange(64 * 64).reshape(64, 64)
    assert np.array_equal(scene[a.slices][shared.within(a).slices], scene[shared.slices])


def test_within_refuses_a_window_that_is_not_inside() -> None:
    with pytest.raises(GridError, match="does not lie inside"):
        Window.full(4, 4).within(Window.full(3, 9))


@pytest.mark.parametrize(
    ("row_off", "col_off", "height", "width"), [(-1, 0, 1, 1), (0, -1, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0)]
)
def test_what_is_no_rectangle_is_refused(row_off: int, col_off: int, height: int, width: int) -> None:
    with pytest.raises(GridError, match="not a pixel rectangle"):
        Window(row_off=row_off, col_off=col_off, height=height, width=width)


def test_the_whole_scene_has_every_pixel() -> None:
    window = Window.full(3, 5)
    assert (window.row_stop, window.col_stop, window.pixel_count) == (3, 5, 15)
