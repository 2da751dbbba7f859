"""The ledger as a GeoPackage: for our coordinator, for other programs, and after a kill."""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from batch_support import run, write_scene, write_scenes
from pipeline_support import osgeo_gdal
from support import started

from rsic_geo.batch.coordinator import LEDGER_NAME, standing_of
from rsic_geo.batch.ledger.file import Ledger, RunRecord, now
from rsic_geo.batch.ledger.lock import LedgerLock
from rsic_geo.batch.status import status_of
from rsic_geo.errors import LedgerError, LedgerMismatchError
from rsic_geo.geo.footprint_blob import blob_bounds, blob_geojson, geopackage_blob
from rsic_geo.raster import open_scene
from rsic_geo.raster.place import on_earth, outline_on_earth


def record(**changes) -> RunRecord:
    values = {
        "name": "r", "folder": "/out", "template": "{stem}.jp2", "reports": "/reports", "options": "{}",
        "fingerprint": "f", "version": "1",
    }  # fmt: skip
    return RunRecord(**{**values, **changes})


@functools.cache
def square(west: float, south: float, size: float = 0.5) -> bytes:
    ring = [
        (west, south),
        (west + size, south),
        (west + size, south + size),
        (west, south + size),
        (west, south),
    ]
    blob = geopackage_blob({"type": "Polygon", "coordinates": [ring]})
    assert blob is not None
    return blob


def test_other_programs_read_it_with_footprints_in_the_right_place(tmp_path):
    gdal = osgeo_gdal()
    write_scenes(tmp_path / "in", 6)
    run(tmp_path / "in", tmp_path / "out")
    opened = gdal.OpenEx(str(tmp_path / "out" / LEDGER_NAME), gdal.OF_VECTOR)
    layer = opened.GetLayerByName("scenes")
    assert opened.GetDriver().ShortName == "GPKG"
    assert layer.GetSpatialRef().GetAuthorityCode(None) == "4326"
    assert layer.GetFeatureCount() == 6
    assert {opened.GetLayer(i).GetName() for i in range(opened.GetLayerCount())} >= {"scenes", "runs"}
    places = {0: (15, 50.5), 1: (-10.8, 34.5), 2: (140, -30)}
    extent = layer.GetExtent()
    for feature in layer:
        seed = int(Path(feature["source"]).stem[1:])
        west, east, south, north = feature.GetGeometryRef().GetEnvelope()
        lon, lat = places[seed % 3]
        assert abs(west - lon) < 0.3, feature["source"]
        assert abs(south - lat) < 0.3, feature["source"]
        assert feature["state"] == "done"
        assert extent[0] - 1e-9 <= west <= east <= extent[1] + 1e-9
        assert extent[2] - 1e-9 <= south <= north <= extent[3] + 1e-9


def test_footprints_follow_the_valid_pixels(tmp_path):
    import rasterio

    path = write_scene(tmp_path / "in" / "a.tif", 2, nodata=0)
    with rasterio.open(path, "r+") as scene:
        pixels = scene.read()
        pixels[:, :, :32] = 0
        scene.write(pixels)
    with Ledger(_ledger_of(tmp_path)) as ledger:
        (row,) = ledger.scenes("default")
    with open_scene(path) as reader:
        whole = blob_bounds(geopackage_blob(outline_on_earth(reader)))
    half = blob_bounds(row["geom"])
    assert half[0] == pytest.approx((whole[0] + whole[2]) / 2, abs=1e-9)
    assert half[1:] == pytest.approx(whole[1:], abs=1e-9)


def _ledger_of(folder: Path) -> Path:
    run(folder / "in", folder / "out")
    return folder / "out" / LEDGER_NAME


def test_qgis_finds_the_style(tmp_path):
    write_scenes(tmp_path / "in", 1)
    with sqlite3.connect(_ledger_of(tmp_path)) as database:
        style, is_default = database.execute("SELECT styleQML, useAsDefault FROM layer_styles").fetchone()
        tables = {row[0] for row in database.execute("SELECT table_name FROM gpkg_contents")}
        (journal,) = database.execute("PRAGMA journal_mode").fetchone()
    database.close()
    assert is_default
    assert all(f'value="{state}"' in style for state in ("pending", "running", "done", "failed", "skipped"))
    assert tables == {"scenes", "runs", "layer_styles"}
    assert journal == "delete"


