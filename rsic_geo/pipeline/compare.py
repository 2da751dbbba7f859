"""Two scenes side by side: every pixel, every mask, every tag."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UsageError
from rsic_geo.geo.grid import TileGrid
from rsic_geo.geo.io import metadata_differences
from rsic_geo.geo.io_read import equals_nodata
from rsic_geo.geo.metadata import MetadataDifference, MetadataSnapshot
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.pipeline.archive import PROVENANCE_DOMAIN, Archive, open_archive
from rsic_geo.pipeline.events import Progress, ProgressCallback
from rsic_geo.pipeline.plan import decimated_shape
from rsic_geo.pipeline.ratecontrol import psnr_of

_WINDOW = 1024


@dataclass(slots=True, kw_only=True)
class BandErrors:
    """Errors of one band, gathered window by window."""

    band: int
    """Number of the band, from 1."""
    samples: int = 0
    """Samples valid in the reference."""
    different: int = 0
    """Samples that differ, valid or not."""
    sse: float = 0.0
    sad: float = 0.0
    max_abs_error: float = 0.0
    valid_equal: bool = True
    """Whether the same pixels are valid in both."""
    dtype_peak: float = 255.0
    used_range: float = 255.0

    def add(self, reference: NDArray[Any], other: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Count one window, arrays (h, w)."""
        same = reference == other
        if reference.dtype.kind == "f":
            same |= np.isnan(reference) & np.isnan(other)
        self.different += int(same.size - np.count_nonzero(same))
        self.samples += int(np.count_nonzero(valid))
        if same.all():
            return
        error = np.where(valid & ~same, other.astype(np.float64) - reference.astype(np.float64), 0.0)
        np.abs(error, out=error)
        error[np.isnan(error)] = np.inf  # a number against NaN: no number says how far apart they are
        self.sad += float(error.sum())
        self.sse += float(np.vdot(error, error).real)
        self.max_abs_error = max(self.max_abs_error, float(error.max(initial=0.0)))

    def to_json(self) -> dict[str, Any]:
        """Return the band's metrics; an infinite PSNR is null."""
        mean = self.samples or 1
        return {
            "band": self.band,
            "valid_samples": self.samples,
            "different_samples": self.different,
            "psnr": _finite(psnr_of(self.sse, self.samples, self.dtype_peak)),
            "psnr_used_range": _finite(psnr_of(self.sse, self.samples, self.used_range)),
            "rmse": math.sqrt(self.sse / mean),
            "mae": self.sad / mean,
            "max_abs_error": self.max_abs_error,
            "valid_equal": self.valid_equal,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


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
        """PSNR over all bands' valid samples, peak of the sample type (dB); None when nothing differs."""
        sse, count = sum(b.sse for b in self.bands), sum(b.samples for b in self.bands)
        return _finite(psnr_of(sse, count, self.bands[0].dtype_peak))

    @property
    def is_equal(self) -> bool:
        """Whether pixels, masks and metadata all agree."""
        return self.pixels_equal and self.mask_equal and not self.metadata

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary, the one ``rsic compare --json`` prints."""
        sse, count = sum(b.sse for b in self.bands), sum(b.samples for b in self.bands) or 1
        return {
            "pixels_equal": self.pixels_equal,
            "different_samples": sum(b.different for b in self.bands),
            "psnr": self.psnr,
            "rmse": math.sqrt(sse / count),
            "max_abs_error": max(b.max_abs_error for b in self.bands),
            "valid_equal": all(b.valid_equal for b in self.bands),
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
    progress: ProgressCallback | None = None,
) -> Comparison:
    """Compare two scenes of the same size, band by band; archives are compared by their final output.

    Args:
        reference: path of the scene errors are counted against (its validity decides which count).
        other: path of the scene looked at.
        ignore: metadata fields left out.
        progress: told a fraction and a text; returning False cancels.

    Raises:
        UsageError: if the two differ in size or number of bands.
        SceneError: if one of them cannot be read.
    """
    report = Progress(callback=progress)
    with open_archive(reference) as a, open_archive(other) as b:
        pa, pb = a.profile, b.profile
        if (pa.height, pa.width, pa.count) != (pb.height, pb.width, pb.count):
            raise UsageError(
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
            warnings=tuple(a.warnings + b.warnings + report.warnings),
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
    radiometry = _radiometry(a)
    bands = tuple(
        BandErrors(
            band=i + 1, dtype_peak=radiometry.dtype_peak, used_range=radiometry.high[i] - radiometry.low[i]
        )
        for i in range(a.profile.count)
    )
    grid = TileGrid(height=a.profile.height, width=a.profile.width, tile_size=_WINDOW)
    masks_equal = a.has_mask == b.has_mask
    clear = [i for i, name in enumerate(a.profile.colorinterp) if name == "alpha"]
    is_alpha = np.array([i in clear for i in range(a.profile.count)])[:, None, None]
    for done, index in enumerate(grid, start=1):
        window = grid.core(index)
        first, second = a.read(window), b.read(window)
        valid, other_valid = a.read_valid(window), b.read_valid(window)
        mask_a, mask_b = a.read_mask(window), b.read_mask(window)
        if mask_a is not None and mask_b is not None:
            masks_equal = masks_equal and bool((mask_a == mask_b).all())
        keep = valid if mask_a is None else valid & (mask_a != 0)
        for alpha in clear:  # what is transparent has no colour; the alpha band itself counts everywhere
            keep = keep & ((first[alpha] != 0)[None] | is_alpha)
        for i, band in enumerate(bands):
            band.add(first[i], second[i], keep[i])
            band.valid_equal = band.valid_equal and bool((valid[i] == other_valid[i]).all())
        progress.report(done / len(grid), "comparing")
    return bands, masks_equal


def _radiometry(scene: Archive) -> Radiometry:
    pixels = scene.read(out_shape=decimated_shape(scene.profile))
    valid = np.ones(pixels.shape, np.bool_)
    for band, value in enumerate(scene.profile.nodata):
        if value is not None:
            valid[band] = ~equals_nodata(pixels[band], value)
    return Radiometry.fit(scene.profile.dtype, [(pixels, valid)])
