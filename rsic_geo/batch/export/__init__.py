"""What a ledger knows, as one HTML page, one JSON file, STAC items or one STAC-GeoParquet file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsic_geo.batch.ledger.file import Ledger, RunRecord
from rsic_geo.batch.publish import write_text
from rsic_geo.batch.run import find_run, ledger_path
from rsic_geo.batch.store import check_bucket, is_store
from rsic_geo.errors import OutputExistsError, SceneError, UsageError
from rsic_geo.geo.footprint_blob import blob_geojson


def export_run(place: str | Path, destination: str, kind: str, run: str = "default") -> int:
    """Write one run of a ledger; return how many scenes were written.

    Args:
        place: ledger or output folder.
        destination: file to write; for STAC and bags a folder, made if missing.
        kind: ``html``, ``json``, ``stac``, ``geoparquet`` or ``bag`` (scenes that are done only).
        run: name of the run.

    Raises:
        OutputExistsError: if the file exists, or the folder is not empty.
        UsageError: if the kind or the run is not known.
        MissingDependencyError: for STAC, if pystac is not installed.
        SceneError: if the destination cannot be written.
        VerificationError: of a bag, if a product is not what was verified.
    """
    path = Path(destination)
    _refuse_existing(path)
    with Ledger(ledger_path(place)) as ledger:
        record = find_run(ledger, run)
        if kind == "bag" and is_store(record.folder):
            raise UsageError(
                f"a bag holds the products themselves, which lie in {record.folder}: copy all of that to a "
                "folder here, make its ledger by `rsic batch rebuild FOLDER`, and export it"
            )
        if kind in ("stac", "geoparquet") and is_store(record.folder):
            check_bucket(record.folder)  # else every item would say less than there is to say
        try:
            if kind == "stac":
                from rsic_geo.batch.export.stac import write_items

                return write_items(ledger, record, path.absolute())
            if kind == "geoparquet":
                from rsic_geo.batch.export.stac import write_geoparquet

                return write_geoparquet(ledger, record, path.absolute())
            if kind == "bag":
                from rsic_geo.batch.preserve.bag import write_bag

                return write_bag(ledger, record, path.absolute())
            if kind == "json":
                write_text(path, _json_text(ledger, record))
            elif kind == "html":
                from rsic_geo.batch.export.html import page

                write_text(path, page(ledger, record, with_crops=True))
            else:
                raise UsageError(f"export {kind!r} is not known: use html, json, stac, geoparquet or bag")
            return int(sum(part["scenes"] for part in ledger.totals(record.name).values()))
        except OSError as error:
            raise SceneError(f"cannot write {destination}: {error.strerror or error}") from error


def _refuse_existing(path: Path) -> None:
    if path.is_dir() and any(path.iterdir()):
        raise OutputExistsError(f"the folder {path} is not empty: give another one")
    if path.exists() and not path.is_dir():
        raise OutputExistsError(f"{path} exists already: give another name")


def scene_entries(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of the ledger
    """Return one scene as a plain dictionary, its footprint as GeoJSON."""
    entries = {name: value for name, value in row.items() if name != "geom"}
    entries["lossless"] = None if row["lossless"] is None else bool(row["lossless"])
    return {**entries, "footprint": blob_geojson(row["geom"])}


def _json_text(ledger: Ledger, record: RunRecord) -> Iterator[str]:
    head = {name: getattr(record, name) for name in ("name", "created", "folder", "template", "version")}
    head["options"] = json.loads(record.options)
    yield f'{{"schema": "rsic-batch-run-1", "run": {json.dumps(head)}, "totals": '
    yield f'{json.dumps(ledger.totals(record.name))}, "scenes": [\n'
    separator = ""
    for row in ledger.scenes(record.name):
        yield separator
        yield json.dumps(scene_entries(row), ensure_ascii=False)
        separator = ",\n"
    yield "\n]}\n"
