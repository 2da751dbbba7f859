"""Re-encoding a folder: mirrored, resumed, nothing overwritten, one failure stops no other."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from qgis_plugin.engine import folder
from qgis_plugin.engine.command import Compression, Execution
from qgis_plugin.engine.errors import EngineCancelledError, EngineError
from qgis_plugin.engine.folder import FolderJob, plan, reencode_folder
from qgis_plugin.engine.session import Monitor


def _job(tmp_path: Path, **changes) -> FolderJob:
    entries = {
        "source": tmp_path / "in",
        "output": tmp_path / "out",
        "patterns": ("*.tif", "*.img"),
        "compression": Compression(),
        "execution": Execution(),
        "extension": ".jp2",
    }
    return FolderJob(**{**entries, **changes})


def _scenes(tmp_path: Path, *names: str) -> None:
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 10)


def _states(summary) -> dict[str, str]:
    return {Path(row.source).name: row.state for row in summary.rows}


def test_the_output_mirrors_the_input_and_names_never_clash(tmp_path):
    _scenes(tmp_path, "a.tif", "A.img", "sub/ü b.TIF", "note.txt", ".hidden.tif")
    outputs = [output.relative_to(tmp_path / "out") for _, output in plan(_job(tmp_path))]
    assert sorted(map(str, outputs)) == ["A.img.jp2", "a.tif.jp2", "sub/ü b.jp2"]
    assert len(plan(_job(tmp_path, is_recursive=False))) == 2


def test_an_output_folder_inside_the_input_is_no_input(tmp_path):
    _scenes(tmp_path, "a.tif", "out/b.tif")
    assert len(plan(_job(tmp_path, output=tmp_path / "in" / "out"))) == 1
    with pytest.raises(EngineError, match="are the same"):
        plan(_job(tmp_path, output=tmp_path / "in"))
    with pytest.raises(EngineError, match="There is no folder"):
        plan(_job(tmp_path, source=tmp_path / "nothing"))


def test_a_scene_that_fails_stops_no_other(session, tmp_path):
    _scenes(tmp_path, "a.tif", "refused.tif", "z.tif")
    summary = reencode_folder(session, _job(tmp_path), Monitor())
    assert _states(summary) == {"a.tif": "done", "refused.tif": "failed", "z.tif": "done"}
    assert summary.ratio == 2.0
    assert "float scenes" in summary.rows[1].message
    summary.write_csv(tmp_path / "s.csv")
    with open(tmp_path / "s.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["done", "failed", "done"]
    assert rows[0]["psnr"] == ""


def test_running_again_does_only_what_is_left(session, tmp_path):
    _scenes(tmp_path, "a.tif", "b.tif", "refused.tif")
    reencode_folder(session, _job(tmp_path), Monitor())
    before = (tmp_path / "out" / "a.jp2").stat().st_mtime_ns
    _scenes(tmp_path, "c.tif")
    summary = reencode_folder(session, _job(tmp_path), Monitor())
    assert _states(summary) == {
        "a.tif": "skipped",
        "b.tif": "skipped",
        "c.tif": "done",
        "refused.tif": "failed",
    }
    assert (tmp_path / "out" / "a.jp2").stat().st_mtime_ns == before
    assert summary.count("done") == 1


def test_nothing_is_overwritten(session, tmp_path):
    _scenes(tmp_path, "a.tif", "b.tif", "c.tif")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jp2").write_bytes(b"another archive")
    assert _states(reencode_folder(session, _job(tmp_path), Monitor()))["a.tif"] == "exists"
    assert (tmp_path / "out" / "a.jp2").read_bytes() == b"another archive"
    _scenes(tmp_path, "b.tif")
    (tmp_path / "in" / "b.tif").write_bytes(b"a changed source")
    (tmp_path / "out" / "c.jp2").write_bytes(b"changed product")
    again = reencode_folder(session, _job(tmp_path), Monitor())
    assert _states(again) == dict.fromkeys(("a.tif", "b.tif", "c.tif"), "exists")
    other = _job(tmp_path, compression=Compression(target="psnr", value=40))
    assert _states(reencode_folder(session, other, Monitor())) == dict.fromkeys(
        ("a.tif", "b.tif", "c.tif"), "exists"
    )


def test_without_resuming_everything_there_is_refused(session, tmp_path):
    _scenes(tmp_path, "a.tif")
    reencode_folder(session, _job(tmp_path), Monitor())
    assert _states(reencode_folder(session, _job(tmp_path, is_resuming=False), Monitor())) == {
        "a.tif": "exists"
    }


def test_a_ledger_torn_by_a_crash_is_read_up_to_there(session, tmp_path):
    _scenes(tmp_path, "a.tif", "b.tif")
    reencode_folder(session, _job(tmp_path), Monitor())
    ledger = tmp_path / "out" / folder.LEDGER
    lines = ledger.read_text().splitlines()
    ledger.write_text(lines[0] + "\n" + lines[1][: len(lines[1]) // 2])
    assert _states(reencode_folder(session, _job(tmp_path), Monitor())) == {
        "a.tif": "skipped",
        "b.tif": "exists",
    }


def test_cancelling_keeps_what_is_finished(session, tmp_path):
    _scenes(tmp_path, "a.tif", "b.tif", "slow.tif")

    class Impatient(Monitor):
        done = 0.0

        def progress(self, fraction):
            self.done = fraction

        def is_cancelled(self):
            return self.done > 2 / 3

    with pytest.raises(EngineCancelledError):
        reencode_folder(session, _job(tmp_path), Impatient())
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"a.jp2", "b.jp2", folder.LEDGER, "pids"}
    (tmp_path / "in" / "slow.tif").rename(tmp_path / "in" / "c.tif")
    summary = reencode_folder(session, _job(tmp_path), Monitor())
    assert list(_states(summary).values()) == ["skipped", "skipped", "done"]


def test_a_missing_network_ends_the_run(session, tmp_path):
    _scenes(tmp_path, "a.tif", "nomodel.tif", "z.tif")
    with pytest.raises(EngineError, match="no weights"):
        reencode_folder(session, _job(tmp_path), Monitor())
