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
from rsic_geo.batch.coordinator import LEDGER_NAME, Standing, Watcher, standing_of
from rsic_geo.batch.duplicates import DUPLICATES
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord
from rsic_geo.batch.ledger.lock import LedgerLock
from rsic_geo.batch.message import COPY, MIGRATED, Origin, SceneOutcome, fingerprint, options_from
from rsic_geo.batch.preserve.rebuild import keep_asked, reports_of
from rsic_geo.batch.register import likely_product
from rsic_geo.batch.run import BatchOptions, asked_text, find_run, ledger_path, with_weights_in, work
from rsic_geo.batch.source import is_local, look_at, sha256_of, stamps_of
from rsic_geo.batch.store import is_store, place_of
from rsic_geo.codecs.registry import suffixes
from rsic_geo.errors import RsicGeoError, SceneError, UsageError
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.raster.files import SIDECARS
from rsic_geo.verbs.info import damaged_sidecars
from rsic_geo.verbs.names import ANY, archive_suffixes
from rsic_geo.version import version
from rsic_geo.weights import WEIGHTS_FOLDER, keep_weights, open_weights
from rsic_geo.weights.store import SUFFIX

REFUSED = "refused"
"""Kind of error of a scene that cannot be made anew without loss."""
_KEPT = ("source_bytes", "source_mtime_ns", "source_sha256", "content_key")
_SEEN = ("width", "height", "bands", "dtype", "geom", "rule")
_FLOOR = ("target", "achieved", "psnr")


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
    old_path, out = ledger_path(place), place_of(folder)
    if is_store(out):
        raise UsageError(f"{folder}: migrate to a folder of this machine, and from there to the store")
    path = Path(out) / LEDGER_NAME
    if os.path.realpath(out) == os.path.realpath(old_path.parent):
        raise UsageError(
            f"{folder} is the archive itself: give another folder, or products would be replaced"
        )
    with ExitStack() as held:
        if options.remove_old:  # else it may lie where nothing can be written
            held.enter_context(LedgerLock(old_path))
        old = held.enter_context(Ledger(old_path, write=options.remove_old))
        earlier = find_run(old, batch.run)
        if is_store(earlier.folder):
            raise UsageError(
                f"{earlier.folder} is in a store: copy all of that to a folder, make its ledger by `rsic "
                "batch rebuild FOLDER`, and migrate it; or run a batch of its sources again"
            )
        if os.path.realpath(out) == os.path.realpath(earlier.folder):
            raise UsageError(f"{folder} is the archive itself: give another folder")
        changed = _changed(earlier.options, options.changes)
        asked_text(changed, earlier.folder)  # what is refused is, before anything is made
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SceneError(f"cannot write to {path.parent}: {error.strerror or error}") from error
        held.enter_context(LedgerLock(path))
        for weights in sorted(Path(earlier.folder).glob(f"{WEIGHTS_FOLDER}/*{SUFFIX}")):
            keep_weights(open_weights(str(weights)), out)
        usual = with_weights_in(out, changed)
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
            for scene in ledger.scenes(record.name, "failed", f"error_kind = '{REFUSED}'"):
                watcher.warn(f"{scene['source']}: {scene['error']}")
            if not options.remove_old:
                return work(ledger, record, batch, watcher)
            _remove_made(move)  # of a start that was killed before it removed them

            def scene_told(source: str, outcome: SceneOutcome) -> None:
                if outcome.state == "done":
                    _remove(move, source, outcome.values)
                watcher.scene(source, outcome)

            work(ledger, record, batch, replace(watcher, scene=scene_told))
            _remove_made(move)  # what links still led to
            return standing_of(ledger, record.name)


def _changed(text: str, changes: Mapping[str, Any]) -> EncodeOptions:
    """Return what a run or scene was asked for, but for what changes."""
    before, _ = options_from(text, Execution())
    changed = replace(before, **changes)
    then, now = before.target, changed.target
    if now.is_less_than(then):
        raise UsageError(
            f"the archive promised {then}, {now} keeps less: to make smaller copies of its scenes give it to "
            "`rsic batch run` as an input"
        )
    return changed


@dataclass(slots=True)
class _Move:
    """From which run of which ledger to which."""

    old: Ledger
    earlier: RunRecord
    ledger: Ledger
    record: RunRecord
    links: dict[str, str] | None = None
    """Products of the earlier run that are symbolic links, and what to; None before that was asked for."""


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
    kept, floor = ({name: scene[name] for name in names} for names in (_KEPT, _FLOOR))
    spare = (scene["product"], scene["product_sha256"]) if scene["lossless"] else None
    if _is_unchanged(scene):
        return Origin(read=source, key=scene["content_key"], source=kept, floor=floor, spare=spare)
    if spare is None:
        raise SceneError(
            f"{source} is gone or changed, and {scene['product']} is lossy: made of that it would lose once "
            "more; keep that product, or put the source back"
        )
    return Origin(read=spare[0], key=spare[1], source=kept, floor=floor)


def _is_unchanged(scene: Row) -> bool:
    """Return whether a source is there and, by its time or else by its bytes, what was archived.

    What lies elsewhere is known by its address alone: it is taken only for want of a lossless product.
    """
    if not is_local(scene["source"]):
        return not scene["lossless"]
    try:
        stamps = stamps_of(scene["source"])
        if stamps and stamps[0][1:3] == (scene["source_bytes"], scene["source_mtime_ns"]):
            return True  # whoever reads it compares all of its bytes, and those beside it
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


def _remove_made(move: _Move) -> None:
    """Remove the earlier products of all scenes that are proven anew."""
    for scene in move.ledger.scenes(move.record.name, "done"):
        _remove(move, scene["source"], scene)


def _remove(move: _Move, source: str, made: Mapping[str, Any]) -> None:
    """Remove an earlier product; the ledger says first what took its place, so that a kill loses no trace.

    It stays where the new one is not, byte for byte, what was proven, and while other scenes are links to it.
    """
    old, earlier, product = move.old, move.earlier, made["product"]
    scene = old.find(earlier.name, source)
    if scene is None or scene["error_kind"] not in (None, MIGRATED, *DUPLICATES):
        return
    place = Path(inside(scene["product"], earlier.folder, "the product"))
    if os.path.realpath(product) == os.path.realpath(place) or not os.path.lexists(place):
        return
    try:
        is_proven = sha256_of(product) == made["product_sha256"]
        is_whole = made["codec"] == COPY or not damaged_sidecars(product)
    except RsicGeoError:
        is_proven = is_whole = False
    if not (is_proven and is_whole):
        again = move.ledger.find(move.record.name, source)
        if again is not None:  # who looks at it again says what is wrong
            move.ledger.update(again["fid"], state="pending")
        return
    if not place.is_symlink() and _is_linked(move, place):
        return
    old.update(scene["fid"], state="skipped", error=f"made anew as {product}", error_kind=MIGRATED)
    report = Path(earlier.reports) / f"{os.path.relpath(place, earlier.folder)}.json"
    beside = [Path(f"{place}{suffix}") for suffix in SIDECARS]
    for gone in (*beside, report, place):  # the product last: while it is there, the rest is asked for again
        with suppress(FileNotFoundError):
            gone.unlink()


def _is_linked(move: _Move, place: Path) -> bool:
    """Return whether products that are still kept are symbolic links to a product."""
    if move.links is None:
        move.links = {
            scene["product"]: os.path.realpath(scene["product"])
            for scene in move.old.scenes(move.earlier.name, "done")
            if os.path.islink(scene["product"])
        }
    real = os.path.realpath(place)
    return any(to == real and os.path.islink(link) for link, to in move.links.items())
