"""Where on earth a scene is: outlines in WGS 84, a map that scenes of all reference systems share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import DatasetReader
from rasterio.transform import GCPTransformer, RPCTransformer
from rasterio.warp import transform, transform_geom

from rsic_geo.raster.env import gdal_config, scene_errors
from rsic_geo.raster.read import SceneReader

_WGS84 = "EPSG:4326"
_STEPS = 16
"""Points per side of an outline: straight sides are curves in another reference system."""


def on_earth(geometry: dict[str, Any] | None, crs: str | None) -> dict[str, Any] | None:
    """Return a GeoJSON geometry in longitude and latitude (WGS 84), cut at the antimeridian.

    Args:
        geometry: GeoJSON geometry in units of ``crs``; should be dense enough to follow curves.
        crs: definition of the reference system, as WKT or EPSG code.

    Returns:
        None without a geometry or reference system, or where the system has no way to WGS 84.
    """
    if geometry is None or not crs:
        return None
    with gdal_config():
        try:
            placed: dict[str, Any] = transform_geom(CRS.from_user_input(crs), _WGS84, geometry)
        except (CRSError, ValueError):
            return None
        except Exception as error:  # GDAL's own, private exception classes come through
            if not type(error).__module__.startswith("rasterio"):
                raise
            placed = {}
        return placed if placed.get("coordinates") else _what_is_on_earth(geometry, crs)


def _what_is_on_earth(geometry: dict[str, Any], crs: str) -> dict[str, Any] | None:
    """Return the outer rings of a geometry without the points that have no place on earth.

    The corners of a scene from a geostationary satellite look past the earth.
    """
    parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    rings = []
    for part in parts:
        xs, ys = zip(*(point[:2] for point in part[0]), strict=True)
        try:
            moved = transform(CRS.from_user_input(crs), _WGS84, xs, ys)
        except Exception as error:
            if type(error).__module__.startswith("rasterio"):
                return None
            raise
        points = [(x, y) for x, y in zip(*moved, strict=True) if math.isfinite(x) and math.isfinite(y)]
        if len(points) >= 3:
            rings.append([[*points, points[0]]])
    return {"type": "MultiPolygon", "coordinates": rings} if rings else None


def reprojected(
    xs: Sequence[float], ys: Sequence[float], source: str, target: str
) -> tuple[list[float], list[float]] | None:
    """Return coordinates in another reference system, infinite where it has none for a point.

    Args:
        xs: in units of ``source``, x or longitude.
        ys: y or latitude.
        source: definition of a reference system, as WKT or EPSG code.
        target: of the other.

    Returns:
        None where there is no way from one to the other.
    """
    with gdal_config():
        try:
            found = transform(CRS.from_user_input(source), CRS.from_user_input(target), xs, ys)
        except (CRSError, ValueError):
            return None
        except Exception as error:  # GDAL's own, private exception classes come through
            if not type(error).__module__.startswith("rasterio"):
                raise
            return None
    return list(map(float, found[0])), list(map(float, found[1]))


def outline_on_earth(scene: SceneReader) -> dict[str, Any] | None:
    """Return the outline of a whole scene in longitude and latitude, or None if its place is unknown.

    Transform, control points and rational polynomials place a scene, in this order.

    Raises:
        SceneError: if its georeference cannot be read.
    """
    with gdal_config(), scene_errors("place", scene.path):
        height, width = scene.profile.height, scene.profile.width
        corners = [(0, 0), (0, width), (height, width), (height, 0)]
        ring = []
        for (row, col), (next_row, next_col) in zip(corners, corners[1:] + corners[:1], strict=True):
            for step in range(_STEPS):
                part = step / _STEPS
                ring.append((row + (next_row - row) * part, col + (next_col - col) * part))
        placed = _to_ground(scene._dataset, ring)
        if placed is None:
            return None
        points, crs = placed
        return on_earth({"type": "Polygon", "coordinates": [[*points, points[0]]]}, crs)


def _to_ground(
    dataset: DatasetReader, ring: list[tuple[float, float]]
) -> tuple[list[tuple[float, float]], str] | None:
    """Return ground coordinates of (row, column) corners, and the reference system they are in."""
    rows, cols = zip(*ring, strict=True)
    gcps, gcp_crs = dataset.gcps
    if dataset.crs and not dataset.transform.is_identity:
        a, b, c, d, e, f = tuple(dataset.transform)[:6]
        points = [(a * x + b * y + c, d * x + e * y + f) for y, x in ring]
        return points, str(dataset.crs.to_wkt())
    if len(gcps) >= 3 and gcp_crs:
        with GCPTransformer(gcps) as found:
            xs, ys = found.xy(rows, cols, offset="ul")
        return list(zip(map(float, xs), map(float, ys), strict=True)), str(gcp_crs.to_wkt())
    if dataset.rpcs:
        with RPCTransformer(dataset.rpcs) as found:
            xs, ys = found.xy(rows, cols, zs=dataset.rpcs.height_off, offset="ul")
        return list(zip(map(float, xs), map(float, ys), strict=True)), "EPSG:4326"
    return None
