"""A local Dask cluster of two workers, started as the README says."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the processes that work for a batch, or for a nanny of Dask, and are alive."""
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.Error):  # one that died has no words any more
                if "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
    return found


def joined(worker: psutil.Process, address: str) -> bool:
    """Return whether a worker has joined its cluster: Dask gives up one that dies before it."""
    with contextlib.suppress(psutil.Error):
        connections = getattr(worker, "net_connections", worker.connections)("tcp")
        return any(one.raddr and one.raddr.port == int(address.rpartition(":")[2]) for one in connections)
    return False


def _address(place: Path, scheduler: subprocess.Popen[bytes]) -> str:
    """Return the address in a scheduler's file as soon as it is there and whole."""
    while True:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return str(json.loads(place.read_text())["address"])
        assert scheduler.poll() is None
        time.sleep(0.1)


@contextlib.contextmanager
def local_cluster(
    folder: Path, *more: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """Start a scheduler and two workers that are replaced when they die; give its address and the nanny.

    Args:
        folder: for what the cluster writes.
        more: words for ``dask worker``.
        environment: of the workers; None = this process's.
    """
    place = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    shared, local = ["--scheduler-file", str(place)], ["--local-directory", str(folder / "dask")]
    with (folder / "cluster.log").open("wb") as log:
        scheduler = subprocess.Popen(
            [*dask, "scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1", *shared],
            stdout=log,
            stderr=log,
        )
        nanny = subprocess.Popen(
            [*dask, "worker", "--nworkers", "2", "--nthreads", "1", "--no-dashboard", *shared, *local, *more],
            stdout=log,
            stderr=log,
            env=environment,
        )
        try:
            yield _address(place, scheduler), nanny.pid
        finally:
            for process in (nanny, scheduler):
                process.terminate()
            for process in (nanny, scheduler):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()
                process.wait()
