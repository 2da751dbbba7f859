"""``rsic bench``: our compress and decompress beside GDAL's, on one scene, in one run.

Both sides are processes of their own with the same tiles, threads, bytes and output options, so start-up is
paid by both and peak memory is that of the program. Runs of the two sides alternate and the fastest counts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsic_geo.errors import UnsupportedSceneError, UsageError
from rsic_geo.evaluation.measured import Measured, best_of, run_measured
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.raster import gdal_version, open_scene
from rsic_geo.targets import Target
from rsic_geo.verbs.compare import compare

SIZE_MATCH = 0.01
"""GDAL's file is brought within this part of ours before the two are compared."""
_QUALITY_TRIALS = 4
OURS = (sys.executable, "-m", "rsic_geo")
"""How the program is started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What is measured, and how."""

    target: Target = field(default_factory=lambda: Target(kind="bpp", value=1.0))
    """lossless, bpp or ratio: GDAL knows no other."""
    tile_size: int = 1024
    threads: int = 0
    """0 = all cores."""
    repeat: int = 3
    model: str = "auto"
    """Network whose speed is measured; none leaves it out."""
    device: str = "auto"

    def __post_init__(self) -> None:
        """Raise UsageError where GDAL has nothing to compare with."""
        if not (self.target.is_lossless or self.target.is_size):
            raise UsageError(
                f"target {self.target}: GDAL knows no such target; use lossless, bpp=B or ratio=R"
            )
        if self.repeat < 1:
            raise UsageError("repeat must be at least 1")

    @property
    def workers(self) -> int:
        """Threads both sides are given."""
        return self.threads or os.cpu_count() or 1


