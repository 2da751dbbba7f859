"""RSIC: archives of georeferenced scenes in QGIS. The `rsic` program does the work, in its own process."""

from __future__ import annotations

from typing import Any


def classFactory(_iface: Any) -> Any:
    """Return the plugin; QGIS calls it with its window's interface, or None in qgis_process."""
    from .plugin import RsicPlugin

    return RsicPlugin()
