"""The same batch on a Dask cluster, whose workers come and go."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from band_kills import command as band_command
from band_kills import counts
from batch_kills import check, command, crops
from batch_support import RSIC, products, rsic, write_scene, write_scenes

from rsic_geo.cli.entry import main
from rsic_geo.errors import SceneError

pytest.importorskip("distributed")


@pytest.fixture
def cluster(tmp_path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a scheduler and two workers, as the README says; give its address and the workers' nanny."""
    address = tmp_path / "scheduler.json"
    log = (tmp_path / "cluster.log").open("wb")
    dask = [sys.executable, "-m", "dask"]
    shared, local = ["--scheduler-file", str(address)], ["--local-directory", str(tmp_path / "dask")]
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1", *shared],
        stdout=log,
        stderr=log,
    )
    workers = subprocess.Popen(
        [*dask, "worker", "--nworkers", "2", "--nthreads", "1", "--no-dashboard", *shared, *local],
        stdout=log,
        stderr=log,
    )
    try:
        while not address.exists():
            assert scheduler.poll() is None
            time.sleep(0.1)
        yield json.loads(address.read_text())["address"], workers
    finally:
        for process in (workers, scheduler):
            process.terminate()
        for process in (workers, scheduler):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()
        log.close()


def kill_workers(
    nanny: subprocess.Popen[bytes], every: float, stop: threading.Event, killed: list[int]
) -> None:
    """Kill one of the nanny's workers every few seconds; the nanny starts another."""
    generator = random.Random(2)
    while not stop.wait(every):
        with contextlib.suppress(psutil.Error):
            children = [
                child
                for child in psutil.Process(nanny.pid).children()
                if "spawn_main" in " ".join(child.cmdline())
            ]
            if children:
                victim = generator.choice(children)
                victim.kill()
                killed.append(victim.pid)


@pytest.mark.slow
def test_workers_of_a_cluster_are_killed_again_and_again(cluster, tmp_path):
    address, nanny = cluster
    crops(tmp_path / "in", 40, side=64)
    assert rsic(*command(tmp_path / "in", tmp_path / "once")[3:]).returncode == 0
    stop, killed = threading.Event(), []
    killer = threading.Thread(target=kill_workers, args=(nanny, 4.0, stop, killed))
    killer.start()
    try:
        done = rsic(*command(tmp_path / "in", tmp_path / "out", "--scheduler", address)[3:], timeout=600)
    finally:
        stop.set()
        killer.join()
    assert done.returncode == 0, done.stderr
    assert killed
    check(tmp_path / "in", tmp_path / "out", products(tmp_path / "once"))


@pytest.mark.slow
def test_row_bands_of_a_large_scene_are_made_by_workers_that_are_killed(cluster, tmp_path):
    address, nanny = cluster
    write_scene(tmp_path / "in" / "large.tif", size=1800, tiled=True)
    assert rsic(*band_command(tmp_path / "in", tmp_path / "once", "--target", "psnr=38")[3:]).returncode == 0
    stop, killed = threading.Event(), []
    killer = threading.Thread(target=kill_workers, args=(nanny, 5.0, stop, killed))
    killer.start()
    try:
        words = ["--target", "psnr=38", "--scheduler", address]
        done = rsic(*band_command(tmp_path / "in", tmp_path / "out", *words)[3:], timeout=600)
    finally:
        stop.set()
        killer.join()
    assert done.returncode == 0, done.stderr
    assert killed
    assert products(tmp_path / "out") == products(tmp_path / "once")
    last, whole = counts(tmp_path / "out"), counts(tmp_path / "once")
    assert last["kept"] > whole["kept"], "the worker that ended the scene made every band itself"


@pytest.mark.slow
def test_resources_are_asked_for(cluster, tmp_path):
    address, _ = cluster
    write_scenes(tmp_path / "in", 1)
    words = [*RSIC, "batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--model", "none"]
    process = subprocess.Popen([*words, "--scheduler", address, "--resource", "GPU=1"])
    try:
        with pytest.raises(subprocess.TimeoutExpired):  # no worker of this cluster offers one
            process.wait(8)
        dask = [sys.executable, "-m", "dask", "worker", address, "--no-dashboard", "--nthreads", "1"]
        gpu = subprocess.Popen(
            [*dask, "--resources", "GPU=1", "--local-directory", str(tmp_path / "gpu")],
            stderr=subprocess.DEVNULL,
        )
        try:
            assert process.wait(90) == 0
        finally:
            gpu.terminate()
            gpu.wait(30)
    finally:
        process.kill()
        process.wait()


def test_no_scheduler_is_one_line(tmp_path, capsys, monkeypatch):
    from rsic_geo.pipeline import executors_dask

    monkeypatch.setattr(executors_dask, "_PATIENCE", "1s")
    write_scenes(tmp_path / "in", 1)
    words = [
        "run",
        str(tmp_path / "in"),
        str(tmp_path / "out"),
        "--scheduler",
        "tcp://127.0.0.1:9",
        "--model",
        "none",
    ]
    assert main(["batch", *words]) == SceneError.exit_code
    err = capsys.readouterr().err
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in err
    assert err.count("\n") == 1


def test_without_the_extra_it_says_which(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    write_scenes(tmp_path / "in", 1)
    words = [
        "run",
        str(tmp_path / "in"),
        str(tmp_path / "out"),
        "--scheduler",
        "tcp://127.0.0.1:9",
        "--model",
        "none",
    ]
    assert main(["batch", *words]) == 5
    assert "rsic-geo[dask]" in capsys.readouterr().err
