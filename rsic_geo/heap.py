"""What C code has freed goes back to the system: glibc keeps it, for each thread apart."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache

_ARENA_MAX = -8
"""Name of the option in ``mallopt``."""
_CORES_PER_ARENA = 4


@cache
def _glibc(name: str) -> Callable[..., int]:
    """Return a function of glibc, one that does nothing elsewhere."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, name, lambda *_: 0)


def few_arenas() -> None:
    """Let threads share what they free, unless the user said how: in processes of ours, before threads begin.

    glibc gives each thread a heap of its own, and networks and codecs leave each as large as it ever was:
    with two threads up to a tenth of all memory.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        _glibc("mallopt")(_ARENA_MAX, max(1, (os.cpu_count() or 1) // _CORES_PER_ARENA))


def give_back() -> None:
    """Hand over what is free: where much has been freed, and as much is not wanted at once."""
    _glibc("malloc_trim")(0)
