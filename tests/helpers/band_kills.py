"""One very large scene killed again and again: its finished row bands must never be made twice.

As a program: ``python tests/helpers/band_kills.py 4096 50 [dask]`` archives a synthetic scene of 4096 px a
side to psnr=38 and without loss, kills either run 50 times, and says what it found; with ``dask`` on a local
cluster.
"""

from __future__ import annotations

import json
import random
import shutil
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
from batch_kills import PATIENCE_S, Victims
from batch_support import RSIC, products, write_scene
from dask_cluster import local_cluster

from rsic_geo.batch.coordinator import WORKSHOP


def command(source: Path, out: Path, *words: str) -> list[str]:
    """Return the command line of a run that works by row bands."""
    fixed = ["--model", "none", "--threads", "1", "--tile-size", "256", "--bands-above", "0.1"]
    return [*RSIC, "batch", "run", str(source), str(out), *fixed, *words]


def counts(out: Path) -> dict[str, int]:
    """Return how many parts the last worker of the only scene of a run made, and how many it found."""
    (receipt,) = out.rglob("*.jp2.json")
    found: dict[str, int] = json.loads(receipt.read_text())["report"]["bands"]
    return found


def parts(out: Path) -> dict[str, int]:
    """Return the finished parts of a run at work, and the number of each one's file."""
    found: dict[str, int] = {}
    with suppress(FileNotFoundError):  # the scene was finished meanwhile
        for path in (out / WORKSHOP).glob("*/bands-*/*.part"):
            found[path.name] = path.stat().st_ino
    return found


@dataclass(slots=True)
class Killer:
    """Kills a batch of one scene, its coordinator or its worker at random moments."""

    run: Victims
    generator: random.Random
    longest: float
    """Seconds from the first finished part, or from the start, to a kill at most."""
    killed: Counter[str] = field(default_factory=Counter)
    seen: dict[str, int] = field(default_factory=dict)
    most_seen: int = 0
    _victims: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Draw victims apart: how often that happens depends on the machine, moments and kinds do not."""
        self._victims = random.Random(self.generator.random())

    def until_done(self, kills: int, release: Callable[[], object] = lambda: None) -> None:
        """Kill until it was done ``kills`` times, and release; the last run is left to end.

        Two kills of three wait until a part is finished. A run that ends before it is killed is begun anew.
        """
        out = Path(self.run.words[self.run.words.index("run") + 2])
        while self.killed.total() < kills:
            at_once = self.generator.random() < 1 / 3
            while self.run.at_work() and not (at_once or parts(out)):
                time.sleep(0.01)
            time.sleep(self.generator.uniform(0, self.longest))
            if not self.run.at_work():
                assert self.run.process.returncode == 0
                shutil.rmtree(out)
                self.seen.clear()
                self.run.start()
                continue
            what = self.generator.choice(("worker", "coordinator", "all"))
            workers = self.run.workers()
            found = self.run.kill(what, self._victims)
            if what != "worker":
                found = self.run.process.wait() == -signal.SIGKILL
                if self.run.cluster is None:
                    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
                    assert not alive, "workers die with their coordinator"
            self.killed[what] += found
            self._check(parts(out), out)
            if what != "worker":
                self.run.start()
        release()
        assert self.run.process.wait(timeout=1200) == 0

    def _check(self, found: dict[str, int], out: Path) -> None:
        """Assert that no finished part was made again or lost, unless the scene is done with."""
        if list(out.glob("*.jp2")) and not found:
            return
        again = {name for name, number in self.seen.items() if found.get(name) != number}
        assert not again, f"{len(again)} parts were lost or made again"
        self.seen.update(found)
        self.most_seen = max(self.most_seen, len(self.seen))


def main() -> None:
    """Kill as asked for on the command line and print what was found."""
    size, kills = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="rsic-bands-") as name, ExitStack() as stack:
        folder = Path(name)
        cluster = stack.enter_context(local_cluster(folder)) if sys.argv[3:] == ["dask"] else None
        more = ["--scheduler", cluster[0]] if cluster else ["--jobs", "2"]
        write_scene(folder / "in" / "large.tif", size=size, tiled=True)
        for target in ("psnr=38", "lossless"):
            start = time.monotonic()
            once = folder / f"once-{target}"
            subprocess.run(command(folder / "in", once, "--target", target, "-q"), check=True)
            seconds = time.monotonic() - start
            print(f"{target}: uninterrupted {seconds:.1f} s, parts {counts(once)}", flush=True)
            out = folder / f"out-{target}"
            start = time.monotonic()
            with Victims(command(folder / "in", out, "--target", target, "-q", *more), cluster) as run:
                killer = Killer(run, random.Random(4), seconds / 2)
                killer.until_done(kills)
            assert products(out) == products(once), "the archive differs from that of the uninterrupted run"
            print(
                f"{target}: killed {dict(killer.killed)} in {time.monotonic() - start:.1f} s; identical; at "
                f"most {killer.most_seen} parts were kept at a kill and none was made again; last run: "
                f"{counts(out)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
