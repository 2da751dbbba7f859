"""Whether the colour transform of JPEG 2000 pays on the first three bands: measured, whatever their names.

The transform was made for red, green and blue, but it only subtracts bands that look alike. On the
development scenes it is worth 4 to 12 dB at equal size on the first three bands of Sentinel-2, Landsat 8,
CBERS-4 and EnMAP stacks, and costs 1 to 4 dB where near infrared comes first, also where such false colours
are tagged as red, green and blue. So pieces of a scene decide, and a tag breaks ties
(``python -m rsic_geo.evaluation.trials colour SCENE...``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile, layer_profile
from rsic_geo.codecs.registry import candidates
from rsic_geo.geo.validity import fill_invalid
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions
from rsic_geo.progress import Progress
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.rotated import Rotation, weights_of

TRIAL_SIDE = 512
"""Side of the pieces tried (px)."""
TRIAL_RATIO = 16.0
"""Compression ratio of lossy trials."""
WORTH = 0.98
"""Bytes (lossless) or squared error (lossy) with the transform over those without it: between this and its
inverse it is a tie."""


def colour_transform_pays(reader: Scene, *, lossless: bool) -> bool:
    """Return whether the first three bands are decorrelated together.

    By trial, never with palettes or alpha among them. Where it makes next to no difference, red, green and
    blue in any order are, and others are not.
    """
    profile = reader.profile
    names = [name.lower() for name in profile.colorinterp[:3]]
    if profile.count < 3 or "alpha" in names or "palette" in names:
        return False
    costs = np.array(
        [_trial(reader, window, lossless=lossless) for window in pieces_of(profile.height, profile.width)]
    )
    with_transform, without = costs.sum(axis=0)
    worth = 1 / WORTH if set(names) == {"red", "green", "blue"} else WORTH
    return bool(with_transform < worth * without)


def pieces_of(height: int, width: int) -> list[Window]:
    """Return up to three windows down the scene's diagonal."""
    tall, wide = min(TRIAL_SIDE, height), min(TRIAL_SIDE, width)
    offsets = {(round((height - tall) * part), round((width - wide) * part)) for part in (0.5, 0.15, 0.85)}
    return [Window(row_off=row, col_off=col, height=tall, width=wide) for row, col in sorted(offsets)]


def _trial(reader: Scene, window: Window, *, lossless: bool) -> tuple[float, float]:
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
        stream = encode_tile(pixels, J2KParams(lossless=False, mct=mct, ratio=TRIAL_RATIO))
        error = (decode_tile(stream).astype(np.float32) - pixels.astype(np.float32)) * valid
        errors.append(float(np.vdot(error, error).real))
    return errors[0], errors[1]


SAVING = 0.15
"""Part of the bytes that a rotation must save to be recommended, or taken where that is asked for."""
_RATIOS = (64.0, 32.0, 16.0, 8.0, 4.0)


def choose_rotation(
    scene: Scene,
    options: EncodeOptions,
    sample: tuple[NDArray[Any], NDArray[np.bool_]],
    ranges: Sequence[tuple[float, float]],
    progress: Progress,
) -> Rotation | None:
    """Return how the bands of a scene are rotated: as asked for, where that is possible and pays.

    Args:
        scene: what is archived.
        options: what is asked for.
        sample: one decimated read of the scene (bands, h, w), and where it is valid.
        ranges: least and greatest value that each band uses.
        progress: warned of what rotating would save, or of why it cannot be done.

    Raises:
        UsageError: weights that are none.
    """
    is_asked = options.spectral == "rotated"
    reason = _cannot_rotate(scene, options)
    weights = weights_of(options.band_weights, [high - low for low, high in ranges])
    rotation = None if reason else Rotation.fit(*sample, weights)
    if rotation is None:
        if is_asked:
            progress.warn(f"bands are kept as they are: {reason or 'fewer valid pixels than bands'}")
        return None
    if is_asked:
        return rotation
    if options.spectral == "as-is" and scene.profile.count <= 3:
        return None  # colours: what the transform of JPEG 2000 was made for
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
    profile, names = scene.profile, [name.lower() for name in scene.profile.colorinterp]
    if options.target.is_lossless or options.target.kind == "max-error":
        return "errors that are bounded are bounded band by band"
    if candidates(options.codec)[0].dial != "size":
        return "the codec is not JPEG 2000"
    if profile.count < 2:
        return "the scene has one"
    if "alpha" in names or "palette" in names:
        return "one of them is alpha or a palette"
    if scene.metadata().dtypes[0] != profile.dtype:
        return "floats in steps are not rotated"
    return ""


def _saving(scene: Scene, rotation: Rotation, windows: Sequence[Window]) -> float:
    """Return what part of the bytes a rotation saves at equal weighted squared error, by pieces."""
    saved = []
    for window in windows:
        pixels, valid = scene.read(window), scene.read_valid(window)
        if not valid.any():
            continue
        filled, keep = fill_invalid(pixels, valid), np.asarray(valid.any(axis=0))
        plain = J2KParams(lossless=False, layers=_RATIOS)
        # Bands scaled by their weights, so that both codings are after the same error.
        factors = (rotation.gain * rotation.weight)[:, None, None]
        weighted = np.rint((filled - rotation.mean[:, None, None]) * factors)
        ours = layer_profile(rotation.forward(filled), plain, valid=keep)
        bands = np.clip(weighted, -32768, 32767).astype(np.int16)
        theirs = layer_profile(bands, plain, valid=keep)
        errors, sizes = np.log(np.maximum(ours.sse, 1e-9))[::-1], np.log(ours.bytes)[::-1]
        for size, sse in zip(theirs.bytes[1:4], theirs.sse[1:4], strict=True):
            if sse > 0:
                saved.append(1 - math.exp(float(np.interp(math.log(sse), errors, sizes))) / size)
    return float(np.mean(saved)) if saved else 0.0
