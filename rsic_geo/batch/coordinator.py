"""The run of a batch: one coordinator that alone writes the ledger, and workers that archive scenes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rsic_geo.batch.executors import Executor, Finished
from rsic_geo.batch.ledger.file import Ledger, RunRecord, now
from rsic_geo.batch.message import SceneJob, SceneOutcome, asked_of
from rsic_geo.batch.parts import PREFIX, helper_of, wants_help
from rsic_geo.batch.store import check_open, is_store, with_overviews
from rsic_geo.errors import JobCancelledError, LedgerError, SceneError
from rsic_geo.progress import ProgressCallback
from rsic_geo.verbs.names import ANY

LEDGER_NAME = "rsic-batch.gpkg"
WORKSHOP = ".rsic-batch"
"""Folder in the output folder, or beside the ledger of a store, where unfinished files live, those of each
run apart; removed at its end."""
MOST_LOSSES = 5
"""Workers a scene may lose before it is given up."""
_BEAT_SECONDS = 10.0
_TICK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a run is."""

    done: int
    failed: int
    skipped: int
    left: int
    """Scenes pending or running."""
    pixels: float
    """Finished, of all that are known, with the finished part of scenes under way where that is told."""
    all_pixels: float
    source_bytes: float
    """Of the scenes that are done."""
    product_bytes: float
    seconds: float
    """Since this start of the run."""
    eta_seconds: float | None

    @property
    def fraction(self) -> float:
        """Part of the work that is finished, in pixels where they are known."""
        scenes = self.done + self.failed + self.skipped
        if self.all_pixels:
            return min(1.0, self.pixels / self.all_pixels)
        return scenes / max(1, scenes + self.left)

    @property
    def saved_bytes(self) -> float:
        """Bytes the products are smaller than their sources."""
        return self.source_bytes - self.product_bytes

    def __str__(self) -> str:
        """Return one line for people."""
        total = self.done + self.failed + self.skipped + self.left
        failed = f", {self.failed} failed" if self.failed else ""
        eta = "" if self.eta_seconds is None else f", {duration(self.eta_seconds)} left"
        pixels = ""
        if self.all_pixels >= 1e6:
            pixels = f", {self.pixels / 1e6:.0f} of {self.all_pixels / 1e6:.0f} Mpx"
        more = self.product_bytes - self.source_bytes
        saved = f"{more / 1e6:.1f} MB more" if more >= 5e4 else f"{max(0.0, -more) / 1e6:.1f} MB saved"
        return f"{total - self.left} of {total} scenes{failed}{pixels}, {saved}{eta}"

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        entries = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**entries, "saved_bytes": self.saved_bytes, "fraction": self.fraction}


def tidy(workshop: Path, *, keep_bands: bool) -> None:
    """Remove what is unfinished, but for row bands of scenes that are to be gone on with."""
    with suppress(OSError):
        for place in workshop.iterdir():
            if not (keep_bands and place.name.startswith(PREFIX)):
                shutil.rmtree(place, ignore_errors=True)
    for folder in (workshop, workshop.parent):  # the parent may hold the workshop of another ledger
        with suppress(OSError):
            folder.rmdir()


