"""Footprints as one map in SVG, coloured by state; its bytes are bounded however many scenes there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from rsic_geo.batch.export.markup import inert
from rsic_geo.batch.ledger.file import Row
from rsic_geo.batch.ledger.schema import COLOURS
from rsic_geo.geo.extent import Extent, blob_boxes, blob_parts

WIDTH, HEIGHT = 940, 470
"""Size of the map (px); the whole earth fits."""
MOST_DRAWN = 3000
"""Scenes that are drawn one by one; of more the cells of a grid are."""
_CELL = 5
_MOST_POINTS = 32
_LEAST_SIDE = 3.0
"""Footprints smaller than that (px) are drawn as large."""
_LEAST_DEGREES = 0.002
_STEPS = (30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002)
_ORDER = ("done", "skipped", "pending", "running", "failed")
"""What is drawn later is seen: what failed is last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Which part of the earth the map shows: longitudes shrunk by the cosine of its middle latitude."""

    west: float
    north: float
    scale: float
    """Pixels per degree of latitude."""
    squeeze: float
    """Pixels per degree of longitude as part of that."""

    @classmethod
    def around(cls, extent: tuple[float, float, float, float]) -> _Frame:
        west, south, east, north = extent
        east += 360 if east < west else 0
        squeeze = max(0.2, math.cos(math.radians((south + north) / 2)))
        wide, high = max(_LEAST_DEGREES, 1.06 * (east - west)), max(_LEAST_DEGREES, 1.06 * (north - south))
        scale = min(WIDTH / (wide * squeeze), HEIGHT / high)
        return cls(
            west=(west + east) / 2 - WIDTH / (2 * scale * squeeze),
            north=(south + north) / 2 + HEIGHT / (2 * scale),
            scale=scale,
            squeeze=squeeze,
        )

    @property
    def span(self) -> tuple[float, float]:
        """Degrees of longitude and latitude shown."""
        return WIDTH / (self.scale * self.squeeze), HEIGHT / self.scale

    def placed(self, lon: npt.ArrayLike, lat: npt.ArrayLike, turn: float) -> npt.NDArray[np.float64]:
        """Return pixels, shape (n, 2), of degrees that are seen ``turn`` degrees farther east."""
        x = (np.asarray(lon) + turn - self.west) * self.scale * self.squeeze
        return np.stack([x, (self.north - np.asarray(lat)) * self.scale], axis=-1)

    def turns(self, west: float, east: float) -> Iterator[float]:
        """Yield by how much longitudes are to be moved for a box to be seen."""
        for turn in (-360.0, 0.0, 360.0):
            if west + turn < self.west + self.span[0] and east + turn > self.west:
                yield turn


def footprint_map(scenes: Iterable[Row], extent: Extent, count: int) -> Iterator[str]:
    """Yield the map piece by piece.

    Args:
        scenes: rows of the ledger.
        extent: of all of them.
        count: how many of them have a place.
    """
    bounds = extent.bounds()
    if bounds is None:
        yield "<p>No scene has a place on earth.</p>\n"
        return
    frame = _Frame.around(bounds)
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
    yield 'class="map"><title>Footprints in WGS 84, by state</title>'
    yield from _graticule(frame)
    if count <= MOST_DRAWN:
        drawn: dict[str, list[str]] = {state: [] for state in _ORDER}
        for row in scenes:
            path = _outline(frame, row["geom"])
            if path and row["state"] in drawn:
                name = inert(row["source"].rpartition("/")[2], 60)
                drawn[row["state"]].append(f'<path d="{path}"><title>{name}</title></path>')
        for state, paths in drawn.items():
            if paths:
                yield f'<g fill="rgb({COLOURS[state]})" stroke="rgb({COLOURS[state]})" fill-opacity=".45">'
                yield from paths
                yield "</g>"
    else:
        yield from _cells(frame, scenes)
    yield "</svg>\n"


def _outline(frame: _Frame, blob: bytes | None) -> str:
    """Return the path of one footprint, of few points; small ones are squares that can be seen."""
    boxes = blob_boxes(blob)
    if blob is None or not boxes:
        return ""
    corner = frame.placed([box[0] for box in boxes], [box[3] for box in boxes], 0)
    other = frame.placed([box[2] for box in boxes], [box[1] for box in boxes], 0)
    if (other - corner).max() < _LEAST_SIDE:
        return "".join(
            f"M{x:.1f} {y:.1f}h{_LEAST_SIDE:g}v{_LEAST_SIDE:g}h-{_LEAST_SIDE:g}z"
            for box in boxes[:1]
            for turn in frame.turns(box[0], box[2])
            for x, y in frame.placed([box[0]], [box[3]], turn)
        )
    paths: list[str] = []
    for part in blob_parts(blob):
        west, _, east, _ = part.bounds
        for turn in frame.turns(west, east):
            shape = shapely.transform(part, lambda p, t=turn: frame.placed(p[:, 0], p[:, 1], t))
            tolerance = 0.5
            simple = shape.simplify(tolerance)
            while shapely.get_num_coordinates(simple) > _MOST_POINTS and tolerance < WIDTH:
                tolerance *= 2
                simple = shape.simplify(tolerance, preserve_topology=False)
            for each in shapely.get_parts(simple):
                for ring in (each.exterior, *each.interiors):
                    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in list(ring.coords)[:-1])
                    paths.append(f"M{points}z")
    return "".join(paths[:_MOST_POINTS])


def _cells(frame: _Frame, scenes: Iterable[Row]) -> Iterator[str]:
    """Yield a grid: a cell with a failed scene has its colour, others that of most of their scenes."""
    counts = np.zeros((len(_ORDER), HEIGHT // _CELL, WIDTH // _CELL), np.int64)
    for row in scenes:
        if row["state"] not in _ORDER:
            continue
        layer = counts[_ORDER.index(row["state"])]
        for west, south, east, north in blob_boxes(row["geom"]):
            for turn in frame.turns(west, east):
                (left, top), (right, bottom) = frame.placed([west, east], [north, south], turn) / _CELL
                # What ends within a hair's breadth of a cell's border is not in the next cell.
                rows = slice(max(0, int(top)), max(int(top), math.ceil(bottom - 0.05)) or 1)
                columns = slice(max(0, int(left)), max(int(left), math.ceil(right - 0.05)) or 1)
                layer[rows, columns] += 1
    total = counts.sum(axis=0)
    shown = np.where(counts[-1] > 0, len(_ORDER) - 1, np.argmax(counts, axis=0))
    level = np.where(total > 0, 1 + (total > 1) + (total > 9), 0)
    for index, state in enumerate(_ORDER):
        for step in (1, 2, 3):
            path = "".join(_runs((shown == index) & (level == step)))
            if path:
                yield f'<path fill="rgb({COLOURS[state]})" fill-opacity="{(0.45, 0.7, 1)[step - 1]}" '
                yield f'd="{path}"/>'


def _runs(wanted: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Yield the rectangles of neighbouring cells in a row."""
    change = np.diff(np.pad(wanted, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    for (row, first), (_, last) in zip(np.argwhere(change == 1), np.argwhere(change == -1), strict=True):
        width = (last - first) * _CELL
        yield f"M{first * _CELL} {row * _CELL}h{width}v{_CELL}h-{width}z"


def _graticule(frame: _Frame) -> Iterator[str]:
    """Yield lines of round longitudes and latitudes with their names."""
    wide, high = frame.span
    step = next((each for each in reversed(_STEPS) if max(wide / 2, high) / each <= 5), _STEPS[0])
    lines, names = [], []
    for k in range(math.ceil(frame.west / step), math.floor((frame.west + wide) / step) + 1):
        x = (k * step - frame.west) * frame.scale * frame.squeeze
        lines.append(f"M{x:.1f} 0v{HEIGHT}")
        if x < WIDTH - 45:  # else it would be cut
            names.append(f'<text x="{x + 3:.1f}" y="{HEIGHT - 5}">{_degrees(k * step, "EW")}</text>')
    for k in range(math.ceil((frame.north - high) / step), math.floor(frame.north / step) + 1):
        if abs(k * step) <= 90:
            y = (frame.north - k * step) * frame.scale
            lines.append(f"M0 {y:.1f}h{WIDTH}")
            names.append(f'<text x="3" y="{y - 3:.1f}">{_degrees(k * step, "NS")}</text>')
    yield f'<path d="{"".join(lines)}" stroke="#ccd" fill="none"/><g fill="#778" font-size="11">'
    yield from names
    yield "</g>"


def _degrees(value: float, letters: str) -> str:
    value = round(value, 6)
    if letters == "EW" and not -180 <= value <= 180:
        value = round((value + 180) % 360 - 180, 6)
    return f"{abs(value):g}°{letters[value < 0] if value else ''}"
