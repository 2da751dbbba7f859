"""The engine's lines on stderr with `--progress json`, as values."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """One line of the engine. Kinds that are not known here come from a newer engine and are left alone."""

    kind: str
    """progress, warning, error, done, scene, or text for a line that is no JSON."""
    message: str = ""
    fraction: float | None = None
    """Share of the job that is done, 0..1; progress only."""
    exit_code: int | None = None
    """What the process will return; error only."""
    error_kind: str = ""
    """The engine's name of what went wrong; empty where it gives none."""
    source: str = ""
    """Path of the scene of a batch; scene only."""
    state: str = ""
    """What became of it: done or failed; scene only."""


def parse_line(line: str) -> Event | None:
    """Return the event of ``line``, None for an empty one. Never raises, whatever the line holds."""
    text = line.strip()
    if not text:
        return None
    try:
        entries = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, dict) or not isinstance(entries.get("event"), str):
        return Event("text", text)
    if entries["event"] == "scene":
        source, state = str(entries.get("source") or ""), str(entries.get("state") or "")
        kind = _text(entries.get("error_kind"))
        return Event("scene", _text(entries.get("error")), error_kind=kind, source=source, state=state)
    return Event(
        entries["event"],
        _text(entries.get("message")),
        _fraction(entries.get("fraction")),
        _integer(entries.get("exit_code")),
        _text(entries.get("error_kind")),
    )


def _text(value: Any) -> str:
    return " ".join(str(value).split()) if value is not None else ""


def _fraction(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return min(max(float(value), 0.0), 1.0)


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
