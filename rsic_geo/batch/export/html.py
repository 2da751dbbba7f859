"""The summary of a run as one HTML page: counts, distributions, slowest, failed. It holds no scripts."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from html import escape
from typing import Any

from rsic_geo.batch.coordinator import duration, standing_of
from rsic_geo.batch.ledger.file import Ledger, RunRecord
from rsic_geo.batch.ledger.schema import STATES

_MOST_FAILED = 1000
_SLOWEST = 20
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;"
    "text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}svg{display:block}"
    "h2{margin-top:2rem}.failed{color:#b00}"
)


@dataclass(slots=True)
class _Gathered:
    """What one pass over the scenes leaves, however many there are."""

    psnr: Counter[int] = field(default_factory=Counter)
    """Scenes by whole dB."""
    exact: int = 0
    saved: Counter[int] = field(default_factory=Counter)
    """Scenes by twentieths of the source saved."""
    slowest: list[tuple[float, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    failures: int = 0
    warned: list[tuple[str, str]] = field(default_factory=list)
    warnings: int = 0
    """Scenes that are done, with a warning: most often a band that ends below 20 dB SNR."""
    meanings: Counter[str] = field(default_factory=Counter)
    """Scenes by what the target meant in their own units."""

    def add(self, row: Any) -> None:  # noqa: ANN401 - a row of the ledger
        """Count one scene."""
        if row["state"] == "failed":
            self.failures += 1
            if len(self.failed) < _MOST_FAILED:
                self.failed.append((row["source"], row["error"] or ""))
        if row["state"] != "done":
            return
        if row["warnings"]:
            self.warnings += 1
            if len(self.warned) < _MOST_FAILED:
                self.warned.append((row["source"], row["warnings"]))
        if row["meaning"]:
            self.meanings[row["meaning"]] += 1
        if row["psnr"] is None:
            self.exact += 1
        else:
            self.psnr[math.floor(row["psnr"])] += 1
        if row["source_bytes"] and row["product_bytes"]:
            self.saved[math.floor(20 * (1 - row["product_bytes"] / row["source_bytes"]))] += 1
        self.slowest = nlargest(_SLOWEST, [*self.slowest, (row["seconds"] or 0.0, row["source"])])


def page(ledger: Ledger, record: RunRecord) -> Iterator[str]:
    """Yield the page piece by piece."""
    found = _Gathered()
    for row in ledger.scenes(record.name):
        found.add(row)
    totals, standing = ledger.totals(record.name), standing_of(ledger, record.name)
    title = f"rsic batch: {escape(record.name)}"
    yield f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    yield f"<p>{escape(record.folder)}, started {escape(record.created)} "
    yield f"with rsic_geo {escape(record.version)}<br>{escape(_asked(record))}</p>\n"
    yield _table(
        ("state", "scenes", "Mpx", "source MB", "product MB", "hours of work"),
        [(state, *_numbers(totals[state])) for state in STATES],
    )
    if standing.product_bytes:
        ratio = standing.source_bytes / standing.product_bytes
        yield f"<p><b>{standing.saved_bytes / 1e6:,.1f} MB saved</b>, ratio {ratio:.2f}; every scene that is "
        yield "done was decoded from disk and compared with its source.</p>\n"
    yield "<h2>Saved part of the source</h2>\n"
    yield _bars([(f"{5 * k} %", found.saved[k]) for k in _span(found.saved)])
    yield "<h2>PSNR</h2>\n"
    yield f"<p>{found.exact:,} scenes come back pixel by pixel.</p>\n"
    yield _bars([(f"{k} dB", found.psnr[k]) for k in _span(found.psnr)])
    if found.meanings:
        yield "<h2>What the target meant</h2>\n"
        yield _table(
            ("target", "scenes"), [(text, f"{n:,}") for text, n in found.meanings.most_common(_SLOWEST)]
        )
    yield f"<h2>Warned: {found.warnings:,}</h2>\n"
    if found.warned:
        yield _table(("scene", "of what"), found.warned)
    yield "<h2>Slowest</h2>\n"
    yield _table(("scene", "time"), [(name, duration(seconds)) for seconds, name in found.slowest])
    yield f"<h2>Failed: {found.failures:,}</h2>\n"
    if found.failed:
        yield _table(("scene", "why"), found.failed)
        if found.failures > len(found.failed):
            yield f"<p>The first {len(found.failed)}; all of them: rsic batch status --failed.</p>\n"
    yield "</body></html>\n"


def _asked(record: RunRecord) -> str:
    options = json.loads(record.options)
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in options.items() if value is not None
    )


def _numbers(part: dict[str, float]) -> tuple[str, ...]:
    millions = (part[name] / 1e6 for name in ("pixels", "source_bytes", "product_bytes"))
    hours = part["seconds"] / 3600
    return (f"{part['scenes']:,.0f}", *(f"{value:,.2f}" for value in (*millions, hours)))


def _span(counts: Counter[int]) -> range:
    return range(min(counts), max(counts) + 1) if counts else range(0)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["<table><tr>", *(f"<th>{escape(name)}</th>" for name in head), "</tr>\n"]
    for first, *rest in rows:
        cells = "".join(f'<td class="n">{escape(value)}</td>' for value in rest)
        lines.append(f"<tr><td>{escape(first)}</td>{cells}</tr>\n")
    return "".join([*lines, "</table>\n"])


def _bars(entries: list[tuple[str, int]]) -> str:
    """Return a bar chart as inline SVG, one row per entry."""
    if not entries:
        return "<p>nothing yet</p>\n"
    most = max(count for _, count in entries) or 1
    parts = [f'<svg width="640" height="{22 * len(entries)}" role="img" font-size="13">']
    for i, (label, count) in enumerate(entries):
        length = 420 * count / most
        parts.append(
            f'<text x="70" y="{22 * i + 15}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="80" y="{22 * i + 3}" width="{length:.1f}" height="16" fill="#3c7a5a"/>'
            f'<text x="{86 + length:.1f}" y="{22 * i + 15}">{count:,}</text>'
        )
    return "".join([*parts, "</svg>\n"])
