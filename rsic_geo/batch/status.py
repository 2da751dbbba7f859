"""How far the runs of a ledger are, without disturbing the run at work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rsic_geo.batch.coordinator import standing_of
from rsic_geo.batch.ledger.file import Ledger
from rsic_geo.batch.ledger.lock import LedgerLock
from rsic_geo.batch.run import find_run, ledger_path
from rsic_geo.options import said_options

_LISTED = ("source", "product", "error", "error_kind", "attempts", "finished")


def status_of(place: str | Path, run: str | None = None, *, list_failed: bool = False) -> dict[str, Any]:
    """Return what the ledger says of its runs.

    Args:
        place: ledger or output folder.
        run: only this run.
        list_failed: also every failed scene and why, and every one that is done with a warning.

    Raises:
        LedgerError: if there is no such ledger.
        UsageError: if it has no such run.
    """
    path = ledger_path(place)
    at_work = LedgerLock(path).is_held()
    with Ledger(path) as ledger:
        records = ledger.runs() if run is None else [find_run(ledger, run)]
        found = []
        for record in records:
            totals = ledger.totals(record.name)
            standing = standing_of(ledger, record.name)
            entry: dict[str, Any] = {
                "name": record.name,
                "created": record.created,
                "folder": record.folder,
                "at_work": at_work and bool(totals["running"]["scenes"]),
                "text": str(standing),
                "states": {state: int(part["scenes"]) for state, part in totals.items()},
                "options": {
                    **{said.field: said.default for said in said_options() if said.is_recent},
                    **json.loads(record.options),
                },
                "source_bytes": standing.source_bytes,
                "product_bytes": standing.product_bytes,
                "seconds": sum(part["seconds"] for part in totals.values()),
            }
            if list_failed:
                entry["warned"] = [
                    {name: scene[name] for name in ("source", "product", "warnings")}
                    for scene in ledger.scenes(record.name, "done")
                    if scene["warnings"]
                ]
                entry["failed"] = [
                    {name: scene[name] for name in _LISTED} for scene in ledger.scenes(record.name, "failed")
                ]
            found.append(entry)
    return {"ledger": str(path), "at_work": at_work, "runs": found}
