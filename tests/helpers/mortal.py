"""``rsic`` whose processes die at chosen places of their work: kills that no clock decides.

Run as a program in place of ``rsic``, or preloaded into a worker of Dask. What is to happen are files in the
folder RSIC_MORTAL, named ``PLACE.COUNT.WHAT[.more]``: the first process that comes to a place for the
COUNT-th time takes the file away and kills itself (``worker``), its ``coordinator`` or ``all`` of the run's
processes, or sends all of them the signal named. ``hold`` keeps every process at the place as long as the
file is there. A file that is not empty counts only for what its text is a part of.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rsic_geo.batch import scene
from rsic_geo.verbs import compress
from rsic_geo.write import parts

VARIABLE = "RSIC_MORTAL"
MORTAL = (sys.executable, __file__)
"""What to run instead of ``python -m rsic_geo``."""
AGAIN = "made-again"
"""File in the folder that lists finished parts of scenes that were made once more."""
_seen: Counter[str] = Counter()


def plan(folder: Path, tokens: Iterable[str], about: str = "") -> dict[str, str]:
    """Lay out what is to happen; return the environment of the processes it is to happen to."""
    folder.mkdir(exist_ok=True)
    for token in tokens:
        (folder / token).write_text(about)
    return {**os.environ, VARIABLE: str(folder)}


def left(folder: Path) -> list[str]:
    """Return what has not happened."""
    return sorted(path.name for path in folder.iterdir() if path.name != AGAIN)


def reach(place: str, about: str) -> None:
    """Come to a place of the work."""
    _seen[place] += 1
    for token in sorted(Path(os.environ[VARIABLE]).glob(f"{place}.*")):
        _, count, what, *_ = token.name.split(".")
        try:
            if int(count) > _seen[place] or token.read_text() not in about:
                continue
            if what == "hold":
                while token.exists():
                    time.sleep(0.01)
                continue
            token.unlink()
        except FileNotFoundError:  # another process was here before
            continue
        if what == "worker":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "coordinator":
            os.kill(os.getppid(), signal.SIGKILL)
        else:
            os.killpg(os.getpgrp(), signal.SIGKILL if what == "all" else getattr(signal, what))


def _between(before: str, work: Callable[..., Any], after: str | None = None) -> Callable[..., Any]:
    """Return ``work`` with places before and after it, about its first argument if that is a path."""

    def watched(*args, **more):
        about = str(args[0]) if isinstance(args[0], str | Path) else ""
        reach(before, about)
        result = work(*args, **more)
        if after is not None:
            reach(after, about)
        return result

    return watched


def _install() -> None:
    compress.compress = _between("encoding", compress.compress)
    scene.prove = _between("proving", scene.prove)
    scene.publish = _between("publishing", scene.publish, "published")
    parts.pack_record = _between("tile", parts.pack_record)
    make = parts._make

    def make_part(bench, todo, tiles, part, tell):
        if part.exists():
            with suppress(OSError), (Path(os.environ[VARIABLE]) / AGAIN).open("a") as log:
                log.write(f"{part.name}\n")
        make(bench, todo, tiles, part, tell)
        reach("part", part.name)

    parts._make = make_part


# In every process: workers import the program that started them. Once: Dask imports preloads twice.
if VARIABLE in os.environ and compress.compress.__module__ != __name__:
    _install()

if __name__ == "__main__":
    from rsic_geo.cli import main

    sys.exit(main())
