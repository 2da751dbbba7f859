"""The summary of a run as one HTML page that holds no scripts, loads nothing, and whose bytes are bounded."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest

from rsic_geo.batch.coordinator import duration, standing_of
from rsic_geo.batch.duplicates import DUPLICATES
from rsic_geo.batch.export.causes import Causes, mend
from rsic_geo.batch.export.crops import SIDE, crops
from rsic_geo.batch.export.footprints import MOST_DRAWN, footprint_map
from rsic_geo.batch.export.markup import bars, inert, table
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord
from rsic_geo.batch.ledger.schema import COLOURS, STATES
from rsic_geo.geo.extent import Extent

_MOST_LISTED = 100
_SLOWEST = 20
_MOST_CLASSES = 30
_MOST_CROPS = 6
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:940px;margin:2rem auto;padding:0 1rem;color:#222;"
    "overflow-wrap:anywhere}table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.2rem .8rem .2rem 0;"
    "border-bottom:1px solid #ddd;text-align:left;vertical-align:top}td.n{text-align:right;"
    "font-variant-numeric:tabular-nums}th.n{text-align:right}svg{display:block;max-width:100%;height:auto}"
    "h2{margin-top:2rem}.map{background:#f4f6f8;border:1px solid #ccd}.bars{display:flex;flex-wrap:wrap;"
    "gap:0 2rem}pre{background:#f4f6f8;padding:.4rem .6rem;white-space:pre-wrap}.key{display:inline-block;"
    "width:.8em;height:.8em;margin:0 .3em 0 1em}"
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(slots=True)
class _Class:
    """Scenes that are done, of one sample type and number of bands."""

    scenes: int = 0
    source_bytes: int = 0
    product_bytes: int = 0
    snr: float = math.inf
    """Of the worst band of the worst scene (dB)."""
    max_error: float = 0.0
    worst: tuple[str, str] = ("", "")
    """Source and product of the scene of that SNR."""

    def add(self, row: Row) -> None:
        self.scenes += 1
        self.source_bytes += row["source_bytes"] or 0
        self.product_bytes += 0 if row["error_kind"] in DUPLICATES else row["product_bytes"] or 0
        if _finite(row["snr"], math.inf) < self.snr:
            self.snr, self.worst = row["snr"], (row["source"], row["product"])
        self.max_error = max(self.max_error, _finite(row["max_error"], 0.0))

    def cells(self) -> tuple[str, ...]:
        """Return scenes, megabytes, saved part, SNR and largest error for people."""
        saved = 1 - self.product_bytes / self.source_bytes if self.source_bytes else 0.0
        return (
            f"{self.scenes:,}",
            f"{self.source_bytes / 1e6:,.2f}",
            f"{self.product_bytes / 1e6:,.2f}",
            f"{100 * saved:.1f} %",
            "" if self.snr == math.inf else f"{self.snr:.1f} dB",
            f"{self.max_error:g}" if self.max_error else "0",
        )


@dataclass(slots=True)
class _Gathered:
    """What one pass over the scenes leaves, however many there are."""

    psnr: Counter[int] = field(default_factory=Counter)
    """Scenes by whole dB."""
    snr: Counter[int] = field(default_factory=Counter)
    """Scenes by whole dB of their worst band."""
    max_error: Counter[int] = field(default_factory=Counter)
    """Scenes that are not exact, by the power of two that their largest error does not exceed."""
    exact: int = 0
    saved: Counter[int] = field(default_factory=Counter)
    """Scenes by twentieths of the source saved."""
    classes: dict[tuple[str, int], _Class] = field(default_factory=dict)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    causes: Causes = field(default_factory=Causes)
    warned: list[tuple[str, str]] = field(default_factory=list)
    warnings: int = 0
    """Scenes that are done, with a warning: most often a band that ends below 20 dB SNR."""
    meanings: Counter[str] = field(default_factory=Counter)
    """Scenes by what the target meant in their own units."""
    extent: Extent = field(default_factory=Extent)
    placed: int = 0
    """Scenes that have a place on earth."""

    def add(self, row: Row) -> None:
        """Count one scene."""
        self.placed += self.extent.add(row["geom"])
        if row["state"] == "failed":
            self.causes.add(row)
        if row["state"] != "done":
            return
        if row["warnings"]:
            self.warnings += 1
            if len(self.warned) < _MOST_LISTED:
                self.warned.append((row["source"], row["warnings"]))
        if row["meaning"] and (row["meaning"] in self.meanings or len(self.meanings) < _MOST_LISTED):
            self.meanings[row["meaning"]] += 1
        error = _finite(row["max_error"], 0.0)
        self.exact += row["psnr"] is None
        for value, counts in ((row["psnr"], self.psnr), (row["snr"], self.snr)):
            if math.isfinite(_finite(value, math.inf)):
                counts[math.floor(value)] += 1
        if error > 0:
            self.max_error[max(-1000, min(1000, math.ceil(math.log2(error))))] += 1
        if row["source_bytes"] and row["product_bytes"]:
            self.saved[math.floor(20 * (1 - row["product_bytes"] / row["source_bytes"]))] += 1
        kind = (str(row["dtype"] or "copied"), row["bands"] or 0)
        if kind not in self.classes and len(self.classes) >= _MOST_CLASSES:
            kind = ("others", 0)
        self.classes.setdefault(kind, _Class()).add(row)
        self.slowest = nlargest(_SLOWEST, [*self.slowest, (row["seconds"] or 0.0, row["source"])])


def page(ledger: Ledger, record: RunRecord, *, with_crops: bool = False) -> Iterator[str]:
    """Yield the page piece by piece.

    Args:
        ledger: open ledger.
        record: of the run.
        with_crops: show the worst scene of each class beside its source, which opens both.
    """
    found = _Gathered()
    for row in ledger.scenes(record.name):
        found.add(row)
    totals, standing = ledger.totals(record.name), standing_of(ledger, record.name)
    title = f"rsic batch: {inert(record.name)}"
    yield f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    yield f"<p>{inert(record.folder)}, started {inert(record.created)} "
    yield f"with rsic_geo {inert(record.version)}<br>{inert(_asked(record))}</p>\n"
    yield f"<p><b>{inert(standing)}</b></p>\n"
    yield table(
        ("state", "scenes", "Mpx", "source MB", "product MB", "hours of work"),
        [(state, *_numbers(totals[state])) for state in STATES if totals[state]["scenes"]],
    )
    if standing.product_bytes:
        ratio = standing.source_bytes / standing.product_bytes
        yield f"<p><b>{standing.saved_bytes / 1e6:,.1f} MB saved</b>, ratio {ratio:.2f}; every scene that is "
        yield "done was decoded from disk and compared with its source.</p>\n"
    yield from _failures(found.causes, ledger, record)
    yield "<h2>Where</h2>\n"
    yield from footprint_map(ledger.scenes(record.name), found.extent, found.placed)
    yield from _legend(totals, found.placed)
    yield from _charts(found)
    if with_crops:
        yield from _worst(found)
    if found.meanings:
        yield "<h2>What the target meant</h2>\n"
        yield table(
            ("target", "scenes"), [(text, f"{n:,}") for text, n in found.meanings.most_common(_SLOWEST)]
        )
    yield f"<h2>Warned: {found.warnings:,}</h2>\n"
    if found.warned:
        yield table(("scene", "of what"), found.warned, numbers=False)
        if found.warnings > len(found.warned):
            yield f"<p>The first {len(found.warned)}; all of them: rsic batch status --failed.</p>\n"
    yield "<h2>Slowest</h2>\n"
    yield table(("scene", "time"), [(name, duration(seconds)) for seconds, name in found.slowest])
    yield "</body></html>\n"


def _charts(found: _Gathered) -> Iterator[str]:
    """Yield what was saved and lost, by class and as histograms."""
    exact = f"{found.exact:,} exact" if found.exact else ""
    if found.classes:
        yield "<h2>Saved, by class</h2>\n"
        yield table(
            ("bands and type", "scenes", "source MB", "product MB", "saved", "least SNR", "largest error"),
            [
                (f"{bands} x {kind}" if bands else kind, *entry.cells())
                for (kind, bands), entry in sorted(
                    found.classes.items(), key=lambda item: -item[1].source_bytes
                )
            ],
        )
    yield '<div class="bars">'
    yield bars("Saved part of the source", found.saved, lambda a, b: f"{5 * a} to {5 * b} %")
    yield bars("SNR of the worst band", found.snr, lambda a, b: f"{a} to {b} dB")
    yield bars("PSNR", found.psnr, lambda a, b: f"{a} to {b} dB", exact)
    yield bars("Largest error", found.max_error, _powers, exact)
    yield "</div>\n"


def _worst(found: _Gathered) -> Iterator[str]:
    """Yield crops of the scene of least SNR of the largest classes, where its source is still there."""
    shown = 0
    for (kind, bands), entry in sorted(found.classes.items(), key=lambda item: -item[1].source_bytes):
        pair = crops(*entry.worst) if entry.worst[0] and shown < _MOST_CROPS else None
        if pair is None:
            continue
        if not shown:
            yield "<h2>Worst of each class</h2>\n<p>Source and codec, stretched alike, where they differ "
            yield "most of sixteen places.</p>\n"
        shown += 1
        yield f"<p>{bands} x {inert(kind)}, SNR {entry.snr:.1f} dB: {inert(entry.worst[0])}</p>\n<p>"
        for words, address in zip(("source", "codec"), pair, strict=True):
            yield f'<img src="{address}" alt="{words}" title="{words}" width="{2 * SIDE}"/> '
        yield "</p>\n"


def _failures(causes: Causes, ledger: Ledger, record: RunRecord) -> Iterator[str]:
    """Yield what failed by cause, with what mends it."""
    ranked = causes.ranked()
    yield f"<h2>Failed: {sum(cause.count for cause in ranked):,}</h2>\n"
    for cause in ranked:
        words, command = mend(cause, ledger.path.absolute(), record)
        yield f"<h3>{cause.count:,} x {inert(cause.kind)}</h3>\n<p>{inert(cause.example)}</p>\n"
        yield f"<p>{inert(words)}</p>\n<pre>{inert(command, 4000)}</pre>\n"
        yield f"<details{' open' * (cause.count <= 3)}><summary>Scenes</summary><ul>\n"
        yield "".join(f"<li>{inert(name)}</li>\n" for name in cause.names)
        if cause.count > len(cause.names):
            yield f"<li>and {cause.count - len(cause.names):,} more: rsic batch status --failed</li>\n"
        yield "</ul></details>\n"


def _legend(totals: dict[str, dict[str, float]], placed: int) -> Iterator[str]:
    yield "<p>"
    for state in STATES:
        if totals[state]["scenes"]:
            yield f'<span class="key" style="background:rgb({COLOURS[state]})"></span>{state}'
    nowhere = int(sum(part["scenes"] for part in totals.values())) - placed
    yield f"; {nowhere:,} scenes have no known place" if nowhere else ""
    if placed > MOST_DRAWN:
        yield "; cells with a failed scene have its colour, others that of most of their scenes, "
        yield "darker where scenes are many"
    yield ".</p>\n"


def _asked(record: RunRecord) -> str:
    options = json.loads(record.options)
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in options.items() if value is not None
    )


def _numbers(part: dict[str, float]) -> tuple[str, ...]:
    millions = (part[name] / 1e6 for name in ("pixels", "source_bytes", "product_bytes"))
    hours = part["seconds"] / 3600
    return (f"{part['scenes']:,.0f}", *(f"{value:,.2f}" for value in (*millions, hours)))


def _finite(value: object, otherwise: float) -> float:
    """Return a number of the ledger, or another where it is none that is finite."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else otherwise


def _powers(low: int, high: int) -> str:
    return f"{2.0 ** (low - 1):g} to {2.0 ** (high - 1):g}"
