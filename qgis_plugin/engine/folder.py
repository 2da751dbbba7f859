"""Re-encoding a folder scene by scene: nothing overwritten, nothing done twice, nothing lost.

This is the loop for engines without `rsic batch`, and the job and summary that both ways share.
"""

from __future__ import annotations

import csv
import fnmatch
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from . import command
from .errors import EXIT_UNAVAILABLE, EngineCancelledError, EngineError
from .session import Monitor, PartMonitor, Session
from .wording import UNNAMED, plain

LEDGER = "rsic_reencode.jsonl"
DONE, SKIPPED, FAILED, EXISTS = "done", "skipped", "failed", "exists"
"""States of a scene: written now; finished by an earlier run; refused or broken; its output name is taken."""
_COLUMNS = ("source", "output", "state", "source_bytes", "bytes", "ratio", "psnr", "seconds", "message")


@dataclass(frozen=True)
class FolderJob:
    """A folder to re-encode into another one."""

    source: Path
    output: Path
    patterns: tuple[str, ...]
    compression: command.Compression
    execution: command.Execution
    extension: str
    """Of archives, with the dot."""
    is_recursive: bool = True
    is_resuming: bool = True
    """Scenes the ledger calls done are skipped; without it they are refused: nothing is overwritten."""


@dataclass(frozen=True)
class SceneRow:
    """What became of one scene; a line of the ledger and of the summary."""

    source: str
    output: str
    state: str
    key: str
    """Size and time of the source, and what was asked for."""
    source_bytes: int = 0
    bytes: int | None = None
    ratio: float | None = None
    psnr: float | None = None
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class FolderSummary:
    """All scenes of a run."""

    rows: tuple[SceneRow, ...]

    def count(self, state: str) -> int:
        """Return how many scenes ended in ``state``."""
        return sum(row.state == state for row in self.rows)

    @property
    def ratio(self) -> float | None:
        """Bytes of sources by bytes of archives, over the scenes that have one."""
        pairs = [(row.source_bytes, row.bytes) for row in self.rows if row.bytes]
        return sum(before for before, _ in pairs) / sum(after or 0 for _, after in pairs) if pairs else None

    def write_csv(self, path: Path) -> None:
        """Write one line per scene."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
            table.writeheader()
            table.writerows(asdict(row) for row in self.rows)
        os.replace(temporary, path)


def plan(job: FolderJob) -> list[tuple[Path, Path]]:
    """Return every scene with its output, in the order of their names; the output tree mirrors the input.

    Scenes of one folder that differ in their extension only keep it: `a.tif.jp2` beside `a.img.jp2`.

    Raises:
        EngineError: if the input folder cannot be read or is the output folder.
    """
    if not job.source.is_dir():
        raise EngineError("There is no folder {folder}.", folder=job.source)
    if job.source.resolve() == job.output.resolve():
        raise EngineError("Input and output folder are the same: choose another output folder.")
    scenes = sorted(_scenes(job))
    stems = Counter((scene.parent, scene.stem.lower()) for scene in scenes)
    pairs = []
    for scene in scenes:
        is_alone = stems[scene.parent, scene.stem.lower()] == 1
        name = (scene.stem if is_alone else scene.name) + job.extension
        pairs.append((scene, job.output / scene.parent.relative_to(job.source) / name))
    return pairs


def reencode_folder(session: Session, job: FolderJob, monitor: Monitor) -> FolderSummary:
    """Archive every scene of ``job`` and return what became of each; a scene that fails stops no other.

    Raises:
        EngineCancelledError: if the monitor said so; scenes finished before stay, and are skipped next time.
        EngineError: if the folders cannot be used, or the engine itself cannot.
    """
    pairs = plan(job)
    try:
        job.output.mkdir(parents=True, exist_ok=True)
        finished = _read_ledger(job.output / LEDGER)
        rows = []
        with open(job.output / LEDGER, "a", encoding="utf-8") as ledger:
            for number, (scene, output) in enumerate(pairs):
                monitor.stage(f"{number + 1} of {len(pairs)}: {scene.name}")
                part = PartMonitor(monitor, number / len(pairs), (number + 1) / len(pairs))
                row = _one(session, job, (scene, output), finished, part)
                rows.append(row)
                if row.state in (DONE, FAILED):
                    ledger.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
                    ledger.flush()
                    os.fsync(ledger.fileno())
                monitor.progress((number + 1) / len(pairs))
    except OSError as error:
        raise EngineError(
            "The output folder cannot be used: {reason}.", reason=error.strerror or error
        ) from error
    return FolderSummary(tuple(rows))


def _one(
    session: Session, job: FolderJob, pair: tuple[Path, Path], finished: dict[str, SceneRow], monitor: Monitor
) -> SceneRow:
    """Archive one scene, unless that has been done."""
    if monitor.is_cancelled():
        raise EngineCancelledError
    scene, output = pair
    state = scene.stat()
    key = f"{state.st_size} {state.st_mtime_ns} {' '.join(job.compression.arguments())}"
    row = SceneRow(os.fspath(scene), os.fspath(output), FAILED, key, state.st_size)
    if output.exists():
        before = finished.get(row.output)
        is_ours = before is not None and before.key == key and before.bytes == output.stat().st_size
        if before is not None and is_ours and job.is_resuming:
            return replace(before, state=SKIPPED, message="finished by an earlier run")
        text = (
            f"{output} exists and is not the finished archive of this scene and these settings: left as it is"
        )
        monitor.warning(text)
        return replace(row, state=EXISTS, message=text)
    started = time.monotonic()
    output.parent.mkdir(parents=True, exist_ok=True)
    call = command.Job(row.source, row.output, job.execution, is_overwriting=False)
    try:
        result = session.call(command.compress(call, job.compression), monitor, [row.output])
    except EngineCancelledError:
        raise
    except EngineError as error:
        if error.exit_code == EXIT_UNAVAILABLE:
            raise
        monitor.failed_scene(row.source, str(error), error.kind or UNNAMED)
        return replace(row, message=plain(str(error)), seconds=round(time.monotonic() - started, 3))
    return replace(
        row,
        state=DONE,
        bytes=_number(result, "bytes"),
        ratio=_number(result, "ratio"),
        psnr=_number(result, "psnr"),
        message=plain("; ".join(map(str, result.get("warnings") or ()))),
        seconds=round(time.monotonic() - started, 3),
    )


def split_patterns(text: str) -> tuple[str, ...]:
    """Return the file name patterns of a text: `*.tif; *.img`."""
    return tuple(part for part in re.split(r"[;,\s]+", text) if part)


def _scenes(job: FolderJob) -> Iterator[Path]:
    output = job.output.resolve()
    for folder, folders, names in os.walk(job.source):
        here = Path(folder)
        folders[:] = (
            [name for name in folders if (here / name).resolve() != output] if job.is_recursive else []
        )
        for name in names:
            if not name.startswith(".") and _matches(name, job.patterns):
                yield here / name


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def _read_ledger(path: Path) -> dict[str, SceneRow]:
    """Return the scenes done before, by their output. A torn last line, of a crash, is no scene."""
    rows: dict[str, SceneRow] = {}
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = SceneRow(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if row.state == DONE:
            rows[row.output] = row
    return rows


def _number(result: dict[str, Any], key: str) -> Any:
    value = result.get(key)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
