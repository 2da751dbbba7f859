"""Measuring a program: its own time and memory, not ours."""

from __future__ import annotations

import sys

import pytest

from rsic_geo.errors import RsicGeoError
from rsic_geo.evaluation.measured import Measured, best_of, run_measured


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_output_and_time_are_the_programs():
    run = run_measured(python("import time; time.sleep(0.3); print('done')"))
    assert run.output == "done\n"
    assert 0.3 <= run.seconds < 30
    assert run.cpu_seconds < run.seconds


def test_processor_time_is_the_programs():
    run = run_measured(python("import time\nwhile time.process_time() < 0.3: pass"))
    assert 0.3 <= run.cpu_seconds < 1


def test_memory_is_the_programs_even_when_ours_is_larger():
    ballast = bytearray(300 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    small = run_measured(python("pass"))
    large = run_measured(python("x = bytearray(200 * 2**20); x[::4096] = b'x' * len(x[::4096])"))
    assert small.peak_mib < 60
    assert 190 < large.peak_mib < 260
    assert len(ballast) > 0


def test_what_rsic_says_of_a_failure_is_all_that_is_said():
    with pytest.raises(RsicGeoError, match=r"^cannot read x\.tif$"):
        run_measured(python("import sys; sys.exit('rsic: error: cannot read x.tif')"))


def test_a_failing_program_is_an_error_with_its_last_words():
    with pytest.raises(RsicGeoError, match="no such band"):
        run_measured(python("import sys; print('first'); sys.exit('no such band')"))


def test_a_missing_program_is_an_error():
    with pytest.raises(RsicGeoError, match="failed"):
        run_measured(["no-such-program-at-all"])


def test_the_fastest_run_counts_and_the_largest_memory():
    runs = [
        Measured(seconds=2, cpu_seconds=1, peak_mib=10, output="a"),
        Measured(seconds=1, cpu_seconds=2, peak_mib=12, output="b"),
        Measured(seconds=3, cpu_seconds=3, peak_mib=30, output="c"),
    ]
    assert best_of(runs) == Measured(seconds=1, cpu_seconds=1, peak_mib=30, output="b")
