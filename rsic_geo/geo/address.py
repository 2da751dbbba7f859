"""What GDAL calls the addresses that other programs use."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from rsic_geo.errors import UsageError

_STORES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}


def gdal_name(address: str) -> str:
    """Return what GDAL calls an address: a path for ``file:``, ``/vsicurl/`` for http, and so on.

    Raises:
        UsageError: GDAL reads nothing from there.
    """
    scheme, _, rest = address.partition("://")
    if not rest or scheme.startswith("/vsi"):
        return address
    if scheme == "file":
        return unquote(urlsplit(address).path)
    if scheme in _STORES:
        return _STORES[scheme] + rest
    if scheme in ("http", "https", "ftp"):
        return "/vsicurl/" + address
    raise UsageError(f"{address}: {scheme} is no place scenes are read from")
