"""The plugin in a window: its entries of menus, and archives shown repaired without a file."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
import rasterio
from real import RSIC

pytestmark = pytest.mark.qgis


@pytest.fixture(scope="module")
def archives(sample_data, tmp_path_factory):
    """Return a scene, its lossy archive, its lossless one, and what the first decompresses to."""
    folder = tmp_path_factory.mktemp("archives ä")
    scene, lossy, exact, back = (
        sample_data / "fields_rgb_utm.tif", folder / "lossy.jp2", folder / "exact.jp2", folder / "back.tif"
    )  # fmt: skip
    for words in (
        ("compress", scene, lossy, "--target", "psnr=36", "--effort", "fast"),
        ("compress", scene, exact, "--model", "none"),
        ("decompress", lossy, back),
    ):
        subprocess.run([str(RSIC), *map(str, words), "-q"], check=True)
    return scene, lossy, exact, back


def test_an_archive_is_shown_repaired_and_its_engine_ends_with_the_layer(qgis, archives, tmp_path):
    scene, lossy, exact, back = archives
    found = qgis.inside("repaired", archive=lossy, plain=scene, lossless=exact, folder=tmp_path)
    assert found["entries"] == ["Archive with RSIC...", "Show repaired"]
    assert found["icons"] == [True, True]
    with rasterio.open(back) as product:
        pixels = product.read()
    for band in range(3):
        shown = np.array(json.loads((tmp_path / f"{band + 1}.json").read_text()))
        assert np.array_equal(shown, pixels[band])
    assert found["order"] == ["lossy.jp2 (repaired)", "archive"]
    assert found["alike"]
    assert found["placed"] == [True, True, True]
    assert str(lossy) in found["about"]
    assert found["drawn"] > 100
    assert found["children"] == 1
    assert found["after clearing"] == []
    assert found["revived"][1]
    assert found["said"][0] == "fields_rgb_utm.tif is no archive of RSIC: there is nothing to repair."
    assert found["said"][1] == "exact.jp2 needs no repair: its own layer shows all there is."
    assert "missing.jp2" in found["said"][2]
    assert "There is no /no/such/rsic" in found["said"][3]
    assert found["left"] == [0, 0, []]
