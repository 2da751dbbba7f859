"""Failed scenes by what is wrong with them, and the command that mends each cause."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from rsic_geo.batch.ledger.file import Row, RunRecord
from rsic_geo.options import EncodeOptions

_MOST_CAUSES = 40
_MOST_NAMES = 20
_WORDS = {"spectral": "bands"}
"""Options of the command line that are called otherwise than their fields."""

_RETRY = "retry"
_MENDS: dict[str, tuple[str, str]] = {
    "damaged": (
        "Copy the sources again and try again; or archive what they still hold, in another folder:",
        "--accept-damaged",
    ),
    "structure lost": (
        "Ask for a higher target; or archive them although a band is lost, in another folder:",
        "--accept-loss",
    ),
    "target not reached": (
        "Ask for what can be reached; without loss always can be, in another folder:",
        "--target lossless",
    ),
    "UnsupportedSceneError": (
        "Do what was said, or ask for a target and codec that hold most kinds of scenes, in another folder:",
        "--codec auto --target lossless",
    ),
    "UsageError": (
        "Do what was said, or ask for what suits most kinds of scenes, in another folder:",
        "--codec auto --target lossless",
    ),
    "exists": ("Move away the files that have the products' names, then:", _RETRY),
    "changed": (
        "When nobody writes to the sources any more, and old products of them are moved away:",
        _RETRY,
    ),
    "no room": ("Make room, then:", _RETRY),
    "worker lost": ("Most often memory ran out: leave more to each scene:", f"{_RETRY} --jobs 1"),
    "verification": (
        "Nothing wrong was published; the product is kept beside its place as .failed. Try again, and "
        "report it if it fails again:",
        _RETRY,
    ),
    "SceneNotFoundError": ("Bring the sources back, then:", _RETRY),
    "WeightsError": ("rsic models and rsic doctor say what is missing; then:", _RETRY),
    "MissingDependencyError": ("rsic doctor says what is missing; then:", _RETRY),
}
"""By the ledger's kind of error: what to do first, and what the command adds."""
_OTHERS = ("Mend or replace the sources, then:", _RETRY)


@dataclass(slots=True)
class Cause:
    """Scenes that failed alike."""

    kind: str
    example: str
    """What was said of the first of them."""
    count: int = 0
    names: list[str] = field(default_factory=list)
    """The first of their sources."""


@dataclass(slots=True)
class Causes:
    """All causes met; rare ones beyond a few dozen are one."""

    found: dict[tuple[str, str], Cause] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Count a failed scene."""
        kind, text = str(row["error_kind"] or ""), str(row["error"] or "nothing was said")
        # Places and numbers differ from scene to scene; what is left tells causes apart.
        alike = re.sub(r"\d[\d.,]*", "#", re.sub(r"\S*/\S+", "…", text[:400].replace(row["source"], "…")))
        key = (kind, alike) if len(self.found) < _MOST_CAUSES else (kind, "")
        cause = self.found.get((kind, alike)) or self.found.setdefault(key, Cause(kind, text))
        cause.count += 1
        if len(cause.names) < _MOST_NAMES:
            cause.names.append(row["source"])

    def ranked(self) -> list[Cause]:
        """Return the causes, of most scenes first."""
        return sorted(self.found.values(), key=lambda cause: -cause.count)


def mend(cause: Cause, ledger: Path, record: RunRecord) -> tuple[str, str]:
    """Return what to do about a cause in words, and a command for a POSIX shell."""
    words, more = _MENDS.get(cause.kind, _OTHERS)
    asked = json.loads(record.options)
    if "--codec" in more and (asked["codec"], asked["target"]) == ("auto", "lossless"):
        words, more = _OTHERS  # it was asked for already
    if more.startswith(_RETRY):
        run = [] if record.name == "default" else ["--run", record.name]
        extra = more.split()[1:]
        return words, shlex.join(["rsic", "batch", "retry", str(ledger), *run, *extra])
    # What was asked for is fixed for a run, so other wishes are a run of their own over the same sources.
    query = (
        f"SELECT source FROM scenes WHERE run={_literal(record.name)} AND state='failed' "
        f"AND error_kind={_literal(cause.kind)}"
    )
    again = ["rsic", "batch", "run", "-", f"{record.folder}-again", *_asked(record, more.split())]
    return words, f"{shlex.join(['sqlite3', str(ledger)])} {_quoted(query)} | {shlex.join(again)}"


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _quoted(query: str) -> str:
    """Return SQL as one word of the shell, in double quotes where nothing in it means something there."""
    return shlex.quote(query) if re.search(r"[\"$`\\!]", query) else f'"{query}"'


def _asked(record: RunRecord, more: list[str]) -> list[str]:
    """Return a run's options as words of the command line, as far as they are not the usual ones."""
    asked, usual, words = json.loads(record.options), EncodeOptions(), []
    if "rules" in asked:
        words += ["--rules", "FILE"]
    for name, value in asked.items():
        option = f"--{_WORDS.get(name, name).replace('_', '-')}"
        if option in more or not hasattr(usual, name):
            continue
        if name == "target":
            words += [option, str(value)]
        elif value != getattr(usual, name):
            words += [option] if value is True else [option, str(value)]
    return [*words, *more]
