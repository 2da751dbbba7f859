"""A batch as a map of footprints coloured by state, and each of its scenes as a page of its own."""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsic_geo.batch.export.markup import printable
from rsic_geo.batch.ledger.file import Ledger, Row
from rsic_geo.batch.ledger.schema import COLOURS
from rsic_geo.batch.run import ledger_path
from rsic_geo.errors import SceneError, UsageError
from rsic_geo.geo.extent import blob_boxes, blob_parts
from rsic_geo.options import Execution
from rsic_geo.view.scene import SceneView
from rsic_geo.view.server import Answer
from rsic_geo.view.site import SceneSite, box_of, number, page, static

MOST_DRAWN = 1500
"""Footprints that one answer holds."""
_MOST_OPEN = 3
"""Scenes that are held open."""
_FINENESS = 400
"""Points are left out that move an outline by less than the view's width divided by this."""
_ORDER = ("failed", "running", "done", "skipped", "pending")
"""Of more scenes than are drawn these come first."""
_FACTS = (
    ("psnr", "PSNR", "{:.2f} dB"), ("snr", "SNR", "{:.2f} dB"), ("max_error", "Largest error", "{:g}"),
    ("meaning", "Target", "{}"), ("product_bytes", "Bytes", "{:,}"),
    ("source_bytes", "Source's bytes", "{:,}"), ("warnings", "Warned", "{}"), ("error", "Error", "{}"),
)  # fmt: skip
"""Columns of a scene that are told, with their titles."""


@dataclass(frozen=True, slots=True)
class _Known:
    """All scenes of a ledger as it was read: what decides which of them are in view."""

    stamp: tuple[float, ...]
    ids: np.ndarray[Any, np.dtype[np.int64]]
    ranks: np.ndarray[Any, np.dtype[np.int64]]
    """Place of each one's state in ``_ORDER``."""
    boxes: np.ndarray[Any, np.dtype[np.float64]]
    """West, south, east, north of one part of a scene each; NaN without a place."""
    states: Counter[str]


class LedgerSite:
    """The page of a batch."""

    def __init__(self, place: str, execution: Execution) -> None:
        """Serve a ledger, or that of an output folder.

        Raises:
            LedgerError: there is no ledger, or none of ours.
        """
        self._path, self._execution = ledger_path(place), execution
        self._lock = threading.Lock()
        self._open: OrderedDict[int, SceneSite] = OrderedDict()
        self._known = self._gathered()

    def close(self) -> None:
        """Close every scene."""
        with self._lock:
            for site in self._open.values():
                site.view.close()
            self._open.clear()

    def answer(self, words: tuple[str, ...], query: Mapping[str, str]) -> Answer | None:
        """Answer a request below the page's address; see :class:`rsic_geo.view.server.Site`."""
        if words == ("",):
            with self._lock:  # a run may be at work
                if self._stamp() != self._known.stamp:
                    self._known = self._gathered()
            return page("ledger.html")
        if words == ("scenes.json",):
            return Answer.json(self._in_view(box_of(query)))
        if len(words) > 2 and words[0] == "scene":
            return self._scene(number(words[1], "a scene")).answer(words[2:], query)
        return static(words)

    def _stamp(self) -> tuple[float, ...]:
        names = (f"{self._path}{suffix}" for suffix in ("", "-wal"))
        return tuple(os.stat(name).st_mtime for name in names if os.path.exists(name))

    def _gathered(self) -> _Known:
        stamp = self._stamp()
        ids: list[int] = []
        ranks: list[int] = []
        boxes: list[tuple[float, ...]] = []
        states: Counter[str] = Counter()
        with Ledger(self._path) as ledger:
            for fid, state, outline in ledger.footprints():
                states[state] += 1
                for box in blob_boxes(outline) or [(np.nan,) * 4]:
                    ids.append(fid)
                    ranks.append(_ORDER.index(state) if state in _ORDER else len(_ORDER))
                    boxes.append(box)
        return _Known(
            stamp=stamp, ids=np.array(ids, np.int64), ranks=np.array(ranks, np.int64),
            boxes=np.array(boxes, np.float64).reshape(-1, 4), states=states,
        )  # fmt: skip

    def _in_view(self, view: tuple[float, float, float, float]) -> dict[str, Any]:
        """Return scenes whose box meets a box (west, south, east, north), and those without a place."""
        known = self._known
        west, south, east, north = known.boxes.T
        is_seen = ~((east < view[0]) | (west > view[2]) | (north < view[1]) | (south > view[3]))
        order = np.argsort(known.ranks[is_seen], kind="stable")
        found = list(dict.fromkeys(known.ids[is_seen][order].tolist()))
        wanted = found[:MOST_DRAWN]
        rows: dict[int, dict[str, Any]] = {}
        if wanted:
            with Ledger(self._path) as ledger:
                for run in ledger.runs():
                    for row in ledger.scenes(run.name, where=f"fid IN ({', '.join(map(str, wanted))})"):
                        rows[row["fid"]] = _told(row, abs(view[2] - view[0]) / _FINENESS)
        placed = known.boxes[~np.isnan(known.boxes[:, 0])]
        return {
            "name": printable(self._path.absolute().parent.name + "/" + self._path.name, 200),
            "count": len(found),
            "most": MOST_DRAWN,
            "extent": [*placed[:, :2].min(axis=0), *placed[:, 2:].max(axis=0)] if len(placed) else None,
            "states": [[state, known.states[state], COLOURS.get(state, "0,0,0")] for state in known.states],
            "scenes": [rows[each] for each in wanted if each in rows],
        }

    def _scene(self, fid: int) -> SceneSite:
        """Return the page of a scene, which stays open while it is one of those last asked for.

        Raises:
            UsageError: there is no such scene, or it is not done.
            RsicGeoError: its archive cannot be opened.
        """
        with self._lock:
            if fid in self._open:
                self._open.move_to_end(fid)
                return self._open[fid]
            row = self._row(fid)
            if row["state"] != "done":
                raise UsageError(
                    f"{printable(row['source'])} is {row['state']}: {row['error'] or 'it has no archive yet'}"
                )
            if not os.path.isfile(row["product"]):
                raise SceneError(
                    f"the archive {printable(row['product'])} is gone: `rsic batch verify` tells all that are"
                )
            source = row["source"] if os.path.isfile(row["source"]) else None
            site = SceneSite(SceneView(row["product"], source, self._execution))
            self._open[fid] = site
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)  # not closed: who still reads it holds it
            return site

    def _row(self, fid: int) -> Row:
        with Ledger(self._path) as ledger:
            for run in ledger.runs():
                for row in ledger.scenes(run.name, where=f"fid = {fid}"):
                    return row
        raise UsageError(f"the ledger has no scene {fid}")


def _told(row: Row, tolerance: float) -> dict[str, Any]:
    parts = blob_parts(row["geom"]) if blob_boxes(row["geom"]) else []
    rings = [part.simplify(tolerance, preserve_topology=True).exterior.coords for part in parts]
    facts = [
        [title, printable(form.format(row[name]))] for name, title, form in _FACTS if row[name] is not None
    ]
    return {
        "id": row["fid"],
        "name": printable(os.path.basename(row["source"]) or row["source"], 120),
        "state": row["state"],
        "facts": [["Source", printable(row["source"])], *facts],
        "rings": [[[round(lat, 6), round(lon, 6)] for lon, lat, *_ in ring] for ring in rings],
    }
