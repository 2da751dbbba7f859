"""Two rasters as pictures side by side, with their difference, for the page of a comparison."""

from __future__ import annotations

from qgis.core import (
    QgsProcessingFeedback,
    QgsRasterInterface,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QBuffer, QByteArray, QIODevice
from qgis.PyQt.QtGui import QColor, QImage, QPainter

from .engine.report import Picture
from .i18n import tr

_SIDE = 340
"""Longest side of a picture (px)."""
_MOST_DOUBLINGS = 6
"""A difference is doubled so many times at most: beyond it the stretch's own rounding would be seen."""
_BAR = 12
"""Height of the scale below a difference (px)."""


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
        image, share = _difference(*images)
        caption = tr("Difference, {part}: black is none, white {share:.2g} % of the range shown").format(
            part=text, share=100 * share
        )
        pictures.append(Picture(caption, _png(image)))
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


def _difference(first: QImage, second: QImage) -> tuple[QImage, float]:
    """Return the absolute difference above its scale, amplified, and what share of full light is white."""
    result = first.copy()
    painter = QPainter(result)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Difference)
    painter.drawImage(0, 0, second)
    painter.end()
    doublings = 0
    most = _most(result)
    while most and 2 * most <= 255 and doublings < _MOST_DOUBLINGS:
        same = result.copy()
        painter = QPainter(result)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Plus)
        painter.drawImage(0, 0, same)
        painter.end()
        most, doublings = 2 * most, doublings + 1
    return _with_bar(result), 0.5**doublings


def _most(image: QImage) -> int:
    """Return the greatest of all reds, greens and blues."""
    colours = {image.pixel(x, y) for y in range(image.height()) for x in range(image.width())}
    return max(max(colour >> 16 & 255, colour >> 8 & 255, colour & 255) for colour in colours)


def _with_bar(image: QImage) -> QImage:
    """Return a picture with its scale from black to white below it."""
    width, height = image.width(), image.height()
    result = image.copy(0, 0, width, height + _BAR + 2)
    painter = QPainter(result)
    painter.fillRect(0, height, width, 2, QColor(255, 255, 255))
    for x in range(width):
        light = round(255 * x / max(1, width - 1))
        painter.fillRect(x, height + 2, 1, _BAR, QColor(light, light, light))
    painter.end()
    return result


def _png(image: QImage) -> bytes:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    buffer.close()
    return data.data()
