"""Who does the work of a batch: this process, processes of this machine, or (dask.py) a cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import MappingProxyType
from typing import Any, Protocol

from rsic_geo.batch.message import SceneJob, SceneOutcome
from rsic_geo.batch.scene import archive_scene
from rsic_geo.errors import SceneError
from rsic_geo.heap import few_arenas
from rsic_geo.progress import ProgressCallback

Work = Callable[[SceneJob, "ProgressCallback | None"], SceneOutcome]
_BORN = "born"
"""What a worker says when it can work."""
_MOST_UNBORN = 3
"""Workers that may die one after the other before they can work."""
_TELL_SECONDS = 1.0
"""How often a worker says how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A job that left its worker, one way or the other."""

    job: SceneJob
    outcome: SceneOutcome | None
    """None if the worker was lost."""
    lost: str | None = None
    """How it was lost."""
    is_stalled: bool = False
    """Whether it was ended because it did nothing for too long."""


class Executor(Protocol):
    """Takes jobs and gives outcomes, in any order. A lost worker is reported and replaced."""

    @property
    def slots(self) -> int:
        """Jobs it can take at the same time."""
        ...

    @property
    def trouble(self) -> str | None:
        """What keeps all its jobs waiting at the moment, in one line; None if nothing does."""
        ...

    @property
    def fractions(self) -> Mapping[int, float]:
        """How much is done of scenes under way, by their numbers, where that is known."""
        ...

    def submit(self, job: SceneJob) -> str:
        """Start a job; return the name of who does it. Never called with more jobs under way than slots."""
        ...

    def wait(self, seconds: float) -> list[Finished]:
        """Return what finished, after at most about ``seconds`` where workers are other processes."""
        ...

    def close(self, *, kill: bool = False) -> None:
        """Let the workers go; with ``kill`` without waiting for what they do."""
        ...


class SerialExecutor:
    """The calling process does the work, one scene at a time."""

    slots = 1
    trouble = None
    fractions: Mapping[int, float] = MappingProxyType({})

    def __init__(self, work: Work = archive_scene) -> None:
        """Take the function that archives a scene."""
        self._work = work
        self._job: SceneJob | None = None

    def submit(self, job: SceneJob) -> str:
        """Take a job; it is done in :meth:`wait`."""
        self._job = job
        return worker_name(os.getpid())

    def wait(self, seconds: float) -> list[Finished]:
        """Do the job and return its outcome."""
        del seconds
        if self._job is None:
            return []
        job, self._job = self._job, None
        return [Finished(job=job, outcome=self._work(job, None))]

    def close(self, *, kill: bool = False) -> None:
        """Do nothing."""


def worker_name(pid: int) -> str:
    """Return the name of a worker of this machine."""
    return f"{socket.gethostname()}:{pid}"


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection[Any, Any]
    job: SceneJob | None = None
    is_born: bool = False
    """Whether it has said that it can work."""
    fraction: float = 0.0
    """How much of its job it has said is done."""
    heard: float = 0.0
    """When it was given its job or last said something (monotonic seconds)."""
    is_stalled: bool = False


class ProcessExecutor:
    """Processes of this machine, started fresh (spawn), one scene each at a time.

    A worker that dies takes its own scene with it and nothing else. Workers die with the process that started
    them, so that a killed run leaves nobody writing.
    """

    trouble = None

    def __init__(self, jobs: int, work: Work = archive_scene, *, stalled_seconds: float = 0.0) -> None:
        """Reserve ``jobs`` processes; they are started when there is work.

        One that has a job and says nothing for ``stalled_seconds`` is ended; 0 = however long.
        """
        self._jobs = jobs
        self._stalled_seconds = stalled_seconds
        self._work = work
        self._workers: list[_Worker] = []
        self._unborn = 0
        self._context = multiprocessing.get_context("spawn")

    @property
    def slots(self) -> int:
        """Processes that may work at the same time."""
        return self._jobs

    @property
    def fractions(self) -> Mapping[int, float]:
        """What the workers said last."""
        return {
            worker.job.fid: worker.fraction
            for worker in self._workers
            if worker.job is not None and not worker.job.helps
        }

    def submit(self, job: SceneJob) -> str:
        """Give a job to an idle worker, starting or replacing one where needed.

        Raises:
            SceneError: as :meth:`wait`.
        """
        while True:
            worker = self._idle()
            try:
                worker.connection.send(job)
            except OSError:  # it died while it was idle
                self._count_unborn(worker, self._drop(worker))
                continue
            worker.job, worker.fraction, worker.heard = job, 0.0, time.monotonic()
            return worker_name(worker.process.pid or 0)

    def _idle(self) -> _Worker:
        for worker in self._workers:
            if worker.job is None:
                return worker
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._work, os.getpid()), daemon=True, name="rsic-batch"
        )
        with _few_threads():
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def wait(self, seconds: float) -> list[Finished]:
        """Return the outcomes that arrive, and the jobs whose workers died.

        Raises:
            SceneError: if worker after worker dies before it can work: no scene is to blame for that.
        """
        # Those without a scene too: one that dies is not to lie about until there is work for it.
        workers = {worker.connection: worker for worker in self._workers}
        finished = []
        for connection in wait(list(workers), seconds):
            worker = workers[connection]  # type: ignore[index]
            job = worker.job
            try:
                said = worker.connection.recv()
            except (EOFError, OSError):
                how = self._drop(worker)
                self._count_unborn(worker, how)
                if job is not None:
                    finished.append(Finished(job=job, outcome=None, lost=how, is_stalled=worker.is_stalled))
                continue
            worker.heard = time.monotonic()
            if said == _BORN:
                worker.is_born, self._unborn = True, 0
                continue
            if isinstance(said, float):
                worker.fraction = said
                continue
            assert job is not None, "outcomes come from workers that have a scene"
            worker.job = None
            finished.append(Finished(job=job, outcome=said))
        self._end_stalled()
        return finished

    def _end_stalled(self) -> None:
        """Kill workers that say nothing any more, as on a dead mount; the next wait finds them gone."""
        for worker in self._workers:
            silent = time.monotonic() - worker.heard
            is_at_work = worker.is_born and worker.job is not None
            if self._stalled_seconds and is_at_work and silent > self._stalled_seconds:
                worker.is_stalled = True
                worker.process.kill()

    def _count_unborn(self, worker: _Worker, how: str) -> None:
        self._unborn += not worker.is_born
        if self._unborn > _MOST_UNBORN:
            raise SceneError(f"no worker can be started: {how} before it could work; see what it says above")

    def _drop(self, worker: _Worker) -> str:
        """Forget a dead worker and return how it died."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        if worker.is_stalled:
            return f"its worker did nothing for {self._stalled_seconds / 60:g} minutes and was ended"
        code = worker.process.exitcode or 0
        if code >= 0:
            return f"its worker ended with code {code}"
        number = -code
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        return f"its worker was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")

    def close(self, *, kill: bool = False) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.connection.close()
            if kill:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join(60)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()


@contextlib.contextmanager
def _few_threads() -> Any:  # noqa: ANN401 - a generator for contextmanager
    """Start processes whose libraries use one thread each, unless the user said otherwise."""
    names = [name for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name not in os.environ]
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


def _serve(connection: Connection[Any, Any], work: Work, parent: int) -> None:
    """Do jobs until the other end closes: the life of a worker."""
    few_arenas()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the coordinator decides
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        connection.send(_BORN)
        while True:
            connection.send(work(connection.recv(), _telling(connection)))


def _telling(connection: Connection[Any, Any]) -> ProgressCallback:
    """Return what tells the other end how far a job is, now and then; nobody need be there any more."""
    told = time.monotonic()

    def tell(fraction: float, _message: str) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            with contextlib.suppress(OSError):
                connection.send(float(fraction))

    return tell


def _die_with(parent: int) -> None:
    """End this process at once when its coordinator is gone: nobody would hear what it does."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
