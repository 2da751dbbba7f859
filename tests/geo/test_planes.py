from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rsic_geo.errors import ContainerError
from rsic_geo.geo.validity import pack_plane, unpack_plane

DTYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int64",
    "float32",
    "float64",
    "complex64",
    "complex128",
)


@st.composite
def planes(draw: st.DrawFn) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=24))
    few = draw(st.lists(hnp.from_dtype(dtype), min_size=1, max_size=2))
    elements = draw(st.sampled_from((hnp.from_dtype(dtype), st.sampled_from(few))))
    return draw(hnp.arrays(dtype, shape, elements=elements, fill=st.nothing()))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(plane=planes())
def test_planes_come_back_bit_for_bit(plane: np.ndarray) -> None:
    assert same_bits(unpack_plane(pack_plane(plane), plane.shape, plane.dtype), plane)


def wedge(height: int, width: int) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    return (cols * 0.3 + rows > 60) & (cols - 0.25 * rows < width * 0.7)


@pytest.mark.parametrize("dtype", ["bool", "uint8"])
def test_footprint_borders_cost_few_bytes(dtype: str) -> None:
    plane = wedge(1024, 1024).astype(dtype) * np.array(255 if dtype == "uint8" else 1, dtype)
    data = pack_plane(plane)
    assert len(data) < 100
    assert same_bits(unpack_plane(data, plane.shape, dtype), plane)


def test_constant_planes_cost_a_byte_or_two() -> None:
    assert len(pack_plane(np.zeros((1024, 1024), bool))) == 1
    assert len(pack_plane(np.ones((1024, 1024), bool))) == 2
    assert len(pack_plane(np.full((3, 64, 64), 255, np.uint8))) == 2
    assert len(pack_plane(np.full((64, 64), np.nan, np.float32))) == 5


@pytest.mark.parametrize(
    "plane",
    [
        np.random.default_rng(0).random((300, 400)) < 0.5,
        np.random.default_rng(0).random((300, 400)) < 0.001,
        np.arange(300 * 400).reshape(300, 400) % 2 == 0,
        np.cumsum(np.random.default_rng(0).integers(-2, 3, (300, 400)), axis=1).astype(np.uint8),
        np.random.default_rng(0).random((300, 400)).astype(np.float32),
        wedge(9000, 20).T,
        np.stack([wedge(200, 300), ~wedge(200, 300)]),
        np.asfortranarray(wedge(200, 300)),
        wedge(200, 300)[::-1, ::2],
        np.random.default_rng(0).integers(0, 9, (50, 60)).astype(">i2"),
        np.array([[2, 0, 1], [2, 2, 2]], np.uint8),
    ],
    ids=[
        "noise",
        "specks",
        "stripes",
        "alpha",
        "float",
        "wide",
        "bands",
        "fortran",
        "strided",
        "big-endian",
        "three",
    ],
)
def test_all_kinds_of_planes_come_back(plane: np.ndarray) -> None:
    back = unpack_plane(pack_plane(plane), plane.shape, plane.dtype)
    assert back.dtype == plane.dtype
    assert np.array_equal(back, plane)


@settings(max_examples=300)
@given(plane=planes(), data=st.data())
def test_damage_raises_container_errors_only(plane: np.ndarray, data: st.DataObject) -> None:
    packed = bytearray(pack_plane(plane))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(packed) - 1))
        packed[place] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(packed)))
    try:
        back = unpack_plane(bytes(packed[:length]), plane.shape, plane.dtype)
    except ContainerError:
        return
    assert (back.shape, back.dtype) == (plane.shape, plane.dtype)


@settings(max_examples=300)
@given(data=st.binary(max_size=64), shape=hnp.array_shapes(min_dims=2, max_dims=3, max_side=40))
@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
def test_random_bytes_raise_container_errors_only(data: bytes, shape: tuple[int, ...], dtype: str) -> None:
    try:
        back = unpack_plane(data, shape, dtype)
    except ContainerError:
        return
    assert back.shape == shape


def test_a_bomb_is_not_unfolded() -> None:
    import tracemalloc
    import zlib

    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = bomb.compress(bytes(200_000_000)) + bomb.flush()
    tracemalloc.start()
    for method in range(1, 8):
        with pytest.raises(ContainerError):
            unpack_plane(bytes([method, 1, 1]) + payload, (64, 64), "uint8")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("data", [b"", b"\x63", b"\x00\x01\x02", b"\x01", b"\x03\xff\x00"])
def test_what_was_never_packed_is_refused(data: bytes) -> None:
    with pytest.raises(ContainerError):
        unpack_plane(data, (8, 8), "uint8")
