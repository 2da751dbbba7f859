"""Commands and metrics are told of a run and cannot end it."""

from __future__ import annotations

import json
import re
import sys

import pytest
from batch_support import write_scene, write_scenes

from rsic_geo.cli.entry import main


@pytest.fixture
def words(tmp_path):
    write_scenes(tmp_path / "in", 2)
    (tmp_path / "in" / "text.tif").write_text("no raster")
    return ["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--model", "none", "--jobs", "0"]


def keeper(tmp_path, name):
    """Return a command that appends its input to a file."""
    script = tmp_path / f"{name}.py"
    script.write_text(f"import sys\nopen({str(tmp_path / name)!r}, 'a').write(sys.stdin.read())\n")
    return f"{sys.executable} '{script}'"


def test_commands_get_failures_and_the_end_as_json(words, tmp_path):
    more = ["--on-failure", keeper(tmp_path, "failures"), "--on-end", keeper(tmp_path, "ends"), "-q"]
    assert main([*words, *more]) == 3
    (failure,) = map(json.loads, (tmp_path / "failures").read_text().splitlines())
    assert failure["source"].endswith("text.tif")
    assert failure["error"]
    (end,) = map(json.loads, (tmp_path / "ends").read_text().splitlines())
    assert (end["run"], end["done"], end["failed"]) == ("default", 2, 1)


def test_metrics_are_what_prometheus_reads(words, tmp_path):
    path = tmp_path / "rsic.prom"
    assert main([*words, "--metrics", str(path), "-q"]) == 3
    text = path.read_text()
    line = re.compile(r'[a-z_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} -?[0-9.e+]+')
    assert all(line.fullmatch(each) or each.startswith("# ") for each in text.splitlines())
    assert 'rsic_batch_scenes{run="default",state="done"} 2' in text
    assert 'rsic_batch_scenes{run="default",state="failed"} 1' in text


@pytest.mark.parametrize("command", ["/nowhere/at/all", f"{sys.executable} -c 'raise SystemExit(7)'"])
def test_a_command_that_fails_is_a_warning(words, tmp_path, command, capsys):
    assert (
        main([*words, "--on-end", command, "--metrics", str(tmp_path / "no" / "folder"), "--jobs", "0"]) == 3
    )
    said = capsys.readouterr().err
    assert "the command" in said
    assert said.count("cannot write") == 1


@pytest.mark.parametrize("command", ["", "'unfinished"])
def test_what_is_no_command_is_refused_before_anything_runs(words, tmp_path, command):
    assert main([*words, "--on-failure", command, "-q"]) == 2
    assert not (tmp_path / "out").exists()


def test_a_retry_tells_too(words, tmp_path):
    assert main([*words, "-q"]) == 3
    write_scene(tmp_path / "in" / "text.tif", 7)
    assert main(["batch", "retry", str(tmp_path / "out"), "--on-end", keeper(tmp_path, "ends"), "-q"]) == 0
    assert json.loads((tmp_path / "ends").read_text())["done"] == 3
