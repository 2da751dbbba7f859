"""Weights that users give as files: archives name them, so their readers have to find them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rsic_geo.errors import UsageError, WeightsError, WeightsNotFoundError
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
