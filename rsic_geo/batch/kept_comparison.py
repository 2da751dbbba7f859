"""How far the comparison of a very large scene with its product came, so that it can go on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rsic_geo.quality import BandErrors
from rsic_geo.write.kept import read_entries, write_entries


class Checkpoint:
    """The account of all rows of windows compared so far, in one file that is replaced after each row."""

    def __init__(self, path: Path, key: str) -> None:
        """Name the file.

        Args:
            path: of the file; nothing is read or written yet.
            key: digest of what is compared; an account of anything else does not count.
        """
        self._path, self._key = path, key

    def load(self, count: int) -> tuple[int, bool, list[BandErrors]] | None:
        """Return the rows compared, whether validity was the same in them, and the errors of ``count`` bands.

        None where nothing is known, or what is known was damaged.
        """
        entries = read_entries(self._path)
        try:
            bands = [BandErrors(**band) for band in entries["bands"]] if entries else []
        except (KeyError, TypeError):
            return None
        if not entries or entries["key"] != self._key or len(bands) != count:
            return None
        return entries["rows"], entries["same"], bands

    def save(self, rows: int, same: bool, bands: Sequence[BandErrors]) -> None:
        """Keep the account of the first ``rows`` rows of windows.

        Raises:
            OSError: if it cannot be written.
        """
        errors = [asdict(band) for band in bands]
        write_entries(self._path, {"key": self._key, "rows": rows, "same": same, "bands": errors})
