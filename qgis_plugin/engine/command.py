"""What is asked of the engine, as values that become its arguments. No shell is ever involved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

TALK = ("--progress", "json", "--json")
"""How the engine is told to speak to a program: events on stderr, the result on stdout."""
AUTO = "auto"
LOSSLESS = "lossless"
PART = "max-rel-error"
"""The target that is told in percent."""


@dataclass(frozen=True)
class Execution:
    """How the work is done; none of it changes the result by more than rounding."""

    device: str = AUTO
    memory: str = ""
    """Raster cache: 512 (MiB), 2GB, 10%; empty for the engine's default."""
    threads: int = 0
    """Codec threads, 0 = all cores."""
    window_size: int = 0
    """Enhancement window (px), 0 for the engine's default."""
    is_fast: bool = False
    """The network at half precision."""

    def arguments(self) -> list[str]:
        """Return what differs from the engine's defaults."""
        words = []
        if self.device and self.device != AUTO:
            words += ["--device", self.device]
        if self.memory.strip():
            words += ["--memory", self.memory.strip()]
        if self.threads:
            words += ["--threads", str(self.threads)]
        if self.window_size:
            words += ["--window-size", str(self.window_size)]
        if self.is_fast:
            words.append("--fast")
        return words


@dataclass(frozen=True)
class Compression:
    """What an archive is to be."""

    target: str = LOSSLESS
    value: float | None = None
    """dB, DN, percent, ratio, bits per pixel or per sample, whatever the target is in; None for lossless."""
    codec: str = ""
    model: str = AUTO
    effort: str = ""
    """How long it may take: fast, normal or best; empty for the engine's default."""
    tile_size: int = 0
    """px, 0 for the engine's default."""
    quantize: str = ""
    spectral: str = "as-is"
    """Whether bands are stored as they are, rotated, or rotated where that pays (auto)."""
    sidecar: str = AUTO
    georef: str = "both"
    """Which boxes of a JPEG 2000 file tell its place: geojp2, gml or both."""
    has_overview: bool = False
    """Whether a small overview lies beside a JPEG 2000 archive."""
    is_sealed: bool = False
    """Whether checksums of the repaired pixels are kept."""
    is_damage_accepted: bool = False
    is_verified: bool = True
    accepts_loss: bool = False
    """Whether a band may lose its structure (below 6 dB SNR), which else is an error."""
    nodata: float | None = None
    """Nodata value of all bands; None for the scene's own."""

    def target_word(self) -> str:
        """Return the target as the engine spells it: lossless, psnr=40."""
        unit = "%" if self.target == PART else ""
        return self.target if self.value is None else f"{self.target}={self.value:.10g}{unit}"

    def arguments(self) -> list[str]:
        """Return the target, and what else differs from the engine's defaults."""
        words = ["--target", self.target_word()]
        if self.codec:
            words += ["--codec", self.codec]
        if self.model and self.model != AUTO:
            words += ["--model", self.model]
        if self.effort and self.effort != "normal":
            words += ["--effort", self.effort]
        if self.tile_size:
            words += ["--tile-size", str(self.tile_size)]
        if self.quantize:
            words += ["--quantize", self.quantize]
        if self.spectral and self.spectral != "as-is":
            words += ["--bands", self.spectral]
        if self.sidecar and self.sidecar != AUTO:
            words += ["--sidecar", self.sidecar]
        if self.georef and self.georef != "both":
            words += ["--georef", self.georef]
        if self.has_overview:
            words += ["--overviews", "small"]
        flags = {
            "--seal": self.is_sealed,
            "--accept-damaged": self.is_damage_accepted,
            "--accept-loss": self.accepts_loss,
        }
        words += [flag for flag, is_set in flags.items() if is_set]
        if not self.is_verified:
            words += ["--verify", "none"]
        if self.nodata is not None:
            words += ["--nodata", f"{self.nodata:.17g}"]
        return words


@dataclass(frozen=True)
class Product:
    """The raster a decompression or enhancement writes."""

    output_format: str = ""
    creation_options: tuple[str, ...] = ()
    """NAME=VALUE, as GDAL takes them."""

    def arguments(self) -> list[str]:
        """Return what differs from the engine's defaults."""
        words = ["--format", self.output_format] if self.output_format else []
        for option in self.creation_options:
            words += ["--co", option]
        return words


