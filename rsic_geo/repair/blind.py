"""What was lost when nobody kept the original, by shifted recompression, and how far to trust a repair.

Coding a decoded scene again with its own codec at its own size changes almost nothing, because the wavelet or
block grid is the same. Shifted by a few pixels the grid is another one, and the new coding loses about as
much as the first did. On development images the first coding's error was 1.05 to 2.3 times that of the second
for JPEG 2000 (0.15 to 2 bpp, largest at low rates; ``python -m rsic_geo.evaluation.trials blind IMAGE...``)
and 1.3 to 2.6 times for JPEG (one trial, no command kept). The factors below are near the lower ends, because
telling an enhancer too much distortion does harm and too little only helps less.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs import jpeg2000
from rsic_geo.codecs.j2k import COD
from rsic_geo.codecs.jpeg2000 import J2KParams
from rsic_geo.container import jp2
from rsic_geo.errors import UsageError
from rsic_geo.geo.lattice import (
    CELL,
    byte_from_strength,
    cell_counts,
    cell_sums,
    level_from_rmse,
    rmse_from_level,
)
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.validity import fill_invalid
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.progress import Progress
from rsic_geo.raster import SceneReader

SHIFT = (3, 5)
"""Rows and columns cut off before coding again (px); odd, so that every wavelet level sees another phase."""
FACTORS = {"JPEG2000": 1.15, "WebP": 1.35, "other": 1.35}
"""True error over the error of shifted recompression, near the lower end of what was measured."""
MOST_STRENGTH = 0.9
"""Largest strength where no original is at hand."""
STRENGTHS = {"WebP": (0.12, 0.45), "other": (0.25, MOST_STRENGTH)}
LEAST_DN = 0.8
"""Strength of other codecs' files: so much for every digital number (of 8 bits) of a cell's estimated error
beyond the least one, and at most so much. WebP has smoothed its blocks already."""
STRENGTH_AT_ONE_BPP, STRENGTH_PER_OCTAVE = 0.5, 0.22
"""Strength of JPEG 2000 files that have one bit per pixel, and how much less for twice the bits."""
SINGLE_BAND_RATE = 0.65
"""Bits of a single band over those of three bands that lost as much, about; as in training."""
LOSSY_COMPRESSIONS = ("jpeg", "ycbcr jpeg", "webp", "jxl", "lerc", "lerc_deflate", "lerc_zstd")
_TILE = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class LossyScene:
    """A scene of another program that lost something when it was coded."""

    reader: SceneReader
    bpp: float
    """Bits per pixel of all bands together."""
    kind: str
    """Kind of codec, a key of :data:`FACTORS`."""


def lossy_scene(reader: SceneReader) -> LossyScene:
    """Return with how many bits per pixel a scene was coded, and by what kind of codec.

    Raises:
        UsageError: if the file is stored losslessly, so that nothing tells of a loss.
    """
    pixels = reader.profile.height * reader.profile.width
    if reader.driver.startswith("JP2"):
        with Path(reader.path).open("rb") as file:
            index = jp2.find_codestream(file)
        if _is_reversible(index.segments):
            raise UsageError(
                "this JPEG 2000 file is stored losslessly: nothing was lost in it, and nothing tells what "
                "was lost before; enhance the lossy file it came from, if there is one"
            )
        bpp = sum(part.length for part in index.parts) * 8 / pixels
        return LossyScene(reader=reader, bpp=bpp, kind="JPEG2000")
    if reader.compression not in LOSSY_COMPRESSIONS or reader.is_known_lossless:
        raise UsageError(
            f"this file is stored losslessly ({reader.compression or 'uncompressed'}): nothing tells "
            "how much was lost before; enhance the JPEG 2000, JPEG or WebP file it came from"
        )
    kind = "WebP" if reader.compression == "webp" else "other"
    return LossyScene(reader=reader, bpp=reader.stored_bytes() * 8 / pixels, kind=kind)


def _is_reversible(segments: tuple[Any, ...]) -> bool:
    cod = next((s.payload for s in segments if s.code == COD), b"")
    return len(cod) >= 10 and cod[9] == 1


def estimate_levels(
    scene: LossyScene,
    groups: tuple[tuple[int, ...], ...],
    radiometry: Radiometry,
    progress: Progress,
    area: Window | None = None,
) -> NDArray[np.uint8]:
    """Return estimated distortion level bytes (groups, cell rows, cell columns) of a lossy scene.

    With ``area`` cells far outside of it may be left at 0; those inside are as for the whole scene.
    """
    reader, profile = scene.reader, scene.reader.profile
    levels = np.zeros((len(groups), *cell_counts(profile.height, profile.width)), np.uint8)
    grid = TileGrid(height=profile.height, width=profile.width, tile_size=_TILE)
    tiles = grid.tiles_touching(Window.full(profile.height, profile.width) if area is None else area)
    for done, index in enumerate(tiles, start=1):
        core = grid.core(index)
        top, left = core.row_off // CELL, core.col_off // CELL
        for g, members in enumerate(groups):
            share = scene.bpp * len(members) / profile.count
            rmse = _shifted_error(_filled(reader, core, members), share, radiometry, members)
            cells = level_from_rmse(rmse * FACTORS[scene.kind])
            levels[g, top : top + cells.shape[0], left : left + cells.shape[1]] = cells
        progress.report(done / len(tiles), "estimating distortion")
    return levels


def _filled(reader: SceneReader, window: Window, members: tuple[int, ...]) -> NDArray[Any]:
    pixels = reader.read(window)
    if reader.profile.has_nodata:
        pixels = fill_invalid(pixels, reader.read_valid(window, pixels))
    return np.asarray(pixels[list(members)])


def _shifted_error(
    pixels: NDArray[Any], bpp: float, radiometry: Radiometry, members: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the error per cell (cell rows, cell columns) of coding shifted pixels again, in used ranges."""
    bands, height, width = pixels.shape
    shape = cell_counts(height, width)
    if height <= SHIFT[0] + 8 or width <= SHIFT[1] + 8:
        return np.zeros(shape)
    shifted = np.ascontiguousarray(pixels[:, SHIFT[0] :, SHIFT[1] :])
    params = J2KParams(lossless=False, mct=bands == 3, tile_size=_TILE)
    budget = max(64, int(bpp * shifted.shape[1] * shifted.shape[2] / 8))
    again = jpeg2000.decode_tile(jpeg2000.encode_tile_bytes(shifted, params, budget))
    spans = np.array([radiometry.high[b] - radiometry.low[b] for b in members], np.float32)[:, None, None]
    error = (again.astype(np.float32) - shifted.astype(np.float32)) / spans
    sums = cell_sums(error * error).sum(axis=0)
    counts = cell_sums(np.ones(error.shape, np.float32)).sum(axis=0)
    out = np.zeros(shape)
    out[: sums.shape[0], : sums.shape[1]] = np.sqrt(sums / counts)
    # cells that lie in the strip cut off take their neighbour's error
    out[sums.shape[0] :] = out[sums.shape[0] - 1]
    out[:, sums.shape[1] :] = out[:, sums.shape[1] - 1 : sums.shape[1]]
    return out


