"""Footprints as GeoPackage stores them: a small header, then well-known binary."""

from __future__ import annotations

import struct
from typing import Any

import shapely
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

WGS84 = 4326
_PARTS = 64
"""Segments the longer side of a footprint is cut into before it is reprojected."""
_FINENESS = 5000
"""Points are left out that move an outline by less than its extent divided by this."""
_HEADER = struct.Struct("<2sBBi4d")
_LITTLE_ENDIAN_XY_ENVELOPE = 0b0000_0011


def densified(geometry: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a GeoJSON geometry with points close enough to follow the curves of another projection."""
    if geometry is None:
        return None
    outline = shape(geometry)
    west, south, east, north = outline.bounds
    step = max(east - west, north - south) / _PARTS
    return dict(mapping(shapely.segmentize(outline, step))) if step > 0 else geometry


def geopackage_blob(geometry: dict[str, Any] | None) -> bytes | None:
    """Return a GeoJSON polygon in WGS 84 as a GeoPackage MultiPolygon; None for none or an empty one."""
    if geometry is None:
        return None
    outline = shape(geometry)
    west, south, east, north = outline.bounds
    width = min(east - west, 360 - (east - west))  # cut at the antimeridian it seems to go around the earth
    outline = shapely.simplify(outline, max(width, north - south) / _FINENESS)
    parts = [part for part in shapely.get_parts(shapely.make_valid(outline)) if part.geom_type == "Polygon"]
    if not parts:
        return None
    many = shapely.MultiPolygon(parts)
    west, south, east, north = many.bounds
    header = _HEADER.pack(b"GP", 0, _LITTLE_ENDIAN_XY_ENVELOPE, WGS84, west, east, south, north)
    return header + bytes(shapely.to_wkb(many, byte_order=1))


def blob_bounds(blob: bytes) -> tuple[float, float, float, float]:
    """Return west, south, east, north of what :func:`geopackage_blob` made."""
    west, east, south, north = _HEADER.unpack_from(blob)[4:]
    return west, south, east, north


def blob_shape(blob: bytes) -> BaseGeometry:
    """Return the MultiPolygon of what :func:`geopackage_blob` made."""
    return shapely.from_wkb(blob[_HEADER.size :])


def blob_geojson(blob: bytes | None) -> dict[str, Any] | None:
    """Return the GeoJSON geometry of what :func:`geopackage_blob` made."""
    return None if blob is None else dict(mapping(blob_shape(blob)))
