"""``rsic batch`` as a shell user meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import rasterio
from batch_support import products, rsic, run, write_scene, write_scenes

from rsic_geo.batch import scene
from rsic_geo.batch.coordinator import LEDGER_NAME
from rsic_geo.cli.entry import main

QUICK = ("--model", "none", "--jobs", "0", "--threads", "1")


@pytest.fixture
def scenes(tmp_path):
    write_scenes(tmp_path / "in", 3)
    return tmp_path


def spoken(capsys, *words):
    code = main(["batch", *map(str, words), "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def test_run_status_retry_export(scenes, capsys):
    code, found = spoken(capsys, "run", scenes / "in", scenes / "out", *QUICK)
    assert (code, found["done"], found["left"]) == (0, 3, 0)
    assert found["ratio"] == pytest.approx(found["source_bytes"] / found["product_bytes"])
    code, found = spoken(capsys, "status", scenes / "out")
    assert (code, found["runs"][0]["states"]["done"], found["at_work"]) == (0, 3, False)
    code, found = spoken(capsys, "retry", scenes / "out" / LEDGER_NAME, "--jobs", "0")
    assert (code, found["done"]) == (0, 3)
    code, found = spoken(capsys, "export", scenes / "out", scenes / "page.html", "--to", "html")
    assert (code, found["scenes"]) == (0, 3)
    assert main(["batch", "export", str(scenes / "out"), str(scenes / "page.html"), "--to", "html"]) == 2


def test_some_failed_is_exit_code_3(scenes, capsys):
    write_scene(scenes / "in" / "float.tif", dtype="float32")
    words = ["batch", "run", str(scenes / "in"), str(scenes / "out"), *QUICK, "--codec", "jp2"]
    assert main(words) == 3
    captured = capsys.readouterr()
    assert "3 scenes done and verified, 1 failed" in captured.out
    assert "float.tif" in captured.err
    assert main([*words, "-q"]) == 3
    assert main(["batch", "status", str(scenes / "out"), "--failed"]) == 3
    assert "do not fit JPEG 2000" in capsys.readouterr().out


def test_other_parameters_are_one_line(scenes, capsys):
    assert main(["batch", "run", str(scenes / "in"), str(scenes / "out"), *QUICK]) == 0
    assert main(["batch", "run", str(scenes / "in"), str(scenes / "out"), *QUICK, "--target", "bpp=1"]) == 2
    err = capsys.readouterr().err
    assert "target bpp=1.0 (was lossless)" in err
    assert err.count("\n") == 1


def test_a_plan_and_a_dry_run_write_nothing(scenes, capsys):
    for words in (["plan"], ["run", "--dry-run"]):
        code, found = spoken(
            capsys, *words, scenes / "in", scenes / "out", "--model", "none", "--target", "bpp=6"
        )
        assert code == 0
        assert (found["scenes"], found["sampled"], found["pixels"]) == (3, 3, 3 * 64 * 64)
        assert found["product_bytes"]["p50"] == pytest.approx(6 * found["pixels"] / 8, rel=0.05)
    assert [path.name for path in scenes.iterdir()] == ["in"]


def test_progress_is_json_lines(scenes):
    done = rsic("batch", "run", scenes / "in", scenes / "out", *QUICK, "--progress", "json")
    assert done.returncode == 0
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["state"] for event in events if event["event"] == "scene"] == ["done"] * 3
    last = [event for event in events if event["event"] == "batch"][-1]
    assert (last["done"], last["fraction"]) == (3, 1.0)
    assert {"eta_seconds", "saved_bytes", "pixels"} <= last.keys()
    assert events[-1] == {"event": "done"}


def test_a_terminal_shows_how_far_the_whole_run_is(scenes, capsys):
    write_scene(scenes / "in" / "float.tif", dtype="float32")
    words = ["batch", "run", str(scenes / "in"), str(scenes / "out"), *QUICK, "--codec", "jp2"]
    assert main([*words, "--progress", "bar"]) == 3
    *lines, last = capsys.readouterr().err.split("\n")
    assert last == ""
    assert [line for line in lines if "warning: " in line and not line.startswith("rsic: ")] == []
    shown = lines[-1].rpartition("\r")[2]
    assert re.fullmatch(r"100 % 4 of 4 scenes, 1 failed, 0\.0 MB saved.*\x1b\[K", shown), lines


@pytest.mark.parametrize("word", ["GPU=0", "GPU=x", "=1", "GPU=nan", "GPU=-1", "GPU=inf"])
def test_a_resource_is_a_name_and_a_number(scenes, capsys, word):
    words = ["run", str(scenes / "in"), str(scenes / "out"), *QUICK, "--resource", word]
    assert main(["batch", *words]) == 2
    assert capsys.readouterr().err == f"rsic: error: resource {word!r}: use NAME=NUMBER, as GPU=1\n"


def test_names_on_stdin(scenes):
    names = "\0".join(str(path) for path in (scenes / "in").rglob("*.tif"))
    words = [sys.executable, "-m", "rsic_geo", "batch", "run", "-0", "-", str(scenes / "out"), *QUICK]
    done = subprocess.run(words, input=names, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(products(scenes / "out")) == 3


@pytest.mark.parametrize(
    "words",
    [
        ["run", "in"],
        ["run", "gone", "out"],
        ["run", "empty", "out"],
        ["run", "in", "out", "--template", "{x}"],
        ["run", "in", "out", "--memory", "64", "--jobs", "2"],
        ["status", "gone"],
        ["retry", "gone"],
    ],
)
def test_what_cannot_be_done_is_one_line(scenes, capsys, words):
    (scenes / "empty").mkdir()
    verb, *rest = words
    assert main(
        ["batch", verb, *(str(scenes / w) if w in ("in", "out", "gone", "empty") else w for w in rest)]
    ) in (1, 2)
    err = capsys.readouterr().err
    assert err.startswith("rsic: error: ")
    assert err.count("\n") == 1


def test_memory_is_shared_by_the_jobs():
    from rsic_geo.batch.run import Crew
    from rsic_geo.options import Execution

    crew = Crew(jobs=8, memory_mib=1500, execution=Execution(threads=4)).fitted()
    assert 1 < crew.jobs < 8
    assert crew.execution.threads == 1
    assert crew.execution.memory_mib >= 16
    roomy = Crew(jobs=2, memory_mib=8000, execution=Execution(threads=4)).fitted()
    assert (roomy.jobs, roomy.execution.threads) == (2, 4)


@pytest.mark.parametrize(("asked", "expected"), [((), "1"), ((("GDAL_NUM_THREADS", "3"),), "3")])
def test_a_job_has_the_threads_asked_for_to_prove_its_scene_too(scenes, monkeypatch, asked, expected):
    seen, real = [], scene.prove

    def prove(*args, **more):
        seen.append(rasterio.env.getenv()["GDAL_NUM_THREADS"])
        return real(*args, **more)

    monkeypatch.setattr(scene, "prove", prove)
    assert run(scenes / "in", scenes / "out", config=asked)[0].done == 3
    assert [str(threads) for threads in seen] == [expected] * 3


@pytest.mark.slow
def test_many_jobs_archive_the_same(scenes):
    assert rsic("batch", "run", scenes / "in", scenes / "one", *QUICK).returncode == 0
    assert (
        rsic("batch", "run", scenes / "in", scenes / "two", "--model", "none", "--jobs", "2").returncode == 0
    )
    assert products(scenes / "one") == products(scenes / "two")


def test_a_plan_names_damaged_scenes_and_does_not_count_them(tmp_path, capsys):
    write_scenes(tmp_path / "in", 3)
    cut, torn = sorted(path for path in (tmp_path / "in").rglob("*") if path.is_file())[:2]
    content = torn.read_bytes()
    torn.write_bytes(content[: len(content) // 2])
    cut.with_name(cut.name + ".aux.xml").write_text("<PAMDataset><Metadata>")
    assert main(["batch", "plan", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    assert "3 scenes, 2 of them would fail" in capsys.readouterr().out
    assert main(["batch", "plan", str(tmp_path / "in"), str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    sound = next(path for path in (tmp_path / "in").rglob("*.tif") if path not in (cut, torn))
    with rasterio.open(sound) as scene:
        assert found["pixels"] == scene.width * scene.height
    assert found["source_bytes"] == sound.stat().st_size
