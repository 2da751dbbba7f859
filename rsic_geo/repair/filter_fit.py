"""Fitting a scene's adaptive filters: least squares on sampled windows, each coefficient against its bits.

At the rates archives are made for, squared error falls about as fast as the file grows: one part in a
thousand more bytes, one part in a thousand less error (JPEG 2000 gains 6 dB per bit and pixel, and 4 to 5 dB
per e-fold of its bytes). So a coefficient is worth sending if it takes away a larger share of the error than
its bits are of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.coded import MAX_COEFFICIENTS, coefficient_bits, filter_bits
from rsic_geo.container.filters import (
    LIGHTS,
    LIMIT,
    FilterTaps,
    coefficient_kinds,
    column_count,
    largest_reach,
    neutral,
    reach_of,
)
from rsic_geo.repair.filter import brightness, colour_axes, columns, lights, step_sizes
from rsic_geo.repair.units import Steps, gram

FloatArray = NDArray[np.float32]
Doubles = NDArray[np.float64]

CLASS_COUNTS = (2, 4, 8)
_RIDGE = 1e-6
_MIX_RIDGE = 1e-3
"""The same for mixing: proposals that are nearly alike must not be taken in large, opposite shares, since
what devices round differently would grow with them."""


@dataclass(slots=True, kw_only=True)
class NormalEquations:
    """Sums over pixels from which any filter of a cluster can be fitted and judged, by brightness bin."""

    bands: int
    proposals: int = 1
    """Corrections the enhancer proposes for every band."""
    reach: int = field(init=False)
    """Of the filters that can be fitted (px)."""
    products: Doubles = field(init=False)
    """(bins, columns, columns) sums of products of planes."""
    wanted: Doubles = field(init=False)
    """(bins, columns, bands) sums of products of planes and the codec's error."""
    energy: Doubles = field(init=False)
    """(bins, bands) squared error of the codec on the colour axes."""
    counts: Doubles = field(init=False)
    """(bins,) pixels."""

    def __post_init__(self) -> None:
        """Begin at zero."""
        self.reach = largest_reach(self.bands)
        width = column_count(self.bands, self.reach, self.proposals)
        self.products = np.zeros((LIGHTS, width, width))
        self.wanted = np.zeros((LIGHTS, width, self.bands))
        self.energy = np.zeros((LIGHTS, self.bands))
        self.counts = np.zeros(LIGHTS)

    def add(
        self,
        decoded: Steps,
        correction: Steps,
        error: FloatArray,
        scored: NDArray[np.bool_],
        *,
        stride: int = 1,
    ) -> None:
        """Count the pixels of a window.

        Args:
            decoded: (bands, h + 6, w + 6) in steps: the window and what a filter sees around it.
            correction: (proposals * bands, h + 6, w + 6), as the enhancer proposes it.
            error: (bands, h, w), original minus decoded in units of the used range.
            scored: (h, w), True where a pixel counts.
            stride: every so many pixels of those that count are used.
        """
        axes = colour_axes(self.bands)
        bins = lights(brightness(decoded), self.bands)
        for rows, planes in columns(decoded, correction, self.reach):
            used = np.flatnonzero(scored[rows])[::stride]
            used = used[np.argsort(bins[rows].ravel()[used], kind="stable")]
            kinds = bins[rows].ravel()[used]
            # In double precision: other processors add up in other orders, and filters must not differ.
            flat = planes.reshape(len(planes), -1)[:, used].astype(np.float64)
            lacking = axes @ error[:, rows].reshape(self.bands, -1)[:, used].astype(np.float64)
            first = np.searchsorted(kinds, np.arange(LIGHTS + 1))
            for kind in np.unique(kinds):
                part = slice(first[kind], first[kind + 1])
                self.products[kind] += gram(flat[:, part], flat[:, part])
                self.wanted[kind] += gram(flat[:, part], lacking[:, part])
                self.energy[kind] += np.square(lacking[:, part]).sum(axis=1)
                self.counts[kind] += part.stop - part.start

    def cut(self, count: int) -> list[slice]:
        """Return up to ``count`` neighbouring ranges of bins with about equally many pixels."""
        total = np.cumsum(self.counts)
        places = np.searchsorted(total, total[-1] * np.arange(1, count) / count) + 1
        edges = sorted({0, LIGHTS, *(int(place) for place in places if place < LIGHTS)})
        return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    def error_of(self, taps: FilterTaps) -> Doubles:
        """Return the squared error a filter leaves on every colour axis, before rounding; shape (bands,)."""
        ends = [0, *taps.edges, LIGHTS]
        scaled = taps.coefficients * step_sizes(self.bands, taps.reach, self.proposals)
        used = scaled.shape[2]
        left = np.zeros(self.bands)
        for one, a, b in zip(scaled, ends[:-1], ends[1:], strict=True):
            products = self.products[a:b, :used, :used].sum(axis=0)
            wanted = self.wanted[a:b, :used].sum(axis=0)
            left += self.energy[a:b].sum(axis=0) - 2 * (one.T * wanted).sum(axis=0)
            left += ((one @ products) * one).sum(axis=1)
        return left


