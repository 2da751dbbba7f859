"""What an engine says of itself: the choices it offers, and whether this plugin understands it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import EngineVersionError

SCHEMA = "rsic-capabilities"
SCHEMA_VERSION = 1
MINIMUM_VERSION = (0, 1)
NEEDED_VERBS = ("compress", "decompress", "enhance", "compare", "validate", "doctor")

USUAL_TARGETS = ("lossless", "psnr", "snr", "max-error", "max-rel-error", "ratio", "bpp", "bpppb")
"""What is offered as long as no engine has said what it has: the help of a first start shows them all."""
_USUAL_EXTENSION = ".jp2"
"""Of archives, as long as no engine has said what its are."""


@dataclass(frozen=True)
class Capabilities:
    """The choices an engine offers; empty tuples where nothing is known of it yet."""

    version: str = ""
    verbs: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    """Names; of a codec that has several networks also NAME:NETWORK."""
    targets: tuple[str, ...] = ()
    target_values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of each target with a value its unit and what is usual: of samples at least that or the noise, of bits
    that times those of the samples; empty where the engine does not say."""
    models: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    tile_sizes: tuple[int, ...] = ()
    output_formats: tuple[str, ...] = ()
    archive_extensions: tuple[str, ...] = ()
    """With the dot, of all codecs; the first one is usual."""
    codec_extensions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Those of each codec; empty where the engine does not say."""
    lossless_codecs: tuple[str, ...] = ()
    """Codecs that can give back every pixel."""

    def extensions(self, codec: str = "") -> tuple[str, ...]:
        """Return extensions of a codec's archives (empty: of all codecs), the usual one first; never none."""
        own = self.codec_extensions.get(codec.partition(":")[0])
        return own or self.archive_extensions or (_USUAL_EXTENSION,)

    def can_be_lossless(self, codec: str) -> bool:
        """Whether a codec can give back every pixel, as far as is known."""
        name = codec.partition(":")[0]
        return name not in self.codecs or not self.lossless_codecs or name in self.lossless_codecs

    @property
    def has_batch(self) -> bool:
        """Whether the engine re-encodes whole folders itself."""
        return "batch" in self.verbs

    def to_json(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Capabilities:
        """Return what :meth:`to_json` gave.

        Raises:
            TypeError, AttributeError: if it is something else, as another version of the plugin kept it.
        """
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in entries.items()}
        extensions = values.pop("codec_extensions")
        return cls(**values, codec_extensions={name: tuple(row) for name, row in extensions.items()})


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
        raise EngineVersionError(
            "The engine (rsic {version}) is newer than this plugin: update the plugin.", version=version
        )
    verbs = _words(entries, "verbs")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    missing = [verb for verb in NEEDED_VERBS if verb not in verbs]
    if numbers < MINIMUM_VERSION or missing:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        if missing:
            raise EngineVersionError(
                "The engine (rsic {version}) lacks {verbs}; this plugin needs {wanted} or newer: update the "
                "engine.",
                version=version or "?",
                verbs=", ".join(missing),
                wanted=wanted,
            )
        raise EngineVersionError(
            "The engine is rsic {version}; this plugin needs {wanted} or newer: update the engine.",
            version=version or "?",
            wanted=wanted,
        )
    return Capabilities(
        version=version,
        verbs=verbs,
        codecs=tuple(_codec_names(entries)),
        targets=_words(entries, "targets"),
        target_values=_rows(entries, "target_values"),
        models=_words(entries, "models"),
        devices=_words(entries, "devices"),
        tile_sizes=tuple(int(size) for size in _words(entries, "tile_sizes") if size.isdigit()),
        output_formats=_words(entries, "output_formats"),
        archive_extensions=_words(entries, "archive_extensions"),
        codec_extensions=dict(_codec_extensions(entries)),
        lossless_codecs=tuple(str(row["name"]) for row in _codecs(entries) if row.get("lossless")),
    )


def _codecs(entries: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = entries.get("codecs")
    return (
        [row for row in rows if isinstance(row, Mapping) and "name" in row] if isinstance(rows, list) else []
    )


def _codec_names(entries: Mapping[str, Any]) -> Iterator[str]:
    networks = {str(row["name"]): _words(row, "weights") for row in _codecs(entries)}
    for name in _words(entries, "codecs"):
        yield name
        several = networks.get(name, ())
        yield from (f"{name}:{network}" for network in several if len(several) > 1)


def _codec_extensions(entries: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for row in _codecs(entries):
        suffixes = _words(row, "suffixes")
        if suffixes:
            yield str(row["name"]), suffixes


def _rows(entries: Mapping[str, Any], key: str) -> Mapping[str, Mapping[str, Any]]:
    rows = entries.get(key)
    return (
        {k: row for k, row in rows.items() if isinstance(row, Mapping)} if isinstance(rows, Mapping) else {}
    )


def _words(entries: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of names; rows with more than a name are reduced to it."""
    values = entries.get(key)
    if not isinstance(values, list):
        return ()
    names = [value.get("name") if isinstance(value, Mapping) else value for value in values]
    return tuple(str(name) for name in names if isinstance(name, (str, int)))
