"""Row bands of one very large scene, kept on disk until its archive is whole.

A band is some rows of codec tiles. What a pass finds out about a band is one *part*: a file that appears
whole, under a digest of everything that decides its content. Who writes the archive makes the parts that are
missing and puts all of them together; others may make some meanwhile (:func:`help_out`). A part is the same
whoever makes it, so one that is made twice, by a worker believed dead, does no harm. No clock matters.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rsic_geo.errors import ContainerError
from rsic_geo.geo.window import TileGrid
from rsic_geo.progress import Progress
from rsic_geo.raster import gdal_version, reading_config
from rsic_geo.version import version
from rsic_geo.write.kept import Kept, read_entries, write_entries
from rsic_geo.write.passes import TilePass, TileRecord, pack_record, unpack_record
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.reading import Bench

LEAST_TILES = 8
"""Tiles of a band, where the scene has as many: it keeps the threads busy and is soon made again."""
_IDENTITY, _OPEN = "scene.json", "pass.json"
_POLL_SECONDS = 0.05
_LEAST_WAIT = 1.0
_CLOSED_SECONDS, _OPEN_SECONDS = 3.0, 60.0
"""How long a helper waits for another pass, and for one where nothing is left to take to end."""


def row_bands(grid: TileGrid) -> list[range]:
    """Return the tile numbers of every band, from top to bottom."""
    step = -(-LEAST_TILES // grid.cols) * grid.cols
    return [range(first, min(first + step, len(grid))) for first in range(0, len(grid), step)]


class BandStore:
    """The parts of one scene in a folder of their own, on a file system all who work on it see."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        """Open the folder as the one who writes the archive; parts of anything else are thrown away.

        Args:
            folder: made if missing.
            identity: what the scene and the archive wanted are known by.

        Raises:
            OSError: if it cannot be written, or parts of something else cannot be thrown away.
        """
        self.folder = folder
        self.made = 0
        """Parts made here."""
        self.kept = 0
        """Parts found from before, or made by others."""
        place = folder / _IDENTITY
        if read_entries(place) != identity:
            with suppress(FileNotFoundError):
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
            write_entries(place, identity)
        for claim in folder.glob("*.claim"):  # whoever held it works for a writer that is gone
            claim.unlink(missing_ok=True)

    def remove(self) -> None:
        """Throw all parts away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def records(self, bench: Bench, todo: TilePass, progress: Progress, message: str) -> Iterator[TileRecord]:
        """Yield what a pass finds out about all tiles, in order; what is known of bands is not made again.

        Raises:
            JobCancelledError: if the caller cancels.
            OSError: if the folder cannot be written.
        """
        bands = row_bands(bench.plan.grid)
        plan = plan_digest(bench.plan)
        parts = {tiles: _part(self.folder, plan, todo, tiles) for tiles in bands}
        write_entries(self.folder / _OPEN, {"plan": plan, "pass": todo.to_json()})
        try:
            self._complete(bench, todo, parts, lambda done: progress.report(done, message))
        finally:
            (self.folder / _OPEN).unlink(missing_ok=True)
        for tiles, part in parts.items():
            yield from _records(part, len(tiles))

    def _complete(
        self, bench: Bench, todo: TilePass, parts: dict[range, Path], tell: Callable[[float], None]
    ) -> None:
        """Have every part made: what nobody else has taken at once, and what they do not finish after it."""
        total = len(bench.plan.grid)
        missing = [tiles for tiles, part in parts.items() if not _is_whole(part, len(tiles))]
        made: set[range] = set()
        longest = _LEAST_WAIT

        def ready() -> int:
            return sum(len(tiles) for tiles, part in parts.items() if part.exists())

        def make(tiles: range) -> None:
            nonlocal longest
            started, before = time.monotonic(), ready()
            _make(bench, todo, tiles, parts[tiles], lambda done: tell((before + done) / total))
            longest = max(longest, time.monotonic() - started)
            made.add(tiles)
            self.made += 1

        for tiles in missing:
            if _claim(parts[tiles]):
                make(tiles)
        patience = time.monotonic() + 2 * longest
        for tiles in missing:
            while not parts[tiles].exists() and time.monotonic() < patience:
                time.sleep(_POLL_SECONDS)
                tell(ready() / total)
            if tiles not in made and not _is_whole(parts[tiles], len(tiles)):
                make(tiles)
        self.kept += len(parts) - len(made)