def fit_filters(
    sums: Sequence[NormalEquations], weights: Sequence[Doubles], file_bits: float
) -> tuple[FilterTaps | None, ...]:
    """Return the filter of every cluster that is worth its bits, None where none is.

    Args:
        sums: one per cluster, over the same pixels.
        weights: of the squared error of each cluster's bands (bands,) in that of the scene.
        file_bits: size of the archive (bits).
    """
    axes = [weight if len(weight) != 3 else np.full(3, weight.mean()) for weight in weights]
    plain = [unfiltered_error(one) @ weight for one, weight in zip(sums, axes, strict=True)]
    total = sum(plain)
    if not total > 0 or file_bits <= 0:
        return (None,) * len(sums)
    out: list[FilterTaps | None] = []
    left = MAX_COEFFICIENTS
    for one, weight in zip(sums, axes, strict=True):
        # the error, in units of its axis, that one bit has to take away
        best = _best_filter(one, total / file_bits / weight)
        out.append(best if best is not None and best.differences.size <= left else None)
        left -= 0 if out[-1] is None else out[-1].differences.size
    return tuple(out)


def unfiltered_error(sums: NormalEquations) -> Doubles:
    """Return the squared error of the first proposal alone on every colour axis; shape (bands,)."""
    return sums.error_of(_passing(sums))


def part_left(sums: NormalEquations, taps: FilterTaps | None) -> Doubles:
    """Return the squared error a filter leaves in each band (bands,) over the codec's own.

    Without a filter that of the first proposal. Red, green and blue, not told apart, have the same.
    """
    left = unfiltered_error(sums) if taps is None else sums.error_of(taps)
    before = sums.energy.sum(axis=0)
    if sums.bands == 3:
        left, before = np.full(3, left.sum()), np.full(3, before.sum())
    return np.asarray(np.divide(left, before, out=np.ones(sums.bands), where=before > 0))


def _passing(sums: NormalEquations) -> FilterTaps:
    nothing = np.zeros((1, sums.bands, column_count(sums.bands, 0, sums.proposals)), np.int16)
    return FilterTaps(bands=sums.bands, reach=0, edges=(), differences=nothing, proposals=sums.proposals)


def _best_filter(sums: NormalEquations, prices: Doubles) -> FilterTaps | None:
    """Return the filter with the least error plus bits times their prices, None for that of no bits."""
    if sums.counts.sum() < 64 * column_count(sums.bands, sums.reach, sums.proposals):
        return None
    least, best = float((unfiltered_error(sums) / prices).sum()), None
    for reach in range(sums.reach + 1):
        taps = _fit(sums, reach, [slice(0, LIGHTS)], prices)
        cost = float((sums.error_of(taps) / prices).sum()) + filter_bits(taps)
        if cost < least:
            least, best = cost, taps
    if best is None:
        return None
    for count in CLASS_COUNTS:
        ranges = sums.cut(count)
        if len(ranges) > 1:
            taps = _fit(sums, best.reach, ranges, prices)
            cost = float((sums.error_of(taps) / prices).sum()) + filter_bits(taps)
            if cost < least:
                least, best = cost, taps
    return best


