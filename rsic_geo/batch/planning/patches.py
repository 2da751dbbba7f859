"""Pieces of a large scene as one small scene, by which a plan tells what all of it would take."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from rsic_geo.geo.part import Part
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster.write import SceneWriter
from rsic_geo.scenes.protocol import Scene

SIDE = 512
"""Side of windows drawn from large scenes (px); half of it where there are many bands."""
_MANY_BANDS = 6
DRAWN, KEPT = 12, 3
"""Windows looked at, and archived, of a large scene."""


def write_patch(reader: Scene, path: str) -> tuple[float, int, int]:
    """Write windows that hold data side by side; return what share does, its pixels and all pixels read."""
    profile = reader.profile
    side = SIDE if profile.count <= _MANY_BANDS else SIDE // 2
    height, width = min(side, profile.height), min(side, profile.width)
    chance = random.Random(0)
    # One in each field of a grid, at random within it: closer to all of the scene than as many anywhere.
    rows, columns = DRAWN // 4, 4
    windows = [
        Window(
            row_off=round((profile.height - height) * (row + chance.random()) / rows),
            col_off=round((profile.width - width) * (column + chance.random()) / columns),
            height=height,
            width=width,
        )
        for row in range(rows)
        for column in range(columns)
    ]
    chance.shuffle(windows)
    full = [window for window in windows if _holds_data(reader, window)]
    kept = full[:KEPT]
    if not kept:
        return 0.0, 0, DRAWN * height * width
    area = Window(row_off=0, col_off=0, height=height, width=width * len(kept))
    part = Part(window=area)
    snapshot = part.of_snapshot(reader.metadata())
    with SceneWriter(path, _resized(part.of_profile(profile), area), snapshot) as writer:
        for number, window in enumerate(kept):
            place = Window(row_off=0, col_off=number * width, height=height, width=width)
            writer.write(place, reader.read(window))
            mask = reader.read_mask(window)
            if mask is not None:
                writer.write_mask(place, mask)
        writer.commit(accept_loss=True)
    return len(full) / len(windows), area.pixel_count, DRAWN * height * width


def _resized(profile: SceneProfile, area: Window) -> SceneProfile:
    return replace(profile, height=area.height, width=area.width)


def _holds_data(reader: Scene, window: Window) -> bool:
    pixels = reader.read(window)
    valid = reader.read_valid(window, pixels)
    mask = reader.read_mask(window)
    if mask is not None:
        valid = valid & (mask != 0)
    flat = all(np.ptp(band) == 0 for band in pixels)
    return bool(valid.any()) and not flat
