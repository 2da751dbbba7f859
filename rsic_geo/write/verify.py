"""The written archive, read back from disk by the reader users have, against the scene it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.codestream import tile_crc
from rsic_geo.container.jp2 import find_codestream
from rsic_geo.errors import JobCancelledError, RsicGeoError, TargetNotReachedError, VerificationError
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.quality import BandErrors, blank_errors, figures_of, scored_bands
from rsic_geo.raster import metadata_differences
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.quantised import QuantisedScene
from rsic_geo.scenes.relative import RelativeSteps
from rsic_geo.targets import Target
from rsic_geo.threads import threaded_map
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.fit import scored_pixels
from rsic_geo.write.on_disk import ReadBack
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.sideinfo import stored_limits
from rsic_geo.write.tiles import errors_by_band, pixel_crc

PSNR_SLACK = 0.0005
"""How far a PSNR in the units of a quantised scene may stay behind that of its steps (dB)."""
DECODER_TOLERANCE = 1e-3
"""Largest relative difference in squared error between the measuring and the verifying decoder."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What reading an archive back found."""

    bands: list[BandErrors] | None
    """Of a quantised scene its errors band by band, in the scene's own units; else None."""
    shown: NDArray[np.float64] | None
    """Squared errors per band, in the codec's units, of what other programs show; None if lossless.

    They know no limits, so where the codec rings beyond what it saw, they show more error than we count."""


def verify_archive(  # noqa: PLR0913 - an archive, what it must be, and how the work is done
    path: Path,
    source: Scene,
    coded: CodedScene,
    target: Target,
    progress: Progress,
    *,
    execution: Execution,
    read_back: ReadBack | None = None,
) -> Verified:
    """Decode an archive from disk and compare it with its source.

    The codec's pixels are compared tile by tile, masks and nodata exactly, metadata item by item. Enhanced
    pixels were measured on this very file when the strengths were fitted and are not computed again. Nor are
    tiles that were read back before the file was sealed: their bytes have to be the same, and the one with
    most error is decoded and compared.

    Args:
        path: the archive.
        source: the scene it was made from.
        coded: what was measured while encoding.
        target: what was promised.
        progress: told after each tile.
        execution: how the archive is decoded; never fast.
        read_back: what the file told before it was sealed, if it was measured by that.

    Raises:
        VerificationError: if anything differs from what was measured while encoding.
    """
    try:
        with ExitStack() as held:
            tiles = tuple(range(len(coded.plan.grid))) if read_back is None else _most_lost(coded)
            count = min(execution.workers, len(tiles))  # readers of one file take turns
            archives = [
                held.enter_context(Archive(str(path), enhance="off", execution=execution))
                for _ in range(count)
            ]
            is_relative = target.is_relative
            worst, verified = _verify_tiles(
                archives, source, coded, progress, is_relative=is_relative, tiles=tiles
            )
            if read_back is not None:
                _check_bytes(path, read_back.tile_crcs)
                _check_limits(archives[0], coded.plan)
                worst, verified = coded.max_error, replace(verified, shown=read_back.shown)
            lost = metadata_differences(coded.plan.snapshot, archives[0].snapshot)
    except (VerificationError, JobCancelledError):
        raise
    except RsicGeoError as error:
        raise VerificationError(f"the written archive cannot be read back: {error}") from error
    bound, bands = target.value, verified.bands
    if bands is not None and coded.plan.is_exact and any(band.different for band in bands):
        raise VerificationError("the written archive does not decode to its source")
    _check_bounds(bands or [], coded.plan, target)
    if target.is_bound and target.is_plain and worst > bound:
        less = f"{bound - 1:g}" if bands is None else f"{0.99 * bound:.6g}"
        raise VerificationError(
            f"the written archive decodes with an error of {worst:g}, {bound:g} was promised: the decoders "
            f"of encoding and of reading disagree; ask for {target.kind}={less}"
        )
    if bands is not None and target.is_decibels:
        rod = coded.plan.yardstick(target.kind).scaled(coded.plan.factors)
        found = rod.decibels(
            np.array([band.sse for band in bands]), np.array([float(band.samples) for band in bands])
        )
        if found < target.decibels - PSNR_SLACK:
            own = target.told(figures_of(scored_bands(bands)))
            told = own if target.is_amount else f"it is {found:.3f} dB"
            raise TargetNotReachedError(f"{target}: in the units of the scene {told}; ask for more")
    if lost:
        raise VerificationError(f"the written archive lost metadata: {'; '.join(str(d) for d in lost[:3])}")
    return verified


