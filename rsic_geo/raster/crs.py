"""What boxes of an archive need to know of a reference system."""

from __future__ import annotations

from rasterio.crs import CRS, epsg_treats_as_latlong, epsg_treats_as_northingeasting
from rasterio.errors import CRSError


def epsg_and_axes(definition: str | None) -> tuple[int | None, bool]:
    """Return the EPSG code of a definition and whether the registry puts northing (latitude) first.

    The code is None where the definition is not exactly a registry entry.
    """
    if definition is None:
        return None, False
    try:
        crs = CRS.from_user_input(definition)
        code = crs.to_epsg(confidence_threshold=100)
        if code is None or CRS.from_epsg(code) != crs:
            return None, False
        return int(code), bool(epsg_treats_as_latlong(crs) or epsg_treats_as_northingeasting(crs))
    except CRSError:
        return None, False


def wkt_of(definition: str | None) -> str | None:
    """Return a snapshot's reference system as the WKT of a profile; None without one that is known."""
    if definition is None:
        return None
    try:
        return str(CRS.from_user_input(definition).to_wkt())
    except CRSError:
        return None
