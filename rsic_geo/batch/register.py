"""What a batch will do: which product each scene becomes, what is left to do, and an estimate of it."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from rsic_geo.batch.duplicates import Duplicates, Twins, marked
from rsic_geo.batch.inputs import Source, Sources
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord
from rsic_geo.batch.rules import Deed
from rsic_geo.batch.source import stamps_of
from rsic_geo.batch.store import sizes_in
from rsic_geo.codecs.registry import candidates
from rsic_geo.errors import RsicGeoError, SceneError, UsageError
from rsic_geo.geo.footprint_blob import geopackage_blob
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.raster import SceneReader, open_scene
from rsic_geo.raster.place import outline_on_earth
from rsic_geo.scenes.kinds import Store, open_store
from rsic_geo.verbs.names import ANY, archive_suffixes, usual_suffix

NAMELESS = "name"
"""Kind of error of a scene whose name a ledger cannot hold: it is no use to try it again."""
_FIELDS = {"parent", "stem", "name", "ext", "run"}
_CHUNK = 200


def usual_template(codec: str) -> str:
    """Return the template that mirrors the tree of the inputs."""
    return "{parent}/{stem}" + usual_suffix(codec)


def product_path(source: Source, template: str, run: str, suffixes: tuple[str, ...]) -> str:
    """Return where, below the output folder, the product of a source goes.

    Args:
        source: the scene.
        template: as ``{parent}/{stem}.jp2``.
        run: name of the run.
        suffixes: what products may end in; where there are several also in ``.*``, for any of them.

    Raises:
        UsageError: if the template is malformed or leads outside the folder.
    """
    relative = PurePosixPath(source.relative)
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        if not fields <= _FIELDS:
            raise KeyError(", ".join(sorted(fields - _FIELDS)))
        text = template.format(
            parent=relative.parent.as_posix(),
            stem=relative.stem,
            name=relative.name,
            ext=relative.suffix.lstrip("."),
            run=run,
        )
    except (KeyError, ValueError, IndexError) as error:
        known = ", ".join("{" + name + "}" for name in sorted(_FIELDS))
        raise UsageError(f"template {template!r} is not understood ({error}): use {known}") from error
    product = os.path.normpath(text)
    if os.path.isabs(product) or product.startswith("..") or product == ".":
        raise UsageError(f"template {template!r} leads outside the output folder: {text}")
    if product.endswith(ANY) and len(suffixes) == 1:  # of a run whose rules may name other codecs
        product = product.removesuffix(ANY) + suffixes[0]
    if not product.lower().endswith((*suffixes, ANY)):
        raise UsageError(f"template {template!r} gives {product}: archives end in {' or '.join(suffixes)}")
    return product


@dataclass(slots=True, kw_only=True)
class Registration:
    """What was found of a batch's inputs in its ledger."""

    added: int = 0
    known: int = 0
    again: int = 0
    """Known scenes that must be looked at again: product gone, source touched, or no room last time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is done with one scene."""

    rule: str
    """Name of the rule that says so; empty for the command line."""
    does: Deed
    codec: str
    asked: str | None
    """What its job is told, where that is not what the run is."""