def _fit(sums: NormalEquations, reach: int, ranges: list[slice], prices: Doubles) -> FilterTaps:
    """Return the filter of a reach with one class per range of bins."""
    begin = neutral(sums.bands, reach, sums.proposals)
    sets = [_differences(sums, slice(0, LIGHTS), begin, prices, of_class=False)]
    if len(ranges) > 1:
        shared = begin + sets[0]
        sets += [_differences(sums, part, shared, prices, of_class=True) for part in ranges]
    edges = tuple(part.start for part in ranges[1:])
    differences = np.stack(sets).astype(np.int16)
    return FilterTaps(
        bands=sums.bands, reach=reach, edges=edges, differences=differences, proposals=sums.proposals
    )


def _differences(
    sums: NormalEquations,
    bins: slice,
    begin: NDArray[np.int64],
    prices: Doubles,
    *,
    of_class: bool,
) -> NDArray[np.int64]:
    """Return what to add to coefficients (bands, columns) for these bins, zero where not worth its bits."""
    used = begin.shape[1]
    reach = reach_of(sums.bands, used, sums.proposals)
    sizes = step_sizes(sums.bands, reach, sums.proposals)
    products = sums.products[bins, :used, :used].sum(axis=0) * np.outer(sizes, sizes)
    ridge = np.full(used, _RIDGE)
    ridge[: sums.bands * sums.proposals] = _MIX_RIDGE
    wanted = sums.wanted[bins, :used].sum(axis=0) * sizes[:, None] - products @ begin.T
    kinds = coefficient_kinds(sums.bands, reach, sums.proposals)
    out = np.zeros_like(begin)
    damped = products + np.diag(np.diag(products) * ridge)
    for axis in range(sums.bands):
        bits = partial(_bits_of, kinds[axis], of_class)
        out[axis] = _sparse_solution(damped, wanted[:, axis], float(prices[axis]), bits)
    return out


def _bits_of(
    kinds: NDArray[np.intp], of_class: bool, values: NDArray[np.int64], columns: NDArray[np.intp]
) -> Doubles:
    return coefficient_bits(values, kinds[columns], of_class=of_class)


def _sparse_solution(
    products: Doubles,
    wanted: Doubles,
    price: float,
    bits_of: Callable[[NDArray[np.int64], NDArray[np.intp]], Doubles],
) -> NDArray[np.int64]:
    """Return whole numbers x that nearly minimise ``x' P x - 2 x' w`` plus ``price`` per bit.

    ``bits_of`` tells how many bits values (n,) at columns (n,) take.

    All coefficients are fitted, then the one whose absence costs least goes, and the others are fitted again,
    as long as that saves more bits than it costs error.
    """
    diagonal = np.diag(products)
    left = np.flatnonzero(diagonal > diagonal.max(initial=0.0) * 1e-12)
    inverse = np.linalg.inv(products[np.ix_(left, left)])
    values = inverse @ wanted[left]
    while left.size:
        whole = np.rint(values).astype(np.int64)
        bits = bits_of(whole, left) - bits_of(np.zeros_like(whole), left)
        loss = np.square(values) / np.diag(inverse)
        gain = bits * price - loss
        gain[whole == 0] = np.inf
        worst = int(np.argmax(gain))
        if gain[worst] <= 0:
            break
        # without one column the others' solution and inverse follow from these, as in block elimination
        kept = np.arange(left.size) != worst
        column = inverse[kept, worst] / inverse[worst, worst]
        values = values[kept] - column * values[worst]
        inverse = inverse[np.ix_(kept, kept)] - np.outer(column, inverse[worst, kept])
        left = left[kept]
    out = np.zeros(len(wanted), np.int64)
    if left.size:
        out[left] = np.clip(np.rint(values), -LIMIT, LIMIT).astype(np.int64)
    return out
