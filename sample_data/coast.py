"""A bay with a fishing town: open water, breakers, beach, dunes, cliffs, harbour and hinterland."""

from __future__ import annotations

import numpy as np
from countryside import DARK_SOIL, HAY, MEADOW, PAINT, TREE, WHEAT
from numpy.typing import NDArray
from scenery import Canvas, Field, Mask, box, curve, plant, scatter, soft
from town import CONCRETE, Plan, town

SAND = (0.200, 0.262, 0.315, 0.400)
WET_SAND = (0.105, 0.135, 0.155, 0.170)
ROCK = (0.120, 0.135, 0.145, 0.180)
MARRAM = (0.062, 0.100, 0.098, 0.290)
SCRUB = (0.038, 0.064, 0.050, 0.270)
PINE = (0.020, 0.042, 0.028, 0.290)
FOAM = (0.500, 0.510, 0.500, 0.470)
DEEP = np.array([0.058, 0.040, 0.018, 0.007], np.float32)
CLEAR = np.array([0.055, 0.075, 0.34, 2.2], np.float32)
"""Light lost per metre of water, down and up again, per band."""


def coast(height_px: int, width_px: int, seed: int) -> Canvas:
    """Return a stretch of coast to be seen with pixels of 2 m."""
    canvas = Canvas(2.0 * height_px, 2.0 * width_px, 2.0, np.random.default_rng(seed))
    inland = _inland(canvas)
    _land(canvas, inland)
    cliffs = _sea(canvas, inland)
    plan = Plan((265, 330), -0.52, (58, 92), 0.9)
    down, right = canvas.rows - 255, canvas.cols - 350
    middle = np.hypot(0.85 * down - 0.50 * right, 0.55 * (0.50 * down + 0.85 * right))
    area = (middle + 14 * canvas.noise(120, 2.5) < 150) & (inland > 52)
    road = curve(
        [(560, -60), (478, 60), (404, 140), (330, 230), (265, 330), (212, 424), (130, 540), (-60, 640)]
    )
    grain = canvas.noise(4, 1.0)
    canvas.paint(MEADOW, soft(canvas.distance(road) + grain, 9, 2), 0.05 * grain)
    canvas.paint((0.115, 0.12, 0.122, 0.135), soft(canvas.distance(road), 4.2), 0.04 * grain)
    wood = (canvas.noise(160, 3) > 0.45) & (inland > 70) & (canvas.distance(road) > 14) & (middle > 175)
    canvas.paint(SCRUB, wood, -0.2)
    town(canvas, plan, area)
    plant(canvas, scatter(canvas, wood, 6.5, (2.6, 4.8)), PINE, 0.9)
    bushes = (inland > 34) & ~area & ~wood & (canvas.noise(60, 2) > 0.9) & (canvas.distance(road) > 10)
    plant(canvas, scatter(canvas, bushes & ~cliffs, 7, (1.5, 3.2)), TREE, 0.8)
    _harbour(canvas)
    _boats(canvas, inland)
    return canvas


def _inland(canvas: Canvas) -> Field:
    """Return the distance from the waterline (m), negative at sea, roughly."""
    slope = 0.62 * canvas.rows + 0.78 * canvas.cols  # the open sea lies down and right
    bend = 95 * np.sin((0.78 * canvas.rows - 0.62 * canvas.cols) / 190 + 0.4)
    return (610 - slope + bend + 26 * canvas.noise(240, 3) + 3.0 * canvas.noise(40, 2)).astype(np.float32)