@pytest.mark.parametrize("crs", ["EPSG:3031", "EPSG:32601", "EPSG:4326"])
def test_outlines_cross_the_antimeridian(crs):
    boxes = {
        "EPSG:3031": (-1e6, -1e6, 1e6, 1e6),
        "EPSG:32601": (1e5, 5e6, 9e5, 6e6),
        "EPSG:4326": (170, 0, 180, 5),
    }
    west, south, east, north = boxes[crs]
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    placed = on_earth({"type": "Polygon", "coordinates": [ring]}, crs)
    west, south, east, north = blob_bounds(geopackage_blob(placed))
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90


def test_a_run_goes_on_only_as_it_was_started(tmp_path):
    with Ledger(tmp_path / "l.gpkg", write=True) as ledger:
        ledger.start_run(record())
        ledger.start_run(record(version="2"))
        ledger.add([{"run": "r", "source": "/in/a", "product": "/out/a"}])
        with pytest.raises(LedgerMismatchError, match=r"folder /other \(was /out\)"):
            ledger.start_run(record(folder="/other"))
        ledger.start_run(record(name="s", folder="/other"))
        assert [one.name for one in ledger.runs()] == ["r", "s"]


def test_ten_thousand_scenes(tmp_path):
    path = tmp_path / "l.gpkg"
    with Ledger(path, write=True) as ledger:
        ledger.start_run(record())
        # time of the processor, which nobody else's work prolongs
        before = time.process_time()
        for chunk in range(0, 10_000, 200):
            ledger.add(
                {
                    "run": "r",
                    "source": f"/in/{i}",
                    "product": f"/out/{i}",
                    "width": 9,
                    "height": 9,
                    "geom": square(i % 359 - 180, 0),
                }
                for i in range(chunk, chunk + 200)
            )
        while scenes := ledger.pending("r", 2):
            for scene in scenes:
                assert ledger.find("r", scene["source"]) is not None
                ledger.mark_running(scene["fid"], "host:1")
                ledger.update(
                    scene["fid"], state="done", finished=now(), product_bytes=5, source_bytes=9, seconds=1.0
                )
        each = (time.process_time() - before) / 10_000
        assert each < 0.005
        before = time.process_time()
        status = status_of(path)["runs"][0]
        assert time.process_time() - before < 1.0
        assert (status["states"]["done"], status["product_bytes"]) == (10_000, 50_000)
        tracemalloc.start()
        assert sum(1 for _ in ledger.scenes("r", "done")) == 10_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * 2**20


def test_scenes_under_way_count_for_what_is_done_of_them(tmp_path):
    with Ledger(tmp_path / "l.gpkg", write=True) as ledger:
        ledger.start_run(record())
        sizes = ((100, 40, "done"), (100, 60, "running"), (50, 20, "pending"))
        ledger.add(
            {"run": "r", "source": f"{w}x{h}", "product": state, "width": w, "height": h, "state": state}
            for w, h, state in sizes
        )
        before, after = standing_of(ledger, "r", 8), standing_of(ledger, "r", 8, 2000, 4000)
    assert (before.pixels, before.all_pixels, before.eta_seconds) == (4000, 11000, 14)
    assert (after.pixels, after.all_pixels, after.eta_seconds) == (8000, 11000, 4)
    assert str(after) == "1 of 3 scenes, 0.0 MB saved, 0:00:04 left"
    assert "0.0 MB saved" in str(replace(after, source_bytes=0, product_bytes=40_000))
    assert "2.5 MB more" in str(replace(after, source_bytes=1e6, product_bytes=3.5e6))
    assert ", 8 of 11 Mpx, " in str(replace(after, pixels=8e6, all_pixels=11e6))


WRITER = """
import sys
from rsic_geo.batch.ledger.file import Ledger
with Ledger(sys.argv[1], write=True) as ledger:
    for i in range(10**9):
        ledger.add([{"run": "r", "source": f"/in/{i}", "product": f"/out/{i}"}])
        ledger.update(i + 1, state="done", error=str(i))
        print(i, flush=True)
"""


