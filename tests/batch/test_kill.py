"""SIGKILL at random moments: nothing lost, nothing doubled, nothing half-written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace

import mortal
import psutil
import pytest
from batch_kills import Victims, check, command, crops, kill_until_done
from batch_support import options, products, rsic, run, write_scenes
from dask_cluster import workers_of
from support import started

from rsic_geo.batch import executors
from rsic_geo.batch.coordinator import LEDGER_NAME
from rsic_geo.batch.executors import ProcessExecutor
from rsic_geo.batch.ledger.file import Ledger
from rsic_geo.batch.message import SceneJob, SceneOutcome
from rsic_geo.errors import SceneError


def die_on_bad(job: SceneJob, _progress=None) -> SceneOutcome:
    """Be a worker that scene 1 kills."""
    if job.fid == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return SceneOutcome(fid=job.fid, state="done")


def job(fid: int) -> SceneJob:
    return SceneJob(
        fid=fid, run="r", source="", product="", report="", workshop="", options=options(), fingerprint=""
    )


def hang_on_bad(job: SceneJob, _progress=None) -> SceneOutcome:
    """Be a worker whose mount is dead under scene 1."""
    if job.fid == 1:
        time.sleep(600)
    return SceneOutcome(fid=job.fid, state="done")


@pytest.mark.slow
def test_a_worker_takes_only_its_own_scene_with_it():
    executor = ProcessExecutor(2, die_on_bad)
    finished = []
    try:
        for fid in (1, 2, 1, 3):
            executor.submit(job(fid))
            while not (ended := executor.wait(30)):
                pass
            finished += ended
    finally:
        executor.close()
    assert [one.job.fid for one in finished if one.outcome is None] == [1, 1]
    assert {one.lost for one in finished if one.outcome is None} == {
        "its worker was ended by SIGKILL (out of memory?)"
    }
    assert sorted(one.job.fid for one in finished if one.outcome) == [2, 3]


@pytest.mark.slow
def test_a_worker_that_dies_idle_is_let_go_and_replaced(tmp_path):
    """While another one works: nobody waits for the dead one, nothing of it is left, no scene is blamed."""
    executor, go = ProcessExecutor(2, tell_half), tmp_path / "go"
    try:
        (tmp_path / "at once").touch()
        first = executor.submit(replace(job(1), source=str(tmp_path / "at once")))
        second = executor.submit(replace(job(2), source=str(go)))
        while not (ended := executor.wait(30)):
            pass
        assert [one.job.fid for one in ended] == [1]
        idle, busy = (psutil.Process(int(name.rpartition(":")[2])) for name in (first, second))
        assert set(workers_of(os.getpid())) >= {idle, busy}
        idle.kill()
        deadline = time.monotonic() + 60
        while idle.is_running():  # until then it is there as a zombie, which hides nobody
            assert workers_of(os.getpid()).count(busy) == 1
            assert executor.wait(1) == []
            assert time.monotonic() < deadline
        third = executor.submit(replace(job(3), source=str(tmp_path / "at once")))
        assert third not in (first, second)
        go.touch()
        ended = []
        while len(ended) < 2:
            ended += executor.wait(30)
        assert {one.job.fid: one.lost for one in ended} == {2: None, 3: None}
    finally:
        executor.close(kill=True)


def tell_half(job: SceneJob, progress) -> SceneOutcome:
    """Be a worker that is in the midst of its scene until a file is there."""
    while not os.path.exists(job.source):
        progress(0.5, "archiving")
        time.sleep(0.05)
    return SceneOutcome(fid=job.fid, state="done")


@pytest.mark.slow
def test_workers_say_how_far_their_scene_is(tmp_path):
    executor, go = ProcessExecutor(1, tell_half), tmp_path / "go"
    try:
        executor.submit(replace(job(7), source=str(go)))
        while executor.fractions[7] == 0:
            assert executor.wait(30) == []
        assert executor.fractions == {7: 0.5}
        go.touch()
        while not (ended := executor.wait(30)):
            pass
        assert [one.outcome.state for one in ended] == ["done"]
        assert executor.fractions == {}
    finally:
        executor.close(kill=True)


def stillborn(connection, work, parent) -> None:
    """Be a worker that dies before it can work, as one that cannot import what it needs."""
    os._exit(7)


@pytest.mark.slow
def test_workers_that_cannot_start_stop_the_run_and_blame_no_scene(tmp_path, monkeypatch):
    write_scenes(tmp_path / "in", 3)
    monkeypatch.setattr(executors, "_serve", stillborn)
    with pytest.raises(SceneError, match="no worker can be started: its worker ended with code 7"):
        run(tmp_path / "in", tmp_path / "out", jobs=1)
    with Ledger(tmp_path / "out" / LEDGER_NAME) as ledger:
        assert ledger.totals("default")["pending"]["scenes"] == 3
    monkeypatch.undo()
    assert run(tmp_path / "in", tmp_path / "out", jobs=1)[0].done == 3


@pytest.mark.slow
def test_workers_that_die_before_they_are_given_work_end_the_run_too(monkeypatch):
    """However often one is replaced: without a count, giving out the work would never end."""
    monkeypatch.setattr(executors, "_serve", stillborn)
    executor = ProcessExecutor(1)
    fresh = executor._idle

    def dead():
        worker = fresh()
        worker.process.join()
        return worker

    monkeypatch.setattr(executor, "_idle", dead)
    with pytest.raises(SceneError, match="no worker can be started: its worker ended with code 7"):
        executor.submit(job(1))
    executor.close(kill=True)


@pytest.mark.slow
def test_a_scene_that_kills_its_workers_is_given_up(tmp_path, monkeypatch):
    from rsic_geo.batch import run as batch_run

    write_scenes(tmp_path / "in", 2)
    monkeypatch.setattr(batch_run, "ProcessExecutor", lambda jobs, **_: ProcessExecutor(jobs, die_on_bad))
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", jobs=1)
    assert (standing.done, standing.failed) == (1, 1)
    assert "given up: it lost its workers" in outcomes["s00000.tif"].error


@pytest.mark.slow
def test_a_worker_that_hangs_is_ended_and_its_scene_given_up_at_the_second_time(tmp_path, monkeypatch):
    from rsic_geo.batch import run as batch_run

    write_scenes(tmp_path / "in", 2)
    monkeypatch.setattr(
        batch_run,
        "ProcessExecutor",
        lambda jobs, **_: ProcessExecutor(jobs, hang_on_bad, stalled_seconds=0.5),
    )
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", jobs=1)
    assert (standing.done, standing.failed) == (1, 1)
    assert "its worker did nothing for" in outcomes["s00000.tif"].error


@pytest.mark.slow
def test_kill_and_resume(tmp_path):
    """Kill at random moments, all of them before the last scene is let go."""
    crops(tmp_path / "in", 30, side=64)
    assert rsic(*command(tmp_path / "in", tmp_path / "once")[3:]).returncode == 0
    environment = mortal.plan(tmp_path / "deaths", ["encoding.1.hold"], about="s00029")
    words = command(tmp_path / "in", tmp_path / "out", "--jobs", "2", "-q")
    hold = tmp_path / "deaths" / "encoding.1.hold"
    with Victims([*mortal.MORTAL, *words[3:]], environment=environment) as run:
        killed = kill_until_done(run, 30, 8, random.Random(5), hold.unlink)
    assert killed.total() == 8
    check(tmp_path / "in", tmp_path / "out", products(tmp_path / "once"))


@pytest.mark.slow
def test_kills_between_any_two_steps(tmp_path):
    crops(tmp_path / "in", 20, side=64)
    assert rsic(*command(tmp_path / "in", tmp_path / "once")[3:]).returncode == 0
    environment = mortal.plan(
        tmp_path / "deaths",
        [
            "encoding.1.coordinator", "proving.1.all", "publishing.1.worker", "published.1.worker",
            "publishing.1.all", "published.1.all", "published.2.coordinator",
        ],
    )  # fmt: skip
    words = [*mortal.MORTAL, *command(tmp_path / "in", tmp_path / "out", "--jobs", "2", "-q")[3:]]
    codes = [_run(words, environment)]
    while codes[-1] == -signal.SIGKILL:
        codes.append(_run(words, environment))
    # Five of the deaths end the run; two workers may meet theirs at once, which ends it once.
    assert codes[-1] == 0
    assert 3 <= len(codes) <= 6
    assert mortal.left(tmp_path / "deaths") == []
    found = check(tmp_path / "in", tmp_path / "out", products(tmp_path / "once"))
    assert found["attempts"] >= 20 + 7


def _run(words: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(words, env=environment, start_new_session=True, check=False).returncode


@pytest.mark.slow
def test_workers_die_with_their_coordinator(tmp_path):
    write_scenes(tmp_path / "in", 40)
    environment = mortal.plan(tmp_path / "deaths", ["encoding.1.coordinator"])
    words = command(tmp_path / "in", tmp_path / "out", "--jobs", "2")
    with started([*mortal.MORTAL, *words[3:]], env=environment, start_new_session=True) as process:
        assert process.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while alive := _session(process.pid):
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)


def _session(number: int) -> list[psutil.Process]:
    """Return the processes of a session."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            # a zombie is dead; who waits for it is the business of the machine
            if os.getsid(process.pid) == number and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_in_order(tmp_path, number):
    """Every process of the run gets the signal, as from Ctrl-C or a service that is stopped."""
    write_scenes(tmp_path / "in", 60)
    environment = mortal.plan(tmp_path / "deaths", [f"encoding.3.{number.name}"])
    words = command(tmp_path / "in", tmp_path / "out", "--jobs", "2", "--progress", "json")
    stopped = subprocess.run(
        [*mortal.MORTAL, *words[3:]],
        env=environment,
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode == 130, stopped.stderr
    assert "the same command goes on where this one stopped" in stopped.stderr
    with Ledger(tmp_path / "out" / LEDGER_NAME) as ledger:
        totals = ledger.totals("default")
    assert totals["running"]["scenes"] == 0
    done, finished = totals["done"]["scenes"], len(products(tmp_path / "out"))
    assert done <= finished <= done + 2  # what two workers finished unheard is found finished by the next run
    assert finished < 60
    assert not (tmp_path / "out" / f"{LEDGER_NAME}-wal").exists()
