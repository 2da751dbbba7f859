"""Batches under pressure: permissions, jumping clocks, sources that go, runs side by side, little memory."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import mortal
import psutil
import pytest
from batch_support import RSIC, products, rsic, run, write_scene, write_scenes
from pipeline_support import painted
from pipeline_support import write_scene as write_rgb
from support import started

from rsic_geo.batch import coordinator, scene
from rsic_geo.batch.coordinator import LEDGER_NAME, WORKSHOP
from rsic_geo.batch.ledger import file
from rsic_geo.batch.ledger.file import Ledger
from rsic_geo.batch.status import status_of
from rsic_geo.errors import LedgerBusyError
from rsic_geo.verbs import compress

QUICK = ("--model", "none", "--jobs", "0", "--threads", "1")


def rows(out):
    with Ledger(out / LEDGER_NAME) as opened:
        return {os.path.basename(row["source"]): dict(row) for row in opened.scenes("default")}


def unprivileged(*words: object) -> subprocess.CompletedProcess[str]:
    """Run ``rsic`` so that permissions hold, also where the tests run as root."""
    before = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root cannot lay down its rights here")
        before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
    return subprocess.run([*before, *RSIC, *map(str, words)], capture_output=True, text=True, check=False)


def test_a_source_that_may_not_be_read_fails_alone(tmp_path):
    paths = write_scenes(tmp_path / "in", 3)
    paths[0].chmod(0)
    done = unprivileged("batch", "run", tmp_path / "in", tmp_path / "out", *QUICK)
    assert done.returncode == 3, done.stderr
    assert "2 scenes done and verified, 1 failed" in done.stdout
    assert "Permission denied" in rows(tmp_path / "out")["s00000.tif"]["error"]
    paths[0].chmod(0o644)
    assert rsic("batch", "retry", tmp_path / "out", "--jobs", "0").returncode == 0
    assert len(products(tmp_path / "out")) == 3


def test_an_output_that_may_not_be_written_is_one_line(tmp_path):
    write_scenes(tmp_path / "in", 1)
    (tmp_path / "out").mkdir(mode=0o555)
    done = unprivileged("batch", "run", tmp_path / "in", tmp_path / "out", *QUICK)
    assert done.returncode == 1
    assert done.stderr.startswith("rsic: error: cannot write")
    assert "Permission denied" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_a_part_of_the_output_that_may_not_be_written_fails_its_scenes_alone(tmp_path):
    write_scenes(tmp_path / "in", 2)
    (tmp_path / "out" / "part1").mkdir(parents=True)
    (tmp_path / "out" / "part1").chmod(0o555)
    done = unprivileged("batch", "run", tmp_path / "in", tmp_path / "out", *QUICK)
    (tmp_path / "out" / "part1").chmod(0o755)
    assert done.returncode == 3, done.stderr
    assert list(products(tmp_path / "out")) == ["part0/s00000.jp2"]
    assert rsic("batch", "retry", tmp_path / "out", "--jobs", "0").returncode == 0
    assert len(products(tmp_path / "out")) == 2


def test_an_output_that_becomes_read_only_stops_the_run(tmp_path, monkeypatch):
    """Work on a file system of its own, if this process may mount one."""
    write_scenes(tmp_path / "in", 3)
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this process may not mount a file system")
    real = compress.compress

    def frozen(src, dst, wanted, progress, bands):
        if src.endswith("s00002.tif"):
            raise OSError(30, "Read-only file system")
        return real(src, dst, wanted, progress, bands)

    try:
        assert run(tmp_path / "in" / "part1", place / "first")[0].done == 1
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        done = rsic("batch", "run", tmp_path / "in", place / "first", *QUICK)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "Read-only file system" in done.stderr
        assert status_of(place / "first")["runs"][0]["states"]["done"] == 1
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        monkeypatch.setattr(scene.compress, "compress", frozen)
        with pytest.raises(Exception, match="Read-only file system; run again when that is mended"):
            run(tmp_path / "in", place / "second")
        states = status_of(place / "second")["runs"][0]["states"]
        assert (states["done"], states["failed"], states["pending"]) == (1, 0, 2)
        monkeypatch.undo()
        assert run(tmp_path / "in", place / "second")[0].done == 3
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_clocks_decide_nothing(tmp_path, monkeypatch):
    paths = write_scenes(tmp_path / "in", 4)
    generator = random.Random(1)
    years = 60 * 60 * 24 * 365

    def jumping() -> float:
        return generator.uniform(-40 * years, 60 * years) + 50 * years

    def now() -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(jumping()))

    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(time, "time_ns", lambda: int(jumping() * 1e9))
    for module in (file, coordinator):
        monkeypatch.setattr(module, "now", now)
    for path, moment in zip(paths, (0, 10**9, 4 * 10**9, 5), strict=True):
        os.utime(path, (moment, moment))
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.done, len(outcomes)) == (4, 4)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.done, outcomes) == (4, {})


@pytest.mark.parametrize("how", ["gone", "cut short"])
def test_a_source_that_goes_while_it_is_read_fails(tmp_path, monkeypatch, how):
    paths = write_scenes(tmp_path / "in", 2)
    content = paths[0].read_bytes()
    real = compress.compress

    def disturbed(src, dst, wanted, progress, bands):
        if src == str(paths[0]):
            if how == "gone":
                paths[0].unlink()
            else:
                os.truncate(paths[0], len(content) // 2)
        return real(src, dst, wanted, progress, bands)

    monkeypatch.setattr(scene.compress, "compress", disturbed)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.done, standing.failed) == (1, 1)
    assert outcomes["s00000.tif"].state == "failed"
    assert list(products(tmp_path / "out")) == ["part1/s00001.jp2"]
    monkeypatch.undo()
    paths[0].write_bytes(content)
    assert rsic("batch", "retry", tmp_path / "out", "--jobs", "0").returncode == 0
    assert len(products(tmp_path / "out")) == 2


def _has_parts(workshop: Path) -> bool:
    try:
        return any(workshop.glob("*/*"))
    except FileNotFoundError:  # a folder went while it was listed
        return False


def test_a_second_run_at_the_same_time_is_refused_and_harms_nothing(tmp_path):
    write_scenes(tmp_path / "in", 12)
    words = ["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), *QUICK, "-q"]
    hold = tmp_path / "deaths" / "encoding.2.hold"
    with started([*mortal.MORTAL, *words], env=mortal.plan(hold.parent, [hold.name])) as first:
        while not _has_parts(tmp_path / "out" / WORKSHOP):
            assert first.poll() is None
            time.sleep(0.01)
        second = subprocess.run([*RSIC, *words], capture_output=True, text=True, check=False)
        hold.unlink()
        assert second.returncode == LedgerBusyError.exit_code
        assert f"another run is at work on this ledger (process {first.pid}" in second.stderr
        assert second.stderr.count("\n") == 1
        assert first.wait(600) == 0
    assert len(products(tmp_path / "out")) == 12


def test_runs_of_two_ledgers_in_one_folder_keep_apart(tmp_path, monkeypatch):
    write_scenes(tmp_path / "a", 1)
    write_scene(tmp_path / "b" / "other.tif", 5)
    real, inner = compress.compress, []

    def meanwhile(src, dst, wanted, progress, bands):
        if not inner:
            inner.append(None)
            inner.append(run(tmp_path / "b", tmp_path / "out", ledger=str(tmp_path / "b.gpkg"))[0])
        return real(src, dst, wanted, progress, bands)

    monkeypatch.setattr(scene.compress, "compress", meanwhile)
    standing, _ = run(tmp_path / "a", tmp_path / "out")
    assert (standing.done, inner[1].done) == (1, 1)
    assert sorted(products(tmp_path / "out")) == ["other.jp2", "part0/s00000.jp2"]


def test_a_stac_item_collection_is_archived(tmp_path):
    paths = write_scenes(tmp_path / "in", 2)
    items = [
        {
            "type": "Feature",
            "id": f"item{i}",
            "assets": {"data": {"href": os.path.relpath(path, tmp_path), "roles": ["data"]}},
        }
        for i, path in enumerate(paths)
    ]
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    done = rsic("batch", "run", tmp_path / "items.json", tmp_path / "out", *QUICK)
    assert done.returncode == 0, done.stderr
    assert sorted(products(tmp_path / "out")) == ["item0/s00000.jp2", "item1/s00001.jp2"]


def test_a_run_leaves_its_page_however_it_ends(tmp_path):
    write_scenes(tmp_path / "in", 2)
    (tmp_path / "in" / "float.tif").write_text("no raster")
    page = tmp_path / "out" / "rsic-batch-reports" / "default.html"
    assert run(tmp_path / "in", tmp_path / "out")[0].failed == 1
    assert "Failed: 1" in page.read_text()
    os.remove(tmp_path / "in" / "float.tif")
    write_scene(tmp_path / "in" / "float.tif")
    assert rsic("batch", "retry", tmp_path / "out", "--jobs", "0").returncode == 0
    assert "Failed: 0" in page.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "budget"), [(4, 900)])
def test_all_jobs_together_stay_below_the_memory_asked_for(tmp_path, jobs, budget):
    (tmp_path / "in").mkdir()
    for i in range(4):
        write_rgb(tmp_path / "in" / f"s{i}.tif", painted((3, 1400, 1400), seed=i), tiled=True)
    words = [str(tmp_path / "in"), str(tmp_path / "out"), "--model", "none", "--target", "psnr=38"]
    words += ["--jobs", str(jobs), "--memory", str(budget)]
    most = 0.0
    with started([*RSIC, "batch", "run", *words]) as process:
        while process.poll() is None:
            most = max(most, _resident_mib(process.pid))
            time.sleep(0.05)
    assert process.returncode == 0
    assert budget / 8 < most < budget


def _resident_mib(pid: int) -> float:
    """Return the memory of a process and its children; what they share counts for each that has it."""
    total = 0
    try:
        ours = psutil.Process(pid)
        for process in (ours, *ours.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.Error:
        pass
    return total / 2**20
