"""A small town: streets on a slightly bent grid, houses with gardens, a square and trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from countryside import ASPHALT, GRAVEL, MEADOW, METAL, PAINT, POPLAR, SLATE, TILES
from numpy.typing import NDArray
from scenery import Canvas, Field, House, Mask, box, build, plant, scatter, soft

PAVING = (0.150, 0.170, 0.180, 0.205)
COURT = (0.115, 0.135, 0.150, 0.190)
CONCRETE = (0.215, 0.240, 0.255, 0.285)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the streets of a town run."""

    origin: tuple[float, float]
    """A crossing (row, column), m."""
    angle: float
    """Direction of the long streets from the columns' direction (radians)."""
    block: tuple[float, float]
    """Depth and length of a block (m)."""
    density: float
    """Part of the building plots that are built upon."""


def town(canvas: Canvas, plan: Plan, area: Mask) -> None:
    """Draw a town where ``area`` holds."""
    grain, worn = canvas.noise(3, 1.0), canvas.noise(30, 2)
    along, across = _bent(canvas, plan)
    gardens = soft(3 * worn, 1.0, 4.0)
    canvas.paint(MEADOW, area, 0.09 * grain + 0.05 * worn - 0.05)
    canvas.paint(COURT, area * (1 - gardens), 0.06 * grain)
    streets = np.minimum(_to_line(along, plan.block[1]), _to_line(across, plan.block[0]))
    main = np.abs(across)
    canvas.paint(PAVING, area * soft(streets, 5.2), 0.04 * grain)
    canvas.paint(ASPHALT, area * soft(streets, 3.3), 0.04 * grain + 0.06 * worn)
    canvas.paint(PAVING, area * soft(main, 8.0), 0.04 * grain)
    canvas.paint(ASPHALT, area * soft(main, 5.5), 0.04 * grain + 0.06 * worn)
    canvas.paint(PAINT, area * 0.5 * soft(main, 0.2, 0.4) * (along % 9 < 4))
    square = (np.abs(along - plan.block[1] / 2) < 22) & (np.abs(across - plan.block[0] / 2) < 17) & area
    canvas.paint(CONCRETE, square, 0.05 * grain + 0.04 * ((along % 6 < 3) ^ (across % 6 < 3)) - 0.1)
    houses = [house for house in _plots(canvas, plan, area) if not _hit(canvas, square, house.centre)]
    build(canvas, houses)
    _parked(canvas, plan, area & (main < 8))
    built = canvas.polygons([box(np.array(h.centre), h.length + 3, h.width + 3, h.angle) for h in houses])
    green = area & ~built & (streets > 6.5) & (main > 9) & ~square
    avenue = area & ~built & (np.abs(main - 8.5) < 1.2)
    around = ~built & (np.abs(along - plan.block[1] / 2) < 20) & square
    trees = scatter(canvas, green, 9, (1.6, 3.6)) + scatter(canvas, avenue, 9, (2, 3))
    plant(canvas, trees + scatter(canvas, around, 8, (1.6, 2.2)), POPLAR)


def _axes(plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return unit vectors (row, column) along and across the long streets."""
    along = np.array([np.sin(plan.angle), np.cos(plan.angle)])
    return along, np.array([np.cos(plan.angle), -np.sin(plan.angle)])


def _bend(along: Field | float) -> Field | float:
    """Return how far the long streets swing sideways: no old town is a chessboard."""
    return 9 * np.sin(along / 95)


def _bent(canvas: Canvas, plan: Plan) -> tuple[Field, Field]:
    """Return how far every cell lies along and across the streets (m)."""
    axis, side = _axes(plan)
    down, right = canvas.rows - plan.origin[0], canvas.cols - plan.origin[1]
    along = (down * axis[0] + right * axis[1]).astype(np.float32)
    across = (down * side[0] + right * side[1]).astype(np.float32)
    return along, (across - _bend(along)).astype(np.float32)


def _to_line(place: Field, spacing: float) -> Field:
    """Return the distance to the nearest of parallel lines."""
    return np.abs((place + spacing / 2) % spacing - spacing / 2)


def _hit(canvas: Canvas, cover: Mask, place: tuple[float, float]) -> bool:
    """Say whether a place (row, column) in metres lies in ``cover``; outside the canvas it does not."""
    row, col = int(place[0] / canvas.cell), int(place[1] / canvas.cell)
    return 0 <= row < cover.shape[0] and 0 <= col < cover.shape[1] and bool(cover[row, col])


def _plots(canvas: Canvas, plan: Plan, area: Mask) -> list[House]:
    """Return a house per plot along both sides of the long streets, and sheds behind them."""
    rng = canvas.rng
    axis, side = _axes(plan)
    reach = int(np.hypot(canvas.height_m, canvas.width_m))
    houses = []
    for street in range(-reach // int(plan.block[0]), reach // int(plan.block[0]) + 1):
        for bank in (-1, 1):
            place = -float(reach)
            while place < reach:
                length, width = rng.uniform(9, 18), rng.uniform(8, 11)
                place += length / 2
                setback = (9.5 if street == 0 else 7.0) + width / 2 + rng.uniform(0, 3)
                across = street * plan.block[0] + bank * setback
                to_crossing = abs((place + plan.block[1] / 2) % plan.block[1] - plan.block[1] / 2)
                centre = np.array(plan.origin) + axis * place + side * (across + _bend(place))
                wanted = rng.random() < plan.density and to_crossing > 6.5 + length / 2
                tone, kind = rng.normal(1, 0.14), rng.random()
                if wanted and _hit(canvas, area, tuple(centre)):
                    slope = plan.angle + np.arctan(9 / 95 * np.cos(place / 95)) * -1
                    houses.append(_house(tuple(centre), (length, width), slope, tone, kind))
                place += length / 2 + rng.choice([0.4, 2.5, 6.0])
    return houses


def _house(
    centre: tuple[float, float], size: tuple[float, float], angle: float, tone: float, kind: float
) -> House:
    """Return a house whose roof follows from ``kind`` in 0..1."""
    if kind < 0.62:
        return House(centre, *size, angle, 7.5, tuple(c * tone for c in TILES))
    if kind < 0.80:
        return House(centre, *size, angle, 7.0, tuple(c * tone for c in SLATE))
    colour = METAL if kind > 0.93 else CONCRETE if kind > 0.88 else GRAVEL
    return House(centre, *size, angle, 9.5, tuple(0.8 * c * tone for c in colour), is_flat=True)


def _parked(canvas: Canvas, plan: Plan, area: Mask) -> None:
    """Park cars along the main street."""
    rng = canvas.rng
    axis, side = _axes(plan)
    for place in np.arange(-600, 600, 6.2):
        bank = rng.choice([-1, 1])
        centre = np.array(plan.origin) + axis * place + side * (bank * 4.4 + _bend(place))
        if rng.random() < 0.45 and _hit(canvas, area, tuple(centre)):
            tone = rng.choice([0.9, 0.15, 0.3, 0.6])
            canvas.shade(canvas.polygons([box(centre - 0.8, 4.4, 1.9, plan.angle)]))
            canvas.paint(tuple(tone * c for c in PAINT), canvas.polygons([box(centre, 4.4, 1.9, plan.angle)]))
