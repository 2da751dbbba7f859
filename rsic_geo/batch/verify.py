"""The proof a scene needs before it counts as archived: the product's final output against its source."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rsic_geo.batch.kept_comparison import Checkpoint
from rsic_geo.geo.window import TileGrid
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.quality import BandErrors, blank_errors, figures_of, finite, scored_bands
from rsic_geo.raster import metadata_differences
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.signals import NOISE
from rsic_geo.scenes.source import open_source
from rsic_geo.scenes.verdict import BandFacts, BandQuality
from rsic_geo.targets import DECIBEL_SLACK, Figures, Target
from rsic_geo.write.plan import sample, sampled_peaks
from rsic_geo.write.verify import compare_window

_WINDOW = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a product must be."""

    target: Target
    lossless: bool
    """Whether every pixel must come back; False for a float scene that was quantised."""
    facts: tuple[BandFacts, ...] = ()
    """What the bands of the source hold, to judge what became of them; empty for lossless."""
    bounds: tuple[float, ...] = ()
    """Error of each band; empty where the target has one for all, or is about no such."""
    is_relative: bool = False
    """Whether errors are counted as parts of their samples, too: for the target, or for an earlier one."""

    def is_kept(self, proof: Proof) -> bool:
        """Return whether the target is, band by band where it is about the errors of each."""
        if self.lossless or not self.target.is_amount:
            return self.target.is_kept([proof.figures])
        return self.target.is_kept(proof.bands, self.bounds or self.target.by_band(len(proof.bands)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a product, decoded from disk as its readers will decode it, compares with its source."""

    pixels_equal: bool
    figures: Figures
    """What became of all bands but alpha; of the PSNR see :mod:`rsic_geo.quality`: -inf when a number came
    back as NaN. Of the SNR a spread below a count counts as one."""
    bands: tuple[Figures, ...]
    """The errors of each band; of alpha, which is looked at by ``masks_equal``, none."""
    masks_equal: bool
    """Whether dataset mask, nodata and alpha are the same, pixel by pixel."""
    lost: tuple[str, ...]
    """Metadata that differ."""
    quality: tuple[BandQuality, ...] = ()
    """What became of each band; empty for lossless."""
    problems: tuple[str, ...] = ()
    """Why the product is no archive of its source; empty when it is one."""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary; an infinite PSNR is null, where ``max_abs_error`` is 0 or infinite."""
        return {
            "pixels_equal": self.pixels_equal,
            "psnr": finite(self.figures["psnr"]),
            "snr": finite(self.figures["snr"]) if self.quality else None,
            "quality": [band.to_json() for band in self.quality],
            "rmse": finite(self.figures["rmse"]),
            "max_abs_error": self.figures["max_abs_error"],
            "masks_equal": self.masks_equal,
            "metadata_lost": list(self.lost),
            "bpp": self.figures["bpp"],
            "ratio": self.figures["ratio"],
            "problems": list(self.problems),
        }


def prove(  # noqa: PLR0913 - two scenes, what is promised, and how the work is done
    source: str,
    product: str,
    promise: Promise,
    execution: Execution,
    progress: Progress,
    *,
    checkpoint: Checkpoint | None = None,
) -> Proof:
    """Decode a product from disk and compare it with its source.

    Args:
        source: the original; of an archive of ours its final output.
        product: the archive written of it.
        promise: what the product must be.
        execution: how enhanced archives are decoded.
        progress: told after every window.
        checkpoint: where the account is kept, so that the same comparison interrupted goes on.

    Raises:
        RsicGeoError: if one of them cannot be read.
    """
    with open_source(source, execution) as original, Archive(product, execution=execution) as archive:
        bands, masks_equal = _compare(
            original, archive, progress, checkpoint, is_relative=promise.is_relative
        )
        pixels_equal = all(band.different == 0 for band in bands)
        ours, theirs = original.metadata(), archive.snapshot
        if not (pixels_equal and promise.lossless):
            ours, theirs = ours.without_statistics(), theirs.without_statistics()
        lost = tuple(str(difference) for difference in metadata_differences(ours, theirs))
        quality = tuple(
            facts.judged(bands[facts.band - 1].sse, bands[facts.band - 1].max_abs_error)
            for facts in promise.facts
        )
        p, size = original.profile, os.path.getsize(product)
        bpp = size * 8 / (p.height * p.width)
        proof = Proof(
            pixels_equal=pixels_equal,
            figures={
                **figures_of(scored_bands(bands)),
                "snr": min((_snr(band) for band in quality if band.rmse > 0), default=math.inf),
                "bpp": bpp,
                "bpppb": bpp / p.count,
                "ratio": p.raw_bytes / size,
            },
            bands=tuple(_NO_ERROR if band.is_alpha else figures_of([band]) for band in bands),
            masks_equal=masks_equal,
            lost=lost,
            quality=quality,
        )
    return replace(proof, problems=tuple(_problems(proof, promise)))


_NO_ERROR = figures_of([BandErrors(band=0, is_relative=True)])


def _snr(band: BandQuality) -> float:
    return 20 * math.log10(max(band.signal.spread, NOISE) / band.rmse)


def _problems(proof: Proof, promise: Promise) -> list[str]:
    target, found = promise.target, []
    if promise.lossless and not proof.pixels_equal:
        found.append("it does not decode to the pixels of its source")
    if not promise.is_kept(proof):
        found.append(f"{target.told(proof.figures)}, {target} was asked for")
    if not proof.masks_equal:
        found.append("its nodata, mask or alpha differs from its source")
    if proof.lost:
        found.append(f"it lost metadata ({'; '.join(proof.lost[:3])})")
    return found


def fallen_below(proof: Proof, now: Target, floor: Mapping[str, Any]) -> list[str]:
    """Return why a product keeps less than an earlier one of the scene promised; nothing if it keeps all.

    Args:
        proof: of the new product.
        now: what it was made for, which the proof has looked at.
        floor: columns of the ledger of the earlier one: target, achieved, psnr.
    """
    target, earlier = Target.parse(floor["target"]), f"the earlier archive promised {floor['target']}"
    if target.is_lossless and not proof.pixels_equal:
        return [f"it does not hold every pixel, {earlier}"]
    if target.is_size:  # whoever asked for one was promised no quality: what was reached must not be lost
        least, psnr = floor["psnr"], proof.figures["psnr"]
        if least is None and not proof.pixels_equal:
            return ["it does not hold every pixel, the earlier archive does"]
        if least is not None and not psnr >= least - DECIBEL_SLACK:
            return [f"its PSNR is {psnr:.3f} dB, the earlier archive has {least:.3f} dB"]
        return []
    count = len(proof.bands)
    if target.number and target.unit and (now.kind, now.unit) == (target.kind, target.unit):
        is_kept = all(map(target.number.keeps, now.by_band(count), target.by_band(count)))
    elif target.unit:  # what it is in samples is not at hand: it is compared by what came of it
        is_kept = target.is_kept([proof.figures], [floor["achieved"] or 0.0])
    elif target.is_amount:
        is_kept = target.is_kept(proof.bands, target.by_band(count))
    else:
        is_kept = target.is_kept([proof.figures])
    return [] if is_kept else [f"{target.told(proof.figures)}, {earlier}"]


def _compare(
    original: Scene,
    archive: Archive,
    progress: Progress,
    checkpoint: Checkpoint | None,
    *,
    is_relative: bool,
) -> tuple[list[BandErrors], bool]:
    profile = original.profile
    peaks = archive.peaks or sampled_peaks(profile, *sample(original))
    bands = blank_errors(profile, [peak.span for peak in peaks], is_relative=is_relative)
    rows, same = 0, profile.has_mask == archive.has_mask
    kept = None if checkpoint is None else checkpoint.load(len(bands))
    if kept is not None:
        rows, same, bands = kept
    grid = TileGrid(height=profile.height, width=profile.width, tile_size=_WINDOW)
    for done, index in enumerate(grid, start=1):
        if index.row < rows:
            continue
        same &= compare_window(original, archive, grid.core(index), bands)
        progress.report(done / len(grid), "verifying")
        if checkpoint is not None and done % grid.cols == 0:
            checkpoint.save(index.row + 1, same, bands)
    return bands, same
