"""Whether the colour transform of JPEG 2000 pays on the first three bands: measured, whatever their names.

The transform was made for red, green and blue, but it only subtracts bands that look alike. On the
development scenes it is worth 4 to 12 dB at equal size on the first three bands of Sentinel-2, Landsat 8,
CBERS-4 and EnMAP stacks, and costs 1 to 4 dB where near infrared comes first, also where such false colours
are tagged as red, green and blue. So pieces of a scene decide, and a tag breaks ties
(``python -m rsic_geo.evaluation.trials colour SCENE...``).
"""

from __future__ import annotations

import numpy as np

from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile
from rsic_geo.geo.validity import fill_invalid
from rsic_geo.geo.window import Window
from rsic_geo.scenes.protocol import Scene

TRIAL_SIDE = 512
"""Side of the pieces of trials (px)."""
_COLOUR_SIDE = 256
"""Side of those tried here: a trial outside the repository decided 53 scenes and pictures as with 512,
in a quarter of the time."""
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
    pieces = pieces_of(profile.height, profile.width, _COLOUR_SIDE)
    costs = np.array([_trial(reader, window, lossless=lossless) for window in pieces])
    with_transform, without = costs.sum(axis=0)
    worth = 1 / WORTH if set(names) == {"red", "green", "blue"} else WORTH
    return bool(with_transform < worth * without)


def pieces_of(height: int, width: int, side: int = TRIAL_SIDE) -> list[Window]:
    """Return up to three windows of so many pixels a side down the scene's diagonal."""
    tall, wide = min(side, height), min(side, width)
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
