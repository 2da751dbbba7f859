"""Which pixels a box in map coordinates means."""

from __future__ import annotations

import math

from affine import Affine, TransformNotInvertibleError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds

from rsic_geo.errors import UsageError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.window import Window
from rsic_geo.raster.env import gdal_config

Box = tuple[float, float, float, float]
"""Least x, least y, greatest x, greatest y."""

_SLACK = 1e-3
"""Share of a pixel by which a border may miss a pixel's edge and still mean it, as in gdal_translate."""
_MARGIN = 0.01
"""Share of a scene's extent around it that boxes in another reference system are cut to."""


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
    is_cut = False
    if crs is not None:
        box, is_cut = _in_crs_of(snapshot, box, crs)
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
    return Window.between(*inside), is_cut or inside != (top, bottom, left, right)


def _ends(values: tuple[float, ...]) -> tuple[float, float]:
    return min(values), max(values)


def _whole(values: tuple[float, ...], is_rotated: bool) -> tuple[int, int]:
    low, high = _ends(values)
    start = math.floor(low + _SLACK)
    if is_rotated:
        return start, max(start + 1, math.ceil(high - _SLACK))
    return start, start + max(1, math.floor(high - low + 0.5))


def _in_crs_of(snapshot: MetadataSnapshot, box: Box, crs: str) -> tuple[Box, bool]:
    """Return what a box in ``crs`` is in the scene's reference system, and whether it goes beyond the scene.

    Far from where it is used a projection gives any numbers, so only what lies near the scene is transformed.
    """
    if snapshot.crs is None:
        raise UsageError("the scene has no reference system: give the box in its own units, without one")
    with gdal_config():
        try:
            here, there = CRS.from_user_input(snapshot.crs), CRS.from_user_input(crs)
        except (CRSError, ValueError) as error:
            raise UsageError(f"the box cannot be placed in the scene's reference system: {error}") from error
        whole = _bounds(snapshot)
        scene = _transformed(here, there, whole)
        wanted, is_cut = box, False
        if isinstance(scene, tuple) and scene[0] <= scene[2]:  # else it crosses the 180th meridian
            if _cut(box, scene) == scene:
                return whole, box != scene
            wanted = _cut(box, _widened(scene))
            is_cut = wanted != box
        found = _transformed(there, here, wanted)
    if isinstance(found, str):
        raise UsageError(f"the box has no place in the scene's reference system{found}")
    if found[0] > found[2]:
        raise UsageError("the box crosses the 180th meridian: give two boxes")
    return found, is_cut


def _transformed(source: CRS, target: CRS, box: Box) -> Box | str:
    """Return the bounds of a box in another reference system; why not, where it has none."""
    try:
        found = transform_bounds(source, target, *box, densify_pts=101)
    except Exception as error:  # GDAL's own, private exception classes come through
        if not isinstance(error, CRSError | ValueError) and not type(error).__module__.startswith("rasterio"):
            raise
        return f": {str(error)[:120]}"
    return found if all(math.isfinite(value) for value in found) else ""


def _bounds(snapshot: MetadataSnapshot) -> Box:
    a, b, c, d, e, f = snapshot.transform or Affine.identity()[:6]
    corners = [(col, row) for col in (0, snapshot.width) for row in (0, snapshot.height)]
    xs, ys = [a * col + b * row + c for col, row in corners], [d * col + e * row + f for col, row in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _cut(box: Box, other: Box) -> Box:
    """Return what two boxes share.

    Raises:
        UsageError: if they share nothing.
    """
    shared = max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3])
    if shared[0] > shared[2] or shared[1] > shared[3]:
        raise UsageError("the box asked for does not touch the scene")
    return shared


def _widened(box: Box) -> Box:
    """Return a box with a margin: bounds follow the curves of another projection nearly, not exactly."""
    margins = _MARGIN * (box[2] - box[0]), _MARGIN * (box[3] - box[1])
    return box[0] - margins[0], box[1] - margins[1], box[2] + margins[0], box[3] + margins[1]
