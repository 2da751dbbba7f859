"""``rsic bench --all``: what each effort costs and saves on one scene, beside one pass of GDAL, in one run.

Every row is a process of its own, the fastest of several, told in processor time: that is what a busy machine
distorts least. Windows are timed inside one process, since that is how they are read; plain ones by rasterio.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rsic_geo
from rsic_geo.evaluation.bench import OURS, BenchOptions, BenchWork
from rsic_geo.evaluation.measured import Measured, best_of, run_measured
from rsic_geo.geo.window import Window
from rsic_geo.options import EFFORTS
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.raster import open_scene
from rsic_geo.targets import Target

WINDOW = 256
"""Side of the windows read (px)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceOptions:
    """What is measured, and how."""

    target: Target = field(default_factory=lambda: Target(kind="psnr", value=40.0))
    threads: int = 1
    repeat: int = 3


def pace(scene: str, options: PaceOptions, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Measure no model and every effort on ``scene``: time, memory, bytes and quality.

    Returns:
        A plain dictionary: ``gdal`` (one pass at the bytes of the archive without a model), ``rows`` by
        ``none``, ``fast``, ``normal`` and ``best``, ``lossless`` with ``ours`` and ``gdal``, ``windows``
        (seconds) and ``start`` (``rsic --version``).

    Raises:
        RsicGeoError: a program fails.
    """
    report = Progress(callback=progress)
    with TemporaryDirectory(prefix="rsic-bench-") as name:
        work, folder = BenchWork.of(scene, Path(name), BenchOptions(threads=options.threads)), Path(name)
        rows: dict[str, Any] = {}
        ways: dict[str, list[str]] = {"none": ["--model", "none"]}
        ways |= {effort: ["--effort", effort] for effort in EFFORTS}
        for done, (row, words) in enumerate(ways.items()):
            report.report(0.8 * done / len(ways), row)
            rows[row] = _row(work, folder / f"{row}.jp2", options, words)
        quality = 100 * rows["none"]["bytes"] / work.profile.raw_bytes
        one_pass = best_of([work.gdal_jp2(folder / "gdal.jp2", quality) for _ in range(options.repeat)])
        report.report(0.85, "lossless")
        exact = ["compress", scene, str(folder / "exact.jp2"), "--target", "lossless", "--verify", "none"]
        ours = best_of([work.rsic(exact) for _ in range(options.repeat)])
        theirs = best_of([work.gdal_jp2(folder / "exact_gdal.jp2", None) for _ in range(options.repeat)])
        report.report(0.95, "windows")
        result = {
            "scene": work.describe(),
            "settings": {"target": str(options.target), "threads": options.threads, "repeat": options.repeat},
            "gdal": {"cpu_seconds": one_pass.cpu_seconds, "bytes": (folder / "gdal.jp2").stat().st_size},
            "rows": rows,
            "lossless": {"ours": ours.cpu_seconds, "gdal": theirs.cpu_seconds},
            "windows": _windows(folder / "none.jp2", folder / "normal.jp2", options.repeat),
            "start": best_of([run_measured([*OURS, "--version"]) for _ in range(options.repeat)]).cpu_seconds,
        }
        report.report(1.0, "done")
    return result


def _row(work: BenchWork, archive: Path, options: PaceOptions, words: list[str]) -> dict[str, Any]:
    compress = ["compress", work.scene, str(archive), "--target", options.target.exact, *words]
    written = [work.rsic(compress) for _ in range(options.repeat)]
    back = ["decompress", str(archive), str(archive.with_suffix(".tif"))]
    read = [work.rsic(back) for _ in range(options.repeat)]
    said = json.loads(written[0].output)
    return {
        "bytes": archive.stat().st_size,
        "model": None if said["model"] is None else said["model"]["name"],
        "psnr": said["psnr"],
        "compress": _took(best_of(written)),
        "decompress": _took(best_of(read)),
    }


def _took(run: Measured) -> dict[str, float]:
    return {"cpu_seconds": run.cpu_seconds, "seconds": run.seconds, "peak_mib": run.peak_mib}


def _windows(plain: Path, enhanced: Path, repeat: int) -> dict[str, float]:
    """Return seconds of a window read cold (opening included), and of the one beside it."""

    def ours(column: int) -> Window:
        return Window(row_off=0, col_off=column, height=WINDOW, width=WINDOW)

    def by_gdal() -> None:
        with open_scene(str(plain)) as scene:
            scene.read(ours(0))

    def by_us() -> None:
        with rsic_geo.open(str(enhanced), threads=1) as scene:
            scene.read(window=ours(0))

    def beside() -> float:
        with rsic_geo.open(str(enhanced), threads=1) as scene:
            scene.read(window=ours(0))
            return _seconds(lambda: scene.read(window=ours(WINDOW)))

    by_us()  # loads the engine
    return {
        "plain": min(_seconds(by_gdal) for _ in range(repeat)),
        "cold": min(_seconds(by_us) for _ in range(repeat)),
        "beside": min(beside() for _ in range(repeat)),
    }


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def table(found: dict[str, Any]) -> str:
    """Return the measurements as a Markdown table, times as ratios."""
    rows, scene, settings = found["rows"], found["scene"], found["settings"]
    none, gdal = rows["none"], found["gdal"]["cpu_seconds"]
    lines = [
        f"{scene['path']}: {scene['width']} x {scene['height']} px, {scene['bands']} bands {scene['dtype']}; "
        f"{settings['target']}, threads {settings['threads']}, best of {settings['repeat']}",
        "",
        "| | bytes | of no model | compress / no model | decompress / no model | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        label = "no model" if name == "none" else f"`--effort {name}` ({row['model']})"
        write, read = (row[verb]["cpu_seconds"] / none[verb]["cpu_seconds"] for verb in _VERBS)
        peak = max(row[verb]["peak_mib"] for verb in _VERBS)
        share = row["bytes"] / none["bytes"]
        lines.append(f"| {label} | {row['bytes']} | {share:.1%} | {write:.1f} | {read:.1f} | {peak:.0f} |")
    exact, windows = found["lossless"], found["windows"]
    lines += [
        "",
        f"- no model / one pass of GDAL at its bytes: {none['compress']['cpu_seconds'] / gdal:.1f}",
        f"- lossless / GDAL's lossless: {exact['ours'] / exact['gdal']:.2f}",
        f"- cold enhanced window of {WINDOW} px / a plain one: {windows['cold'] / windows['plain']:.1f}; the "
        f"one beside it: {windows['beside'] / windows['plain']:.1f}",
        f"- start of the program: {found['start']:.2f} s of processor",
    ]
    return "\n".join(lines)


_VERBS = ("compress", "decompress")