def duration(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Who is told what happens; all may be silent."""

    standing: Callable[[Standing], bool | None] = lambda _standing: None
    """Told how far the run is, about once a second; returning False stops it."""
    survey: ProgressCallback | None = None
    """Told a fraction and a text while new scenes are entered; returning False stops it."""
    scene: Callable[[str, SceneOutcome], None] = lambda _source, _outcome: None
    """Told what became of a scene."""
    warn: Callable[[str], None] = lambda _text: None
    """Told what holds the run up."""


@dataclass(slots=True, kw_only=True)
class Coordinator:
    """Hands pending scenes to an executor and writes down what becomes of them. Holds the ledger's lock."""

    ledger: Ledger
    run: RunRecord
    executor: Executor
    pattern: SceneJob
    """Job whose options, fingerprint and so on every scene's job takes over."""
    watcher: Watcher = field(default_factory=Watcher)
    _flying: dict[int, SceneJob] = field(default_factory=dict)
    _flying_pixels: dict[int, float] = field(default_factory=dict)
    _helping: int = 0
    _unhelpful: set[int] = field(default_factory=set)
    _losses: dict[int, int] = field(default_factory=dict)
    _halted: str | None = None
    _started: float = 0.0
    _pixels_before: float = 0.0
    _told: float = 0.0
    _warned: str | None = None
    _beaten: float = 0.0

    def work(self) -> Standing:
        """Work until nothing is pending; whatever ends it, the ledger says what is so.

        Raises:
            JobCancelledError: if the watcher or the user stopped it.
            SceneError: if nothing can be written any more; run again when there is room.
            LedgerError: if the ledger cannot be written.
        """
        workshop = Path(self.pattern.workshop)
        self._prepare(workshop)
        self._started = self._told = self._beaten = time.monotonic()
        self._pixels_before = self._standing().pixels
        try:
            while self._feed() or self._flying or self._helping:
                for finished in self.executor.wait(_TICK_SECONDS):
                    self._settle(finished)
                self._tell()
        except (KeyboardInterrupt, JobCancelledError):
            self._abandon(workshop)
            raise JobCancelledError(
                f"stopped: {self._standing()}; the same command goes on where this one stopped"
            ) from None
        except BaseException:
            self.executor.close(kill=True)
            with suppress(LedgerError):  # the ledger may be what failed; the next start puts back the rest
                self.ledger.requeue(self.run.name)
            raise
        self.executor.close()
        standing = self._standing()
        tidy(workshop, keep_bands=bool(standing.left or standing.failed))
        self.watcher.standing(standing)
        if self._halted is not None:
            raise SceneError(
                f"stopped, {standing.left} scenes left: {self._halted}; run again when that is mended"
            )
        return standing

    def _prepare(self, workshop: Path) -> None:
        """Put back what an earlier run left unfinished, and see that products can be written."""
        tidy(workshop, keep_bands=True)
        try:
            workshop.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SceneError(f"cannot write to {workshop}: {error.strerror or error}") from error
        if is_store(self.run.folder):
            check_open(self.run.folder, lambda name: self.ledger.owner(name) is not None)
        self.ledger.requeue(self.run.name)

    def _abandon(self, workshop: Path) -> None:
        self.executor.close(kill=True)
        self.ledger.requeue(self.run.name)
        tidy(workshop, keep_bands=True)

    def _feed(self) -> bool:
        """Hand out as many scenes as there is room for, then help with large ones; tell whether any were."""
        room = self.executor.slots - len(self._flying) - self._helping
        if room <= 0 or self._halted is not None:
            return False
        scenes = self.ledger.pending(self.run.name, room)
        for scene in scenes:
            relative = os.path.relpath(scene["product"], self.run.folder)
            asked = asked_of(self.pattern, scene["asked"], is_open=self.run.template.endswith(ANY))
            job = replace(
                asked,
                options=with_overviews(asked.options, scene["product"], scene["pixels"] or 0),
                fid=scene["fid"],
                source=scene["source"],
                product=scene["product"],
                report=os.path.join(self.run.reports, f"{relative}.json"),
            )
            self.ledger.mark_running(scene["fid"], self.executor.submit(job))
            self._flying[job.fid] = job
            self._flying_pixels[job.fid] = scene["pixels"] or 0.0
        self._help(room - len(scenes))
        return bool(scenes)

    def _help(self, room: int) -> None:
        """Send workers that would be idle to the very large scenes under way, in turn."""
        if room <= 0 or not self.pattern.bands_above:
            return
        large = [job for job in self._flying.values() if job.fid not in self._unhelpful and wants_help(job)]
        for job in (large * room)[:room]:
            self.executor.submit(helper_of(job))
            self._helping += 1

    def _settle(self, finished: Finished) -> None:
        """Write down what became of a scene."""
        outcome, fid = finished.outcome, finished.job.fid
        if finished.job.helps:
            self._helping -= 1
            if outcome is None or outcome.error is not None:
                self._unhelpful.add(fid)
            return
        del self._flying[fid], self._flying_pixels[fid]
        if outcome is None:
            how = finished.lost or "its worker was lost"
            # Each stall takes hours: a second one is enough.
            outcome = self._lost(fid, how, MOST_LOSSES // 2 + 1 if finished.is_stalled else 1)
            if outcome is None:
                return
        if outcome.state == "halted":
            self._halted = outcome.error
            self.ledger.update(
                fid, state="pending", error=outcome.error, error_kind=outcome.error_kind, worker=None
            )
            return
        self.ledger.update(
            fid,
            **{
                "finished": now(),
                **outcome.values,
                "state": outcome.state,
                "error": outcome.error,
                "error_kind": outcome.error_kind,
                "heartbeat": None,
            },
        )
        self.watcher.scene(finished.job.source, outcome)

    def _lost(self, fid: int, how: str, weight: int) -> SceneOutcome | None:
        """Queue the scene of a lost worker again, or give it up when it has lost too many."""
        self._losses[fid] = self._losses.get(fid, 0) + weight
        if self._losses[fid] < MOST_LOSSES:
            self.ledger.update(fid, state="pending", worker=None, error=how, error_kind="worker lost")
            return None
        text = f"given up: it lost its workers again and again, the last time {how}"
        return SceneOutcome(fid=fid, state="failed", error=text, error_kind="worker lost")

    def _tell(self) -> None:
        """Beat the heart of what runs, and say how far the run is."""
        time_now = time.monotonic()
        if time_now - self._beaten >= _BEAT_SECONDS:
            self._beaten = time_now
            self.ledger.beat(self.run.name)
        if time_now - self._told >= 1.0:
            self._told = time_now
            trouble = self.executor.trouble
            if trouble is not None and trouble != self._warned:
                self.watcher.warn(trouble)
            self._warned = trouble
            if self.watcher.standing(self._standing()) is False:
                raise JobCancelledError("stopped")

    def _standing(self) -> Standing:
        fractions = self.executor.fractions
        under_way = sum(fractions.get(fid, 0.0) * self._flying_pixels[fid] for fid in self._flying)
        seconds = time.monotonic() - self._started
        return standing_of(self.ledger, self.run.name, seconds, self._pixels_before, under_way)


def standing_of(
    ledger: Ledger, run: str, seconds: float = 0.0, pixels_before: float = 0.0, under_way: float = 0.0
) -> Standing:
    """Return how far a run is.

    Args:
        ledger: open ledger.
        run: name of the run.
        seconds: since this start of the run.
        pixels_before: finished before this start; what came since decides the time left.
        under_way: pixels finished of scenes that are not.
    """
    totals = ledger.totals(run)
    ended = [totals[state] for state in ("done", "failed", "skipped")]
    left = [totals[state] for state in ("pending", "running")]
    pixels = sum(part["pixels"] for part in ended) + under_way
    left_pixels = max(0.0, sum(part["pixels"] for part in left) - under_way)
    speed = (pixels - pixels_before) / seconds if seconds > 0 else 0.0
    return Standing(
        done=int(totals["done"]["scenes"]),
        failed=int(totals["failed"]["scenes"]),
        skipped=int(totals["skipped"]["scenes"]),
        left=int(sum(part["scenes"] for part in left)),
        pixels=pixels,
        all_pixels=pixels + left_pixels,
        source_bytes=totals["done"]["source_bytes"],
        product_bytes=totals["done"]["product_bytes"],
        seconds=seconds,
        eta_seconds=left_pixels / speed if speed > 0 else None,
    )
