"""Rate and distortion of many scenes under many codecs and models, at the same rates."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rsic_geo.codecs.learned_tile import load_network
from rsic_geo.errors import RsicGeoError, UsageError
from rsic_geo.evaluation.curves.archives import ArchiveCoder, Decoded
from rsic_geo.evaluation.curves.bdrate import BdRate, BdSummary, RateCurve, bd_rate, summarise
from rsic_geo.evaluation.curves.learned_archives import LearnedArchiveCoder
from rsic_geo.evaluation.curves.peers import DialSearch, get_peer
from rsic_geo.evaluation.imagery import source_of
from rsic_geo.evaluation.metrics import Quality, quality
from rsic_geo.options import Effort, EncodeOptions, Execution
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.repair import load_enhancer
from rsic_geo.repair.base import Enhancer
from rsic_geo.targets import Target
from rsic_geo.threads import threaded_map
from rsic_geo.weights import enhancer_name

ANCHOR = "jp2"
"""What BD-rates are counted against: plain JPEG 2000, our box neither written nor counted."""
DEFAULT_RATES = (0.15, 0.25, 0.4, 0.6, 1.0)
"""Bits per pixel."""
MEASURES = ("psnr", "ms_ssim", "gmsd")


@dataclass(frozen=True, slots=True, kw_only=True)
class RdOptions:
    """What is measured, and how."""

    rates: tuple[float, ...] = DEFAULT_RATES
    """Bits per pixel aimed at, rising; what is counted is the rate of the file that came out."""
    models: tuple[str, ...] = ("auto",)
    """Names or files of weights."""
    peers: tuple[str, ...] = ()
    learned: tuple[str, ...] = ()
    """Weights of the learned codec, at most one: ``auto`` or a name; empty leaves it out."""
    effort: Effort = "normal"
    """Of archives: what the learned codec takes for fewer bytes."""
    with_full: bool = False
    """Also measure the models without adaptive filter, and their corrections at strength 1."""
    fast: bool = False
    """Let the network compute in bfloat16."""
    tile_size: int = 0
    """Side of a codec tile (px); 0 leaves it to the pipeline."""
    jobs: int = 1
    """Scenes worked on at once."""
    execution: Execution = field(default_factory=lambda: Execution(threads=1, window_size=1024))

    def __post_init__(self) -> None:
        """Raise UsageError where a curve cannot come of it."""
        if len(self.rates) < 1 or list(self.rates) != sorted(set(self.rates)):
            raise UsageError("rates are rising numbers of bits per pixel, such as 0.15,0.4,1")
        if not all(0 < rate <= 64 for rate in self.rates):
            raise UsageError("rates are between 0 and 64 bits per pixel")
        if len(self.learned) > 1:
            raise UsageError("the learned codec is measured with one set of weights at a time")
        if self.jobs < 1:
            raise UsageError("jobs must be at least 1")

    def encode_options(self) -> EncodeOptions:
        """Return how scenes are coded; the target is given with each coding."""
        return EncodeOptions(
            target=Target(kind="bpp", value=1.0),
            tile_size=self.tile_size,
            effort=self.effort,
            execution=self.execution,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One scene, one codec, one rate."""

    scene: str
    source: str
    system: str
    """jp2, jp2+MODEL, learned, learned+MODEL, or a peer's name."""
    nominal_bpp: float
    """Rate that was aimed at (bits per pixel)."""
    file_bytes: int
    side_bytes: int
    """Our box within the file."""
    bpp: float
    """Rate of the whole file (bits per pixel)."""
    quality: Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class RdResult:
    """All points of one run, and what could not be measured."""

    points: tuple[Point, ...]
    skipped: dict[str, str]
    """Scenes, or scene and codec, that gave no point, and why."""
    models: dict[str, str]
    """SHA-256 of the weights by system."""
    options: RdOptions
    seconds: float

    @property
    def systems(self) -> tuple[str, ...]:
        """Codecs with points, in the order they came up."""
        return tuple(dict.fromkeys(point.system for point in self.points))

    @property
    def sources(self) -> dict[str, str]:
        """Source of every scene with points."""
        return {point.scene: point.source for point in self.points}

    def curve(self, scene: str, system: str, measure: str, *, with_side: bool = True) -> RateCurve:
        """Return rate and quality of one codec on one scene.

        Args:
            scene: name of the scene.
            system: one of :attr:`systems`.
            measure: one of :data:`MEASURES`.
            with_side: whether our box counts. Without it the number is no honest rate; it tells what the
                network is worth before its side information is paid for.
        """
        points = [point for point in self.points if (point.scene, point.system) == (scene, system)]
        return RateCurve(
            bpp=tuple(p.bpp * (1 if with_side else 1 - p.side_bytes / p.file_bytes) for p in points),
            quality=tuple(rising_measure(p.quality, measure) for p in points),
        )

    def bd_rates(self, system: str, measure: str, *, with_side: bool = True) -> dict[str, BdRate]:
        """Return the BD-rate of a codec against plain JPEG 2000, by scene; see :meth:`curve`."""
        scenes = dict.fromkeys(point.scene for point in self.points if point.system == system)
        return {
            scene: bd_rate(
                self.curve(scene, ANCHOR, measure), self.curve(scene, system, measure, with_side=with_side)
            )
            for scene in scenes
        }

    def summary(self, system: str, measure: str, *, with_side: bool = True) -> BdSummary:
        """Return mean, median and worst of the BD-rates of a codec; see :meth:`curve`."""
        return summarise(self.bd_rates(system, measure, with_side=with_side), self.sources)

    def mean_at(self, system: str, rate: float, measure: str) -> tuple[float, float]:
        """Return mean (bpp, quality) over the scenes of the points aimed at one rate; NaN without any."""
        found = [p for p in self.points if (p.system, p.nominal_bpp) == (system, rate)]
        values = [(p.bpp, rising_measure(p.quality, measure)) for p in found]
        finite = [pair for pair in values if math.isfinite(pair[1])]
        if not finite:
            return math.nan, math.nan
        return sum(b for b, _ in finite) / len(finite), sum(q for _, q in finite) / len(finite)


