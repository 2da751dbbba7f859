from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rsic_geo.errors import UsageError
from rsic_geo.geo.validity import avoid_nodata, clamp, fill_invalid

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int64", "uint64", "float32", "float64")


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    bands, height, width = draw(st.integers(1, 3)), draw(st.integers(1, 20)), draw(st.integers(1, 20))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    pixels = draw(hnp.arrays(dtype, (bands, height, width), elements=hnp.from_dtype(dtype)))
    planes = draw(st.sampled_from((1, bands)))
    return pixels, draw(hnp.arrays(np.bool_, (planes, height, width)))


@given(scene=scenes())
def test_fill_leaves_valid_pixels_untouched(scene: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, valid = scene
    before = pixels.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        filled = fill_invalid(pixels, valid)
    keep = np.broadcast_to(valid, pixels.shape)
    assert filled.dtype == pixels.dtype
    assert np.array_equal(filled[keep], pixels[keep], equal_nan=True)
    assert np.array_equal(pixels, before, equal_nan=True)


@given(scene=scenes())
def test_fill_stays_between_the_valid_pixels(scene: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, valid = scene
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(pixels, posinf=1, neginf=-1) % 1000
    filled = fill_invalid(pixels, valid, constant=5)
    for band in range(len(pixels)):
        keep = valid[min(band, len(valid) - 1)]
        if not keep.any():
            assert (filled[band] == 5).all()
            continue
        low, high = float(pixels[band][keep].min()), float(pixels[band][keep].max())
        slack = 1e-6 * max(abs(low), abs(high))
        assert low - slack <= float(filled[band].min())
        assert float(filled[band].max()) <= high + slack


def test_invalid_pixels_do_not_leak() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.random((2, 50, 41), np.float32)
    valid = rng.random((1, 50, 41)) < 0.4
    poisoned = np.where(valid, pixels, np.nan)
    poisoned[:, 0, 0] = np.inf
    valid[:, 0, 0] = False
    assert np.isfinite(fill_invalid(poisoned, valid)).all()
    assert np.array_equal(fill_invalid(poisoned, valid), fill_invalid(pixels, valid))


def test_nothing_to_fill_costs_nothing() -> None:
    pixels = np.zeros((3, 8, 8), np.uint8)
    assert fill_invalid(pixels, np.ones((1, 8, 8), bool)) is pixels


@pytest.mark.parametrize(
    ("dtype", "middle"), [("uint8", 128), ("uint16", 32768), ("int16", 0), ("float32", 0)]
)
def test_a_band_without_pixels_gets_the_middle(dtype: str, middle: float) -> None:
    filled = fill_invalid(np.full((1, 3, 3), 9, dtype), np.zeros((1, 3, 3), bool))
    assert (filled == middle).all()


def test_the_fill_is_smooth() -> None:
    rows, cols = np.mgrid[:256, :256].astype(np.float32)
    truth = 60 + 0.2 * rows + 0.3 * cols
    valid = (rows - 128) ** 2 + (cols - 100) ** 2 > 40**2
    filled = fill_invalid(np.where(valid, truth, 0)[None].astype(np.float32), valid[None])[0]
    assert np.abs(np.diff(filled, axis=0)).max() < 6
    assert np.abs(filled - truth).max() < 12


def test_shapes_must_belong_together() -> None:
    with pytest.raises(UsageError, match="does not fit"):
        fill_invalid(np.zeros((3, 4, 4)), np.ones((2, 4, 4), bool))
    with pytest.raises(UsageError, match="does not fit"):
        avoid_nodata(np.zeros((3, 4, 4)), np.ones((4, 4), bool), [0, 0, 0])
    with pytest.raises(UsageError, match="1 nodata values for 3 bands"):
        avoid_nodata(np.zeros((3, 4, 4)), np.ones((1, 4, 4), bool), [0])


@given(scene=scenes(), data=st.data())
def test_valid_pixels_leave_nodata_by_one_step_and_nothing_else_moves(
    scene: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    pixels, valid = scene
    choices = st.none() | st.sampled_from(pixels.ravel().tolist()) | st.floats()
    nodata = [data.draw(choices) for _ in pixels]
    moved = avoid_nodata(pixels, valid, nodata)
    for band, value in enumerate(nodata):
        keep = valid[min(band, len(valid) - 1)]
        if value is None or np.isnan(value):
            assert np.array_equal(moved[band], pixels[band], equal_nan=True)
            continue
        if pixels.dtype.kind == "f":
            with np.errstate(over="ignore"):
                hit = pixels[band] == pixels.dtype.type(value)
            expected_step = None
        else:
            hit = np.array([[int(p) == value for p in row] for row in pixels[band]])
            expected_step = 1
        changed = moved[band] != pixels[band]
        changed &= ~(np.isnan(moved[band]) & np.isnan(pixels[band])) if pixels.dtype.kind == "f" else True
        assert np.array_equal(changed, hit & keep)
        if expected_step is not None:
            steps = [
                abs(int(a) - int(b)) for a, b in zip(moved[band][changed], pixels[band][changed], strict=True)
            ]
            assert all(step == expected_step for step in steps)


def test_steps_go_towards_the_middle() -> None:
    pixels = np.array([[[0, 255, 7]]], np.uint8)
    everything = np.ones((1, 1, 3), bool)
    assert avoid_nodata(pixels, everything, [0]).tolist() == [[[1, 255, 7]]]
    assert avoid_nodata(pixels, everything, [255]).tolist() == [[[0, 254, 7]]]
    assert avoid_nodata(pixels, everything, [-9999]) is pixels
    lowest = np.float32(-3.4028234663852886e38)
    moved = avoid_nodata(np.full((1, 1, 1), lowest), np.ones((1, 1, 1), bool), [-3.4028234663852886e38])
    assert moved[0, 0, 0] > lowest


@given(
    dtype=st.sampled_from(["uint8", "uint16", "int16"]),
    bands=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_clamped_pixels_stay_within_their_band_and_no_error_grows(dtype, bands, seed) -> None:
    rng = np.random.default_rng(seed)
    kind = np.iinfo(dtype)
    decoded = rng.integers(kind.min, kind.max, (bands, 6, 7), endpoint=True).astype(dtype)
    ends = np.sort(rng.integers(kind.min, kind.max, (bands, 2), endpoint=True), axis=1)
    limits = [None if rng.random() < 0.2 else (int(low), int(high)) for low, high in ends]
    original = np.stack([rng.integers(low, high, (6, 7), endpoint=True) for low, high in ends])
    before = decoded.copy()
    found = clamp(decoded, limits)
    np.testing.assert_array_equal(decoded, before)  # what was given is not written to
    for band, pair in enumerate(limits):
        if pair is None:
            np.testing.assert_array_equal(found[band], decoded[band])
            continue
        assert pair[0] <= found[band].min()
        assert found[band].max() <= pair[1]
        inside = (decoded[band] >= pair[0]) & (decoded[band] <= pair[1])
        np.testing.assert_array_equal(found[band][inside], decoded[band][inside])
        old, new = (np.abs(each[band].astype(int) - original[band]) for each in (decoded, found))
        assert (new <= old).all()
    assert clamp(found, limits) is found
    assert clamp(decoded, ()) is decoded
