"""Scenes in steps: floats as 16-bit integers, and any scene in steps that keep every sample within a bound.

The second is near-lossless coding: steps of twice the bound (and one, for integers), coded without loss
(as in JPEG-LS, ITU-T T.87, and before it in Chen and Ramabadran, 1994).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.sideinfo import SideInfo
from rsic_geo.errors import ContainerError, TargetNotReachedError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.radiometry import Peak
from rsic_geo.geo.validity import avoid_nodata, equals_nodata
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.relative import RelativeSteps

STEPS = 65535
UINT8_STEPS = 255
HALF_STEP = 0.5
"""Largest error of rounding to steps, in steps."""
_NO_STEP = 2.0**-1000
"""Step of a band of one value, which comes back exactly whatever the codec does to it."""
_READ_SIDE = 1024
"""Side of the windows a scene is read in for its range (px)."""
_ENORMOUS = 1e300
"""Ranges and steps beyond this are computed in quarters, because they or their sums exceed a double."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """``value = integer * scale + offset`` per band."""

    dtype: str
    """Sample type of the scene."""
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    top: tuple[float, ...] = ()
    """Of steps within a bound the greatest value of each band, which none may exceed; else empty."""
    is_whole: bool = False
    """Whether the floats are whole numbers, of which every one is a step: then nothing is lost."""

    @classmethod
    def fit(cls, dtype: str, low: tuple[float, ...], high: tuple[float, ...]) -> Affinity:
        """Return the scaling that maps each band's used range onto all 65536 steps."""
        scale = tuple(_step(a, b) if b > a else _NO_STEP for a, b in zip(low, high, strict=True))
        return cls(dtype=dtype, scale=scale, offset=low)

    @classmethod
    def within(
        cls, profile: SceneProfile, ends: Sequence[tuple[float, float]], bounds: Sequence[float]
    ) -> Affinity | None:
        """Return steps that keep every sample of a scene within a bound; None where 16 bits hold too few.

        Args:
            profile: of the scene.
            ends: least and greatest valid value of each band.
            bounds: largest absolute error of each band, in the units of the samples.
        """
        is_whole = np.dtype(profile.dtype).kind in "iu"
        scale, offset = [], []
        for band, ((low, high), bound) in enumerate(zip(ends, bounds, strict=True)):
            if is_whole:
                step = 1.0 if profile.colorinterp[band] == "alpha" else 2.0 * math.floor(bound) + 1
                nodata = profile.nodata[band]
                # A valid sample must not come back as nodata: then that value lies between the steps.
                start = low + (step > 1 and nodata is not None and (nodata - low) % step == 0)
            else:
                start, most = low, max(abs(low), abs(high))
                step = 2 * (bound - float(np.spacing(np.asarray(most, profile.dtype)))) * (1 - 1e-9)
            if not step > 0 or (high - start) / step > STEPS - 1:
                return None
            scale.append(step)
            offset.append(start)
        top = tuple(high for _, high in ends)
        return cls(dtype=profile.dtype, scale=tuple(scale), offset=tuple(offset), top=top)

    @property
    def stored(self) -> str:
        """Sample type of the steps."""
        spans = zip(self.top, self.scale, self.offset, strict=True) if self.top else ()
        return "uint8" if self.top and all((t - o) / s < UINT8_STEPS for t, s, o in spans) else "uint16"

    @property
    def ends(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest value of each band's range."""
        pairs = zip(self.offset, self.scale, strict=True)
        return tuple((low, low + step * STEPS) for low, step in pairs)

    def pick(self, bands: Sequence[int]) -> Affinity:
        """Return the scaling of some bands (from 0), in that order."""
        return replace(
            self,
            scale=tuple(self.scale[band] for band in bands),
            offset=tuple(self.offset[band] for band in bands),
            top=tuple(self.top[band] for band in bands) if self.top else (),
            is_whole=self.is_whole,
        )

    def quantise(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
        """Return (bands, h, w) as integers; invalid pixels become 0."""
        return np.rint(self.steps(pixels, valid)).astype(self.stored)

    def steps(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (bands, h, w) in steps, not rounded; invalid pixels become 0."""
        scale, offset, part = self._columns()
        values = np.where(valid, pixels, 0).astype(np.float64)
        with np.errstate(over="ignore"):
            steps = (values * part - offset * part) / (scale * part)
        return np.where(valid, np.clip(steps, 0, STEPS), 0.0)

    def steps_within(self, max_error: float) -> float:
        """Return how many steps a sample may be off, so that none comes back further off than ``max_error``.

        Args:
            max_error: largest absolute error, in the units of the scene.

        Raises:
            TargetNotReachedError: rounding to steps alone may be further off.
        """
        if self.is_whole:
            return max_error  # every step is a sample: nothing is rounded
        bounds, least = [], 0.0
        for scale, offset in zip(self.scale, self.offset, strict=True):
            end = max(abs(offset), abs(offset + STEPS * scale))
            rounding = float(np.spacing(np.asarray(min(end, np.finfo(self.dtype).max), self.dtype)))
            least = max(least, (HALF_STEP * scale + rounding) * 1.001)
            bounds.append((max_error - rounding) / scale if scale > _NO_STEP else STEPS)
        if max_error < least:
            raise TargetNotReachedError(
                f"max-error={max_error:g}: values stored in 16 bits come back up to {least:.3g} off "
                "(in the scene's units) before anything is lost; ask for more than that"
            )
        return min(bounds)

    def restore(
        self,
        pixels: NDArray[Any],
        valid: NDArray[np.bool_] | None,
        nodata: tuple[float | int | None, ...],
    ) -> NDArray[Any]:
        """Return samples (bands, h, w), invalid ones holding their band's nodata value, else NaN or 0.

        Valid floats at a nodata value move off it by the least a float can; steps of integers avoid it.
        """
        scale, offset, part = self._columns()
        values = (pixels.astype(np.float64) * (scale * part) + offset * part) / part
        if self.top:
            np.minimum(values, np.array(self.top)[:, None, None], out=values)
        is_whole = np.dtype(self.dtype).kind in "iu"
        limits: Any = np.iinfo(self.dtype) if is_whole else np.finfo(self.dtype)
        if is_whole:
            np.rint(values, out=values)
        out = np.clip(values, limits.min, limits.max).astype(self.dtype)
        if valid is not None:
            out = out if is_whole else avoid_nodata(out, valid, nodata)
            for band in range(len(out)):
                value = nodata[band]
                nothing = 0 if is_whole else np.nan
                out[band][~valid[band]] = nothing if value is None else value
        return out

    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return scale, offset, and a factor that keeps bands of enormous range within doubles."""
        scale, offset = np.array(self.scale)[:, None, None], np.array(self.offset)[:, None, None]
        return scale, offset, np.where(scale > _ENORMOUS, 0.25, 1.0)

    def peaks(self, peaks: Sequence[Peak]) -> tuple[Peak, ...]:
        """Return peaks told in steps in the units of the scene."""
        return tuple(
            replace(peak, low=peak.low * scale + offset, high=peak.high * scale + offset)
            for peak, scale, offset in zip(peaks, self.scale, self.offset, strict=True)
        )

    def noise(self, band: int) -> tuple[float, float]:
        """Return mean square and largest error of a band (from 0) in scene units, of errors spread evenly."""
        step, unit = self.scale[band], 1 if np.dtype(self.dtype).kind in "iu" else 0
        return (step * step - unit) / 12, (step - unit) / 2

    @property
    def step(self) -> float:
        """Largest quantisation step; the error it alone causes is at most half of it."""
        return max(self.scale)

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        top: dict[str, Any] = {"top": list(self.top)} if self.top else {}
        top |= {"whole": True} if self.is_whole else {}
        return {"dtype": self.dtype, "scale": list(self.scale), "offset": list(self.offset), **top}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Affinity:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ContainerError: if the record is no such dictionary.
        """
        try:
            scale, offset = tuple(map(float, record["scale"])), tuple(map(float, record["offset"]))
            top = tuple(map(float, record.get("top", ())))
            dtype, bounded = str(record["dtype"]), ("uint8", "uint16", "int16") if top else ()
            if dtype not in ("float32", "float64", *bounded) or not len(scale) == len(offset) == len(
                top or scale
            ):
                raise ValueError("unusable scale")
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise ContainerError(
                f"the archive's scaling cannot be read ({error}): the file is damaged"
            ) from error
        whole = record.get("whole") is True
        return cls(dtype=dtype, scale=scale, offset=offset, top=top, is_whole=whole)


Steps = Affinity | RelativeSteps
"""What samples are stored as where they are not stored themselves."""


def _step(low: float, high: float) -> float:
    """Return the least step with which all of a range is reached; never 0 or infinite."""
    step = (high / 4 - low / 4) / STEPS * 4 if high / 4 - low / 4 > _ENORMOUS else (high - low) / STEPS
    return step if step * STEPS >= high - low else math.nextafter(step, math.inf)


def whole_numbers(opened: Scene) -> Affinity | None:
    """Return the scale of a scene of floats that are whole numbers, each a step; None for any other.

    Also samples under a mask must be, since they come back; and no -0.0, which no integer says.
    """
    p = opened.profile
    low, high = np.full(p.count, np.inf), np.full(p.count, -np.inf)
    for index in (grid := TileGrid(height=p.height, width=p.width, tile_size=_READ_SIDE)):
        window = grid.core(index)
        pixels = opened.read(window)
        valid = opened.read_valid(window, pixels)
        held = np.where(valid, pixels, 1.0)
        with np.errstate(invalid="ignore"):
            is_whole = np.isfinite(held) & (np.rint(held) == held) & ~(np.signbit(held) & (held == 0))
        if not is_whole.all():
            return None
        low = np.minimum(low, np.where(valid, pixels, np.inf).min(axis=(1, 2)))
        high = np.maximum(high, np.where(valid, pixels, -np.inf).max(axis=(1, 2)))
        if (high / 2 - low / 2 > STEPS / 2).any():  # halves, since doubles have ends
            return None
    low[~np.isfinite(low)] = 0.0
    return Affinity(dtype=p.dtype, scale=(1.0,) * p.count, offset=tuple(map(float, low)), is_whole=True)


def exact_range(opened: Scene) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Return the smallest and largest valid value of every band, and how many others get lost."""
    p = opened.profile
    low, high = np.full(p.count, np.inf), np.full(p.count, -np.inf)
    fills = np.array([np.nan if value is None else value for value in p.nodata], np.float64)[:, None, None]
    not_finite = 0
    grid = TileGrid(height=p.height, width=p.width, tile_size=_READ_SIDE)
    for index in grid:
        window = grid.core(index)
        pixels = opened.read(window)
        valid = opened.read_valid(window, pixels)
        mask = opened.read_mask(window)
        keep = valid & np.isfinite(pixels)
        not_finite += int(np.count_nonzero(valid & ~keep & ~(np.isnan(pixels) & np.isnan(fills))))
        if mask is not None:
            keep &= mask != 0
        low = np.minimum(low, np.where(keep, pixels, np.inf).min(axis=(1, 2)))
        high = np.maximum(high, np.where(keep, pixels, -np.inf).max(axis=(1, 2)))
    empty = ~np.isfinite(low)
    low[empty], high[empty] = 0.0, 1.0
    return tuple(map(float, low)), tuple(map(float, high)), not_finite


class QuantisedScene:
    """A scene read in steps, nodata as 0; its metadata are those of the scene."""

    def __init__(self, scene: Scene, affinity: Steps) -> None:
        """Wrap an open scene."""
        self._scene, self.affinity = scene, affinity
        self.profile: SceneProfile = replace(
            scene.profile, dtype=affinity.stored, nodata=(None,) * scene.profile.count, bits=()
        )

    @property
    def others(self) -> tuple[str, ...]:
        """Other images in the scene's file."""
        return self._scene.others

    def metadata(self) -> MetadataSnapshot:
        """Return all metadata of the float scene."""
        return self._scene.metadata()

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        """Return (bands, h, w) quantised."""
        self.profile.check_window(window, bands)
        pixels = self._scene.read(window)
        quantised = self.affinity.quantise(pixels, self.read_valid(window))
        return quantised if bands is None else quantised[list(bands)]

    def read_steps(self, window: Window, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (bands, h, w) in steps, not rounded: what the stored integers are measured against."""
        return self.affinity.steps(self._scene.read(window), valid)

    def read_values(self, window: Window) -> NDArray[Any]:
        """Return (bands, h, w) as the scene has them."""
        return self._scene.read(window)

    def read_valid(self, window: Window, pixels: NDArray[Any] | None = None) -> NDArray[np.bool_]:
        """Return (bands, h, w), False for nodata and for values that are not finite.

        Args:
            window: pixels of the scene.
            pixels: not used; quantised pixels say nothing of validity.
        """
        del pixels
        floats = self._scene.read(window)
        valid: NDArray[np.bool_] = self._scene.read_valid(window, floats) & np.isfinite(floats)
        return valid

    def read_mask(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the dataset mask (h, w), 255 = valid; None when there is none."""
        return self._scene.read_mask(window)

    def read_overview(
        self,
        out_height: int,
        out_width: int,
        bands: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> NDArray[Any]:
        """Return the scene, or a window of it, decimated to (bands, out_height, out_width), quantised."""
        floats = self._scene.read_overview(out_height, out_width, bands, window)
        chosen = range(len(floats)) if bands is None else bands
        valid = np.isfinite(floats)
        for place, band in enumerate(chosen):
            value = self._scene.profile.nodata[band]
            if value is not None:
                valid[place] &= ~equals_nodata(floats[place], value)
        return self.affinity.pick(chosen).quantise(floats, valid)

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where there is data, decimated (height, width)."""
        return self._scene.read_valid_overview(out_height, out_width)


def recorded_peaks(side: SideInfo, affinity: Steps | None) -> tuple[Peak, ...]:
    """Return what PSNR was measured by, per band, in the units of the scene; empty of what is not lossy."""
    if side.is_exact:
        return ()
    if isinstance(affinity, RelativeSteps) or (affinity is not None and affinity.top):
        return side.peaks  # told in the units of the scene, or not at all
    peaks = side.peaks or (Peak(kind="type", low=0.0, high=255.0),) * side.snapshot.count
    return peaks if affinity is None else affinity.peaks(peaks)
