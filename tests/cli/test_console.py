"""What the user sees: bars, JSON lines, results, reports, one line per error."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal

import click
import numpy as np
import pytest

from rsic_geo.cli import entry
from rsic_geo.cli.console import Console, json_ready
from rsic_geo.cli.entry import VERBS, main, rsic
from rsic_geo.cli.options import talking
from rsic_geo.cli.signals import is_stopping
from rsic_geo.cli.summary import compare_summary, job_summary, outline
from rsic_geo.errors import ChecksumError, UnsupportedSceneError, WeightsNotFoundError


@pytest.fixture
def verb(monkeypatch):
    """Return a function that runs ``rsic try OPTIONS`` with a body of the test's choice as the verb."""

    def run(body, *options):
        command = click.command("try")(talking(body))
        monkeypatch.setattr(entry, "VERBS", (*entry.VERBS, "try"))
        monkeypatch.setattr(
            entry.LazyGroup, "get_command", lambda _self, _ctx, name: command if name == "try" else None
        )
        return main(["try", *options])

    return run


def test_the_bar_is_that_of_gdal(verb, capsys):
    def body(console):
        step = console.progress()
        for i in range(11):
            step(i / 10)

    assert verb(body, "--progress", "bar") == 0
    assert capsys.readouterr().err == "0...10...20...30...40...50...60...70...80...90...100 - done.\n"


def test_an_error_does_not_stand_in_the_bars_line(verb, capsys):
    def body(console):
        console.progress()(0.3)
        raise ChecksumError("tile 3 is damaged:\n copy the file again")

    assert verb(body, "--progress", "bar") == 1
    assert (
        capsys.readouterr().err
        == "0...10...20...30\nrsic: error: tile 3 is damaged: copy the file again (next: rsic validate FILE "
        "tells all that is damaged)\n"
    )


def test_json_progress_is_one_object_per_line(verb, capsys):
    def body(console):
        step = console.progress()
        for i in range(10001):
            step(i / 10000, "coding")
        console.warn("statistics\nare left out")
        console.result({"bytes": 3}, "text")

    assert verb(body, "--progress", "json", "--json") == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in err.splitlines()]
    fractions = [line["fraction"] for line in lines if line["event"] == "progress"]
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)
    assert len(fractions) < 300
    assert {"event": "warning", "message": "statistics are left out"} in lines
    assert lines[-1]["event"] == "done"
    assert json.loads(out) == {"bytes": 3}


def test_json_progress_reports_errors_as_json_too(verb, capsys):
    def body(console):
        raise UnsupportedSceneError("no complex samples")

    assert verb(body, "--progress", "json") == 2
    assert json.loads(capsys.readouterr().err) == {
        "event": "error",
        "message": "no complex samples",
        "exit_code": 2,
        "error_kind": "UnsupportedSceneError",
    }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "MemoryError"),
        (OSError("no space left"), "OSError"),
        (click.UsageError("no such option"), "UsageError"),
        (ZeroDivisionError("oh"), "Bug"),
        (KeyboardInterrupt(), "JobCancelledError"),
    ],
)
def test_errors_that_are_not_ours_have_a_kind_too(verb, capsys, error, kind):
    def body(console):
        raise error

    assert verb(body, "--progress", "json") != 0
    assert json.loads(capsys.readouterr().err)["error_kind"] == kind


def test_without_a_terminal_nothing_is_drawn(verb, capsys):
    assert verb(lambda console: console.progress()(0.5)) == 0
    assert capsys.readouterr() == ("", "")


def test_quiet_keeps_errors_and_json_results_only(verb, capsys):
    def body(console):
        console.warn("something")
        console.result({"a": 1}, "text")

    assert verb(body, "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert verb(body, "-q", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_a_report_is_written_whole_and_not_over_another(verb, capsys, tmp_path):
    path = tmp_path / "report.json"

    def body(console):
        console.result({"psnr": math.inf, "n": np.float32(2), "where": path}, "text")

    assert verb(body, "--report", str(path)) == 0
    assert json.loads(path.read_text()) == {"psnr": "inf", "n": 2.0, "where": str(path)}
    assert verb(body, "--report", str(path)) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert verb(body, "--report", str(tmp_path / "no" / "folder.json")) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ChecksumError("x"), 1),
        (UnsupportedSceneError("x"), 2),
        (WeightsNotFoundError("x"), 5),
        (MemoryError(), 1),
        (OSError(28, "No space left on device"), 1),
        (ZeroDivisionError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_is_one_line_and_a_code(verb, capsys, monkeypatch, error, code):
    monkeypatch.delenv("RSIC_DEBUG", raising=False)

    def body(console):
        raise error

    assert verb(body) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rsic: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_debug_shows_the_traceback(verb, monkeypatch):
    monkeypatch.setenv("RSIC_DEBUG", "1")

    def body(console):
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError):
        verb(body)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_the_run_and_leave_the_handlers_as_they_were(verb, capsys, number):
    before = signal.getsignal(number)
    cleaned = []

    def body(console):
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)  # the impatient second one must not break the cleaning up
            cleaned.append(is_stopping())

    assert verb(body) == 130
    assert cleaned == [True]
    assert signal.getsignal(number) is before
    assert capsys.readouterr().err == "rsic: error: interrupted: nothing was written\n"


