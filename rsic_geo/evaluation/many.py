"""A batch of very many tiny scenes: ``python -m rsic_geo.evaluation.many 10000 [--unworked]``.

Makes the scenes (16 x 16 px), archives them by ``rsic batch run``, and says what the coordinator took: memory
while it ran, processor time per scene, which bounds what the ledger costs, and how long ``status`` takes.
With ``--unworked`` nobody archives anything: every scene is answered at once by what became of the first, so
that only the coordinator is measured. It reads ``/proc``, so it needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from affine import Affine

from rsic_geo.batch.coordinator import LEDGER_NAME, Watcher
from rsic_geo.batch.executors import Executor, Finished
from rsic_geo.batch.inputs import Selection, discover
from rsic_geo.batch.ledger.file import Ledger, now
from rsic_geo.batch.message import SceneJob, SceneOutcome
from rsic_geo.batch.run import BatchOptions, Crew, run_batch
from rsic_geo.batch.scene import archive_scene
from rsic_geo.batch.status import status_of
from rsic_geo.errors import RsicGeoError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.raster import SceneWriter

_SIDE = 16
_WEST, _NORTH = 500000.0, 5600000.0
_PATTERN = bytes(range(_SIDE * _SIDE))


def write_scenes(count: int, folder: Path) -> None:
    """Write tiny scenes of random pixels, a thousand to a folder, each a little east of the one before."""
    template = folder / "template.tif"
    transform = (10.0, 0.0, _WEST, 0.0, -10.0, _NORTH)
    profile = SceneProfile(
        height=_SIDE, width=_SIDE, count=1, dtype="uint8", crs_wkt="EPSG:32633", transform=Affine(*transform)
    )
    snapshot = MetadataSnapshot(
        width=_SIDE,
        height=_SIDE,
        count=1,
        dtypes=("uint8",),
        crs="EPSG:32633",
        transform=transform,
        colorinterp=("gray",),
    )
    with SceneWriter(template, profile, snapshot, creation_options={"COMPRESS": "NONE"}) as writer:
        writer.write(Window.full(_SIDE, _SIDE), np.frombuffer(_PATTERN, np.uint8).reshape(1, _SIDE, _SIDE))
        writer.commit()
    content = template.read_bytes()
    template.unlink()
    pixels, west = content.index(_PATTERN), content.index(struct.pack("<d", _WEST))
    generator = np.random.default_rng(0)
    for number in range(count):
        scene = bytearray(content)
        scene[pixels : pixels + len(_PATTERN)] = generator.bytes(len(_PATTERN))
        struct.pack_into("<d", scene, west, _WEST + number)
        place = folder / f"{number // 1000:03d}" / f"{number:06d}.tif"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(scene)


def archive(scenes: Path, out: Path, jobs: int, marks: list[int]) -> dict[str, float]:
    """Run the batch; print the memory of its processes when so many scenes are done.

    Returns:
        Seconds of the run, processor seconds and peak memory (MiB) of the coordinator.

    Raises:
        RsicGeoError: if a scene fails.
    """
    words = ["batch", "run", str(scenes), str(out), "--jobs", str(jobs), "--threads", "1", "--model", "none"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "rsic_geo", *words, "--progress", "json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    done = 0
    took: dict[str, float] = {}
    for line in process.stderr:
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") != "scene":
            continue
        done += 1
        if event["state"] != "done":
            raise RsicGeoError(f"{event['source']}: {event['error']}")
        if done in marks:
            took = {"cpu": _cpu_seconds(process.pid), "peak": _memory(process.pid, "VmHWM"), "at": done}
            workers = ", ".join(f"{_memory(child, 'VmRSS'):.0f}" for child in _children(process.pid))
            print(
                f"{done} scenes, {time.perf_counter() - started:.0f} s: coordinator "
                f"{_memory(process.pid, 'VmRSS'):.0f} MiB, its children {workers} MiB",
                flush=True,
            )
    if process.wait() != 0:
        raise RsicGeoError(f"the batch ended with code {process.returncode}")
    return {**took, "seconds": time.perf_counter() - started}


def _memory(pid: int, field: str) -> float:
    """Return a field of a process's status, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ledger_seconds(path: Path) -> float:
    """Return what all a coordinator writes down of one scene takes, on a copy of a ledger (seconds)."""
    with tempfile.TemporaryDirectory(prefix="rsic-many-", dir=path.parent) as name:
        copy = Path(shutil.copy(path, name))
        with Ledger(copy, write=True) as ledger:
            (run,) = [record.name for record in ledger.runs()]
            rows = {row["fid"]: dict(row) for row in ledger.scenes(run)}
            ledger.requeue(run, ("done",))
            started = time.perf_counter()
            while scenes := ledger.pending(run, 2):
                for scene in scenes:
                    row = rows[scene["fid"]]
                    ledger.mark_running(scene["fid"], "host:1")
                    del row["fid"]
                    ledger.update(scene["fid"], **{**row, "state": "done", "finished": now()})
            return (time.perf_counter() - started) / len(rows)


