"""QGIS itself opens a learned archive: its preview, where the scene lies."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from pipeline_support import painted, write_scene
from tiff_support import Remembering, network

import rsic_geo

PYTHON = Path("/usr/bin/python3")
SCRIPT = """
import json, os, sys
from qgis.core import QgsApplication, QgsRasterLayer
app = QgsApplication([], False)
app.initQgis()
layer = QgsRasterLayer(sys.argv[1], "archive")
box, provider = layer.extent(), layer.dataProvider()
print(json.dumps({
    "valid": layer.isValid(), "crs": layer.crs().authid(), "bands": layer.bandCount(),
    "extent": [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()],
    "renderer": layer.renderer().type(), "sublayers": len(provider.subLayers()),
}), flush=True)
os._exit(0)  # leaving in order crashes where layers are alive
"""


@pytest.mark.qgis
def test_qgis_shows_the_preview_in_its_place(tmp_path):
    if (
        not PYTHON.exists()
        or subprocess.run([PYTHON, "-c", "import qgis.core"], check=False, capture_output=True).returncode
    ):
        pytest.skip("there is no QGIS on this machine")
    source, archive = tmp_path / "s.tif", tmp_path / "a.rsic.tif"
    write_scene(source, painted((3, 300, 500)))
    with network(Remembering()):
        rsic_geo.compress(source, archive, codec="learned", model="none", target="psnr=30")
    environment = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
    done = subprocess.run(
        [PYTHON, "-c", SCRIPT, str(archive)], capture_output=True, text=True, check=True, env=environment
    )
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    assert seen == {
        "valid": True,
        "crs": "EPSG:32633",
        "bands": 3,
        "extent": [500000, 5599850, 500250, 5600000],
        "renderer": "multibandcolor",
        "sublayers": 0,
    }
