from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rsic_geo.errors import ContainerError, RsicGeoError, UsageError
from rsic_geo.geo.radiometry import MIN_SPAN, Radiometry

SMALL_INTEGERS = ("uint8", "int8", "uint16", "int16")
everything = np.ones((1, 4, 5), bool)


def pixel_arrays(dtype: str) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(dtype, (2, 4, 5), elements=hnp.from_dtype(np.dtype(dtype)))


@given(data=st.data(), dtype=st.sampled_from(SMALL_INTEGERS))
def test_scaling_inverts_exactly_for_small_integers(data: st.DataObject, dtype: str) -> None:
    samples, pixels = data.draw(pixel_arrays(dtype)), data.draw(pixel_arrays(dtype))
    radiometry = Radiometry.fit(dtype, [(samples, everything)])
    scaled = radiometry.forward(pixels)
    assert scaled.dtype == np.float32
    back = radiometry.inverse(scaled)
    assert back.dtype == np.dtype(dtype)
    assert np.array_equal(back, pixels)


@given(dtype=st.sampled_from(("uint16", "int16")))
def test_every_value_of_16_bits_survives_a_narrow_range(dtype: str) -> None:
    limits = np.iinfo(dtype)
    pixels = np.arange(limits.min, limits.max + 1).astype(dtype).reshape(1, 256, 256)
    radiometry = Radiometry(dtype=dtype, low=(100.0,), high=(100.0 + MIN_SPAN,))
    assert np.array_equal(radiometry.inverse(radiometry.forward(pixels)), pixels)


