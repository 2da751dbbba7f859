"""Lossless bytes for masks, alpha bands and other planes that are mostly the same or mostly smooth.

A plane is coded by whichever of these is shortest; its first byte says which:

* one value everywhere: that value, or nothing when it is zero;
* two values: the two values, then one bit per pixel, as it is, differenced from the row above, or (best for
  the straight borders of a rotated footprint) as the columns where the value changes, differenced from row
  to row;
* anything else: samples as they are, differenced from the left or from above, split into byte planes.

All but the first are deflated. There is no checksum here: whoever stores planes protects the whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import ContainerError

_CONSTANT = 0
_BITS, _BITS_UP = 1, 2
_EDGES, _EDGES_TWICE = 3, 4
_SAMPLES, _SAMPLES_LEFT, _SAMPLES_UP = 5, 6, 7

_MOST_EDGES = 64
_WIDEST_EDGES = 8191
_TRIAL_BYTES = 1 << 16
_WINDOW_BITS = -15  # raw deflate: header and checksum of zlib would cost 6 bytes per plane

Octets = npt.NDArray[np.uint8]
Bits = npt.NDArray[np.bool_]


def pack_plane(array: npt.NDArray[Any]) -> bytes:
    """Return the bytes of a plane, or of several of the same kind, shape (..., h, w).

    Neither shape nor type are stored: :func:`unpack_plane` must be told both. All real, complex and boolean
    types are kept bit for bit, NaN included.
    """
    samples = _as_unsigned(array)
    if samples.size == 0:
        return bytes([_CONSTANT])
    first = samples.flat[0]
    if (samples == first).all():
        return bytes([_CONSTANT]) + (b"" if first == 0 else first.tobytes())
    low, high = samples.min(), samples.max()
    bits = samples == high
    if (bits | (samples == low)).all():
        values = b"" if array.dtype == np.bool_ else low.tobytes() + high.tobytes()
        return min(_bit_candidates(bits, values), key=len)
    return _pack_samples(samples)


def unpack_plane(data: bytes, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the plane that :func:`pack_plane` turned into ``data``.

    Memory is bounded by ``shape`` whatever ``data`` holds.

    Args:
        data: bytes of the plane.
        shape: shape of the plane, (..., h, w).
        dtype: its type.

    Raises:
        ContainerError: when the bytes are damaged or do not belong to this shape and type. Damage that leaves
            the bytes well-formed gives a wrong plane: a checksum around them must catch it.
    """
    kind = np.dtype(dtype).newbyteorder("<")
    unsigned = _unsigned_type(kind)
    columns = (shape[-1] if shape else 1) * (kind.itemsize // unsigned.itemsize)
    rows = prod(shape[:-1])
    if not data:
        raise ContainerError("a stored mask is empty: the archive is damaged, copy the file again")
    if prod(shape) == 0:
        return np.empty(shape, dtype)
    method, body = data[0], data[1:]
    if method == _CONSTANT:
        samples = _unpack_constant(body, (rows, columns), unsigned)
    elif method in _UNPACK_BITS:
        samples = _unpack_two_values(method, body, (rows, columns), kind)
    elif method in (_SAMPLES, _SAMPLES_LEFT, _SAMPLES_UP):
        samples = _unpack_samples(method, body, (rows, columns), unsigned)
    else:
        raise _damaged(f"unknown coding {method}")
    if kind == np.bool_:
        samples = samples != 0
    plane: npt.NDArray[Any] = samples.view(kind).reshape(shape)
    return plane.astype(np.dtype(dtype), copy=False)


def _unsigned_type(kind: np.dtype[Any]) -> np.dtype[Any]:
    """Return the unsigned type whose samples carry those of ``kind`` (two of them for complex128)."""
    return np.dtype(f"<u{min(kind.itemsize, 8)}")


def _as_unsigned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the samples as little-endian unsigned integers of shape (rows, columns)."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    columns = array.shape[-1] if array.ndim else 1
    flat = little.reshape(prod(array.shape[:-1]), columns)
    return flat.view(_unsigned_type(little.dtype))


def _damaged(what: str) -> ContainerError:
    return ContainerError(f"a stored mask is damaged ({what}): copy the file again")


def _deflate(data: Octets, level: int = 9) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, _WINDOW_BITS, 9)
    return packer.compress(data.data) + packer.flush()


def _inflate(data: bytes, length: int) -> Octets:
    """Return exactly ``length`` bytes, or raise."""
    unpacker = zlib.decompressobj(_WINDOW_BITS)
    try:
        octets = unpacker.decompress(data, length + 1)
    except zlib.error as error:
        raise _damaged("it cannot be inflated") from error
    if len(octets) != length or not unpacker.eof or unpacker.unused_data:
        raise _damaged("its length is wrong")
    return np.frombuffer(octets, np.uint8)