def register(  # noqa: PLR0913 - a ledger, what is entered, and how
    ledger: Ledger,
    run: RunRecord,
    sources: Sources,
    progress: Progress,
    *,
    choose: Callable[[Source], Choice | None],
    recheck: bool = False,
    duplicates: Duplicates = "code",
) -> Registration:
    """Enter sources into the ledger; what is entered already and unchanged is left as it is.

    Args:
        ledger: open for writing.
        run: the run they belong to.
        sources: all scenes of the batch.
        progress: told after every few scenes.
        choose: tells what is done with a scene; None = nothing, it is no business of this run.
        recheck: look again at every finished scene, its checksums included.
        duplicates: what becomes of scenes that hold the very same as an earlier one.

    Raises:
        UsageError: if two sources would become one product.
    """
    found = Registration()
    fresh: list[dict[str, Any]] = []
    unwritten: dict[str, str] = {}  # of products in ``fresh``, their sources
    size_of = sizes_in(run.folder)
    twins = None if duplicates == "code" else Twins(ledger, run.name)
    for done, source in enumerate(sources, start=1):
        if ledger.owner(source.path) is not None:  # of an output folder that is an input, too
            continue
        if (choice := choose(source)) is None:
            continue
        scene = ledger.find(run.name, source.path)
        if scene is not None:
            found.known += 1
            if _must_look_again(scene, source.path, size_of, recheck=recheck):
                found.again += 1
                ledger.update(scene["fid"], state="pending")
            continue
        suffixes = archive_suffixes(choice.codec)
        below = source.relative if choice.does != "archive" else ""
        below = below or product_path(source, run.template, run.name, suffixes)
        product = os.path.normpath(os.path.join(run.folder, below))
        for name in _names(product, suffixes):
            owner = ledger.owner(name) or {"run": run.name, "source": unwritten.get(name)}
            if owner["run"] != run.name:
                raise UsageError(
                    f"{name} is the product of {owner['source']} in run {owner['run']!r}: choose another "
                    "output folder or --template"
                )
            if owner["source"] is not None:
                raise UsageError(
                    f"{owner['source']} and {source.path} would both become {product}: tell them apart with "
                    f"--template, as {{parent}}/{{name}}{ANY if product.endswith(ANY) else suffixes[0]}"
                )
        seen = survey(source.path) if source.fault is None else {}
        product = likely_product(product, choice.codec, seen.get("dtype"))
        ruled = {"rule": choice.rule or None, "asked": choice.asked, **_LEFT_OUT[choice.does == "skip"]}
        if source.fault is not None:
            ruled |= {"state": "failed", "error": source.fault, "error_kind": NAMELESS}
        elif twins and choice.does != "skip" and (key := twins.key_of(source.path, choice.asked)):
            ruled |= marked(key, duplicates)
        unwritten[product] = source.path
        fresh.append({"run": run.name, "source": source.path, "product": product, **seen, **ruled})
        found.added += 1
        if len(fresh) == _CHUNK:
            ledger.add(fresh)
            fresh.clear()
            unwritten.clear()
            progress.report(done / len(sources), f"surveyed {done} of {len(sources)} scenes")
    ledger.add(fresh)
    return found


_LEFT_OUT: tuple[dict[str, Any], dict[str, Any]] = (
    {},
    {"state": "skipped", "error": "a rule leaves it out", "error_kind": "rule"},
)


def _names(product: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the names a product may come to have."""
    if not product.endswith(ANY):
        return [product]
    return [product.removesuffix(ANY) + suffix for suffix in suffixes]


def likely_product(product: str, codec: str, dtype: str | None) -> str:
    """Return the name of a product with the suffix that its sample type makes likely, if that is open.

    Whoever archives the scene may find that another codec suits it.
    """
    entries = candidates(codec)
    entry = next((each for each in entries if dtype in each.dtypes), entries[-1])
    return product.removesuffix(ANY) + entry.suffixes[0] if product.endswith(ANY) else product


def _must_look_again(scene: Row, source: str, size_of: Callable[[str], int | None], *, recheck: bool) -> bool:
    if scene["state"] == "failed":
        return bool(scene["error_kind"] == "no room")
    if scene["state"] != "done":
        return False
    if recheck or size_of(scene["product"]) != scene["product_bytes"]:
        return True
    try:
        stamps = stamps_of(source)
    except RsicGeoError:
        return False  # a source may go once its product is proven
    return bool(stamps) and stamps[0][1:3] != (scene["source_bytes"], scene["source_mtime_ns"])


def survey(path: str) -> dict[str, Any]:
    """Return size and outline of a scene, from its header; nothing where it cannot be opened."""
    try:
        store = open_store(path, Execution())
        with closing(store.reader) as reader:
            p = reader.profile
            entries: dict[str, Any] = {
                "width": p.width,
                "height": p.height,
                "bands": p.count,
                "dtype": p.dtype,
            }
            with suppress(SceneError):  # a scene without a known place has no footprint
                entries["geom"] = geopackage_blob(_outline_of(path, store))
        if os.path.isfile(path):
            entries["source_bytes"] = os.path.getsize(path)
        return entries
    except (RsicGeoError, OSError, ValueError):
        return {}  # the scene itself will say what is wrong with it


def _outline_of(path: str, store: Store) -> dict[str, Any] | None:
    """Return the outline of an open scene on earth; that of a learned archive is its preview's."""
    if isinstance(store.reader, SceneReader):
        return outline_on_earth(store.reader)
    with open_scene(path) as preview:
        return outline_on_earth(preview)
