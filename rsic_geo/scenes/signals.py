"""What the samples of each band are that count: one pass over a scene, by threads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.window import TileGrid
from rsic_geo.progress import Progress
from rsic_geo.scenes.protocol import Scene
from rsic_geo.threads import threaded_map

NOISE = 1.0
"""A band whose samples spread by less than a count has no signal to speak of: SNR would weigh its noise."""

_Looked: TypeAlias = tuple[NDArray[Any], NDArray[np.bool_] | None, NDArray[np.uint8] | None]
"""Pixels (bands, h, w) of a window, where they are no nodata, and its mask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandSignal:
    """What the valid samples of one band are, in the units the codec sees (DN, or steps of a float scene)."""

    count: int
    """Samples that count; 0 for alpha, and for a band without a valid pixel."""
    low: int
    """Least of them."""
    high: int
    """Largest of them."""
    spread: float
    """Their standard deviation."""
    core: float = 0.0
    """The same without a few extreme samples; 0 where that says nothing."""

    @property
    def limits(self) -> tuple[int, int] | None:
        """Least and largest value, which decoded samples are held to; None where none is known."""
        return (self.low, self.high) if self.count else None

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing to lose."""
        return self.low == self.high

    @property
    def has_signal(self) -> bool:
        """Whether SNR says something about the band."""
        return self.spread >= NOISE

    @property
    def is_dominated(self) -> bool:
        """Whether most of the spread comes from a few extreme samples, beside which all others may vanish."""
        return 0 < 2 * self.core < self.spread


class _Gathering:
    """Count, ends, mean and squares about it of one band, window after window (Chan, Golub and LeVeque)."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self.low, self.high = math.inf, -math.inf

    def add(self, other: _Gathering) -> None:
        if not other.count:
            return
        total, apart = self.count + other.count, other.mean - self.mean
        self.squares += other.squares + apart**2 * self.count * other.count / total
        self.mean += apart * other.count / total
        self.count = total
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    @classmethod
    def of(cls, values: NDArray[Any]) -> _Gathering:
        found = cls()
        if values.size:
            floats = values.astype(np.float64)
            found.count, found.mean = values.size, float(floats.mean())
            floats -= found.mean
            found.squares = float(np.vdot(floats, floats).real)
            found.low, found.high = float(values.min()), float(values.max())
        return found

    def signal(self, core: float) -> BandSignal:
        if not self.count:
            return BandSignal(count=0, low=0, high=0, spread=0.0)
        spread = math.sqrt(self.squares / self.count)
        return BandSignal(count=self.count, low=int(self.low), high=int(self.high), spread=spread, core=core)


def gather_signals(  # noqa: PLR0913 - a scene, what counts of it, and how it is read
    reader: Scene,
    *,
    alpha_bands: Sequence[int],
    has_nodata: bool,
    cores: Sequence[float],
    side: int,
    progress: Progress,
    workers: int = 1,
) -> tuple[BandSignal, ...]:
    """Return the signal of every band, from all samples that count: one pass over the scene.

    A decimated read would do for the spread, but not for the ends: what lies beyond them is cut off.

    Args:
        reader: integers, or a float scene read as such.
        alpha_bands: indexes of bands that say what is transparent.
        has_nodata: whether some samples are no data.
        cores: spread of each band without extremes, by a sample of the scene.
        side: of the windows read (px); less where there are many bands.
        progress: asked after every window whether to go on.
        workers: threads that count, while another reads.

    Raises:
        SceneError: if the scene cannot be read.
        JobCancelledError: if the caller cancels.
    """
    profile = reader.profile
    gathered = [_Gathering() for _ in range(profile.count)]
    grid = TileGrid(height=profile.height, width=profile.width, tile_size=side)

    def windows() -> Iterator[_Looked]:
        for index in grid:
            window = grid.core(index)
            pixels = reader.read(window)
            valid = reader.read_valid(window, pixels) if has_nodata else None
            yield pixels, valid, reader.read_mask(window) if profile.has_mask else None

    def count(looked: _Looked) -> list[_Gathering]:
        pixels, valid, mask = looked
        shown = np.ones(pixels.shape[1:], np.bool_)
        if mask is not None:
            shown &= mask != 0
        for band in alpha_bands:
            shown &= pixels[band] != 0
        found = []
        for band, samples in enumerate(pixels):
            keep = shown if valid is None else shown & valid[band]
            counted = samples[:0] if band in alpha_bands else samples.ravel() if keep.all() else samples[keep]
            found.append(_Gathering.of(counted))
        return found

    for each in threaded_map(count, windows(), workers):  # in their order: the sums are the same to the bit
        for gathering, found in zip(gathered, each, strict=True):
            gathering.add(found)
        progress.report(0.0, "measuring bands")
    return tuple(gathering.signal(core) for gathering, core in zip(gathered, cores, strict=True))