def test_a_lost_interruption_still_cancels_at_the_next_step(verb):
    answers = []

    def body(console):
        step = console.progress()
        answers.append(step(0.1))
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        answers.append(step(0.2))

    assert verb(body) == 0
    assert answers == [True, False]


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["compress"], ["decompress", "a"], ["info", "--nonsense", "a"]]
)
def test_wrong_usage_is_one_line_and_2(capsys, arguments):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("rsic: error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", entry.VERBS)
def test_every_verb_has_help_without_classic_names(capsys, name):
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "Usage: rsic " + name in out
    assert " -of" not in out


def test_the_first_sentence_of_every_verb_stands_in_the_help(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in entry.VERBS)
    assert "130 interrupted" in " ".join(out.split())


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("rsic ")


def test_click_finds_no_unknown_verb():
    assert rsic.get_command(click.Context(rsic), "nonsense") is None


def test_results_become_plain_json():
    found = json_ready({"a": (1, np.uint8(2)), "b": {3: math.nan}, "c": None, "d": True, "e": -math.inf})
    assert found == {"a": [1, 2], "b": {"3": "nan"}, "c": None, "d": True, "e": "-inf"}


def test_the_outline_is_readable():
    text = outline(
        {
            "file": "a.jp2",
            "is_ok": True,
            "tile_size": [1024, 512],
            "model": None,
            "box": {"n_tiles": 3},
            "bands": [{"band": 1, "psnr": 40.0}],
            "none_left": [],
        }
    )
    assert text.splitlines() == [
        "file: a.jp2", "is ok: yes", "tile size: 1024, 512", "model: none", "box:", "  n tiles: 3",
        "bands:", "  - band 1, psnr 40", "none left: none",
    ]  # fmt: skip


def test_the_current_console_is_the_last_one():
    console = Console(quiet=True)
    assert Console.current() is console


def test_differences_name_the_band_and_both_values():
    entries = {
        "pixels_equal": True,
        "mask_equal": True,
        "metadata_diff": [
            {"field": "nodata", "band": 2, "ours": None, "theirs": 0},
            {"field": "crs", "band": None, "ours": "A" * 300, "theirs": "EPSG:4326"},
        ],
    }
    lines = compare_summary(entries).splitlines()
    assert lines[2:4] == ["metadata: 2 differences", "  nodata of band 2: none became 0"]
    assert lines[4].startswith("  crs: AAA")
    assert lines[4].endswith("... became EPSG:4326")


def test_long_lists_are_cut_and_usual_ones_are_not():
    lines = outline({"nodata": [-32768] * 224, "verbs": list(VERBS)}).splitlines()
    assert len(lines[0]) < 160
    assert lines[1] == f"verbs: {', '.join(VERBS)}"


def _job(**more):
    return job_summary(
        {"output": {"path": "a.jp2", "bytes": 2_000_000}, "seconds": 1.25, **more}
    ).splitlines()


def test_what_other_programs_do_not_see_is_one_line():
    missed = ["units of band 1: m became nothing", "nodata that only some bands have in a place"]
    assert _job(others_miss=missed)[-1] == f"other programs do not see: {missed[0]}; {missed[1]}"
    assert _job(others_miss=[]) == _job() == ["a.jp2: 2.0 MB in 1.2 s"]


def test_sidecars_are_counted_where_there_are_any():
    assert _job(sidecar_bytes=1234) == ["a.jp2: 2.0 MB, with 1.2 kB beside it for other programs, in 1.2 s"]
    assert _job(sidecar_bytes=0) == _job()
