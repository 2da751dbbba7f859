"""qgis_process, from a fresh profile, on real scenes: the results are the command line's own."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from real import RSIC
from support import SCENES

pytestmark = pytest.mark.qgis

REAL_SCENES = ("rasterio_RGB.byte.tif", "landsat8_B8_pan_uint16.tif")


def _rsic(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(RSIC), *map(str, words)], capture_output=True, text=True, check=False)


def _scene(name: str, sample_data: Path) -> Path:
    """Return a copy of a real scene, or one of ours where the real ones are not on this machine."""
    if not (SCENES / name).exists():
        return sample_data / "fields_rgb_utm.tif"
    for path in (SCENES / name, SCENES / f"{name}.aux.xml"):
        if path.exists():
            shutil.copyfile(path, sample_data / path.name)
    return sample_data / name


@pytest.mark.parametrize("name", REAL_SCENES)
def test_from_a_fresh_profile_there_and_back_as_the_command_line_does(
    fresh_qgis, tmp_path, sample_data, name
):
    scene = _scene(name, sample_data)
    assert "rsic:compress" not in fresh_qgis.process("list").stdout
    assert fresh_qgis.process("plugins", "enable", "rsic_geo_qgis").exit_code == 0
    assert "rsic:compress" in fresh_qgis.process("list").stdout
    folder = tmp_path / "mit Leerzeichen & ümläut"
    folder.mkdir()
    target = {"TARGET": "psnr", "TARGET_VALUE": 38, "MODEL": "none"}
    archive = fresh_qgis.algorithm("rsic:compress", INPUT=scene, OUTPUT=folder / "a.jp2", **target)
    back = fresh_qgis.algorithm("rsic:decompress", INPUT=folder / "a.jp2", OUTPUT=folder / "b.tif")
    done = _rsic("compress", scene, folder / "c.jp2", "--target", "psnr=38", "--model", "none", "--json")
    assert done.returncode == 0, done.stderr
    assert _rsic("decompress", folder / "c.jp2", folder / "d.tif").returncode == 0
    report = json.loads(done.stdout)
    assert archive["OUTPUT"] == str(folder / "a.jp2")
    assert archive["PSNR"] == pytest.approx(report["psnr"])
    assert archive["RATIO"] == pytest.approx(report["ratio"], rel=1e-3)
    assert back["OUTPUT"] == str(folder / "b.tif")
    with (
        rasterio.open(scene) as source,
        rasterio.open(folder / "b.tif") as ours,
        rasterio.open(folder / "d.tif") as theirs,
    ):
        assert np.array_equal(ours.read(), theirs.read())
        for one in (source, theirs):
            assert ours.crs == one.crs
            assert ours.transform == one.transform
            assert ours.nodatavals == one.nodatavals
            assert ours.descriptions == one.descriptions
            assert ours.tags() == one.tags() or one is source


def test_names_of_the_folder_one_stands_in_are_files_of_that_folder(qgis, tmp_path, sample_data):
    shutil.copy(sample_data / "town_pan_gcps.tif", tmp_path / "s.tif")
    for name, *words in (
        ("compress", "INPUT=s.tif", "OUTPUT=a.jp2", "REPORT=a.json", "MODEL=none"),
        ("decompress", "INPUT=a.jp2", "OUTPUT=b.tif", "REPORT=b.json"),
        ("compare", "REFERENCE=s.tif", "INPUT=b.tif", "REPORT=c.html"),
        ("validate", "INPUT=a.jp2", "REPORT=d.html"),
    ):
        done = qgis.process("run", f"rsic:{name}", "--", *words, cwd=tmp_path)
        assert done.exit_code == 0, done.stderr
    written = {"a.jp2", "a.json", "b.tif", "b.json", "c.html", "d.html"}
    assert written <= {path.name for path in tmp_path.iterdir()}
    assert not written & {path.name for path in RSIC.parent.iterdir()}
    with rasterio.open(tmp_path / "s.tif") as source, rasterio.open(tmp_path / "b.tif") as back:
        assert np.array_equal(source.read(), back.read())


def test_lossless_is_lossless(qgis, tmp_path, sample_data):
    scene = sample_data / "coast_4band_rotated.tif"
    qgis.algorithm("rsic:compress", INPUT=scene, OUTPUT=tmp_path / "a.jp2")
    qgis.algorithm("rsic:decompress", INPUT=tmp_path / "a.jp2", OUTPUT=tmp_path / "b.tif")
    found = qgis.algorithm(
        "rsic:compare", REFERENCE=scene, INPUT=tmp_path / "b.tif", REPORT=tmp_path / "c.html"
    )
    assert found["AGREE"] is True
    assert (found["DIFFERENCES"], found["DIFFERENT_SAMPLES"], found["PSNR"]) == (0, 0, None)
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "Every pixel and every piece of metadata is equal." in page
    assert page.count("data:image/png;base64,") == 6


def test_a_damaged_archive_is_a_result(qgis, tmp_path, sample_data):
    qgis.algorithm("rsic:compress", INPUT=sample_data / "town_pan_gcps.tif", OUTPUT=tmp_path / "a.jp2")
    found = qgis.algorithm("rsic:validate", INPUT=tmp_path / "a.jp2", REPORT=tmp_path / "r.html")
    assert (found["VALID"], found["PROBLEMS"]) == (True, 0)
    data = bytearray((tmp_path / "a.jp2").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    (tmp_path / "a.jp2").write_bytes(data)
    found = qgis.algorithm("rsic:validate", INPUT=tmp_path / "a.jp2", REPORT=tmp_path / "r.html")
    assert found["VALID"] is False
    assert found["PROBLEMS"] > 0
    assert "damaged" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_folder_is_archived_and_resumed(qgis, tmp_path, sample_data):
    scenes = tmp_path / "Bilder ä"
    (scenes / "sub").mkdir(parents=True)
    (scenes / "a.tif").write_bytes((sample_data / "fields_rgb_utm.tif").read_bytes())
    (scenes / "sub" / "b.tif").write_bytes((sample_data / "town_pan_gcps.tif").read_bytes())
    (scenes / "broken.tif").write_bytes(b"II*\0 no raster")
    parameters = {
        "FOLDER": scenes,
        "OUTPUT_FOLDER": tmp_path / "out",
        "MODEL": "none",
        "SUMMARY": tmp_path / "s.csv",
    }
    found = qgis.algorithm("rsic:reencodefolder", **parameters)
    assert (found["DONE"], found["SKIPPED"], found["FAILED"]) == (2, 0, 1)
    assert found["RATIO"] > 0.5
    assert (tmp_path / "out" / "sub" / "b.jp2").exists()
    layer = qgis.inside("ledger", path=found["LEDGER"])
    assert layer["valid"]
    assert layer["states"] == ["done", "done", "failed"]
    assert any(abs(x - 13.827) < 0.01 and abs(y - 48.041) < 0.01 for x, y in layer["centres"])
    found = qgis.algorithm("rsic:reencodefolder", **parameters)
    assert (found["DONE"], found["SKIPPED"], found["FAILED"]) == (0, 2, 1)
    assert (tmp_path / "s.csv").read_text(encoding="utf-8").count("skipped") == 2


def test_without_an_engine_the_provider_loads_and_says_what_to_do(qgis, tmp_path, sample_data):
    from dataclasses import replace

    lonely = replace(qgis, engine=str(tmp_path / "no rsic"))
    assert "rsic:compress" in lonely.process("list").stdout
    assert lonely.process("help", "rsic:compress").exit_code == 0
    scene = f"INPUT={sample_data / 'fields_rgb_utm.tif'}"
    done = lonely.process("run", "rsic:compress", "--", scene, f"OUTPUT={tmp_path / 'a.jp2'}")
    assert done.exit_code == 1
    assert "There is no " in done.stderr + done.stdout
    assert "Settings > Options > RSIC" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "a.jp2").exists()


def test_an_engine_of_another_kind_is_refused(qgis, tmp_path, sample_data):
    from dataclasses import replace

    import fake_engine

    program = fake_engine.install(tmp_path)
    old = {**fake_engine.CAPABILITIES, "rsic_version": "0.0.1"}
    program.with_suffix(".capabilities").write_text(json.dumps(old))
    scene = f"INPUT={sample_data / 'fields_rgb_utm.tif'}"
    other = replace(qgis, engine=str(program))
    done = other.process("run", "rsic:compress", "--", scene, f"OUTPUT={tmp_path / 'a.jp2'}")
    assert done.exit_code == 1
    assert "update the engine" in done.stderr + done.stdout


def test_an_error_of_the_engine_is_one_sentence(qgis, tmp_path, sample_data):
    scene = sample_data / "fields_rgb_utm.tif"
    done = qgis.process("run", "rsic:enhance", "--", f"INPUT={scene}", f"OUTPUT={tmp_path / 'a.tif'}")
    assert done.exit_code == 1
    assert "stored losslessly" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("*.tif")) == []


def test_the_engine_is_checked(qgis, tmp_path):
    found = qgis.algorithm("rsic:checkengine", REPORT=tmp_path / "r.html")
    assert found["HEALTHY"] is True
    assert found["VERSION"]
    assert "The engine works." in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_scene_of_floats_becomes_a_cog_that_is_shown_as_it_is(qgis, tmp_path):
    heights = np.add.outer(np.arange(300), np.arange(200)).astype("float32") / 7
    with rasterio.open(
        tmp_path / "dem.tif", "w", driver="GTiff", width=200, height=300, count=1, dtype="float32",
        crs="EPSG:32633", transform=rasterio.transform.from_origin(5e5, 5.6e6, 2, 2),
    ) as target:  # fmt: skip
        target.write(heights, 1)
    named = qgis.algorithm("rsic:compress", INPUT=tmp_path / "dem.tif", OUTPUT=tmp_path / "a.cog.tif")
    assert named["OUTPUT"] == str(tmp_path / "a.cog.tif")
    temporary = qgis.algorithm("rsic:compress", INPUT=tmp_path / "dem.tif", OUTPUT="TEMPORARY_OUTPUT")
    assert temporary["OUTPUT"].endswith(".cog.tif")
    back = qgis.algorithm("rsic:decompress", INPUT=named["OUTPUT"], OUTPUT=tmp_path / "b.tif")
    for path in (named["OUTPUT"], back["OUTPUT"]):
        with rasterio.open(path) as scene:
            assert np.array_equal(scene.read(1), heights)
    assert _rsic("validate", named["OUTPUT"]).returncode == 0
