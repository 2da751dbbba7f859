"""The work of a batch on an existing Dask cluster. The only module that imports distributed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rsic_geo.batch.executors import Finished, Work
from rsic_geo.batch.message import SceneJob, SceneOutcome
from rsic_geo.batch.scene import archive_scene
from rsic_geo.errors import MissingDependencyError, SceneError

if TYPE_CHECKING:
    from distributed import Client, Future

_PATIENCE = "30s"
"""How long the scheduler may take to answer."""
_GONE = "the Dask scheduler is gone: start it and run again, the rest goes on from here"
_COUNT_SECONDS = 2.0
"""How often workers are counted; they come and go."""
_ABSENT_SECONDS = 10.0
"""How long there may be none before that is told."""


class DaskExecutor:
    """Workers of a cluster, one scene each at a time; each must see inputs and outputs under the same paths.

    Dask moves the scenes of a lost worker to others by itself; a scene that loses one worker after another is
    reported as lost. The coordinator stays the only writer of the ledger, and a product that two workers
    finish takes its name once.
    """

    def __init__(
        self, address: str, resources: dict[str, float] | None = None, work: Work = archive_scene
    ) -> None:
        """Join a cluster.

        Args:
            address: of its scheduler, as ``tcp://host:8786``.
            resources: what a worker must offer for each scene, as ``{"GPU": 1}``.
            work: function that archives a scene.

        Raises:
            MissingDependencyError: distributed is not installed.
            SceneError: no scheduler answers there.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise MissingDependencyError(
                "distributed is not installed: pip install 'rsic-geo[dask]', or use --jobs"
            ) from error
        try:
            self._client: Client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise SceneError(
                f"no Dask scheduler answers at {address} ({error}): start one with `dask scheduler`"
            ) from error
        self._resources = resources or None
        self._places = 1
        self._able = time.monotonic()
        self._counted = -_COUNT_SECONDS
        self._work = work
        self._futures: dict[str, tuple[Future[Any], SceneJob]] = {}
        self._ended: SimpleQueue[str] = SimpleQueue()
        self._lock = threading.Lock()

    fractions: Mapping[int, float] = MappingProxyType({})

    @property
    def slots(self) -> int:
        """Threads of all workers, or as many scenes as the resources allow, and some to keep them busy."""
        if time.monotonic() - self._counted > _COUNT_SECONDS:
            self._places, self._counted = self._count(), time.monotonic()
        return self._places

    @property
    def trouble(self) -> str | None:
        """That no worker could take a job, where that has been so for a while."""
        if time.monotonic() - self._able < _ABSENT_SECONDS:
            return None
        need = ", ".join(f"{name}={number:g}" for name, number in (self._resources or {}).items())
        return f"waiting: no worker of the Dask cluster {f'offers {need}' if need else 'is there'}"

    def _count(self) -> int:
        if self._client.status != "running":  # asking would wait for it; `wait` finds out whether it is gone
            return self._places
        try:
            told = self._client.scheduler_info(n_workers=-1)
        except TypeError:  # before 2025, when it told about all workers by itself
            told = self._client.scheduler_info()
        workers = told.get("workers", {}).values()
        if self._resources is None:
            places = sum(int(worker["nthreads"]) for worker in workers)
        else:
            places = sum(
                min(int(worker["resources"].get(name, 0) // need) for name, need in self._resources.items())
                for worker in workers
            )
        if places:
            self._able = time.monotonic()
        return max(1, places + min(2, places))

    def submit(self, job: SceneJob) -> str:
        """Send a job to the cluster; a worker is chosen there."""
        future = self._client.submit(
            self._work, job, None, pure=False, resources=self._resources, retries=0, key=_key(job)
        )
        with self._lock:
            self._futures[future.key] = (future, job)
        future.add_done_callback(lambda ended: self._ended.put(ended.key))
        return "dask"

    def wait(self, seconds: float) -> list[Finished]:
        """Return the outcomes that arrived."""
        finished = []
        if self._client.status == "closed":
            raise SceneError(_GONE)
        with contextlib.suppress(Empty):
            keys = [self._ended.get(timeout=seconds)]
            while not self._ended.empty():
                keys.append(self._ended.get_nowait())
            finished = [self._result(key) for key in keys]
        return finished

    def _result(self, key: str) -> Finished:
        with self._lock:
            future, job = self._futures.pop(key)
        try:
            outcome = future.result(timeout=30)
        except Exception as error:  # a killed worker, a cancelled future, a worker without our package
            return self._unfinished(job, error)
        finally:
            future.release()
        return Finished(job=job, outcome=outcome)

    def _unfinished(self, job: SceneJob, error: Exception) -> Finished:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        if self._client.status != "running":
            raise SceneError(_GONE)
        if isinstance(error, ImportError | AttributeError):
            outcome = SceneOutcome(
                fid=job.fid,
                state="halted",
                error=f"a worker lacks this version of rsic-geo ({text}): install it there",
                error_kind="no room",
            )
            return Finished(job=job, outcome=outcome)
        return Finished(job=job, outcome=None, lost=f"the cluster lost it ({text})")

    def close(self, *, kill: bool = False) -> None:
        """Leave the cluster; with ``kill`` what it still does for us is cancelled first."""
        with self._lock:
            futures = [future for future, _ in self._futures.values()]
            self._futures.clear()
        if kill and futures:
            with contextlib.suppress(Exception):
                self._client.cancel(futures)
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)


def _key(job: SceneJob) -> str:
    import secrets

    return f"rsic-{job.run}-{job.fid}-{secrets.token_hex(4)}"
