"""Compiles a .ts file into the .qm file Qt loads, byte by byte the same everywhere: `qm.py TS QM`.

The format is Qt's own (qtbase, qtranslator.cpp): a magic number, then sections of a tag, a length and
content. One section holds the messages, one the offset of each by the hash of its source text.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

_MAGIC = bytes.fromhex("3cb86418caef9c95cd211cbf60a1bddd")
_HASHES, _MESSAGES = 0x42, 0x69
_END, _TRANSLATION, _SOURCE, _CONTEXT, _COMMENT = 1, 3, 6, 7, 8


def compiled(path: Path) -> bytes:
    """Return the content of the .qm file of a .ts file; what is not translated is left out."""
    found = []
    for context in ElementTree.parse(path).iter("context"):
        name = (context.findtext("name") or "").encode()
        for message in context.iter("message"):
            source, translation = message.findtext("source"), message.find("translation")
            if source and translation is not None and translation.text and not translation.get("type"):
                found.append((name, source.encode(), translation.text))
    hashes, messages = [], b""
    for name, source_text, text in sorted(found):
        hashes.append((_elf_hash(source_text), len(messages)))
        messages += _field(_TRANSLATION, text.encode("utf-16-be")) + _field(_COMMENT, b"")
        messages += _field(_SOURCE, source_text) + _field(_CONTEXT, name) + bytes([_END])
    table = b"".join(struct.pack(">II", *entry) for entry in sorted(hashes))
    return _MAGIC + _field(_HASHES, table) + _field(_MESSAGES, messages)


def _field(tag: int, content: bytes) -> bytes:
    return struct.pack(">BI", tag, len(content)) + content


def _elf_hash(text: bytes) -> int:
    value = 0
    for byte in text:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value or 1


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(compiled(Path(sys.argv[1])))
