"""The plugin in a window: its entries of menus, and archives shown repaired without a file."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile

import fake_engine
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


@pytest.fixture
def noisy(tmp_path):
    """Return a scene of 16 bits: a slope, edges, and noise with a standard deviation of 20."""
    rows, columns = np.mgrid[:300, :400]
    plain = 3000 + 4 * rows + 7 * columns + 900 * (columns // 50 % 2)
    noise = np.random.default_rng(5).normal(0, 20, (2, 300, 400))
    path = tmp_path / "noisy.tif"
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    with rasterio.open(
        path, "w", driver="GTiff", width=400, height=300, count=2, dtype="uint16", **place
    ) as file:
        file.write((plain + noise).astype(np.uint16))
    return path


def test_the_dialog_of_compress_fits_target_and_scene(qgis, noisy):
    found = qgis.inside("compress_dialog", scene=noisy)
    assert found["kind"] == "CompressDialog"
    assert found["first"] == ["lossless", None, False, "Value of the target", "as set below"]
    presets = found["presets"]
    assert [*presets] == ["Lossless", "Visually the same", "Half the size", "Science: error below noise"]
    assert presets["Visually the same"][:3] == ["psnr", 45, True]
    half = 2 * 400 * 300 * 2 * 2 / noisy.stat().st_size
    assert presets["Half the size"][:2] == ["ratio", pytest.approx(half, abs=0.01)]
    kind, value, *_ = presets["Science: error below noise"]
    assert kind == "max-error"
    assert 17 <= value <= 21
    targets = found["targets"]
    assert targets["snr"][1:4] == [30, True, "Value of the target (dB)"]
    assert targets["bpppb"][1:4] == [0.8, True, "Value of the target (bits per sample)"]
    assert targets["max-rel-error"][1:4] == [1, True, "Value of the target (percent of each sample)"]
    assert targets["bpp"][1] == 1.6
    assert targets["lossless"] == found["first"]
    assert re.fullmatch(r"Expect about \d[\d.]* kB, .+\. The file has 48\d kB\.", found["expected"])
    picture = found["picture"]
    assert min(picture["size"]) >= 400
    assert picture["colours"] > 20
    assert {"What matters", "Scene", found["expected"]} <= set(picture["words"])


def test_a_folder_run_loads_its_ledger_with_failures_selected(qgis, sample_data, tmp_path):
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    (scenes / "good.tif").write_bytes((sample_data / "fields_rgb_utm.tif").read_bytes())
    (scenes / "broken.tif").write_bytes(b"II*\0 no raster")
    found = qgis.inside("folder_run", scenes=scenes, folder=tmp_path / "archive")
    assert found["fine"]
    assert found["failed"] == 1
    assert found["name"] == "Scenes of archive"
    assert found["style"] == "categorizedSymbol"
    assert found["selected"] == ["broken.tif"]
    said = "1 of 2 scenes have no archive: they are selected in the layer Scenes of archive."
    assert found["bar"] == said
    assert said in found["lines"]
    assert "1 of 2 scenes failed; the table and the ledger say why." in found["lines"]


def test_the_time_left_is_said_now_and_then(qgis):
    # the seconds are those after the start at which the monitor looks at the clock
    found = qgis.inside("left", fractions=[0.01, 0.1, 0.25, 0.26, 0.5], seconds=[11, 12, 60, 61, 600])
    assert found == [
        "encoding",
        "encoding: about 2 min left",
        "encoding: about 3 min left",
        "encoding: about 10 min left",
    ]


def test_differences_are_amplified_as_far_as_their_scale_says(qgis, tmp_path):
    paths = tmp_path / "a.tif", tmp_path / "b.tif"
    pixels = np.tile(np.arange(0, 250, dtype=np.uint8), (100, 1))
    for path, more in zip(paths, (0, 5), strict=True):
        with rasterio.open(path, "w", driver="GTiff", width=250, height=100, count=1, dtype="uint8") as file:
            file.write(pixels + np.uint8(more), 1)
    found = qgis.inside("differences", first=paths[0], second=paths[1], folder=tmp_path)
    (width, height, lightest) = next(v for k, v in found.items() if k.startswith("Difference, whole"))
    assert 128 <= lightest <= 255
    assert (width, height) == (340, 136 + 14)
    (caption,) = [k for k in found if k.startswith("Difference, whole")]
    share = float(re.search(r"white ([\d.]+) %", caption)[1]) / 100
    assert 4.9 <= lightest * share <= 6.1  # the stretch cuts a little of the range, and rounds


@pytest.fixture
def wheel(tmp_path):
    """Return a wheel of a package that answers as an engine does, and needs nothing else."""
    path = tmp_path / "rsic_geo-0.1.0-py3-none-any.whl"
    about = "rsic_geo-0.1.0.dist-info"
    files = {
        "rsic_geo/__init__.py": "",
        "rsic_geo/__main__.py": f"print({json.dumps(json.dumps(fake_engine.CAPABILITIES))})",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: rsic-geo\nVersion: 0.1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_the_engine_is_installed_when_asked_and_nothing_is_left_when_that_fails(fresh_qgis, wheel):
    found = fresh_qgis.inside("install", package=wheel)
    assert "The rsic engine was not found" in found["problem"]
    assert found["welcome"] == "The program that does the work is not installed yet."
    text, folders, log = found["failed"]
    assert text == "The engine was not installed: see the lines above, and try again."
    assert folders == []
    assert "missing.whl" in log
    assert found["cancelled"] == ["Cancelled: nothing was installed.", [], [], True]
    text, folders, problem, is_chosen = found["whole"]
    assert text == "rsic 0.1.0 is installed and chosen in Settings > Options > RSIC."
    assert folders == ["engine-1"]
    assert problem == ""
    assert is_chosen
    assert found["closed"]
    assert found["second start"]
    picture = found["picture"]
    assert picture["size"] == [640, 420]
    assert picture["colours"] > 20
    assert {"Install", "Close"} <= set(picture["words"])
