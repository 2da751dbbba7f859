"""Two rasters as pictures side by side, with their difference, for the page of a comparison."""

from __future__ import annotations

from qgis.core import (
    QgsProcessingFeedback,
    QgsRasterInterface,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QBuffer, QByteArray, QIODevice
from qgis.PyQt.QtGui import QImage, QPainter

from .engine.report import Picture
from .i18n import tr

_SIDE = 340
"""Longest side of a picture (px)."""
_DOUBLINGS = 2
"""The difference is doubled so many times, to be seen."""


def side_by_side(reference: str, other: str, feedback: QgsProcessingFeedback) -> list[Picture]:
    """Return both rasters and their difference, whole and in detail; empty if QGIS cannot show them.

    Works without a window and outside of the main thread: no map canvas and no project takes part.
    """
    layers = [QgsRasterLayer(path, "picture", "gdal") for path in (reference, other)]
    if not all(layer.isValid() for layer in layers) or layers[1].bandCount() < layers[0].bandCount():
        return []  # a preview, which is all QGIS sees of some archives, may have fewer bands
    first = layers[0]
    first.setDefaultContrastEnhancement()
    renderer = first.renderer()
    alike = renderer.clone()
    alike.setInput(layers[1].dataProvider())
    pictures = []
    for text, extent in ((tr("whole"), first.extent()), (tr("detail"), _detail(first))):
        if feedback.isCanceled():
            return []
        images = [_image(interface, extent, first) for interface in (renderer, alike)]
        for name, image in ((tr("Reference"), images[0]), (tr("Compared with"), images[1])):
            pictures.append(Picture(f"{name}, {text}", _png(image)))
        pictures.append(Picture(f"{tr('Difference')}, {text}", _png(_difference(*images))))
    return pictures


def _detail(layer: QgsRasterLayer) -> QgsRectangle:
    """Return the middle of the layer in which a pixel of the raster is two of the picture."""
    extent = layer.extent()
    columns, rows = min(layer.width(), _SIDE // 2), min(layer.height(), _SIDE // 2)
    width, height = extent.width() * columns / layer.width(), extent.height() * rows / layer.height()
    centre = extent.center()
    return QgsRectangle(
        centre.x() - width / 2, centre.y() - height / 2, centre.x() + width / 2, centre.y() + height / 2
    )


def _image(interface: QgsRasterInterface, extent: QgsRectangle, layer: QgsRasterLayer) -> QImage:
    columns = max(1.0, layer.width() * extent.width() / layer.extent().width())
    rows = max(1.0, layer.height() * extent.height() / layer.extent().height())
    scale = _SIDE / max(columns, rows)
    width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
    block = interface.block(1, extent, width, height)
    return block.image().convertToFormat(QImage.Format.Format_RGB32)


def _difference(first: QImage, second: QImage) -> QImage:
    """Return the absolute difference, amplified, as Qt's painter computes it."""
    result = first.copy()
    painter = QPainter(result)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Difference)
    painter.drawImage(0, 0, second)
    painter.end()
    for _ in range(_DOUBLINGS):
        same = result.copy()
        painter = QPainter(result)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Plus)
        painter.drawImage(0, 0, same)
        painter.end()
    return result


def _png(image: QImage) -> bytes:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    buffer.close()
    return data.data()
