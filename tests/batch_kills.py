"""A batch killed again and again, and what must hold of it afterwards.

As a program: ``python tests/batch_kills.py 300 50 [ADDRESS-of-Dask]`` makes 300 crops of the real
scenes beside the checkout (synthetic ones where there are none), kills the run 50 times, says what it found.
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
from contextlib import suppress
from pathlib import Path

import psutil
import rasterio
from batch_support import RSIC, products, write_scenes
from rasterio.windows import Window, bounds
from support import SCENES

from rsic_geo.pipeline.batch import LEDGER_NAME, WORKSHOP
from rsic_geo.pipeline.ledger import Ledger


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


def kill_until_done(words: list[str], kills: int, generator: random.Random, longest: float) -> Counter[str]:
    """Run a batch, killing it, its coordinator or a worker at random moments; return what was killed.

    Four of five kills wait until a worker has a scene in its hands, and then up to ``longest`` seconds more;
    the others come before that, while the run starts.
    """
    workshop = Path(words[words.index("run") + 2]) / WORKSHOP
    done: Counter[str] = Counter()
    process = _start(words)
    while done.total() < kills:
        if generator.random() < 0.8:
            while process.poll() is None and not any(workshop.glob("*/*")):
                time.sleep(0.02)
            time.sleep(generator.uniform(0, longest))
        else:
            time.sleep(generator.uniform(0, 3))
        if process.poll() is not None:
            done["ended before the kill"] += 1
            process = _start(words)
            continue
        what = generator.choice(("worker", "coordinator", "all"))
        workers = _workers(process)
        if what == "worker":
            if workers:
                _kill(generator.choice(workers))
                done["worker"] += 1
            continue
        for victim in [psutil.Process(process.pid), *(workers if what == "all" else [])]:
            _kill(victim)
        process.wait()
        done[what] += 1
        process = _start(words)
    assert process.wait(timeout=1200) == 0
    return done


def _start(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)


def _workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return [
            child
            for child in psutil.Process(process.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
    except psutil.Error:
        return []


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.send_signal(signal.SIGKILL)


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
    count, kills = int(sys.argv[1]), int(sys.argv[2])
    more = ["--scheduler", sys.argv[3]] if len(sys.argv) > 3 else ["--jobs", "2"]
    with tempfile.TemporaryDirectory(prefix="rsic-kills-") as name:
        folder = Path(name)
        crops(folder / "in", count)
        start = time.monotonic()
        subprocess.run(command(folder / "in", folder / "once", "--jobs", "2"), check=True)
        print(f"uninterrupted: {time.monotonic() - start:.1f} s", flush=True)
        start = time.monotonic()
        killed = kill_until_done(command(folder / "in", folder / "out", *more), kills, random.Random(11), 2.0)
        print(f"killed {dict(killed)}: {time.monotonic() - start:.1f} s", flush=True)
        print(f"identical: {check(folder / 'in', folder / 'out', products(folder / 'once'))}")


if __name__ == "__main__":
    main()
