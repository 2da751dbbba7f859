"""How a scene is kept within a largest error: in steps, by the lossy codec, or without loss. By trial.

Steps of 2 N + 1 coded without loss take 0.3 to 0.8 of a lossless file where the codec's own bound, tile by
tile, takes 0.5 to 1.2 (``rsic eval near-lossless``). Not always: smooth or noisy scenes under wide bounds are
the codec's, and scenes of few values may be smallest as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import LOSSLESS, TileForm
from rsic_geo.codecs.jpeg2000 import Jpeg2000Codec
from rsic_geo.codecs.registry import candidates
from rsic_geo.errors import TargetNotReachedError, UsageError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.planes import pack_plane
from rsic_geo.geo.profile import sample_range
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.validity import fill_invalid
from rsic_geo.options import EncodeOptions
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.quantised import Affinity, QuantisedScene, Steps
from rsic_geo.scenes.relative import RelativeSteps, relative_bounds
from rsic_geo.scenes.signals import BandSignal
from rsic_geo.scenes.verdict import LOST_DB
from rsic_geo.targets import Target
from rsic_geo.write import tiles as tilework
from rsic_geo.write.spectral import pieces_of

Way = Literal["steps", "codec", "lossless"]
CLOSE = 0.85
"""Where steps or the codec take more of a lossless trial than this, the whole scene is coded both ways."""


_OVERHEAD = 400
"""What scale, limits and sidecar may take beside steps (bytes)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a bound is kept best."""

    way: Way
    is_close: bool = False
    """Whether pieces cannot tell for sure that it is smaller than without loss."""
    is_apart: bool = False
    """Whether steps take fewer bytes with samples filled that hold no data."""


def names_sizes(options: EncodeOptions) -> bool:
    """Return whether the codec asked for shares bytes out by size: then steps are an alternative to it."""
    return candidates(options.codec)[0].dial == "size"


def bounds_of(target: Target, snapshot: MetadataSnapshot, spans: Sequence[float]) -> tuple[float, ...]:
    """Return the error a target allows each band, in the units of samples; none if relative.

    Args:
        target: one that says how far samples may be off.
        snapshot: of the scene.
        spans: range each band uses, in those units.

    Raises:
        UsageError: it names another number of bands, or the scene has no scale of its own.
    """
    if target.is_relative:
        return ()
    values = target.by_band(snapshot.count)
    if target.unit == "%":
        return tuple(value / 100 * span for value, span in zip(values, spans, strict=True))
    if target.unit == "r":
        if all(scale == 1 for scale in snapshot.scales):
            raise UsageError(f"{target}: the scene has no scale of its own: leave the r out")
        return tuple(value / abs(scale) for value, scale in zip(values, snapshot.scales, strict=True))
    return values


def used_ranges(radiometry: Radiometry, affinity: Affinity | None) -> list[tuple[float, float]]:
    """Return the range each band uses in the units of the scene's samples."""
    ends = list(zip(radiometry.low, radiometry.high, strict=True))
    if affinity is None:
        return ends
    scales = zip(ends, affinity.scale, affinity.offset, strict=True)
    return [(low * scale + offset, high * scale + offset) for (low, high), scale, offset in scales]


def _kept_in_parts(opened: Scene, reader: Scene, target: Target) -> tuple[RelativeSteps | None, Choice]:
    """Return steps that keep every sample within a part of itself, and whether they or none are smaller."""
    steps = RelativeSteps.fit(opened, relative_bounds(opened.profile, target.values or (target.value,)))
    can_be_exact = not isinstance(reader, QuantisedScene) or reader.affinity.is_whole
    if steps is None and not can_be_exact:
        raise TargetNotReachedError(
            f"{target}: some band would take more steps than 16 bits hold; ask for more, or name the archive "
            ".cog.tif, which keeps every sample"
        )
    if steps is None:
        return None, Choice("lossless")
    return steps, choose_way(reader, steps, None, can_be_exact=can_be_exact)


def keep_within(
    opened: Scene,
    reader: Scene,
    target: Target,
    bounds: Sequence[float],
    signals: Sequence[BandSignal],
) -> tuple[Steps | None, Choice]:
    """Return steps that keep the bounds of a target, if 16 bits hold them, and how they are kept best.

    Args:
        opened: the scene.
        reader: the same, or a scene of floats in the finest steps.
        target: a largest error.
        bounds: what it allows each band.
        signals: what each band holds, as ``reader`` gives it; without count for alpha.

    Raises:
        TargetNotReachedError: bounds that differ from band to band, or parts of floats, and 16 bits hold too
            few steps.
        UsageError: parts of samples below zero, or for another number of bands.
    """
    if target.is_relative:
        return _kept_in_parts(opened, reader, target)
    steps, choice = _kept(opened, reader, target, bounds, signals)
    if steps is not None and choice.way == "steps" and target.is_plain and _erase(steps, reader, signals):
        return None, Choice("codec")  # by errors, not bounds: may keep the band
    if steps is None and choice.way == "codec" and not target.is_plain:
        raise TargetNotReachedError(
            f"{target}: some band would take more steps than 16 bits hold; ask for more, or for one value"
        )
    return steps, choice


