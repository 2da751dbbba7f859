"""Files that broke other readers: an error of ours in one line, or a result; never anything else."""

from __future__ import annotations

import pytest
from case_runner import CaseRunner
from support import BROKEN, scene_params

LARGE = 100_000_000
"""Pixels that take longer than a case may."""


@pytest.fixture(scope="module")
def runner():
    with CaseRunner() as running:
        yield running


def assert_clean(found: dict) -> None:
    """Fail on a crash, a hang, a foreign error, or a message of several lines."""
    if found["error"] is not None:
        assert found["is_ours"], f"{found['error']}: {found['text']}"
        assert len(found["text"].splitlines()) == 1
        assert found["text"].strip()


@pytest.mark.parametrize("verb", ["crash", "hang"])
def test_the_runner_survives(monkeypatch, verb):
    with CaseRunner() as running:
        assert running.run("info", "no such file")["is_ours"]
        if verb == "hang":
            monkeypatch.setattr("case_runner.PATIENCE", 1.0)
        assert running.run(verb, "x")["error"] == verb
        monkeypatch.undo()
        assert running.run("info", "no such file")["is_ours"]


@pytest.mark.parametrize("source", scene_params("*", folder=BROKEN))
def test_broken_files(runner, tmp_path, source):
    about = runner.run("info", source)
    is_huge = not about["error"] and about["result"]["width"] * about["result"]["height"] > LARGE
    for verb in ("info", "validate") if is_huge else ("info", "validate", "compare", "read"):
        assert_clean(runner.run(verb, source))
    if is_huge:
        return  # whole and empty: nothing is broken but its place in the folder
    for name, args in (
        ("decompress", (tmp_path / "d.tif",)),
        ("compress", (tmp_path / "c.jp2", "lossless")),
        ("compress", (tmp_path / "l.jp2", "psnr=40")),
        ("enhance", (tmp_path / "e.tif",)),
    ):
        found = runner.run(name, source, *args)
        assert_clean(found)
        made = {path.name for path in tmp_path.iterdir()}
        expected = set() if found["error"] else {args[0].name, args[0].name + ".aux.xml"}
        assert made <= expected
        assert found["error"] or args[0].name in made
        if not found["error"]:
            assert runner.run("validate", args[0])["result"]["valid"]
        for path in tmp_path.iterdir():
            path.unlink()
