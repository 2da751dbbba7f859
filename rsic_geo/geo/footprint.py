"""The outline of a scene's valid pixels on the ground."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from rsic_geo.errors import UsageError
from rsic_geo.geo.profile import SceneProfile

SIMPLIFY = 1.5
"""How far the outline may leave the pixels it follows (px of the keep-map): a digital straight line is a
staircase up to that thick, which becomes one segment again."""

_MOST_RUNS = 1 << 13
_AREA_CHANGE = 0.05


def valid_footprint(valid_small: npt.NDArray[np.bool_], transform: Affine) -> BaseGeometry:
    """Return the area of the valid pixels, in the units of the CRS.

    Args:
        valid_small: True where the scene has data, shape (h, w); usually decimated, since the outline is
            followed pixel by pixel.
        transform: from (column, row) of ``valid_small`` to CRS coordinates. For a decimated map this is the
            scene's transform times its decimation.

    Returns:
        A valid shapely Polygon or MultiPolygon within two pixels of the true outline (coarser where there are
        thousands of specks); the exact rectangle when every pixel is valid; an empty Polygon when none is.

    Raises:
        UsageError: when the map is not two-dimensional or the transform is degenerate.
    """
    if valid_small.ndim != 2:
        raise UsageError(f"a keep-map is (h, w), not of shape {valid_small.shape}")
    if transform.is_degenerate:
        raise UsageError("the transform maps pixels to a line or a point: the scene has no footprint")
    valid, step = valid_small, 1
    runs = _runs(valid)
    while len(runs) > _MOST_RUNS:
        # Speckle: the outline of every speck helps nobody and costs minutes.
        valid, step = _halved(valid), 2 * step
        runs = _runs(valid)
    if not len(runs):
        return shapely.Polygon()
    height, width = valid_small.shape
    if valid_small.all():
        outline: BaseGeometry = shapely.box(0, 0, width, height)
    else:
        top, bottom, left, right = (runs * step).T
        outline = shapely.union_all(shapely.box(left, top, right, bottom))
        outline = _straightened(outline, SIMPLIFY * step)
        outline = outline.intersection(shapely.box(0, 0, width, height))
    return shapely.transform(outline, lambda points: _to_ground(points, transform))


def footprint_geojson(geometry: BaseGeometry, properties: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a GeoJSON Feature of a footprint, its outer rings counter-clockwise as RFC 7946 asks.

    Coordinates are passed on as they are: for a file that follows RFC 7946 they must be WGS 84 longitude and
    latitude.

    Args:
        geometry: what :func:`valid_footprint` returned; an empty one gives a Feature without geometry.
        properties: what the Feature says about the scene.
    """
    parts = [orient(part) for part in shapely.get_parts(geometry) if not part.is_empty]
    shape = mapping(parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)) if parts else None
    return {"type": "Feature", "geometry": shape, "properties": dict(properties or {})}


def _runs(valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return rectangles (top, bottom, left, right) that together are the valid pixels.

    One per run of pixels in a row, made taller where the next rows have the same run.
    """
    padded = np.zeros((valid.shape[0], valid.shape[1] + 2), np.int8)
    padded[:, 1:-1] = valid
    change = np.diff(padded, axis=1)
    row, left = np.nonzero(change == 1)
    right = np.nonzero(change == -1)[1]
    order = np.lexsort((row, right, left))
    row, left, right = row[order], left[order], right[order]
    fresh = np.ones(row.size, np.bool_)
    fresh[1:] = (np.diff(left) != 0) | (np.diff(right) != 0) | (np.diff(row) != 1)
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], row.size)[: first.size] - 1
    return np.stack([row[first], row[last] + 1, left[first], right[first]], axis=1)


def _halved(valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return a map of half the size, valid where any of the 2 x 2 pixels is."""
    height, width = valid.shape
    even = np.pad(valid, ((0, height % 2), (0, width % 2)))
    quarters = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2)
    halved: npt.NDArray[np.bool_] = np.logical_or.reduce(quarters, axis=(1, 3))
    return halved


def _straightened(outline: BaseGeometry, tolerance: float) -> BaseGeometry:
    """Replace staircases by segments, part by part, but leave parts alone that are too small for it."""
    parts = shapely.get_parts(outline)
    smooth = shapely.make_valid(shapely.simplify(parts, tolerance))
    area = shapely.area(parts)
    kept = np.abs(shapely.area(smooth) - area) > _AREA_CHANGE * area
    joined = shapely.union_all(np.where(kept, parts, smooth))
    # A union keeps points and lines that make_valid may have split off.
    surfaces = [part for part in shapely.get_parts(joined) if part.geom_type == "Polygon"]
    return shapely.union_all(surfaces)


def _to_ground(points: npt.NDArray[np.float64], transform: Affine) -> npt.NDArray[np.float64]:
    """Map (n, 2) pixel corners (column, row) to CRS coordinates."""
    x, y = points[:, 0], points[:, 1]
    ground_x = transform.a * x + transform.b * y + transform.c
    ground_y = transform.d * x + transform.e * y + transform.f
    return np.stack([ground_x, ground_y], axis=1)


def scene_footprint(profile: SceneProfile, valid: npt.NDArray[np.bool_]) -> dict[str, Any] | None:
    """Return the outline of valid pixels (h, w), decimated, in CRS units; None where there is no place."""
    if profile.transform.is_identity or profile.transform.is_degenerate:
        return None
    a, b, c, d, e, f = tuple(profile.transform)[:6]
    across, down = profile.width / valid.shape[1], profile.height / valid.shape[0]
    decimated = Affine(a * across, b * down, c, d * across, e * down, f)
    return footprint_geojson(valid_footprint(valid, decimated), {"crs": profile.crs_wkt})
