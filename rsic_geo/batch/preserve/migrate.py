"""An archive made anew with another codec, target, model or version, never below what it promised."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rsic_geo.batch.confined import inside
from rsic_geo.batch.coordinator import LEDGER_NAME, Standing, Watcher
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord
from rsic_geo.batch.ledger.lock import LedgerLock
from rsic_geo.batch.message import COPY, MIGRATED, Origin, SceneOutcome, fingerprint, options_from
from rsic_geo.batch.preserve.rebuild import keep_asked, reports_of
from rsic_geo.batch.register import likely_product
from rsic_geo.batch.run import BatchOptions, asked_text, find_run, ledger_path, with_weights_in, work
from rsic_geo.batch.source import look_at, stamps_of
from rsic_geo.codecs.registry import suffixes
from rsic_geo.errors import RsicGeoError, SceneError, UsageError
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.raster.files import sidecars_of
from rsic_geo.verbs.names import ANY, archive_suffixes
from rsic_geo.version import version

REFUSED = "refused"
"""Kind of error of a scene that cannot be made anew without loss."""
_KEPT = ("source_bytes", "source_mtime_ns", "source_sha256", "content_key")
_SEEN = ("width", "height", "bands", "dtype", "geom", "rule")
_FLOOR = ("target", "psnr", "max_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateOptions:
    """What changes, and what becomes of the earlier archive."""

    changes: Mapping[str, Any]
    """Fields of :class:`EncodeOptions` that are to be others than they were; the rest stays."""
    remove_old: bool = False
    """Remove each earlier product once that which takes its place is proven."""


def migrate(
    place: str | Path, folder: str, options: MigrateOptions, batch: BatchOptions, watcher: Watcher
) -> Standing:
    """Make every product of an archive anew in another folder, with a ledger of its own; proven as ever.

    A scene is made of its source, where that is still what was archived; else of its product, where that is
    lossless; else it is refused, with the reason. What keeps less than the earlier product promised fails.
    The same call goes on where it stopped.

    Args:
        place: ledger or output folder of the archive.
        folder: where the new products go; made if missing.
        options: what changes.
        batch: run and workers.
        watcher: told what happens.

    Raises:
        LedgerError: there is no such ledger.
        LedgerBusyError: a run writes to one of the two.
        LedgerMismatchError: it was begun with other changes.
        UsageError: ``folder`` is the archive itself.
        JobCancelledError: it was stopped.
    """
    old_path, out = ledger_path(place), os.path.abspath(folder)
    path = Path(out) / LEDGER_NAME
    if os.path.realpath(out) == os.path.realpath(old_path.parent):
        raise UsageError(
            f"{folder} is the archive itself: give another folder, or products would be replaced"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SceneError(f"cannot write to {path.parent}: {error.strerror or error}") from error
    with ExitStack() as held:
        if options.remove_old:  # else it may lie where nothing can be written
            held.enter_context(LedgerLock(old_path))
        old = held.enter_context(Ledger(old_path, write=options.remove_old))
        held.enter_context(LedgerLock(path))
        earlier = find_run(old, batch.run)
        if os.path.realpath(out) == os.path.realpath(earlier.folder):
            raise UsageError(f"{folder} is the archive itself: give another folder")
        usual = with_weights_in(out, _changed(earlier.options, options.changes))
        text = asked_text(usual, out)
        record = RunRecord(
            name=earlier.name,
            folder=out,
            template=f"{{parent}}/{{stem}}{ANY}",
            reports=reports_of(path),
            options=text,
            fingerprint=fingerprint(text),
            version=version(),
        )
        with Ledger(path, write=True) as ledger:
            ledger.start_run(record)
            keep_asked(record)
            move = _Move(old, earlier, ledger, record)
            for values in _entries(move, usual, options.changes):
                ledger.add([values])
            if not options.remove_old:
                return work(ledger, record, batch, watcher)
            for scene in ledger.scenes(record.name, "done"):  # of a start that was killed before it removed
                _remove(old, earlier, scene["source"], scene["product"])

            def scene_told(source: str, outcome: SceneOutcome) -> None:
                if outcome.state == "done":
                    _remove(old, earlier, source, outcome.values["product"])
                watcher.scene(source, outcome)

            return work(ledger, record, batch, replace(watcher, scene=scene_told))


def _changed(text: str, changes: Mapping[str, Any]) -> EncodeOptions:
    """Return what a run or scene was asked for, but for what changes."""
    before, _ = options_from(text, Execution())
    changed = replace(before, **changes)
    then, now = before.target, changed.target
    falls = {
        "psnr": now.value < then.value,
        "snr": now.value < then.value,
        "max-error": now.value > then.value,
    }
    # Targets of other kinds are compared by what came of them, scene by scene.
    if (then.is_lossless and not now.is_lossless) or (now.kind == then.kind and falls.get(now.kind, False)):
        raise UsageError(
            f"the archive promised {then}, {now} keeps less: to make smaller copies of its scenes give it to "
            "`rsic batch run` as an input"
        )
    return changed


@dataclass(frozen=True, slots=True)
class _Move:
    """From which run of which ledger to which."""

    old: Ledger
    earlier: RunRecord
    ledger: Ledger
    record: RunRecord


def _entries(move: _Move, usual: EncodeOptions, changes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the scenes that are not in the new ledger yet; those refused are looked at again."""
    earlier, ledger, record = move.earlier, move.ledger, move.record
    texts: dict[str, dict[str, Any]] = {}  # few rules, many scenes: weights are looked up once
    for scene in move.old.scenes(earlier.name, "done"):
        known = ledger.find(record.name, scene["source"])
        if known is not None and not (known["state"] == "failed" and known["error_kind"] == REFUSED):
            continue
        codec, fields = usual.codec, {COPY: True}
        if scene["codec"] != COPY:
            asked = scene["asked"] or earlier.options
            if asked not in texts:
                chosen = with_weights_in(record.folder, _changed(asked, changes))
                texts[asked] = json.loads(asked_text(chosen, record.folder))
            fields, codec = texts[asked], texts[asked]["codec"]
        values: dict[str, Any] = {"state": "pending", "error": None, "error_kind": None}
        try:
            inside(scene["product"], earlier.folder, "the product")
            origin = _origin(scene)
            values["asked"] = json.dumps({**fields, MIGRATED: asdict(origin)})
        except (RsicGeoError, OSError) as error:
            text = " ".join(str(error).split())
            values |= {"state": "failed", "error": text, "error_kind": REFUSED, "asked": None}
        if known is not None:
            ledger.update(known["fid"], **values)
            continue
        product = os.path.join(record.folder, os.path.relpath(scene["product"], earlier.folder))
        if scene["codec"] != COPY:
            product = _renamed(product, codec, scene["dtype"], ledger)
        kept = {name: scene[name] for name in (*_KEPT, *_SEEN)}
        yield {"run": record.name, "source": scene["source"], "product": product, **kept, **values}


