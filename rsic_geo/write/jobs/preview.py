"""The first page of an archive in a TIFF: a small picture of the scene, where it lies."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.tiff import Preview, picture_bytes
from rsic_geo.geo.areas import area_means
from rsic_geo.geo.validity import fill_invalid
from rsic_geo.raster.formats.preview import picture_geotiff, place_geotiff
from rsic_geo.scenes.protocol import Scene
from rsic_geo.write.plan import ScenePlan

LARGEST, SMALLEST = 512, 4
"""Longest side of a preview (px)."""
SHARE = 0.02
"""Part of the payloads' bytes a preview may take, unless it is of the smallest."""
_COARSE = 16
"""Previews up to this side (px) have so many levels a band: half the bytes, and nothing lost to the eye."""


@dataclass(slots=True)
class PreviewMaker:
    """Makes previews of one scene that fit an archive's size; the scene is read once."""

    reader: Scene
    plan: ScenePlan
    _picture: NDArray[np.uint8] | None = None
    _valid: NDArray[np.bool_] | None = None
    _made: dict[int, Preview] = field(default_factory=dict)

    def for_bytes(self, payload_bytes: int) -> Preview:
        """Return the largest preview that suits an archive with so many bytes of payloads."""
        side = LARGEST
        while side > SMALLEST and picture_bytes(self._of(side).picture) > SHARE * payload_bytes:
            side //= 2
        return self._of(side)

    def _of(self, side: int) -> Preview:
        if side not in self._made:
            large, valid = self._read()
            height, width = _fitting(self.plan.profile.height, self.plan.profile.width, side)
            small = np.rint(area_means(large, (height, width))).clip(0, 255).astype(np.uint8)
            if side <= _COARSE:
                small = small // _COARSE * np.uint8(_COARSE + 1)
            mask = area_means(valid[None], (height, width))[0] >= 0.5
            place = place_geotiff(self.plan.snapshot, height, width, with_tags=True)
            picture = min((picture_geotiff(small, kind) for kind in ("jpeg", "deflate")), key=picture_bytes)
            self._made[side] = Preview(picture=picture, place=place, mask=None if valid.all() else mask)
        return self._made[side]

    def _read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return one decimated read, (1 or 3 bands, h, w) in 8 bits, and where it is valid."""
        if self._picture is None or self._valid is None:
            plan = self.plan
            shape = _fitting(plan.profile.height, plan.profile.width, LARGEST)
            first = plan.groups[0] if plan.groups else (0,)
            bands = first if len(first) == 3 else first[:1]
            valid = self.reader.read_valid_overview(*shape)
            pixels = self.reader.read_overview(*shape)
            pixels = fill_invalid(pixels[list(bands)], valid[None])
            scaled = plan.radiometry.forward(pixels, bands)
            self._picture = np.rint(scaled * 255).clip(0, 255).astype(np.uint8)
            self._valid = valid
        return self._picture, self._valid


def _fitting(height: int, width: int, side: int) -> tuple[int, int]:
    """Return (rows, columns) of a picture whose longer side is at most ``side`` and the scene's."""
    scale = max(1.0, max(height, width) / side)
    return max(1, round(height / scale)), max(1, round(width / scale))
