"""Boxes in WGS 84 around footprints, also across the antimeridian, as RFC 7946 lays them out."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

import shapely
from shapely.geometry.polygon import orient

from rsic_geo.geo.footprint_blob import blob_bounds, blob_shape

_ROUNDING = 1e-6
"""Degrees that reprojection may put a point beyond the antimeridian."""


def blob_parts(blob: bytes) -> list[shapely.Polygon]:
    """Return the polygons of what ``geopackage_blob`` made, within -180..180 degrees, as RFC 7946 asks.

    Outer rings are counter-clockwise. A scene whose own longitudes go on beyond 180 is cut there.
    """
    parts: list[shapely.Polygon] = []
    for part in shapely.get_parts(blob_shape(blob)):
        west, _, east, _ = part.bounds
        turn = 0 if _is_usual(west, east) else 360 * math.floor((west + 180) / 360)
        for shift in (turn, turn + 360):
            moved = shapely.transform(part, lambda points, shift=shift: points - [shift, 0])
            west, south, east, north = moved.bounds
            if west < -180 or east > 180 or south < -90 or north > 90:
                moved = shapely.clip_by_rect(moved, -180, -90, 180, 90)
            parts += [orient(each) for each in shapely.get_parts(moved) if each.geom_type == "Polygon"]
            if _is_usual(west, east):
                break
    return [part for part in parts if not part.is_empty]


def blob_boxes(blob: bytes | None) -> list[tuple[float, float, float, float]]:
    """Return west, south, east, north of each polygon; none where there is no footprint that can be read."""
    if blob is None:
        return []
    try:
        west, south, east, north = blob_bounds(blob)
        if _is_usual(west, east) and east - west < 180 and -90 <= south <= north <= 90:
            return [(max(west, -180.0), south, min(east, 180.0), north)]
        return [part.bounds for part in blob_parts(blob)]
    except (struct.error, ValueError, OverflowError, shapely.errors.ShapelyError):
        return []


@dataclass(slots=True)
class Extent:
    """The box that holds many footprints. Memory stays flat."""

    south: float = math.inf
    north: float = -math.inf
    _spans: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Least and greatest longitude of all boxes that begin in one degree."""

    def add(self, blob: bytes | None) -> bool:
        """Take a footprint in; return whether it has a place."""
        boxes = blob_boxes(blob)
        for west, south, east, north in boxes:
            self.south, self.north = min(self.south, south), max(self.north, north)
            least, greatest = self._spans.get(math.floor(west), (west, east))
            self._spans[math.floor(west)] = (min(least, west), max(greatest, east))
        return bool(boxes)

    def bounds(self) -> tuple[float, float, float, float] | None:
        """Return west, south, east, north; west is greater than east where the box crosses the antimeridian.

        It does where that makes it less than half as wide.
        """
        if not self._spans:
            return None
        spans = sorted(self._spans.values())
        first, last, gap = spans[0][0], spans[0][1], (0.0, 0.0, 0.0)
        for west, east in spans[1:]:
            gap = max(gap, (west - last, west, last))
            last = max(last, east)
        width, west, east = gap
        if 360 - width < (last - first) / 2:
            return west, self.south, east, self.north
        return first, self.south, last, self.north


def _is_usual(west: float, east: float) -> bool:
    return west >= -180 - _ROUNDING and east <= 180 + _ROUNDING
