"""Re-encoding a folder with `rsic batch`, where the engine has it: its ledger is a layer for QGIS."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .command import TALK
from .errors import EngineError
from .folder import DONE, EXISTS, FAILED, SKIPPED, FolderJob, FolderSummary, SceneRow
from .session import Monitor, Session
from .wording import UNNAMED, plain

LEDGER = "rsic-batch.gpkg"
_SOME_FAILED = 3
_STATES = {"done": SKIPPED, "failed": FAILED, "skipped": EXISTS}
"""The ledger's states, of scenes this run had nothing to do with."""


@dataclass(frozen=True)
class BatchOptions:
    """What the engine's batch can do beyond a folder job."""

    jobs: int = 1
    """Scenes worked on at a time."""


def reencode_with_batch(
    session: Session, job: FolderJob, options: BatchOptions, monitor: Monitor
) -> FolderSummary:
    """Archive every scene of ``job``, trying again what failed before, and return what became of each.

    Raises:
        EngineCancelledError: if the monitor said so; the same job goes on from there.
        EngineError: if the folders cannot be used, the ledger is of other settings, or the engine fails.
    """
    if not job.source.is_dir():
        raise EngineError("There is no folder {folder}.", folder=job.source)
    name = [] if job.is_resuming else ["--run", time.strftime("run-%Y%m%d-%H%M%S")]
    execution = [*job.execution.arguments(), "--jobs", str(options.jobs), *name, *TALK]
    seen = _Seen(monitor)
    words = ["batch", "run", os.fspath(job.source), os.fspath(job.output), *_selection(job)]
    # A batch proves every product before it counts: verification cannot be switched off.
    wanted = replace(job.compression, is_verified=True).arguments()
    result, _ = session.call_for_verdict([*words, *wanted, *execution], seen, (0, _SOME_FAILED))
    ledger = job.output / LEDGER
    if int(result.get("failed") or 0) > sum(state == FAILED for state in seen.states.values()):
        session.call_for_verdict(["batch", "retry", os.fspath(ledger), *execution], seen, (0, _SOME_FAILED))
    return FolderSummary(tuple(_rows(session, ledger, name, seen)))


class _Seen(Monitor):
    """Passes everything on, and remembers the scenes of this run."""

    def __init__(self, other: Monitor) -> None:
        self.states: dict[str, str] = {}
        self._other = other
        self.progress, self.stage = other.progress, other.stage
        self.warning, self.console, self.is_cancelled = other.warning, other.console, other.is_cancelled
        self.failed_scene = other.failed_scene

    def scene(self, source: str, state: str, error: str, error_kind: str) -> None:
        """Take what became of a scene."""
        self.states[source] = state
        if state == FAILED:
            self._other.failed_scene(source, error, error_kind or UNNAMED)
        else:
            self._other.stage(f"{Path(source).name}: {state}")


def _selection(job: FolderJob) -> list[str]:
    """Return which files are scenes; the engine tells capitals from small letters, we do not."""
    words = []
    for pattern in dict.fromkeys(
        spelled for given in job.patterns for spelled in (given, given.lower(), given.upper())
    ):
        words += ["--include", pattern]
    return words if job.is_recursive else [*words, "--exclude", "*/*"]


def _rows(session: Session, ledger: Path, name: Sequence[str], seen: _Seen) -> list[SceneRow]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        session.call_for_verdict(
            ["batch", "export", os.fspath(ledger), os.fspath(path), "--to", "json", *name, *TALK],
            Monitor(),
            (0,),
        )
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))["scenes"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineError(
                "The engine's ledger {ledger} cannot be read: {reason}.", ledger=ledger, reason=error
            ) from error
    return [_row(entry, seen.states) for entry in entries]


def _row(entry: dict[str, Any], states: dict[str, str]) -> SceneRow:
    source = str(entry.get("source", ""))
    state = DONE if states.get(source) == DONE else _STATES.get(str(entry.get("state")), FAILED)
    before, after = entry.get("source_bytes") or 0, entry.get("product_bytes")
    return SceneRow(
        source=source,
        output=str(entry.get("product", "")),
        state=state,
        key="",
        source_bytes=before,
        bytes=after,
        ratio=before / after if after else None,
        psnr=entry.get("psnr"),
        seconds=entry.get("seconds") or 0.0,
        message=plain(str(entry.get("error") or entry.get("warnings") or "")),
    )
