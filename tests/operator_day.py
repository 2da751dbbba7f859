"""An operator's day with an archive, from the plan to the bag: ``python tests/operator_day.py [SCENES]``.

With ``--planned`` before the folder the day ends after the first run, which nobody kills: what was planned of
it, and what came.

Makes a tree of scenes (or takes a folder), plans it, runs it while killing the run again and again, verifies
it, damages a product, loses the ledger, moves the archive, restores it, migrates it twice (to lossless, then
without sources to COGs, the old products removed) and packs it, and prints what was planned beside what
came. Every step is the command an operator would type; the first that does not do what it says ends the day.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

RSIC = (sys.executable, "-m", "rsic_geo")
KILLS = 3
TARGET = ("--target", "psnr=42")


def rsic(*words: object, codes: tuple[int, ...] = (0,)) -> Any:
    """Run a command; return what it says as JSON."""
    done = subprocess.run(
        [*RSIC, *map(str, words), "--json", "-q"], capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        raise SystemExit(
            f"rsic {' '.join(map(str, words))} ended with {done.returncode}: {done.stderr[-500:]}"
        )
    return json.loads(done.stdout) if done.stdout.strip() else None


def make_tree(folder: Path) -> None:
    """Write 60 small scenes, some large, empty, deep and float ones, two that fail and two that clash."""
    rng = np.random.default_rng(0)

    def write(name: str, pixels: np.ndarray, **more: Any) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = {"driver": "GTiff", "crs": "EPSG:32633", "compress": "deflate", **more}
        bands, height, width = pixels.shape
        place = from_origin(500000 + rng.integers(10**5), 5600000, 10, 10)
        with rasterio.open(
            path,
            "w",
            count=bands,
            height=height,
            width=width,
            dtype=pixels.dtype,
            transform=place,
            **settings,
        ) as scene:
            scene.write(pixels)

    def ground(bands: int, side: int, dtype: str, top: float = 200) -> np.ndarray:
        rows, cols = np.mgrid[0:side, 0:side] / side
        base = sum(np.sin(rows * a + cols * b + a) for a, b in rng.uniform(5, 60, (6, 2)))
        scale = top * rng.uniform(0.02, 0.1)
        scenes = [top / 2 + base * top / 14 + rng.normal(0, scale, base.shape) for _ in range(bands)]
        return np.stack(scenes).clip(1, top).astype(dtype)

    for number in range(60):
        write(f"small/{number:03}.tif", ground(1 + 2 * (number % 2), int(rng.integers(100, 400)), "uint8"))
    for number in range(4):
        write(f"deep/{number}.tif", ground(4, 500, "uint16", 4000))
        write(f"dem/{number}.tif", ground(1, 400, "float32", 900))
    write("large.tif", ground(3, 2400, "uint8"))
    empty = np.zeros((1, 5000, 5000), np.uint8)
    empty[:, 2000:2700, 1000:1900] = ground(1, 900, "uint8")[:, :700]
    write("empty.tif", empty, nodata=0)
    write("twin.tif", ground(1, 120, "uint8"))
    write("twin.tiff", ground(1, 130, "uint8"))
    torn = folder / "torn.tif"
    write("torn.tif", ground(1, 300, "uint8"))
    torn.write_bytes(torn.read_bytes()[:2000])
    (folder / "text.tif").write_text("no raster")


def main() -> None:
    """Live the day."""
    with tempfile.TemporaryDirectory(prefix="rsic-day-") as name:
        home, given = Path(name), [word for word in sys.argv[1:] if word != "--planned"]
        is_short = "--planned" in sys.argv
        scenes, out = (Path(given[0]) if given else home / "in"), home / "archive"
        if not given:
            make_tree(scenes)
        plan = rsic("batch", "plan", scenes, out, *TARGET, "--threads", 1)
        words = [*TARGET, "--threads", 1, "--jobs", 1]
        if plan["template"] is not None:
            words += ["--template", plan["template"]]
        started, seconds = time.monotonic(), 0.0
        for _ in range(0 if is_short else KILLS):
            run = subprocess.Popen([*RSIC, "batch", "run", str(scenes), str(out), *map(str, words), "-q"])
            time.sleep(6)
            run.send_signal(signal.SIGKILL)
            run.wait()
        rsic("batch", "run", scenes, out, *words, codes=(0, 3))
        status = rsic("batch", "status", out, codes=(0, 3))["runs"][0]
        seconds = status["seconds"]
        rows = [("scenes that fail", sum(map(len, plan["failures"].values())), status["states"]["failed"])]
        for label, planned, came, unit in (
            ("MB of products", plan["product_bytes"], status["product_bytes"], 1e6),
            ("seconds of work", plan["seconds"], seconds, 1.0),
        ):
            low, middle, high = (planned[key] / unit for key in ("p10", "p50", "p90"))
            rows.append((label, f"{middle:.1f} ({low:.1f} to {high:.1f})", f"{came / unit:.1f}"))
        done = status["states"]["done"]
        if is_short:
            _print_table(done, rows)
            return
        assert rsic("batch", "verify", out)["rotten"] == []
        victim = next(out.rglob("small/*.jp2"))
        sound = victim.read_bytes()
        victim.write_bytes(sound[:-40] + bytes(40))
        rotten = rsic("batch", "verify", out, codes=(4,))["rotten"]
        assert [Path(each["product"]) for each in rotten] == [victim], rotten
        victim.write_bytes(sound)
        (out / "rsic-batch.gpkg").unlink()
        moved = home / "mounted elsewhere"
        shutil.move(out, moved)
        assert rsic("batch", "rebuild", moved)["scenes"] == done
        assert rsic("batch", "verify", moved)["rotten"] == []
        rsic("batch", "run", scenes, moved, *words, codes=(0, 3))
        assert rsic("batch", "status", moved, codes=(0, 3))["runs"][0]["states"]["done"] == done
        back = rsic("batch", "restore", moved, home / "back")
        assert (back["restored"], back["failed"]) == (done, [])
        exact = rsic("batch", "migrate", moved, home / "exact", "--target", "lossless")  # of the sources
        assert (exact["done"], exact["failed"]) == (done, 0)
        if not given:
            scenes.rename(home / "gone")  # now of the lossless products
        cogs = rsic("batch", "migrate", home / "exact", home / "cogs", "--codec", "cog", "--remove-old")
        assert (cogs["done"], cogs["failed"]) == (done, 0)
        assert not list((home / "exact").rglob("*.jp2"))
        assert rsic("batch", "verify", home / "cogs")["rotten"] == []
        rsic("batch", "export", moved, home / "bag", "--to", "bag")
        subprocess.run(["sha256sum", "-c", "--quiet", "manifest-sha256.txt"], cwd=home / "bag", check=True)
        _print_table(done, rows)
        print(
            f"\nkilled {KILLS} times, damaged, lost, moved, restored, migrated, packed: "
            f"{time.monotonic() - started:.0f} s"
        )


def _print_table(done: int, rows: list[tuple[Any, ...]]) -> None:
    print(f"| | planned | came |\n|---|---|---|\n| scenes done | | {done} |")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
