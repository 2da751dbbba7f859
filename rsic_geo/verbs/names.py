"""File names and what they promise: a suffix says which format is inside, so it must be true."""

from __future__ import annotations

from rsic_geo.codecs import registry
from rsic_geo.errors import UsageError

SCENE_SUFFIXES = (".tif", ".tiff")
"""Suffixes of the GeoTIFFs and COGs ``decompress`` and ``enhance`` write."""


def archive_suffixes(codec: str) -> tuple[str, ...]:
    """Return the suffixes of a codec's archives, the usual one first.

    Args:
        codec: its name, or its name, a colon and that of its network.

    Raises:
        UnknownCodecError: there is no such codec.
    """
    return registry.get_entry(codec).suffixes


def check_archive_name(path: str, codec: str) -> None:
    """Refuse an archive's name that promises another format than the codec's.

    Raises:
        UsageError: the suffix is not one of the codec's.
    """
    allowed = archive_suffixes(codec)
    if not str(path).lower().endswith(allowed):
        name = codec.partition(":")[0]
        raise UsageError(f"{path}: archives of codec {name} end in {' or '.join(allowed)}")


def check_scene_name(path: str) -> None:
    """Refuse an output's name that promises something else than a GeoTIFF.

    Raises:
        UsageError: the suffix is none of a TIFF, or that of an archive.
    """
    archives = registry.suffixes()
    if str(path).lower().endswith(archives) or not str(path).lower().endswith(SCENE_SUFFIXES):
        raise UsageError(f"{path}: the output is a GeoTIFF, whose name ends in {' or '.join(SCENE_SUFFIXES)}")