@dataclass(frozen=True)
class Part:
    """Which part of a scene is wanted; all of it by default."""

    corners: tuple[float, float, float, float] | None = None
    """x and y of the upper left, then of the lower right corner, in the scene's reference system."""
    bands: tuple[int, ...] = ()
    """From 1; empty for all."""
    level: int = 0
    """How often the sides are halved."""

    def arguments(self) -> list[str]:
        """Return what differs from the whole scene."""
        words = []
        if self.corners is not None:
            words += ["--projwin", *(f"{value:.17g}" for value in self.corners)]
        if self.bands:
            words += ["--band", ",".join(map(str, self.bands))]
        if self.level:
            words += ["--level", str(self.level)]
        return words


WHOLE = Part()


@dataclass(frozen=True)
class Repair:
    """How a lossy raster is to be enhanced."""

    model: str = AUTO
    """Name of a network, or a file of weights."""
    strength: float | None = None
    """0..1.5; None: the engine estimates it."""
    max_change: float | None = None
    """Largest change of a sample (digital numbers); None for no bound."""
    change: str = ""
    """Raster to write with what was added to each sample; empty for none."""

    def arguments(self) -> list[str]:
        """Return what differs from the engine's defaults."""
        words = ["--model", self.model] if self.model and self.model != AUTO else []
        if self.strength is not None:
            words += ["--strength", f"{self.strength:.6g}"]
        if self.max_change is not None:
            words += ["--max-change", f"{self.max_change:.10g}"]
        if self.change:
            words += ["--change", os.path.abspath(self.change)]
        return words


@dataclass(frozen=True)
class Job:
    """One call of the engine that reads one raster and writes another.

    The engine works in another folder than QGIS, so it is given whole paths of what it is to write.
    """

    source: str
    output: str
    execution: Execution = Execution()
    report: str = ""
    """Where to write the engine's JSON report, with the SHA-256 of input and output; empty for nowhere."""
    is_overwriting: bool = True

    def arguments(self, verb: str, options: Sequence[str]) -> list[str]:
        """Return the whole command behind the program's name."""
        words = [verb, self.source, os.path.abspath(self.output), *options, *self.execution.arguments()]
        if self.report:
            words += ["--report", os.path.abspath(self.report)]
        if self.is_overwriting:
            words.append("--overwrite")
        return [*words, *TALK]


def compress(job: Job, compression: Compression, part: Part = WHOLE) -> list[str]:
    """Return the arguments that archive ``job.source``."""
    return job.arguments("compress", [*compression.arguments(), *part.arguments()])


def decompress(job: Job, product: Product, enhance: str = AUTO, part: Part = WHOLE) -> list[str]:
    """Return the arguments that give a scene back; ``enhance`` is auto, off or a model."""
    words = ["--enhance", enhance] if enhance and enhance != AUTO else []
    return job.arguments("decompress", [*words, *part.arguments(), *product.arguments()])


def enhance(job: Job, product: Product, repair: Repair, part: Part = WHOLE) -> list[str]:
    """Return the arguments that repair a lossy raster."""
    return job.arguments("enhance", [*repair.arguments(), *part.arguments(), *product.arguments()])


def compare(
    reference: str,
    other: str,
    min_psnr: float | None = None,
    max_error: float | None = None,
    ignore: Sequence[str] = (),
) -> list[str]:
    """Return the arguments that compare two rasters."""
    words = ["compare", reference, other]
    if min_psnr is not None:
        words += ["--min-psnr", f"{min_psnr:.10g}"]
    if max_error is not None:
        words += ["--max-error", f"{max_error:.10g}"]
    for field in ignore:
        words += ["--ignore", field]
    return [*words, *TALK]


def likeness(reference: str, other: str) -> list[str]:
    """Return the arguments that measure how alike two rasters look."""
    return ["eval", "compare", reference, other, *TALK]


def validate(path: str, has_pixels: bool = True) -> list[str]:
    """Return the arguments that check a file, with its pixels or without."""
    return ["validate", path, *([] if has_pixels else ["--no-pixels"]), *TALK]


def view(path: str, vrt: str, execution: Execution) -> list[str]:
    """Return the arguments that serve an archive to GDAL by the file ``vrt`` as long as our pipe is open."""
    words = ["view", path, "--vrt", vrt, "--until-eof", "--no-browser", *execution.arguments()]
    return [*words, *TALK]


def plan(path: str, folder: str, compression: Compression) -> list[str]:
    """Return the arguments that say what archiving a scene would take, from a sample; nothing is written."""
    # A batch verifies every product: it has no option for that.
    return ["batch", "plan", path, folder, *replace(compression, is_verified=True).arguments(), *TALK]
