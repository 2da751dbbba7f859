"""Two scenes side by side: every pixel, every mask, every tag."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import SceneMismatchError, UsageError
from rsic_geo.geo.metadata import MetadataDifference, MetadataSnapshot
from rsic_geo.geo.radiometry import Peak
from rsic_geo.geo.window import TileGrid
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.quality import BandErrors, blank_errors, finite, scored_bands, total_psnr
from rsic_geo.raster import accepting_damage, metadata_differences
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.provenance import PROVENANCE_DOMAIN
from rsic_geo.write.plan import decimated_shape, sample, sampled_peaks

_WINDOW = 1024
METADATA_FIELDS = tuple(each.name for each in fields(MetadataSnapshot) if each.name != "has_statistics")
"""What a comparison may leave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between a reference and another scene."""

    bands: tuple[BandErrors, ...]
    metadata: tuple[MetadataDifference, ...]
    """Differences of metadata; empty when nothing is lost."""
    mask_equal: bool
    """Whether the dataset masks agree."""
    warnings: tuple[str, ...] = field(default=())

    @property
    def pixels_equal(self) -> bool:
        """Whether every sample of every band is the same, NaN counting as equal to NaN."""
        return all(band.different == 0 for band in self.bands)

    @property
    def psnr(self) -> float | None:
        """PSNR over all samples that count (dB), see :mod:`rsic_geo.quality`.

        None where it is not a number: no such sample differs, or one is NaN in the other scene alone (then
        :attr:`max_abs_error` is infinite).
        """
        return finite(total_psnr(scored_bands(self.bands)))

    @property
    def max_abs_error(self) -> float:
        """Largest error of a sample that counts, in the scene's own units."""
        return max(band.max_abs_error for band in scored_bands(self.bands))

    @property
    def valid_equal(self) -> bool:
        """Whether the same samples are valid in both, and alpha is the same."""
        return all(band.valid_equal for band in self.bands)

    @property
    def is_equal(self) -> bool:
        """Whether pixels, masks and metadata all agree."""
        return self.pixels_equal and self.mask_equal and self.valid_equal and not self.metadata

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary, the one ``rsic compare --json`` prints."""
        scored = scored_bands(self.bands)
        sse, count = sum(b.sse for b in scored), sum(b.samples for b in scored) or 1
        return {
            "pixels_equal": self.pixels_equal,
            "different_samples": sum(b.different for b in self.bands),
            "psnr": self.psnr,
            "rmse": math.sqrt(sse / count),
            "max_abs_error": self.max_abs_error,
            "valid_equal": self.valid_equal,
            "mask_equal": self.mask_equal,
            "metadata_diff": [_difference_json(d) for d in self.metadata],
            "bands": [band.to_json() for band in self.bands],
            "warnings": list(self.warnings),
        }


def compare(
    reference: str,
    other: str,
    *,
    ignore: tuple[str, ...] = (),
    accept_damaged: bool = False,
    progress: ProgressCallback | None = None,
) -> Comparison:
    """Compare two scenes of the same size, band by band; archives are compared by their final output.

    Args:
        reference: path of the scene errors are counted against (its validity decides which count).
        other: path of the scene looked at.
        ignore: metadata fields left out.
        accept_damaged: compare what a scene still holds whose reader reports damage, and warn.
        progress: told a fraction and a text; returning False cancels.

    Raises:
        SceneMismatchError: if the two differ in size or number of bands.
        UsageError: if there is no metadata field of a name in ``ignore``.
        SceneError: if one of them cannot be read.
        DamagedSceneError: if the reader of one reports damage and that was not accepted.
    """
    report = Progress(callback=progress)
    unknown = [name for name in ignore if name not in METADATA_FIELDS]
    if unknown:
        raise UsageError(f"no metadata field is called {unknown[0]!r}: use {', '.join(METADATA_FIELDS)}")
    with (
        accepting_damage(accept_damaged) as damage,
        Archive(reference) as a,
        Archive(other) as b,
    ):
        pa, pb = a.profile, b.profile
        if (pa.height, pa.width, pa.count) != (pb.height, pb.width, pb.count):
            raise SceneMismatchError(
                f"the scenes differ in size: {pa.width} x {pa.height} px, {pa.count} bands against "
                f"{pb.width} x {pb.height} px, {pb.count} bands (width x height)"
            )
        bands, masks = _compare_pixels(a, b, report)
        ours, theirs = _comparable(a.snapshot), _comparable(b.snapshot)
        if any(band.different for band in bands):  # statistics of other pixels are no loss
            ours, theirs = ours.without_statistics(), theirs.without_statistics()
        differences = metadata_differences(ours, theirs, ignore=ignore)
        return Comparison(
            bands=bands,
            metadata=tuple(differences),
            mask_equal=masks,
            warnings=tuple(
                a.warnings + b.warnings + report.warnings + [f"damaged: {note}" for note in damage]
            ),
        )


def _comparable(snapshot: MetadataSnapshot) -> MetadataSnapshot:
    """Return the snapshot without the domain that says a scene was enhanced."""
    return replace(snapshot, tags={k: v for k, v in snapshot.tags.items() if k != PROVENANCE_DOMAIN})


def _difference_json(difference: MetadataDifference) -> dict[str, Any]:
    return {
        "field": difference.field,
        "band": difference.band,
        "ours": _plain(difference.ours),
        "theirs": _plain(difference.theirs),
    }


def _plain(value: object) -> object:
    """Return a value JSON can hold; everything unusual as text."""
    if isinstance(value, bool | int | str) or value is None:
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def _compare_pixels(a: Archive, b: Archive, progress: Progress) -> tuple[tuple[BandErrors, ...], bool]:
    bands = tuple(blank_errors(a.profile, [peak.span for peak in peaks_between(a, b)]))
    clear = [band.band - 1 for band in bands if band.is_alpha]
    grid = TileGrid(height=a.profile.height, width=a.profile.width, tile_size=_WINDOW)
    masks_equal = a.has_mask == b.has_mask
    for done, index in enumerate(grid, start=1):
        window = grid.core(index)
        first, second = a.read(window), b.read(window)
        valid, other_valid = _usable(a.read_valid(window), first), _usable(b.read_valid(window), second)
        mask_a, mask_b = a.read_mask(window), b.read_mask(window)
        if mask_a is not None and mask_b is not None:
            masks_equal = masks_equal and bool((mask_a == mask_b).all())
        counts = valid if mask_a is None else valid & (mask_a != 0)
        for alpha in clear:  # what is transparent has no colour; the alpha band itself counts everywhere
            counts = counts & (first[alpha] != 0)[None]
        for i, band in enumerate(bands):
            band.add(first[i], second[i], valid[i] if band.is_alpha else counts[i])
            same = (first[i] == second[i]) if band.is_alpha else (valid[i] == other_valid[i])
            band.valid_equal = band.valid_equal and bool(same.all())
        progress.report(done / len(grid), "comparing")
    return bands, masks_equal


def _usable(valid: NDArray[np.bool_], pixels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where samples are valid and a number: NaN and infinity are no measurement, declared or not."""
    return valid & np.isfinite(pixels) if pixels.dtype.kind in "fc" else valid


def peaks_between(reference: Archive, other: Archive) -> tuple[Peak, ...]:
    """Return what PSNR is relative to: what an archive says it was measured by, else by the reference."""
    for scene in (other, reference):
        if scene.peaks:
            return scene.peaks
    if not reference.is_archive:
        return sampled_peaks(reference.profile, *sample(reference.reader))
    pixels = reference.read(out_shape=decimated_shape(reference.profile))
    return sampled_peaks(reference.profile, pixels, np.ones((1, *pixels.shape[1:]), np.bool_))
