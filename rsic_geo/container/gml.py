"""Georeferencing as GMLJP2 version 1: a rectified grid, with what readers look at and no more.

GDAL, and so QGIS, take the grid, its origin and its steps; envelopes, identifiers and the range set, which
the profile also has, would be two thirds of the document and say nothing that the file does not.
"""

from __future__ import annotations

from collections.abc import Sequence

_NAMESPACE = "http://www.opengis.net/gml"
_TEMPLATE = """<FeatureCollection xmlns="{namespace}"><featureMember><RectifiedGridCoverage>\
<rectifiedGridDomain><RectifiedGrid dimension="2"><limits><GridEnvelope><low>0 0</low><high>{high}</high>\
</GridEnvelope></limits><axisName>x</axisName><axisName>y</axisName><origin><Point srsName="{crs}">\
<pos>{origin}</pos></Point></origin><offsetVector srsName="{crs}">{columns}</offsetVector>\
<offsetVector>{rows}</offsetVector></RectifiedGrid></rectifiedGridDomain></RectifiedGridCoverage></featureMember>\
</FeatureCollection>"""


def gmljp2(
    width: int, height: int, transform: Sequence[float], epsg: int | None, *, axis_swapped: bool = False
) -> str | None:
    """Return the GMLJP2 root instance of a scene, or None without an EPSG code.

    Args:
        width: Columns (px).
        height: Rows (px).
        transform: a, b, c, d, e, f of x = a*col + b*row + c, y = d*col + e*row + f, from the corner of the
            upper left pixel; an Affine will do.
        epsg: Code of the CRS.
        axis_swapped: True when the authority orders this CRS as northing (latitude) first.
    """
    if epsg is None:
        return None
    a, b, c, d, e, f = (float(value) for value in tuple(transform)[:6])

    def pair(x: float, y: float) -> str:
        return f"{y!r} {x!r}" if axis_swapped else f"{x!r} {y!r}"

    return _TEMPLATE.format(
        namespace=_NAMESPACE,
        crs=f"urn:ogc:def:crs:EPSG::{epsg}",
        high=f"{width - 1} {height - 1}",
        origin=pair(a / 2 + b / 2 + c, d / 2 + e / 2 + f),
        columns=pair(a, d),
        rows=pair(b, e),
    )