@given(data=st.data(), dtype=st.sampled_from(("int32", "uint32", "float32", "float64")))
def test_wide_types_come_back_within_the_precision_of_float32(data: st.DataObject, dtype: str) -> None:
    elements = st.integers(0, 10**6)
    pixels = data.draw(hnp.arrays(dtype, (2, 4, 5), elements=elements))
    radiometry = Radiometry.fit(dtype, [(pixels, everything)])
    back = radiometry.inverse(radiometry.forward(pixels))
    np.testing.assert_allclose(back.astype(float), pixels.astype(float), atol=1.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int32", "int64", "uint64"])
def test_what_leaves_the_type_is_clipped(dtype: str) -> None:
    radiometry = Radiometry.whole_range(dtype, 1)
    scaled = np.array([[[-9.0, 9.0, np.nan, np.inf, -np.inf]]], np.float32)
    back = radiometry.inverse(scaled)
    limits = np.iinfo(dtype)
    top = float(limits.max)
    assert back[0, 0, 0] == limits.min
    assert float(back[0, 0, 1]) == pytest.approx(top)
    assert back[0, 0, 2] == 0
    assert (float(back[0, 0, 3]), back[0, 0, 4]) == (pytest.approx(top), limits.min)


def test_uint8_always_uses_its_whole_range() -> None:
    radiometry = Radiometry.fit("uint8", [(np.full((3, 4, 5), 7, np.uint8), everything)])
    assert (radiometry.low, radiometry.high) == ((0.0,) * 3, (255.0,) * 3)


def test_the_used_range_leaves_out_invalid_pixels_and_hot_ones() -> None:
    pixels = np.random.default_rng(0).integers(300, 3000, (1, 200, 200)).astype(np.uint16)
    valid = np.ones((1, 200, 200), bool)
    pixels[0, :50], valid[0, :50] = 0, False
    pixels[0, 100, :3] = 65535
    radiometry = Radiometry.fit("uint16", [(pixels, valid)])
    assert 300 <= radiometry.low[0] < 320
    assert 2980 < radiometry.high[0] < 3000
    bright = radiometry.forward(pixels)[0, 100, 0]
    assert bright > 20


@given(seed=st.integers(0, 1000), dtype=st.sampled_from(("uint16", "int16", "float32")))
def test_the_order_of_samples_does_not_matter(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    samples = [
        (rng.integers(0, 9000, (2, 4, 5)).astype(dtype), rng.random((1, 4, 5)) < 0.5) for _ in range(4)
    ]
    assert Radiometry.fit(dtype, samples) == Radiometry.fit(dtype, reversed(samples))


def test_bands_without_samples_and_nearly_constant_bands_can_be_scaled() -> None:
    pixels = np.stack([np.full((4, 5), 500), np.full((4, 5), 9)]).astype(np.int16)
    valid = np.stack([np.ones((4, 5), bool), np.zeros((4, 5), bool)])
    radiometry = Radiometry.fit("int16", [(pixels, valid)])
    assert (radiometry.low, radiometry.high) == ((492.0, -32768.0), (508.0, 32767.0))
    floats = Radiometry.fit("float32", [(np.full((1, 4, 5), 1e30, np.float32), everything)])
    scaled = floats.forward(np.full((1, 4, 5), 1e30, np.float32))
    assert np.allclose(scaled, 0.5)
    empty = Radiometry.fit("float32", [(np.full((1, 4, 5), np.nan, np.float32), everything)])
    assert (empty.low, empty.high) == ((0.0,), (1.0,))


def test_a_subset_of_bands_uses_its_own_range() -> None:
    radiometry = Radiometry(dtype="uint16", low=(0.0, 100.0), high=(1000.0, 300.0))
    pixels = np.full((1, 2, 2), 200, np.uint16)
    assert np.allclose(radiometry.forward(pixels, [1]), 0.5)
    assert np.array_equal(radiometry.inverse(np.full((1, 2, 2), 0.5, np.float32), [1]), pixels)
    with pytest.raises(UsageError, match="1 bands of pixels for 2"):
        radiometry.forward(pixels)
    with pytest.raises(UsageError, match="not all in"):
        radiometry.forward(pixels, [2])


@pytest.mark.parametrize(
    ("dtype", "peak"), [("uint8", 255), ("uint16", 65535), ("int16", 65535), ("float32", 1.0)]
)
def test_peaks(dtype: str, peak: float) -> None:
    assert Radiometry.whole_range(dtype, 2).dtype_peak == peak


finite = st.floats(-1e30, 1e30)


@given(
    ends=st.lists(st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=5),
    dtype=st.sampled_from(("uint16", "float64")),
)
def test_records_survive_json(ends: list[tuple[float, float]], dtype: str) -> None:
    low, high = zip(*ends, strict=True)
    radiometry = Radiometry(dtype=dtype, low=low, high=high)
    assert Radiometry.from_json(json.loads(json.dumps(radiometry.to_json()))) == radiometry


def test_the_usual_record_is_short() -> None:
    record = Radiometry.whole_range("uint8", 3).to_json()
    assert record == {"dtype": "uint8", "bands": 3}
    assert Radiometry.from_json(record | {"later": 1}) == Radiometry.whole_range("uint8", 3)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_values = (
    scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=5), scalars, max_size=2)
)


@given(
    record=st.fixed_dictionaries(
        {},
        optional={
            "dtype": st.sampled_from(("uint8", "float32", "complex64", "U3", "object")) | json_values,
            "bands": st.integers() | json_values,
            "low": st.lists(st.floats(), max_size=3) | json_values,
            "high": st.lists(st.floats(), max_size=3) | json_values,
        },
    )
)
def test_damaged_records_raise_container_errors_only(record: dict[str, object]) -> None:
    with suppress(ContainerError):
        Radiometry.from_json(record)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("uint8", (), ()),
        ("uint8", (0.0,), (0.0,)),
        ("uint8", (0.0,), (1.0, 2.0)),
        ("uint8", (0.0,), (float("nan"),)),
        ("complex64", (0.0,), (1.0,)),
        ("nonsense", (0.0,), (1.0,)),
    ],
)
def test_impossible_scales_are_refused(dtype: str, low: tuple[float, ...], high: tuple[float, ...]) -> None:
    with pytest.raises(RsicGeoError):
        Radiometry(dtype=dtype, low=low, high=high)


def test_samples_must_belong_together() -> None:
    with pytest.raises(UsageError, match="no sample"):
        Radiometry.fit("uint16", [])
    with pytest.raises(UsageError, match="a sample is uint8"):
        Radiometry.fit("uint16", [(np.zeros((1, 4, 5), np.uint8), everything)])