def rising_measure(values: Quality, measure: str) -> float:
    """Return a measure on a scale of decibels that grows with quality.

    MS-SSIM as ``-10 log10(1 - value)``, GMSD as ``-20 log10(value)``: both saturate, so that their own scale
    would weigh low rates only.
    """
    if measure == "psnr":
        return values.psnr
    loss = 1 - values.ms_ssim if measure == "ms_ssim" else values.gmsd
    if math.isnan(loss):
        return math.nan
    return -(10 if measure == "ms_ssim" else 20) * math.log10(max(loss, 1e-9))


def rate_distortion(
    scenes: Sequence[Path], options: RdOptions, progress: ProgressCallback | None = None
) -> RdResult:
    """Measure all scenes at all rates under plain JPEG 2000, our archives, with models, and the peers.

    Scenes that JPEG 2000 cannot hold are left out and named. The same run gives the same points.

    Args:
        scenes: rasters; two of one name are an error.
        options: what is measured.
        progress: told after every scene; returning False cancels.

    Raises:
        UsageError: for options that make no sense, or when no scene could be measured.
        WeightsError, MissingDependencyError: if a model or a peer is not available.
    """
    started = time.perf_counter()
    if len({scene.name for scene in scenes}) != len(scenes):
        raise UsageError("two scenes have the same file name: measure their folders one by one")
    for peer in options.peers:
        get_peer(peer, 3)
    enhancers = _enhancers(options, "jp2")
    learned = _enhancers(options, "learned") if options.learned else []
    networks = _networks(enhancers, learned, options)
    report = Progress(callback=progress)
    report.report(0.0, "measuring")
    points: list[Point] = []
    skipped: dict[str, str] = {}

    def work(scene: Path) -> tuple[list[Point], dict[str, str]]:
        try:
            return _measure_scene(scene, enhancers, learned, options)
        except RsicGeoError as error:
            return [], {scene.name: str(error)}

    for done, (found, left_out) in enumerate(threaded_map(work, scenes, options.jobs), start=1):
        points += found
        skipped |= left_out
        report.report(done / len(scenes), f"{done} of {len(scenes)} scenes")
    if not points:
        raise UsageError(f"no scene could be measured: {next(iter(skipped.values()), 'none given')}")
    return RdResult(
        points=tuple(points),
        skipped=skipped,
        models=networks,
        options=options,
        seconds=time.perf_counter() - started,
    )