def _land(canvas: Canvas, inland: Field) -> None:
    """Draw hinterland, dunes and beach, from the land towards the sea."""
    grain, patches, mottle = canvas.noise(5, 1.0), canvas.noise(110, 2.5), canvas.noise(25, 1.8)
    everywhere = np.ones(canvas.shape, np.float32)
    canvas.paint(MEADOW, everywhere, 0.10 * mottle + 0.05 * grain)
    canvas.paint(SCRUB, np.clip(0.9 * patches + 0.3 * mottle, 0, 0.9), 0.10 * grain)
    canvas.paint(HAY, np.clip(-1.2 * patches - 0.4 * mottle - 0.5, 0, 0.85), 0.06 * grain)
    corners = (
        ([(-10, -10), (150, -10), (128, 150), (-10, 170)], WHEAT, 0.4),
        ([(-10, 180), (126, 160), (110, 262), (-10, 290)], DARK_SOIL, 1.2),
        ([(160, -10), (300, -10), (262, 112), (138, 130)], MEADOW, 0.9),
    )
    for points, colour, angle in corners:
        place = canvas.rows * np.sin(angle) + canvas.cols * np.cos(angle)
        rows = 0.07 * np.sin(2 * np.pi * place / 8) - 0.14 * soft(np.abs(place % 24 - 12), 1.0)
        canvas.paint(colour, canvas.polygons([np.array(points)]), rows + 0.06 * mottle + 0.05 * grain)
    dune = soft(inland + 12 * mottle, 58, 10)
    ridges = np.sin(2 * np.pi * (inland + 9 * mottle) / 24)
    canvas.paint(SAND, dune, 0.10 * ridges + 0.05 * grain - 0.04)
    tufts = np.clip(0.8 * ridges + 0.9 * grain + (inland - 42) / 14, 0, 1)
    canvas.paint(MARRAM, dune * (inland > 24) * tufts, 0.10 * grain)
    canvas.paint(SAND, soft(inland, 24, 6), 0.03 * grain + 0.03 * mottle)
    wrack = soft(np.abs(inland - 13 + 2 * mottle), 0.8, 1.5) * np.clip(grain, 0, 1)
    canvas.paint(SCRUB, 0.7 * wrack, 0.0)


def _sea(canvas: Canvas, inland: Field) -> Mask:
    """Draw water over a bottom of sand and weed, breakers, and rocks; return where cliffs stand."""
    grain, mottle, weed = canvas.noise(4, 1.0), canvas.noise(35, 2), canvas.noise(60, 2.2)
    canvas.paint(WET_SAND, soft(inland + 2 * mottle, 7, 5), 0.03 * grain)
    depth = np.clip(-inland - 1.5 * mottle, 0, None) * 0.085 + 0.5 * np.clip(weed, 0, None) * (inland < -40)
    bottom = np.asarray(WET_SAND, np.float32)[:, None, None] * (1 - 0.75 * np.clip(weed - 0.1, 0, 1)) * 1.35
    water = DEEP[:, None, None] + (bottom - DEEP[:, None, None]) * np.exp(-CLEAR[:, None, None] * depth)
    swell = np.sin(2 * np.pi * (inland + 7 * mottle) / (17 + 0.02 * np.clip(-inland, 0, 300)))
    chop = canvas.noise(9, 1.5)
    wet = soft(inland, 0, 1.5)
    glint = np.clip(0.0035 * chop + 0.0025 * swell, -0.01, 0.03)
    canvas.light += wet * (np.maximum(water + glint, 0.003) - canvas.light)
    height = swell + 0.45 * canvas.noise(45, 2) + 0.25 * grain
    shelter = canvas.polygons(
        [np.array([(286, 470), (284, 600), (340, 640), (420, 640), (450, 556), (426, 470)])]
    )
    wet = wet * (1 - 0.85 * shelter)
    surf = np.clip((height - 0.85) * 2.2, 0, 1) * soft(np.abs(inland + 26), 22, 10)
    wash = soft(np.abs(inland + 2.5 + 2.5 * mottle), 1.6, 2.5) * np.clip(0.6 + 0.5 * grain, 0, 1)
    streaks = 0.35 * np.clip(grain + 0.5 * mottle - 0.4, 0, 1) * soft(np.abs(inland + 20), 20, 12)
    canvas.paint(FOAM, wet * np.clip(surf + streaks, 0, 0.95), 0.04 * grain)
    canvas.paint(FOAM, 0.75 * wash * (1 - 0.8 * shelter), 0.03 * grain)
    head = np.hypot(canvas.rows - 60, canvas.cols - 760)
    cliffs = (np.abs(inland - 4) < 17 + 7 * mottle) & (head < 190)
    boulders = (canvas.noise(14, 1.6) > 1.1) & (np.abs(inland + 16) < 26) & (head < 230)
    rock = cliffs | boulders
    shadow = np.roll(rock, (-4, -3), (0, 1)) & ~rock
    canvas.shade(shadow)
    crags = canvas.noise(12, 1.4)
    canvas.paint(ROCK, rock, 0.22 * np.clip(crags, -2, 2) + 0.08 * grain)
    canvas.paint(FOAM, ~rock * soft(np.abs(inland + 14), 24) * (head < 230) * np.clip(crags - 1.2, 0, 0.8))
    return cliffs


