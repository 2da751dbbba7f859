"""JPEG 2000 part 1 for one tile: lossless 5/3, lossy 9/7 at a ratio, rate-distortion points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rsic_geo.codecs import j2k, openjpeg
from rsic_geo.codecs.base import Coded, Pixels, RDPoints, Setting, TileForm, check_pixels
from rsic_geo.codecs.layered import Layered, expected, layer_bytes
from rsic_geo.errors import BitstreamError, UnsupportedSceneError, UsageError
from rsic_geo.geo.profile import sample_range

CODEC_ID = "jp2"
DTYPES = ("uint8", "uint16", "int16")
_LEAST_DECIBELS = 0.01  # OpenJPEG takes 0 for all there is
MAX_LAYERS = 100  # OpenJPEG's limit
MAX_TILE_SAMPLES = 1 << 28
"""Samples a decoder may be asked for at once: 1 GiB of 32-bit numbers."""
_MAX_ATTEMPTS = 5
_HEADER_BYTES = 130
"""Main header that OpenJPEG counts into its rate, less the PLT segment that it does not (bytes)."""
_FEW_PACKETS = 8
"""A first layer of so many times the bytes of empty packets may hold nothing of what it was asked for."""
_COARSER, _MOST = 1e3, 2.0**32  # factor of the next try, and mean square than which none is larger
_CLOSE_ENOUGH = 0.005  # a byte budget is hit when less than this share of it stays unused


@dataclass(frozen=True, slots=True, kw_only=True)
class J2KParams:
    """How one tile is coded. All tiles of one file must share everything but `ratio`."""

    lossless: bool
    """Reversible 5/3 wavelet and nothing thrown away; otherwise irreversible 9/7."""
    is_reversible: bool = False
    """5/3 although something is thrown away: 9/7 ends at about half a digital number, 5/3 goes on to none."""
    mct: bool = False
    """Decorrelate the first three bands as red, green, blue."""
    ratio: float | None = None
    """Compression ratio against the raw bits of the tile; None keeps all that the quantiser keeps."""
    errors: tuple[float, ...] = ()
    """Mean squared error of each quality layer, falling; excludes `ratio`. OpenJPEG estimates it on wavelet
    coefficients: about 15 % more is left, and what its quantiser and rounding add."""
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
        if self.errors and self.ratio is not None:
            raise UsageError("give either ratio or errors, not both")
        if self.lossless and (self.errors or self.ratio is not None):
            raise UsageError("lossless coding takes no ratio and no error: choose a lossy target")
        if self.ratio is not None and not (math.isfinite(self.ratio) and self.ratio > 0):
            raise UsageError("compression ratios are positive numbers, such as 20 for 20:1")
        falling = sorted({error for error in self.errors if 0 < error < math.inf}, reverse=True)
        if len(self.errors) > MAX_LAYERS or list(self.errors) != falling:
            raise UsageError(f"squared errors are up to {MAX_LAYERS} falling positive numbers, as (9, 4)")
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
        elif setting.error is not None:
            errors = (setting.error,) if setting.error > 0 else ()
            params = replace(params, errors=errors, is_reversible=setting.is_reversible)
        elif setting.lossless:
            params = replace(params, lossless=True)
        elif setting.quality != 1.0:
            raise UsageError("JPEG 2000 is coded to a size or an error, without loss, or as finely as it can")
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
        errors: Sequence[float],
        valid: npt.NDArray[np.bool_] | None,
        near: float | Sequence[float] | None = None,
        *,
        is_decoded: bool = True,
    ) -> RDPoints:
        """Return bytes and squared error at falling errors, by one layered coding; see `layer_profile`."""
        params = replace(self._lossy, errors=tuple(errors))
        return layer_profile(pixels, params, valid=valid, near=near, is_decoded=is_decoded)


def encode_tile(pixels: Pixels, params: J2KParams) -> bytes:
    """Encode (bands, height, width) uint8, uint16 or int16 samples as a single-tile codestream at the origin.

    Several threads may call it at once. The same input gives the same bytes.

    Raises:
        UnsupportedSceneError: Sample type or shape.
        UsageError: The tile is larger than `params.tile_size`, or mct is asked for without three bands.
        CodecError: OpenJPEG refuses.
    """
    return openjpeg.encode(np.asarray(pixels), _settings(pixels, params))


def encode_tile_bytes(pixels: Pixels, params: J2KParams, max_bytes: int) -> bytes:
    """Encode with 9/7 so that the tile-part body (headers behind SOT, and packets) is at most `max_bytes`.

    Comes as close from below as a few attempts allow; of tiles that are larger empty, the smallest is given.

    Raises:
        As `encode_tile`; UsageError for lossless parameters.
    """
    if params.lossless:
        raise UsageError("a byte budget needs lossy coding")
    search = _BudgetSearch(max_bytes=max_bytes, raw_bytes=pixels.nbytes)
    for _ in range(_MAX_ATTEMPTS):
        lossy = replace(params, errors=(), ratio=search.raw_bytes / search.request)
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
    is_decoded: bool = True,
) -> RDPoints:
    """Measure bytes and squared error of a tile at each of `params.errors`.

    One layered encode; decoding a layer takes half of that, so few are, and tell what the others leave.
    Arguments as of `SizedCodec.curve`; raises as `encode_tile`.
    """
    keep = None if valid is None else np.broadcast_to(valid, pixels.shape)
    counts = np.full(len(pixels), pixels[0].size) if keep is None else np.count_nonzero(keep, axis=(1, 2))
    # The encoder counts what does not count, too, which is filled smoothly and has no error to speak of.
    share = max(float(counts.sum()) / pixels.size, 1e-3)
    asked = tuple(share * error for error in params.errors)
    layered = replace(params, ratio=None, errors=asked, plt=True, progression="LRCP")
    codestream = encode_tile(pixels, layered)
    sizes = layer_bytes(codestream, len(asked))
    # Beyond the tile's own variance and once everything is coded, layers hold nothing but empty packets.
    empty = params.num_resolutions * pixels.shape[0]
    filled = [k for k in range(len(sizes)) if k == 0 or sizes[k] - sizes[k - 1] > empty]
    bytes_, squares = tuple(sizes[k] for k in filled), tuple(asked[k] * pixels.size for k in filled)
    # Level areas leave anything of what they are asked for, and so does a layer with nothing left to code.
    is_usual = keep is None and sizes[0] > _FEW_PACKETS * empty and filled[-1] == len(sizes) - 1
    if is_usual and not is_decoded:
        return RDPoints(bytes=bytes_, sse=(), asked=squares, is_usual=True)
    tile = Layered(codestream=codestream, pixels=pixels, keep=keep, counts=counts, asked=asked, filled=filled)
    lacking = tile.left(0) if len(filled) == 1 else 0.0
    if 0 < lacking < asked[0] / 2:  # a tile smoother than anything asked for: how it gets better is below
        finer = tuple(each * lacking / asked[0] for each in params.errors)
        return layer_profile(pixels, replace(params, errors=finer), valid=valid)
    if near is None:
        tile.look_everywhere()
    else:
        tile.look_near(near, share)
    errors = tile.errors
    usual = {layer: found for layer, found in errors.items() if found.any()}
    # These may be far from what they were asked for: more than there is, or less than is to be had.
    if sizes[0] <= _FEW_PACKETS * empty:
        tile.error(0)
    elif not usual and asked[0] < _MOST and not tile.error(0).any():
        coarser = tuple(_COARSER * each for each in params.errors)  # all this is for what does not count
        return layer_profile(pixels, replace(params, errors=coarser), valid=valid, near=near)
    if near is None or filled[-1] != len(sizes) - 1:
        tile.error(filled[-1])
    found = [
        tile.error(layer) if layer in errors or not usual else expected(usual, layer, asked, pixels.size)
        for layer in filled
    ]
    return RDPoints(
        bytes=bytes_,
        sse=tuple(float(each.sum()) for each in found),
        asked=squares,
        by_band=tuple(tuple(map(float, each)) for each in found),
        is_usual=is_usual,
    )


def decode_tile(codestream: bytes, *, reduce: int = 0) -> Pixels:
    """Decode a codestream to (bands, height, width) samples of the type that its header names.

    Args:
        codestream: A whole codestream; its image must be at the origin for the shape to be meaningful.
        reduce: Number of highest resolutions to leave out; each halves the sides (rounded up).

    Raises:
        BitstreamError: No codestream, damaged, cut short, or of a kind rsic_geo does not write.
    """
    size = j2k.split_codestream(codestream).size
    component = size.components[0]
    if len(set(size.components)) > 1 or component.precision > 16:
        raise BitstreamError(
            "the bands differ in type or have more than 16 bits: rsic_geo does not write such files"
        )
    if (size.width - size.x0) * (size.height - size.y0) * len(size.components) > MAX_TILE_SAMPLES:
        raise BitstreamError("the codestream claims to be larger than any tile: it is damaged")
    dtype = np.dtype(f"{'int' if component.is_signed else 'uint'}{8 if component.precision <= 8 else 16}")
    bands: list[Pixels] = []
    warnings = openjpeg.decode(codestream, reduce=reduce, consume=lambda _, s: bands.append(s.astype(dtype)))
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
    rate = params.ratio or 0.0
    full = 8 * pixels.dtype.itemsize
    if params.bits is not None:
        _check_bits(pixels, params.bits)
        # OpenJPEG counts ratios against the bits of the precision, callers against those of the type.
        rate *= params.bits / full
    peak = 2.0 ** (params.bits or full) - 1
    return openjpeg.EncoderSettings(
        is_reversible=params.lossless or params.is_reversible,
        use_mct=params.mct,
        rate=rate,
        decibels=tuple(max(10 * math.log10(peak**2 / error), _LEAST_DECIBELS) for error in params.errors),
        precision=params.bits or full,
        resolutions=params.num_resolutions,
        with_plt=params.plt,
        progression=params.progression,
        tile_width=params.tile_size,
        tile_height=params.tile_size,
    )


def _check_bits(pixels: Pixels, bits: int) -> None:
    """Refuse samples that their precision cannot say: the encoder would cut them without a word."""
    (low, high), least, most = sample_range(pixels.dtype.name, bits), int(pixels.min()), int(pixels.max())
    if least < low or most > high:
        raise UnsupportedSceneError(
            f"samples from {least} to {most} are more than the {bits} bits that the file says they use "
            "(NBITS): take that out of the file and archive it again"
        )
