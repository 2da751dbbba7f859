"""Layers as files the engine can open; what is no file is refused with what to do about it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from qgis.core import QgsMapLayer, QgsProcessingAlgorithm, QgsProcessingContext, QgsRasterLayer

from ..engine.errors import EngineError
from ..i18n import tr
from ..settings import remembered_capabilities

_REMOTE = ("/vsicurl", "/vsis3", "/vsigs", "/vsiaz", "/vsioss", "/vsiswift", "/vsiwebhdfs", "/vsihdfs")


def raster_source(
    algorithm: QgsProcessingAlgorithm, parameters: dict[str, Any], name: str, context: QgsProcessingContext
) -> str:
    """Return the name under which GDAL, and so the engine, opens the raster given for ``name``.

    Raises:
        EngineError: if it is a service, lives in QGIS's memory, may not be read or is not there.
    """
    layer = algorithm.parameterAsRasterLayer(parameters, name, context)
    if layer is not None and layer.isValid():
        return layer_source(layer, remembered_capabilities().archive_extensions)
    # A file QGIS cannot open is left to the engine, which says better what is wrong with it.
    value = parameters.get(name)
    text = value if isinstance(value, str) else algorithm.parameterAsString(parameters, name, context)
    if text and _is_there(text):
        if not os.access(text, os.R_OK):
            raise EngineError(tr("{name} is there, but you may not read it.").format(name=text))
        return os.path.abspath(text)
    other = value if isinstance(value, QgsMapLayer) else context.getMapLayer(text)
    if other is not None:
        raise EngineError(tr("{name} is no raster that can be opened.").format(name=other.name()))
    raise EngineError(tr("There is no raster {name}.").format(name=text or name))


def _is_there(path: str) -> bool:
    """Whether there is something of this name, be it in a folder that may not be looked into."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def layer_source(layer: QgsRasterLayer, archive_extensions: Sequence[str] = ()) -> str:
    """Return GDAL's name of a layer; of a page of an archive, the archive.

    Raises:
        EngineError: if GDAL's name of it would mean nothing to another process.
    """
    provider = layer.providerType()
    if provider != "gdal":
        raise EngineError(
            tr(
                "{name} is no file but a layer of the provider {provider}: save it as GeoTIFF first "
                "(Export > Save As, raw data) and choose that file."
            ).format(name=layer.name(), provider=provider)
        )
    source = layer.source().split("|option:")[0].split("|authcfg=")[0]
    page = re.fullmatch(r"GTIFF_DIR:(?:off:)?\d+:(.+)", source)
    if page is not None and page.group(1).lower().endswith(tuple(archive_extensions)):
        source = page.group(1)
    if source.startswith("/vsimem/"):
        raise EngineError(
            tr("{name} is only in QGIS's memory: save it as GeoTIFF first and choose that file.").format(
                name=layer.name()
            )
        )
    if source.lower().startswith(("http://", "https://", "<", "wms:", "wcs:", *_REMOTE)):
        raise EngineError(
            tr("{name} is on another machine: copy it to a local file first.").format(name=layer.name())
        )
    return os.path.abspath(source) if os.path.exists(source) else source


def is_same_file(first: str, second: str) -> bool:
    """Whether two names lead to one file that exists."""
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False