def _harbour(canvas: Canvas) -> None:
    """Build a mole of concrete between armour stones, a quay and boats along it."""
    grain = canvas.noise(3, 1.0)
    mole = curve([(426, 470), (452, 556), (432, 632), (372, 664)])
    arm = curve([(286, 478), (284, 560), (312, 612)])
    for line, width in ((mole, 6.0), (arm, 5.0)):
        distance = canvas.distance(line)
        canvas.shade(soft(np.roll(distance, (-3, -3), (0, 1)), width + 4) * (distance > width + 4))
        canvas.paint(ROCK, soft(distance + 0.7 * grain, width + 4.5), 0.30 * np.clip(grain, -1.5, 1.5))
        canvas.paint(CONCRETE, soft(distance, width), 0.04 * grain)
    rng = canvas.rng
    for part in range(12, 32, 2):
        step = mole[part + 1] - mole[part]
        across = np.array([-step[1], step[0]]) / np.hypot(*step)
        if across[0] > 0:
            across = -across
        if rng.random() < 0.8:
            angle = float(np.arctan2(step[0], step[1])) + np.pi / 2 + rng.normal(0, 0.05)
            _boat(canvas, mole[part] + across * 18, rng.uniform(7, 13), angle)


def _boats(canvas: Canvas, inland: Field) -> None:
    """Put boats at anchor, and two under way with their wakes."""
    rng = canvas.rng
    for row, col in ((348, 566), (372, 590), (338, 604), (392, 556), (520, 610)):
        _boat(
            canvas, np.array([row, col]) + rng.normal(0, 4, 2), rng.uniform(7, 11), 0.6 + rng.normal(0, 0.1)
        )
    for start, angle, length in (((606, 640), -0.65, 190.0), ((428, 800), 2.5, 120.0)):
        head = np.array(start, np.float64)
        back = -np.array([np.sin(angle), np.cos(angle)])
        side = np.array([back[1], -back[0]])
        for spread in (-0.16, 0.0, 0.16):
            line = np.stack([head + back * 4, head + (back + spread * side) * length])
            distance = canvas.distance(line, 12)
            far = np.clip(
                ((canvas.rows - head[0]) * back[0] + (canvas.cols - head[1]) * back[1]) / length, 0, 1
            )
            broken = np.clip(0.7 + 0.5 * canvas.noise(8, 1.2), 0, 1)
            canvas.paint(
                FOAM, 0.5 * soft(distance, 1.5 + 2 * far, 2) * (1 - far) ** 1.5 * broken * (inland < -10)
            )
        _boat(canvas, head, 13, angle)


def _boat(canvas: Canvas, place: NDArray[np.float64], length: float, angle: float) -> None:
    """Draw a light hull with a darker deckhouse, its shadow on the water."""
    canvas.shade(canvas.polygons([box(place - 1.6, length, length / 3, angle)]))
    canvas.paint(tuple(0.95 * c for c in PAINT), canvas.polygons([box(place, length, length / 3, angle)]))
    along = np.array([np.sin(angle), np.cos(angle)])
    canvas.paint((0.12, 0.16, 0.2, 0.2), canvas.polygons([box(place - along, length / 3, length / 5, angle)]))
