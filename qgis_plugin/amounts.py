"""Bytes and times as people say them."""

from __future__ import annotations

from .i18n import tr


def size_text(count: float) -> str:
    """Return bytes as people say them."""
    for name in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {name}"
        count /= 1000
    return f"{count:.3g} GB"


def time_text(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return tr("{count} s").format(count=max(1, round(seconds)))
    if seconds < 5400:
        return tr("{count} min").format(count=round(seconds / 60))
    return tr("{count:.1f} h").format(count=seconds / 3600)
