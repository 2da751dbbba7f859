"""Lines of round longitudes and latitudes over a scene; of rows and columns where it has no place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster.place import reprojected

_WANTED = 4
"""Lines along the longer side, or up to twice as many."""
_POINTS = 33
"""Points of a line: a meridian is a curve in most reference systems."""
_DEGREES = (30.0, 20.0, 10.0, 5.0)


def graticule(profile: SceneProfile, window: Window) -> list[dict[str, Any]]:
    """Return lines over a window: the text of each, and its points (row, column) in pixels, in runs.

    A scene without a transform and reference system gets lines of rows and columns.
    """
    return _of_earth(profile, window) or _of_pixels(window)


def _of_pixels(window: Window) -> list[dict[str, Any]]:
    step = max(1, round(_step(max(window.height, window.width))))
    rows = (window.row_off, window.row_stop)
    columns = (window.col_off, window.col_stop)
    lines = [
        {"text": f"column {at}", "runs": [[[row, at] for row in rows]]}
        for at in range(-(-columns[0] // step) * step, columns[1] + 1, step)
    ]
    return lines + [
        {"text": f"row {at}", "runs": [[[at, column] for column in columns]]}
        for at in range(-(-rows[0] // step) * step, rows[1] + 1, step)
    ]


def _of_earth(profile: SceneProfile, window: Window) -> list[dict[str, Any]]:
    """Return meridians and parallels; none where the scene's system has no way to WGS 84."""
    place, crs = profile.transform, profile.crs_wkt
    if crs is None or place.is_identity or place.is_degenerate:
        return []
    rows = np.linspace(window.row_off, window.row_stop, 9)
    columns = np.linspace(window.col_off, window.col_stop, 9)
    ground = [place * (float(column), float(row)) for row in rows for column in columns]
    found = reprojected([x for x, _ in ground], [y for _, y in ground], crs, "EPSG:4326")
    points = [] if found is None else [(x, y) for x, y in zip(*found, strict=True) if math.isfinite(x + y)]
    if not points:
        return []
    lon, lat = (np.array(axis) for axis in zip(*points, strict=True))
    if np.ptp(lon) > 180:  # across the antimeridian
        lon = np.where(lon < 0, lon + 360, lon)
    step = _step(max(float(np.ptp(lon)), float(np.ptp(lat))))
    if step <= 0:
        return []
    west, east, south, north = lon.min() - step, lon.max() + step, lat.min() - step, lat.max() + step
    south, north = max(-90.0, south), min(90.0, north)
    lines = []
    for at in _rounds(lon, step):
        run = _on_scene(profile, np.full(_POINTS, at), np.linspace(south, north, _POINTS))
        lines.append({"text": _named(at, step, "EW"), "runs": run})
    for at in _rounds(lat, step):
        run = _on_scene(profile, np.linspace(west, east, _POINTS), np.full(_POINTS, at))
        lines.append({"text": _named(at, step, "NS"), "runs": run})
    return [line for line in lines if line["runs"]]


def _rounds(values: Any, step: float) -> list[float]:  # noqa: ANN401
    first, last = math.ceil(values.min() / step - 1e-9), math.floor(values.max() / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _on_scene(profile: SceneProfile, lon: Any, lat: Any) -> list[list[list[float]]]:  # noqa: ANN401
    """Return runs of pixels (row, column) of points on earth; a run ends where there is no pixel."""
    turned = (lon + 180) % 360 - 180
    found = reprojected(list(turned), list(lat), "EPSG:4326", str(profile.crs_wkt))
    if found is None:
        return []
    back = ~profile.transform
    runs: list[list[list[float]]] = [[]]
    for x, y in zip(*found, strict=True):
        if math.isfinite(x + y):
            column, row = back * (x, y)
            runs[-1].append([round(row, 2), round(column, 2)])
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def _step(span: float) -> float:
    """Return a round step of which a few fit into a span."""
    if span <= 0:
        return 0.0
    rough = span / _WANTED
    if rough >= _DEGREES[-1] and span <= 360:
        return next(step for step in _DEGREES if step <= rough)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (5, 2, 1) if step * power <= rough * (1 + 1e-9))


def _named(value: float, step: float, letters: str) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    value = (value + 180) % 360 - 180 if letters == "EW" else value
    return f"{abs(value):.{digits}f}°{letters[value < 0] if round(value, digits) else ''}"
