"""What is decided once per scene, before any tile is coded."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import TileForm
from rsic_geo.errors import UsageError
from rsic_geo.geo.footprint import scene_footprint
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.radiometry import Peak, Radiometry, float_range, peaks_of
from rsic_geo.geo.sampling import core_spreads, far_value
from rsic_geo.geo.validity import equals_nodata
from rsic_geo.geo.window import TileGrid
from rsic_geo.options import EncodeOptions, usual_tile_size
from rsic_geo.progress import Progress
from rsic_geo.scenes.components import Spectral
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.quantised import STEPS, Affinity, QuantisedScene, Steps, exact_range, whole_numbers
from rsic_geo.scenes.rotated import Rotation
from rsic_geo.scenes.signals import NOISE, BandSignal, gather_signals
from rsic_geo.scenes.verdict import (
    BandFacts,
    Yardstick,
    band_names,
    target_meaning,
    yardstick_of,
)
from rsic_geo.targets import TARGETS, Decibels, References, Target
from rsic_geo.write.holders import check_supported
from rsic_geo.write.near import Way, bounds_of, keep_within, names_sizes, used_ranges
from rsic_geo.write.nodata import nodata_apart_pays
from rsic_geo.write.spectral import choose_transform

SAMPLE_SIDE = 1024
"""Longest side of the decimated read that decides the used range (px)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePlan:
    """How one scene will be coded."""

    profile: SceneProfile
    snapshot: MetadataSnapshot
    """Metadata to be given back."""
    radiometry: Radiometry
    grid: TileGrid
    """Codec tiles."""
    groups: tuple[tuple[int, ...], ...]
    """Bands enhanced together (indexes from 0)."""
    alpha_bands: tuple[int, ...]
    mct: bool
    """Whether bands 0, 1, 2 are decorrelated together."""
    lossless: bool
    has_nodata: bool
    nodata_apart: bool = False
    """Lossless: whether samples without data are filled, and planes say where they are."""
    affinity: Affinity | None
    """Scaling of a float scene that is stored as integers."""
    footprint: dict[str, Any] | None
    """GeoJSON feature of the valid pixels in CRS units; None for a scene without a place."""
    not_finite: int = 0
    """Samples of a float scene, infinite or NaN, that come back as nodata because integers cannot say so."""
    far_values: tuple[float | None, ...] = ()
    """Of each band a value far from all others that the target takes for signal, in the scene's units."""
    signals: tuple[BandSignal, ...] = ()
    """What each band holds, in the units the codec sees; empty where nothing is lost."""
    peaks: tuple[Peak, ...] = ()
    """What the PSNR of each band is relative to, in the same units; empty where nothing is lost."""
    steps: Steps | None = None
    """Steps within the bound asked for, which are coded without loss; ``affinity`` is then of facts alone."""
    bounds: tuple[float, ...] = ()
    """Error each band may have, in the units of the scene's samples; empty where the target is no such."""
    spectral: Spectral | None = None
    """How bands become components: rotated where samples are lost, else predicted; None leaves them."""
    is_doubtful: bool = False
    """Whether the scene may be no larger with bands as they are."""
    is_close: bool = False
    """Whether the scene may be no larger without any loss."""
    keeps_samples: bool = False
    """Whether the container is given the scene's own samples; ``affinity`` is then of facts alone."""

    @property
    def coded_as(self) -> Steps | None:
        """Scaling of the samples that the codec is given; None where they are the scene's own."""
        own = None if self.keeps_samples else self.affinity
        return own if self.steps is None else self.steps

    @property
    def is_integral(self) -> bool:
        """Whether the scene's samples are whole numbers, so that no rounding was needed to code them."""
        return self.affinity is None or self.affinity.is_whole

    @property
    def is_exact(self) -> bool:
        """Whether every sample of the scene comes back."""
        return self.lossless and (self.coded_as is None or self.coded_as.is_whole)

    @property
    def scaling(self) -> Steps | Spectral | None:
        """What the samples of the file become those of the scene by; None where they are the same."""
        return self.coded_as if self.spectral is None else self.spectral

    @property
    def limits(self) -> tuple[tuple[int, int] | None, ...]:
        """Least and greatest value decoded samples of each band are held to; empty for lossless."""
        is_free = self.lossless or self.keeps_samples or self.steps is not None
        return () if is_free else tuple(each.limits for each in self.signals)

    @property
    def factors(self) -> tuple[float, ...]:
        """Units of the scene in one of those the codec sees, per band."""
        return (1.0,) * self.profile.count if self.affinity is None else self.affinity.scale

    @property
    def names(self) -> list[str]:
        """What people call each band."""
        return band_names(self.snapshot.descriptions, self.profile.count)

    def yardstick(self, kind: str) -> Yardstick:
        """Return what a target on the worst band is measured by, in the units the codec sees.

        Bands that hold nothing to lose, which come back exact whatever is coded, have no part in it.
        """
        row = TARGETS[kind]
        assert isinstance(row, Decibels)
        pairs = zip(self._references, self.factors, strict=False)  # or no signals
        # No sample of 16 bits is further off, whatever is allowed, and steps of next to nothing have squares.
        references = [min(row.reference(band) / factor, STEPS) for band, factor in pairs]
        rod = yardstick_of(row, references, self.profile)
        units = tuple(unit for unit in rod.units if set(unit) & set(self.bands_at_stake))
        return replace(rod, units=units or rod.units)

    @property
    def bands_at_stake(self) -> list[int]:
        """Indexes of bands that lossy coding can take something from: not alpha, empty, or of one value."""
        return [i for i, signal in enumerate(self.signals) if signal.count and not signal.is_constant]

    def meaning(self, target: Target) -> str | None:
        """Return what a target on the worst band allows in the units of the scene; None for another."""
        bands, peaks, names = self._references, self.scene_peaks, self.names
        data = [(bands[i], peaks[i], names[i]) for i in (self.bands_at_stake if peaks else [])]
        return target_meaning(target, data)

    @property
    def _references(self) -> list[References]:
        """What errors of each band are relative to, in the units of the scene."""
        peaks = [peak.span for peak in self.peaks] or [math.nan] * self.profile.count
        bounds = self.bounds or (math.nan,) * self.profile.count
        bands = zip(self.factors, peaks, self.signals, bounds, strict=False)  # or no signals
        return [
            References(peak=peak * factor, spread=max(signal.spread, NOISE) * factor, bound=bound)
            for factor, peak, signal, bound in bands
        ]

    @property
    def facts(self) -> list[BandFacts]:
        """What the bands but alpha hold; nothing where nothing is lost."""
        if not self.signals:
            return []
        return [
            BandFacts(band=i + 1, name=self.names[i], signal=self.signals[i], step=self.factors[i])
            for i in range(self.profile.count)
            if i not in self.alpha_bands
        ]

    @property
    def scene_peaks(self) -> tuple[Peak, ...]:
        """The peaks in the units of the scene."""
        return self.peaks if self.affinity is None else self.affinity.peaks(self.peaks)

    @property
    def raw_bytes(self) -> int:
        """Bytes of the scene's own pixels uncompressed, whatever type they are coded in."""
        return self.pixels * self.profile.count * np.dtype(self.snapshot.dtypes[0]).itemsize

    @property
    def form(self) -> TileForm:
        """What all tiles have in common, for the codec; of all bands."""
        if self.spectral is not None:
            whole = Radiometry.whole_range("int16", self.profile.count)
            return TileForm(radiometry=whole, tile_size=self.grid.tile_size)
        return TileForm(
            radiometry=self.radiometry,
            groups=self.groups,
            mct=self.mct,
            bits=self.profile.sample_bits,
            tile_size=self.grid.tile_size,
        )

    @property
    def error_scale(self) -> float:
        """About what a squared error of what the codec sees is, of one in the bands."""
        return self.spectral.error_scale if isinstance(self.spectral, Rotation) else 1.0

    @property
    def pixels(self) -> int:
        """Pixels of the scene (of one band)."""
        return self.profile.height * self.profile.width