def _unpack_constant(body: bytes, shape: tuple[int, int], unsigned: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return samples that are all the same."""
    if len(body) not in (0, unsigned.itemsize):
        raise _damaged("its value has the wrong length")
    value = np.frombuffer(body, unsigned)[0] if body else unsigned.type(0)
    return np.full(shape, value, unsigned)


def _bit_candidates(bits: Bits, values: bytes) -> Iterator[bytes]:
    """Yield the codings of a two-valued plane (rows, columns)."""
    yield bytes([_BITS]) + values + _deflate(np.packbits(bits))
    change = bits.copy()
    change[1:] ^= bits[:-1]
    yield bytes([_BITS_UP]) + values + _deflate(np.packbits(change))
    edges = _edge_columns(bits)
    if edges is not None:
        for method in (_EDGES, _EDGES_TWICE):
            body = _deflate(_zigzag_planes(_row_differences(edges, method)))
            yield bytes([method]) + values + bytes([edges.shape[1]]) + body


def _unpack_two_values(
    method: int, body: bytes, shape: tuple[int, int], kind: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Return samples that have one of two values, both kept before the bits unless the plane is boolean."""
    unsigned = _unsigned_type(kind)
    if kind == np.bool_:
        return _UNPACK_BITS[method](body, shape).view(unsigned)
    split = 2 * unsigned.itemsize
    if len(body) < split:
        raise _damaged("its values are missing")
    low, high = np.frombuffer(body[:split], unsigned)
    values: npt.NDArray[Any] = np.where(_UNPACK_BITS[method](body[split:], shape), high, low)
    return values


def _unpack_bits(body: bytes, shape: tuple[int, int]) -> Bits:
    count = prod(shape)
    octets = _inflate(body, -(-count // 8))
    return np.unpackbits(octets, count=count).reshape(shape).view(np.bool_)


def _unpack_bits_up(body: bytes, shape: tuple[int, int]) -> Bits:
    change = _unpack_bits(body, shape)
    return np.logical_xor.accumulate(change, axis=0)


def _edge_columns(bits: Bits) -> npt.NDArray[np.int64] | None:
    """Return, per row, the columns where the value changes (a row starts from False), padded with the width.

    None where rows have so many that another coding is better anyway.
    """
    rows, columns = bits.shape
    change = bits.copy()
    change[:, 1:] ^= bits[:, :-1]
    counts = np.count_nonzero(change, axis=1)
    most = int(counts.max())
    if most > min(_MOST_EDGES, columns) or columns > _WIDEST_EDGES:
        return None
    row, column = np.nonzero(change)
    starts = np.cumsum(counts) - counts
    edges = np.full((rows, most), columns, np.int64)
    edges[row, np.arange(row.size) - starts[row]] = column
    return edges


def _row_differences(edges: npt.NDArray[np.int64], method: int) -> npt.NDArray[np.int64]:
    """Difference each column of ``edges`` from row to row, once or twice."""
    for _ in range(2 if method == _EDGES_TWICE else 1):
        edges = np.diff(edges, axis=0, prepend=0)
    return edges


def _zigzag_planes(steps: npt.NDArray[np.int64]) -> Octets:
    """Return small signed steps as low bytes, then high bytes, each edge's rows together."""
    codes = ((steps << 1) ^ (steps >> 63)).T.astype("<u2")
    return np.ascontiguousarray(codes).view(np.uint8).reshape(-1, 2).T.copy()


def _unpack_edges(body: bytes, shape: tuple[int, int]) -> Bits:
    return _bits_from_edges(body, shape, repeat=1)


def _unpack_edges_twice(body: bytes, shape: tuple[int, int]) -> Bits:
    return _bits_from_edges(body, shape, repeat=2)


def _bits_from_edges(body: bytes, shape: tuple[int, int], repeat: int) -> Bits:
    """Return bits that change at the stored columns; the inverse of all edge steps above."""
    rows, columns = shape
    if not body or body[0] > min(_MOST_EDGES, columns):
        raise _damaged("it has too many borders")
    most = body[0]
    octets = _inflate(body[1:], 2 * most * rows).reshape(2, most, rows).astype(np.int64)
    codes = octets[0] | (octets[1] << 8)
    edges = (codes >> 1) ^ -(codes & 1)
    for _ in range(repeat):
        edges = np.cumsum(edges, axis=1)
    if (edges < 0).any() or (edges > columns).any():
        raise _damaged("a border lies outside")
    change = np.zeros((rows, columns + 1), np.bool_)
    row = np.arange(rows)
    for column in edges:
        change[row, column] ^= True
    return np.logical_xor.accumulate(change[:, :columns], axis=1)


_UNPACK_BITS: dict[int, Callable[[bytes, tuple[int, int]], Bits]] = {
    _BITS: _unpack_bits,
    _BITS_UP: _unpack_bits_up,
    _EDGES: _unpack_edges,
    _EDGES_TWICE: _unpack_edges_twice,
}


def _pack_samples(samples: npt.NDArray[Any]) -> bytes:
    """Return samples (rows, columns) of many values, by the predictor that does best on a part of them."""
    part = samples
    if samples.nbytes > _TRIAL_BYTES:
        rows = max(_TRIAL_BYTES // (samples.shape[1] * samples.itemsize), 2)
        middle = max((samples.shape[0] - rows) // 2, 0)
        part = samples[middle : middle + rows]
    methods = (_SAMPLES, _SAMPLES_LEFT, _SAMPLES_UP)
    best = min(methods, key=lambda method: len(_deflate(_predicted(part, method), 1)))
    level = 9 if part is samples else 6
    return bytes([best]) + _deflate(_predicted(samples, best), level)


def _predicted(samples: npt.NDArray[Any], method: int) -> Octets:
    """Return differences modulo the type's range as byte planes."""
    steps = samples
    if method == _SAMPLES_LEFT:
        steps = samples.copy()
        steps[:, 1:] -= samples[:, :-1]
    elif method == _SAMPLES_UP:
        steps = samples.copy()
        steps[1:] -= samples[:-1]
    octets = np.ascontiguousarray(steps).view(np.uint8).reshape(-1, samples.itemsize)
    return np.ascontiguousarray(octets.T)


def _unpack_samples(
    method: int, body: bytes, shape: tuple[int, int], unsigned: np.dtype[Any]
) -> npt.NDArray[Any]:
    octets = _inflate(body, prod(shape) * unsigned.itemsize).reshape(unsigned.itemsize, -1)
    steps = np.ascontiguousarray(octets.T).view(unsigned).reshape(shape)
    if method == _SAMPLES:
        return steps
    return np.cumsum(steps, axis=1 if method == _SAMPLES_LEFT else 0, dtype=unsigned)
