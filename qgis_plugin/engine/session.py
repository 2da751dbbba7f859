"""Calling the engine: arguments in, its JSON result out, everything it says on the way to a monitor."""

from __future__ import annotations

import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import process
from .capabilities import Capabilities, parse_capabilities
from .environment import clean_environment
from .errors import EngineCancelledError, EngineError, EngineMissingError
from .events import Event, parse_line
from .locate import Engine
from .wording import UNNAMED

_LAST_WORDS = 8
"""Lines without meaning that are shown when the engine ends without saying why."""


class Monitor:
    """Who listens to a run. This one is deaf; the algorithms' one speaks to QGIS."""

    def progress(self, fraction: float) -> None:
        """Show the share of the job that is done, 0..1."""

    def stage(self, text: str) -> None:
        """Show what is being done."""

    def warning(self, text: str) -> None:
        """Show what the user should know."""

    def console(self, text: str) -> None:
        """Show a line the engine's libraries wrote."""

    def scene(self, source: str, state: str, error: str, error_kind: str) -> None:
        """Take what became of one scene of a batch."""

    def failed_scene(self, source: str, text: str, kind: str) -> None:
        """Show what went wrong with a scene of a folder, and of what kind it is."""

    def is_cancelled(self) -> bool:
        """Whether the user wants to stop."""
        return False


class PartMonitor(Monitor):
    """Shows a call as one part of a longer job."""

    def __init__(self, other: Monitor, start: float, stop: float) -> None:
        self._other, self._start, self._stop = other, start, stop
        self.warning, self.console = other.warning, other.console
        self.is_cancelled, self.failed_scene = other.is_cancelled, other.failed_scene

    def progress(self, fraction: float) -> None:
        """Show how far the whole job is."""
        self._other.progress(self._start + fraction * (self._stop - self._start))


@dataclass(frozen=True)
class Session:
    """An engine with the surroundings it is called in."""

    engine: Engine
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """The environment of QGIS, cleaned before every call."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Variables the user wants the engine to see."""

    def call(self, arguments: Sequence[str], monitor: Monitor, outputs: Sequence[str] = ()) -> dict[str, Any]:
        """Run a verb and return its result.

        Args:
            arguments: verb, files and options.
            monitor: told everything on the way.
            outputs: files the verb writes; what is left of their temporary names is removed if it is killed.

        Raises:
            EngineCancelledError: if the monitor said so; nothing is left then.
            EngineMissingError: if the program cannot be started.
            EngineError: with the engine's own line, if it failed.
        """
        return self.call_for_verdict(arguments, monitor, (0,), outputs)[0]

    def call_for_verdict(
        self,
        arguments: Sequence[str],
        monitor: Monitor,
        expected: Collection[int],
        outputs: Sequence[str] = (),
    ) -> tuple[dict[str, Any], int]:
        """Run a verb whose exit code is part of its answer; return its result and the code.

        Raises:
            EngineError: as :meth:`call` does.
        """
        argv = [*self.engine.argv, *arguments]
        listener = Listener(monitor)
        started = time.time()
        outcome = self._run(argv, listener.line, monitor)
        if outcome.is_killed:
            for output in filter(None, outputs):
                _remove_leftovers(output, started)
        if outcome.is_cancelled:
            raise EngineCancelledError
        if outcome.exit_code not in expected:
            raise listener.failure(outcome.exit_code)
        return _result(outcome.stdout, listener, outcome.exit_code), outcome.exit_code

    def _run(
        self,
        argv: Sequence[str],
        on_line: Callable[[str], None],
        monitor: Monitor,
        timeout: float | None = None,
    ) -> process.Outcome:
        environment = clean_environment(self.environ, self.engine.program, self.extra)
        try:
            return process.run(argv, environment, on_line, monitor.is_cancelled, timeout)
        except process.OutputTooLongError:
            raise EngineMissingError(
                "{program} is not the rsic engine.", program=self.engine.program
            ) from None
        except OSError as error:
            raise EngineMissingError(
                "{program} cannot be started ({reason}).",
                program=self.engine.program,
                reason=error.strerror or error,
            ) from error

    def capabilities(self, monitor: Monitor, timeout: float = 60.0) -> Capabilities:
        """Ask the engine what it can do.

        Raises:
            EngineError: if it does not answer, or not as an engine this plugin understands.
        """
        lines: list[str] = []
        argv = [*self.engine.argv, "capabilities", "--json"]
        outcome = self._run(argv, lines.append, monitor, timeout)
        if outcome.is_cancelled:
            if monitor.is_cancelled():
                raise EngineCancelledError
            raise EngineMissingError("{program} does not answer.", program=self.engine.program)
        if outcome.exit_code != 0:
            said = lines[-1].strip() if lines else f"exit code {outcome.exit_code}"
            raise EngineMissingError(
                "{program} is not a working rsic engine ({said}).", program=self.engine.program, said=said
            )
        return parse_capabilities(outcome.stdout)


class Listener:
    """Hands on the engine's lines, and remembers why it failed."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._stage = ""
        self._error: Event | None = None
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)

    def line(self, line: str) -> None:
        """Take one line of stderr."""
        event = parse_line(line)
        if event is None:
            return
        if event.kind == "progress":
            if event.fraction is not None:
                self._monitor.progress(event.fraction)
            if event.message and event.message != self._stage:
                self._stage = event.message
                self._monitor.stage(event.message)
        elif event.kind == "warning":
            self._monitor.warning(event.message)
        elif event.kind == "error":
            self._error = event
        elif event.kind == "scene":
            self._monitor.scene(event.source, event.state, event.message, event.error_kind)
        elif event.kind == "text":
            self._last_words.append(event.message)
            self._monitor.console(event.message)

    def failure(self, exit_code: int) -> EngineError:
        """Return the error of a run that ended with ``exit_code``."""
        if self._error is not None:
            return EngineError(
                self._error.message, self._error.exit_code or exit_code, self._error.error_kind or UNNAMED
            )
        said = self._last_words[-1] if self._last_words else "-"
        if exit_code == -9:
            return EngineError(
                "The engine was ended by signal 9 (out of memory?): {said}", exit_code, said=said
            )
        if exit_code < 0:
            return EngineError(
                "The engine was ended by signal {signal}: {said}", exit_code, signal=-exit_code, said=said
            )
        return EngineError(
            "The engine failed with exit code {code}: {said}", exit_code, code=exit_code, said=said
        )


def _result(stdout: str, listener: Listener, exit_code: int) -> dict[str, Any]:
    try:
        result = json.loads(stdout)
    except (ValueError, RecursionError):
        result = None
    if isinstance(result, dict):
        return result
    if exit_code != 0:
        raise listener.failure(exit_code)
    raise EngineError("The engine printed no result: is it another program called rsic?")


def _remove_leftovers(output: str, since: float) -> None:
    """Remove what a killed engine left beside ``output``: files of its temporary names."""
    path = Path(output)
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.[0-9a-f]+\.part.*")
    try:
        for other in path.parent.iterdir():
            if pattern.fullmatch(other.name) and other.stat().st_mtime >= since - 1:
                other.unlink()
    except OSError:
        return  # what cannot be listed or removed is hidden, marked .part, and harms nobody
