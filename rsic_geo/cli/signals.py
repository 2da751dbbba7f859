"""Stopping on request: Ctrl-C and SIGTERM end a run in order, with its temporary files removed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_INTERRUPTED = 130
_PATIENCE = 3
"""Signals after which the process ends at once, cleaned up or not."""

_caught = 0


def is_stopping() -> bool:
    """Whether the user has asked this run to stop."""
    return _caught > 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    global _caught  # noqa: PLW0603 - signals belong to the process, so does the count of them
    _caught += 1
    if _caught > _PATIENCE:
        os._exit(EXIT_INTERRUPTED)
    if _caught == 1:
        raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM of the body into KeyboardInterrupt.

    Later ones are held back, for they would break the cleaning up. Where the exception gets lost (a library's
    C code called back into Python at that moment), :func:`is_stopping` still ends the job at its next step.
    """
    global _caught  # noqa: PLW0603
    _caught = 0
    hook = sys.unraisablehook

    def unraisable(event: sys.UnraisableHookArgs) -> None:
        if not isinstance(event.exc_value, KeyboardInterrupt):
            hook(event)

    try:
        before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: whoever embeds us owns the signals
        yield
        return
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
