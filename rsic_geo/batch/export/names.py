"""Names of files that every system takes, for what others are to read."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from rsic_geo.batch.ledger.file import RunRecord
from rsic_geo.verbs.names import archive_suffixes

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever follows a dot."""
_LONGEST = 120


class Names:
    """Ids of items, which are names of files on every system, told apart where only case does it."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Begin with names that are in use."""
        self._taken = set(taken)

    def of(self, record: RunRecord, product: str) -> str:
        """Return the id of a product's item: its path below the output folder, on one level.

        Where that path holds what is no part of a portable name, or says no more than another one, a piece of
        its checksum follows.
        """
        relative = stem = Path(os.path.relpath(product, record.folder)).as_posix()
        for suffix in archive_suffixes(json.loads(record.options)["codec"]):
            stem = stem.removesuffix(suffix)
        flat = stem.replace("/", "__")
        name = portable(flat)
        if name != flat or "__" in stem or name.casefold() in self._taken:
            name = f"{name}-{hashlib.sha256(relative.encode()).hexdigest()[:8]}"
        self._taken.add(name.casefold())
        return name


def portable(text: str) -> str:
    """Return a name that every file system takes."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip(".")[:_LONGEST].rstrip(".") or "_"
    return f"_{name}" if _RESERVED.match(name) else name
