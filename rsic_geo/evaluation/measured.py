"""Running a program and knowing what it took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rsic_geo.errors import RsicGeoError

_KIB_PER_UNIT = 1 / 1024 if sys.platform == "darwin" else 1.0
"""``ru_maxrss`` counts bytes on macOS, KiB elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run of a program took."""

    seconds: float
    """From start to end, its own start-up included."""
    peak_mib: float
    """Largest resident memory (MiB)."""
    output: str
    """What it printed on stdout."""


def run_measured(command: Sequence[str]) -> Measured:
    """Run a program to its end, alone, and measure it.

    Raises:
        RsicGeoError: if it cannot be started or fails; the message ends with its last line.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise RsicGeoError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            # wait4 alone tells the memory of this child, not the largest of all children so far.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            said = (
                err.read().strip() or out.read().strip() or f"exit code {process.returncode}"
            ).splitlines()
            raise RsicGeoError(f"{' '.join(command[:4])} ... failed: {said[-1]}")
        return Measured(seconds=seconds, peak_mib=usage.ru_maxrss * _KIB_PER_UNIT / 1024, output=out.read())


def best_of(runs: Sequence[Measured]) -> Measured:
    """Return the fastest run, with the largest memory any of them took."""
    fastest = min(runs, key=lambda run: run.seconds)
    return Measured(
        seconds=fastest.seconds, peak_mib=max(run.peak_mib for run in runs), output=fastest.output
    )
