"""Names from a user, a ledger or a file never leave their folder.

A ledger may come from somebody else, or have been edited: what it says about places is believed only inside
of the folders that the caller, or the place of the ledger itself, names.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rsic_geo.batch.store import place_of
from rsic_geo.errors import LedgerError, UsageError

_RUN_NAME = re.compile(r"[\w][\w .+-]{0,99}")


def check_run_name(name: str) -> str:
    """Return the name of a run, which is part of file names.

    Raises:
        UsageError: it holds more than letters, digits, blanks and ``._+-``, or begins with one of the latter.
    """
    if not _RUN_NAME.fullmatch(name):
        raise UsageError(
            f"run {name!r}: use up to 100 letters, digits, blanks and . _ + -, a letter or digit first"
        )
    return name


def inside(path: str | Path, folder: str | Path, what: str) -> str:
    """Return a path that lies in a folder, links followed as far as they exist.

    Raises:
        LedgerError: it leads outside, by its name or by a link on its way.
    """
    root, place = os.path.realpath(folder), os.path.realpath(path)
    if os.path.commonpath([root, place]) != root or place == root:
        raise LedgerError(f"{what} {path} leads outside of {folder}: nothing is written there")
    return str(path)


def output_folder(ledger: Path, recorded: str, given: str | None) -> str:
    """Return the folder that a ledger's products may be written to.

    Args:
        ledger: where the ledger lies.
        recorded: what it says the folder is.
        given: what the caller says it is; None if nothing.

    Raises:
        UsageError: the ledger lies elsewhere than its products and the caller did not say where they go.
    """
    if given is not None:
        place = place_of(given)
        if os.path.realpath(place) != os.path.realpath(recorded):
            raise UsageError(f"{ledger} is of products in {recorded}, not of {given}")
        return place
    if os.path.realpath(recorded) != os.path.realpath(ledger.parent):
        raise UsageError(
            f"{ledger} says that its products go to {recorded}, which is not the folder it lies in: if that "
            f"is right, say so by --output {recorded}"
        )
    return recorded
