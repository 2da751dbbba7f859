"""Records kept on disk while long work is done, so that it goes on after a kill.

One file, a frame for each record: its length, its CRC-32, its bytes. What follows a frame that a kill cut
short, or that is damaged, is no record. A file is replaced as a whole, or grows at its end.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_FRAME = struct.Struct("<II")


class Kept:
    """Records in one file, in order."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is read or written yet."""
        self.path = path
        self._end: int | None = None
        """Bytes of the file as this store left it; None before it added a record."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the records that are whole, up to the first that is not; none where there is no file."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            while len(head := file.read(_FRAME.size)) == _FRAME.size:
                length, crc = _FRAME.unpack(head)
                content = file.read(length)
                if len(content) != length or zlib.crc32(content) != crc:
                    return
                yield content

    def add(self, record: bytes) -> None:
        """Write a record behind those that are whole. Raises OSError."""
        size = self.path.stat().st_size if self.path.exists() else 0
        # Read again only where the file is not as this store left it: a kill may have cut it.
        end = size if size == self._end else sum(_FRAME.size + len(each) for each in self)
        framed = _framed(record)
        with self.path.open("r+b" if self.path.exists() else "w+b", buffering=0) as file:
            file.truncate(end)  # what a kill left of another one
            file.seek(end)
            file.write(framed)
        self._end = end + len(framed)

    def replace(self, records: Iterable[bytes]) -> None:
        """Write all records anew; the file appears whole, in the place of an older one. Raises OSError."""
        self._end = None
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            with temporary.open("wb") as file:
                for record in records:
                    file.write(_framed(record))
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)


def _framed(record: bytes) -> bytes:
    return _FRAME.pack(len(record), zlib.crc32(record)) + record


def read_entries(path: Path) -> dict[str, Any] | None:
    """Return the dictionary that :func:`write_entries` kept; None where it is not there, or damaged."""
    try:
        found = json.loads(next(iter(Kept(path)), b"null"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_entries(path: Path, entries: dict[str, Any]) -> None:
    """Keep a dictionary in a file of its own, in the place of an older one. Raises OSError."""
    Kept(path).replace([json.dumps(entries).encode()])
