"""One run of the engine as a child process: its lines as they come, and the end of its whole process tree."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

POLL = 0.1
"""Seconds between two looks at whether the user wants to stop."""
PATIENCE = 10.0
"""Seconds the engine has for removing its temporary files, before it is killed."""
_LONGEST_RESULT = 64 * 2**20


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    exit_code: int
    stdout: str
    is_cancelled: bool = False
    is_killed: bool = False
    """It did not end when it was asked to, so it may have left temporary files."""


class OutputTooLongError(Exception):
    """The program writes without end: it is not the engine."""


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    is_cancelled: Callable[[], bool] = lambda: False,
    timeout: float | None = None,
) -> Outcome:
    """Run ``argv``, give ``on_line`` every line of its stderr as it comes, and return how it ended.

    Whatever happens in here, an exception of ``on_line`` included, no process of the tree is left.

    Args:
        argv: program and arguments; never seen by a shell.
        environment: the process's whole environment.
        on_line: called in this thread.
        is_cancelled: asked ten times a second; True ends the run.
        timeout: seconds after which the run is ended like a cancelled one; None for no limit.

    Raises:
        OSError: if the program cannot be started.
        OutputTooLongError: if it writes more than 64 MiB of result.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with _Child(argv, environment) as child:
        while True:
            if is_cancelled() or (deadline is not None and time.monotonic() > deadline):
                return child.stop()
            try:
                line = child.lines.get(timeout=POLL)
            except queue.Empty:
                continue
            if line is None:
                return child.finish()
            on_line(line)


class _Child:
    """A process in a group of its own, with threads that read what it writes."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        options = {"creationflags": _windows_flags()} if os.name == "nt" else {"start_new_session": True}
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=os.path.dirname(os.path.abspath(argv[0])),
            **options,
        )
        self._stdout = bytearray()
        self._threads = [
            threading.Thread(target=target, args=(stream,), daemon=True)
            for target, stream in (
                (self._read_result, self._process.stdout),
                (self._read_lines, self._process.stderr),
            )
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process.poll() is None:
            self.stop()
        _signal_tree(self._process, is_last=True)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None and not any(thread.is_alive() for thread in self._threads):
                stream.close()

    def finish(self) -> Outcome:
        """Wait for a process that has closed its stderr, and return how it ended.

        Raises:
            OutputTooLongError: if its result was cut off.
        """
        self._threads[0].join(PATIENCE)
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return self.stop()
        if len(self._stdout) >= _LONGEST_RESULT:
            raise OutputTooLongError
        return Outcome(code, self._stdout.decode("utf-8", "replace"))

    def stop(self) -> Outcome:
        """Ask the tree to end, kill it if it does not, and return how that went."""
        _signal_tree(self._process, is_last=False)
        is_killed = os.name == "nt"
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            is_killed = True
            _signal_tree(self._process, is_last=True)
            self._process.wait()
        for thread in self._threads:
            thread.join(PATIENCE)
        code = self._process.returncode
        return Outcome(
            code, "", is_cancelled=True, is_killed=is_killed or code == -getattr(signal, "SIGKILL", 9)
        )

    def _read_result(self, stream: IO[bytes]) -> None:
        while True:
            block = stream.read1(65536)
            if not block:
                return
            if len(self._stdout) < _LONGEST_RESULT:
                self._stdout += block

    def _read_lines(self, stream: IO[bytes]) -> None:
        for line in iter(lambda: stream.readline(65536), b""):
            self.lines.put(line.decode("utf-8", "replace"))
        self.lines.put(None)


def _signal_tree(process: subprocess.Popen[bytes], is_last: bool) -> None:
    """Ask the process and its children to end; kill those that are left where ``is_last``."""
    if os.name == "nt":
        if process.poll() is None:
            taskkill = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
            subprocess.run(
                [taskkill, "/PID", str(process.pid), "/T", "/F"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                creationflags=_windows_flags(),
            )
        return
    try:
        os.killpg(process.pid, signal.SIGKILL if is_last else signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        return  # nobody of the group is left (macOS says "not permitted" where only zombies are)


def _windows_flags() -> int:
    """Return the flags that show no console window. Zero elsewhere."""
    return getattr(subprocess, "CREATE_NO_WINDOW", 0) if sys.platform == "win32" else 0
