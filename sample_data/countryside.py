"""Farmland in summer: fields of many crops, hedges, a village road, farms and a river."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scenery import (
    Canvas,
    Field,
    House,
    Mask,
    Spectrum,
    Trees,
    box,
    build,
    curve,
    plant,
    scatter,
    soft,
)

#            blue   green  red    infrared
WHEAT = (0.075, 0.135, 0.190, 0.320)
STUBBLE = (0.105, 0.150, 0.195, 0.290)
MAIZE = (0.030, 0.070, 0.042, 0.470)
BEET = (0.034, 0.088, 0.048, 0.500)
MEADOW = (0.040, 0.085, 0.062, 0.380)
HAY = (0.060, 0.110, 0.105, 0.340)
SOIL = (0.075, 0.102, 0.135, 0.210)
DARK_SOIL = (0.052, 0.070, 0.090, 0.160)
GRAVEL = (0.170, 0.195, 0.215, 0.250)
ASPHALT = (0.100, 0.106, 0.110, 0.125)
PAINT = (0.420, 0.430, 0.430, 0.440)
RIVER = (0.046, 0.062, 0.050, 0.020)
TREE = (0.024, 0.056, 0.034, 0.380)
POPLAR = (0.028, 0.066, 0.042, 0.400)
TILES = (0.075, 0.095, 0.190, 0.250)
SLATE = (0.120, 0.125, 0.125, 0.140)
METAL = (0.300, 0.310, 0.310, 0.320)

CROPS: list[tuple[Spectrum, float, float]] = [
    # colour, strength of the rows, strength of the patches
    (WHEAT, 0.05, 0.10),
    (MAIZE, 0.16, 0.10),
    (SOIL, 0.07, 0.14),
    (MEADOW, 0.02, 0.16),
    (STUBBLE, 0.10, 0.07),
    (BEET, 0.10, 0.12),
    (HAY, 0.13, 0.12),
    (DARK_SOIL, 0.10, 0.12),
    (WHEAT, 0.04, 0.08),
    (MEADOW, 0.03, 0.20),
]


def countryside(height_px: int, width_px: int, seed: int) -> Canvas:
    """Return a landscape of ``height_px`` x ``width_px`` metres, to be seen with pixels of 1 m."""
    canvas = Canvas(height_px, width_px, 1.0, np.random.default_rng(seed))
    road = curve([(-40, 120), (60, 165), (170, 230), (260, 262), (360, 300), (460, 372), (560, 420)])
    lane = curve([(213, 247), (190, 330), (206, 430), (180, 540), (196, 680)])
    river = curve([(545, -30), (480, 60), (428, 110), (438, 190), (492, 240), (560, 268)])
    fields = _parcels(canvas, 21)
    _crops(canvas, fields)
    trees = _hedges(canvas, fields)
    bank = _river(canvas, river)
    houses, yards = _farms(canvas, road)
    _yards(canvas, yards)
    _roads(canvas, road, lane)
    build(canvas, houses)
    _cars(canvas, road)
    built = canvas.polygons([box(np.array(h.centre), h.length + 5, h.width + 5, h.angle) for h in houses])
    free = ~built & (canvas.distance(road) > 6) & (canvas.distance(lane) > 4) & (canvas.distance(river) > 9)
    wood = canvas.polygons([np.array([(-10, 470), (60, 455), (112, 500), (128, 580), (96, 660), (-10, 660)])])
    wood &= canvas.noise(60) > -1.5
    canvas.paint(TREE, wood & free, -0.5)
    trees = (
        trees + scatter(canvas, bank & free, 6.5, (2.2, 4.2)) + scatter(canvas, yards & free, 21, (2.0, 4.5))
    )
    plant(canvas, _where(canvas, trees, free), POPLAR)
    plant(canvas, scatter(canvas, wood & free, 5.2, (2.4, 4.6)), TREE, 0.9)
    return canvas


def _parcels(canvas: Canvas, count: int) -> NDArray[np.int32]:
    """Cut the land into parcels: always the largest, across its longer side, seldom quite straight."""
    rng = canvas.rng
    rows = canvas.rows + 5 * canvas.noise(260, 3)
    cols = canvas.cols + 5 * canvas.noise(260, 3)
    labels = np.zeros(canvas.shape, np.int32)
    for new in range(1, count):
        largest = int(np.argmax(np.bincount(labels.ravel())))
        inside = labels == largest
        points = np.stack([rows[inside], cols[inside]]).astype(np.float64)
        centre = points.mean(1)
        along = main_axis(points[:, ::50])
        turn = rng.normal(0, 0.10)
        along = np.array([along[0] - turn * along[1], along[1] + turn * along[0]])
        place = (points - centre[:, None]).T @ along
        cut = np.quantile(place, rng.uniform(0.36, 0.64))
        labels[inside] = np.where(place > cut, new, largest)
    return labels


def main_axis(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit vector along which points of shape (2, n) spread most, pointing down."""
    axis = np.linalg.eigh(np.cov(points))[1][:, 1]
    return axis if axis[0] > 0 else -axis


