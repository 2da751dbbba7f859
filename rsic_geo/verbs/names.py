"""Names: of archives and scenes, whose suffix says which format is inside, and of weights that archives name.

A suffix must be true; weights that users give as files have to be found by who reads the archive.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rsic_geo.codecs import registry
from rsic_geo.codecs.base import CodecEntry
from rsic_geo.errors import OutputExistsError, UsageError, WeightsError, WeightsNotFoundError
from rsic_geo.progress import Progress
from rsic_geo.weights import (
    ENVIRONMENT_VARIABLE,
    WEIGHTS_FOLDER,
    WeightsFile,
    keep_weights,
    lent,
    open_weights,
)
from rsic_geo.weights.store import SUFFIX

SCENE_SUFFIXES = (".tif", ".tiff")
"""Suffixes of the GeoTIFFs and COGs ``decompress`` and ``enhance`` write."""
ANY = ".*"
"""Stands for the suffix that the archive's codec has."""


def archive_suffixes(codec: str) -> tuple[str, ...]:
    """Return the suffixes of a codec's archives, the usual one first.

    Args:
        codec: its name, or its name, a colon and that of its network; ``auto`` for all it chooses from.

    Raises:
        UnknownCodecError: there is no such codec.
    """
    return tuple(suffix for entry in registry.candidates(codec) for suffix in entry.suffixes)


def usual_suffix(codec: str) -> str:
    """Return what the names of a codec's archives usually end in; of several codecs :data:`ANY`."""
    suffixes = archive_suffixes(codec)
    return suffixes[0] if len(suffixes) == 1 else ANY


def archive_beside(source: str, codec: str) -> str:
    """Return the name of an archive beside its source that has none yet.

    Raises:
        UsageError: the source is no local file, so nothing can lie beside it.
        OutputExistsError: the name is taken; what nobody named is never overwritten.
    """
    if source.startswith("/vsi") or "://" in source:
        raise UsageError(f"{source} is not on a local disk: say where the archive goes")
    stem = os.path.splitext(source)[0]
    for suffix in archive_suffixes(codec):
        if os.path.lexists(stem + suffix):
            raise OutputExistsError(
                f"{stem}{suffix} exists already: name the archive (--overwrite replaces a named one)"
            )
    return stem + usual_suffix(codec)


def is_open(path: str) -> bool:
    """Return whether an output leaves the suffix to the codec: a folder, or a name that ends in ``.*``."""
    is_named = str(path).lower().endswith(registry.suffixes())  # as an archive, be it a folder
    return str(path).endswith(ANY) or (os.path.isdir(path) and not is_named)


def codecs_for(path: str, codec: str) -> tuple[CodecEntry, ...]:
    """Return the codecs that an archive of that name can be of, the preferred one first.

    Args:
        path: the name; one that is open (:func:`is_open`) suits all.
        codec: as of :func:`archive_suffixes`.

    Raises:
        UsageError: the suffix is none of theirs.
    """
    entries = registry.candidates(codec)
    if is_open(path):
        return entries
    found = tuple(entry for entry in entries if str(path).lower().endswith(entry.suffixes))
    if not found:
        name = codec.partition(":")[0]
        allowed = " or ".join(archive_suffixes(codec))
        raise UsageError(
            f"{path}: archives of codec {name} end in {allowed}; or give a folder that exists, or {ANY} for "
            "the suffix"
        )
    return found


def archive_name(source: str, path: str, entry: CodecEntry) -> str:
    """Return the name of an archive: the one given, with its suffix if that was open."""
    if not is_open(path):
        return str(path)
    if str(path).endswith(ANY):
        return str(path).removesuffix(ANY) + entry.suffixes[0]
    return str(Path(path) / (Path(source).stem + entry.suffixes[0]))


def check_scene_name(path: str) -> None:
    """Refuse an output's name that promises something else than a GeoTIFF.

    Raises:
        UsageError: the suffix is none of a TIFF, or that of an archive.
    """
    archives = registry.suffixes()
    if str(path).lower().endswith(archives) or not str(path).lower().endswith(SCENE_SUFFIXES):
        raise UsageError(f"{path}: the output is a GeoTIFF, whose name ends in {' or '.join(SCENE_SUFFIXES)}")


@contextmanager
def codec_lent(codec: str, output: str) -> Iterator[WeightsFile | None]:
    """Let the weights of a codec's file be found by the name that archives record, while one is made.

    Yields them where its readers would not find them: they are put beside it once it is made and verified.

    Raises:
        WeightsError: the file is none of weights.
        UsageError: other weights are found by its name.
    """
    path = codec.partition(":")[2]
    if not path.endswith(SUFFIX):
        yield None
        return
    given = open_weights(path)
    is_lacking = False
    try:
        open_weights(given.name, sha256=given.sha256, near=output)
    except WeightsNotFoundError:
        is_lacking = True
    except WeightsError as error:
        raise UsageError(
            f"{path}: archives name their weights, and other ones are found by the name {given.name!r}: give "
            "yours another"
        ) from error
    with lent(given):
        yield given if is_lacking else None


def lacking_model(path: str, used: tuple[str, str] | None, near: str) -> WeightsFile | None:
    """Return the weights of an enhancer's file, where readers of the archive ``near`` would not find them.

    Args:
        path: as the model was asked for, a file or a name.
        used: name and sha256 the archive records; None where it is not enhanced.
        near: the archive.
    """
    if used is None or not path.endswith(SUFFIX):
        return None
    try:
        open_weights(used[0], sha256=used[1], near=near)
        return None
    except WeightsError:
        return open_weights(path)


def keep_given(given: Sequence[WeightsFile], archive: Path, progress: Progress, *, is_kept: bool) -> None:
    """Put weights beside an archive, or say where its readers have to put them; raises as keep_weights."""
    for weights in given:
        if is_kept:
            keep_weights(weights, archive.parent)
            progress.warn(
                f"its weights were put into the folder {WEIGHTS_FOLDER} beside it: readers need them"
            )
        else:
            progress.warn(
                f"readers need {weights.name}{SUFFIX}: put it into a folder {WEIGHTS_FOLDER} beside the "
                f"archive, or into that named by {ENVIRONMENT_VARIABLE}"
            )
