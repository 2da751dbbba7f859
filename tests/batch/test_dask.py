"""The same batch on a Dask cluster, whose workers come and go."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import mortal
import psutil
import pytest
from band_kills import command as band_command
from band_kills import counts
from batch_kills import check, command, crops
from batch_support import RSIC, products, rsic, write_scene, write_scenes
from dask_cluster import local_cluster
from support import started

from rsic_geo.cli.entry import main
from rsic_geo.errors import SceneError

pytest.importorskip("distributed")


@pytest.fixture
def cluster(tmp_path) -> Iterator[str]:
    """Give the address of a cluster whose workers die as the tokens in ``tmp_path / "deaths"`` say."""
    with local_cluster(
        tmp_path, "--preload", mortal.__file__, environment=mortal.plan(tmp_path / "deaths", ())
    ) as (address, _):
        yield address


@pytest.mark.slow
def test_workers_of_a_cluster_are_killed_again_and_again(cluster, tmp_path):
    crops(tmp_path / "in", 40, side=64)
    assert rsic(*command(tmp_path / "in", tmp_path / "once")[3:]).returncode == 0
    places = ("encoding.2", "proving.2", "publishing.2", "published.2", "publishing.3", "published.3")
    mortal.plan(tmp_path / "deaths", [f"{place}.worker" for place in places])
    done = rsic(*command(tmp_path / "in", tmp_path / "out", "--scheduler", cluster)[3:], timeout=800)
    assert done.returncode == 0, done.stderr
    assert mortal.left(tmp_path / "deaths") == []
    check(tmp_path / "in", tmp_path / "out", products(tmp_path / "once"))


@pytest.mark.slow
def test_row_bands_of_a_large_scene_are_made_by_workers_that_are_killed(cluster, tmp_path):
    write_scene(tmp_path / "in" / "large.tif", size=1800, tiled=True)
    words = ["--target", "psnr=38", "--jobs", "1"]
    assert rsic(*band_command(tmp_path / "in", tmp_path / "once", *words)[3:]).returncode == 0
    usual = counts(tmp_path / "once")["kept"]  # two passes may ask the same of some bands
    # Every worker that finishes a part dies with it three times, and two in the midst of one.
    deaths = [*(f"part.1.worker.{i}" for i in range(3)), "tile.3.worker", "tile.12.worker"]
    mortal.plan(tmp_path / "deaths", deaths)
    words = ["--target", "psnr=38", "--scheduler", cluster]
    done = rsic(*band_command(tmp_path / "in", tmp_path / "out", *words)[3:], timeout=800)
    assert done.returncode == 0, done.stderr
    assert mortal.left(tmp_path / "deaths") == []
    assert products(tmp_path / "out") == products(tmp_path / "once")
    assert counts(tmp_path / "out")["kept"] > usual, "the worker that ended the scene made every band itself"


@pytest.mark.slow
def test_a_scheduler_that_goes_is_one_line_and_the_rest_goes_on_without_it(cluster, tmp_path):
    write_scenes(tmp_path / "in", 6)
    mortal.plan(tmp_path / "deaths", ["encoding.2.hold"])
    words = command(tmp_path / "in", tmp_path / "out")
    with started([*words, "--scheduler", cluster], stderr=subprocess.PIPE, text=True) as run:
        while len(list(tmp_path.glob("out/part*/*.jp2"))) < 2:  # one each; both workers are held then
            assert run.poll() is None
            time.sleep(0.05)
        (scheduler,) = [child for child in psutil.Process().children() if _is_scheduler(child)]
        scheduler.kill()
        _, said = run.communicate(timeout=300)
    assert (run.returncode, said.count("\n")) == (1, 1), said
    assert "the Dask scheduler is gone: start it and run again" in said
    (tmp_path / "deaths" / "encoding.2.hold").unlink()
    assert rsic(*words[3:]).returncode == 0
    assert len(products(tmp_path / "out")) == 6


@pytest.mark.slow
def test_resources_are_asked_for(cluster, tmp_path):
    write_scenes(tmp_path / "in", 1)
    words = [*RSIC, "batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--model", "none"]
    words += ["--scheduler", cluster, "--resource", "GPU=1"]
    with started(words, stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()  # none of this cluster offers one, so it can but wait
        assert line == "rsic: warning: waiting: no worker of the Dask cluster offers GPU=1\n"
        assert process.poll() is None
        dask = [sys.executable, "-m", "dask", "worker", cluster, "--no-dashboard", "--nthreads", "1"]
        gpu = [*dask, "--resources", "GPU=1", "--local-directory", str(tmp_path / "gpu")]
        with started(gpu, stderr=subprocess.DEVNULL) as worker:
            assert process.wait(600) == 0
            worker.terminate()  # before it is killed: its nanny takes what it began along
            with suppress(subprocess.TimeoutExpired):
                worker.wait(60)


def _is_scheduler(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "scheduler" in process.cmdline()
    return False


def test_a_client_without_connection_is_not_asked_and_one_that_knows_no_workers_is_no_error():
    from rsic_geo.batch.dask import DaskExecutor

    class Client:
        status = "connecting"

        def scheduler_info(self, **_more):
            assert self.status == "running", "asking would wait for the connection"
            return {}

    executor = DaskExecutor.__new__(DaskExecutor)
    executor._client, executor._resources, executor._places = Client(), None, 3
    assert executor._count() == 3
    executor._client.status = "running"
    assert executor._count() == 1


IMPATIENT = """
import sys
from rsic_geo.cli import main
from rsic_geo.batch import dask as executors_dask
executors_dask._PATIENCE = "1s"
sys.exit(main(sys.argv[1:]))
"""


def test_no_scheduler_is_one_line(tmp_path):
    write_scenes(tmp_path / "in", 1)
    words = ["run", str(tmp_path / "in"), str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"]
    done = subprocess.run(  # its client leaves a thread behind
        [sys.executable, "-c", IMPATIENT, "batch", *words, "--model", "none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == SceneError.exit_code
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") == 1


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
