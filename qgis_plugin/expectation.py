"""What a target means for a scene: usual values and their units by its data type, presets, and its noise."""

from __future__ import annotations

import math
import os
import statistics

from qgis.core import QgsRasterLayer, QgsRectangle

from .engine.capabilities import Capabilities
from .i18n import tr

_SIDE = 160
"""Of the window noise is estimated in (px)."""
_MOST_BANDS = 8
_TO_SIGMA = 1.4826 / 6
"""From the median of absolute answers of a difference of two Laplacians to a standard deviation of noise:
J. Immerkaer, "Fast Noise Variance Estimation", 1996, by the normal distribution's median."""


def bits(layer: QgsRasterLayer) -> int:
    """Return the bits of a sample."""
    return 8 * layer.dataProvider().dataTypeSize(1)


def usual_value(target: str, layer: QgsRasterLayer | None, known: Capabilities) -> float | None:
    """Return what a target is filled in with; None for lossless, or where the engine says none."""
    told = known.target_values.get(target)
    if told is None:
        return None
    depth, bands = (bits(layer), layer.bandCount()) if layer is not None else (8, 3)
    value = float(told["usual_of_bytes" if depth == 8 else "usual"])
    if told["unit"] == "samples":
        return max(value, float(int(noise(layer)))) if layer is not None else 4.0
    return round(value * {"bits per pixel": depth * bands, "bits per sample": depth}.get(told["unit"], 1), 3)


def unit(target: str, known: Capabilities) -> str:
    """Return what the value of a target is counted in."""
    told = str(known.target_values.get(target, {}).get("unit", ""))
    return {
        "samples": tr("units of the samples"),
        "percent": tr("percent of each sample"),
        "times": tr("times smaller than the samples"),
        "bits per pixel": tr("bits per pixel of all bands"),
        "bits per sample": tr("bits per sample"),
    }.get(told, told)


def half_the_file(layer: QgsRasterLayer) -> float | None:
    """Return the ratio that makes an archive half as large as the layer's file; None if it is no file."""
    path = layer.source()
    if not os.path.isfile(path) or not os.path.getsize(path):
        return None
    samples = layer.width() * layer.height() * layer.bandCount() * bits(layer) // 8
    return round(2 * samples / os.path.getsize(path), 2)


def noise(layer: QgsRasterLayer) -> float:
    """Return the standard deviation of noise of the quietest band, from the scene's middle (samples' units).

    What is smooth or has straight edges adds nothing: it is what neighbours differ by without a reason.
    """
    columns, rows = min(_SIDE, layer.width()), min(_SIDE, layer.height())
    whole = layer.extent()
    width, height = whole.width() * columns / layer.width(), whole.height() * rows / layer.height()
    centre = whole.center()
    x, y = centre.x() - width / 2, centre.y() - height / 2
    part = QgsRectangle(x, y, x + width, y + height)
    found = []
    for band in range(1, min(layer.bandCount(), _MOST_BANDS) + 1):
        block = layer.dataProvider().block(band, part, columns, rows)
        lines = [[block.value(row, column) for column in range(columns)] for row in range(rows)]
        found.append(_deviation(lines))
    return min(found, default=0.0)


def _deviation(lines: list[list[float]]) -> float:
    answers = [
        abs(
            a[k - 1]
            - 2 * a[k]
            + a[k + 1]
            - 2 * (b[k - 1] - 2 * b[k] + b[k + 1])
            + c[k - 1]
            - 2 * c[k]
            + c[k + 1]
        )
        for a, b, c in zip(lines, lines[1:], lines[2:])
        for k in range(1, len(a) - 1)
    ]
    numbers = [each for each in answers if not math.isnan(each)]  # nodata is no number
    return _TO_SIGMA * statistics.median(numbers) if numbers else 0.0


def presets(layer: QgsRasterLayer | None, known: Capabilities) -> dict[str, tuple[str, float | None]]:
    """Return target and value of each preset by its name; those that need a scene only where there is one."""
    found: dict[str, tuple[str, float | None]] = {
        tr("Lossless"): ("lossless", None),
        tr("Visually the same"): ("psnr", usual_value("psnr", layer, known)),
    }
    half = half_the_file(layer) if layer is not None else None
    if half is not None:
        found[tr("Half the size")] = ("ratio", half)
    if layer is not None:
        sigma = noise(layer)
        # Below one digital number nothing may be lost.
        is_quiet = sigma < 1
        found[tr("Science: error below noise")] = (
            ("lossless", None) if is_quiet else ("max-error", float(int(sigma)))
        )
    return found