def _check_bounds(bands: Sequence[BandErrors], plan: ScenePlan, target: Target) -> None:
    """Raise VerificationError if a band of a quantised scene is farther off than was promised of it."""
    for band, most in zip(bands, plan.bounds if target.is_bound else (), strict=False):
        if band.max_abs_error > most:
            raise VerificationError(
                f"band {band.band} of the written archive is up to {band.max_abs_error:g} off, {most:g} was "
                "promised: the decoders of encoding and of reading disagree"
            )
    if isinstance(plan.steps, RelativeSteps):
        for band, most in zip(bands, plan.steps.bounds, strict=True):
            if band.max_rel_error > most:
                raise VerificationError(
                    f"band {band.band} of the written archive is up to {100 * band.max_rel_error:g} % of a "
                    f"sample off, {100 * most:g} % was promised: the decoders of encoding and of reading "
                    "disagree"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """What one tile of the archive has to give back."""

    number: int
    window: Window
    original: NDArray[Any] | None
    """(bands, h, w); None where a checksum says it."""
    keep: NDArray[np.bool_] | None
    """(bands, h, w), where errors count; None where there may be none."""
    mask: NDArray[np.uint8] | None
    valid: NDArray[np.bool_] | None
    """(bands, h, w); None where samples that are equal say the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What one tile of the archive gave back."""

    window: Window
    final: NDArray[Any] | None
    """(bands, h, w) of a quantised scene in its own units; else None."""
    sse: NDArray[np.float64]
    """Squared errors, (bands,)."""
    shown: NDArray[np.float64]
    """The same of what other programs show."""
    worst: float = 0.0


def _verify_tiles(  # noqa: PLR0913 - archives, what they must be, and how the work is done
    archives: Sequence[Archive],
    source: Scene,
    coded: CodedScene,
    progress: Progress,
    *,
    is_relative: bool,
    tiles: Sequence[int],
) -> tuple[float, Verified]:
    """Compare tiles, a thread for each opened file; return the largest absolute error, and what else."""
    plan = coded.plan
    sse = worst = 0.0
    bands, shown_sse = None, np.zeros(plan.profile.count)
    if plan.coded_as is not None:
        own = replace(plan.profile, dtype=plan.coded_as.dtype)  # not that of its steps
        spans = [peak.span for peak in plan.scene_peaks]
        bands = blank_errors(own, spans, is_relative=is_relative)
    idle: SimpleQueue[Archive] = SimpleQueue()
    for archive in archives:
        idle.put(archive)

    def compare(expected: _Expected) -> _Found:
        archive = idle.get()
        try:
            return _compared(archive, expected, coded)
        finally:
            idle.put(archive)

    # Closed before the files are: a cancelled proof must not take them from threads that still read.
    expected = _expected(source, plan, archives[0], tiles)
    with closing(threaded_map(compare, expected, len(archives))) as compared:
        for done, found in enumerate(compared, start=1):
            if bands is not None and found.final is not None:
                _add_errors(bands, found.final, source, plan, found.window)
            shown_sse += found.shown
            sse, worst = sse + float(found.sse.sum()), max(worst, found.worst)
            progress.report(done / len(tiles), "verifying")
    measured = coded.total_sse  # a COG knows no errors tile by tile
    if len(tiles) < len(plan.grid):
        measured = sum(coded.tile_sse[number] for number in tiles)
    if abs(sse - measured) > DECODER_TOLERANCE * measured + 1:
        raise VerificationError(
            f"the written archive decodes to a squared error of {sse:.6g}, {measured:.6g} was "
            "measured while encoding: the decoders of encoding and of reading disagree"
        )
    if bands is not None:
        worst = max(band.max_abs_error for band in scored_bands(bands))
    return worst, Verified(bands, None if plan.lossless else shown_sse)


def _most_lost(coded: CodedScene) -> tuple[int]:
    """Return the number of the tile with the largest squared error."""
    return (max(coded.tile_sse, key=lambda number: coded.tile_sse[number]),)


def _check_bytes(path: Path, crcs: Sequence[int]) -> None:
    """Raise VerificationError if the tiles of a file are not those that were read back."""
    with path.open("rb") as file:
        index = find_codestream(file)
        for number, crc in enumerate(crcs):
            if tile_crc(file, index, number) != crc:
                raise VerificationError(f"tile {number} of the written archive is not what was read back")


def _check_limits(archive: Archive, plan: ScenePlan) -> None:
    """Raise VerificationError if readers would cut samples elsewhere than what was measured was cut."""
    stored = () if archive.side is None else archive.side.limits
    if stored != stored_limits(plan):
        raise VerificationError(
            "the written archive tells other limits of its bands than it was measured with"
        )


def _expected(source: Scene, plan: ScenePlan, archive: Archive, tiles: Sequence[int]) -> Iterator[_Expected]:
    """Read the source, tile by tile."""
    is_exact = archive.side is None or (archive.side.is_exact and not source.profile.has_band_masks)
    is_needed = not plan.lossless or (plan.nodata_apart and plan.coded_as is None)
    for number in tiles:
        window = plan.grid.core(plan.grid.tile_number(number))
        original = _measured_against(source, window) if is_needed else None
        lossy = None if plan.lossless else original
        yield _Expected(
            number=number,
            window=window,
            original=original,
            keep=None if lossy is None else scored_pixels(source, plan, window, lossy),
            mask=source.read_mask(window) if source.profile.has_mask else None,
            valid=None if is_exact else source.read_valid(window),
        )


def _compared(archive: Archive, expected: _Expected, coded: CodedScene) -> _Found:
    """Decode one tile and compare it. Raises VerificationError if it is not what it has to be."""
    plan, number, window, original = coded.plan, expected.number, expected.window, expected.original
    shown = archive.read_shown(window)
    pixels = archive.within(shown)
    final = None if plan.coded_as is None else archive.finish(pixels.copy(), window)
    sse = shown_sse = np.zeros(plan.profile.count)
    worst = 0.0
    if plan.lossless:
        if pixel_crc(pixels) != coded.pixel_crcs[number]:
            raise VerificationError(f"tile {number} of the written archive does not decode to its source")
        if original is not None and not np.array_equal(archive.finish(pixels, window), original):
            raise VerificationError(f"nodata in tile {number} of the archive differs from its source")
    else:
        assert original is not None
        assert expected.keep is not None
        if final is None:
            pixels = archive.finish(pixels, window)
        sse, largest = errors_by_band(pixels, original, expected.keep)
        shown_sse = sse if pixels is shown else errors_by_band(shown, original, expected.keep)[0]
        worst = float(largest.max())
        alpha = list(plan.alpha_bands)
        if final is None and alpha and not np.array_equal(pixels[alpha], original[alpha]):
            raise VerificationError(f"alpha in tile {number} of the archive differs from its source")
    mask, stored = expected.mask, archive.read_mask(window)
    same = mask is stored if mask is None or stored is None else np.array_equal(mask, stored)
    if not same:
        raise VerificationError("the dataset mask of the written archive differs from its source")
    if expected.valid is not None and not np.array_equal(archive.read_valid(window), expected.valid):
        raise VerificationError("nodata of the written archive differs from its source")
    return _Found(window=window, final=final, sse=sse, shown=shown_sse, worst=worst)


def _measured_against(source: Scene, window: Window) -> NDArray[Any]:
    """Return the pixels (bands, h, w) errors were measured against while encoding."""
    if isinstance(source, QuantisedScene):
        return source.read_steps(window, source.read_valid(window))
    return source.read(window)


def _add_errors(
    bands: list[BandErrors], final: NDArray[Any], source: Scene, plan: ScenePlan, window: Window
) -> None:
    """Count one window of a quantised scene: its final values against its own."""
    assert isinstance(source, QuantisedScene)
    values = source.read_values(window)
    counts = scored_pixels(source, plan, window, values)
    for i, band in enumerate(bands):
        band.add(values[i], final[i], counts[i])


def compare_window(original: Scene, other: Scene, window: Window, bands: list[BandErrors]) -> bool:
    """Count one window into ``bands``; return whether masks, nodata and alpha are the same in it."""
    ours, theirs = original.read(window), other.read(window)
    keep, stored_keep = original.read_valid(window, ours), other.read_valid(window)
    same = True
    if ours.dtype.kind in "fc":  # NaN and infinity are no measurement, declared as nodata or not
        finite = np.isfinite(ours)
        same = bool(np.array_equal(ours[~finite], theirs[~finite], equal_nan=True))
        keep, stored_keep = keep & finite, stored_keep & np.isfinite(theirs)
    same &= bool(np.array_equal(keep, stored_keep))
    mask, stored = original.read_mask(window), other.read_mask(window)
    if mask is not None and stored is not None:
        same &= bool(np.array_equal(mask, stored))
        keep = keep & (mask != 0)
    for i, band in enumerate(bands):
        if band.is_alpha:
            same &= bool(np.array_equal(ours[i], theirs[i]))
            keep = keep & (ours[i] != 0)
    for i, band in enumerate(bands):
        band.add(ours[i], theirs[i], keep[i])
    return same
