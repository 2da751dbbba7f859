"""Whether the parts of an archive's side information belong together, and what they say of its pixels."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from rsic_geo.container.sideinfo import SideInfo
from rsic_geo.errors import ContainerError
from rsic_geo.geo.lattice import CELL, cell_counts
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.options import TILE_SIZES


def scene_crc(tile_crcs: tuple[int, ...]) -> int:
    """Return one checksum for the pixel checksums of all tiles, in tile order."""
    return zlib.crc32(struct.pack(f">{len(tile_crcs)}I", *tile_crcs))


class StripCrcs:
    """Checksums of final pixels, one per row of cells: what an archive may be sealed with.

    Pixels come in windows, each within one row of cells, those of a row one after another. A checksum is the
    CRC-32 of the row's samples (bands, 256, columns) in C order and little-endian bytes.
    """

    def __init__(self, profile: SceneProfile, dtype: str) -> None:
        """Begin with the scene's first row of cells; ``dtype`` is that of its samples."""
        self._profile, self._dtype = profile, np.dtype(dtype).newbyteorder("<")
        self._strip: npt.NDArray[Any] | None = None
        self._left = 0
        self.found: list[int] = []
        """Those of the rows that are complete."""

    def add(self, window: Window, pixels: npt.NDArray[Any]) -> bool:
        """Take the pixels (bands, h, w) of a window; return whether a row of cells is complete now."""
        p, top = self._profile, window.row_off // CELL * CELL
        if self._strip is None:
            rows = min(CELL, p.height - top)
            self._strip = np.empty((p.count, rows, p.width), self._dtype)
            self._left = rows * p.width
        first = window.row_off - top
        columns = slice(window.col_off, window.col_off + window.width)
        self._strip[:, first : first + window.height, columns] = pixels
        self._left -= window.height * window.width
        if self._left:
            return False
        self.found.append(zlib.crc32(self._strip.data))
        self._strip = None
        return True


def check_side(side: SideInfo) -> SideInfo:
    """Return side information whose parts fit each other.

    Raises:
        ContainerError: if they do not; a checksum of its own protects it, so it was written wrongly.
    """
    if side.tile_size not in TILE_SIZES:
        raise ContainerError(f"the archive names tiles of {side.tile_size} px, which rsic_geo does not write")
    tiles = -(-side.snapshot.height // side.tile_size) * -(-side.snapshot.width // side.tile_size)
    if side.lossless and len(side.pixel_crcs) != tiles:
        raise ContainerError("the archive has checksums of another scene: it was altered")
    if side.final_crcs and len(side.final_crcs) != cell_counts(side.snapshot.height, side.snapshot.width)[0]:
        raise ContainerError("the archive is sealed as another scene: it was altered")
    if side.model is None:
        return side
    cells = (len(side.groups), *cell_counts(side.snapshot.height, side.snapshot.width))
    if side.levels.shape != cells or side.strengths.shape != cells or side.radiometry is None:
        raise ContainerError("the archive's enhancement is that of another scene: it was altered")
    bands = {band for group in side.groups for band in group}
    if any(len(group) not in (1, 3) for group in side.groups):
        raise ContainerError("the archive's enhancement groups bands as no network does: it was altered")
    if side.radiometry.bands != side.snapshot.count or not bands <= set(range(side.snapshot.count)):
        raise ContainerError("the archive's enhancement names bands the scene lacks: it was altered")
    return side


def checked_limits(side: SideInfo, stored: SceneProfile) -> tuple[tuple[int, int] | None, ...]:
    """Return the limits of decoded samples. Raises ContainerError where they are not those of the scene."""
    kind = np.iinfo(stored.dtype)
    ends = [pair for pair in side.limits if pair is not None]
    is_foreign = len(side.limits) not in (0, stored.count) or len(side.peaks) not in (0, stored.count)
    if is_foreign or any(low < kind.min or high > kind.max for low, high in ends):
        raise ContainerError("the archive's limits of samples are those of another scene: it was altered")
    return side.limits