def band_groups(colorinterp: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the bands enhanced together: red, green, blue as one group, every other data band alone.

    Alpha and palette bands belong to no group.
    """
    names = [name.lower() for name in colorinterp]
    groups: list[tuple[int, ...]] = []
    rgb = tuple(names.index(c) for c in ("red", "green", "blue") if names.count(c) == 1)
    if len(rgb) == 3:
        groups.append(rgb)
    taken = {band for group in groups for band in group}
    groups += [
        (band,) for band, name in enumerate(names) if band not in taken and name not in ("alpha", "palette")
    ]
    return tuple(groups)


def sample(reader: Scene) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return one decimated read of the scene, (bands, h, w), and where it is valid, (1, h, w)."""
    height, width = decimated_shape(reader.profile)
    return reader.read_overview(height, width), reader.read_valid_overview(height, width)[None]


def sample_valid(profile: SceneProfile, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where each band of a sample is valid, (bands, h, w): GDAL's mask is of all bands together.

    A nodata value that one band has to itself would else be part of the range it uses.
    """
    keep = np.broadcast_to(valid, pixels.shape).copy()
    for band, value in enumerate(profile.nodata):
        if value is not None:
            keep[band] &= ~equals_nodata(pixels[band], value)
    return np.asarray(keep & np.isfinite(pixels), np.bool_)


def decimated_shape(profile: SceneProfile) -> tuple[int, int]:
    """Return (rows, columns) of a read that shows the whole scene in at most 1024 px a side."""
    scale = max(1.0, max(profile.height, profile.width) / SAMPLE_SIDE)
    return max(1, round(profile.height / scale)), max(1, round(profile.width / scale))


def plan_scene(
    opened: Scene, options: EncodeOptions, progress: Progress | None = None, *, way: Way | None = None
) -> tuple[Scene, ScenePlan]:
    """Decide tiling, groups, colour transform and radiometry of a scene, and measure what its bands hold.

    Args:
        opened: the scene.
        options: what is asked for.
        progress: told while a scene that is to be coded lossily is read through once.
        way: how a largest error is kept; None: by trial.

    Returns:
        The reader tiles are read from (quantising, if that was asked for), and the plan.

    Raises:
        UnsupportedSceneError: if JPEG 2000 cannot hold the scene's type.
        UsageError: if the target makes no sense for the scene.
    """
    pixels, valid = sample(opened)
    reader, affinity, not_finite = _quantised(opened, options)
    profile = reader.profile
    check_supported(profile)
    names = tuple(name.lower() for name in profile.colorinterp)
    lossless = options.target.is_lossless or way == "lossless"
    if not lossless and "palette" in names:
        raise UsageError("a palette scene holds class numbers, not brightness: use --target lossless")
    seen = sample_valid(opened.profile, pixels, valid)
    raw = pixels
    if affinity is not None:
        pixels = affinity.quantise(pixels, seen)
    radiometry = Radiometry.fit(profile.dtype, [(pixels, seen)])
    far: tuple[float | None, ...] = ()
    may_hide = profile.dtype != "uint8" and not options.target.is_bound
    is_integral = affinity is None or affinity.is_whole
    if may_hide and not (lossless and is_integral):
        exact = used_ranges(radiometry, affinity) if affinity is None or is_integral else affinity.ends
        far = tuple(far_value(raw[band][seen[band]], ends) for band, ends in enumerate(exact))
    alpha = tuple(b for b, name in enumerate(names) if name == "alpha")
    has_nodata = opened.profile.has_nodata or affinity is not None
    snapshot = opened.metadata()  # first: asked for some of it, GDAL drops the blocks it keeps
    signals: tuple[BandSignal, ...] = ()
    if not lossless or affinity is not None:
        signals = gather_signals(
            reader,
            alpha_bands=alpha,
            has_nodata=has_nodata,
            cores=core_spreads(raw, seen, None if affinity is None else affinity.scale),
            side=usual_tile_size(profile.count),
            progress=progress or Progress(),
            workers=options.execution.workers,
        )
    peaks = () if lossless and affinity is None else _peaks(radiometry, profile, signals, seen)
    steps, choice = None, None
    bounds: tuple[float, ...] = ()
    if way is None and options.target.is_amount and not lossless:
        bounds = bounds_of(options.target, snapshot, [b - a for a, b in used_ranges(radiometry, affinity)])
    if way is None and options.target.is_bound and not lossless and names_sizes(options):
        steps, choice = keep_within(opened, reader, options.target, bounds, signals)
        if choice.way == "lossless":
            return plan_scene(opened, options, progress, way="lossless")
        if choice.way == "steps" and steps is not None:
            reader = QuantisedScene(opened, steps)
            profile, lossless = reader.profile, True
        else:
            steps = None
    is_exact = lossless and (affinity is None or affinity.is_whole) and steps is None
    ranges = used_ranges(radiometry, affinity)
    is_apart = choice is not None and choice.is_apart
    transform = choose_transform(
        reader, options, (pixels, seen), ranges, progress or Progress(), lossless=lossless, is_apart=is_apart
    )
    return reader, ScenePlan(
        profile=profile,
        spectral=transform.spectral,
        is_doubtful=transform.is_doubtful,
        steps=steps,
        bounds=bounds,
        is_close=choice is not None and choice.is_close,
        snapshot=snapshot if is_exact else snapshot.without_statistics(),
        radiometry=radiometry,
        grid=TileGrid(
            height=profile.height,
            width=profile.width,
            tile_size=options.tile_size or usual_tile_size(profile.count),
        ),
        groups=band_groups(profile.colorinterp),
        alpha_bands=alpha,
        mct=transform.mct,
        nodata_apart=(steps is not None and is_apart)
        or lossless
        and affinity is None
        and steps is None
        and options.sidecar != "never"  # others would see the filling as data
        and nodata_apart_pays(reader, valid[0], transform=transform),
        lossless=lossless,
        has_nodata=has_nodata,
        affinity=affinity,
        footprint=scene_footprint(opened.profile, valid[0]),
        not_finite=not_finite,
        far_values=far,
        signals=signals,
        peaks=() if is_exact and affinity is None else peaks,
    )


def sampled_peaks(profile: SceneProfile, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[Peak, ...]:
    """Return the peak of every band's PSNR by a sample of a scene, in its own units.

    Args:
        profile: of the scene.
        pixels: decimated read (bands, h, w).
        valid: where the scene is valid, (bands or 1, h, w).
    """
    seen = sample_valid(profile, pixels, valid)
    if pixels.dtype.kind == "c":  # of complex samples the magnitude
        pixels = np.abs(pixels)
    if pixels.dtype.kind != "f":
        return peaks_of(Radiometry.fit(profile.dtype, [(pixels, seen)]), profile.bits)
    ranges = [float_range(pixels.dtype.name, pixels[band][seen[band]]) for band in range(len(pixels))]
    return tuple(Peak(kind="used", low=low, high=high) for low, high in ranges)


def _peaks(
    radiometry: Radiometry,
    profile: SceneProfile,
    signals: tuple[BandSignal, ...],
    seen: NDArray[np.bool_],
) -> tuple[Peak, ...]:
    """Return the peak of every band; of one whose valid pixels the sample missed, from all there are."""
    peaks = list(peaks_of(radiometry, profile.bits))
    for band, signal in enumerate(signals):
        if peaks[band].kind == "used" and signal.count and not seen[band].any():
            ends = np.array([signal.low, signal.high], profile.dtype).reshape(1, 1, 2)
            whole = Radiometry.fit(profile.dtype, [(ends, np.ones(ends.shape, np.bool_))])
            peaks[band] = Peak(kind="used", low=whole.low[0], high=whole.high[0])
    return tuple(peaks)


def _quantised(opened: Scene, options: EncodeOptions) -> tuple[Scene, Affinity | None, int]:
    if opened.profile.dtype in ("float32", "float64") and (whole := whole_numbers(opened)) is not None:
        return QuantisedScene(opened, whole), whole, 0
    is_bounded = options.target.is_amount and options.target.value > 0
    if opened.profile.dtype not in ("float32", "float64") or (options.quantize is None and not is_bounded):
        return opened, None, 0
    low, high, not_finite = exact_range(opened)
    affinity = Affinity.fit(opened.profile.dtype, low, high)
    if options.target.is_bound and options.target.is_plain:
        affinity.steps_within(options.target.value)  # refuses what rounding alone would miss
    return QuantisedScene(opened, affinity), affinity, not_finite
