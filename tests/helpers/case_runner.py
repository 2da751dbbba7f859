"""Runs cases on hostile files in a worker process: a crash or a hang is the outcome of one case."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

WORKER = Path(__file__).with_name("case_worker.py")
PATIENCE = 180.0
"""Longest a case may take (s)."""
START = 120.0
"""Longest the first case of a fresh process may take: it imports everything (s)."""


class CaseRunner:
    """Hands cases to a worker one by one and starts another when it dies.

    With ``quick`` every archive is enhanced by `pipeline_support.Smoother`, whatever model it names.
    """

    def __init__(self, *, quick: bool = False) -> None:
        self._arguments = ["quick"] if quick else []
        self._process: subprocess.Popen[str] | None = None
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the runner

    def __enter__(self) -> CaseRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._errors.close()

    def run(self, verb: str, *args: object) -> dict[str, Any]:
        """Return the outcome of one case; ``error`` is "crash" or "hang" where there is no other."""
        patience = PATIENCE
        if self._process is None:
            self._process, patience = _start(self._arguments, self._errors), START
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise AssertionError("the worker has no pipes")
        process.stdin.write(json.dumps({"verb": verb, "args": [str(arg) for arg in args]}) + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            is_answered = bool(selector.select(patience))
        line = process.stdout.readline() if is_answered else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._stop()
        self._errors.seek(0)
        text = f"exit {process.returncode}: {self._errors.read()[-2000:]}"
        return {"error": "crash" if is_answered else "hang", "is_ours": False, "text": text}

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _start(arguments: list[str], errors: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
