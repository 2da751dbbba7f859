"""Scenes with the very same content: coded once, the others links to that product."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

from rsic_geo.batch.confined import inside
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord, now
from rsic_geo.batch.publish import bring_companion, is_halting, read_json, write_json
from rsic_geo.batch.source import companions_of, look_at, source_values
from rsic_geo.codecs.registry import suffixes
from rsic_geo.errors import OutputExistsError, RsicGeoError, SceneError
from rsic_geo.raster.files import sidecars_of

Duplicates = Literal["code", "hardlink", "symlink"]
DUPLICATES: tuple[Duplicates, ...] = get_args(Duplicates)
_PIECE = 1 << 16
_OWN = ("fid", "source", "started", "worker", "rule")
"""Columns that a duplicate does not take over."""


class Twins:
    """Finds scenes whose files hold what those of an earlier scene of the run hold.

    Files of one size are told apart by three pieces first, so that few are read whole.
    """

    def __init__(self, ledger: Ledger, run: str) -> None:
        """Learn of the scenes that are entered already and are no duplicates themselves."""
        self._unread: dict[int, list[tuple[str, str | None]]] = defaultdict(list)
        """Scenes by size, of which nothing need be read while no other has that size."""
        self._alike: dict[tuple[int, str | None, bytes], list[str]] = defaultdict(list)
        self._keys: dict[str, str] = {}
        self._sizes: set[int] = set()
        for scene in ledger.scenes(run):
            if scene["source_bytes"] and scene["error_kind"] not in DUPLICATES:
                self._unread[scene["source_bytes"]].append((scene["source"], scene["asked"]))
                self._sizes.add(scene["source_bytes"])

    def key_of(self, path: str, asked: str | None) -> str | None:
        """Return the content key of a scene if an earlier one has it, too, and is asked the same."""
        try:
            size = os.path.getsize(path)
            if size not in self._sizes:
                self._sizes.add(size)
                self._unread[size].append((path, asked))
                return None
            for other, asked_of_it in self._unread.pop(size, ()):
                with suppress(OSError):  # a source that is gone cannot be compared
                    self._alike[size, asked_of_it, _pieces(other, size)].append(other)
            alike = self._alike[size, asked, _pieces(path, size)]
            for other in alike:
                with suppress(RsicGeoError):
                    if self._key(other) == self._key(path):
                        return self._key(path)
        except OSError:
            return None
        alike.append(path)
        return None

    def _key(self, path: str) -> str:
        if path not in self._keys:
            self._keys[path] = look_at(path).content_key
        return self._keys[path]


def _pieces(path: str, size: int) -> bytes:
    """Return a digest of a file's beginning, middle and end."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for place in (0, size // 2, max(0, size - _PIECE)):
            stream.seek(place)
            digest.update(stream.read(_PIECE))
    return digest.digest()


def marked(key: str, how: Duplicates) -> dict[str, Any]:
    """Return the columns of a scene that waits for the product of its twin."""
    return {"state": "skipped", "content_key": key, "error": "it waits for its twin", "error_kind": how}


def share(ledger: Ledger, run: RunRecord, *, companions: bool) -> bool:
    """Give the duplicates of a run the products of their twins, now that those are proven.

    Returns:
        Whether some have to be archived after all: what lies beside the product tells its name.
    """
    waiting = [scene for scene in ledger.scenes(run.name, "skipped") if scene["error_kind"] in DUPLICATES]
    wanted = {(scene["content_key"], scene["asked"]) for scene in waiting}
    products: dict[tuple[str, str | None], Row] = {}
    for scene in ledger.scenes(run.name, "done") if wanted else ():
        if (key := (scene["content_key"], scene["asked"])) in wanted:
            products.setdefault(key, scene)
    is_more = False
    for scene in waiting:
        twin = products.get((scene["content_key"], scene["asked"]))
        if twin is None:
            ledger.update(scene["fid"], error="the scene that holds the same is not archived")
            continue
        try:
            values = _linked(scene, twin, run, companions=companions)
        except (RsicGeoError, OSError) as error:
            values = {"state": "skipped", "error": f"no link to {twin['product']}: {error}"}
            if is_halting(error):
                raise SceneError(f"stopped, {values['error']}; run again when that is mended") from error
        is_more |= values["state"] == "pending"
        ledger.update(scene["fid"], **values)
    return is_more


def _linked(scene: Row, twin: Row, run: RunRecord, *, companions: bool) -> dict[str, Any]:
    """Link one product, its report last; return what the ledger says of it then."""
    source, product = Path(twin["product"]), Path(scene["product"])
    ending, guess = (
        next((each for each in suffixes() if name.lower().endswith(each)), "")
        for name in (source.name, product.name)
    )
    product = product.with_name(product.name[: len(product.name) - len(guess)] + ending) if guess else product
    inside(product, run.folder, "the product")
    beside = sidecars_of(source)
    state, receipt = look_at(scene["source"]), read_json(twin["report"])
    is_told = any(each == ".vrt" for _, each in beside) and product.name != source.name
    # A name inside, a source that changed, or no report that could be told of this scene, too.
    if is_told or state.content_key != twin["content_key"] or receipt is None:
        return {"state": "pending", "error": None, "error_kind": None}
    product.parent.mkdir(parents=True, exist_ok=True)
    for companion in companions_of(scene["source"]) if companions else ():
        bring_companion(companion, product, product.parent)
    for path, place in (*((path, Path(f"{product}{each}")) for path, each in beside), (source, product)):
        with suppress(FileExistsError):  # of a pass that was killed: compared below
            if scene["error_kind"] == "hardlink":
                os.link(path, place)
            else:
                os.symlink(os.path.relpath(path, place.parent), place)
        if not os.path.samefile(path, place):
            raise OutputExistsError(f"{place} exists and is another file: move it away")
    report = f"{run.reports}/{os.path.relpath(product, run.folder)}.json"
    own = {"product": str(product), "report": report, **source_values(state), "seconds": 0.0}
    receipt["ledger"] = {**receipt["ledger"], **source_values(state), "report": report}
    receipt["report"]["input"]["path"] = scene["source"]
    write_json(report, {**receipt, "same_as": twin["source"]})
    return {name: value for name, value in twin.items() if name not in _OWN} | own | {
        "finished": now(), "error": None, "error_kind": scene["error_kind"],
    }  # fmt: skip
