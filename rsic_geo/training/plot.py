"""A loss and gain curve drawn with Pillow alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_SIZE = (900, 420)
_MARGIN = 60


def draw_history(history: list[dict[str, float]], path: Path, *, second: str = "gain_db") -> None:
    """Draw loss (left, blue) and another value (right, orange) over the steps; nothing if too short."""
    if len(history) < 2:
        return
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    box = (_MARGIN, 30, _SIZE[0] - _MARGIN, _SIZE[1] - 40)
    draw.rectangle(box, outline="grey")
    steps = np.array([record["step"] for record in history])
    for key, colour, side in (("loss", "#1f77b4", 0), (second, "#ff7f0e", 1)):
        values = np.array([record[key] for record in history])
        low, high = (float(v) for v in np.quantile(values, [0.01, 0.99]))
        high = high if high > low else low + 1e-6
        xs = box[0] + (box[2] - box[0]) * (steps - steps[0]) / max(1, steps[-1] - steps[0])
        ys = box[3] - (box[3] - box[1]) * np.clip((values - low) / (high - low), 0, 1)
        draw.line([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], fill=colour, width=2)
        left = 4 if side == 0 else box[2] + 4
        draw.text((left, box[1]), f"{high:.3f}", fill=colour)
        draw.text((left, box[3] - 10), f"{low:.3f}", fill=colour)
        draw.text((box[0] + 10 + 120 * side, 10), key, fill=colour)
    draw.text((box[0], box[3] + 8), f"step {steps[0]:.0f}", fill="black")
    draw.text((box[2] - 80, box[3] + 8), f"step {steps[-1]:.0f}", fill="black")
    image.save(path)
