"""A damaged source in a batch: failed in words of its own, or archived with a note in ledger and report."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from batch_support import write_scene
from damage_support import damaged, write

from rsic_geo.cli.entry import main
from rsic_geo.errors import DamagedSceneError, SceneError
from rsic_geo.geo.window import Window
from rsic_geo.raster import open_scene

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def scenes(tmp_path):
    folder = tmp_path / "in"
    write_scene(folder / "sound.tif")
    good = write(tmp_path, "jpeg.tif").read_bytes()
    path = folder / "warns.tif"
    for seed in range(1, 2000, 10):
        path.write_bytes(damaged(good, seed))
        try:
            with open_scene(path) as reader:
                reader.read(Window.full(reader.profile.height, reader.profile.width))
        except DamagedSceneError:
            return folder
        except SceneError:
            continue
    raise AssertionError("no damage of these makes libjpeg warn")


def _rows(out):
    with sqlite3.connect(next(out.glob("*.gpkg"))) as ledger:
        ledger.row_factory = sqlite3.Row
        return {row["source"].rpartition("/")[2]: dict(row) for row in ledger.execute("SELECT * FROM scenes")}


def _run(*words):
    return main(["batch", "run", *map(str, words), "--model", "none", "--jobs", "0", "--progress", "none"])


def test_fails_as_damaged_and_the_others_are_done(scenes, tmp_path):
    code = _run(scenes, tmp_path / "out")
    rows = _rows(tmp_path / "out")
    assert code == 3
    assert rows["sound.tif"]["state"] == "done"
    assert (rows["warns.tif"]["state"], rows["warns.tif"]["error_kind"]) == ("failed", "damaged")
    assert "Corrupt JPEG data" in rows["warns.tif"]["error"]
    assert not list((tmp_path / "out").rglob("warns*.jp2"))


def test_a_program_is_told_what_kind_of_failure_it_was(scenes, tmp_path, capsys):
    words = ["batch", "run", str(scenes), str(tmp_path / "out"), "--model", "none", "--jobs", "0"]
    assert main([*words, "--progress", "json"]) == 3
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    kinds = {Path(e["source"]).name: e["error_kind"] for e in events if e["event"] == "scene"}
    assert kinds == {"sound.tif": None, "warns.tif": "damaged"}


def test_is_done_with_a_note_where_that_is_accepted(scenes, tmp_path):
    code = _run(scenes, tmp_path / "out", "--accept-damaged")
    rows = _rows(tmp_path / "out")
    assert code == 0
    assert "Corrupt JPEG data" in rows["warns.tif"]["warnings"]
    assert rows["sound.tif"]["warnings"] is None
    receipt = json.loads((tmp_path / "out" / rows["warns.tif"]["report"]).read_text())
    assert "Corrupt JPEG data" in receipt["report"]["source_damage"][0]
