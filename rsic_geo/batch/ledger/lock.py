"""One writer per ledger, by a lock the system drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from types import TracebackType

from rsic_geo.errors import LedgerBusyError, SceneError


class LedgerLock:
    """Held while a run writes to a ledger; never left behind, since the system drops it with the process."""

    def __init__(self, ledger: Path) -> None:
        """Name the lock of a ledger; nothing is taken yet."""
        self.path = ledger.with_name(ledger.name + ".lock")
        self._handle: int | None = None

    def __enter__(self) -> LedgerLock:
        """Take the lock.

        Raises:
            LedgerBusyError: another run holds it.
            SceneError: the folder cannot be written.
        """
        import fcntl

        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise SceneError(f"cannot write {self.path}: {error.strerror or error}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 200).decode("utf-8", "replace").strip() or "another process"
            os.close(handle)
            raise LedgerBusyError(
                f"another run is at work on this ledger ({holder}): wait for it, or look at it with "
                "`rsic batch status`"
            ) from error
        os.set_inheritable(handle, False)
        self._handle = handle
        with contextlib.suppress(OSError):  # who holds it is for messages only; a full disk must not stop us
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the lock. Its file stays: removing it would let two runs lock two files of one name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def is_held(self) -> bool:
        """Whether some process holds the lock right now."""
        import fcntl

        try:
            handle = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False
