"""Inside QGIS's own process: every algorithm, models, batch mode, all kinds of layers, options, dialogs."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from real import RSIC, capabilities

import rsic_geo
from qgis_plugin.tools.startup import LIMIT
from rsic_geo.container.jp2 import GEOJP2_UUID

pytestmark = pytest.mark.qgis

ALGORITHMS = ("compress", "decompress", "enhance", "compare", "validate", "reencodefolder", "checkengine")
NETWORK_MODULES = (
    "urllib.request",
    "http",
    "socket",
    "ssl",
    "ftplib",
    "qgis.PyQt.QtNetwork",
    "PyQt5.QtNetwork",
)


@pytest.fixture
def scene(sample_data):
    return sample_data / "fields_rgb_utm.tif"


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "mit Leerzeichen & ümläut"
    path.mkdir()
    return path


def test_the_plugin_loads_fast_and_brings_no_network(qgis):
    # the first start of all compiles the plugin's files; `tools/startup.py` gives the median of several, and
    # holds it against the limit itself: here the processor may be half as fast
    found = min((qgis.start_up() for _ in range(3)), key=lambda entry: entry["processor"])
    assert found["processor"] < 2 * LIMIT
    brought = [name for name in found["modules"] if name.startswith(NETWORK_MODULES)]
    assert not brought


def test_qgis_in_german_has_the_plugin_in_german(qgis):
    found = qgis.inside("german")
    assert found["compress"] == ["Szene komprimieren", "Kompression"]
    assert found["checkengine"] == ["Programm prüfen", "Einrichtung"]


def test_the_plugin_goes_without_a_trace(qgis):
    assert qgis.inside("unload") == {"before": True, "between": False, "after": True}


def test_every_algorithm_explains_itself_and_offers_what_the_engine_has(qgis):
    found = qgis.inside("provider")
    assert not found["warning"]
    assert sorted(found["algorithms"]) == sorted(f"rsic:{name}" for name in ALGORITHMS)
    for entry in found["algorithms"].values():
        assert len(entry["help"]) > 150
        assert entry["icon"]
        assert entry["can"]
        assert entry["outputs"]
        assert all(description for _, _, _, description in entry["parameters"])
    engine_models = capabilities()["models"]
    for name in ("compress", "decompress", "enhance"):
        assert set(engine_models) <= set(found["algorithms"][f"rsic:{name}"]["models"])


def test_every_algorithm_works(qgis, scene, folder):
    found = qgis.inside("every_algorithm", scene=scene, folder=folder)
    with rasterio.open(scene) as source:
        assert found.pop("layer") == f"EPSG:{source.crs.to_epsg()}"  # by GMLJP2 alone
    assert rsic_geo.info(folder / "a.jp2")["sealed"]
    assert GEOJP2_UUID.bytes not in (folder / "a.jp2").read_bytes()
    assert found["compress"]["PSNR"] >= 36
    assert found["compress"]["RATIO"] > 10
    assert json.loads((folder / "a.json").read_text())["input"]["sha256"]
    assert found["decompress"]["ENHANCED"] is True
    assert found["enhance"]["MODEL_NAME"]
    assert found["compare"]["PSNR"] == pytest.approx(found["compress"]["PSNR"])
    assert found["compare"]["AGREE"] is True
    assert found["compare"]["DIFFERENCES"] == 0
    assert found["validate"]["VALID"] is True
    assert found["checkengine"]["HEALTHY"] is True
    for entry in found.values():
        assert str(RSIC) in entry["log"]
    pages = [(folder / name).read_text(encoding="utf-8") for name in ("d.html", "e.html", "f.html")]
    assert all("</html>" in page for page in pages)
    assert pages[0].count("data:image/png;base64,") == 6


def test_layers_that_are_files_are_taken_and_others_refused_with_what_to_do(qgis, scene, folder):
    found = qgis.inside("layers", scene=scene, folder=folder)
    assert found["valid"] == [True, True]
    assert Path(found["by_name"]).name == "by name.jp2"
    assert found["layer"].endswith(".jp2")
    assert "tiles is no file but a layer of the provider wms: save it as GeoTIFF first" in found["service"]
    assert "in memory is only in QGIS's memory: save it as GeoTIFF first" in found["memory"]
    assert "points is no raster that can be opened." in found["vector"]
    assert f"There is no raster {folder / 'nothing.tif'}." in found["missing"]
    assert "same file" in found["same"]
    assert "The target psnr needs a value above 0." in found["no_value"]
    assert "stored losslessly" in found["lossless_enhance"]
    assert "no folder /nonexistent" in found["folder"]
    assert found["left"] == ["by name.jp2", "by name.jp2.aux.xml", "same.jp2"]


def test_the_archive_is_loaded_as_a_layer_named_after_its_source(qgis, scene, folder):
    found = qgis.inside("loading", scene=scene, folder=folder)
    assert found["fine"]
    assert found["layers"] == [["fields_rgb_utm (archive)", str(folder / "x.jp2"), True]]
    assert "The name of an archive of this codec ends in .jp2." in found["wrong name"]
    assert not (folder / "x.tif").exists()


def test_a_run_in_the_background_takes_layers_of_the_project(qgis, scene, folder):
    found = qgis.inside(
        "background", scene=scene, folder=folder, extent="412500,412620,5321500,5321600 [EPSG:32633]"
    )
    for name in ("whole", "part"):
        assert found[name]["fine"], found[name]["log"]
    with rasterio.open(folder / "whole.jp2") as whole, rasterio.open(folder / "part.jp2") as part:
        assert (whole.shape, part.shape, part.count) == ((512, 640), (100, 120), 1)


def test_bands_and_an_extent_are_cut_out_exactly(qgis, scene, folder):
    extent = "412500,412620,5321500,5321600 [EPSG:32633]"
    found = qgis.inside("part", scene=scene, folder=folder, extent=extent, bands=[3, 1])
    assert "does not touch the scene" in found["outside"]
    assert "no band 99" in found["band"]
    assert found["left"] == ["band.jp2", "band.jp2.aux.xml", "part.jp2", "part.jp2.aux.xml"]
    with rasterio.open(scene) as source, rasterio.open(folder / "part.jp2") as part:
        assert tuple(part.bounds) == (412500, 5321500, 412620, 5321600)
        window = source.window(*part.bounds)
        assert np.array_equal(part.read(), source.read([3, 1], window=window))
        assert part.crs == source.crs
        assert part.descriptions == ("Blue", "Red")


def test_parts_are_parts_of_the_whole(qgis, scene, folder, tmp_path):
    extent = "412500,412620,5321500,5321600 [EPSG:32633]"
    archive, lossy = tmp_path / "a.jp2", tmp_path / "l.jp2"
    subprocess.run([str(RSIC), "compress", scene, archive, "--model", "none", "-q"], check=True)
    rasterio.shutil.copy(scene, lossy, driver="JP2OpenJPEG", QUALITY="8", REVERSIBLE="NO")
    found = qgis.inside("parts", scene=scene, archive=archive, lossy=lossy, folder=folder, extent=extent)
    with rasterio.open(scene) as source:
        window = source.window(412500, 5321500, 412620, 5321600)
        with rasterio.open(folder / "part.tif") as part:
            assert np.array_equal(part.read(), source.read([3, 1], window=window))
            assert tuple(part.bounds) == (412500, 5321500, 412620, 5321600)
        with rasterio.open(folder / "level.tif") as small:
            assert (small.shape, small.res, small.bounds) == ((128, 160), (4, 4), source.bounds)
    with (
        rasterio.open(lossy) as before,
        rasterio.open(folder / "enhanced.tif") as after,
        rasterio.open(folder / "change.tif") as change,
    ):
        added = after.read(1).astype(int) - before.read(2, window=window)
        assert np.array_equal(change.read(1, masked=True).filled(0), added)
        assert 0 < np.abs(added).max() <= 3
    assert found["enhance"]["MODEL_NAME"] == "rsic-nano"
    assert (found["compare"]["MS_SSIM"], found["compare"]["GMSD"], found["compare"]["MEAN_ERROR"]) == (
        1,
        0,
        0,
    )
    assert "MS-SSIM" in (folder / "c.html").read_text(encoding="utf-8")
    assert "does not touch the scene" in found["outside"]
    assert found["left"] == ["c.html", "change.tif", "enhanced.tif", "level.tif", "part.tif"]


def test_a_codec_and_its_names_are_the_engines_own(qgis, scene, tmp_path):
    import fake_engine

    engine = fake_engine.install(tmp_path / "engine")
    folder = tmp_path / "out"
    folder.mkdir()
    found = replace(qgis, engine=str(engine)).inside("codecs", scene=scene, folder=folder)
    assert found["options"] == ["jp2", "strange", "strange:a", "strange:b"]
    assert found["extensions"] == ["jp2", "odd.tif", "odd"]
    assert found["accepted"] == [True, True, True, False]
    assert found["temporary"].endswith(".odd.tif")
    assert found["named"].endswith("x.odd")
    output, loaded = found["loaded"]
    assert output.endswith(".odd.tif")
    assert loaded == f"{output} fields_rgb_utm (archive)"
    assert "The name of an archive of this codec ends in .odd.tif." in found["wrong"]
    assert "strange is not lossless" in found["lossless"]
    assert found["folder"]["DONE"] == 1
    assert [Path(name).name for name in found["page"]] == ["page.odd.tif", "page.tif"]
    assert not found["page"][0].startswith("GTIFF_DIR")
    assert found["page"][1].startswith("GTIFF_DIR")
    archives = {name for name in found["left"] if name.endswith((".odd", ".odd.tif"))}
    assert archives == {"x.odd", "fields_rgb_utm.odd.tif", "page.odd.tif"}


def test_a_model_chains_two_algorithms(qgis, scene, folder):
    found = qgis.inside("model", scene=scene, folder=folder)
    assert found["fine"], found["log"]
    assert found["extension"] == "jp2"
    assert found["results"][found["names"]["Archive"]].endswith(".jp2")
    with rasterio.open(scene) as source, rasterio.open(folder / "back.tif") as back:
        assert np.array_equal(source.read(), back.read())
        assert (source.crs, source.nodatavals) == (back.crs, back.nodatavals)


def test_batch_mode_archives_every_row(qgis, scene, sample_data, folder):
    scenes = [scene, sample_data / "town_pan_gcps.tif"]
    found = qgis.inside("batch", scenes=[str(path) for path in scenes], folder=folder)
    for path, output in zip(scenes, found["outputs"], strict=True):
        with rasterio.open(path) as source, rasterio.open(output) as archive:
            assert np.array_equal(source.read(), archive.read())


def test_the_options_page_tests_and_keeps_the_engine(fresh_qgis):
    found = fresh_qgis.inside("options", engine=str(RSIC.parent.parent))
    assert "There is no /no/such/rsic" in found["bad"]
    assert "works" in found["good"]
    assert found["kept"] == [str(RSIC.parent.parent), "256", "A=1", "256"]
    assert found["default"] == "256"


def test_every_dialog_shows_itself_in_german(qgis):
    found = qgis.inside("dialogs")
    texts = {
        "compress": "Ziel", "decompress": "Archiv", "enhance": "Verlustbehaftetes Raster",
        "compare": "Referenz", "validate": "Archiv", "reencodefolder": "Ordner der Szenen",
        "checkengine": "Bericht", "options": "Programm",
    }  # fmt: skip
    assert found.keys() == texts.keys()
    for name, text in texts.items():
        assert min(found[name]["size"]) >= 300, name
        assert found[name]["colours"] > 15, name  # it is not blank
        assert any(word.startswith(text) for word in found[name]["words"]), name
