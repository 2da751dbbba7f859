"""Stopping in the middle of a large scene: no process and no half file is left, whoever stops whom."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
from rasterio.transform import from_origin

pytestmark = pytest.mark.qgis

SIDE = 4096


@pytest.fixture(scope="module")
def large_scene(tmp_path_factory) -> Path:
    """Return a scene that keeps the engine busy for a while: noise does not compress."""
    path = tmp_path_factory.mktemp("large") / "large scene.tif"
    noise = np.random.default_rng(1).integers(0, 255, (3, 1024, 1024), dtype=np.uint8)
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 3, "dtype": "uint8", "tiled": True}
    with rasterio.open(
        path, "w", crs="EPSG:32633", transform=from_origin(4e5, 5e6, 1, 1), **profile
    ) as scene:
        scene.write(np.tile(noise, (1, SIDE // 1024, SIDE // 1024)))
    return path


def _engines(output: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "name"]):
        words = process.info["cmdline"] or []
        if str(output) in words and "compress" in words:
            found.append(process)
    return found


def _wait(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return bool(condition())


def test_cancel_leaves_nothing(qgis, large_scene, tmp_path):
    output = tmp_path / "out" / "a.jp2"
    output.parent.mkdir()
    found = qgis.inside("cancel", scene=large_scene, output=output, after=15)
    assert found["children_before"] >= 1
    assert found["children_after"] == []
    assert found["progress"] < 100
    assert found["results"] == {}
    assert "Cancelled: nothing was written." in found["log"]
    assert found["seconds"] < 45  # 10 s of the plugin's patience, two threads waited for 10 s each, and some
    assert list(output.parent.iterdir()) == []


def test_the_engine_does_not_outlive_a_qgis_that_was_killed(qgis, large_scene, tmp_path):
    output = tmp_path / "out" / "a.jp2"
    output.parent.mkdir()
    words = [f"INPUT={large_scene}", "MODEL=none", f"OUTPUT={output}"]
    process = qgis.start("run", "rsic:compress", "--", *words)
    try:
        assert _wait(lambda: any(output.parent.iterdir()) or _is_encoding(output), 300)
    finally:
        process.kill()
        process.wait()
    assert _wait(lambda: not _engines(output), 300)
    assert list(output.parent.iterdir()) == []


def _is_encoding(output: Path) -> bool:
    for process in _engines(output):
        with suppress(psutil.Error):  # a child of the engine that was about to become another program
            if "rsic:compress" not in process.info["cmdline"] and process.cpu_times().user > 3:
                return True
    return False
