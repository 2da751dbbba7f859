"""What the tests of batches share: tiny scenes in several reference systems, and runs of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from rsic_geo.batch.coordinator import Standing, Watcher
from rsic_geo.batch.inputs import Selection, discover
from rsic_geo.batch.message import SceneOutcome
from rsic_geo.batch.run import BatchOptions, Crew, run_batch
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.targets import Target

RSIC = (sys.executable, "-m", "rsic_geo")
SYSTEMS = (
    ("EPSG:32633", 500000.0, 5600000.0, 10.0),
    ("EPSG:3857", -1.2e6, 4.1e6, 20.0),
    ("EPSG:4326", 140.0, -30.0, 1e-4),
)


def write_scene(
    path: Path,
    seed: int = 0,
    *,
    size: int = 64,
    shape: tuple[int, int] | None = None,
    dtype: str = "uint8",
    **profile,
) -> Path:
    """Write one small scene; the seed decides its pixels and its reference system."""
    crs, west, north, step = SYSTEMS[seed % len(SYSTEMS)]
    height, width = shape or (size, size)
    rows, cols = np.mgrid[0:height, 0:width]
    generator = np.random.default_rng(seed)
    base = 100 + 60 * np.sin(cols / 17 + seed) + 40 * np.cos(rows / 11)
    pixels = (base + generator.normal(0, 3, base.shape)).clip(1, 255).astype(dtype)
    settings = {
        "driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": dtype, "crs": crs,
        "transform": from_origin(west + seed * 3 * width * step, north, step, step), **profile,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **settings) as scene:
        scene.write(pixels, 1)
        scene.update_tags(PLATFORM="test", SCENE=str(seed))
    return path


def write_scenes(folder: Path, count: int, **settings) -> list[Path]:
    """Write scenes into two folders below ``folder``."""
    return [write_scene(folder / f"part{i % 2}" / f"s{i:05d}.tif", i, **settings) for i in range(count)]


def options(target: str = "lossless", **choices) -> EncodeOptions:
    return EncodeOptions(target=Target.parse(target), model="none", **choices)


def run(
    inputs: Path | list[str], out: Path, wanted: EncodeOptions | None = None, *, jobs: int = 0, **settings
) -> tuple[Standing, dict[str, SceneOutcome]]:
    """Run a batch in this process; return how it stands and what became of the scenes it worked on."""
    outcomes: dict[str, SceneOutcome] = {}
    words = inputs if isinstance(inputs, list) else [str(inputs)]
    crew = Crew(jobs=jobs, execution=Execution(threads=1))
    standing = run_batch(
        discover(words, Selection(avoid=(str(out),))),
        str(out),
        wanted or options(),
        BatchOptions(crew=crew, **settings),
        Watcher(scene=lambda source, outcome: outcomes.update({Path(source).name: outcome})),
    )
    return standing, outcomes


def rsic(*words: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [*RSIC, *map(str, words)], capture_output=True, text=True, check=False, timeout=timeout
    )


def products(out: Path) -> dict[str, bytes]:
    """Return the contents of all products by their paths below ``out``; nothing unfinished may be there."""
    assert not list(out.rglob(".rsic-batch")), "the workshop was left behind"
    assert not [path for path in out.rglob("*.part*")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.jp2"))}
