"""Georeferencing as GMLJP2 version 1: the minimal rectified grid coverage."""

from __future__ import annotations

from collections.abc import Sequence

_NAMESPACE = "http://www.opengis.net/gml"
_PROFILE = "http://schemas.opengis.net/gml/3.1.1/profiles/gmlJP2Profile/1.0.0/gmlJP2Profile.xsd"
_TEMPLATE = """<gml:FeatureCollection xmlns:gml="{namespace}" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{schema}">
<gml:boundedBy><gml:Envelope srsName="{crs}"><gml:lowerCorner>{lower}</gml:lowerCorner>\
<gml:upperCorner>{upper}</gml:upperCorner></gml:Envelope></gml:boundedBy>
<gml:featureMember><gml:FeatureCollection><gml:featureMember>\
<gml:RectifiedGridCoverage dimension="2" gml:id="RGC0001">
<gml:rectifiedGridDomain><gml:RectifiedGrid dimension="2">
<gml:limits><gml:GridEnvelope><gml:low>0 0</gml:low><gml:high>{high}</gml:high></gml:GridEnvelope>\
</gml:limits>
<gml:axisName>x</gml:axisName><gml:axisName>y</gml:axisName>
<gml:origin><gml:Point gml:id="P0001" srsName="{crs}"><gml:pos>{origin}</gml:pos></gml:Point></gml:origin>
<gml:offsetVector srsName="{crs}">{columns}</gml:offsetVector>
<gml:offsetVector srsName="{crs}">{rows}</gml:offsetVector>
</gml:RectifiedGrid></gml:rectifiedGridDomain>
<gml:rangeSet><gml:File><gml:rangeParameters/><gml:fileName>gmljp2://codestream/0</gml:fileName>\
<gml:fileStructure>Record Interleaved</gml:fileStructure></gml:File></gml:rangeSet>
</gml:RectifiedGridCoverage></gml:featureMember></gml:FeatureCollection></gml:featureMember>
</gml:FeatureCollection>"""


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
    corners = [(a * x + b * y + c, d * x + e * y + f) for x in (0, width) for y in (0, height)]
    lower = (min(x for x, _ in corners), min(y for _, y in corners))
    upper = (max(x for x, _ in corners), max(y for _, y in corners))

    def pair(x: float, y: float) -> str:
        return f"{y!r} {x!r}" if axis_swapped else f"{x!r} {y!r}"

    return _TEMPLATE.format(
        namespace=_NAMESPACE,
        schema=f"{_NAMESPACE} {_PROFILE}",
        crs=f"urn:ogc:def:crs:EPSG::{epsg}",
        lower=pair(*lower),
        upper=pair(*upper),
        high=f"{width - 1} {height - 1}",
        origin=pair(a / 2 + b / 2 + c, d / 2 + e / 2 + f),
        columns=pair(a, d),
        rows=pair(b, e),
    )
