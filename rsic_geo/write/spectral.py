"""What decorrelates the bands of a scene: JPEG 2000's colour transform, or one of ours; measured, by trial.

The colour transform was made for red, green and blue, but it only subtracts bands that look alike. On the
development scenes it is worth 4 to 12 dB at equal size on the first three bands of Sentinel-2, Landsat 8,
CBERS-4 and EnMAP stacks, and costs 1 to 4 dB where near infrared comes first, also where such false colours
are tagged as red, green and blue. So pieces of a scene decide, and a tag breaks ties
(``python -m rsic_geo.evaluation.trials colour SCENE...``).

Lossy archives may hold a rotation (:mod:`rsic_geo.scenes.rotated`), those without loss, of samples or of
steps within a bound, a prediction (:mod:`rsic_geo.scenes.predicted`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile, layer_profile
from rsic_geo.codecs.registry import candidates
from rsic_geo.geo.validity import fill_invalid
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.options import EncodeOptions, usual_tile_size
from rsic_geo.progress import Progress
from rsic_geo.scenes.components import Spectral, vrt_of
from rsic_geo.scenes.predicted import Prediction, moments_of
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.quantised import Affinity, QuantisedScene
from rsic_geo.scenes.rotated import Rotation, weights_of

SAVING = 0.15
"""Part of the bytes that a rotation must save to be recommended, or taken where that is asked for."""
_TRIAL_PARTS = tuple(map(float, np.geomspace(0.1, 1e-6, 16)))
"""Squared errors at which a rotation is judged, as parts of the bands' variance."""
_TRIAL_RATIOS = (40.0, 6.0)
"""Compression ratios it is judged between."""
EXACT_SAVING = 0.05
"""Part of the bytes that a prediction, with its VRT, must save to be taken by ``auto``."""
_TRIAL_SAMPLES = 1 << 24
"""Most samples of a trial without loss; scenes of very many bands are tried in smaller pieces."""
TRIAL_SIDE = 512
"""Side of the pieces of trials (px)."""
_COLOUR_SIDE = 256
"""Side of those for the colour transform: a trial outside the repository decided 53 scenes as with 512,
in a quarter of the time."""
_COLOUR_RATIO = 16.0
"""Compression ratio of its lossy trials."""
_COLOUR_WORTH = 0.98
"""Bytes (lossless) or squared error (lossy) with the transform over those without it: between this and its
inverse it is a tie."""


@dataclass(frozen=True, slots=True)
class Transform:
    """What decorrelates the bands of a scene."""

    mct: bool = False
    """Whether the first three are, by JPEG 2000's own."""
    spectral: Spectral | None = None
    """How all become components; None leaves them."""
    is_doubtful: bool = False
    """Whether pieces cannot tell for sure that components take fewer bytes."""


def choose_transform(  # noqa: PLR0913 - what is archived, what is asked for, and how it would be coded
    scene: Scene,
    options: EncodeOptions,
    sample: tuple[NDArray[Any], NDArray[np.bool_]],
    ranges: Sequence[tuple[float, float]],
    progress: Progress,
    *,
    lossless: bool,
    is_apart: bool,
) -> Transform:
    """Return what decorrelates the bands of a scene: as asked for, where that is possible and pays.

    Args:
        scene: what is archived: samples, or steps.
        options: what is asked for.
        sample: one decimated read of the scene (bands, h, w), and where it is valid.
        ranges: least and greatest value that each band uses.
        progress: warned of what components would save, or of why there are none.
        lossless: whether samples, or steps, are coded without loss.
        is_apart: then whether those without data are filled.

    Raises:
        UsageError: weights that are none.
    """
    if not lossless:
        rotation = _choose_rotation(scene, options, sample, ranges, progress)
        return Transform(rotation is None and colour_transform_pays(scene, lossless=False), rotation)
    mct = colour_transform_pays(scene, lossless=True)
    return _choose_prediction(scene, options, progress, mct=mct, is_apart=is_apart)


