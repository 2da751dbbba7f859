"""The ledger of an archive: a GeoPackage with one feature per scene, written by one process.

While it is written it runs in SQLite's write-ahead mode: a kill at any moment leaves every finished
transaction and nothing of an unfinished one, and others (QGIS, ``rsic batch status``) read meanwhile. A
closed ledger is one plain file again.

Products and reports that lie below the ledger's folder are written down as seen from there, so that an
archive can be moved or mounted elsewhere with its ledger; callers see whole paths.
"""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from rsic_geo.batch.ledger.schema import (
    APPLICATION_ID,
    RUN_COLUMNS,
    SCENE_COLUMNS,
    STATES,
    create_tables,
)
from rsic_geo.errors import LedgerError, LedgerMismatchError
from rsic_geo.geo.footprint_blob import blob_bounds

_COLUMNS = frozenset(name for name, _ in SCENE_COLUMNS) | {"geom"}
_PAGE = 500
_PLACES = ("product", "report", "folder", "reports")
"""Columns of scenes and runs that hold paths of ours."""
_PROVEN = "(state='done' OR (state='failed' AND error_kind='ChecksumError'))"
"""Scenes whose product was proven once, also where it was found damaged since."""
_LINKED = "error_kind IN ('hardlink', 'symlink')"
"""Scenes that are done whose product is that of another one, and takes no bytes of its own."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What one run was asked for."""

    name: str
    folder: str
    """Absolute folder of its products."""
    template: str
    """Where in it the product of a scene goes."""
    reports: str
    """Absolute folder of the JSON reports."""
    options: str
    """JSON of what decides the products' bytes."""
    fingerprint: str
    """SHA-256 of ``options``."""
    version: str
    """Version of rsic_geo that started the run."""
    created: str = ""
    """When, ISO 8601 UTC; set by the ledger."""


