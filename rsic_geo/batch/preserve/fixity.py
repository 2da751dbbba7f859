"""Whether products are what they were when they were verified, by the ledger and the products alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from rsic_geo.batch.confined import inside
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord, now
from rsic_geo.batch.ledger.lock import LedgerLock
from rsic_geo.batch.message import COPY
from rsic_geo.batch.run import find_run, ledger_path
from rsic_geo.batch.source import sha256_of
from rsic_geo.batch.store import brought, is_store
from rsic_geo.errors import JobCancelledError, LedgerError, RsicGeoError, SceneNotFoundError, WeightsError
from rsic_geo.verbs.info import damaged_sidecars, validate
from rsic_geo.weights import open_weights

_GONE = "it is gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixityOptions:
    """What is checked, and at what pace."""

    run: str = "default"
    pixels: bool = False
    """Also decode every product."""
    max_rate: float = 0.0
    """Bytes per second read at most; 0 = as fast as it goes."""
    max_age: float = 0.0
    """Days for which a check is good: scenes checked since are left alone; 0 = all are checked."""
    told: Callable[[Row, str | None], bool | None] = lambda _scene, _rot: None
    """Told of every scene what is wrong with it, or None; returning False stops."""


@dataclass(slots=True)
class Fixity:
    """What became of a check."""

    checked: int = 0
    bytes: int = 0
    rotten: list[dict[str, str]] = field(default_factory=list)
    """Product and what is wrong with it, in words."""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return {"checked": self.checked, "bytes": self.bytes, "rotten": self.rotten}


def verify_archive(place: str | Path, options: FixityOptions) -> Fixity:
    """Check the products of a run that are done, the one checked longest ago first; no source is needed.

    The ledger notes of every scene when it was checked (``checked``) and what was wrong (``rot``), so a check
    that is stopped, or killed, goes on where it was when ``max_age`` is given.

    Args:
        place: ledger or output folder.
        options: what is checked.

    Raises:
        LedgerError: there is no such ledger.
        LedgerBusyError: a run writes to it.
        JobCancelledError: ``told`` stopped it.
    """
    path = ledger_path(place)
    start = datetime.now(timezone.utc) - timedelta(days=options.max_age)
    before = start.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if options.max_age else now()
    found = Fixity()
    # Media that are written once can be checked, too: then nothing is noted.
    notes = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    with ExitStack() as held:
        if notes:
            held.enter_context(LedgerLock(path))
        ledger = held.enter_context(Ledger(path, write=notes))
        record = find_run(ledger, options.run)
        weights: dict[tuple[str, str], str | None] = {}
        scenes = ledger.unchecked_first(record.name, before) if notes else ledger.proven(record.name)
        for scene in scenes:
            near = path.absolute() if is_store(record.folder) else scene["product"]
            _check_weights(scene, str(near), weights, found)
            rot = _rot_of(scene, record, path.absolute().parent, options)
            if notes:
                ledger.update(scene["fid"], checked=now(), rot=rot)
            found.checked += 1
            found.bytes += scene["product_bytes"] or 0
            if rot is not None:
                found.rotten.append({"product": scene["product"], "rot": rot})
            if options.told(scene, rot) is False:
                raise JobCancelledError(
                    f"stopped after {found.checked} scenes, whose checks are kept: to go on, leave those of "
                    "the last day alone"
                )
    return found


def _check_weights(scene: Row, near: str, known: dict[tuple[str, str], str | None], found: Fixity) -> None:
    """See once for each network that products need whether it is here, as it was."""
    name, digest = scene["model"], scene["model_sha256"]
    if name is not None and digest is not None and (name, digest) not in known:
        try:
            open_weights(name, sha256=digest, near=near)
            known[name, digest] = None
        except WeightsError as error:
            known[name, digest] = str(error)
            found.rotten.append({"product": f"{name}.safetensors", "rot": str(error)})


def _rot_of(scene: Row, record: RunRecord, home: Path, options: FixityOptions) -> str | None:
    """Return in words what is wrong with a product; None where it is what was verified."""
    product = scene["product"]
    try:
        inside(product, record.folder, "the product")
        with brought(product, home, options.max_rate) as place:
            if not os.path.isfile(place):
                return _GONE
            is_same = sha256_of(place, options.max_rate) == scene["product_sha256"]
            if scene["codec"] == COPY:  # any file, which its bytes alone tell of
                return None if is_same else "it is another file than was copied"
            # Of the right bytes only what lies beside them can be wrong; of others all that can be said is.
            is_looked_into = options.pixels or not is_same
            problems = validate(place)["problems"] if is_looked_into else damaged_sidecars(place)
    except SceneNotFoundError:
        return _GONE
    except LedgerError:
        return "the ledger says that it lies outside of its folder: it was not looked at"
    except (RsicGeoError, OSError) as error:
        return " ".join(str(error).split())
    if problems:
        return "; ".join(problems)
    return None if is_same else "it is whole, but another file than was verified"
