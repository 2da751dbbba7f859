"""GDAL's own programs read, by the VRT of `rsic view`, what `rsic decompress` writes."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
import rasterio
from batch_support import RSIC
from pipeline_support import painted, write_scene
from rasterio.windows import Window
from support import started
from view_support import get

import rsic_geo
from rsic_geo.cli import main
from rsic_geo.options import Execution
from rsic_geo.view.scene import SceneView
from rsic_geo.view.server import Serving
from rsic_geo.view.site import SceneSite


@pytest.fixture(scope="module")
def vrt(view, serving, tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "scene.vrt"
    path.write_bytes(view.vrt(serving.url))
    return path


def test_gdal_reads_the_repaired_samples_in_place(pair, vrt):
    with rasterio.open(vrt) as served, rasterio.open(pair.source) as source:
        assert np.array_equal(served.read(), pair.repaired)
        assert np.array_equal(
            served.read(2, window=Window(250, 250, 99, 61)), pair.repaired[1, 250:311, 250:349]
        )
        assert (served.crs, served.transform, served.nodatavals) == (
            source.crs,
            source.transform,
            source.nodatavals,
        )
        assert served.descriptions == source.descriptions
        assert np.array_equal(served.dataset_mask() > 0, pair.valid)


def test_half_the_resolution_is_the_mean_of_valid_samples(pair, vrt):
    with rasterio.open(vrt, OVERVIEW_LEVEL=0) as half:
        assert half.shape == (210, 300)
        found = half.read(1)
    # the corner without data ends in the middle of no square of 2 x 2
    quarters = pair.repaired[0].reshape(210, 2, 300, 2).astype(float).mean(axis=(1, 3))
    assert np.array_equal(found, np.rint(quarters))
    assert not found[:60, :80].any()


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_many_bands_a_mask_and_a_turned_place_survive(tmp_path, dtype):
    pixels = (painted((6, 140, 170)) * 9.0).astype(dtype)
    source = write_scene(tmp_path / "s.tif", pixels)
    with rasterio.open(source, "r+") as scene:
        scene.transform = rasterio.Affine(8, 3, 500000, 3, -8, 5000000)
        scene.write_mask(np.tri(140, 170, dtype=np.uint8) * 255)
    rsic_geo.compress(source, tmp_path / "s.jp2")
    view = SceneView(str(tmp_path / "s.jp2"), None, Execution())
    with Serving(SceneSite(view)) as serving:
        (tmp_path / "s.vrt").write_bytes(view.vrt(serving.url))
        with rasterio.open(tmp_path / "s.vrt") as served:
            assert np.array_equal(served.read(), pixels)
            assert served.transform == rasterio.Affine(8, 3, 500000, 3, -8, 5000000)
            assert np.array_equal(served.dataset_mask(), np.tri(140, 170, dtype=np.uint8) * 255)
        for wrong in ("codec/0/0/0.tif?bands=8", "original/0/0/0.tif", "codec/1/0/0.tif", "codec/0/7/0.tif"):
            assert get(serving, f"samples/{wrong}").status == 400
    view.close()


def test_the_command_ends_with_its_input_and_leaves_no_vrt(pair, tmp_path):
    path = tmp_path / "a b.vrt"
    words = ["view", str(pair.archive), "--vrt", str(path), "--until-eof", "--no-browser", "--json"]
    with started([*RSIC, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        assert "repaired" in told["layers"]
        assert told["archive"]
        done = subprocess.run(["gdalinfo", path], capture_output=True, text=True, check=True)
        assert "Size is 600, 420" in done.stdout
        process.stdin.close()
        assert process.wait(20) == 0
    assert not path.exists()


def test_a_vrt_that_is_there_is_not_replaced(pair, tmp_path, capsys):
    path = tmp_path / "a.vrt"
    path.write_text("mine")
    assert main(["view", str(pair.archive), "--vrt", str(path), "--no-browser"]) != 0
    assert "exists already" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["view", str(pair.archive), "--vrt", str(tmp_path / "a.tif"), "--no-browser"]) == 2
