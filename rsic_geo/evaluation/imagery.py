"""The scenes of a folder, and the source each came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rsic_geo.errors import SceneError, UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".jp2", ".vrt", ".img", ".webp")
"""Files of a folder that are taken for scenes."""


def find_scenes(places: Sequence[str | Path], *, every: int = 1, limit: int = 0) -> list[Path]:
    """Return the scenes of folders (not of their subfolders) and single files, in name order, each once.

    Args:
        places: folders and files.
        every: take every n-th scene of the sorted list.
        limit: scenes at most, spread evenly over the list; 0 for all.

    Raises:
        SceneError: if a place does not exist, or there is no scene at all.
        UsageError: if ``every`` or ``limit`` makes no sense.
    """
    if every < 1 or limit < 0:
        raise UsageError("every must be at least 1, limit at least 0")
    found: dict[Path, None] = {}
    for place in map(Path, places):
        if place.is_dir():
            entries = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
            found.update(dict.fromkeys(entries))
        elif place.is_file():
            found[place] = None
        else:
            raise SceneError(f"{place} does not exist: give a folder of scenes, or files")
    scenes = list(found)[::every]
    if not scenes:
        raise SceneError(
            f"no scenes in {', '.join(map(str, places))}: looked for {' '.join(sorted(SUFFIXES))}"
        )
    if limit and limit < len(scenes):
        scenes = [scenes[i * len(scenes) // limit] for i in range(limit)]
    return scenes


def source_of(name: str) -> str:
    """Return the source a file's name begins with.

    What stands before a double underscore; without one, the leading words in small letters up to the first
    that repeats another: ``callas_quarry_callas_quarry_x4608`` gives ``callas_quarry``,
    ``neon_teak_TEAK_044`` gives ``neon_teak``, ``rsscn7_a100`` gives ``rsscn7``.
    """
    stem = name.split(".", maxsplit=1)[0]
    if "__" in stem:
        return stem.split("__", maxsplit=1)[0]
    words = stem.split("_")
    kept = words[:1]
    for word in words[1:]:
        if not re.fullmatch("[a-z]+", word) or word in kept:
            break
        kept.append(word)
    return "_".join(kept)
