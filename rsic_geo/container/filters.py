"""Coefficients of a scene's adaptive filters, and their bits.

The filter itself is :mod:`rsic_geo.repair.filter`; here are whole numbers only. A filter belongs to
neighbouring band groups with up to 8 bands together, and has one set of coefficients per brightness class.
Stored are differences: of a set for all classes from the filter that changes nothing and, where there is more
than one class, of each class from that set. They are coded arithmetically, by what a coefficient is of: a
tap across colours is seldom worth sending, and where it is not it takes a twentieth of a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import ContainerError

MAX_REACH = 3
"""Largest distance (px, along rows and columns together) of a tap."""
MAX_CLASSES = 8
MAX_BANDS = 8
"""Most bands one filter works on."""
MAX_COLUMNS = 64
"""Most planes a filter of one proposal adds up: filters of many bands reach less far."""
MAX_PROPOSALS = 4
"""Most corrections an enhancer may propose for every band."""
LIGHTS = 32
"""Parts the used range is cut into; brightness classes begin where one does."""
MIX_STEP = 1 / 16
"""What one unit of a mixing coefficient is worth."""
TAP_STEP = 1 / 128
"""What one unit of a tap is worth."""
LIMIT = 4095
"""Largest magnitude of a stored difference."""

Coefficients = npt.NDArray[np.int16]


def tap_offsets(reach: int) -> list[tuple[int, int]]:
    """Return one of each pair of opposite places (rows, columns) within ``reach``, nearest first."""
    near = range(-reach, reach + 1)
    places = [(dy, dx) for dy in near for dx in near if abs(dy) + abs(dx) <= reach and (dy, dx) > (0, 0)]
    return sorted(places, key=lambda place: (abs(place[0]) + abs(place[1]), place))


def column_count(bands: int, reach: int, proposals: int = 1) -> int:
    """Return how many planes a filter of ``bands`` adds up: corrections, then the taps of each band."""
    return bands * (proposals + reach * (reach + 1))  # as many as tap_offsets gives


def reach_of(bands: int, columns: int, proposals: int) -> int:
    """Return the reach of filters with so many columns."""
    return next(r for r in range(MAX_REACH + 1) if column_count(bands, r, proposals) == columns)


@lru_cache
def largest_reach(bands: int) -> int:
    """Return how far the filters of so many bands reach at most (px)."""
    return max(reach for reach in range(MAX_REACH + 1) if column_count(bands, reach) <= MAX_COLUMNS)


def clusters(groups: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Return the numbers of the band groups each filter is of: neighbours, with up to 8 bands together."""
    out: list[list[int]] = []
    held = MAX_BANDS + 1
    for number, members in enumerate(groups):
        held += len(members)
        if held > MAX_BANDS:
            out.append([])
            held = len(members)
        out[-1].append(number)
    return tuple(tuple(one) for one in out)


def neutral(bands: int, reach: int, proposals: int = 1) -> npt.NDArray[np.int64]:
    """Return the coefficients (bands, columns) of the filter that passes the first proposal on."""
    out = np.zeros((bands, column_count(bands, reach, proposals)), np.int64)
    np.fill_diagonal(out, round(1 / MIX_STEP))
    return out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilterTaps:
    """The adaptive filter of one cluster of band groups."""

    bands: int
    """Bands of the cluster, 1 to 8."""
    reach: int
    """Largest distance of a tap (px), 0 to :func:`largest_reach`; 0: corrections are only mixed."""
    edges: tuple[int, ...]
    """Brightness (1/32 of the used range) at which each next class begins, rising; one less than classes."""
    differences: Coefficients
    """(sets, bands, columns): of the set for all classes from :func:`neutral`, then of every class from that
    set; a single class has none of its own. Columns as :func:`column_count` says."""
    proposals: int = 1
    """Corrections the enhancer proposes for every band, all of which are mixed."""

    def __post_init__(self) -> None:
        """Refuse shapes and values that cannot be stored."""
        classes = len(self.edges) + 1
        fits = 1 <= self.bands <= MAX_BANDS and 0 <= self.reach <= largest_reach(self.bands)
        if not fits or classes > MAX_CLASSES or not 1 <= self.proposals <= MAX_PROPOSALS:
            raise ContainerError(
                f"an adaptive filter of {self.bands} bands, reach {self.reach}, {classes} classes and "
                f"{self.proposals} proposals is none"
            )
        sets = 1 if classes == 1 else 1 + classes
        shape = (sets, self.bands, column_count(self.bands, self.reach, self.proposals))
        if self.differences.shape != shape or np.abs(self.differences.astype(np.int64)).max() > LIMIT:
            raise ContainerError(f"an adaptive filter holds {self.differences.shape} or too large values")
        rising = (0, *self.edges, LIGHTS)
        if any(a >= b for a, b in zip(rising[:-1], rising[1:], strict=True)):
            raise ContainerError(f"brightness classes must begin at rising values of 1..31, not {self.edges}")

    def __eq__(self, other: object) -> bool:
        """Return whether both do the same."""
        if not isinstance(other, FilterTaps):
            return NotImplemented
        mine, theirs = ((f.bands, f.reach, f.edges, f.proposals) for f in (self, other))
        return mine == theirs and np.array_equal(self.differences, other.differences)

    __hash__ = None  # type: ignore[assignment]

    @property
    def coefficients(self) -> npt.NDArray[np.int64]:
        """Return the coefficients of every class, shape (classes, bands, columns)."""
        wide = self.differences.astype(np.int64)
        shared = neutral(self.bands, self.reach, self.proposals) + wide[:1]
        return shared if len(wide) == 1 else shared + wide[1:]


KINDS = 10
"""What a coefficient may be of; see :func:`coefficient_kinds`."""


def coefficient_kinds(bands: int, reach: int, proposals: int) -> npt.NDArray[np.intp]:
    """Return what each coefficient (bands, columns) is of.

    0 and 1: a band's own first proposal, and its others; 2 and 3: those of other bands; 4 to 6: its own
    pixels 1 to 3 px away; 7 to 9: pixels of other bands.
    """
    out = np.zeros((bands, column_count(bands, reach, proposals)), np.intp)
    for column in range(out.shape[1]):
        place, band = divmod(column, bands)
        is_own = np.arange(bands) == band
        if place < proposals:
            out[:, column] = np.where(is_own, 0, 2) + (place > 0)
        else:
            dy, dx = tap_offsets(reach)[place - proposals]
            out[:, column] = np.where(is_own, 3, 6) + abs(dy) + abs(dx)
    return out
