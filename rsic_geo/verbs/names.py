"""File names and what they promise: a suffix says which format is inside, so it must be true."""

from __future__ import annotations

from rsic_geo.errors import UsageError

ARCHIVE_SUFFIXES: dict[str, tuple[str, ...]] = {"jp2": (".jp2",), "learned": (".rsic.tif",)}
"""Suffixes of the archives of each codec, lower case; the first one is the usual one."""
SCENE_SUFFIXES = (".tif", ".tiff")
"""Suffixes of the GeoTIFFs and COGs ``decompress`` and ``enhance`` write."""


def archive_suffixes(codec: str) -> tuple[str, ...]:
    """Return the suffixes of a codec's archives, the usual one first.

    Args:
        codec: its name, or its name, a colon and that of its network.

    Raises:
        UsageError: no such codec writes archives.
    """
    name = codec.partition(":")[0]
    if name not in ARCHIVE_SUFFIXES:
        raise UsageError(f"codec {codec!r} is not known: use {' or '.join(ARCHIVE_SUFFIXES)}")
    return ARCHIVE_SUFFIXES[name]


def check_archive_name(path: str, codec: str) -> None:
    """Refuse an archive's name that promises another format than the codec's.

    Raises:
        UsageError: the suffix is not one of the codec's.
    """
    allowed = ARCHIVE_SUFFIXES.get(codec, ())
    if allowed and not str(path).lower().endswith(allowed):
        raise UsageError(f"{path}: archives of codec {codec} end in {' or '.join(allowed)}")


def check_scene_name(path: str) -> None:
    """Refuse an output's name that promises something else than a GeoTIFF.

    Raises:
        UsageError: the suffix is none of a TIFF, or that of an archive.
    """
    archives = tuple(suffix for suffixes in ARCHIVE_SUFFIXES.values() for suffix in suffixes)
    if str(path).lower().endswith(archives) or not str(path).lower().endswith(SCENE_SUFFIXES):
        raise UsageError(f"{path}: the output is a GeoTIFF, whose name ends in {' or '.join(SCENE_SUFFIXES)}")
