"""A part of a raster as a virtual one: bands and extent, cut without touching a pixel."""

from __future__ import annotations

import os

from qgis import processing
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsRectangle,
)

from ..engine.errors import EngineCancelledError, EngineError
from ..i18n import tr


def cut(
    source: str,
    bands: list[int],
    extent: QgsRectangle | None,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """Return the path of a VRT of ``bands`` (empty: all) inside ``extent`` (in the layer's CRS; None: all).

    Raises:
        EngineError: if they are outside of the raster or it is rotated.
        EngineCancelledError: if the user stopped meanwhile.
    """
    words = [f"-b {band}" for band in bands]
    if extent is not None:
        words.append("-projwin " + " ".join(f"{value:.17g}" for value in _window(source, extent)))
    output = QgsProcessingUtils.generateTempFilename("part.vrt")
    quiet = QgsProcessingFeedback(False)
    feedback.canceled.connect(quiet.cancel)
    try:
        processing.run(
            "gdal:translate",
            {"INPUT": source, "EXTRA": " ".join(words), "OUTPUT": output},
            context=context,
            feedback=quiet,
            is_child_algorithm=True,
        )
    except QgsProcessingException as error:
        raise EngineError(tr("Bands and extent could not be cut out: {error}").format(error=error)) from error
    if feedback.isCanceled():
        raise EngineCancelledError
    if not os.path.exists(output):
        said = [line for line in quiet.textLog().splitlines() if "ERROR" in line]
        raise EngineError(
            tr("Bands and extent could not be cut out: {error}").format(
                error=said[-1] if said else tr("unknown error")
            )
        )
    return output


def _window(source: str, extent: QgsRectangle) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the part of ``extent`` that is inside the raster."""
    layer = QgsRasterLayer(source, "source", "gdal")
    part = extent.intersect(layer.extent())
    if part.isEmpty() or part.width() <= 0 or part.height() <= 0:
        raise EngineError(tr("The extent asked for does not touch the raster."))
    return part.xMinimum(), part.yMaximum(), part.xMaximum(), part.yMinimum()
