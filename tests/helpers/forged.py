"""Archives whose checksums are right and whose side information is not: written as an attacker would."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rsic_geo.container import fields, jp2
from rsic_geo.container.boxes import make_box

DOCUMENT = 12
"""Number of the field that holds the JSON document."""


class Forge:
    """One archive taken apart, put together otherwise."""

    def __init__(self, archive: Path) -> None:
        raw = archive.read_bytes()
        side = jp2.read_side_information(archive)
        assert side is not None
        self._head = raw[: raw.rfind(jp2.SIDE_INFORMATION_UUID.bytes) - 8]
        self.contents = fields.read_fields(side[2:-4], range(128))

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.contents.get(DOCUMENT, b"{}"))

    def with_fields(self, *more: tuple[int, bytes], deflated: bool = True) -> bytes:
        """Return the archive with fields added or, of the same number, put in place of its own."""
        own = {**self.contents, **{number: content for number, content in more if number in self.contents}}
        new = [(number, content) for number, content in more if number not in self.contents]
        body = bytes((1, 0))
        for number, content in [*own.items(), *new]:
            packed = fields._deflate(content)
            small = deflated and len(packed) < len(content)
            chosen = packed if small else content
            body += bytes((number * 2 + small,)) + fields.varint(len(chosen)) + chosen
        body += zlib.crc32(body).to_bytes(4, "big")
        return self._head + make_box(b"uuid", jp2.SIDE_INFORMATION_UUID.bytes + body)

    def with_text(self, text: str) -> bytes:
        """Return the archive with that text for its JSON document."""
        return self.with_fields((DOCUMENT, text.encode()))

    def with_document(self, change: Callable[[dict[str, Any]], None]) -> bytes:
        """Return the archive with its document changed."""
        document = self.document
        change(document)
        return self.with_text(json.dumps(document))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to every value inside a JSON value, its own included."""
    inside: list[tuple[Any, ...]] = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        inside += places(item, (*path, key))
    return inside


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return the JSON value with another one at a path."""
    if not path:
        return value
    changed = dict(document) if isinstance(document, dict) else list(document)
    changed[path[0]] = put(document[path[0]], path[1:], value)
    return changed
