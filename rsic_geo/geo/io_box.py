"""Which pixels a box in map coordinates means."""

from __future__ import annotations

import math

from affine import Affine, TransformNotInvertibleError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds

from rsic_geo.errors import UsageError
from rsic_geo.geo.io_env import gdal_config
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.window import Window

Box = tuple[float, float, float, float]
"""Least x, least y, greatest x, greatest y."""

_SLACK = 1e-3
"""Share of a pixel by which a border may miss a pixel's edge and still mean it, as in gdal_translate."""


def window_of_box(snapshot: MetadataSnapshot, box: Box, crs: str | None = None) -> tuple[Window, bool]:
    """Return the pixels of a scene in a box, and whether the box reaches beyond the scene.

    In a scene without rotation borders are rounded as `gdal_translate -projwin` does: the upper left corner
    down to a pixel's edge, the size to whole pixels. In a rotated one every pixel the box touches is meant.

    Args:
        snapshot: the scene's metadata.
        box: in units of ``crs``.
        crs: definition of the box's reference system; None for the scene's own.

    Raises:
        UsageError: if the scene has no transform, or one without an inverse, the reference system is unknown,
            or the box crosses the 180th meridian or does not touch the scene.
    """
    if snapshot.transform is None:
        raise UsageError("the scene has no geotransform: give the window in pixels (--srcwin)")
    if crs is not None:
        box = _in_crs_of(snapshot, box, crs)
    try:
        a, b, c, d, e, f = tuple(~Affine(*snapshot.transform))[:6]
    except TransformNotInvertibleError as error:
        raise UsageError(
            "the scene's geotransform gives its pixels no area: give the window in pixels (--srcwin)"
        ) from error
    corners = [(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    cols = tuple(a * x + b * y + c for x, y in corners)
    rows = tuple(d * x + e * y + f for x, y in corners)
    if not all(math.isfinite(high - low) for low, high in (_ends(cols), _ends(rows))):
        raise UsageError("the box's coordinates are too large for the scene")
    is_rotated = b != 0 or d != 0
    (left, right), (top, bottom) = (_whole(values, is_rotated) for values in (cols, rows))
    inside = (max(top, 0), min(bottom, snapshot.height), max(left, 0), min(right, snapshot.width))
    if inside[0] >= inside[1] or inside[2] >= inside[3]:
        raise UsageError("the box asked for does not touch the scene")
    return Window.between(*inside), inside != (top, bottom, left, right)


def _ends(values: tuple[float, ...]) -> tuple[float, float]:
    return min(values), max(values)


def _whole(values: tuple[float, ...], is_rotated: bool) -> tuple[int, int]:
    low, high = _ends(values)
    start = math.floor(low + _SLACK)
    if is_rotated:
        return start, max(start + 1, math.ceil(high - _SLACK))
    return start, start + max(1, math.floor(high - low + 0.5))


def _in_crs_of(snapshot: MetadataSnapshot, box: Box, crs: str) -> Box:
    if snapshot.crs is None:
        raise UsageError("the scene has no reference system: give the box in its own units, without one")
    with gdal_config():
        try:
            found = transform_bounds(CRS.from_user_input(crs), CRS.from_user_input(snapshot.crs), *box)
        except (CRSError, ValueError) as error:
            raise UsageError(f"the box cannot be placed in the scene's reference system: {error}") from error
        except Exception as error:  # GDAL's own, private exception classes come through
            if not type(error).__module__.startswith("rasterio"):
                raise
            raise UsageError(f"the box has no place in the scene's reference system: {error}") from error
    if not all(math.isfinite(value) for value in found):
        raise UsageError("the box has no place in the scene's reference system")
    left, bottom, right, top = found
    if left > right:
        raise UsageError("the box crosses the 180th meridian: give two boxes")
    return left, bottom, right, top
