"""Measures "Show repaired": `/usr/bin/python3 tests/tools/canvas.py RSIC ARCHIVE`, in the Python of QGIS.

A map of 1000 x 600 px of places that were never shown, at several scales, and one after six others that were
left after 0.25 s each. RSIC is the program of the engine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from qgis.core import QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsRasterLayer, QgsRectangle
from qgis.PyQt.QtCore import QSize

PLACES = (("1:1", 0.2, 0.3, 1), ("1:1, elsewhere", 0.6, 0.5, 1), ("1:2", 0.35, 0.35, 2), ("whole", 0, 0, 0))
"""Upper left corner as shares of the scene, and its pixels per pixel of the map; 0: all of it."""


def job_of(layer: QgsRasterLayer, left: float, top: float, scale: float) -> QgsMapRendererParallelJob:
    """Return the rendering of a part of a layer."""
    whole = layer.extent()
    unit = layer.rasterUnitsPerPixelX() * scale
    x, y = whole.xMinimum() + left * whole.width(), whole.yMaximum() - top * whole.height()
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setOutputSize(QSize(1000, 600))
    settings.setExtent(QgsRectangle(x, y - 600 * unit, x + 1000 * unit, y) if scale else whole)
    return QgsMapRendererParallelJob(settings)


def main(program: str, archive: str) -> None:
    """Measure, and print seconds."""
    with tempfile.TemporaryDirectory() as folder:
        vrt = os.path.join(folder, "shown.vrt")
        started = time.monotonic()
        command = [program, "view", archive, "--vrt", vrt, "--until-eof", "--no-browser", "-q"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as engine:
            engine.stdout.readline()
            layer = QgsRasterLayer(vrt, "shown", "gdal")
            sys.stdout.write(f"until the layer is there: {time.monotonic() - started:.2f} s\n")
            for name, *place in PLACES:
                started = time.monotonic()
                job = job_of(layer, *place)
                job.start()
                job.waitForFinished()
                sys.stdout.write(f"{name}: {time.monotonic() - started:.2f} s\n")
            left = [job_of(layer, 0.05 + 0.2 * (k % 3), 0.1 + 0.3 * (k // 3), 2) for k in range(6)]
            for each in left:
                each.start()
                time.sleep(0.25)
                each.cancelWithoutBlocking()
            started = time.monotonic()
            job = job_of(layer, 0.75, 0.05, 1)
            job.start()
            job.waitForFinished()
            sys.stdout.write(f"1:1, after six at 1:2 that were left: {time.monotonic() - started:.2f} s\n")
            for each in left:
                each.waitForFinished()
            engine.stdin.close()


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], True)
    application.initQgis()
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # QGIS's own end is slow, and of no interest here
