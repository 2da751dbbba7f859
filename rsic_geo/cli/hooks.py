"""What a batch tells other programs: commands on failures and at the end, a file for Prometheus."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsic_geo.errors import UsageError

if TYPE_CHECKING:
    from rsic_geo.batch.coordinator import Standing
    from rsic_geo.batch.message import SceneOutcome

_PATIENCE_SECONDS = 60.0
"""Time a command may take; the run waits for it."""
_BETWEEN_SECONDS = 5.0
"""Between two writings of the metrics."""


@dataclass(slots=True, kw_only=True)
class Hooks:
    """Commands and files that are told of a run. None of them can end it: what goes wrong is a warning."""

    run: str
    warn: Callable[[str], None] = lambda _text: None
    on_failure: str | None = None
    """Command that gets each failed scene as JSON on stdin."""
    on_end: str | None = None
    """Command that gets how the run ended."""
    metrics: str | None = None
    """File in the text format of Prometheus, for its node exporter's textfile collector."""
    _written: float = field(default=float("-inf"))

    def __post_init__(self) -> None:
        """Raise UsageError for a command that is none."""
        for name, command in (("--on-failure", self.on_failure), ("--on-end", self.on_end)):
            try:
                if command is not None and not shlex.split(command):
                    raise ValueError("it is empty")
            except ValueError as error:
                raise UsageError(f"{name} {command!r} is no command: {error}") from error

    def scene(self, source: str, outcome: SceneOutcome) -> None:
        """Tell of a scene, if it failed."""
        if outcome.state == "failed" and self.on_failure is not None:
            self._call(self.on_failure, {
                "event": "failure", "run": self.run, "source": source, "error": outcome.error,
                "error_kind": outcome.error_kind, "seconds": outcome.values.get("seconds"),
            })  # fmt: skip

    def standing(self, now: Standing) -> None:
        """Write the metrics, every few seconds."""
        if time.monotonic() - self._written >= _BETWEEN_SECONDS:
            self._write(now)

    def end(self, now: Standing) -> None:
        """Tell how the run ended."""
        self._write(now)
        if self.on_end is not None:
            self._call(self.on_end, {"event": "end", "run": self.run, **now.to_json()})

    def _call(self, command: str, entries: dict[str, Any]) -> None:
        try:
            done = subprocess.run(
                shlex.split(command), input=json.dumps(entries) + "\n", text=True, capture_output=True,
                timeout=_PATIENCE_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            self.warn(f"the command {command!r} could not be run: {error}")
            return
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            self.warn(
                f"the command {command!r} ended with code {done.returncode}: {said[-1] if said else ''}"
            )

    def _write(self, now: Standing) -> None:
        if self.metrics is None:
            return
        self._written = time.monotonic()
        path = Path(self.metrics)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            unfinished.write_text(_prometheus(self.run, now), encoding="utf-8")
            os.replace(unfinished, path)
        except OSError as error:
            self.warn(f"cannot write {self.metrics}: {error.strerror or error}")
            self.metrics = None  # once is enough
        finally:
            unfinished.unlink(missing_ok=True)


def _prometheus(run: str, now: Standing) -> str:
    """Return a run's standing in the text format of Prometheus."""
    label = f'run="{run}"'  # names of runs hold nothing that is to be escaped
    states = {"done": now.done, "failed": now.failed, "skipped": now.skipped, "left": now.left}
    lines = ["# HELP rsic_batch_scenes Scenes of a run by state.", "# TYPE rsic_batch_scenes gauge"]
    lines += [f'rsic_batch_scenes{{{label},state="{state}"}} {count}' for state, count in states.items()]
    for name, words, value in (
        ("pixels", "Pixels finished.", now.pixels),
        ("pixels_total", "Pixels of all scenes known.", now.all_pixels),
        ("source_bytes", "Bytes of the sources that are done.", now.source_bytes),
        ("product_bytes", "Bytes of their products.", now.product_bytes),
        ("left_seconds", "Seconds left, where that is known.", now.eta_seconds),
        ("told_timestamp_seconds", "When this was written.", time.time()),
    ):
        if value is not None:
            lines += [f"# HELP rsic_batch_{name} {words}", f"# TYPE rsic_batch_{name} gauge"]
            lines.append(f"rsic_batch_{name}{{{label}}} {value!r}")
    return "\n".join(lines) + "\n"
