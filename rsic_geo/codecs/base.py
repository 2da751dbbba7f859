"""The contract of a codec: pixels of one tile <-> a payload, and what a writer must know to use it.

A codec is a row (:class:`CodecEntry`) and what it makes for one scene (:class:`Codec`). Rows of this package
are in :mod:`rsic_geo.codecs.registry`; other packages add theirs by the entry point group
``rsic_geo.codecs``. ``docs/pages/extending.md`` writes one in forty lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import UnsupportedSceneError, UsageError
from rsic_geo.geo.radiometry import Radiometry

Pixels = npt.NDArray[Any]
"""Samples of one tile, (bands, height, width)."""
MAX_REDUCE = 5
"""Most halvings of a reduced read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileForm:
    """What all tiles of a scene have in common, as the codec gets them."""

    radiometry: Radiometry
    """Sample type, and the range each band uses."""
    groups: tuple[tuple[int, ...], ...] = ()
    """Bands that are looked at together: three (red, green, blue) or one each."""
    mct: bool = False
    """Whether taking the first three bands as red, green and blue was found to save bytes."""
    bits: int | None = None
    """Bits a sample uses; None for all of its type."""
    tile_size: int = 1024
    """Largest side of a tile (px); those at the lower and right border are smaller."""
    effort: Literal["fast", "normal", "best"] = "normal"
    """How long an encoder may look for fewer bytes; decoders need not know."""

    @property
    def bands(self) -> int:
        """Bands of a tile."""
        return self.radiometry.bands

    @property
    def dtype(self) -> np.dtype[Any]:
        """Sample type of a tile."""
        return np.dtype(self.radiometry.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How much of a tile is to be kept: one of the ways below."""

    lossless: bool = False
    """Every sample comes back."""
    quality: float | None = None
    """From 0, the coarsest, to 1, the finest there is without being lossless."""
    size: int | None = None
    """Bytes of the payload, about."""
    is_exact: bool = False
    """Whether ``size`` is met from below as nearly as trials allow."""
    error: float | None = None
    """Mean squared error (DN squared) as the encoder estimates it, see :class:`RDPoints`; 0: all there is."""
    is_reversible: bool = False
    """Whether an ``error`` is left by a coding that could keep all, for those too small for the usual one."""

    def __post_init__(self) -> None:
        """Refuse combinations without meaning."""
        given = (self.lossless, self.quality is not None, self.size is not None, self.error is not None)
        if given.count(True) != 1:
            raise UsageError(
                "a tile is coded without loss, to a quality, a size or an error: give one of them"
            )
        if self.quality is not None and not 0 <= self.quality <= 1:
            raise UsageError(f"quality {self.quality} is outside 0..1")


LOSSLESS, FINEST = Setting(lossless=True), Setting(quality=1.0)


@dataclass(frozen=True, slots=True)
class Coded:
    """One coded tile."""

    payload: bytes
    pixels: Pixels | None = None
    """What decoding gives, where the encoder knows it; None: it must be decoded."""


class Codec(Protocol):
    """A codec at work on one scene; several threads may use it at once."""

    @property
    def tolerance(self) -> int:
        """How far apart (DN) two machines may decode the same payload; 0 where they never differ."""
        ...

    @property
    def weights(self) -> tuple[str, str] | None:
        """Name and SHA-256 of the network it works with; None for a codec without."""
        ...

    def encode(self, pixels: Pixels, setting: Setting) -> Coded:
        """Encode samples (bands, height, width). The same input gives the same bytes.

        Raises:
            UnsupportedSceneError: samples it does not take.
            UsageError: a setting it does not know; see :attr:`CodecEntry.dial`.
            CodecError: it fails.
        """
        ...

    def decode(self, payload: bytes, shape: tuple[int, int, int], *, reduce: int = 0) -> Pixels:
        """Return samples (bands, ceil(height / 2^reduce), ceil(width / 2^reduce)) of the scene's type.

        Args:
            payload: what :meth:`encode` made, or anything else.
            shape: bands, height and width of the samples that were coded.
            reduce: how often the sides are halved, 0..5; :func:`halved` does it for a codec that cannot.

        Raises:
            BitstreamError: the payload is no tile of that shape.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RDPoints:
    """What a tile costs and how well it fits, at rising sizes."""

    bytes: tuple[int, ...]
    """Bytes of packets up to and including each layer."""
    sse: tuple[float, ...]
    """Sum of squared errors over all valid samples (DN squared) when decoding up to each layer; empty where
    no layer was decoded."""
    asked: tuple[float, ...]
    """Sum of squared errors that the encoder was asked for; it leaves some part more, alike at all layers."""
    by_band: tuple[tuple[float, ...], ...] = ()
    """``sse`` of each band, layer by layer; empty where the codec does not tell bands apart."""
    is_usual: bool = False
    """Whether the tile leaves the usual part of what is asked for: it tells of others, or goes undecoded."""


class SizedCodec(Codec, Protocol):
    """A codec whose tiles can be cut at any size or error, so that bytes can be shared out among tiles."""

    def curve(
        self,
        pixels: Pixels,
        errors: Sequence[float],
        valid: npt.NDArray[np.bool_] | None,
        near: float | Sequence[float] | None = None,
        *,
        is_decoded: bool = True,
    ) -> RDPoints:
        """Return bytes and squared error of a tile at falling mean squared errors, by one coding.

        Args:
            pixels: samples (bands, height, width).
            errors: mean squared errors of valid samples, falling.
            valid: (height, width) or (bands, height, width); other samples count no error.
            near: a mean squared error, or the largest of each band, about which the curve has to be right;
                None: everywhere.
            is_decoded: False lets a tile go undecoded that leaves the usual part more than it is asked for;
                other tiles of its scene tell how much that is.
        """
        ...


class Maker(Protocol):
    """Makes a codec for one scene."""

    def __call__(self, form: TileForm, *, weights: str, device: str, sha256: str | None) -> Codec:
        """Return the codec.

        Args:
            form: what the scene's tiles have in common.
            weights: name or path of its network, ``auto`` for the usual one; of no meaning to most codecs.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            sha256: digest the network must have, or its first 16 digits; None for any.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecEntry:
    """What is known of a codec before it is loaded."""

    name: str
    """Name in archives and on the command line: letters, digits, ``-`` and ``_``."""
    title: str
    """What people call it."""
    dtypes: tuple[str, ...]
    """Sample types of the scenes it takes, numpy names."""
    is_lossless_capable: bool
    make: Maker | None = None
    """Makes the codec of tiles; None where the container codes a scene as a whole."""
    dial: Literal["quality", "size", "error"] = "quality"
    """What its lossy settings are: qualities, sizes (:class:`SizedCodec`, which also knows quality 1), or the
    largest error alone."""
    container: Literal["jp2", "tiff", "cog"] = "tiff"
    """What its archives are: one JPEG 2000 file, payloads in a TIFF (``container/TIFF.md``), or a Cloud
    Optimized GeoTIFF of GDAL's."""
    auto_rank: int = 0
    """Place among the codecs of which ``auto`` takes the first that can hold a scene; 0 for none of them."""
    has_rival: bool = False
    """Whether a tile may be JPEG 2000 instead where that is better: qualities need not reach all rates."""
    max_tile_size: int = 0
    """Largest side of a tile (px); 0 for no limit."""
    usual_tile_size: int = 0
    """Side of a tile unless another is asked for (px); 0: as large as memory allows, up to 1024."""
    needs: tuple[str, ...] = ()
    """Modules of an extra."""
    weights_kind: str = ""
    """Kind of the weights it works with; empty for a codec without."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What names of its archives end in, lower case; the first one is the usual one."""
        return ({"jp2": ".jp2", "tiff": ".rsic.tif", "cog": ".cog.tif"}[self.container],)

    def maker(self) -> Maker:
        """Return what makes the codec of tiles.

        Raises:
            UsageError: it has none.
        """
        if self.make is None:
            raise UsageError(f"{self.title} codes scenes as a whole: it has no tiles to be coded alone")
        return self.make

    @property
    def is_installed(self) -> bool:
        """Whether everything it needs is installed."""
        return all(find_spec(module) is not None for module in self.needs)


def check_pixels(pixels: Pixels, dtypes: tuple[str, ...], codec_id: str) -> None:
    """Refuse arrays that are no tile, or whose sample type the codec does not take.

    Raises:
        UnsupportedSceneError: Wrong number of axes, an empty axis, or a foreign sample type.
    """
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise UnsupportedSceneError(
            f"a tile is (bands, height, width) with nothing empty, not {pixels.shape}: check the window read"
        )
    if np.dtype(pixels.dtype).name not in dtypes:
        raise UnsupportedSceneError(
            f"codec {codec_id} takes {', '.join(dtypes)}, not {pixels.dtype}: convert the scene first"
        )


def halved(pixels: Pixels, reduce: int) -> Pixels:
    """Return means over squares of 2^reduce px, rounded for integers; smaller squares at the far borders."""
    if not reduce:
        return pixels
    side = 1 << reduce
    _, height, width = pixels.shape
    rows, columns = np.arange(0, height, side), np.arange(0, width, side)
    total = np.add.reduceat(np.add.reduceat(pixels.astype(np.float64), rows, axis=1), columns, axis=2)
    areas = np.diff(np.append(rows, height))[:, None] * np.diff(np.append(columns, width))[None]
    means = total / areas
    out: Pixels = (np.rint(means) if pixels.dtype.kind in "iu" else means).astype(pixels.dtype)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedBands:
    """Which bands of a scene go through its codec, and in what order; the others lie in planes, or are 0."""

    bands: tuple[int, ...]
    form: TileForm
    """Of those bands."""

    @classmethod
    def of(cls, groups: Sequence[Sequence[int]], form: TileForm, *, lossless: bool) -> CodedBands:
        """Return what is coded of a scene: without loss everything, else the bands of its groups.

        Args:
            groups: bands of the scene that are enhanced together.
            form: of all bands; its groups are not looked at.
            lossless: whether every band is coded, alpha too, which lossy archives keep beside the codec.
        """
        members = [tuple(group) for group in groups]
        if lossless:
            named = {band for group in members for band in group}
            members += [(band,) for band in range(form.bands) if band not in named]
            members.sort()
        bands = tuple(band for group in members for band in group)
        places, at = [], 0
        for group in members:
            places.append(tuple(range(at, at + len(group))))
            at += len(group)
        return cls(
            bands=bands,
            form=replace(
                form,
                groups=tuple(places),
                mct=form.mct and bool(members) and len(members[0]) == 3,
                radiometry=form.radiometry.pick(bands) if bands else form.radiometry,
            ),
        )