def now() -> str:
    """Return the time as a GeoPackage DATETIME; for people only, nothing is decided by the clock."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _asked(record: RunRecord) -> dict[str, Any]:
    return {**json.loads(record.options), "folder": record.folder, "template": record.template}


class Ledger:
    """State of every scene of an archive. The writer must hold a :class:`LedgerLock`."""

    def __init__(self, path: str | Path, *, write: bool = False) -> None:
        """Open a ledger; with ``write`` it is made where there is none.

        Raises:
            LedgerError: if it is no ledger of ours, or cannot be opened.
        """
        self.path = Path(path)
        self._root = self.path.absolute().parent
        self._writes = write
        if not write and not self.path.is_file():
            raise LedgerError(
                f"there is no ledger {path}: give the GeoPackage of a run, or its output folder"
            )
        with self._explained():
            self._connection = self._connect()
            try:
                self._check()
            except BaseException:
                self._connection.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        if not self._writes:
            uri = f"{self.path.resolve().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
        else:
            connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.row_factory = sqlite3.Row
        return connection

    def _check(self) -> None:
        (found,) = self._connection.execute("PRAGMA application_id").fetchone()
        tables = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")}
        if self._writes and not found and not tables:
            create_tables(self._connection)
            return
        if found != APPLICATION_ID or not {"scenes", "runs"} <= tables:
            raise LedgerError(f"{self.path} is no ledger of rsic batch: give another name")
        missing = [column for column in SCENE_COLUMNS if column[0] not in self._columns("scenes")]
        is_older = all("NOT NULL" not in kind for _, kind in missing)
        if not is_older or not self._columns("runs") >= set(RUN_COLUMNS):
            raise LedgerError(
                f"{self.path} is the ledger of another version of rsic, which laid it out otherwise: use "
                "that version, or give a ledger of another name"
            )
        if missing and not self._writes:
            raise LedgerError(
                f"{self.path} is the ledger of an older rsic: `rsic batch run` or `rsic batch retry` of this "
                "version brings it up to date"
            )
        with self._connection:
            for name, kind in missing:
                self._connection.execute(f"ALTER TABLE scenes ADD COLUMN {name} {kind}")

    def _stored(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values as they are written: places below the ledger's folder as seen from there."""
        root, found = os.path.join(self._root, ""), dict(values)
        for name in found.keys() & set(_PLACES):
            path = found[name]
            if path is not None and os.path.join(os.path.normpath(path), "").startswith(root):
                found[name] = Path(os.path.relpath(path, root)).as_posix()
        return found

    def _told(self, row: sqlite3.Row) -> dict[str, Any]:
        """Return a row as callers see it, places whole."""
        found = dict(row)
        for name in found.keys() & set(_PLACES):
            if found[name] is not None:
                found[name] = os.path.normpath(self._root / found[name])
        return found

    def _columns(self, table: str) -> set[str]:
        return {row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")}

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            hint = "; make room and run again" if "full" in str(error) else ""
            raise LedgerError(f"ledger {self.path}: {error}{hint}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def __enter__(self) -> Ledger:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close; a writer leaves one plain file, where no reader holds it open."""
        if self._writes:
            with suppress(sqlite3.Error, LedgerError, struct.error):  # the last: a footprint others broke
                self._write_extent()
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    def _write_extent(self) -> None:
        """Keep the layer's extent, which GIS programs zoom to, right."""
        found: tuple[float, ...] = ()
        for (geom,) in self._connection.execute("SELECT geom FROM scenes WHERE geom IS NOT NULL"):
            box = blob_bounds(geom)
            found = (*map(min, found[:2], box[:2]), *map(max, found[2:], box[2:])) if found else box
        if found:
            with self._transaction() as connection:
                connection.execute(
                    "UPDATE gpkg_contents SET min_x=?, min_y=?, max_x=?, max_y=?, last_change=? "
                    "WHERE table_name='scenes'",
                    (*found, now()),
                )

    def start_run(self, record: RunRecord) -> None:
        """Add a run, or find it again.

        Raises:
            LedgerMismatchError: a run of this name was asked for something else.
        """
        known = {run.name: run for run in self.runs()}.get(record.name)
        values = self._stored({name: getattr(record, name) for name in RUN_COLUMNS}) | {"created": now()}
        if known is None:
            with self._transaction() as connection:
                connection.execute(
                    f"INSERT INTO runs ({', '.join(RUN_COLUMNS)}) VALUES ({', '.join('?' * len(values))})",
                    [values[name] for name in RUN_COLUMNS],
                )
            return
        then, today = _asked(known), _asked(record)
        if then != today and not any(part["scenes"] for part in self.totals(record.name).values()):
            with self._transaction() as connection:  # nothing was done as it was asked for first
                connection.execute(
                    f"UPDATE runs SET {', '.join(f'{name}=?' for name in RUN_COLUMNS)} WHERE name=?",
                    [*(values[name] for name in RUN_COLUMNS), record.name],
                )
            return
        if then != today:
            changed = ", ".join(
                "other rules" if name == "rules" else f"{name} {today.get(name)} (was {then.get(name)})"
                for name in {**then, **today}
                if then.get(name) != today.get(name)
            )
            raise LedgerMismatchError(
                f"run {record.name!r} was started with other parameters: {changed}; repeat what it was "
                "started with, or start another run with --run NAME and another output folder"
            )

    def runs(self) -> list[RunRecord]:
        """Return all runs in the order they were started."""
        with self._explained():
            rows = self._connection.execute(f"SELECT {', '.join(RUN_COLUMNS)} FROM runs ORDER BY fid")
            return [RunRecord(**self._told(row)) for row in rows]

    def find(self, run: str, source: str) -> Row | None:
        """Return the scene of a source in a run, or None."""
        with self._explained():
            found = self._connection.execute(
                "SELECT fid, state, product, source_bytes, source_mtime_ns, product_bytes, error_kind "
                "FROM scenes WHERE run = ? AND source = ?",
                (run, source),
            ).fetchone()
            return None if found is None else self._told(found)

    def owner(self, product: str) -> Row | None:
        """Return run and source of the scene a product belongs to, or None."""
        with self._explained():
            found = self._connection.execute(
                "SELECT run, source FROM scenes WHERE product = ?",
                (self._stored({"product": product})["product"],),
            ).fetchone()
            return None if found is None else self._told(found)

    def add(self, scenes: Iterable[Mapping[str, Any]]) -> None:
        """Add scenes, pending, in one transaction.

        Args:
            scenes: values by column; run, source and product at least.
        """
        with self._transaction() as connection:
            for scene in scenes:
                values = {"state": "pending", **self._stored(scene)}
                connection.execute(
                    f"INSERT INTO scenes ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                    list(values.values()),
                )

    def update(self, fid: int, **values: object) -> None:
        """Set columns of one scene."""
        assert values.keys() <= _COLUMNS
        values = self._stored(values)
        with self._transaction() as connection:
            connection.execute(
                f"UPDATE scenes SET {', '.join(f'{name} = ?' for name in values)} WHERE fid = ?",
                [*values.values(), fid],
            )

    def mark_running(self, fid: int, worker: str) -> None:
        """Note that a worker has a scene."""
        with self._transaction() as connection:
            time = now()
            connection.execute(
                "UPDATE scenes SET state='running', worker=?, started=?, heartbeat=?, finished=NULL, "
                "attempts=attempts+1 WHERE fid=?",
                (worker, time, time, fid),
            )

    def beat(self, run: str) -> None:
        """Note that everything running in a run still is."""
        with self._transaction() as connection:
            connection.execute("UPDATE scenes SET heartbeat=? WHERE run=? AND state='running'", (now(), run))

    def requeue(self, run: str, states: tuple[str, ...] = ("running",), like: str = "%") -> int:
        """Make scenes pending again; return how many.

        Args:
            run: name of the run.
            states: those they are in.
            like: SQL pattern of their sources.
        """
        with self._transaction() as connection:
            marks = ", ".join("?" * len(states))
            return connection.execute(
                "UPDATE scenes SET state='pending', worker=NULL, heartbeat=NULL "
                f"WHERE run=? AND source LIKE ? AND state IN ({marks}) AND error_kind IS NOT 'name'",
                (run, like, *states),
            ).rowcount

    def pending(self, run: str, count: int) -> list[Row]:
        """Return the next pending scenes, in the order they were added."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT fid, source, product, asked, width * height pixels FROM scenes "
                "INDEXED BY scenes_state WHERE run=? AND state='pending' ORDER BY fid LIMIT ?",
                (run, count),
            ).fetchall()
        return [self._told(row) for row in rows]

    def totals(self, run: str) -> dict[str, dict[str, float]]:
        """Return scenes, pixels, source bytes, product bytes and seconds of every state."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT state, COUNT(*) scenes, TOTAL(width * height) pixels, TOTAL(source_bytes) "
                f"source_bytes, TOTAL(CASE WHEN {_LINKED} THEN 0 ELSE product_bytes END) product_bytes, "
                "TOTAL(seconds) seconds FROM scenes INDEXED BY scenes_totals WHERE run=? GROUP BY state",
                (run,),
            ).fetchall()
        found = {row["state"]: {key: row[key] for key in row.keys()[1:]} for row in rows}  # noqa: SIM118
        nothing = dict.fromkeys(("scenes", "pixels", "source_bytes", "product_bytes", "seconds"), 0)
        return {state: found.get(state, dict(nothing)) for state in STATES}

    def scenes(self, run: str, state: str | None = None, where: str = "1", like: str = "%") -> Iterator[Row]:
        """Yield scenes with all their columns, in the order they were added; memory stays flat.

        Args:
            run: name of the run.
            state: only scenes in it.
            where: a condition in SQL over the columns, from the user.
            like: SQL pattern of their sources.

        Raises:
            LedgerError: SQLite does not understand the condition.
        """
        last = 0
        with self._explained():  # by itself, so that it cannot end the brackets it is put into
            self._connection.execute(f"SELECT 1 FROM scenes WHERE {where}\nLIMIT 0")
        while True:
            with self._explained():
                page = self._connection.execute(
                    "SELECT * FROM scenes WHERE run=? AND fid>? AND (?3 IS NULL OR state=?3) "
                    f"AND source LIKE ?5 AND ({where}\n) ORDER BY fid LIMIT ?4",
                    (run, last, state, _PAGE, like),
                ).fetchall()
            if not page:
                return
            yield from map(self._told, page)
            last = page[-1]["fid"]

    def footprints(self) -> Iterator[tuple[int, str, bytes | None]]:
        """Yield number, state and footprint of the scenes of all runs."""
        with self._explained():
            for row in self._connection.execute("SELECT fid, state, geom FROM scenes ORDER BY fid"):
                yield row["fid"], row["state"], row["geom"]

    def proven(self, run: str) -> Iterator[Row]:
        """Yield scenes that have a product which was proven once, in the order they were added."""
        return self.scenes(run, where=_PROVEN)

    def unchecked_first(self, run: str, before: str) -> Iterator[Row]:
        """Yield scenes proven once, not checked since ``before`` (a DATETIME), the longest ago first.

        Those that were damaged then are, too. A date still to come is as good as none: a clock was wrong. All
        are settled at once, so that a clock which jumps leaves none out and checks none for ever.
        """
        with self._explained():
            rows = self._connection.execute(
                f"SELECT fid FROM scenes WHERE run=?1 AND {_PROVEN} AND (checked IS NULL OR checked<?2 "
                "OR checked>?3 OR rot IS NOT NULL) "
                "ORDER BY CASE WHEN checked>?3 THEN NULL ELSE checked END, fid",
                (run, before, now()),
            ).fetchall()
        for (fid,) in rows:
            with self._explained():
                row = self._connection.execute("SELECT * FROM scenes WHERE fid=?", (fid,)).fetchone()
            yield self._told(row)
