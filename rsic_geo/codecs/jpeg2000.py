"""JPEG 2000 part 1 for one tile: lossless 5/3, lossy 9/7 at a ratio, rate-distortion points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rsic_geo.codecs import j2k, openjpeg
from rsic_geo.codecs.base import Coded, Pixels, RDPoints, Setting, TileForm, check_pixels
from rsic_geo.errors import BitstreamError, CodecError, UnsupportedSceneError, UsageError
from rsic_geo.geo.profile import sample_range

CODEC_ID = "jp2"
DTYPES = ("uint8", "uint16", "int16")
DEFAULT_LAYERS = (400.0, 160.0, 80.0, 40.0, 20.0, 10.0, 5.0)
"""Ratios of `layer_profile` when none are given."""
MAX_LAYERS = 100
"""OpenJPEG's limit."""
MAX_TILE_SAMPLES = 1 << 28
"""Samples a decoder may be asked for at once: 1 GiB of 32-bit numbers."""
_MAX_ATTEMPTS = 5
_HEADER_BYTES = 130
"""Main header that OpenJPEG counts into its rate, less the PLT segment that it does not (bytes)."""
_CLOSE_ENOUGH = 0.005
"""A byte budget counts as hit when less than this share of it stays unused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class J2KParams:
    """How one tile is coded. All tiles of one file must share everything but `ratio`."""

    lossless: bool
    """Reversible 5/3 wavelet and nothing thrown away; otherwise irreversible 9/7."""
    mct: bool = False
    """Decorrelate the first three bands as red, green, blue."""
    ratio: float | None = None
    """Compression ratio against the raw bits of the tile; None keeps all that the quantiser keeps."""
    layers: tuple[float, ...] | None = None
    """Ratios of quality layers, falling; excludes `ratio`."""
    num_resolutions: int = 6
    """Wavelet decompositions + 1, the same in every tile whatever its size."""
    plt: bool = True
    """List packet lengths in the tile header, so that readers can skip packets (about 1 byte per packet)."""
    progression: str = "RPCL"
    bits: int | None = None
    """Precision of the samples, where it is less than that of their type."""
    tile_size: int = 1024
    """Nominal tile side (px), a power of two; edge tiles are smaller."""

    def __post_init__(self) -> None:
        """Refuse combinations without meaning."""
        ratios = self.layers if self.layers is not None else (self.ratio,) if self.ratio is not None else ()
        if self.layers is not None and self.ratio is not None:
            raise UsageError("give either ratio or layers, not both")
        if self.lossless and ratios:
            raise UsageError("lossless coding takes no ratio: leave it out or choose a lossy target")
        if any(not math.isfinite(r) or r <= 0 for r in ratios):
            raise UsageError("compression ratios are positive numbers, such as 20 for 20:1")
        if self.layers is not None and (
            not 1 <= len(self.layers) <= MAX_LAYERS
            or list(self.layers) != sorted(set(self.layers), reverse=True)
        ):
            raise UsageError(f"layers are 1..{MAX_LAYERS} falling ratios, such as (80, 40, 20)")
        if not 1 <= self.num_resolutions <= 33:
            raise UsageError("num_resolutions is 1..33")
        if self.progression not in openjpeg.PROGRESSIONS:
            raise UsageError(f"progression is one of {', '.join(openjpeg.PROGRESSIONS)}")
        if self.tile_size & (self.tile_size - 1) or self.tile_size < 1 << (self.num_resolutions - 1):
            raise UsageError(
                f"tile_size {self.tile_size} must be a power of two, 2**(num_resolutions - 1) or more"
            )


class Jpeg2000Codec:
    """JPEG 2000 under the contract of a codec. Payloads are codestreams of one tile at the origin."""

    tolerance = 0
    weights = None

    def __init__(self, form: TileForm, *, plt: bool = True) -> None:
        """Hold how the tiles of a scene are coded; ``plt`` as in :class:`J2KParams`."""
        self._lossy = J2KParams(
            lossless=False, mct=form.mct, bits=form.bits, tile_size=form.tile_size, plt=plt
        )

    def encode(self, pixels: Pixels, setting: Setting) -> Coded:
        """Encode samples (bands, height, width); of the qualities 1 alone. Raises as `encode_tile`."""
        params = self._lossy
        if setting.size is not None and setting.is_exact:
            return Coded(encode_tile_bytes(pixels, params, setting.size))
        if setting.size is not None:
            params = replace(params, ratio=pixels.nbytes / setting.size)
        elif setting.lossless:
            params = replace(params, lossless=True)
        elif setting.quality != 1.0:
            raise UsageError("JPEG 2000 is coded to a size, without loss, or as finely as it can")
        return Coded(encode_tile(pixels, params))

    def decode(self, payload: bytes, shape: tuple[int, int, int], *, reduce: int = 0) -> Pixels:
        """Return samples of a shape at full size, sides halved ``reduce`` times. Raises as `decode_tile`."""
        pixels = decode_tile(payload, reduce=reduce)
        wanted = (shape[0], *(-(-side >> reduce) for side in shape[1:]))
        if pixels.shape != wanted:
            raise BitstreamError(f"the tile has {pixels.shape} samples, not {wanted}: it is damaged")
        return pixels

    def curve(
        self,
        pixels: Pixels,
        ratios: Sequence[float],
        valid: npt.NDArray[np.bool_] | None,
        near: float | Sequence[float] | None = None,
    ) -> RDPoints:
        """Return bytes and squared error at falling ratios, by one layered coding; see `layer_profile`."""
        return layer_profile(pixels, replace(self._lossy, layers=tuple(ratios)), valid=valid, near=near)


def encode_tile(pixels: Pixels, params: J2KParams) -> bytes:
    """Encode (bands, height, width) uint8, uint16 or int16 samples as a single-tile codestream at the origin.

    Uses one thread and no files; several threads may call it at once. The same input gives the same bytes.

    Raises:
        UnsupportedSceneError: Sample type or shape.
        UsageError: The tile is larger than `params.tile_size`, or mct is asked for without three bands.
        CodecError: OpenJPEG refuses.
    """
    return openjpeg.encode(np.asarray(pixels), _settings(pixels, params))


def encode_tile_bytes(pixels: Pixels, params: J2KParams, max_bytes: int) -> bytes:
    """Encode with 9/7 so that the tile-part body (headers behind SOT, and packets) is at most `max_bytes`.

    Comes as close from below as a few attempts allow. Where even an empty tile is larger, the smallest
    codestream found is returned.

    Raises:
        As `encode_tile`; UsageError for lossless parameters.
    """
    if params.lossless:
        raise UsageError("a byte budget needs lossy coding")
    search = _BudgetSearch(max_bytes=max_bytes, raw_bytes=pixels.nbytes)
    for _ in range(_MAX_ATTEMPTS):
        lossy = replace(params, layers=None, ratio=search.raw_bytes / search.request)
        if not search.is_worth_another(encode_tile(pixels, lossy)):
            break
    return search.best


class _BudgetSearch:
    """Which request makes OpenJPEG come closest to a budget from below."""

    def __init__(self, *, max_bytes: int, raw_bytes: int) -> None:
        self._max_bytes, self.raw_bytes = max_bytes, raw_bytes
        self.request = float(max(1, max_bytes) + _HEADER_BYTES)
        self.best = b""
        self._best_size: float = math.inf
        self._low, self._high = 0.0, math.inf
        self._sizes: list[int] = []

    def is_worth_another(self, codestream: bytes) -> bool:
        """Take note of what the last request gave; choose the next one, if any."""
        size = body_size(codestream)
        self._keep_better(codestream, size)
        is_repeated = size in self._sizes
        self._sizes.append(size)
        spare = self._max_bytes - size
        if spare >= 0:
            # Far below what was asked for, everything is coded already.
            is_complete = size < self.request / 2 or self.request >= self.raw_bytes
            if is_repeated or is_complete or spare <= _CLOSE_ENOUGH * self._max_bytes:
                return False
            self._low = self.request
        else:
            self._high = self.request
            # Rates move in steps: the same size again means that the step down was too small.
            spare *= 4 ** self._sizes.count(size)
        step = self.request + spare
        if not self._low < step < self._high:
            step = (self._low + min(self._high, 2 * self.request)) / 2
        self.request = max(1.0, step)
        return self._high - self._low >= 2

    def _keep_better(self, codestream: bytes, size: int) -> None:
        fits, best_fits = size <= self._max_bytes, self._best_size <= self._max_bytes
        if (fits and not best_fits) or (fits == best_fits and (size > self._best_size) == fits):
            self.best, self._best_size = codestream, size


def body_size(codestream: bytes) -> int:
    """Return the bytes of all tile-part bodies of a codestream (what a tile adds to a file, without SOT)."""
    return sum(len(part.body) for part in j2k.split_codestream(codestream).parts)


def layer_profile(
    pixels: Pixels,
    params: J2KParams,
    *,
    valid: npt.NDArray[np.bool_] | None = None,
    near: float | Sequence[float] | None = None,
) -> RDPoints:
    """Measure bytes and squared error of a tile at each of `params.layers` (DEFAULT_LAYERS when None).

    One layered encode and one decode per layer.

    Args:
        pixels: Samples (bands, height, width).
        params: Lossy parameters; a `ratio` in them is not looked at.
        valid: Optional (height, width) or (bands, height, width) keep-map; other samples count no error.
        near: A mean squared error, or one for each band, none of which may have more; only the layers that
            lie about it, found by halving, are decoded and returned. Decoding layers takes most of the time
            of measuring.

    Raises:
        As `encode_tile`.
    """
    layers = params.layers or DEFAULT_LAYERS
    layered = replace(params, ratio=None, layers=layers, plt=True, progression="LRCP")
    codestream = encode_tile(pixels, layered)
    keep = None if valid is None else np.broadcast_to(valid, pixels.shape)
    sizes = _layer_bytes(codestream, len(layers))
    counts = np.full(len(pixels), pixels[0].size) if keep is None else np.count_nonzero(keep, axis=(1, 2))
    # Once everything is coded, further layers hold nothing but empty packets.
    empty = params.num_resolutions * pixels.shape[0]
    filled = [k for k in range(len(sizes)) if k == 0 or sizes[k] - sizes[k - 1] > empty]
    errors: dict[int, npt.NDArray[np.float64]] = {}

    def error(layer: int) -> npt.NDArray[np.float64]:
        if layer not in errors:
            errors[layer] = _squared_error(codestream, pixels, keep, layer + 1)
        return errors[layer]

    def is_coarse(layer: int) -> bool:
        if isinstance(near, Sequence):
            # What is not judged may have any error: infinity times no sample is no number.
            most = [limit * count for limit, count in zip(near, counts.tolist(), strict=True) if count]
            return bool((error(layer)[counts > 0] > most).any())
        return bool(error(layer).sum() > (near or 0.0) * counts.sum())

    if near is not None:
        coarse, fine = 0, len(filled) - 1
        while fine - coarse > 1:
            middle = (coarse + fine) // 2
            coarse, fine = (middle, fine) if is_coarse(filled[middle]) else (coarse, middle)
        filled = sorted({*errors, filled[coarse], filled[fine]})
    else:
        filled = [max(each for each in filled if each <= layer) for layer in range(len(sizes))]
    found = [error(layer) for layer in filled]
    return RDPoints(
        bytes=tuple(sizes[layer] for layer in filled),
        sse=tuple(float(each.sum()) for each in found),
        samples=int(counts.sum()),
        by_band=tuple(tuple(map(float, each)) for each in found),
    )


def decode_tile(codestream: bytes, *, reduce: int = 0) -> Pixels:
    """Decode a codestream to (bands, height, width) samples of the type that its header names.

    Args:
        codestream: A whole codestream; its image must be at the origin for the shape to be meaningful.
        reduce: Number of highest resolutions to leave out; each halves the sides (rounded up).

    Raises:
        BitstreamError: No codestream, damaged, cut short, or of a kind rsic_geo does not write.
    """
    size = _checked_size(codestream)
    component = size.components[0]
    dtype = np.dtype(f"{'int' if component.is_signed else 'uint'}{8 if component.precision <= 8 else 16}")
    bands: list[Pixels] = []
    warnings = openjpeg.decode(
        codestream, reduce=reduce, consume=lambda _, samples: bands.append(samples.astype(dtype))
    )
    if warnings:
        raise BitstreamError(f"the tile is damaged: {warnings[0]}")
    if len(bands) != len(size.components) or len({band.shape for band in bands}) != 1:
        raise BitstreamError("the bands of the tile differ in size: rsic_geo does not write such files")
    return np.stack(bands)


def _settings(pixels: Pixels, params: J2KParams) -> openjpeg.EncoderSettings:
    check_pixels(pixels, DTYPES, CODEC_ID)
    bands, height, width = pixels.shape
    if max(height, width) > params.tile_size:
        raise UsageError(f"a tile of {width} x {height} px is larger than tile_size {params.tile_size}")
    if params.mct and bands < 3:
        raise UsageError(f"the colour transform needs three bands, this tile has {bands}: set mct=False")
    rates = params.layers or ((params.ratio,) if params.ratio is not None else (0.0,))
    full = 8 * pixels.dtype.itemsize
    if params.bits is not None:
        _check_bits(pixels, params.bits)
        # OpenJPEG counts ratios against the bits of the precision, callers against those of the type.
        rates = tuple(rate * params.bits / full for rate in rates)
    return openjpeg.EncoderSettings(
        is_reversible=params.lossless,
        use_mct=params.mct,
        rates=tuple(rates),
        precision=params.bits or full,
        resolutions=params.num_resolutions,
        with_plt=params.plt,
        progression=params.progression,
        tile_width=params.tile_size,
        tile_height=params.tile_size,
    )


def _check_bits(pixels: Pixels, bits: int) -> None:
    """Refuse samples that their precision cannot say: the encoder would cut them without a word."""
    low, high = sample_range(pixels.dtype.name, bits)
    least, most = int(pixels.min()), int(pixels.max())
    if least < low or most > high:
        raise UnsupportedSceneError(
            f"samples from {least} to {most} are more than the {bits} bits that the file says they use "
            "(NBITS): take that out of the file and archive it again"
        )


def _checked_size(codestream: bytes) -> j2k.ImageSize:
    size = j2k.split_codestream(codestream).size
    first = size.components[0]
    if any(component != first for component in size.components) or first.precision > 16:
        raise BitstreamError(
            "the bands differ in type or have more than 16 bits: rsic_geo does not write such files"
        )
    if (size.width - size.x0) * (size.height - size.y0) * len(size.components) > MAX_TILE_SAMPLES:
        raise BitstreamError("the codestream claims to be larger than any tile: it is damaged")
    return size


def _layer_bytes(codestream: bytes, layers: int) -> tuple[int, ...]:
    lengths = [n for part in j2k.split_codestream(codestream).parts for n in j2k.packet_lengths(part.body)]
    if not lengths or len(lengths) % layers:
        raise CodecError("OpenJPEG listed no packet lengths: OpenJPEG 2.4 or newer is needed")
    per_layer = len(lengths) // layers
    totals = np.cumsum(lengths)[per_layer - 1 :: per_layer]
    return tuple(int(total) for total in totals)


def _squared_error(
    codestream: bytes, pixels: Pixels, keep: npt.NDArray[np.bool_] | None, layers: int
) -> npt.NDArray[np.float64]:
    """Return the sum of squared errors of each band when decoding so many layers."""
    total = np.zeros(len(pixels))

    def add(band: int, samples: npt.NDArray[np.int32]) -> None:
        error = np.subtract(samples, pixels[band], dtype=np.float32)
        if keep is not None:
            error *= keep[band]
        total[band] = float(np.einsum("ij,ij->", error, error, dtype=np.float64, casting="safe"))

    openjpeg.decode(codestream, layers=layers, consume=add)
    return total
