"""Speed and memory of the networks beside the plain codec's decoding, in one run.

``python -m rsic_geo.evaluation.speed IMAGE [--models rsic-tiny ...] [--threads 1 2]``. Imports no raster
library and no glymur, so it runs on a bare machine with a GPU; the codec is Pillow's OpenJPEG there and here.
Every row is a process of its own, so that memory is that of the row. Windows are as `rsic` cuts them: 1024
px and a halo.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CORE = 1024
"""Side of the pixels whose correction is used (px)."""
CODEC = "JPEG 2000 decode"
_TILE = 1024
_HALO = 256
"""More than any network sees around its windows (px)."""
_ROUNDS = 4
"""Windows corrected in each run, side by side where there are threads."""
_BPP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the table."""

    system: str
    """:data:`CODEC`, or a model's name or file."""
    device: str
    threads: int
    fast: bool = False
    """bfloat16."""
    bands: int = 3
    """Bands a network is given: 3, or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one job took."""

    job: Job
    mpx_per_second: float
    """Scene pixels (all bands of a pixel are one) per second; the halo is paid for, not counted."""
    mib_per_window: float
    """Largest memory while a window is corrected, beyond what was there before: host, or GPU on CUDA."""
    arithmetic: str
    """``float32``, ``bfloat16``, ``integers``; empty for the codec."""
    largest_difference: float
    """Largest difference of a correction from the CPU's in float32 (digital numbers of 8 bits)."""


def coded_tile(image: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8], bytes]:
    """Return original and decoded (1024, 1024, 3) of an image, mirrored if it is smaller, and the bytes."""
    with Image.open(image) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    missing = [max(0, _TILE - side) for side in pixels.shape[:2]]
    pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")[:_TILE, :_TILE]
    out = io.BytesIO()
    options: dict[str, Any] = {"irreversible": True, "mct": 1, "quality_mode": "rates"}
    Image.fromarray(pixels).save(out, "JPEG2000", quality_layers=[24 / _BPP], **options)
    return pixels, _decode(out.getvalue()), out.getvalue()


def _decode(coded: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(coded)) as image:
        return np.asarray(image, dtype=np.uint8)


def measure(image: str, job: Job, seconds: float) -> Row:
    """Measure one row in this process, for about ``seconds``."""
    original, decoded, coded = coded_tile(image)
    if job.system == CODEC:
        rate = _TILE**2 / 1e6 / _fastest(lambda: _decode(coded), seconds)
        return Row(job=job, mpx_per_second=rate, mib_per_window=0.0, arithmetic="", largest_difference=0.0)
    from rsic_geo.geo.lattice import level_from_rmse
    from rsic_geo.geo.radiometry import Radiometry
    from rsic_geo.geo.window import Window
    from rsic_geo.repair import load_enhancer
    from rsic_geo.repair.base import Sight, side_by_side
    from rsic_geo.repair.plan import Scale

    enhancer = load_enhancer(job.system, job.device, fast=job.fast)
    core = Window(row_off=_HALO, col_off=_HALO, height=CORE, width=CORE)
    window = enhancer.view(core, Window.full(CORE + 2 * _HALO, CORE + 2 * _HALO))
    scale = Scale(Radiometry.whole_range("uint8", job.bands))
    seen = np.pad(decoded, ((0, 2 * _HALO), (0, 2 * _HALO), (0, 0)), mode="symmetric")[window.slices]
    rmse = float(np.sqrt(np.mean((original.astype(np.float64) - decoded) ** 2))) / 255
    sight = Sight(
        pixels=scale.forward(seen.transpose(2, 0, 1)[: job.bands], range(job.bands)),
        window=window,
        core=core,
        cells=np.full((8, 8), level_from_rmse(rmse), np.uint8),
    )
    before = _peak_mib(job.device)
    correction = enhancer.correct(sight)
    memory = _peak_mib(job.device) - before
    exact = load_enhancer(job.system, "cpu").correct(sight)

    def once(_: int) -> None:
        enhancer.correct(sight)

    took = _fastest(lambda: side_by_side(once, range(_ROUNDS), job.threads), seconds)
    return Row(
        job=job,
        mpx_per_second=_ROUNDS * CORE**2 / 1e6 / took,
        mib_per_window=memory,
        arithmetic="integers" if enhancer.is_exact else "bfloat16" if job.fast else "float32",
        largest_difference=float(np.abs(correction.astype(np.int32) - exact).max()) / 256,
    )


def _fastest(work: Any, seconds: float) -> float:  # noqa: ANN401
    """Return the shortest time (s) of calls made for ``seconds``, after one that is not counted."""
    work()
    until, best = time.perf_counter() + seconds, float("inf")
    while best == float("inf") or time.perf_counter() < until:
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def _peak_mib(device: str) -> float:
    if device.startswith("cuda"):
        import torch

        return float(torch.cuda.max_memory_allocated() / 2**20)
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with the peak of the process this one was started from
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text; the last column is the speed by that of the codec on one thread."""
    codec = next(row.mpx_per_second for row in rows if row.job.system == CODEC)
    head = ("system", "device", "threads", "bands", "type", "Mpx/s", "MiB/window", "DN", "/codec")
    lines = ["{:<20} {:<6} {:>7} {:>5} {:<8} {:>9} {:>10} {:>7} {}".format(*head)]
    for row in rows:
        job = row.job
        lines.append(
            f"{job.system[-20:]:<20} {job.device:<6} {job.threads:>7} {job.bands:>5} {row.arithmetic:<8} "
            f"{row.mpx_per_second:>9.2f} {row.mib_per_window:>10.0f} {row.largest_difference:>7.3f} "
            f"{row.mpx_per_second / codec:>6.3f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; with ``--report`` also write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.evaluation.speed", description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--models", nargs="+", default=["auto"])
    parser.add_argument("--devices", nargs="+", default=["cpu"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--bands", nargs="+", type=int, choices=(1, 3), default=[3])
    parser.add_argument("--seconds", type=float, default=5.0, help="spent on each row")
    parser.add_argument("--report", help="JSON file")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.row:
        print(json.dumps(asdict(measure(given.image, Job(**json.loads(given.row)), given.seconds))))
        return 0
    jobs = [Job(system=CODEC, device="cpu", threads=1)]
    for model in given.models:
        for device in given.devices:
            for threads in given.threads if device == "cpu" else given.threads[:1]:
                jobs += [
                    Job(system=model, device=device, threads=threads, fast=fast, bands=bands)
                    for bands in given.bands
                    for fast in (False, True)
                ]
    rows = [_in_process(given.image, job, given.seconds) for job in jobs]
    print(table(rows))
    if given.report:
        with open(given.report, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file, indent=1)
    return 0


def _in_process(image: str, job: Job, seconds: float) -> Row:
    words = [sys.executable, "-m", "rsic_geo.evaluation.speed", image, "--seconds", str(seconds)]
    words += ["--row", json.dumps(asdict(job))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{job.system} on {job.device}: {(done.stderr.strip() or 'failed').splitlines()[-1]}"
        )
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return Row(**{**said, "job": job})


if __name__ == "__main__":
    sys.exit(main())
