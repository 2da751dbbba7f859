"""A ledger made again of what lies beside it, and ledgers of parts joined to one."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rsic_geo.batch.confined import check_run_name, inside
from rsic_geo.batch.coordinator import LEDGER_NAME
from rsic_geo.batch.ledger.file import Ledger, RunRecord
from rsic_geo.batch.ledger.lock import LedgerLock
from rsic_geo.batch.ledger.schema import SCENE_COLUMNS
from rsic_geo.batch.message import RECEIPT_SCHEMA, fingerprint
from rsic_geo.batch.publish import read_json, write_json
from rsic_geo.batch.store import fetch_reports, home_of, is_store, place_of, sizes_in
from rsic_geo.errors import LedgerError, LedgerMismatchError, RsicGeoError, UsageError
from rsic_geo.geo.footprint_blob import geopackage_blob

RUN_SCHEMA = "rsic-batch-asked-1"
_COLUMNS = {name for name, _ in SCENE_COLUMNS} | {"geom"}
_SHARD = re.compile(r"\.shard-\d+-of-\d+$")


@dataclass(slots=True)
class Rebuilt:
    """What was found."""

    ledger: str
    runs: int = 0
    scenes: int = 0
    gone: list[str] = field(default_factory=list)
    """Products that reports tell of and that are not there."""
    unread: list[str] = field(default_factory=list)
    """Reports that cannot be read, or are of no run."""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return asdict(self)


def reports_of(ledger: Path) -> str:
    """Return the folder of the reports, which lies beside the ledger whatever the ledger says.

    Shards of one run share it, so that their products are known to the ledger they are joined to.
    """
    path = ledger.absolute()
    return str(path.with_name(_SHARD.sub("", path.stem))) + "-reports"


def shard_ledger(ledger: Path, number: int, count: int) -> Path:
    """Return the ledger of one of ``count`` parts of a run, numbered from 1."""
    return ledger.with_name(f"{ledger.stem}.shard-{number}-of-{count}{ledger.suffix}")


def keep_asked(record: RunRecord) -> None:
    """Write down among the reports what a run was asked for, which its ledger can be made again of.

    Raises:
        OSError: it cannot be written.
    """
    is_far = is_store(record.folder)
    folder = record.folder if is_far else os.path.relpath(record.folder, record.reports)
    asked = asdict(replace(record, folder=folder, reports="."))
    write_json(asked_path(record.reports, record.name), {"schema": RUN_SCHEMA, **asked})


def asked_path(reports: str, run: str) -> Path:
    """Return where among the reports it is written what a run was asked for."""
    return Path(reports) / f"{run}.run.json"


def rebuild_ledger(folder: str) -> Rebuilt:
    """Make the ledger of an output folder again, of the reports in it; neither sources nor pixels are read.

    What failed left no report: `rsic batch run` with the same inputs finds it again.

    Args:
        folder: output folder of the runs; of a store its address, where reports lie, too.

    Raises:
        UsageError: there is a ledger already.
        LedgerError: there are no reports to make one of.
    """
    out = place_of(folder)
    path = home_of(out) / LEDGER_NAME
    reports = Path(reports_of(path))
    if path.exists():
        raise UsageError(f"there is a ledger {path} already: move it away if it is of no use")
    if is_store(out):
        fetch_reports(out, reports)
    # What is given here and was asked for there is a copy of the store's folder.
    records = [replace(one, folder=out) if is_store(one.folder) else one for one in _asked(reports)]
    if not records:
        raise LedgerError(f"there are no reports in {reports}: nothing to make a ledger of")
    found = Rebuilt(ledger=str(path))
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        with LedgerLock(path):
            with Ledger(unfinished, write=True) as ledger:
                size_of = sizes_in(out)
                for record in records:
                    ledger.start_run(record)
                    found.runs += 1
                known = {record.name: record for record in records}
                for receipt in sorted(reports.rglob("*.json")):
                    if not receipt.name.endswith(".run.json"):
                        _enter(ledger, known, receipt, found, size_of)
            os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return found


def _asked(reports: Path) -> Iterator[RunRecord]:
    for place in sorted(reports.glob("*.run.json")):
        entries = read_json(place) or {}
        if entries.pop("schema", None) != RUN_SCHEMA:
            continue
        try:
            record = RunRecord(**entries)
            check_run_name(record.name)
        except (TypeError, RsicGeoError):
            continue
        if fingerprint(record.options) == record.fingerprint:
            home = os.path.normpath(reports / record.folder)
            yield replace(record, folder=home, reports=str(reports))


def _enter(
    ledger: Ledger,
    records: dict[str, RunRecord],
    place: Path,
    found: Rebuilt,
    size_of: Callable[[str], int | None],
) -> None:
    """Enter the scene of one report."""
    receipt = read_json(place)
    if receipt is not None and receipt.get("schema") == RECEIPT_SCHEMA and not receipt.get("verified"):
        return
    try:
        if receipt is None or receipt["schema"] != RECEIPT_SCHEMA:
            raise ValueError
        record = records[receipt["run"]]
        relative = os.path.relpath(place, record.reports).removesuffix(".json")
        product = inside(os.path.join(record.folder, relative), record.folder, "the product")
        values = {
            **receipt["ledger"],
            "run": record.name,
            "source": receipt["report"]["input"]["path"],
            "product": product,
            "report": str(place),
            "state": "done",
            "geom": geopackage_blob(receipt["footprint"]),
        }
        if not values.keys() <= _COLUMNS:  # names of columns become part of a statement
            raise KeyError
        if "same_as" in receipt:
            values["error_kind"] = "symlink" if os.path.islink(product) else "hardlink"
        if size_of(product) is None:
            found.gone.append(product)
            values["state"] = "pending"
        ledger.add([values])
        found.scenes += 1
    except (KeyError, ValueError, TypeError, AttributeError, RsicGeoError) as error:
        if isinstance(error.__cause__, sqlite3.OperationalError):  # the ledger cannot be written
            raise
        found.unread.append(str(place))


def merge_ledgers(ledgers: list[str], output: str) -> int:
    """Join ledgers of parts of one run, such as those of ``--shard``, to one; return its scenes.

    Args:
        ledgers: the parts; they are left as they are.
        output: ledger to write, in the folder that the parts lie in.

    Raises:
        UsageError: there is a file of that name, or it would lie elsewhere.
        LedgerMismatchError: two parts were asked for different things, or hold one product.
        LedgerBusyError: a run writes to one of them.
    """
    target = Path(os.path.abspath(output))
    if target.exists():
        raise UsageError(f"there is a file {target} already: give another name")
    unfinished = target.with_name(f".{target.name}.part")
    unfinished.unlink(missing_ok=True)
    count = 0
    try:
        with ExitStack() as held, Ledger(unfinished, write=True) as joined:
            for name in ledgers:
                path = Path(os.path.abspath(name))
                if path.parent != target.parent:
                    raise UsageError(f"{path} does not lie in {target.parent}, where {target.name} is to be")
                held.enter_context(LedgerLock(path))
                with Ledger(path) as part:
                    count += _join(part, joined, name)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _join(part: Ledger, joined: Ledger, name: str) -> int:
    count = 0
    for record in part.runs():
        joined.start_run(record)
        for scene in part.scenes(record.name):
            if joined.owner(scene["product"]) is not None:
                raise LedgerMismatchError(f"{name} holds {scene['product']}, which another part has, too")
            values = {key: value for key, value in scene.items() if key != "fid"}
            joined.add([values if scene["state"] != "running" else {**values, "state": "pending"}])
            count += 1
    return count


def shard_of(text: str) -> tuple[int, int]:
    """Return number and count of ``3/100``.

    Raises:
        UsageError: it is none.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"shard {text!r}: use NUMBER/COUNT, as 3/100")
    return int(number), int(count)