def _erase(steps: Affinity, reader: Scene, signals: Sequence[BandSignal]) -> bool:
    """Return whether steps leave nothing of some band; see :mod:`rsic_geo.scenes.verdict`."""
    units = _fine(reader).scale if isinstance(reader, QuantisedScene) else (1.0,) * len(signals)
    for step, unit, signal in zip(steps.scale, units, signals, strict=True):
        rmse = math.sqrt((step * step - (step == 1)) / 12)
        if signal.count and not signal.is_constant and signal.spread * unit < rmse * 10 ** (LOST_DB / 20):
            return True
    return False


def _fine(reader: QuantisedScene) -> Affinity:
    """Return the finest steps of floats, which a plan begins with."""
    assert isinstance(reader.affinity, Affinity)
    return reader.affinity


def _kept(
    opened: Scene,
    reader: Scene,
    target: Target,
    bounds: Sequence[float],
    signals: Sequence[BandSignal],
) -> tuple[Affinity | None, Choice]:
    profile = opened.profile
    if isinstance(reader, QuantisedScene):
        if _fine(reader).is_whole and max(bounds) < 1:
            return None, Choice("lossless")
        steps = Affinity.within(profile, _fine(reader).ends, bounds)
        if steps is None or not target.is_plain:
            return steps, Choice("codec" if steps is None else "steps")
        return steps, choose_way(reader, steps, _fine(reader).steps_within(target.value), can_be_exact=False)
    if max(bounds) < 1:
        return None, Choice("lossless")
    alpha = [band for band, name in enumerate(profile.colorinterp) if name == "alpha"]
    whole = sample_range(profile.dtype, profile.sample_bits)
    ends = [signal.limits or ((0, 0) if band not in alpha else whole) for band, signal in enumerate(signals)]
    steps = Affinity.within(profile, ends, bounds)
    if steps is None:
        return None, Choice("codec")
    choice = choose_way(opened, steps, target.value, alpha)
    if choice.way == "codec" and not target.is_plain:
        choice = replace(choice, way="steps")
    return steps, choice


def choose_way(
    scene: Scene,
    steps: Steps,
    bound: float | None,
    alpha_bands: Sequence[int] = (),
    *,
    can_be_exact: bool = True,
) -> Choice:
    """Return how a scene is kept within a bound in the fewest bytes, by pieces of it.

    Args:
        scene: of integers, or of floats read in the finest steps (its bound is then in those).
        steps: what steps within the bound are.
        bound: largest error, in the samples of the scene; None where the codec knows no such bound.
        alpha_bands: bands that are kept exactly.
        can_be_exact: whether the scene may be kept without loss, which one of floats is not.
    """
    windows = pieces_of(scene.profile.height, scene.profile.width)
    codec, stepped, exact = 0, np.zeros(2, np.int64), np.zeros(2, np.int64)
    for window in windows:
        pixels, valid = scene.read(window), scene.read_valid(window)
        if bound is not None:
            codec += _codec_bytes(pixels, valid, bound, alpha_bands)
        if can_be_exact:
            exact += _lossless_bytes(pixels, valid) - np.array([_plane_bytes(valid), 0])
        values = scene.read_values(window) if isinstance(scene, QuantisedScene) else pixels
        stepped += _lossless_bytes(steps.quantise(values, valid), valid)
    lossless = int(exact.min())
    costs: dict[Way, int] = {"lossless": lossless} if can_be_exact else {}
    costs["steps"] = int(stepped.min())
    if bound is not None:
        costs["codec"] = codec
    best = min(costs, key=lambda way: costs[way])
    is_close = can_be_exact and best != "lossless"
    is_close = is_close and costs[best] > min(CLOSE * lossless, lossless - _OVERHEAD)
    return Choice(best, is_close=is_close, is_apart=bool(stepped[1] < stepped[0]))


def _codec(pixels: NDArray[np.generic], *, mct: bool) -> Jpeg2000Codec:
    whole = Radiometry.whole_range(pixels.dtype.name, len(pixels))
    return Jpeg2000Codec(TileForm(radiometry=whole, mct=mct))


def _plane_bytes(valid: NDArray[np.bool_]) -> int:
    """Return the bytes of the plane that says where a piece holds data."""
    return 0 if valid.all() else len(pack_plane(valid[:1] if (valid == valid[:1]).all() else valid))


def _lossless_bytes(pixels: NDArray[np.generic], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the bytes of a piece and its plane without loss: where no data is as it is, and filled."""
    sizes = []
    for each in (pixels,) if valid.all() else (pixels, fill_invalid(pixels, valid)):
        sizes.append(min(len(_codec(each, mct=m).encode(each, LOSSLESS).payload) for m in _transforms(each)))
    return np.array([sizes[0], sizes[-1]]) + _plane_bytes(valid)


def _codec_bytes(
    pixels: NDArray[np.generic], valid: NDArray[np.bool_], bound: float, alpha_bands: Sequence[int]
) -> int:
    """Return the bytes of a piece by the lossy codec within a bound."""
    raw = tilework.RawTile(
        number=0,
        pixels=pixels,
        nodata_valid=None if valid.all() else valid,
        mask=None,
        alpha=tuple(alpha_bands),
    )
    tile = tilework.prepare(raw, lossless=False)
    planes = sum(len(packed) for packed in tile.planes.values())
    return planes + min(
        len(tilework.code_within(tile, _codec(pixels, mct=mct), bound).codestream)
        for mct in _transforms(pixels)
    )


def _transforms(pixels: NDArray[np.generic]) -> tuple[bool, ...]:
    """Return whether the first three bands may be decorrelated together: both, where there are three."""
    return (True, False) if len(pixels) >= 3 else (False,)
