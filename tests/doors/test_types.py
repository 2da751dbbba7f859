"""The types users see, by mypy --strict and by pyright: what is right passes, what is wrong is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import REPOSITORY

USAGE = Path(__file__).with_name("usage.py")


def _by_mypy(folder):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", folder / "c", USAGE],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    said = [line.split(":") for line in done.stdout.splitlines() if "usage.py" in line and "error:" in line]
    return {int(words[1]) for words in said}, done.stdout


def _by_pyright(folder):
    words = ["--outputjson", "--pythonpath", sys.executable, USAGE]
    done = subprocess.run(
        [sys.executable, "-m", "pyright", *words], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("check", [_by_mypy, _by_pyright])
def test_what_is_wrong_is_found_and_nothing_else(check, tmp_path):
    lines = USAGE.read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    found, said = check(tmp_path)
    assert found == wrong, said
