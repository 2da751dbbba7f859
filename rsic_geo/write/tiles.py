"""One codec tile from pixels to bytes, and what its decoding gives: pure functions any worker can run."""

from __future__ import annotations

import math
import time
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import FINEST, LOSSLESS, Codec, Coded, Setting
from rsic_geo.geo.lattice import CELL, cell_sums
from rsic_geo.geo.planes import pack_plane
from rsic_geo.geo.validity import avoid_nodata, clamp, fill_invalid
from rsic_geo.scenes.components import Spectral
from rsic_geo.scenes.planes import within_bits

Pixels = NDArray[Any]


_CACHED = 1 << 16
"""Pixels whose errors stay in a processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileInput:
    """What one tile hands to the codec."""

    number: int
    """Row-major number of the tile."""
    pixels: Pixels
    """(bands, h, w) as the codec gets them: invalid pixels filled when the coding is lossy."""
    original: Pixels
    """(bands, h, w) as the scene has them; of a quantised scene in steps, not rounded. Lossless: as they are
    to come back, filled where ``pixels`` are."""
    scored: NDArray[np.bool_] | None
    """(bands, h, w), True where the error counts; None = everywhere."""
    nodata: tuple[float | int | None, ...] | None = None
    """Sentinel per band that valid pixels of the output may not equal; None = no band has one."""
    limits: tuple[tuple[int, int] | None, ...] = ()
    """Least and greatest value per band that readers hold decoded pixels to; empty = they hold none."""
    bits: int | None = None
    """Bits a sample uses, which the output keeps to; None for all of its type."""
    planes: dict[str, bytes] = field(default_factory=dict)
    """Planes kept losslessly beside the codec: valid, mask, alpha."""
    spectral: Spectral | None = None
    """What made ``pixels`` components; None where they are bands."""

    @property
    def counted(self) -> NDArray[np.bool_] | None:
        """Where errors of ``pixels`` count: of components where any band does."""
        if self.spectral is None or self.scored is None:
            return self.scored
        return np.broadcast_to(self.scored.any(axis=0), self.scored.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, height and width (px)."""
        bands, height, width = self.pixels.shape
        return bands, height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class TileResult:
    """One coded tile and the error of its decoding."""

    number: int
    codestream: bytes
    """What the codec made of it."""
    sse: NDArray[np.float64]
    """Sum of squared errors over the scored pixels, shape (bands,)."""
    worst: NDArray[np.float64]
    """Largest absolute error over the scored pixels (digital numbers), shape (bands,)."""
    cell_sse: NDArray[np.float64]
    """Sum of squared errors per cell of the tile, shape (bands, cell rows, cell columns)."""
    cell_count: NDArray[np.float64]
    """Scored pixels per cell, same shape."""
    pixel_crc: int
    """CRC-32 of the decoded pixels, C order (bands, h, w), little endian."""
    coding_seconds: float = 0.0
    """Time the encoder took, without decoding and measuring."""

    @property
    def max_error(self) -> float:
        """Largest absolute error of any band."""
        return float(self.worst.max(initial=0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTile:
    """Pixels of one tile and all the scene says about their validity."""

    number: int
    pixels: Pixels
    nodata_valid: NDArray[np.bool_] | None
    """(bands, h, w), False where a band holds its nodata value; None when no band has one."""
    mask: NDArray[np.uint8] | None
    """(h, w) dataset mask, 255 = valid; None when the scene has no explicit mask."""
    alpha: tuple[int, ...] = ()
    """Indexes of alpha bands."""
    nodata: tuple[float | int | None, ...] | None = None
    """Sentinel per band; None where no band has one."""
    limits: tuple[tuple[int, int] | None, ...] = ()
    """Least and greatest value per band that readers hold decoded pixels to; empty = they hold none."""
    is_apart: bool = False
    """Lossless: whether samples without data are filled, and a plane says where they are."""
    bits: int | None = None
    """Bits a sample uses; None for all of its type."""
    exact: NDArray[np.float64] | None = None
    """(bands, h, w) in steps of the pixels, not rounded; None where the pixels are the scene's own."""
    spectral: Spectral | None = None
    """How bands become components; None leaves them."""


def pixel_crc(pixels: Pixels) -> int:
    """Return the CRC-32 of the pixels in C order and little-endian bytes."""
    little = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<"), copy=False)
    return zlib.crc32(little.data)


def prepare(raw: RawTile, *, lossless: bool) -> TileInput:
    """Decide what the codec sees of a tile and which planes are kept beside it."""
    planes: dict[str, bytes] = {}
    if raw.mask is not None:
        planes["mask"] = _pack(raw.mask[None])
    if lossless:
        pixels = raw.pixels
        # Quantised samples have no value that says nodata; others are filled where that is smaller.
        if raw.nodata_valid is not None and (raw.nodata is None or raw.is_apart):
            planes["valid"] = packed_valid(raw.nodata_valid)
            if raw.is_apart:
                pixels = fill_invalid(pixels, raw.nodata_valid)
        coded = pixels if raw.spectral is None else raw.spectral.forward(pixels)
        return TileInput(
            number=raw.number,
            pixels=coded,
            original=pixels,
            scored=None,
            planes=planes,
            spectral=raw.spectral,
        )
    scored = np.ones(raw.pixels.shape, np.bool_)
    if raw.nodata_valid is not None:
        scored &= raw.nodata_valid
        planes["valid"] = packed_valid(raw.nodata_valid)
    if raw.mask is not None:
        scored &= (raw.mask != 0)[None]
    for band in raw.alpha:
        scored &= (raw.pixels[band] != 0)[None]
    data = [b for b in range(len(raw.pixels)) if b not in raw.alpha]
    pixels = raw.pixels
    if not scored[data].all():
        pixels = pixels.copy()
        pixels[data] = fill_invalid(pixels[data], scored[data])
    if raw.alpha:
        planes["alpha"] = _pack(raw.pixels[list(raw.alpha)])
        scored[list(raw.alpha)] = False
    return TileInput(
        number=raw.number,
        pixels=pixels if raw.spectral is None else raw.spectral.forward(pixels),
        spectral=raw.spectral,
        original=raw.pixels if raw.exact is None else raw.exact,
        scored=None if scored.all() else scored,
        nodata=raw.nodata,
        limits=raw.limits,
        bits=raw.bits,
        planes=planes,
    )


def packed_valid(valid: NDArray[np.bool_]) -> bytes:
    """Return where the bands of a tile hold data, (bands, h, w), as a packed plane."""
    return _pack(_merge_bands(valid))


def _pack(planes: Pixels) -> bytes:
    """Return the number of planes (one byte) and the planes (n, h, w) packed."""
    return bytes([len(planes)]) + pack_plane(planes)


def _merge_bands(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return one plane (1, h, w) where all bands agree, else all planes."""
    return valid[:1] if (valid == valid[:1]).all() else valid


def code(tile: TileInput, codec: Codec, setting: Setting, *, is_measured: bool = True) -> TileResult:
    """Encode a tile, decode it again and measure what happened.

    Args:
        tile: what to code.
        codec: by what.
        setting: how much of it to keep.
        is_measured: False leaves a lossy tile undecoded; its errors and pixel checksum then read 0.
    """
    started = time.perf_counter()
    coded = codec.encode(tile.pixels, setting)
    seconds = time.perf_counter() - started
    if setting.lossless:  # taken at its word here: verification decodes every tile of the file
        bands = tile.pixels if tile.spectral is None else tile.original  # what a reader has to find
        result = replace(flawless(tile, coded.payload), pixel_crc=pixel_crc(bands))
    elif is_measured:
        result = measure(tile, codec, coded)
    else:
        result = flawless(tile, coded.payload)
    return replace(result, coding_seconds=seconds)


def code_within(tile: TileInput, codec: Codec, bound: float) -> TileResult:
    """Encode a tile with as few bytes as keep its largest absolute error within ``bound``.

    A tile that misses the bound at the finest lossy quality is coded reversibly.
    """
    finest = code(tile, codec, FINEST)
    if finest.max_error > bound:
        exact = code(tile, codec, LOSSLESS)
        # steps come back exactly, the values they were rounded from do not
        if tile.original.dtype.kind != "f":
            return exact
        return measure(tile, codec, Coded(exact.codestream))
    best, low, high = finest, 1, min(len(finest.codestream), tile.pixels.nbytes)
    for _ in range(12):
        if high - low <= max(64, high // 50):
            break
        # Sizes span decades: their geometric mean is the middle, until the ends are near each other.
        middle = int(math.sqrt(low * high)) if high > 8 * low else (low + high) // 2
        trial = code(tile, codec, Setting(size=middle))
        if trial.max_error <= bound:
            best, high = trial, middle
        else:
            low = middle
    return best


def flawless(tile: TileInput, stream: bytes) -> TileResult:
    """Return a tile without errors, as one is that was coded without loss or is not measured."""
    count = _cell_count(tile)
    return TileResult(
        number=tile.number,
        codestream=stream,
        sse=np.zeros(len(tile.pixels)),
        worst=np.zeros(len(tile.pixels)),
        cell_sse=np.zeros(count.shape),
        cell_count=count,
        pixel_crc=0,
    )


def measure(tile: TileInput, codec: Codec, coded: Coded) -> TileResult:
    """Decode what a tile was coded to and compare what the output will hold with the scene."""
    decoded = codec.decode(coded.payload, tile.shape) if coded.pixels is None else coded.pixels
    return compared(tile, coded.payload, decoded)


def compared(tile: TileInput, stream: bytes, decoded: Pixels) -> TileResult:
    """Compare what the output will hold of a tile with the scene.

    Args:
        tile: what was coded.
        stream: what it was coded to.
        decoded: (bands, h, w) that gives.
    """
    shown = decoded if tile.spectral is None else tile.spectral.inverse(decoded)
    final = within_bits(clamp(shown, tile.limits), tile.bits)
    if tile.nodata is not None:
        valid = np.ones((1, *decoded.shape[1:]), np.bool_) if tile.scored is None else tile.scored
        final = avoid_nodata(final, valid, tile.nodata, bits=tile.bits)
    sums, worst = [], np.zeros(len(final))
    for band in range(len(final)):  # one at a time: a tile may have many
        error = final[band].astype(np.float32) - tile.original[band].astype(np.float32)
        if tile.scored is not None:
            error *= tile.scored[band]
        worst[band] = np.abs(error).max(initial=0.0)
        sums.append(cell_sums((error * error)[None]))
    cell_sse = np.concatenate(sums)
    return TileResult(
        number=tile.number,
        codestream=stream,
        sse=cell_sse.sum(axis=(1, 2)),
        worst=worst,
        cell_sse=cell_sse,
        cell_count=_cell_count(tile),
        pixel_crc=pixel_crc(decoded),
    )


def errors_by_band(
    final: Pixels, original: Pixels, counts: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return squared errors and largest absolute error, (bands,) each, of pixels (bands, h, w) that count.

    A few rows of one band at a time: a scene may have many, and be wide.
    """
    sse, worst = np.zeros(len(final)), np.zeros(len(final))
    count = max(1, _CACHED // final.shape[2])
    for band, (mine, theirs, keep) in enumerate(zip(final, original, counts, strict=True)):
        for rows in (slice(top, top + count) for top in range(0, len(mine), count)):
            error = mine[rows].astype(np.float32)
            error -= theirs[rows].astype(np.float32)
            error *= keep[rows]
            sse[band] += np.einsum("ij,ij->", error, error, dtype=np.float64)
            worst[band] = max(worst[band], np.abs(error).max(initial=0.0))
    return sse, worst


def _cell_count(tile: TileInput) -> NDArray[np.float64]:
    """Return how many pixels count per cell, (bands, cell rows, cell columns)."""
    if tile.scored is not None:
        return cell_sums(tile.scored.astype(np.float32))
    bands, height, width = tile.pixels.shape
    rows, cols = (np.minimum(CELL, side - np.arange(0, side, CELL)) for side in (height, width))
    return np.repeat(np.outer(rows, cols)[None].astype(np.float64), bands, axis=0)
