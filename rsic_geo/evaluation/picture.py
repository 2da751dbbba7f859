"""Scenes side by side in one PNG: the eye's check on the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import MissingDependencyError
from rsic_geo.geo.window import Window
from rsic_geo.raster import SceneReader, open_scene

Picture = NDArray[np.uint8]
"""(height, width, 3)."""

SIDE = 256
"""Side of the part that is shown (px)."""
ZOOM = 2
_LABEL = 20
_GAP = 6


def side_by_side(scenes: Sequence[Path], caption: str, target: Path) -> None:
    """Draw original, codec and enhanced in a row, and under the last two what they differ in, amplified.

    The part shown is where the codec's error is largest. All panels share the original's grey scale;
    differences are means over the bands.

    Args:
        scenes: original, codec, enhanced: rasters of the same size.
        caption: lines for the place under the original.
        target: PNG to write.

    Raises:
        MissingDependencyError: if pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise MissingDependencyError("pictures need pillow: pip install 'rsic-geo[train]'") from error
    window = _worst_part(scenes[0], scenes[1])
    original, codec, enhanced = (_read(path, window) for path in scenes)
    low, high = np.percentile(original, (0.5, 99.5))
    span = max(float(high - low), 1.0)
    losses = [(values - original).mean(axis=0, keepdims=True) / span for values in (codec, enhanced)]
    times = _amplification(losses[0])
    panels = {
        (0, 0): ("original", (original - low) / span),
        (0, 1): ("codec alone", (codec - low) / span),
        (0, 2): ("enhanced", (enhanced - low) / span),
        (1, 1): (f"codec alone - original, {times} x", 0.5 + times * losses[0]),
        (1, 2): (f"enhanced - original, {times} x", 0.5 + times * losses[1]),
    }
    height, width = (side * ZOOM for side in original.shape[1:])
    sheet = Image.new("RGB", (3 * (width + _GAP) - _GAP, 2 * (height + _LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for (row, col), (label, values) in panels.items():
        left, top = col * (width + _GAP), row * (height + _LABEL)
        panel = Image.fromarray(_bytes(values)).resize((width, height), Image.Resampling.NEAREST)
        draw.text((left + 4, top + 4), label, fill="black")
        sheet.paste(panel, (left, top + _LABEL))
    draw.multiline_text((8, height + 2 * _LABEL), caption, fill="black", spacing=8)
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, optimize=True)


def _amplification(loss: NDArray[np.floating[Any]]) -> int:
    """Return the power of two at which nearly all of a loss (in units of the grey scale) can be shown."""
    strong = max(float(np.percentile(np.abs(loss), 99)), 1e-3)
    return int(2 ** np.clip(np.floor(np.log2(0.5 / strong)), 0, 7))


def _worst_part(original: Path, codec: Path) -> Window:
    """Return the window of SIDE px (less at small scenes) in which the codec's squared error is largest."""
    with open_scene(str(original)) as first, open_scene(str(codec)) as second:
        p = first.profile
        height, width = min(SIDE, p.height), min(SIDE, p.width)
        worst, chosen = -1.0, Window(row_off=0, col_off=0, height=height, width=width)
        for row in _starts(p.height, height):
            for col in _starts(p.width, width):
                window = Window(row_off=row, col_off=col, height=height, width=width)
                a, b = _shown(first, window), _shown(second, window)
                error = float(np.square(a - b).mean())
                if error > worst:
                    worst, chosen = error, window
        return chosen


def _starts(length: int, side: int) -> list[int]:
    return sorted({*range(0, length - side + 1, side), length - side})


def _read(path: Path, window: Window) -> NDArray[np.float32]:
    with open_scene(str(path)) as scene:
        return _shown(scene, window)


def _shown(scene: SceneReader, window: Window) -> NDArray[np.float32]:
    """Return three bands, or one, with invalid pixels black."""
    bands = (0, 1, 2) if scene.profile.count >= 3 else (0,)
    pixels: NDArray[Any] = scene.read(window, bands=bands).astype(np.float32)
    pixels[~scene.read_valid(window)[list(bands)]] = 0
    return pixels


def _bytes(values: NDArray[np.floating[Any]]) -> Picture:
    levels = (values.clip(0, 1) * 255).round().astype(np.uint8)
    if len(levels) == 1:
        levels = np.repeat(levels, 3, axis=0)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))
