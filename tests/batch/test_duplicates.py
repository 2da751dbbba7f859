"""Scenes that hold the very same: coded once, the others links that are scenes of the archive like any."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from batch_support import options, run, write_scene, write_scenes

import rsic_geo
from rsic_geo.batch.status import status_of
from rsic_geo.cli.entry import main

LEDGER = "rsic-batch.gpkg"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def rows(folder: Path, columns: str) -> list[tuple]:
    with closing(sqlite3.connect(folder / LEDGER)) as connection:
        return connection.execute(f"SELECT {columns} FROM scenes ORDER BY source").fetchall()


@pytest.fixture
def scenes(tmp_path):
    first, second = write_scenes(tmp_path / "in", 2)
    for name in ("again.tif", "once-more.tif"):
        shutil.copy2(first, tmp_path / "in" / name)
    (tmp_path / "in" / "again.xml").write_text("<of>again</of>")
    # As many bytes, one of them another: no twin.
    content = bytearray(second.read_bytes())
    content[-5] ^= 1
    (tmp_path / "in" / "nearly.tif").write_bytes(content)
    return tmp_path / "in"


@pytest.mark.parametrize("how", ["hardlink", "symlink"])
def test_twins_share_a_product_and_stay_scenes_of_their_own(tmp_path, scenes, how):
    standing, _ = run(scenes, tmp_path / "out", duplicates=how)
    assert (standing.done, standing.failed, standing.skipped, standing.left) == (5, 0, 0, 0)
    products = {path.stem: path for path in (tmp_path / "out").rglob("*.jp2")}
    single = {path.resolve().stat().st_ino: path.stat().st_size for path in products.values()}
    assert standing.product_bytes == sum(single.values())  # links take nothing of their own
    assert standing.source_bytes == sum(path.stat().st_size for path in scenes.rglob("*.tif"))
    twins = [products["again"], products["once-more"], products["s00000"]]
    assert len({path.resolve().stat().st_ino for path in twins}) == 1
    assert len({path.resolve().stat().st_ino for path in products.values()}) == 3
    assert sum(path.is_symlink() for path in products.values()) == (2 if how == "symlink" else 0)
    assert (tmp_path / "out" / "again.xml").read_text() == "<of>again</of>"
    sources = [source for (source,) in rows(tmp_path / "out", "source")]
    for source, product in rows(tmp_path / "out", "source, product"):
        assert rsic_geo.compare(source, tmp_path / "out" / product).is_equal
    assert main(["batch", "verify", str(tmp_path / "out")]) == 0
    # What follows knows nothing of twins: a second run, a lost ledger, scenes back.
    standing, outcomes = run(scenes, tmp_path / "out", duplicates=how)
    assert (standing.done, outcomes) == (5, {})
    (tmp_path / "out" / LEDGER).unlink()
    assert main(["batch", "rebuild", str(tmp_path / "out")]) == 0
    assert [source for (source,) in rows(tmp_path / "out", "source")] == sources
    assert status_of(tmp_path / "out")["runs"][0]["product_bytes"] == sum(single.values())
    assert main(["batch", "restore", str(tmp_path / "out"), str(tmp_path / "back")]) == 0
    assert rsic_geo.compare(scenes / "again.tif", tmp_path / "back" / "again.tif").is_equal


def test_twins_of_a_scene_that_fails_are_left_out_until_it_is_mended(tmp_path):
    write_scene(tmp_path / "in" / "a.tif", seed=3)
    shutil.copy2(tmp_path / "in" / "a.tif", tmp_path / "in" / "b.tif")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jp2").write_bytes(b"another file")
    standing, _ = run(tmp_path / "in", tmp_path / "out", duplicates="hardlink")
    assert (standing.done, standing.failed, standing.skipped) == (0, 1, 1)
    assert "is not archived" in rows(tmp_path / "out", "error")[1][0]
    (tmp_path / "out" / "a.jp2").unlink()
    assert main(["batch", "retry", str(tmp_path / "out"), "-j0"]) == 0
    assert rows(tmp_path / "out", "state") == [("done",), ("done",)]


def test_a_link_never_takes_the_place_of_another_file(tmp_path, scenes):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "once-more.jp2").write_bytes(b"another file")
    standing, _ = run(scenes, tmp_path / "out", duplicates="hardlink")
    assert (standing.done, standing.skipped) == (4, 1)
    assert (tmp_path / "out" / "once-more.jp2").read_bytes() == b"another file"
    assert "move it away" in rows(tmp_path / "out", "error")[2][0]


def test_without_being_asked_every_scene_is_coded(tmp_path, scenes):
    run(scenes, tmp_path / "out", options())
    assert len({path.stat().st_ino for path in (tmp_path / "out").rglob("*.jp2")}) == 5


def test_a_twin_without_a_report_is_coded_and_many_of_one_size_are_told_apart(tmp_path):
    for seed in range(3):
        write_scene(tmp_path / "in" / f"s{seed}.tif", seed)  # all of one size
    for seed in range(3):
        shutil.copy2(tmp_path / "in" / f"s{seed}.tif", tmp_path / "in" / f"t{seed}.tif")
    run(tmp_path / "in", tmp_path / "out", duplicates="hardlink")
    assert len({path.stat().st_ino for path in (tmp_path / "out").glob("*.jp2")}) == 3
    # One more, when the report of its twin is gone: nothing could tell of it.
    shutil.copy2(tmp_path / "in" / "s1.tif", tmp_path / "in" / "u1.tif")
    (tmp_path / "out" / "rsic-batch-reports" / "s1.jp2.json").unlink()
    standing, _ = run(tmp_path / "in", tmp_path / "out", duplicates="hardlink")
    assert (standing.done, standing.left) == (7, 0)
    assert rsic_geo.compare(tmp_path / "in" / "u1.tif", tmp_path / "out" / "u1.jp2").is_equal