def test_a_killed_writer_leaves_every_finished_line(tmp_path):
    path = tmp_path / "l.gpkg"
    with started([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        told = [process.stdout.readline() for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        told += process.communicate()[0].splitlines()
    last = int([line for line in told if line.strip()][-1])
    with Ledger(path) as ledger:
        rows = list(ledger.scenes("r"))
    assert len(rows) >= last + 1
    assert all(row["error"] == str(i) for i, row in enumerate(rows[: last + 1]))
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    with Ledger(path, write=True) as ledger:
        ledger.add([{"run": "r", "source": "next", "product": "next"}])
    assert not path.with_name("l.gpkg-wal").exists()


def test_the_lock_goes_with_its_holder(tmp_path):
    lock = LedgerLock(tmp_path / "l.gpkg")
    code = (
        "import sys, time; from pathlib import Path; from rsic_geo.batch.ledger.lock import LedgerLock\n"
        "with LedgerLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "l.gpkg")]
    with started(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert lock.is_held()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert not lock.is_held()
    with lock:
        pass


def test_status_reads_while_a_run_writes(tmp_path):
    with Ledger(tmp_path / "l.gpkg", write=True) as ledger:
        ledger.start_run(record())
        ledger.add([{"run": "r", "source": "a", "product": "b"}])
        ledger.mark_running(1, "host:1")
        assert status_of(tmp_path / "l.gpkg")["runs"][0]["states"]["running"] == 1
        assert ledger.requeue("r") == 1
        assert status_of(tmp_path / "l.gpkg")["runs"][0]["states"]["pending"] == 1


def test_geometries_survive(tmp_path):
    geometry = blob_geojson(square(3, 4))
    assert geometry is not None
    assert geopackage_blob(geometry) == square(3, 4)
    assert geopackage_blob(None) is blob_geojson(None) is None


QGIS = """
import json, os, sys
from qgis.core import QgsApplication, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
layer = QgsVectorLayer(sys.argv[1] + "|layername=scenes", "scenes", "ogr")
renderer, box = layer.renderer(), layer.extent()
print(json.dumps({
    "valid": layer.isValid(), "crs": layer.crs().authid(), "renderer": renderer.type(),
    "states": [category.value() for category in renderer.categories()],
    "west": box.xMinimum(), "east": box.xMaximum(),
    "features": [
        [f["source"], f["state"], f.geometry().centroid().asPoint().x()] for f in layer.getFeatures()
    ],
}))
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.qgis
def test_qgis_shows_it_by_state(tmp_path):
    foreign = ("PYTHON", "PROJ_", "GDAL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment["QT_QPA_PLATFORM"] = "offscreen"
    found = subprocess.run(["/usr/bin/python3", "-c", "import qgis.core"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("there is no QGIS with the system's Python")
    write_scenes(tmp_path / "in", 3)
    ledger = _ledger_of(tmp_path)
    words = ["/usr/bin/python3", "-c", QGIS, str(ledger)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    seen = json.loads(done.stdout.splitlines()[-1])
    assert (seen["valid"], seen["crs"], seen["renderer"]) == (True, "EPSG:4326", "categorizedSymbol")
    assert seen["states"] == ["pending", "running", "done", "failed", "skipped"]
    assert [state for _, state, _ in seen["features"]] == ["done"] * 3
    for source, _, lon in seen["features"]:
        assert abs(lon - {0: 15, 1: -10.8, 2: 140}[int(Path(source).stem[1:]) % 3]) < 0.3
    assert seen["west"] < 0 < seen["east"]


def test_a_ledger_of_an_older_rsic_is_refused_in_words_until_a_run_brings_it_up_to_date(tmp_path):
    write_scenes(tmp_path / "in", 2)
    run(tmp_path / "in", tmp_path / "out")
    path = tmp_path / "out" / LEDGER_NAME
    with sqlite3.connect(path) as connection:
        for column in ("meaning", "snr", "codec_sha256"):
            connection.execute(f"ALTER TABLE scenes DROP COLUMN {column}")
    with pytest.raises(LedgerError, match="older rsic: `rsic batch run`"):
        Ledger(path)
    write_scenes(tmp_path / "in", 3)
    run(tmp_path / "in", tmp_path / "out")
    with Ledger(path) as ledger:
        found = list(ledger.scenes(ledger.runs()[0].name))
    assert [scene["state"] for scene in found] == ["done"] * 3
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN fingerprint")
    with pytest.raises(LedgerError, match="laid it out otherwise"):
        run(tmp_path / "in", tmp_path / "out")


def test_a_footprint_that_others_broke_keeps_no_ledger_open(tmp_path):
    run_folder = tmp_path / "out"
    write_scenes(tmp_path / "in", 1)
    run(tmp_path / "in", run_folder)
    path = run_folder / "rsic-batch.gpkg"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE scenes SET geom = x'4750'")
    Ledger(path, write=True).close()
    assert not path.with_name(path.name + "-wal").exists()
    assert path.read_bytes()[18:20] == b"\x01\x01"  # one plain file again, no write-ahead log
