"""QGIS itself opens archives: of a learned one the preview, of rotated bands the true ones by the VRT."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipeline_support import painted, write_scene
from tiff_support import Remembering, network

import rsic_geo
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive

PYTHON = Path("/usr/bin/python3")
SCRIPT = """
import json, os, sys
from qgis.core import QgsApplication, QgsPointXY, QgsRasterLayer
app = QgsApplication([], False)
app.initQgis()
layer = QgsRasterLayer(sys.argv[1], "archive")
box, provider = layer.extent(), layer.dataProvider()
print(json.dumps({
    "valid": layer.isValid(), "crs": layer.crs().authid(), "bands": layer.bandCount(),
    "extent": [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()],
    "renderer": layer.renderer().type(), "sublayers": len(provider.subLayers()),
    "values": [provider.sample(QgsPointXY(float(x), float(y)), band + 1)[0]
               for band in range(layer.bandCount()) for x, y in zip(sys.argv[2::2], sys.argv[3::2])],
}), flush=True)
os._exit(0)  # leaving in order crashes where layers are alive
"""


def seen_by_qgis(path: Path, home: Path, points: tuple[tuple[float, float], ...] = ()) -> dict[str, Any]:
    """Return what QGIS says of a layer, and the values of all its bands at points of its system."""
    if (
        not PYTHON.exists()
        or subprocess.run([PYTHON, "-c", "import qgis.core"], check=False, capture_output=True).returncode
    ):
        pytest.skip("there is no QGIS on this machine")
    environment = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", "HOME": str(home)}
    words = [str(number) for point in points for number in point]
    done = subprocess.run(
        [PYTHON, "-c", SCRIPT, str(path), *words], capture_output=True, text=True, check=True, env=environment
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.qgis
def test_qgis_shows_the_preview_in_its_place(tmp_path):
    source, archive = tmp_path / "s.tif", tmp_path / "a.rsic.tif"
    write_scene(source, painted((3, 300, 500)))
    with network(Remembering()):
        rsic_geo.compress(source, archive, codec="learned", model="none", target="psnr=30")
    assert seen_by_qgis(archive, tmp_path) == {
        "valid": True,
        "crs": "EPSG:32633",
        "bands": 3,
        "extent": [500000, 5599850, 500250, 5600000],
        "renderer": "multibandcolor",
        "sublayers": 0,
        "values": [],
    }


@pytest.mark.qgis
def test_qgis_shows_true_bands_of_rotated_ones(tmp_path):
    source, archive = tmp_path / "s.tif", tmp_path / "a.jp2"
    ground = painted((1, 300, 500), "uint16")[0].astype(int)
    noise = np.random.default_rng(1).integers(0, 9, (4, 300, 500))
    write_scene(
        source, (np.stack([ground, ground // 2, ground // 3 + 200, ground + 99]) + noise).astype("uint16")
    )
    rsic_geo.compress(source, archive, target="snr=30", model="none", spectral="rotated")
    places = ((10, 20), (299, 499), (123, 321))  # rows and columns
    points = tuple((500000 + 0.5 * (col + 0.5), 5600000 - 0.5 * (row + 0.5)) for row, col in places)
    seen = seen_by_qgis(tmp_path / "a.jp2.vrt", tmp_path, points)
    assert (seen["valid"], seen["crs"], seen["bands"]) == (True, "EPSG:32633", 4)
    assert seen["extent"] == [500000, 5599850, 500250, 5600000]
    with Archive(str(archive)) as own:
        shown = own.read_shown(Window.full(300, 500))
    wanted = [int(shown[band, row, col]) for band in range(4) for row, col in places]
    np.testing.assert_allclose(seen["values"], wanted, atol=1)
