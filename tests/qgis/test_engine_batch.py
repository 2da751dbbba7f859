"""Re-encoding a folder with an engine that has `rsic batch`: its words, its scenes, its ledger."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from qgis_plugin.engine.batch import LEDGER, BatchOptions, reencode_with_batch
from qgis_plugin.engine.command import Compression, Execution
from qgis_plugin.engine.errors import EngineError
from qgis_plugin.engine.folder import FolderJob
from qgis_plugin.engine.session import Monitor


class Warnings(Monitor):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def failed_scene(self, source, text, kind):
        self.texts.append((Path(source).name, text, kind))


def _job(tmp_path: Path, **changes) -> FolderJob:
    entries = {
        "source": tmp_path / "in",
        "output": tmp_path / "out",
        "patterns": ("*.tif",),
        "compression": Compression(target="psnr", value=40, model="none", is_verified=False),
        "execution": Execution(memory="256", device="cpu", threads=1),
        "extension": ".jp2",
    }
    return FolderJob(**{**entries, **changes})


@pytest.fixture
def scenes(tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in (("a.tif", "fine"), ("b.tif", "failed"), ("ü.tif", "fine")):
        (folder / name).write_text(text)
    return folder


def _states(summary) -> dict[str, str]:
    return {Path(row.source).name: row.state for row in summary.rows}


def test_scenes_are_counted_as_this_run_saw_them_and_failures_tried_again(session, tmp_path, scenes):
    monitor = Warnings()
    summary = reencode_with_batch(session, _job(tmp_path), BatchOptions(), monitor)
    assert _states(summary) == {"a.tif": "done", "b.tif": "failed", "ü.tif": "done"}
    assert summary.ratio == 4.0
    assert monitor.texts == [("b.tif", "cannot be read", "damaged")]
    again = reencode_with_batch(session, _job(tmp_path), BatchOptions(), monitor)
    assert _states(again) == {"a.tif": "skipped", "b.tif": "failed", "ü.tif": "skipped"}
    (scenes / "b.tif").write_text("fine")
    mended = reencode_with_batch(session, _job(tmp_path), BatchOptions(), monitor)
    assert _states(mended) == {"a.tif": "skipped", "b.tif": "done", "ü.tif": "skipped"}


@pytest.mark.parametrize("changes", [{}, {"is_recursive": False, "is_resuming": False}])
def test_the_real_command_line_takes_every_word(session, tmp_path, scenes, changes):
    from rsic_geo.cli.commands.batch import batch

    reencode_with_batch(session, _job(tmp_path, **changes), BatchOptions(jobs=2), Monitor())
    rows = json.loads((tmp_path / "out" / LEDGER).read_text())
    words = rows[str(scenes / "a.tif")]["words"]
    assert words[:2] == ["batch", "run"]
    run = batch.get_command(click.Context(batch), "run")
    seen = run.make_context("run", list(words[2:])).params
    assert {"jobs": 2, "device": "cpu", "threads": 1, "memory": 256, "model": "none"}.items() <= seen.items()
    assert seen["include"] == ("*.tif", "*.TIF")
    assert seen["exclude"] == (("*/*",) if changes else ())
    assert (seen["run"] if "run" in seen else seen["run_name"]).startswith("run-" if changes else "default")


def test_a_folder_that_is_not_there_is_said_to_be_missing(session, tmp_path):
    with pytest.raises(EngineError, match="There is no folder"):
        reencode_with_batch(session, _job(tmp_path), BatchOptions(), Monitor())