def _enhancers(options: RdOptions, codec: str) -> list[Enhancer]:
    """Return the models as archives of a codec use them.

    Raises:
        UsageError: if two have one name.
    """
    how = options.execution
    chosen = dict.fromkeys(enhancer_name(name, codec) for name in options.models)
    found = [load_enhancer(name, how.device, fast=options.fast) for name in chosen]
    found = [enhancer for enhancer in found if enhancer.name]
    names = [enhancer.name for enhancer in found]
    if len(set(names)) != len(names):
        raise UsageError(f"models {', '.join(names)} have names in common: rename a file")
    return found


def _networks(
    enhancers: Sequence[Enhancer], learned: Sequence[Enhancer], options: RdOptions
) -> dict[str, str]:
    """Return the SHA-256 of the weights by system."""
    found = {f"jp2+{enhancer.name}": enhancer.sha256 for enhancer in enhancers}
    for name in options.learned:
        found["learned"] = load_network(name, options.execution.device).sha256
        found |= {f"learned+{enhancer.name}": enhancer.sha256 for enhancer in learned}
    return found


def _measure_scene(
    scene: Path, enhancers: Sequence[Enhancer], learned: Sequence[Enhancer], options: RdOptions
) -> tuple[list[Point], dict[str, str]]:
    points: list[Point] = []
    skipped: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix="rsic-rd-") as folder,
        ArchiveCoder(scene, Path(folder), options.encode_options()) as coder,
    ):
        for rate in options.rates:
            for decoded in coder.at_rate(rate, enhancers, with_full=options.with_full):
                points.append(_Measured(scene, coder, rate).of(decoded))
        for name in options.learned:
            trials = LearnedArchiveCoder(coder, Path(folder), name).at_rates(options.rates, learned)
            points += [_Measured(scene, coder, rate).of(decoded) for rate, decoded in trials]
        for name in options.peers:
            found = list(_peer_points(scene, coder, name, options.rates))
            points += found
            if not found:
                p = coder.plan.profile
                skipped[f"{scene.name}, {name}"] = f"it does not know {p.count} bands of {p.dtype}"
    return points, skipped


@dataclass(frozen=True, slots=True)
class _Measured:
    scene: Path
    coder: ArchiveCoder
    rate: float

    def of(self, decoded: Decoded) -> Point:
        coder = self.coder
        return Point(
            scene=self.scene.name,
            source=source_of(self.scene.name),
            system=decoded.system,
            nominal_bpp=self.rate,
            file_bytes=decoded.file_bytes,
            side_bytes=decoded.side_bytes,
            bpp=decoded.file_bytes * 8 / coder.plan.pixels,
            quality=quality(coder.original, decoded.pixels, coder.scored, coder.scale),
        )


def _peer_points(scene: Path, coder: ArchiveCoder, name: str, rates: Sequence[float]) -> Iterator[Point]:
    peer = get_peer(name, len(coder.original))
    if not peer.takes(coder.original):
        return
    search = DialSearch(peer=peer, pixels=coder.filled)
    for rate in rates:
        data = search.at_rate(rate)
        pixels = coder.restored(peer.decode(data))
        yield _Measured(scene, coder, rate).of(
            Decoded(system=name, file_bytes=len(data), side_bytes=0, pixels=pixels)
        )
