"""The proof a scene needs before it counts as archived: the product's final output against its source."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rsic_geo.batch.kept_comparison import Checkpoint
from rsic_geo.geo.grid import TileGrid
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.quality import BandErrors, blank_errors, finite, scored_bands, total_psnr
from rsic_geo.raster import metadata_differences
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.open import open_archive
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.source import open_source
from rsic_geo.scenes.verdict import NOISE, BandFacts, BandQuality
from rsic_geo.targets import Target
from rsic_geo.write.plan import sample, sampled_peaks
from rsic_geo.write.verify import compare_window

_WINDOW = 1024
PSNR_SLACK = 0.01
"""How much two decoders may disagree about a PSNR (dB)."""
SIZE_SLACK = 0.021


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a product must be."""

    target: Target
    lossless: bool
    """Whether every pixel must come back; False for a float scene that was quantised."""
    facts: tuple[BandFacts, ...] = ()
    """What the bands of the source hold, to judge what became of them; empty for lossless."""
    bounds: tuple[float, ...] = ()
    """Largest error of each band; empty where the target has one for all, or is another."""
    is_relative: bool = False
    """Whether errors are counted as parts of their samples, too: for the target, or for an earlier one."""

    def allows(self, bands: Sequence[BandErrors]) -> bool:
        """Return whether no band has a larger error than the target allows."""
        if not self.target.is_bound or self.lossless:
            return True
        if self.target.kind == "max-rel-error":
            return _keeps_parts(self.target, _parts(bands))
        bounds = self.bounds or (self.target.value,) * len(bands)
        scored = zip(bands, bounds, strict=True)
        return all(band.max_abs_error <= most for band, most in scored if not band.is_alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a product, decoded from disk as its readers will decode it, compares with its source."""

    pixels_equal: bool
    psnr: float
    """Of the worst band (dB), see :mod:`rsic_geo.quality`; infinite when no sample differs, -inf when
    a number came back as NaN."""
    max_error: float
    """Largest error of a sample that counts, in the units of the scene."""
    parts: tuple[float, ...]
    """Largest error of each band as a part of its sample; 0 of alpha, and where that is not counted."""
    is_within: bool
    """Whether no error is larger than a target of that kind allows."""
    masks_equal: bool
    """Whether dataset mask, nodata and alpha are the same, pixel by pixel."""
    lost: tuple[str, ...]
    """Metadata that differ."""
    bits_per_pixel: float
    """Of the product's file, of all bands together."""
    ratio: float
    bands: int = 1
    """How many the scene has."""
    quality: tuple[BandQuality, ...] = ()
    """What became of each band; empty for lossless."""
    problems: tuple[str, ...] = ()
    """Why the product is no archive of its source; empty when it is one."""

    @property
    def snr(self) -> float:
        """SNR of the worst band (dB); infinite without an error. A spread below a count counts as one."""
        found = [
            20 * math.log10(max(band.signal.spread, NOISE) / band.rmse)
            for band in self.quality
            if band.rmse > 0
        ]
        return min(found, default=math.inf)

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary; an infinite PSNR is null, where ``max_abs_error`` is 0 or infinite."""
        return {
            "pixels_equal": self.pixels_equal,
            "psnr": finite(self.psnr),
            "snr": finite(self.snr) if self.quality else None,
            "quality": [band.to_json() for band in self.quality],
            "max_abs_error": self.max_error,
            "masks_equal": self.masks_equal,
            "metadata_lost": list(self.lost),
            "bpp": self.bits_per_pixel,
            "ratio": self.ratio,
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
    with open_source(source, execution) as original, open_archive(product, execution=execution) as archive:
        bands, masks_equal = _compare(
            original, archive, progress, checkpoint, is_relative=promise.is_relative
        )
        pixels_equal = all(band.different == 0 for band in bands)
        ours, theirs = original.metadata(), archive.snapshot
        if not (pixels_equal and promise.lossless):
            ours, theirs = ours.without_statistics(), theirs.without_statistics()
        lost = tuple(str(difference) for difference in metadata_differences(ours, theirs))
        size = os.path.getsize(product)
        profile = original.profile
        scored = scored_bands(bands)
        proof = Proof(
            pixels_equal=pixels_equal,
            psnr=total_psnr(scored),
            max_error=max(band.max_abs_error for band in scored),
            parts=_parts(bands),
            is_within=promise.allows(bands),
            masks_equal=masks_equal,
            lost=lost,
            bits_per_pixel=size * 8 / (profile.height * profile.width),
            ratio=profile.raw_bytes / size,
            bands=profile.count,
            quality=tuple(
                facts.judged(bands[facts.band - 1].sse, bands[facts.band - 1].max_abs_error)
                for facts in promise.facts
            ),
        )
    return replace(proof, problems=tuple(_problems(proof, promise)))


_PROVED = frozenset({"lossless", "psnr", "snr", "max-error", "max-rel-error", "bpp", "bpppb", "ratio"})
"""Targets looked at below. Another would pass for kept: so nothing of it is proved."""


def _problems(proof: Proof, promise: Promise) -> list[str]:
    target, lossless = promise.target, promise.lossless
    found = [] if target.kind in _PROVED else [f"nobody looks whether {target} was kept"]
    if lossless and not proof.pixels_equal:
        found.append("it does not decode to the pixels of its source")
    if target.kind == "psnr" and proof.psnr < target.value - PSNR_SLACK:
        found.append(f"its PSNR is {proof.psnr:.3f} dB, {target} was asked for")
    if target.kind == "snr" and proof.snr < target.value - PSNR_SLACK:
        found.append(f"its SNR is {proof.snr:.3f} dB, {target} was asked for")
    if not proof.is_within:
        found.append(f"its largest error is {proof.max_error:g}, {target} was asked for")
    if target.kind == "bpp" and proof.bits_per_pixel > target.value * (1 + SIZE_SLACK):
        found.append(f"it takes {proof.bits_per_pixel:.4g} bits per pixel, {target} was asked for")
    per_sample = proof.bits_per_pixel / proof.bands
    if target.kind == "bpppb" and per_sample > target.value * (1 + SIZE_SLACK):
        found.append(f"it takes {per_sample:.4g} bits per sample, {target} was asked for")
    if target.kind == "ratio" and proof.ratio < target.value / (1 + SIZE_SLACK):
        found.append(f"its ratio is {proof.ratio:.4g}, {target} was asked for")
    if not proof.masks_equal:
        found.append("its nodata, mask or alpha differs from its source")
    if proof.lost:
        found.append(f"it lost metadata ({'; '.join(proof.lost[:3])})")
    return found


def fallen_below(proof: Proof, floor: Mapping[str, Any]) -> list[str]:
    """Return why a product keeps less than an earlier one of the scene promised; nothing if it keeps all.

    Args:
        proof: of the new product.
        floor: columns of the ledger of the earlier one: target, psnr, max_error.
    """
    target, earlier = Target.parse(floor["target"]), f"the earlier archive promised {floor['target']}"
    if target.kind not in _PROVED:
        return [f"nobody looks whether it is kept that {earlier}"]
    if target.is_lossless and not proof.pixels_equal:
        return [f"it does not hold every pixel, {earlier}"]
    if target.kind == "snr" and proof.snr < target.value - PSNR_SLACK:
        return [f"its SNR is {proof.snr:.3f} dB, {earlier}"]
    # A bound that is told per band or as a part of the range is compared by what came of it.
    most = target.value if target.is_plain else floor["max_error"]
    if target.kind == "max-error" and proof.max_error > most:
        return [f"its largest error is {proof.max_error:g}, {earlier}"]
    if target.kind == "max-rel-error" and not _keeps_parts(target, proof.parts):
        return [f"its largest error is {max(proof.parts):.3%} of a sample, {earlier}"]
    # Who asked for a size was promised no quality: what was reached must not be lost.
    least = target.value if target.kind == "psnr" else floor["psnr"] if target.is_size else None
    if least is not None and proof.psnr < least - PSNR_SLACK:
        return [f"its PSNR is {proof.psnr:.3f} dB, the earlier archive has {least:.3f} dB"]
    if target.is_size and least is None and not proof.pixels_equal:
        return ["it does not hold every pixel, the earlier archive does"]
    return []


def _parts(bands: Sequence[BandErrors]) -> tuple[float, ...]:
    return tuple(0.0 if band.is_alpha else band.max_rel_error for band in bands)


def _keeps_parts(target: Target, parts: Sequence[float]) -> bool:
    """Return whether no band is further off than a relative target allows."""
    bounds = target.values or (target.value,) * len(parts)
    return all(part <= most for part, most in zip(parts, bounds, strict=True))


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