def _border_distance(canvas: Canvas, labels: NDArray[np.int32], reach_m: float) -> Field:
    """Return the distance (m) to the nearest other parcel, at most ``reach_m``."""
    near = np.zeros(canvas.shape, np.bool_)
    near[1:] |= labels[1:] != labels[:-1]
    near[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    distance = np.full(canvas.shape, reach_m, np.float32)
    for step in range(int(reach_m / canvas.cell)):
        distance[near] = np.minimum(distance[near], step * canvas.cell)
        grown = near.copy()
        grown[1:] |= near[:-1]
        grown[:-1] |= near[1:]
        if step % 2:  # every other step also sideways and down: an octagon is round enough
            near = grown.copy()
        grown[:, 1:] |= near[:, :-1]
        grown[:, :-1] |= near[:, 1:]
        near = grown
    return distance


def _crops(canvas: Canvas, labels: NDArray[np.int32]) -> None:
    """Sow every parcel: rows along its longer side, tramlines, headlands and damp patches."""
    rng = canvas.rng
    border = _border_distance(canvas, labels, 16)
    patches, clods, wobble = canvas.noise(70, 2.2), canvas.noise(2.5, 1.0), canvas.noise(40, 2)
    mottle = canvas.noise(12, 1.6)
    order = rng.permutation(int(labels.max()) + 1)
    for label in range(int(labels.max()) + 1):
        inside = np.nonzero(labels == label)
        colour, rows_seen, patches_seen = CROPS[int(order[label]) % len(CROPS)]
        points = np.stack([canvas.rows[inside], canvas.cols[inside]])[:, ::50].astype(np.float64)
        across = main_axis(points)[::-1] * (1, -1)
        place = canvas.rows[inside] * np.float32(across[0]) + canvas.cols[inside] * np.float32(across[1])
        place += 0.25 * wobble[inside]
        spots, damp = mottle[inside], patches[inside]
        period = rng.choice([3.0, 3.6, 4.5, 6.0])
        rows = np.sin(2 * np.pi * place / period) * (0.6 + 0.4 * np.clip(spots, -1, 1))
        texture = rows_seen * rows + patches_seen * damp + 0.05 * clods[inside] + 0.035 * spots
        texture += rng.normal(0, 0.06)
        tram = np.abs((place + rng.uniform(0, 21)) % 21.0 - 10.5)
        if rows_seen > 0.03:
            texture -= 0.16 * soft(np.abs(tram - 1.0), 0.45, 0.5)
        rim = border[inside]
        texture = np.where(rim < 11, 0.5 * texture + 0.04 * np.sin(2 * np.pi * rim / 3.7) - 0.03, texture)
        surface = np.asarray(colour, np.float32)[:, None] * (1 + texture)
        if patches_seen > 0.15:  # pasture: bare and rank spots
            worn = np.clip(spots + 0.7 * damp - 0.6, 0, 0.8)
            surface += worn * (np.asarray(HAY, np.float32)[:, None] - surface)
        canvas.light[(slice(None), *inside)] = surface
    ragged = border + 0.5 * clods
    canvas.paint(MEADOW, soft(ragged, 1.7, 1.0), 0.1 * mottle - 0.05)


def _hedges(canvas: Canvas, labels: NDArray[np.int32]) -> Trees:
    """Return the trees of hedges, which follow some of the borders."""
    border = _border_distance(canvas, labels, 4)
    hedged = (border < 2.0) & (canvas.noise(90, 3) > 0.35)
    lone = (border < 2.0) & (canvas.noise(30, 2) > 1.7)
    return scatter(canvas, hedged, 3.2, (1.4, 3.0)) + scatter(canvas, lone, 5, (3, 4.6))


def _where(canvas: Canvas, trees: Trees, free: Mask) -> Trees:
    """Return the trees that stand on free ground."""
    r = np.clip(trees.rows / canvas.cell, 0, canvas.shape[0] - 1).astype(int)
    c = np.clip(trees.cols / canvas.cell, 0, canvas.shape[1] - 1).astype(int)
    keep = free[r, c]
    return Trees(trees.rows[keep], trees.cols[keep], trees.radii[keep])


def _river(canvas: Canvas, line: NDArray[np.float64]) -> Mask:
    """Draw a river with a gravel bar and rank banks; return where trees line it."""
    ragged = canvas.distance(line) + 2.2 * canvas.noise(30, 2.4)
    fine = canvas.noise(4, 1.5)
    canvas.paint(MEADOW, soft(ragged, 24, 8), 0.10 * fine - 0.12)
    canvas.paint(GRAVEL, soft(ragged + 3 * canvas.noise(60, 3), 11.5, 2.0), 0.10 * fine)
    canvas.paint(DARK_SOIL, soft(ragged, 12.5, 2.0) * soft(-ragged, -10.5, 2.0), 0.1 * fine)
    ripple = np.clip(canvas.noise(5, 1.4), -2, 2)
    depth = np.clip((10.5 - ragged) / 8, 0, 1)
    canvas.paint(RIVER, soft(ragged, 10.5, 1.2), 0.035 * ripple - 0.28 * depth)
    return (ragged > 12) & (ragged < 22) & (canvas.noise(50, 2) > -0.1)


def _roads(canvas: Canvas, road: NDArray[np.float64], lane: NDArray[np.float64]) -> None:
    """Draw a paved road with verges and broken centre line, and a gravel lane with a green middle."""
    grain = canvas.noise(2, 1.0)
    worn = canvas.noise(25, 2)
    distance = canvas.distance(lane)
    canvas.paint(MEADOW, soft(distance + 0.6 * grain, 4.0, 1.5), 0.08 * grain)
    canvas.paint(GRAVEL, soft(distance + 0.2 * grain, 1.9), 0.06 * grain + 0.07 * worn - 0.1)
    canvas.paint(HAY, 0.6 * soft(distance + 0.3 * grain, 0.5), 0.0)
    distance = canvas.distance(road)
    canvas.paint(MEADOW, soft(distance + 0.7 * grain, 6.5, 1.5), 0.10 * grain)
    canvas.paint(GRAVEL, soft(distance + 0.2 * grain, 4.3), 0.05 * grain - 0.15)
    canvas.paint(
        ASPHALT, soft(distance, 3.5), 0.03 * grain + 0.05 * worn + 0.06 * soft(np.abs(distance - 1.7), 0.5)
    )
    dashes = (canvas.rows + 0.55 * canvas.cols) % 12 < 5
    canvas.paint(PAINT, 0.55 * soft(distance, 0.18, 0.3) * dashes)


def _farms(canvas: Canvas, road: NDArray[np.float64]) -> tuple[list[House], Mask]:
    """Return the houses of two farms and a hamlet along the road, and the ground that belongs to them."""
    rng = canvas.rng
    houses: list[House] = []
    yards = []
    for row, col, angle in ((118, 262, 0.35), (322, 205, 0.85), (236, 430, -0.15)):
        centre = np.array([row, col], np.float64)
        yards.append(box(centre, 78 + rng.uniform(-8, 8), 58, angle))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        for down, right, length, width, height, colour, quarter in (
            (-17, -14, 19, 11, 7.5, TILES, 0),
            (-14, 19, 34, 14, 8.0, SLATE, 0),
            (14, -20, 28, 12, 7.0, TILES, 1),
            (16, 12, 24, 16, 6.0, METAL, 0),
        ):
            place = centre + turn @ np.array([down, right]) + rng.normal(0, 1.0, 2)
            tilt = angle + quarter * np.pi / 2
            tone = rng.normal(1, 0.08)
            houses.append(House(tuple(place), length, width, tilt, height, tuple(c * tone for c in colour)))
    for number in range(11):
        place = 37 + 2 * number
        step = road[place + 1] - road[place]
        across = np.array([step[1], -step[0]]) / np.hypot(*step) * (1 if number % 2 else -1)
        angle = float(np.arctan2(step[0], step[1]))
        colour = TILES if rng.random() < 0.65 else SLATE
        tone = rng.normal(1, 0.12)
        size = rng.uniform(10, 14.5), rng.uniform(8, 10)
        centre = road[place] + across * rng.uniform(17, 23)
        if np.hypot(*(centre - (322, 205))) < 55:
            continue
        turn = angle + rng.normal(0, 0.05) + (np.pi / 2 if rng.random() < 0.3 else 0)
        houses.append(House(tuple(centre), *size, turn, 6.5, tuple(c * tone for c in colour)))
        yards.append(box(road[place] + across * 22, rng.uniform(24, 32), 38, angle))
        shed = centre + across * rng.uniform(13, 16) + step / np.hypot(*step) * rng.uniform(-7, 7)
        houses.append(House(tuple(shed), 5.5, 3.6, angle, 2.8, SLATE, is_flat=True))
    return houses, canvas.polygons(yards)


def _yards(canvas: Canvas, yards: Mask) -> None:
    """Cover farmyards with worn grass, gravel and bare ground."""
    wear, grain = canvas.noise(22, 2.2), canvas.noise(2, 1.2)
    canvas.paint(MEADOW, yards, 0.06 * grain + 0.05 * wear)
    canvas.paint(GRAVEL, yards * np.clip(1.4 * wear + 0.25, 0, 1), 0.07 * grain - 0.12)


def _cars(canvas: Canvas, road: NDArray[np.float64]) -> None:
    """Put some cars on the road."""
    for place, side in ((21, 1), (34, -1), (47, 1), (60, -1)):
        step = road[place + 1] - road[place]
        across = np.array([step[1], -step[0]]) / np.hypot(*step)
        angle = float(np.arctan2(step[0], step[1]))
        centre = road[place] + side * 1.8 * across
        canvas.shade(canvas.polygons([box(centre - 0.9, 4.5, 1.9, angle)]))
        tone = canvas.rng.choice([0.9, 0.2, 0.5])
        canvas.paint(tuple(tone * c for c in PAINT), canvas.polygons([box(centre, 4.5, 1.9, angle)]))
