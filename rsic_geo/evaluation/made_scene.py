"""A scene made by numbers alone, for who has none at hand."""

from __future__ import annotations

import numpy as np
from affine import Affine

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster import SceneWriter

_FIELDS = 90
_PLACE = Affine(10, 0, 500000, 0, -10, 5400000)


def write_made_scene(path: str, side: int) -> None:
    """Write fields, paths and a river under haze and sensor noise as a GeoTIFF of three bands.

    Args:
        path: file to write; must not exist.
        side: rows and columns (px).
    """
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    seeds = rng.uniform(0, side, (_FIELDS, 2)).astype(np.float32)
    nearest = np.full((2, side, side), np.inf, np.float32)
    field = np.zeros((side, side), np.intp)
    for number, (row, col) in enumerate(seeds):
        distance = np.hypot(y - row, x - col)
        is_first = distance < nearest[0]
        field[is_first] = number
        nearest[1] = np.where(is_first, nearest[0], np.minimum(nearest[1], distance))
        nearest[0] = np.where(is_first, distance, nearest[0])
    colours = rng.normal((98, 110, 84), (48, 42, 46), (_FIELDS, 3)).astype(np.float32)
    angles = rng.uniform(0, np.pi, _FIELDS)[field]
    rows = 9 * np.sin((x * np.cos(angles) + y * np.sin(angles)) * 1.1)
    image = colours[field] + rows[..., None]
    image[nearest[1] - nearest[0] < 4] = (168, 160, 142)
    river = np.abs(y - side / 2 - side / 7 * np.sin(x / side * 9) - 12 * np.sin(x / 31)) < side / 60
    image[river] = (38, 58, 74)
    light = 1 + 0.12 * np.sin(x / side * 4 + 1) * np.cos(y / side * 3)
    image = image * light[..., None] + rng.normal(0, 3, image.shape)
    pixels = np.clip(np.rint(image), 1, 255).astype(np.uint8).transpose(2, 0, 1)
    bands, place = ("red", "green", "blue"), tuple(_PLACE)[:6]
    profile = SceneProfile(
        height=side, width=side, count=3, dtype="uint8", transform=_PLACE, colorinterp=bands
    )
    snapshot = MetadataSnapshot(
        width=side, height=side, count=3, dtypes=("uint8",) * 3, crs="EPSG:32632", transform=place,
        colorinterp=bands, mask_flags=(("all_valid",),) * 3, descriptions=bands,
        tags={"": {"TITLE": "a scene made by rsic tour"}},
    )  # fmt: skip
    with SceneWriter(path, profile, snapshot) as writer:
        writer.write(Window.full(side, side), pixels)
        writer.commit()
