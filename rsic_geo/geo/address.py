"""What GDAL calls the addresses that other programs use."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

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


def public_address(name: str) -> str | None:
    """Return the address of what GDAL reads from elsewhere, without keys to it; None for local files."""
    for scheme, prefix in _STORES.items():
        if name.startswith(prefix):
            return f"{scheme}://{quote(name.removeprefix(prefix))}"
    parts = urlsplit(name.removeprefix("/vsicurl/"))
    if parts.scheme not in ("http", "https", "ftp") or not parts.hostname:
        return None
    # A query may sign a request, and what stands before a host's name be a password.
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
