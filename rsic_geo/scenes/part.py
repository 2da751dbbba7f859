"""What part of a scene is asked for, and its pixels where they are wanted at a coarser level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UsageError
from rsic_geo.geo.grid import TileGrid
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.part import Part
from rsic_geo.geo.window import Window
from rsic_geo.options import DecodeOptions, PartOptions
from rsic_geo.progress import Progress
from rsic_geo.raster.box import window_of_box
from rsic_geo.scenes.archive import Archive

_SOURCE_SIDE = 4096
"""Pixels of the scene read at once along a side, for a coarser level."""


def choose_part(snapshot: MetadataSnapshot, options: PartOptions, progress: Progress) -> Part | None:
    """Return the part of a scene that is asked for; None for all of it as it is.

    Raises:
        UsageError: if the window does not lie in the scene, a band is not there, or nothing would be left.
    """
    window = _window(snapshot, options, progress)
    bands = tuple(band - 1 for band in options.bands) or None
    if bands is not None and max(bands) >= snapshot.count:
        raise UsageError(f"there is no band {max(bands) + 1}: the scene has {snapshot.count}")
    if options.level and 1 << options.level > max(window.height, window.width):
        raise UsageError(
            f"level {options.level} leaves less than a pixel of {window.width} x {window.height} px"
        )
    whole = window == Window.full(snapshot.height, snapshot.width)
    if whole and bands is None and not options.level:
        return None
    return Part(window=window, level=options.level, bands=bands)


def _window(snapshot: MetadataSnapshot, options: PartOptions, progress: Progress) -> Window:
    scene = Window.full(snapshot.height, snapshot.width)
    if options.srcwin is not None:
        left, top, width, height = options.srcwin
        asked = Window(row_off=top, col_off=left, height=height, width=width)
        if not scene.contains(asked):
            raise UsageError(
                f"the window of {width} x {height} px from column {left}, row {top} does not lie in the "
                f"scene of {scene.width} x {scene.height} px"
            )
        return asked
    box = options.bbox
    if options.projwin is not None:
        xs, ys = options.projwin[0::2], options.projwin[1::2]
        box = (min(xs), min(ys), max(xs), max(ys))
    if box is None:
        return scene
    if box[0] >= box[2] or box[1] >= box[3]:
        raise UsageError("the window is empty: give least x, least y, greatest x, greatest y")
    window, is_beyond = window_of_box(snapshot, box, options.window_crs)
    if is_beyond:
        progress.warn("the window reaches beyond the scene: only what is inside is there")
    return window


def enhancement_asked(options: DecodeOptions) -> str:
    """Return what an archive is to be opened with; coarser levels are the codec's own.

    Raises:
        UsageError: if a network is named for a coarser level.
    """
    if not options.level:
        return options.enhance
    if options.enhance not in ("auto", "off", "none"):
        raise UsageError("a network repairs pixels at full size only: leave it out, or the level")
    return "off"


def describe_part(part: Part | None) -> dict[str, Any]:
    """Return the report's entry about a part; nothing for a whole scene."""
    if part is None:
        return {}
    window = part.window
    return {
        "part": {
            "srcwin": [window.col_off, window.row_off, window.width, window.height],
            "level": part.level,
            "bands": None if part.bands is None else [band + 1 for band in part.bands],
        }
    }


def reduced_pixels(archive: Archive, part: Part, progress: Progress) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield windows that together are a part at a coarser level, and their pixels (bands, h, w).

    Every pixel is about its own square of 2**level px: the last row and column, which the window may cut
    short, are about what is left of it.
    """
    side = max(1, _SOURCE_SIDE // part.factor)
    grid = TileGrid(height=part.height, width=part.width, tile_size=side)
    for done, index in enumerate(grid, start=1):
        window = grid.core(index)
        yield window, _reduced(archive, part, window)
        progress.report(done / len(grid), "decoding")


def part_mask(archive: Archive, part: Part, window: Window) -> NDArray[np.uint8] | None:
    """Return the dataset mask (h, w) of a window of a part: that of the middle of each of its pixels."""
    area = _area(part, window)
    mask = archive.read_mask(area)
    if mask is None or not part.level:
        return mask
    rows, cols = _middles(area.height, part.factor), _middles(area.width, part.factor)
    return np.ascontiguousarray(mask[np.ix_(rows, cols)])


def _area(part: Part, window: Window) -> Window:
    """Return the pixels of the scene under a window of a part."""
    size = part.factor
    top, left = part.window.row_off, part.window.col_off
    return Window.between(
        top + window.row_off * size,
        min(top + window.row_stop * size, part.window.row_stop),
        left + window.col_off * size,
        min(left + window.col_stop * size, part.window.col_stop),
    )


def _middles(length: int, size: int) -> NDArray[np.intp]:
    starts = np.arange(0, length, size)
    return (starts + np.minimum(starts + size, length)) // 2


def _reduced(archive: Archive, part: Part, window: Window) -> NDArray[Any]:
    area, size = _area(part, window), part.factor
    count = len(part.pick(range(archive.profile.count)))
    out = np.empty((count, window.height, window.width), archive.profile.dtype)
    for rows in _spans(area.height, size):
        for cols in _spans(area.width, size):
            source = Window.between(*rows, *cols).shifted(area.row_off, area.col_off)
            top, left = rows[0] // size, cols[0] // size
            shape = (-(-source.height // size), -(-source.width // size))
            target = (slice(None), slice(top, top + shape[0]), slice(left, left + shape[1]))
            out[target] = archive.read(source, out_shape=shape, bands=part.bands)
    return out


def _spans(length: int, size: int) -> list[tuple[int, int]]:
    """Return the whole squares along a side, and the rest of the last one."""
    whole = length - length % size
    return [span for span in ((0, whole), (whole, length)) if span[0] < span[1]]