def help_out(folder: Path, bench: Bench) -> int:
    """Make parts for whoever writes the archive until there is nothing left to take; return how many.

    Args:
        folder: of that one's :class:`BandStore`.
        bench: the same scene, opened here.
    """
    made, idle_since = 0, time.monotonic()
    ours, seen = plan_digest(bench.plan), None
    while folder.is_dir():
        opened = read_entries(folder / _OPEN)
        if opened is not None and opened["plan"] != ours:
            break  # it is read in another way here: parts made here would not fit
        if opened != seen:
            seen, idle_since = opened, time.monotonic()
        with suppress(FileNotFoundError):  # the archive was finished meanwhile
            if opened is not None and _take_one(folder, bench, ours, TilePass.from_json(opened["pass"])):
                made += 1
                idle_since = time.monotonic()
                continue
        if time.monotonic() - idle_since > (_CLOSED_SECONDS if opened is None else _OPEN_SECONDS):
            break
        time.sleep(_POLL_SECONDS)
    return made


def is_open(folder: Path) -> bool:
    """Return whether a pass is under way there that others may help with."""
    return (folder / _OPEN).exists()


def plan_digest(plan: ScenePlan) -> str:
    """Return a digest of how tiles are read, and by what, which must be the same wherever they are made."""
    p = plan.profile
    text = repr((p.height, p.width, p.count, p.dtype, p.nodata, p.has_mask, plan.grid, plan.alpha_bands,
                 plan.form, plan.lossless, plan.has_nodata, plan.nodata_apart, plan.coded_as, plan.limits,
                 None if plan.spectral is None else plan.spectral.to_json(),
                 version(), gdal_version(), reading_config()))  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()


def _take_one(folder: Path, bench: Bench, plan: str, todo: TilePass) -> bool:
    """Make one part nobody has taken, from the bottom of the scene up: the writer goes down."""
    for tiles in reversed(row_bands(bench.plan.grid)):
        part = _part(folder, plan, todo, tiles)
        if _claim(part):
            _make(bench, todo, tiles, part, lambda _: folder.stat())  # gone with the archive's last tile
            return True
    return False


def _part(folder: Path, plan: str, todo: TilePass, tiles: range) -> Path:
    return folder / f"{tiles.start:07d}-{plan[:16]}-{todo.key(tiles)}.part"


def _claim(part: Path) -> bool:
    """Take a part; return whether nobody else had, or had made it."""
    if part.exists():
        return False
    try:
        os.close(os.open(part.with_suffix(".claim"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return False
    return not part.exists()  # made, and its claim cleared by a new writer, between the two questions


def _make(bench: Bench, todo: TilePass, tiles: range, part: Path, tell: Callable[[int], object]) -> None:
    def packed() -> Iterator[bytes]:
        for done, record in enumerate(bench.make(todo, tiles), start=1):
            yield pack_record(record)
            tell(done)

    Kept(part).replace(packed())  # the same bytes as those that somebody else may have put there meanwhile


def _records(part: Path, tiles: int) -> Iterator[TileRecord]:
    """Yield the records of a part.

    Raises:
        ContainerError: there are not as many as it has tiles.
    """
    left = tiles
    for content in Kept(part):
        yield unpack_record(content)
        left -= 1
    if left:
        raise ContainerError(f"{part} is damaged: run again, it is made again")


def _is_whole(part: Path, tiles: int) -> bool:
    """Return whether a part is there with all its records; a damaged one is removed."""
    if not part.exists():
        return False
    if sum(1 for _ in Kept(part)) == tiles:
        return True
    part.unlink(missing_ok=True)
    part.with_suffix(".claim").unlink(missing_ok=True)
    return False