def _origin(scene: Row) -> Origin:
    """Return what a scene is made of. Raises SceneError where it would lose by that."""
    source = scene["source"]
    kept = {
        "source": {name: scene[name] for name in _KEPT},
        "floor": {name: scene[name] for name in _FLOOR},
    }
    if _is_unchanged(scene):
        return Origin(read=source, key=scene["content_key"], **kept)
    if not scene["lossless"]:
        raise SceneError(
            f"{source} is gone or changed, and {scene['product']} is lossy: made of that it would lose once "
            "more; keep that product, or put the source back"
        )
    return Origin(read=scene["product"], key=scene["product_sha256"], **kept)


def _is_unchanged(scene: Row) -> bool:
    """Return whether a source is there and, by its time or else by its bytes, what was archived."""
    try:
        stamps = stamps_of(scene["source"])
        if stamps and stamps[0][1:3] == (scene["source_bytes"], scene["source_mtime_ns"]):
            return True
        return bool(look_at(scene["source"]).content_key == scene["content_key"])
    except (RsicGeoError, OSError):
        return False


def _renamed(product: str, codec: str, dtype: str | None, ledger: Ledger) -> str:
    """Return the name of a product with the suffix it likely has under another codec."""
    ours = next((each for each in suffixes() if product.lower().endswith(each)), "")
    wanted = archive_suffixes(codec)
    if ours in wanted:
        return product
    likely = likely_product(product[: len(product) - len(ours)] + ANY, codec, dtype)
    # a.jp2 and a.cog.tif may lie side by side: the second keeps all of its name.
    return likely if ledger.owner(likely) is None else product + wanted[0]


def _remove(old: Ledger, earlier: RunRecord, source: str, product: str) -> None:
    """Remove an earlier product; the ledger says first what took its place, so that a kill loses no trace."""
    scene = old.find(earlier.name, source)
    if scene is None or scene["error_kind"] not in (None, MIGRATED):
        return
    place = Path(inside(scene["product"], earlier.folder, "the product"))
    if not os.path.isfile(product) or os.path.realpath(product) == os.path.realpath(place):
        return
    old.update(scene["fid"], state="skipped", error=f"made anew as {product}", error_kind=MIGRATED)
    beside = [sidecar for sidecar, _ in sidecars_of(place)] if place.exists() else []
    report = Path(earlier.reports) / f"{os.path.relpath(place, earlier.folder)}.json"
    for gone in (place, *beside, report):
        with suppress(FileNotFoundError):
            gone.unlink()