def bench(scene: str, options: BenchOptions, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Measure compress, decompress and enhancement of ``scene`` against GDAL's.

    Args:
        scene: a raster JPEG 2000 can hold.
        options: what is measured.
        progress: told between runs; returning False cancels.

    Returns:
        A plain dictionary: ``compress`` and ``decompress`` with ``ours``, ``gdal`` and their ``ratio``, and
        ``enhance``. ``one_pass_seconds`` leaves out the search for the target, which GDAL does not make.

    Raises:
        RsicGeoError: if one of the programs fails.
    """
    report = Progress(callback=progress)
    with tempfile.TemporaryDirectory(prefix="rsic-bench-") as folder:
        work = BenchWork.of(scene, Path(folder), options)
        result: dict[str, Any] = {
            "scene": work.describe(),
            "settings": {
                "target": str(options.target), "tile_size": options.tile_size, "threads": options.workers,
                "repeat": options.repeat, "gdal": work.gdal_name(), "gdal_of_rsic": gdal_version(),
            },
        }  # fmt: skip
        report.report(0.0, "compressing")
        result["compress"] = work.compress(report.stage(0.0, 0.4))
        result["decompress"] = work.decompress(report.stage(0.4, 0.6))
        result["enhance"] = None if options.model == "none" else work.enhance(report.stage(0.6, 1.0))
        report.report(1.0, "done")
    return result


@dataclass(slots=True, kw_only=True)
class BenchWork:
    """Programs run on one scene."""

    scene: str
    profile: SceneProfile
    options: BenchOptions
    folder: Path

    @classmethod
    def of(cls, scene: str, folder: Path, options: BenchOptions) -> BenchWork:
        """Return the work on a scene.

        Raises:
            UnsupportedSceneError: it is none that GDAL and rsic write as JPEG 2000.
        """
        with open_scene(scene) as reader:
            profile = reader.profile
        if profile.dtype not in ("uint8", "uint16", "int16"):
            raise UnsupportedSceneError(
                f"{scene} holds {profile.dtype}: GDAL and rsic write no JPEG 2000 of it"
            )
        return cls(scene=scene, profile=profile, options=options, folder=folder)

    @property
    def pixels(self) -> int:
        """Pixels of the scene."""
        return self.profile.height * self.profile.width

    def describe(self) -> dict[str, Any]:
        """Return what the scene is."""
        p = self.profile
        return {
            "path": self.scene, "width": p.width, "height": p.height, "bands": p.count, "dtype": p.dtype,
            "raw_bytes": p.raw_bytes,
        }  # fmt: skip

    def gdal_name(self) -> str:
        """Return which GDAL is beside ours."""
        program = shutil.which("gdal_translate")
        if program is None:
            return f"GDAL {gdal_version()} (of rasterio)"
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        return said.split(",")[0].strip() or "gdal_translate"

    def compress(self, progress: Progress) -> dict[str, Any]:
        """Write the scene by both, at the same bytes."""
        ours, theirs = self.folder / "ours.jp2", self.folder / "gdal.jp2"
        words = [
            "compress",
            self.scene,
            str(ours),
            "--model",
            "none",
            "--verify",
            "none",
            "--sidecar",
            "never",
        ]
        words += ["--target", str(self.options.target), "--tile-size", str(self.options.tile_size)]
        our_runs, their_runs = [self.rsic(words)], []
        progress.report(0.3, "matching GDAL's size")
        quality = self._match(ours, theirs)
        for done in range(self.options.repeat):
            their_runs.append(self.gdal_jp2(theirs, quality))
            if done:
                our_runs.append(self.rsic(words))
            progress.report(0.4 + 0.5 * (done + 1) / self.options.repeat, "compressing")
        mine, yours = best_of(our_runs), best_of(their_runs)
        said = json.loads(mine.output)
        passes = int(said["encoding_passes"])
        one_pass = (mine.seconds - float(said["timing"]["measuring"])) / passes
        sides = {
            "ours": {
                **_numbers(mine),
                "one_pass_seconds": round(one_pass, 3),
                "encoding_passes": passes,
                "timing": said["timing"],
                "bytes": ours.stat().st_size,
                "psnr": compare(self.scene, str(ours)).psnr,
            },
            "gdal": {
                **_numbers(yours),
                "one_pass_seconds": round(yours.seconds, 3),
                "encoding_passes": 1,
                "bytes": theirs.stat().st_size,
                "psnr": compare(self.scene, str(theirs)).psnr,
            },
        }
        return {**sides, "ratio": {**_ratios(mine, yours), "one_pass_seconds": one_pass / yours.seconds}}

    def decompress(self, progress: Progress) -> dict[str, Any]:
        """Read our archive by both, without repair."""
        archive = str(self.folder / "ours.jp2")
        options = self._tiff_options()
        ours, theirs = self.folder / "ours.tif", self.folder / "gdal.tif"
        words = ["decompress", archive, str(ours), "--enhance", "off"]
        words += [word for pair in options for word in ("--co", pair)]
        our_runs, their_runs = [], []
        for done in range(self.options.repeat):
            our_runs.append(self.rsic(words))
            their_runs.append(self._gdal(archive, theirs, "GTiff", options))
            progress.report((done + 1) / self.options.repeat, "decompressing")
        mine, yours = best_of(our_runs), best_of(their_runs)
        return {"ours": _numbers(mine), "gdal": _numbers(yours), "ratio": _ratios(mine, yours)}

    def enhance(self, progress: Progress) -> dict[str, Any] | None:
        """Measure the network: decompression with it, less decompression without it."""
        if self.options.target.is_lossless:
            return None
        archive, output = self.folder / "enhanced.jp2", self.folder / "enhanced.tif"
        words = ["compress", self.scene, str(archive), "--model", self.options.model, "--verify", "none"]
        words += ["--target", str(self.options.target), "--device", self.options.device]
        encoded = self.rsic([*words, "--sidecar", "never"])
        said = json.loads(encoded.output)
        if not said.get("model"):
            return None
        progress.report(0.5, "enhancing")
        words = ["decompress", str(archive), str(output), "--device", self.options.device]
        plain = self.rsic([*words, "--enhance", "off"])
        full = self.rsic(words)
        return {
            "model": said["model"]["name"],
            "mpx_per_second": self.pixels / 1e6 / max(full.seconds - plain.seconds, 1e-3),
            "decompress": _numbers(full),
            "compress": {**_numbers(encoded), "encoding_passes": said.get("encoding_passes")},
            "psnr_codec": said.get("psnr_codec"),
            "psnr": said.get("psnr"),
        }

    def rsic(self, words: list[str]) -> Measured:
        """Run a verb of ours that writes something; it prints JSON."""
        return run_measured(
            [*OURS, *words, "--threads", str(self.options.workers), "--overwrite", "-q", "--json"]
        )

    def _match(self, ours: Path, theirs: Path) -> float | None:
        """Return GDAL's QUALITY (percent of the raw size) at which its file is as large as ours."""
        if self.options.target.is_lossless:
            return None
        wanted = ours.stat().st_size
        quality = 100 * wanted / self.profile.raw_bytes
        for _ in range(_QUALITY_TRIALS):
            self.gdal_jp2(theirs, quality)
            found = theirs.stat().st_size
            if abs(found / wanted - 1) <= SIZE_MATCH:
                break
            quality *= wanted / found
        return quality

    def gdal_jp2(self, target: Path, quality: float | None) -> Measured:
        """Write the scene by GDAL in one pass, at a QUALITY (percent of the raw size) or without loss."""
        size = self.options.tile_size
        options = [f"BLOCKXSIZE={size}", f"BLOCKYSIZE={size}", "PLT=YES", "TLM=YES"]
        options += (
            ["QUALITY=100", "REVERSIBLE=YES"]
            if quality is None
            else [f"QUALITY={quality:.6f}", "REVERSIBLE=NO"]
        )
        return self._gdal(self.scene, target, "JP2OpenJPEG", options)

    def _gdal(self, source: str, target: Path, driver: str, options: list[str]) -> Measured:
        target.unlink(missing_ok=True)
        program = shutil.which("gdal_translate")
        if program is None:
            module = [sys.executable, "-m", "rsic_geo.raster"]
            return run_measured([*module, source, str(target), driver, *options])
        words = [program, "-q", "-of", driver, *(word for pair in options for word in ("-co", pair))]
        words += ["--config", "GDAL_NUM_THREADS", str(self.options.workers)]
        return run_measured([*words, source, str(target)])

    def _tiff_options(self) -> list[str]:
        """Return options both sides obey while writing; a compression level would cost ours a copy."""
        interleave = "PIXEL" if self.profile.count <= 4 else "BAND"
        return [
            "TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "PREDICTOR=2",
            f"INTERLEAVE={interleave}", "BIGTIFF=IF_SAFER", f"NUM_THREADS={self.options.workers}",
        ]  # fmt: skip


def _numbers(run: Measured) -> dict[str, float]:
    return {
        "seconds": round(run.seconds, 3),
        "cpu_seconds": round(run.cpu_seconds, 3),
        "peak_mib": round(run.peak_mib, 1),
    }


def _ratios(ours: Measured, theirs: Measured) -> dict[str, float]:
    return {
        "seconds": ours.seconds / theirs.seconds,
        "cpu_seconds": ours.cpu_seconds / max(theirs.cpu_seconds, 1e-3),
        "peak_mib": ours.peak_mib / theirs.peak_mib,
    }
