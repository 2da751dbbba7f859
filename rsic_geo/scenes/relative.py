"""Scenes in steps that grow with their samples: none is further off than a part of itself.

What radar, or any measurement with a multiplied error, wants: logarithmic steps coded without loss. Each step
stands for the samples between two ends; of whole numbers small ones are all steps, so they come back exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import ContainerError, UsageError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.validity import avoid_nodata
from rsic_geo.geo.window import TileGrid
from rsic_geo.scenes.protocol import Scene

MOST_STEPS = 65536
_UINT8_STEPS = 256
_READ_SIDE = 1024
"""Side of the windows a scene is read in for its range (px)."""
_TYPES = ("uint8", "uint16", "int16", "float32", "float64")

Table = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Of each step the value it comes back as, and the greatest sample it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeSteps:
    """Steps of each band, none further from its samples than a part of them; of zero the step is zero."""

    dtype: str
    """Sample type of the scene."""
    bounds: tuple[float, ...]
    """Largest error of each band as a part of the sample; 0 keeps a band of whole numbers as it is."""
    low: tuple[float, ...]
    """Least valid sample of each band; of floats the least above zero."""
    top: tuple[float, ...]
    """Greatest valid sample of each band."""
    avoided: tuple[float | None, ...]
    """Of whole numbers the nodata value of each band, which no step comes back as."""
    power: tuple[float, ...] = ()
    """Square of each band's usual valid sample (the geometric mean), as it was fitted; not stored."""
    is_whole = False

    @classmethod
    def fit(cls, scene: Scene, bounds: Sequence[float]) -> RelativeSteps | None:
        """Return steps that keep a scene's samples within relative bounds; None where 16 bits hold too few.

        Args:
            scene: of integers or floats.
            bounds: largest error of each band, as a part of each sample.

        Raises:
            UsageError: a band has negative samples.
        """
        profile = scene.profile
        is_integer = np.dtype(profile.dtype).kind in "iu"
        low, high, power = _ranges(scene, is_integer=is_integer)
        below = [band for band in range(profile.count) if low[band] < 0]
        if below:
            raise UsageError(
                f"max-rel-error: band {below[0] + 1} has negative samples, of which a part says little: use "
                "max-error=N, in the units of the samples"
            )
        steps = cls(
            dtype=profile.dtype,
            bounds=tuple(bounds),
            low=low,
            top=high,
            avoided=profile.nodata if is_integer else (None,) * profile.count,
            power=power,
        )
        try:
            steps.tables()
        except OverflowError:
            return None
        return steps

    def tables(self) -> list[Table]:
        """Return what the steps of each band stand for. Raises OverflowError where 16 bits hold too few."""
        bands = zip(self.bounds, self.low, self.top, self.avoided, strict=True)
        return [_table(self.dtype, *band) for band in bands]

    @property
    def stored(self) -> str:
        """Sample type of the steps."""
        return "uint8" if all(len(values) <= _UINT8_STEPS for values, _ in self.tables()) else "uint16"

    def pick(self, bands: Sequence[int]) -> RelativeSteps:
        """Return the steps of some bands (from 0), in that order."""
        return replace(
            self,
            bounds=tuple(self.bounds[band] for band in bands),
            low=tuple(self.low[band] for band in bands),
            top=tuple(self.top[band] for band in bands),
            avoided=tuple(self.avoided[band] for band in bands),
            power=(),
        )

    def quantise(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
        """Return (bands, h, w) as integers; invalid pixels become 0."""
        out = np.zeros(pixels.shape, self.stored)
        for band, (values, ends) in enumerate(self.tables()):
            samples = np.where(valid[band], pixels[band], 0)
            found = np.minimum(np.searchsorted(ends, samples), len(values) - 1)
            out[band] = np.where(valid[band], found, 0)
        return out

    def steps(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (bands, h, w) in steps, which are coded without loss."""
        return self.quantise(pixels, valid).astype(np.float64)

    def restore(
        self,
        pixels: NDArray[Any],
        valid: NDArray[np.bool_] | None,
        nodata: tuple[float | int | None, ...],
    ) -> NDArray[Any]:
        """Return samples (bands, h, w), invalid ones holding their band's nodata value, else NaN or 0."""
        is_integer = np.dtype(self.dtype).kind in "iu"
        out = np.empty(pixels.shape, self.dtype)
        for band, (values, _) in enumerate(self.tables()):
            out[band] = values[np.minimum(pixels[band], len(values) - 1)]
        if valid is None:
            return out
        out = out if is_integer else avoid_nodata(out, valid, nodata)
        for band, value in enumerate(nodata):
            nothing = 0 if is_integer else np.nan
            out[band][~valid[band]] = nothing if value is None else value
        return out

    def noise(self, band: int) -> tuple[float, float]:
        """Return mean square and largest error of a band (from 0) in the units of its samples, squared."""
        part, top = self.bounds[band], self.top[band]
        is_integer = np.dtype(self.dtype).kind in "iu"
        if top == self.low[band] or (is_integer and part * top < 1 - part):  # every sample is a step
            return 0.0, 0.0
        # Of the usual sample: few that are far larger have larger errors, which say nothing of the others.
        return part * part * self.power[band] / 3, part * top

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        own = {name: list(getattr(self, name)) for name in ("bounds", "low", "top")}
        avoided = {"avoided": list(self.avoided)} if any(v is not None for v in self.avoided) else {}
        return {"dtype": self.dtype, **own, **avoided}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> RelativeSteps:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ContainerError: if the record is no such dictionary.
        """
        try:
            own = {name: tuple(map(float, record[name])) for name in ("bounds", "low", "top")}
            count = len(own["bounds"])
            avoided = tuple(
                None if value is None else float(value) for value in record.get("avoided", [None] * count)
            )
            steps = cls(dtype=str(record["dtype"]), avoided=avoided, **own)
            if steps.dtype not in _TYPES or not all(0 <= part < 1 for part in steps.bounds):
                raise ValueError("unusable steps")
            steps.tables()
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise ContainerError(
                f"the archive's scaling cannot be read ({error}): the file is damaged"
            ) from error
        return steps


@lru_cache(maxsize=256)
def _table(dtype: str, part: float, low: float, top: float, avoided: float | None) -> Table:
    """Return the steps of one band. Raises OverflowError where there are more than 16 bits hold.

    Only sums, products and quotients are used: they are the same on every machine, a logarithm is not.
    """
    if not 0 <= low <= top < math.inf:
        raise ValueError("unusable range of samples")
    if np.dtype(dtype).kind in "iu":
        return _whole_table(part, low, top, avoided)
    # What rounding to the sample type, or off the nodata value, may take of the bound.
    part = part * (1 - 1e-9) - 3 * float(np.finfo(dtype).eps)
    if part <= 0 or 0 < low < float(np.finfo(dtype).tiny):  # below that floats are no longer as fine
        raise OverflowError("too many steps")
    values, ends, least = [0.0], [0.0], low
    while least <= top and top > 0:
        values.append(min(least * (1 + part), top))
        ends.append(least * (1 + part) / (1 - part))
        least = ends[-1]
        if len(values) > MOST_STEPS:
            raise OverflowError("too many steps")
    return np.array(values), np.array(ends)


def _whole_table(part: float, low: float, top: float, avoided: float | None) -> Table:
    part = part * (1 - 1e-12)
    if part <= 0 and top - low >= MOST_STEPS:
        raise OverflowError("too many steps")
    values, ends, least = [], [], float(math.floor(low))
    while least <= top:
        value = float(min(math.floor(least * (1 + part)), math.floor(top)))
        if value == avoided:  # no valid sample has it: the one below stands in, or there is none
            value -= 1
        if value < least:
            least += 1
            continue
        values.append(value)
        ends.append(float(math.floor(value / (1 - part))))
        least = ends[-1] + 1
        if len(values) > MOST_STEPS:
            raise OverflowError("too many steps")
    return np.array(values or [0.0]), np.array(ends or [0.0])


def _ranges(
    scene: Scene, *, is_integer: bool
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return least, greatest, and the square of the usual valid sample of each band; zeros for none.

    The least of floats is that above zero, unless one is below.
    """
    p = scene.profile
    low, high = np.full(p.count, np.inf), np.zeros(p.count)
    logs, counts = np.zeros(p.count), np.zeros(p.count)
    for index in (grid := TileGrid(height=p.height, width=p.width, tile_size=_READ_SIDE)):
        window = grid.core(index)
        pixels = scene.read(window)
        keep = scene.read_valid(window, pixels) & np.isfinite(pixels)
        mask = scene.read_mask(window)
        if mask is not None:
            keep &= mask != 0
        values = np.where(keep, pixels, 0).astype(np.float64)
        counts += np.count_nonzero(values, axis=(1, 2))
        logs += np.log(np.abs(values), out=np.zeros(values.shape), where=values != 0).sum(axis=(1, 2))
        high = np.maximum(high, values.max(axis=(1, 2)))
        least = keep if is_integer else keep & (values != 0)
        low = np.minimum(low, np.where(least, values, np.inf).min(axis=(1, 2)))
    low = np.where(np.isfinite(low), low, 0.0)
    usual = np.exp(np.minimum(2 * logs / np.maximum(counts, 1), 700.0)) * (counts > 0)
    return tuple(map(float, low)), tuple(map(float, high)), tuple(map(float, usual))


def relative_bounds(profile: SceneProfile, values: Sequence[float]) -> tuple[float, ...]:
    """Return the relative bound of each band: one for all or one each; alpha keeps every sample.

    Raises:
        UsageError: values for another number of bands.
    """
    if len(values) not in (1, profile.count):
        raise UsageError(
            f"max-rel-error: {len(values)} values for {profile.count} bands; give one or as many"
        )
    each = list(values) * (profile.count if len(values) == 1 else 1)
    bands = zip(each, profile.colorinterp, strict=True)
    return tuple(0.0 if name.lower() == "alpha" else value for value, name in bands)
