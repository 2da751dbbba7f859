"""One very large scene killed again and again: its finished row bands must never be made twice.

As a program: ``python tests/band_kills.py 4096 50 [ADDRESS-of-Dask]`` archives a synthetic scene of 4096 px a
side to psnr=38, kills the run 50 times, and says what it found.
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from batch_support import RSIC, products, write_scene

from rsic_geo.pipeline.batch import WORKSHOP


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
    found = {}
    for path in (out / WORKSHOP).glob("*/bands-*/*.part"):
        with suppress(FileNotFoundError):
            found[path.name] = path.stat().st_ino
    return found


@dataclass(slots=True)
class Killer:
    """Runs a batch of one scene and kills it, its coordinator or its worker at random moments."""

    words: list[str]
    generator: random.Random
    longest: float
    killed: Counter[str] = field(default_factory=Counter)
    seen: dict[str, int] = field(default_factory=dict)
    most_seen: int = 0

    def until_done(self, kills: int) -> None:
        """Kill until it was done ``kills`` times; the last run is left to end."""
        out = Path(self.words[self.words.index("run") + 2])
        process = self._start()
        while self.killed.total() < kills:
            time.sleep(self.generator.uniform(0.3, self.longest))
            if process.poll() is not None:
                assert process.returncode == 0
                shutil.rmtree(out)
                self.seen.clear()
                process = self._start()
                continue
            what = self.generator.choice(("worker", "coordinator", "all"))
            workers = _workers(process)
            victims = [psutil.Process(process.pid), *(workers if what == "all" else [])]
            if what == "worker":
                victims = [self.generator.choice(workers)] if workers else []
            for victim in victims:
                with suppress(psutil.Error):
                    victim.send_signal(signal.SIGKILL)
            self.killed[what] += bool(victims)
            if what != "worker":
                process.wait()
                psutil.wait_procs(workers, timeout=10)  # workers die with their coordinator
            self._check(parts(out), out)
            if what != "worker":
                process = self._start()
        assert process.wait(timeout=1200) == 0

    def _check(self, found: dict[str, int], out: Path) -> None:
        """Assert that no finished part was made again or lost, unless the scene is done with."""
        if list(out.rglob("*.jp2")) and not found:
            return
        again = {name for name, number in self.seen.items() if found.get(name) != number}
        assert not again, f"{len(again)} parts were lost or made again"
        self.seen.update(found)
        self.most_seen = max(self.most_seen, len(self.seen))

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.words, stdout=subprocess.DEVNULL, start_new_session=True)


def _workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def main() -> None:
    """Kill as asked for on the command line and print what was found."""
    size, kills = int(sys.argv[1]), int(sys.argv[2])
    more = ["--scheduler", sys.argv[3]] if len(sys.argv) > 3 else ["--jobs", "2"]
    with tempfile.TemporaryDirectory(prefix="rsic-bands-") as name:
        folder = Path(name)
        write_scene(folder / "in" / "large.tif", size=size, tiled=True)
        for target in ("psnr=38", "lossless"):
            start = time.monotonic()
            once = folder / f"once-{target}"
            subprocess.run(command(folder / "in", once, "--target", target, "-q"), check=True)
            seconds = time.monotonic() - start
            print(f"{target}: uninterrupted {seconds:.1f} s, parts {counts(once)}", flush=True)
            out = folder / f"out-{target}"
            killer = Killer(
                command(folder / "in", out, "--target", target, "-q", *more), random.Random(4), seconds / 2
            )
            start = time.monotonic()
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
