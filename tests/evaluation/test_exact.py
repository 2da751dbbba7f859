"""The table of engines and instruction sets."""

from __future__ import annotations

import re

from rsic_geo.evaluation import exact
from rsic_geo.repair.integer.engines import NumpyEngine, OnnxEngine


def test_the_table_finds_equal_bytes(capsys):
    assert exact.main(["--engines", "onnxruntime", "--qemu", ""]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(exact.surroundings(None))
    assert all(re.fullmatch(r"onnxruntime .* equal", line) for line in lines[2:])


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
    where = exact.Surroundings(name="none", program=("false",))
    assert exact._row("onnxruntime", where, ["rsic-nano"]) == "ended with 1"
