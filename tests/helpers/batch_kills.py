"""A batch killed again and again, and what must hold of it afterwards.

As a program: ``python tests/helpers/batch_kills.py 300 50 [dask]`` makes 300 crops of the real scenes
beside the checkout (synthetic ones where there are none), kills the run 50 times, says what it found. With
``dask`` it works on a local cluster of two workers, whose workers are killed too.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import rasterio
from batch_support import RSIC, products, write_scenes
from dask_cluster import joined, local_cluster, workers_of
from rasterio.windows import Window, bounds
from support import SCENES

from rsic_geo.batch.coordinator import LEDGER_NAME
from rsic_geo.batch.ledger.file import Ledger

PATIENCE_S = 120.0
"""How long a run may be without the process that is to be killed."""


def crops(folder: Path, count: int, side: int = 96) -> None:
    """Write ``count`` small scenes cut from the real ones, with their metadata, into ``folder``."""
    sources = [path for path in sorted(SCENES.glob("*.tif")) if _usable(path)]
    if not sources:
        write_scenes(folder, count)
        return
    generator = random.Random(3)
    for i in range(count):
        with rasterio.open(sources[i % len(sources)]) as scene:
            width, height = min(side, scene.width), min(side, scene.height)
            left, top = generator.randint(0, scene.width - width), generator.randint(0, scene.height - height)
            window = Window(left, top, width, height)
            profile = {
                "driver": "GTiff",
                "width": width,
                "height": height,
                "count": scene.count,
                "nodata": scene.nodata,
                "dtype": scene.dtypes[0],
                "crs": scene.crs,
                "transform": scene.window_transform(window),
            }
            place = folder / f"part{i % 7}" / f"s{i:05d}.tif"
            place.parent.mkdir(parents=True, exist_ok=True)
            with rasterio.open(place, "w", **profile) as crop:
                crop.write(scene.read(window=window))
                crop.colorinterp = scene.colorinterp
                crop.update_tags(**scene.tags(), CROP=str(bounds(window, scene.transform)))


def _usable(path: Path) -> bool:
    with rasterio.open(path) as scene:
        kinds = set(scene.dtypes)
        return (
            len(kinds) == 1
            and kinds <= {"uint8", "uint16", "int16"}
            and scene.count <= 8
            and "palette" not in [meaning.name for meaning in scene.colorinterp]
        )


def command(source: Path, out: Path, *words: str) -> list[str]:
    """Return the command line of a run."""
    return [*RSIC, "batch", "run", str(source), str(out), "--model", "none", "--threads", "1", *words]


@dataclass(slots=True)
class Victims:
    """A run of a batch that is killed and started again."""

    words: list[str]
    cluster: tuple[str, int] | None = None
    """Address of a Dask scheduler, and the nanny whose children work; None = the run's own children do."""
    environment: dict[str, str] | None = None
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Start it."""
        self.start()

    def __enter__(self) -> Victims:
        """Watch over the run."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave nothing of the run behind, whatever happened to the test."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def start(self) -> None:
        """Start the run, or go on with it."""
        self.process = subprocess.Popen(
            self.words, stdout=subprocess.DEVNULL, start_new_session=True, env=self.environment
        )

    def at_work(self) -> bool:
        """Return whether the run has not ended."""
        return self.process.poll() is None

    def workers(self) -> list[psutil.Process]:
        """Return its workers that are alive."""
        if self.cluster is None:
            return workers_of(self.process.pid)
        address, nanny = self.cluster
        return [worker for worker in workers_of(nanny) if joined(worker, address)]

    def kill(self, what: str, generator: random.Random) -> bool:
        """Kill a ``worker``, the ``coordinator`` or ``all``; return whether there was one."""
        workers = self.workers()
        victims = {
            "worker": [generator.choice(workers)] if workers else [],
            "coordinator": [psutil.Process(self.process.pid)],
            "all": [psutil.Process(self.process.pid), *workers],
        }[what]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        return bool(victims)


def kill_until_done(
    run: Victims,
    count: int,
    kills: int,
    generator: random.Random,
    release: Callable[[], object] = lambda: None,
) -> Counter[str]:
    """Kill a run, its coordinator or a worker at random moments until it may end; return what was killed.

    The moments are drawn by progress, not by the clock: each is some number of products, of the first nine
    tenths of them, and a little more. One of five comes at once, while the run starts again.

    Args:
        run: a run that was started.
        count: its scenes.
        kills: how often to kill.
        generator: draws moments and victims.
        release: called after the last kill.
    """
    out = Path(run.words[run.words.index("run") + 2])
    killed: Counter[str] = Counter()
    victims = random.Random(generator.random())  # apart: how often they are drawn depends on the machine
    for moment in sorted(generator.choices(range(count * 9 // 10), k=kills)):
        at_once, what = generator.random() < 0.2, generator.choice(("worker", "coordinator", "all"))
        while run.at_work() and not (at_once or sum(1 for _ in out.glob("part*/*.jp2")) >= moment):
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 1.5 if at_once else 0.05))
        deadline = time.monotonic() + PATIENCE_S
        while run.at_work() and not run.kill(what, victims):
            assert time.monotonic() < deadline, f"the run has no {what} for {PATIENCE_S} s"
            time.sleep(0.01)
        if what != "worker":
            run.process.wait()
        assert run.process.returncode in (None, -signal.SIGKILL), f"it ended before kill {killed.total() + 1}"
        killed[what] += 1
        if what != "worker":
            run.start()
    release()
    assert run.process.wait(timeout=1200) == 0
    return killed


def check(source: Path, out: Path, reference: dict[str, bytes]) -> dict[str, int]:
    """Assert that nothing was lost, doubled or left behind, and that ledger and files agree."""
    found = products(out)
    assert found.keys() == reference.keys(), (len(found), len(reference))
    assert found == reference, "a product differs from that of the uninterrupted run"
    assert not list(out.rglob("*.failed*"))
    with Ledger(out / LEDGER_NAME) as ledger:
        rows = list(ledger.scenes("default"))
    assert Counter(row["state"] for row in rows) == {"done": len(reference)}
    assert len({row["source"] for row in rows}) == len({row["product"] for row in rows}) == len(rows)
    assert len(rows) == sum(1 for _ in source.rglob("*.tif"))
    for row in rows:
        content = found[os.path.relpath(row["product"], out)]
        assert hashlib.sha256(content).hexdigest() == row["product_sha256"]
        assert len(content) == row["product_bytes"]
        assert row["error"] is None
    return {"scenes": len(rows), "attempts": sum(row["attempts"] for row in rows)}


def main() -> None:
    """Run the kills asked for on the command line and print what was found."""
    count, kills, on_dask = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] == ["dask"]
    with tempfile.TemporaryDirectory(prefix="rsic-kills-") as name, ExitStack() as stack:
        folder = Path(name)
        crops(folder / "in", count)
        start = time.monotonic()
        subprocess.run(command(folder / "in", folder / "once", "--jobs", "2", "-q"), check=True)
        print(f"uninterrupted: {time.monotonic() - start:.1f} s", flush=True)
        cluster = stack.enter_context(local_cluster(folder)) if on_dask else None
        more = ["--scheduler", cluster[0]] if cluster else ["--jobs", "2"]
        start = time.monotonic()
        with Victims(command(folder / "in", folder / "out", "-q", *more), cluster) as run:
            killed = kill_until_done(run, count, kills, random.Random(11))
        print(f"killed {dict(killed)}: {time.monotonic() - start:.1f} s", flush=True)
        print(f"identical: {check(folder / 'in', folder / 'out', products(folder / 'once'))}")


if __name__ == "__main__":
    main()
