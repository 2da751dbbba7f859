"""One writer per ledger, by a lock the system drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from rsic_geo.errors import LedgerBusyError, SceneError

_PATIENCE_S = 0.5
"""How long a run waits for the lock: who only looks whether it is held takes it for a moment."""


class LedgerLock:
    """Held while a run writes to a ledger; never left behind, since the system drops it with the process."""

    def __init__(self, ledger: Path) -> None:
        """Name the lock of a ledger; nothing is taken yet."""
        self.path = ledger.with_name(ledger.name + ".lock")
        self._holder = ledger.with_name(ledger.name + ".lock.holder")
        self._lock = FileLock(self.path, mode=0o644)

    def __enter__(self) -> LedgerLock:
        """Take the lock.

        Raises:
            LedgerBusyError: another run holds it.
            SceneError: the folder cannot be written.
        """
        try:
            self._lock.acquire(timeout=_PATIENCE_S)
        except Timeout as error:
            raise LedgerBusyError(
                f"another run is at work on this ledger ({self._said_holder()}): wait for it, or look at it "
                "with `rsic batch status`"
            ) from error
        except OSError as error:
            raise SceneError(f"cannot write {self.path}: {error.strerror or error}") from error
        with contextlib.suppress(OSError):  # who holds it is for messages only; a full disk must not stop us
            self._holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the lock. Its file stays: removing it would let two runs lock two files of one name."""
        with contextlib.suppress(OSError):
            self._holder.unlink(missing_ok=True)
        self._lock.release()

    def is_held(self) -> bool:
        """Whether some process holds the lock right now."""
        if not self.path.exists():
            return False
        # A lock of its own, since one object may take its lock twice.
        try:
            with FileLock(self.path, mode=0o644).acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    def _said_holder(self) -> str:
        try:
            return self._holder.read_text("utf-8", "replace").strip()[:200] or "another process"
        except OSError:
            return "another process"
