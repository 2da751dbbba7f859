"""Which version of the package this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Return the version of the installed package; "unknown" in a checkout that was not installed."""
    try:
        return metadata.version("rsic-geo")
    except metadata.PackageNotFoundError:
        return "unknown"
