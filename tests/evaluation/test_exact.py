"""The table of engines and instruction sets."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import rasterio

import rsic_geo
from rsic_geo.evaluation import exact
from rsic_geo.geo.window import Window
from rsic_geo.repair.integer.engines import NumpyEngine, OnnxEngine
from rsic_geo.scenes.archive import Archive

FOREIGN = os.environ.get("RSIC_FOREIGN_PYTHON")
SHORT = ["--engines", "onnxruntime", "--qemu", ""]


def _write_scene(path):
    rows, columns = np.mgrid[0:140, 0:190]
    fields = 90 + rows // 3 + 60 * ((rows // 30 + columns // 40) % 2)
    noise = (rows * 7919 + columns * 104729 + (rows * columns) % 1009 * 31) % 23
    pixels = np.stack([fields + noise * (band + 1) // 2 for band in range(3)]).astype(np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=140, width=190, dtype="uint8", photometric="RGB"
    ) as out:
        out.write(pixels)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    _write_scene(folder / "scene.tif")
    rsic_geo.compress(str(folder / "scene.tif"), str(folder / "a.jp2"), target="psnr=34", model="rsic-nano")
    with Archive(str(folder / "a.jp2")) as held:
        assert held.is_enhanced
        decoded = held.read_decoded(Window.full(140, 190))
        assert (held.read() != decoded).any()
    return folder / "a.jp2"


@pytest.fixture
def pretender(tmp_path):
    """A command that answers as a foreign Python would, with what it is given to say."""

    def command(**answers):
        script = tmp_path / "pretender.py"
        script.write_text(f"import sys\nprint({answers!r}[sys.argv[3][2:]])")
        return shlex.join([sys.executable, str(script)])

    return command


@pytest.fixture
def nothing_own(monkeypatch):
    """No rows of this machine, and a reference that takes no time."""
    monkeypatch.setattr(exact, "surroundings", lambda qemu: [])
    monkeypatch.setattr(exact, "digest", lambda make, models, cuts: "0123")


INVENTORY = json.dumps({"machine": "abacus", "numpy": "0.1", "engines": ["onnxruntime"]})


def test_the_table_finds_equal_bytes(capsys):
    assert exact.main(SHORT) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(exact.surroundings(None))
    assert all(re.fullmatch(r"onnxruntime .* equal", line) for line in lines[2:])


def test_rows_leave_out_what_the_processor_lacks_and_what_numpy_calls_otherwise_today(monkeypatch):
    def names():
        return " ".join(where.name for where in exact.surroundings(None))

    for found, is_there in (
        (["X86_V3", "X86_V4"], True),
        (["AVX2", "AVX512_SKX"], True),
        (["X86_V3"], False),
    ):
        monkeypatch.setattr(
            np, "show_config", lambda mode, found=found: {"SIMD Extensions": {"found": found}}
        )
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        assert ("AVX512 without VNNI" in names()) is is_there
        assert "SSE4" in names()
    least = next(where for where in exact.surroundings(None) if "SSE4" in where.name)
    shown = "import numpy; print(numpy.show_config(mode='dicts')['SIMD Extensions'].get('found', []))"
    done = subprocess.run(
        [sys.executable, "-c", shown], env={**os.environ, **least.variables}, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"[]"  # no more than its baseline


def test_other_bytes_and_windows_that_disagree_are_found():
    class Crooked(OnnxEngine):
        def run(self, x):
            return super().run(x) ^ (x[:1] == 128)

    class Shaky(NumpyEngine):
        def run(self, x):
            return super().run(x) + x.shape[1] % 5

    models = ["rsic-nano"]
    assert exact.digest(Crooked, models) != exact.digest(OnnxEngine, models)
    assert "differs" in exact.digest(Shaky, models)


def test_a_row_that_ends_says_why(monkeypatch):
    where = exact.Surroundings(name="none", python=("false",))
    assert exact._row("onnxruntime", where, ["rsic-nano"]) == "ended with 1"


def test_a_foreign_python_gets_rows_of_its_engines_and_reads_archives(archive, monkeypatch, capsys):
    command = shlex.join([sys.executable, "-B"])
    monkeypatch.setattr(exact, "surroundings", lambda qemu: [])
    assert exact.main([*SHORT, "--foreign", command, "--archives", str(archive)]) == 0
    lines = capsys.readouterr().out.splitlines()
    name = re.fullmatch(r"(foreign 1 \(.*, numpy .*\)): " + re.escape(command), lines[0])[1]
    assert re.fullmatch(rf"onnxruntime +{re.escape(name)} +equal", lines[-2])
    assert lines[-1] == f"{archive} {name}: equal; decoded otherwise: none"


def test_the_path_of_a_foreign_python_holds_this_package_alone(tmp_path):
    (folder := tmp_path / "path").mkdir()
    script = tmp_path / "shown.py"
    script.write_text(
        "import json, os; held = os.listdir(os.environ['PYTHONPATH'])\n"
        "print(json.dumps({'machine': 'abacus', 'numpy': '0.1', 'engines': held}))"
    )
    where = exact.foreign(3, shlex.join([sys.executable, str(script)]), folder)
    assert (where.name, where.engines) == ("foreign 3 (abacus, numpy 0.1)", ("rsic_geo",))
    assert (folder / "rsic_geo" / "evaluation" / "exact.py").samefile(exact.__file__)


def test_other_bytes_of_a_foreign_python_fail(archive, pretender, nothing_own, capsys):
    other = json.dumps({"sha256": "f" * 64, "differ": 7, "most": 2.0})
    command = pretender(inventory=INVENTORY, row="ffff", archives=other)
    assert exact.main([*SHORT, "--foreign", command]) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith("ffff")
    command = pretender(inventory=INVENTORY, row="0123", archives=other)
    assert exact.main([*SHORT, "--foreign", command]) == 0
    assert exact.main([*SHORT, "--foreign", command, "--archives", str(archive)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert "other pixels: ffff" in last
    assert last.endswith("decoded otherwise: 7 of 79800 samples, by at most 2")


def test_an_engine_a_foreign_python_lacks_is_told_and_no_python_fails(pretender, nothing_own, capsys):
    command = pretender(inventory=INVENTORY, row="never asked")
    exact.main(["--engines", "numpy", "--foreign", command])
    assert capsys.readouterr().out.splitlines()[-1].endswith("the engine is not installed there")
    for command, why in (
        ("/no/such/python", "No such file"),
        ("false", "ended with 1"),
        (pretender(inventory="no json"), "is left out"),
        ("'unbalanced", "No closing quotation"),
    ):
        assert exact.main([*SHORT, "--foreign", command]) == 1
        assert why in capsys.readouterr().out.splitlines()[0]


def test_an_engine_that_nobody_has_fails(nothing_own, monkeypatch, capsys):
    """A name mistyped would pass for one that agrees."""
    monkeypatch.setattr(exact, "surroundings", lambda qemu: [exact.Surroundings(name="here")])
    assert exact.main(["--engines", "onxruntime"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith("the engine is not installed there")


def test_archives_without_anyone_to_read_them_are_a_mistake(archive, capsys):
    with pytest.raises(SystemExit, match="2"):
        exact.main([*SHORT, "--archives", str(archive)])
    assert "--archives needs --foreign" in capsys.readouterr().err


def test_enhancing_starts_from_the_samples_given(archive):
    with Archive(str(archive)) as held:
        samples = held.read_decoded(Window.full(140, 190))
    same = exact.enhanced_again(str(archive), samples)
    assert (same["differ"], same["most"]) == (0, 0)
    samples[1, 70, 90] -= 3
    other = exact.enhanced_again(str(archive), samples)
    assert (other["differ"], other["most"]) == (1, 3)
    assert other["sha256"] != same["sha256"]


@pytest.mark.skipif(
    not FOREIGN,
    reason="no Python of another machine here: RSIC_FOREIGN_PYTHON names none (docs/pages/developing.md)",
)
@pytest.mark.timeout(1800)
def test_a_python_of_another_machine_makes_the_same_pixels_both_ways(archive, tmp_path, capsys):
    _write_scene(tmp_path / "scene.tif")
    where = exact.foreign(1, FOREIGN, tmp_path)
    words = ["compress", "scene.tif", "there.jp2", "--target", "psnr=34", "--model", "rsic-nano", "-q"]
    subprocess.run(
        [*where.python, "-m", "rsic_geo", *words],
        cwd=tmp_path, env={**os.environ, **where.variables}, check=True,
    )  # fmt: skip
    given = [*SHORT, "--foreign", FOREIGN, "--archives", str(archive), str(tmp_path / "there.jp2")]
    assert exact.main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all("equal;" in line and "nothing in it" not in line for line in lines[-2:])