def blind_strengths(
    levels: NDArray[np.uint8],
    groups: tuple[tuple[int, ...], ...],
    bpp: float,
    kind: str,
    asked: float | None = None,
) -> NDArray[np.uint8]:
    """Return strength bytes of cells without an original (shape of ``levels``).

    Where little was lost, networks that were taught on heavier losses do harm: the best strength falls with
    the rate of JPEG 2000 and rises with the estimated error of others. Measured by
    ``python -m rsic_geo.evaluation.trials foreign IMAGE...``.

    Args:
        levels: estimated level bytes (groups, cell rows, cell columns).
        groups: bands of each group.
        bpp: bits per pixel of all bands.
        kind: of codec, as in :class:`LossyScene`.
        asked: one strength for all cells instead.
    """
    if asked is not None:
        return np.full(levels.shape, byte_from_strength(asked), np.uint8)
    if kind != "JPEG2000":
        error = 255 * rmse_from_level(levels)
        slope, most = STRENGTHS[kind]
        return byte_from_strength(np.clip(slope * (error - LEAST_DN), 0, most))
    bands = sum(len(members) for members in groups)
    rates = [bpp / bands * (len(members) if len(members) > 1 else 1 / SINGLE_BAND_RATE) for members in groups]
    found = STRENGTH_AT_ONE_BPP - STRENGTH_PER_OCTAVE * np.log2(np.maximum(rates, 1e-6))
    strengths = byte_from_strength(np.clip(found, 0, MOST_STRENGTH))
    return np.broadcast_to(strengths[:, None, None], levels.shape).copy()
