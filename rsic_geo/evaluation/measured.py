"""Running a program and knowing what it took."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from rsic_geo.errors import RsicGeoError

_OURS = "rsic: error: "
"""How a line of ours begins that says why a command failed."""
_MIB_PER_UNIT = 1 / 2**20 if sys.platform == "darwin" else 1 / 2**10
"""``ru_maxrss`` counts bytes on macOS, KiB elsewhere."""

# A process starts its life with the peak memory of the one it was started from, so a program started by this
# one would never seem smaller than this one. A bare interpreter in between starts it from next to nothing.
_LAUNCHER = """
import json, os, sys, time
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
cpu = usage.ru_utime + usage.ru_stime
took = [time.perf_counter() - started, cpu, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]
os.write(int(sys.argv[1]), json.dumps(took).encode())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run of a program took."""

    seconds: float
    """From start to end, its own start-up included."""
    cpu_seconds: float
    """Processor time of all its threads: says more than ``seconds`` where others use the machine too."""
    peak_mib: float
    """Largest resident memory (MiB)."""
    output: str
    """What it printed on stdout."""


def run_measured(command: Sequence[str]) -> Measured:
    """Run a program to its end, alone, and measure it.

    Raises:
        RsicGeoError: if it cannot be started or fails; the message ends with its last line.
    """
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        tempfile.TemporaryFile("w+") as took,
    ):
        # -I and -S keep the interpreter in between bare; its own environment goes to the program unchanged.
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(took.fileno()), *command]
        process = subprocess.Popen(
            launcher,
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            pass_fds=(took.fileno(),),
            start_new_session=True,
        )
        try:
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        for file in (out, err, took):
            file.seek(0)
        seconds, cpu, peak, code = json.loads(took.read() or "[0, 0, 0, -1]")
        if process.returncode != 0 or code != 0:
            said = (err.read().strip() or out.read().strip() or f"exit code {code}").splitlines()
            if said[-1].startswith(_OURS):  # it says what is wrong, and of which file
                raise RsicGeoError(said[-1].removeprefix(_OURS))
            raise RsicGeoError(f"{' '.join(command[:4])} ... failed: {said[-1]}")
        return Measured(seconds=seconds, cpu_seconds=cpu, peak_mib=peak * _MIB_PER_UNIT, output=out.read())


def best_of(runs: Sequence[Measured]) -> Measured:
    """Return the fastest run, with the least processor time and the largest memory any of them took."""
    fastest = min(runs, key=lambda run: run.seconds)
    return Measured(
        seconds=fastest.seconds,
        cpu_seconds=min(run.cpu_seconds for run in runs),
        peak_mib=max(run.peak_mib for run in runs),
        output=fastest.output,
    )