class _Nobody:
    """An executor that gives every scene the outcome of one that was archived."""

    slots, trouble = 8, None
    fractions: Mapping[int, float] = MappingProxyType({})

    def __init__(self) -> None:
        self._jobs: list[SceneJob] = []
        self._outcome: SceneOutcome | None = None

    def submit(self, job: SceneJob) -> str:
        self._jobs.append(job)
        return "nobody:1"

    def wait(self, seconds: float) -> list[Finished]:
        del seconds
        jobs, self._jobs = self._jobs, []
        if self._outcome is None and jobs:
            self._outcome = archive_scene(jobs[0])
        assert self._outcome is None or self._outcome.state == "done", self._outcome
        return [Finished(job=job, outcome=self._told(job)) for job in jobs]

    def _told(self, job: SceneJob) -> SceneOutcome:
        assert self._outcome is not None
        own = {"product": job.product, "report": job.report}
        return replace(self._outcome, fid=job.fid, values={**self._outcome.values, **own})

    def close(self, *, kill: bool = False) -> None:
        del kill


class _NoCrew(Crew):
    def executor(self) -> Executor:
        return _Nobody()


def coordinate(scenes: Path, out: Path, marks: list[int]) -> None:
    """Enter all scenes and have nobody archive them; print the memory of this process on the way."""
    pid, started, cpu = os.getpid(), time.perf_counter(), time.process_time()
    said: set[str] = set()

    def say(what: str) -> None:
        if what not in said:
            said.add(what)
            seconds = time.perf_counter() - started
            print(f"{what}, {seconds:.0f} s: {_memory(pid, 'VmRSS'):.0f} MiB", flush=True)

    def surveyed(_fraction: float, text: str) -> None:
        done = next(int(word) for word in text.split() if word.isdigit())
        if done in marks:
            say(f"{done} entered")

    count = 0

    def scene(_source: str, _outcome: SceneOutcome) -> None:
        nonlocal count
        count += 1
        if count in marks:
            say(f"{count} done")

    say("nothing read")
    sources = discover([str(scenes)], Selection(avoid=(str(out),)))
    say(f"{len(sources)} found")
    batch = BatchOptions(crew=_NoCrew(execution=Execution(threads=1)), bands_above=0)
    run_batch(sources, str(out), EncodeOptions(model="none"), batch, Watcher(survey=surveyed, scene=scene))
    cpu = (time.process_time() - cpu) / len(sources)
    say("page written")
    print(
        f"coordinator: {1000 * cpu:.2f} ms of a processor per scene, at most {_memory(pid, 'VmHWM'):.0f} MiB"
    )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--unworked", action="store_true", help="measure the coordinator alone")
    asked = parser.parse_args()
    count = asked.scenes
    with tempfile.TemporaryDirectory(prefix="rsic-many-") as name:
        scenes, out = Path(name) / "in", Path(name) / "out"
        scenes.mkdir()
        write_scenes(count, scenes)
        if asked.unworked:
            coordinate(scenes, out, [count // 100, count // 10, count])
            return
        took = archive(scenes, out, asked.jobs, [count // 10, count // 2, count])
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "rsic_geo", "batch", "status", str(out)], check=True)
        whole, started = time.perf_counter() - started, time.perf_counter()
        status_of(out)
        print(f"status: {whole:.2f} s, {time.perf_counter() - started:.3f} s of them for the ledger")
        each = ledger_seconds(out / LEDGER_NAME)
        print(
            f"{count} scenes in {took['seconds']:.0f} s; ledger {1000 * each:.2f} ms per scene; all the "
            f"coordinator does: {1000 * took['cpu'] / count:.2f} ms of a processor per scene, at most "
            f"{took['peak']:.0f} MiB"
        )


if __name__ == "__main__":
    main()
