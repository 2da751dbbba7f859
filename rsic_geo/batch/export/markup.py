"""Pieces of our pages: tables, charts, and text of others, inert and no longer than it is of use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from html import escape

_MOST_BARS = 16


def printable(value: object, most: int = 1000) -> str:
    """Return text as it can be shown, at most ``most`` characters, of longer text its end.

    Names come from anywhere: control characters, which XML does not hold, and those that turn the direction
    of writing are shown as a replacement character.
    """
    words = str(value)
    words = words if len(words) <= most else f"…{words[1 - most :]}"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in words)


def inert(value: object, most: int = 1000) -> str:
    """Return printable text as HTML and XML show it."""
    return escape(printable(value, most))


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, numbers: bool = True) -> str:
    """Return a table; all but its first column are numbers, or else texts."""
    kind = ' class="n"' if numbers else ""
    first, *others = head
    names = "".join(f"<th{kind}>{inert(name)}</th>" for name in others)
    lines = [f"<table><tr><th>{inert(first)}</th>{names}</tr>\n"]
    for first, *rest in rows:
        cells = "".join(f"<td{kind}>{inert(value)}</td>" for value in rest)
        lines.append(f"<tr><td>{inert(first)}</td>{cells}</tr>\n")
    return "".join([*lines, "</table>\n"])


def bars(title: str, counts: Counter[int], label: Callable[[int, int], str], more: str = "") -> str:
    """Return a bar chart as inline SVG, one row per bin that holds scenes.

    Args:
        title: of the chart.
        counts: scenes by bin of width 1.
        label: name of the bin from its first to past its last number.
        more: said beside the title.
    """
    width, entries = 1, dict(counts)
    while len(entries) > _MOST_BARS:
        width, entries = 2 * width, {}
        for number, count in counts.items():
            start = number // width * width
            entries[start] = entries.get(start, 0) + count
    head = f"<div><h2>{inert(title)}</h2>\n{more and f'<p>{inert(more)}</p>'}\n"
    if not entries:
        return f"{head}<p>nothing yet</p></div>\n"
    most = max(entries.values())
    parts = [f'<svg width="440" height="{22 * len(entries)}" role="img" font-size="13">']
    for i, (start, count) in enumerate(sorted(entries.items())):
        length = 220 * count / most
        parts.append(
            f'<text x="142" y="{22 * i + 15}" text-anchor="end">{inert(label(start, start + width))}</text>'
            f'<rect x="150" y="{22 * i + 3}" width="{length:.1f}" height="16" fill="#3c7a5a"/>'
            f'<text x="{156 + length:.1f}" y="{22 * i + 15}">{count:,}</text>'
        )
    return "".join([head, *parts, "</svg></div>\n"])
