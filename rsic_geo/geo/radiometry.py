"""The scene-wide scale between pixel values and the 0..1 that networks work in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import ContainerError, UsageError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.sampling import TAIL, BandRange

Pixels = npt.NDArray[Any]

MIN_SPAN = 16.0
"""Shortest used range of an integer band (DN): a nearly constant band is not blown up to noise."""

_MAX_BANDS = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """What the PSNR of one band is relative to: a range of values, and where it is known from."""

    kind: Literal["type", "bits", "used"]
    """All values of uint8; all values of the bits the file tells of; or the range the band really uses."""
    low: float
    """Least value of the range, in the units of the samples."""
    high: float
    """Largest one."""

    @property
    def span(self) -> float:
        """The peak itself, in the units of the samples."""
        return self.high - self.low

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return {"kind": self.kind, "low": self.low, "high": self.high}


def float_range(dtype: str, values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the used range of a sample (n,) of floats: quantiles as of integers, never empty.

    Values that are not finite do not count.
    """
    values = np.sort(values[np.isfinite(values)].astype(np.float64))
    skipped = int(len(values) * TAIL)
    ends = (float(values[skipped]), float(values[len(values) - 1 - skipped])) if len(values) else None
    return _used_range(ends, np.dtype(dtype))


def peaks_of(radiometry: Radiometry, bits: Sequence[int | None]) -> tuple[Peak, ...]:
    """Return the peak of every band's PSNR: 255 of uint8, ``2**bits - 1`` where told, else the used span.

    A peak of the whole type would make every error small where a sensor fills a part of it: 12 of 16 bits
    hide an error of 24 dB.

    Args:
        radiometry: used range of every band.
        bits: bits of every band the file tells of, None where it does not.
    """
    if radiometry.dtype == "uint8":
        return (Peak(kind="type", low=0.0, high=255.0),) * radiometry.bands
    return tuple(
        Peak(kind="used", low=low, high=high)
        if told is None
        else Peak(kind="bits", low=0.0, high=2.0**told - 1)
        for low, high, told in zip(radiometry.low, radiometry.high, bits, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiometry:
    """The used range of every band, decided once per scene so that tiles do not differ in brightness.

    ``low`` maps to 0 and ``high`` to 1. Values outside the used range are kept, not clipped.

    Raises:
        UsageError: when the type is no real number type, or a range is empty or not finite.
    """

    dtype: str
    """Numpy name of the pixel type."""
    low: tuple[float, ...]
    """Value that maps to 0, per band (DN)."""
    high: tuple[float, ...]
    """Value that maps to 1, per band (DN)."""

    def __post_init__(self) -> None:
        """Refuse ranges that cannot be divided by."""
        _number_type(self.dtype)
        if not self.low or len(self.low) != len(self.high):
            raise UsageError(f"{len(self.low)} lower, {len(self.high)} upper ends: give one of each per band")
        spans = np.asarray(self.high, np.float64) - np.asarray(self.low, np.float64)
        if not (np.isfinite(spans) & (spans > 0)).all():
            raise UsageError("a band's used range is empty or not finite: the upper end must be the larger")

    @classmethod
    def fit(cls, dtype: str, samples: Iterable[tuple[Pixels, npt.NDArray[np.bool_]]]) -> Radiometry:
        """Find the used range of every band from samples of one scene.

        uint8 always uses 0..255. Other types use the range between the quantiles 0.001 and 0.999 of the
        valid, finite samples, so that one hot pixel does not flatten the scene; an integer band's range is
        widened around its middle to at least 16 DN. A band without valid samples gets the whole range of an
        integer type, or 0..1. The order of the samples does not matter for integer types up to 16 bits; for
        other types extremes are used instead of quantiles.

        Args:
            dtype: numpy name of the pixel type.
            samples: pairs of pixels (bands, h, w) and valid (bands or 1, h, w); at least one pair.

        Raises:
            UsageError: when there is no sample, or samples differ in bands or type.
        """
        kind = _number_type(dtype)
        ranges: list[BandRange] = []
        for pixels, valid in samples:
            if not ranges:
                ranges = [BandRange(kind) for _ in range(pixels.shape[0])]
            if pixels.dtype != kind or pixels.shape[0] != len(ranges):
                raise UsageError(
                    f"a sample is {pixels.dtype} {pixels.shape}, expected {dtype} with {len(ranges)} bands"
                )
            if dtype == "uint8":
                break
            keep = np.broadcast_to(valid, pixels.shape)
            for band, band_range in enumerate(ranges):
                band_range.add(pixels[band][keep[band]])
        if not ranges:
            raise UsageError("no sample of the scene was given: its bands are unknown")
        if dtype == "uint8":
            return cls.whole_range(dtype, len(ranges))
        ends = [_used_range(band_range.ends(), kind) for band_range in ranges]
        return cls(dtype=dtype, low=tuple(low for low, _ in ends), high=tuple(high for _, high in ends))

    @classmethod
    def whole_range(cls, dtype: str, bands: int) -> Radiometry:
        """Return the scale over all values of an integer type (0..1 for floating types)."""
        low, high = _type_range(_number_type(dtype))
        return cls(dtype=dtype, low=(low,) * bands, high=(high,) * bands)

    def pick(self, bands: Sequence[int]) -> Radiometry:
        """Return the scale of some bands (from 0), in that order."""
        low, high = (tuple(ends[band] for band in bands) for ends in (self.low, self.high))
        return Radiometry(dtype=self.dtype, low=low, high=high)

    @property
    def bands(self) -> int:
        """Bands in the scene."""
        return len(self.low)

    @property
    def dtype_peak(self) -> float:
        """Peak for PSNR: all steps of an integer type (255; 65535 also for int16), else the used range."""
        kind = np.dtype(self.dtype)
        if np.issubdtype(kind, np.integer):
            return float(2 ** (8 * kind.itemsize) - 1)
        return max(self.high) - min(self.low)

    def forward(self, pixels: Pixels, bands: Sequence[int] | None = None) -> npt.NDArray[np.float32]:
        """Return pixels scaled so that the used range becomes 0..1.

        Args:
            pixels: shape (bands, ..., h, w).
            bands: which bands of the scene these are, counted from 0; None for all, in order.

        Raises:
            UsageError: when the number of bands does not match.
        """
        work, low, span = self._scale(pixels, bands)
        scaled: Pixels = pixels.astype(work)
        scaled -= low
        scaled *= 1 / span
        return scaled.astype(np.float32, copy=False)

    def inverse(self, scaled: Pixels, bands: Sequence[int] | None = None) -> Pixels:
        """Return scaled pixels in the scene's type, rounded and clipped to it; undoes :meth:`forward`.

        Integers of up to 16 bits come back exactly. NaN becomes 0 in integer types.

        Raises:
            UsageError: when the number of bands does not match.
        """
        work, low, span = self._scale(scaled, bands)
        values: Pixels = scaled.astype(work)
        values *= span
        values += low
        kind = np.dtype(self.dtype)
        if not np.issubdtype(kind, np.integer):
            return values.astype(kind, copy=False)
        if not np.isfinite(values).all():
            values = np.nan_to_num(values)
        limits = np.iinfo(kind)
        np.rint(values, out=values)
        # The largest 64-bit integers have no float64 of their own: step inside the type before casting.
        top = float(limits.max) if kind.itemsize < 8 else float(np.nextafter(float(limits.max), 0))
        np.clip(values, float(limits.min), top, out=values)
        return values.astype(kind)

    def to_json(self) -> dict[str, Any]:
        """Return a compact dictionary of plain numbers; floats survive exactly."""
        if self == self.whole_range(self.dtype, self.bands):
            return {"dtype": self.dtype, "bands": self.bands}
        return {"dtype": self.dtype, "low": _plain(self.low), "high": _plain(self.high)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Radiometry:
        """Rebuild what :meth:`to_json` returned; unknown keys are ignored.

        Raises:
            ContainerError: when the record is not such a dictionary.
        """
        try:
            dtype = str(record["dtype"])
            if "bands" in record:
                bands = int(record["bands"])
                if not 1 <= bands <= _MAX_BANDS:
                    raise ContainerError(f"the archive's pixel scale has {bands} bands: the file is damaged")
                return cls.whole_range(dtype, bands)
            low, high = record["low"], record["high"]
            return cls(dtype=dtype, low=tuple(map(float, low)), high=tuple(map(float, high)))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ContainerError(f"the archive's pixel scale is damaged: {error}") from error

    def _scale(self, pixels: Pixels, bands: Sequence[int] | None) -> tuple[np.dtype[Any], Pixels, Pixels]:
        """Return the type to compute in, and low end and span shaped to broadcast over ``pixels``."""
        chosen = range(self.bands) if bands is None else bands
        if pixels.shape[0] != len(chosen):
            raise UsageError(f"{pixels.shape[0]} bands of pixels for {len(chosen)} bands of the scene")
        if any(not 0 <= band < self.bands for band in chosen):
            raise UsageError(f"bands {list(chosen)} are not all in 0..{self.bands - 1}")
        # float32 holds 16-bit integers with bits to spare; wider types lose whole DN in it.
        work = np.dtype(np.float32 if np.dtype(self.dtype).itemsize <= 2 else np.float64)
        shape = (len(chosen),) + (1,) * (pixels.ndim - 1)
        low = np.array([self.low[band] for band in chosen], np.float64)
        span = np.array([self.high[band] for band in chosen], np.float64) - low
        return work, low.astype(work).reshape(shape), span.astype(work).reshape(shape)


def _number_type(dtype: str) -> np.dtype[Any]:
    """Return the numpy type of a name, refusing all but integers and real floating types."""
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise UsageError(f"unknown pixel type {dtype!r}") from error
    if kind.kind not in "iuf":
        raise UsageError(f"pixels of type {dtype} have no single scale: split them into real bands first")
    return kind


def _type_range(kind: np.dtype[Any]) -> tuple[float, float]:
    """Return the ends of an integer type, or 0 and 1."""
    if kind.kind == "f":
        return 0.0, 1.0
    return float(np.iinfo(kind).min), float(np.iinfo(kind).max)


def _used_range(ends: tuple[float, float] | None, kind: np.dtype[Any]) -> tuple[float, float]:
    """Return the used range for the extremes found, wide enough to divide by."""
    if ends is None:
        return _type_range(kind)
    low, high = ends
    # A constant band still needs a span; a floating one a span that can be told from its value.
    floor = max(abs(low), abs(high), 1.0) * 16
    least = floor * float(np.finfo(kind).eps) if kind.kind == "f" else MIN_SPAN
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    return low, high


def _plain(values: tuple[float, ...]) -> list[float | int]:
    """Return whole numbers as int: they take fewer bytes in JSON."""
    return [int(value) if value.is_integer() and abs(value) < 2**53 else value for value in values]


def units_of(profile: SceneProfile) -> tuple[tuple[int, ...], ...]:
    """Return the bands judged together: red, green and blue of uint8; every other data band alone."""
    names = [name.lower() for name in profile.colorinterp]
    data = [band for band, name in enumerate(names) if name not in ("alpha", "palette")]
    if profile.dtype == "uint8" and all(names.count(name) == 1 for name in ("red", "green", "blue")):
        colours = tuple(names.index(name) for name in ("red", "green", "blue"))
        return (colours, *((band,) for band in data if band not in colours))
    # a palette, or nothing but alpha: what there is
    return tuple((band,) for band in data) or tuple((band,) for band in range(len(names)))
