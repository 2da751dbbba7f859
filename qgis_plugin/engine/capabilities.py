"""What an engine says of itself: the choices it offers, and whether this plugin understands it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import EngineVersionError

SCHEMA = "rsic-capabilities"
SCHEMA_VERSION = 1
MINIMUM_VERSION = (0, 1)
NEEDED_VERBS = ("compress", "decompress", "enhance", "compare", "validate", "doctor")


@dataclass(frozen=True)
class Capabilities:
    """The choices an engine offers; empty tuples where nothing is known of it yet."""

    version: str = ""
    verbs: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    tile_sizes: tuple[int, ...] = ()
    output_formats: tuple[str, ...] = ()
    archive_extensions: tuple[str, ...] = ()
    """With the dot; the first one is usual."""

    @property
    def archive_extension(self) -> str:
        """The usual extension of archives, with the dot."""
        return next(iter(self.archive_extensions), ".jp2")

    @property
    def has_batch(self) -> bool:
        """Whether the engine re-encodes whole folders itself."""
        return "batch" in self.verbs


def parse_capabilities(text: str) -> Capabilities:
    """Return what an engine printed for ``capabilities --json``.

    Raises:
        EngineVersionError: if it is no rsic, or too old or too new for this plugin.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        entries = None
    schema = entries.get("schema") if isinstance(entries, Mapping) else None
    found = re.fullmatch(rf"{SCHEMA}/(\d+)", schema) if isinstance(schema, str) else None
    if found is None:
        raise EngineVersionError(
            "The program that was found is not the rsic engine: it does not say what it can do."
        )
    version = str(entries.get("rsic_version", ""))
    if int(found.group(1)) != SCHEMA_VERSION:
        raise EngineVersionError(f"The engine (rsic {version}) is newer than this plugin: update the plugin.")
    verbs = _words(entries, "verbs")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    missing = [verb for verb in NEEDED_VERBS if verb not in verbs]
    if numbers < MINIMUM_VERSION or missing:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        lacking = f" (it lacks {', '.join(missing)})" if missing else ""
        raise EngineVersionError(
            f"The engine is rsic {version or 'without a version'}{lacking}; this plugin needs {wanted} or "
            "newer: update the engine."
        )
    return Capabilities(
        version=version,
        verbs=verbs,
        codecs=_words(entries, "codecs"),
        targets=_words(entries, "targets"),
        models=_words(entries, "models"),
        devices=_words(entries, "devices"),
        tile_sizes=tuple(int(size) for size in _words(entries, "tile_sizes") if size.isdigit()),
        output_formats=_words(entries, "output_formats"),
        archive_extensions=_words(entries, "archive_extensions"),
    )


def _words(entries: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of names; rows with more than a name are reduced to it."""
    values = entries.get(key)
    if not isinstance(values, list):
        return ()
    names = [value.get("name") if isinstance(value, Mapping) else value for value in values]
    return tuple(str(name) for name in names if isinstance(name, (str, int)))
