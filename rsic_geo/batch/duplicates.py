"""Scenes with the very same content: coded once, the others links to that product."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

from rsic_geo.batch.confined import inside
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord, now
from rsic_geo.batch.publish import read_json, write_json
from rsic_geo.batch.source import companions_of, look_at, source_values
from rsic_geo.errors import OutputExistsError, RsicGeoError
from rsic_geo.raster.files import sidecars_of
from rsic_geo.verbs.names import archive_suffixes

Duplicates = Literal["code", "hardlink", "symlink"]
DUPLICATES: tuple[Duplicates, ...] = get_args(Duplicates)
_PIECE = 1 << 16
_OWN = ("fid", "source", "started", "worker", "rule")
"""Columns that a duplicate does not take over."""


class Twins:
    """Finds scenes whose files hold what those of an earlier scene of the run hold."""

    def __init__(self, ledger: Ledger, run: str) -> None:
        """Learn of the scenes that are entered already and are no duplicates themselves."""
        self._by_size: dict[int, list[tuple[str, str | None]]] = defaultdict(list)
        self._pieces: dict[str, bytes] = {}
        self._keys: dict[str, str] = {}
        for scene in ledger.scenes(run):
            if scene["source_bytes"] and scene["error_kind"] not in DUPLICATES:
                self._by_size[scene["source_bytes"]].append((scene["source"], scene["asked"]))

    def key_of(self, path: str, asked: str | None) -> str | None:
        """Return the content key of a scene if an earlier one has it, too, and is asked the same.

        Files of one size are compared by three pieces first, so that few are read whole.
        """
        try:
            size = os.path.getsize(path)
        except OSError:
            return None
        others = self._by_size[size]
        for other, asked_of_it in others:
            with suppress(RsicGeoError, OSError):  # a source that is gone cannot be compared
                same = asked_of_it == asked and self._piece(other, size) == self._piece(path, size)
                if same and self._key(other) == self._key(path):
                    return self._key(path)
        others.append((path, asked))
        return None

    def _piece(self, path: str, size: int) -> bytes:
        if path not in self._pieces:
            digest = hashlib.sha256()
            with open(path, "rb") as stream:
                for place in (0, size // 2, max(0, size - _PIECE)):
                    stream.seek(place)
                    digest.update(stream.read(_PIECE))
            self._pieces[path] = digest.digest()
        return self._pieces[path]

    def _key(self, path: str) -> str:
        if path not in self._keys:
            self._keys[path] = look_at(path).content_key
        return self._keys[path]


def marked(key: str, how: Duplicates) -> dict[str, Any]:
    """Return the columns of a scene that waits for the product of its twin."""
    return {"state": "skipped", "content_key": key, "error": "it waits for its twin", "error_kind": how}


def share(ledger: Ledger, run: RunRecord, *, companions: bool) -> bool:
    """Give the duplicates of a run the products of their twins, now that those are proven.

    Returns:
        Whether some have to be archived after all: what lies beside the product tells its name.
    """
    products: dict[tuple[str, str | None], Row] = {}
    waiting: list[Row] = []
    for scene in ledger.scenes(run.name):
        if scene["error_kind"] in DUPLICATES and scene["state"] == "skipped":
            waiting.append(scene)
        elif scene["state"] == "done":
            products.setdefault((scene["content_key"], scene["asked"]), scene)
    is_more = False
    for scene in waiting:
        twin = products.get((scene["content_key"], scene["asked"]))
        if twin is None:
            ledger.update(scene["fid"], error="the scene that holds the same is not archived")
            continue
        try:
            values = _linked(scene, twin, run, companions=companions)
            is_more |= values["state"] == "pending"
            ledger.update(scene["fid"], **values)
        except (RsicGeoError, OSError) as error:
            ledger.update(scene["fid"], error=f"no link to {twin['product']}: {error}")
    return is_more


def _linked(scene: Row, twin: Row, run: RunRecord, *, companions: bool) -> dict[str, Any]:
    """Link one product, its report last; return what the ledger says of it then."""
    source, product = Path(twin["product"]), Path(scene["product"])
    kinds = archive_suffixes("auto") + archive_suffixes("learned")
    ending = next((each for each in kinds if source.name.endswith(each)), "")
    guess = next((each for each in kinds if product.name.endswith(each)), "")
    product = product.with_name(product.name[: len(product.name) - len(guess)] + ending) if guess else product
    inside(product, run.folder, "the product")
    beside = sidecars_of(source)
    state = look_at(scene["source"])
    is_told = any(each == ".vrt" for _, each in beside) and product.name != source.name
    if is_told or state.content_key != twin["content_key"]:  # a name inside, or a source that changed
        return {"state": "pending", "error": None, "error_kind": None}
    product.parent.mkdir(parents=True, exist_ok=True)
    for path, place in (*((path, Path(f"{product}{each}")) for path, each in beside), (source, product)):
        with suppress(FileExistsError):  # of a pass that was killed: compared below
            if scene["error_kind"] == "hardlink":
                os.link(path, place)
            else:
                os.symlink(os.path.relpath(path, place.parent), place)
        if not os.path.samefile(path, place):
            raise OutputExistsError(f"{place} exists and is another file: move it away")
    for companion in companions_of(scene["source"]) if companions else ():
        if not (place := product.with_name(companion.name)).exists():
            shutil.copy2(companion, place)
    report = f"{run.reports}/{os.path.relpath(product, run.folder)}.json"
    own = {"product": str(product), "report": report, **source_values(state)}
    receipt = read_json(twin["report"]) or {}
    receipt["ledger"] = {**receipt["ledger"], **source_values(state), "report": report}
    receipt["report"]["input"]["path"] = scene["source"]
    write_json(report, {**receipt, "same_as": twin["source"]})
    return {name: value for name, value in twin.items() if name not in _OWN} | own | {"finished": now()}
