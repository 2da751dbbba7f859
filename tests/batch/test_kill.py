"""SIGKILL at random moments: nothing lost, nothing doubled, nothing half-written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import psutil
import pytest
from batch_kills import check, command, crops, kill_until_done
from batch_support import options, products, rsic, run, write_scenes

from rsic_geo.errors import SceneError
from rsic_geo.pipeline import executors
from rsic_geo.pipeline.batch import LEDGER_NAME, MOST_LOSSES
from rsic_geo.pipeline.batch_job import SceneJob, SceneOutcome
from rsic_geo.pipeline.executors import ProcessExecutor
from rsic_geo.pipeline.ledger import Ledger


def die_on_bad(job: SceneJob) -> SceneOutcome:
    """Be a worker that scene 1 kills."""
    if job.fid == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return SceneOutcome(fid=job.fid, state="done")


def job(fid: int) -> SceneJob:
    return SceneJob(
        fid=fid, run="r", source="", product="", report="", workshop="", options=options(), fingerprint=""
    )


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
def test_a_scene_that_kills_its_workers_is_given_up(tmp_path, monkeypatch):
    from rsic_geo.pipeline import batch_run

    write_scenes(tmp_path / "in", 2)
    monkeypatch.setattr(batch_run, "ProcessExecutor", lambda jobs: ProcessExecutor(jobs, die_on_bad))
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", jobs=1)
    assert (standing.done, standing.failed) == (1, 1)
    assert f"given up after {MOST_LOSSES} workers" in outcomes["s00000.tif"].error


@pytest.mark.slow
def test_kill_and_resume(tmp_path):
    crops(tmp_path / "in", 30, side=64)
    assert rsic(*command(tmp_path / "in", tmp_path / "once")[3:]).returncode == 0
    words = command(tmp_path / "in", tmp_path / "out", "--jobs", "2")
    killed = kill_until_done(words, 10, random.Random(5), 0.7)
    assert killed.total() == 10
    found = check(tmp_path / "in", tmp_path / "out", products(tmp_path / "once"))
    assert found["attempts"] > 30, "no kill met a scene at work"


@pytest.mark.slow
def test_workers_die_with_their_coordinator(tmp_path):
    write_scenes(tmp_path / "in", 40)
    process = subprocess.Popen(
        command(tmp_path / "in", tmp_path / "out", "--jobs", "2"), stdout=subprocess.DEVNULL
    )
    children: list[psutil.Process] = []
    while len(children) < 3:  # two workers and the resource tracker of multiprocessing
        assert process.poll() is None
        children = psutil.Process(process.pid).children()
        time.sleep(0.05)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_in_order(tmp_path, number):
    write_scenes(tmp_path / "in", 60)
    words = command(tmp_path / "in", tmp_path / "out", "--jobs", "2", "--progress", "json")
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while '"scene"' not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command goes on where this one stopped" in err
    with Ledger(tmp_path / "out" / LEDGER_NAME) as ledger:
        totals = ledger.totals("default")
    assert totals["running"]["scenes"] == 0
    done, finished = totals["done"]["scenes"], len(products(tmp_path / "out"))
    assert done <= finished <= done + 2  # what two workers finished unheard is found finished by the next run
    assert not (tmp_path / "out" / f"{LEDGER_NAME}-wal").exists()