def _choose_rotation(
    scene: Scene,
    options: EncodeOptions,
    sample: tuple[NDArray[Any], NDArray[np.bool_]],
    ranges: Sequence[tuple[float, float]],
    progress: Progress,
) -> Rotation | None:
    is_asked = options.spectral == "rotated"
    reason = _cannot_rotate(scene, options)
    if options.spectral == "as-is" and _data_bands(scene).sum() <= 3:
        return None  # colours: what the transform of JPEG 2000 was made for
    weights = weights_of(options.band_weights, [high - low for low, high in ranges])
    steps = scene.affinity if isinstance(scene, QuantisedScene) else None
    units = steps.scale if isinstance(steps, Affinity) else (1.0,) * len(weights)
    weights = tuple(weight * unit for weight, unit in zip(weights, units, strict=True))  # those of steps
    rotation = None if reason else Rotation.fit(*sample, weights, np.flatnonzero(~_data_bands(scene)))
    if rotation is None:
        if is_asked:
            progress.warn(f"bands are kept as they are: {reason or 'fewer valid pixels than bands'}")
        return None
    if is_asked:
        return rotation
    windows = pieces_of(scene.profile.height, scene.profile.width)
    saved = _saving(
        scene, rotation, windows if options.spectral == "auto" else windows[len(windows) // 2 :][:1]
    )
    if saved < SAVING:
        return None
    if options.spectral == "auto":
        return rotation
    # Targets on the worst band and the .vrt take part of it back (a small Landsat scene: 51 % became 26 %).
    progress.warn(
        f"--bands rotated would save about {saved:.0%} at equal squared error, before its .vrt is counted; "
        "other programs then need that .vrt"
    )
    return None


def _cannot_rotate(scene: Scene, options: EncodeOptions) -> str:
    """Return why bands cannot be rotated; empty where they can."""
    if options.target.is_bound and not options.target.is_relative:
        return "errors that are bounded are bounded band by band"
    return _cannot_transform(scene, options)


def _cannot_transform(scene: Scene, options: EncodeOptions) -> str:
    """Return why a scene has no components; empty where it may have some."""
    if candidates(options.codec)[0].dial != "size":
        return "the codec is not JPEG 2000"
    if options.target.is_relative:
        return "steps that grow with the samples have no .vrt of sums"
    if _data_bands(scene).sum() < 2:
        return "the scene has one"
    if "palette" in [name.lower() for name in scene.profile.colorinterp]:
        return "one of them is a palette"
    return ""


def _data_bands(scene: Scene) -> NDArray[np.bool_]:
    """Return whether each band holds data, not alpha."""
    return np.array([name.lower() != "alpha" for name in scene.profile.colorinterp])


def _saving(scene: Scene, rotation: Rotation, windows: Sequence[Window]) -> float:
    """Return what part of the bytes a rotation saves at equal weighted squared error, by pieces."""
    transforms = (False, True) if rotation.count >= 3 else (False,)
    saved: dict[bool, list[float]] = {mct: [] for mct in transforms}
    for window in windows:
        pixels, valid = scene.read(window), scene.read_valid(window)
        if not valid.any():
            continue
        filled, keep = fill_invalid(pixels, valid), np.asarray(valid.any(axis=0))
        # Bands scaled by their weights, so that both codings are after the same error.
        factors = (rotation.gain * rotation.weight)[:, None, None]
        weighted = np.rint((filled - rotation.mean[:, None, None]) * factors)
        bands = np.clip(weighted, -32768, 32767).astype(np.int16)
        spread = max(float(np.mean([band[keep].var() for band in bands])), 1.0)
        plain = J2KParams(lossless=False, errors=tuple(spread * part for part in _TRIAL_PARTS))
        ours = layer_profile(rotation.forward(filled), plain, valid=keep)
        least, most = (bands.nbytes / ratio for ratio in _TRIAL_RATIOS)
        errors, sizes = np.log(np.maximum(ours.sse, 1e-9))[::-1], np.log(ours.bytes)[::-1]
        for mct in transforms:  # bands as they are have that of JPEG 2000 where it is better
            theirs = layer_profile(bands, replace(plain, mct=mct), valid=keep)
            for size, sse in zip(theirs.bytes, theirs.sse, strict=True):
                if sse > 0 and least <= size <= most:
                    saved[mct].append(1 - math.exp(float(np.interp(math.log(sse), errors, sizes))) / size)
    return min(float(np.mean(each)) if each else 0.0 for each in saved.values())


def _choose_prediction(
    scene: Scene, options: EncodeOptions, progress: Progress, *, mct: bool, is_apart: bool
) -> Transform:
    as_is = Transform(mct)
    is_asked, profile = options.spectral == "rotated", scene.profile
    if reason := _cannot_transform(scene, options):
        if is_asked:
            progress.warn(f"bands are kept as they are: {reason}")
        return as_is
    if options.spectral == "as-is" and _data_bands(scene).sum() <= 3:
        return as_is  # colours: what the transform of JPEG 2000 was made for
    side = min(TRIAL_SIDE, max(math.isqrt(_TRIAL_SAMPLES // (3 * profile.count)), 64))
    windows = pieces_of(profile.height, profile.width, side)
    if options.spectral == "as-is":  # a word of advice may not take long
        windows = pieces_of(profile.height, profile.width, side // 2)[:1]
    pieces = [_as_coded(scene, window, is_apart=is_apart) for window in windows]
    data = _data_bands(scene)
    may = data[:, None] & data
    moments = moments_of(pieces)
    prediction = _within_16_bits(pieces, moments, may, lambda: pieces)
    costs = sum(len(encode_tile(piece, J2KParams(lossless=True, mct=mct))) for piece in pieces)
    ours = sum(len(encode_tile(prediction.forward(piece), J2KParams(lossless=True))) for piece in pieces)
    share = min(1.0, sum(piece[0].size for piece in pieces) / (profile.height * profile.width))
    ours += round(share * len(json.dumps(prediction.to_json())))
    vrt = (
        0
        if options.sidecar == "never"
        else len(vrt_of("a.jp2", scene.metadata(), prediction, has_mask=False))
    )
    saved, with_vrt = 1 - ours / costs, 1 - (ours + share * vrt) / costs
    if options.spectral == "as-is":
        if with_vrt >= SAVING:
            progress.warn(
                f"--bands rotated would save about {with_vrt:.0%} without loss, its .vrt counted; other "
                "programs then need that .vrt"
            )
        return as_is
    if saved <= 0 or (options.spectral == "auto" and with_vrt < EXACT_SAVING):
        if is_asked:
            progress.warn("bands are kept as they are: in a trial nothing was saved")
        return as_is
    grid = TileGrid(height=profile.height, width=profile.width, tile_size=usual_tile_size(profile.count))

    def whole() -> Iterator[NDArray[Any]]:
        for index in grid:
            yield _as_coded(scene, grid.core(index), is_apart=False)
            if profile.has_nodata or is_apart:  # which of both is coded may not be decided yet
                yield _as_coded(scene, grid.core(index), is_apart=True)

    prediction = _within_16_bits(pieces, moments, may, whole)
    return Transform(spectral=prediction, is_doubtful=saved < EXACT_SAVING)


def _within_16_bits(
    pieces: Sequence[NDArray[Any]],
    moments: Sequence[NDArray[np.float64]],
    may: NDArray[np.bool_],
    whole: Callable[[], Iterable[NDArray[Any]]],
) -> Prediction:
    """Return the prediction of pieces, changed until 16 bits hold every component of a scene.

    No piece tells for sure: between saturated pixels and shadows differences are larger than either.
    """
    offsets: dict[int, int] = {}
    while True:
        prediction = Prediction.fit(pieces, moments, may, offsets)
        reaches = np.stack([prediction.reach(pixels) for pixels in whole()])
        ends = np.stack([reaches[:, 0].min(axis=0), reaches[:, 1].max(axis=0)])
        out = np.flatnonzero((ends[0] < -32768) | (ends[1] > 32767))
        if not out.size:
            return prediction
        for band in map(int, out):
            if ends[1, band] - ends[0, band] < 1 << 16:
                offsets[band] = int(prediction.offset[band] + (ends[0, band] + ends[1, band] + 1) // 2)
            else:  # without the tap that spreads it most; a band without any fits
                may[band, prediction.heaviest(band, ends)] = False


def _as_coded(scene: Scene, window: Window, *, is_apart: bool) -> NDArray[Any]:
    pixels = scene.read(window)
    return fill_invalid(pixels, scene.read_valid(window, pixels)) if is_apart else pixels


def colour_transform_pays(reader: Scene, *, lossless: bool) -> bool:
    """Return whether the first three bands are decorrelated together.

    By trial, never with palettes or alpha among them. Where it makes next to no difference, red, green and
    blue in any order are, and others are not.
    """
    profile = reader.profile
    names = [name.lower() for name in profile.colorinterp[:3]]
    if profile.count < 3 or "alpha" in names or "palette" in names:
        return False
    pieces = pieces_of(profile.height, profile.width, _COLOUR_SIDE)
    costs = np.array([_colour_trial(reader, window, lossless=lossless) for window in pieces])
    with_transform, without = costs.sum(axis=0)
    worth = 1 / _COLOUR_WORTH if set(names) == {"red", "green", "blue"} else _COLOUR_WORTH
    return bool(with_transform < worth * without)


def pieces_of(height: int, width: int, side: int = TRIAL_SIDE) -> list[Window]:
    """Return up to three windows of so many pixels a side down the scene's diagonal."""
    tall, wide = min(side, height), min(side, width)
    offsets = {(round((height - tall) * part), round((width - wide) * part)) for part in (0.5, 0.15, 0.85)}
    return [Window(row_off=row, col_off=col, height=tall, width=wide) for row, col in sorted(offsets)]


def _colour_trial(reader: Scene, window: Window, *, lossless: bool) -> tuple[float, float]:
    """Return bytes or squared error of one piece with and without the transform."""
    bands = (0, 1, 2)
    pixels = reader.read(window, bands=bands)
    if lossless:
        sizes = [len(encode_tile(pixels, J2KParams(lossless=True, mct=mct))) for mct in (True, False)]
        return float(sizes[0]), float(sizes[1])
    valid = reader.read_valid(window)[:3]
    pixels = fill_invalid(pixels, valid)
    errors = []
    for mct in (True, False):
        stream = encode_tile(pixels, J2KParams(lossless=False, mct=mct, ratio=_COLOUR_RATIO))
        error = (decode_tile(stream).astype(np.float32) - pixels.astype(np.float32)) * valid
        errors.append(float(np.vdot(error, error).real))
    return errors[0], errors[1]
