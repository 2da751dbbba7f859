"""Scenes back from an archive as GeoTIFFs or COGs, each compared with what the archive holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsic_geo.batch.confined import inside
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord
from rsic_geo.batch.message import COPY
from rsic_geo.batch.publish import is_halting, no_room
from rsic_geo.batch.run import find_run, ledger_path
from rsic_geo.batch.source import sha256_of
from rsic_geo.batch.store import brought
from rsic_geo.codecs.registry import suffixes
from rsic_geo.errors import (
    ChecksumError,
    JobCancelledError,
    RsicGeoError,
    SceneError,
    UsageError,
    VerificationError,
)
from rsic_geo.geo.footprint_blob import blob_bounds
from rsic_geo.options import DecodeOptions, Execution
from rsic_geo.raster.files import PendingFile, sidecars_of
from rsic_geo.verbs import decompress
from rsic_geo.verbs.compare import compare
from rsic_geo.verbs.names import SCENE_SUFFIXES


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """Which scenes are wanted, and as what."""

    run: str = "default"
    where: str = "1"
    """Condition in SQL over the ledger's columns."""
    like: str = "%"
    """SQL pattern of the sources."""
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east, north (degrees, WGS 84) that footprints must touch."""
    driver: str = "GTiff"
    execution: Execution = field(default_factory=Execution)
    told: Callable[[Row, str | None], bool | None] = lambda _scene, _error: None
    """Told of every scene why it was not restored, or None; returning False stops."""


@dataclass(slots=True)
class Restored:
    """What became of it."""

    restored: int = 0
    there: int = 0
    """Scenes that an earlier run restored; they were compared again."""
    failed: list[dict[str, str]] = field(default_factory=list)
    names: set[Path] = field(default_factory=set)
    """Files of this run so far."""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return {"restored": self.restored, "there": self.there, "failed": self.failed}


def restore(place: str | Path, folder: str, options: RestoreOptions) -> Restored:
    """Write scenes of an archive below ``folder``, in the tree of the archive; nothing is overwritten.

    A restored file is read back from disk and compared with the archive: every sample, mask and tag. The
    archive's own checksums, made of the scene's pixels when it was archived, are checked while it is decoded,
    so a lossless scene is the original's pixels. Files that an earlier run restored are compared again, not
    written.

    Args:
        place: ledger or output folder.
        folder: made if missing.
        options: which scenes.

    Raises:
        LedgerError: there is no such ledger, or the condition is no SQL.
        UsageError: ``folder`` is the archive itself.
        JobCancelledError: ``told`` stopped it.
        SceneError: there is no more room.
    """
    out, found = os.path.abspath(folder), Restored()
    path = ledger_path(place)
    with Ledger(path) as ledger:
        record = find_run(ledger, options.run)
        if os.path.realpath(out) == os.path.realpath(record.folder):
            raise UsageError(f"{folder} is the archive itself: give another folder")
        for scene in ledger.scenes(record.name, "done", options.where, options.like):
            if options.bbox is not None and not _touches(scene, options.bbox):
                continue
            error = None
            try:
                inside(scene["product"], record.folder, "the product")
                with brought(scene["product"], path.absolute().parent) as product:
                    _restore(scene, record, product, out, options, found)
            except (RsicGeoError, OSError) as failed:
                if isinstance(failed, JobCancelledError):
                    raise
                if (full := failed if is_halting(failed) else no_room(Path(out))) is not None:
                    raise SceneError(
                        f"stopped, {found.restored} restored: {full}; run again when that is mended"
                    ) from failed
                error = " ".join(str(failed).split())
            if error is not None:
                found.failed.append({"product": scene["product"], "error": error})
            if options.told(scene, error) is False:
                raise JobCancelledError(f"stopped: {found.restored} restored; the same command goes on")
    return found


def _restore(  # noqa: PLR0913, PLR0917 - a scene of an archive, and where it goes
    scene: Row, record: RunRecord, product: str, out: str, options: RestoreOptions, found: Restored
) -> None:
    """Restore one scene of its product, which lies here. Raises RsicGeoError or OSError if it cannot be."""
    if sha256_of(product) != scene["product_sha256"]:
        raise ChecksumError(f"{scene['product']} changed since it was verified: see `rsic batch verify`")
    is_copy = scene["codec"] == COPY
    relative = os.path.relpath(scene["product"], record.folder)
    target = Path(out) / (relative if is_copy else _scene_name(relative))
    if not is_copy and target in found.names:  # two products of one name but for their suffix
        target = Path(out) / f"{relative}.tif"
    found.names.add(target)
    inside(target, out, "the restored scene")
    is_there = target.exists()
    if is_copy:
        _copy_back(product, target, is_there=is_there)
    elif not is_there:
        target.parent.mkdir(parents=True, exist_ok=True)
        how = DecodeOptions(driver=options.driver, execution=options.execution)
        decompress.decompress(product, str(target), how)
    if not is_copy and not compare(product, str(target)).is_equal:
        if not is_there:
            for place in (target, *(sidecar for sidecar, _ in sidecars_of(target))):
                place.unlink()
        words = "is another scene: move it away" if is_there else "did not come back as the archive holds it"
        raise VerificationError(f"{target} {words}")
    found.there += is_there
    found.restored += not is_there


def _scene_name(product: str) -> str:
    """Return the name of a scene: that of its archive without what says which kind of archive it is."""
    suffix = next((each for each in suffixes() if product.lower().endswith(each)), "")
    stem = product[: len(product) - len(suffix)]
    return stem if stem.lower().endswith(SCENE_SUFFIXES) else f"{stem}.tif"


def _copy_back(product: str, target: Path, *, is_there: bool) -> None:
    """Copy a file that was archived as it is, and what GDAL reads with it."""
    if is_there:
        if sha256_of(target) != sha256_of(product):
            raise VerificationError(f"{target} is another file: move it away")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    pending = PendingFile(target)
    try:
        shutil.copy2(product, pending.temporary)
        for sidecar, suffix in sidecars_of(Path(product)):
            shutil.copy2(sidecar, f"{pending.temporary}{suffix}")
        pending.publish()
    finally:
        pending.discard()


def _touches(scene: Row, bbox: tuple[float, float, float, float]) -> bool:
    if scene["geom"] is None:
        return False
    west, south, east, north = blob_bounds(scene["geom"])
    return west <= bbox[2] and east >= bbox[0] and south <= bbox[3] and north >= bbox[1]
