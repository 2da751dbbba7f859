"""Coefficients of a scene's adaptive filters, and their bits.

The filter itself is :mod:`rsic_geo.pipeline.adaptive`; here are whole numbers only. A filter belongs to
neighbouring band groups with up to 8 bands together, and has one set of coefficients per brightness class.
Stored are differences: of a set for all classes from the filter that changes nothing and, where there is more
than one class, of each class from that set. They are signed exponential Golomb codes of an order chosen per
filter, so that a coefficient that was not worth its bits takes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
_MAX_ORDER = 7
_MAX_BYTES = 1 + 8 + (1 + MAX_CLASSES) * MAX_BANDS * (MAX_COLUMNS + MAX_BANDS * MAX_PROPOSALS) * 5
"""Longest filter: no code of a coefficient has more than 40 bits."""

Coefficients = npt.NDArray[np.int16]


def tap_offsets(reach: int) -> list[tuple[int, int]]:
    """Return one of each pair of opposite places (rows, columns) within ``reach``, nearest first."""
    near = range(-reach, reach + 1)
    places = [(dy, dx) for dy in near for dx in near if abs(dy) + abs(dx) <= reach and (dy, dx) > (0, 0)]
    return sorted(places, key=lambda place: (abs(place[0]) + abs(place[1]), place))


def column_count(bands: int, reach: int, proposals: int = 1) -> int:
    """Return how many planes a filter of ``bands`` adds up: corrections, then the taps of each band."""
    return bands * (proposals + len(tap_offsets(reach)))


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


def golomb_bits(values: npt.NDArray[np.int64], order: int) -> npt.NDArray[np.int64]:
    """Return the length in bits of each value's signed exponential Golomb code of an order."""
    mapped = np.where(values > 0, 2 * values - 1, -2 * values)
    lengths = np.floor(np.log2((mapped >> order) + 1)).astype(np.int64)
    bits: npt.NDArray[np.int64] = 2 * lengths + 1 + order
    return bits


def best_order(values: npt.NDArray[np.int64]) -> int:
    """Return the order whose codes of all values are shortest."""
    return min(range(_MAX_ORDER + 1), key=lambda order: int(golomb_bits(values, order).sum()))


def pack_filters(filters: Sequence[FilterTaps | None]) -> bytes:
    """Return the filters of all clusters; nothing where none has one."""
    if not any(filters):
        return b""
    bits: list[int] = []
    for one in filters:
        if one is None:
            bits.append(0)
            continue
        mixing, taps = _halves(one)
        bits.append(1)
        _put(bits, one.bands - 1, 3)
        _put(bits, one.proposals - 1, 2)
        _put(bits, one.reach, 2)
        _put(bits, len(one.edges), 3)
        for edge in one.edges:
            _put(bits, edge, 5)
        for values in (mixing, taps):
            order = best_order(values)
            _put(bits, order, 3)
            for value in values.tolist():
                _put_golomb(bits, value, order)
    return np.packbits(np.array(bits, np.uint8)).tobytes()


def unpack_filters(content: bytes, groups: Sequence[Sequence[int]]) -> tuple[FilterTaps | None, ...]:
    """Undo :func:`pack_filters` for band groups; no content: no filters.

    Raises:
        ContainerError: the content is no such filters.
    """
    if not content:
        return ()
    parts = clusters(groups)
    if len(content) > len(parts) * _MAX_BYTES:
        raise ContainerError("adaptive filters are too long: the side information is damaged")
    bits = _Bits(content)
    filters = []
    for numbers in parts:
        filters.append(_read_filter(bits) if bits.take(1) else None)
        bands = sum(len(groups[number]) for number in numbers)
        if filters[-1] is not None and filters[-1].bands != bands:
            raise ContainerError("an adaptive filter does not fit its bands: the archive is damaged")
    if bits.left >= 8:
        raise ContainerError("adaptive filters are followed by something else: the archive is damaged")
    return tuple(filters)


def _read_filter(bits: _Bits) -> FilterTaps:
    bands, proposals = bits.take(3) + 1, bits.take(2) + 1
    reach, count = bits.take(2), bits.take(3)
    if reach > largest_reach(bands):
        raise ContainerError("an adaptive filter is impossible: the side information is damaged")
    edges = tuple(bits.take(5) for _ in range(count))
    sets = 1 if count == 0 else 2 + count
    differences = np.zeros((sets, bands, column_count(bands, reach, proposals)), np.int64)
    mixed = bands * proposals
    for part in (differences[:, :, :mixed], differences[:, :, mixed:]):
        order = bits.take(3)
        values = np.fromiter((bits.golomb(order) for _ in range(part.size)), np.int64, part.size)
        part[...] = values.reshape(part.shape)
    if np.abs(differences).max() > LIMIT:
        raise ContainerError("an adaptive filter is impossible: the side information is damaged")
    return FilterTaps(
        bands=bands,
        reach=reach,
        edges=edges,
        differences=differences.astype(np.int16),
        proposals=proposals,
    )


def _halves(one: FilterTaps) -> Iterator[npt.NDArray[np.int64]]:
    """Return what is stored of mixing and of taps, which have different sizes."""
    wide = one.differences.astype(np.int64)
    mixed = one.bands * one.proposals
    yield wide[:, :, :mixed].ravel()
    yield wide[:, :, mixed:].ravel()


def _put(bits: list[int], value: int, count: int) -> None:
    bits.extend(int(value) >> (count - 1 - place) & 1 for place in range(count))


def _put_golomb(bits: list[int], value: int, order: int) -> None:
    mapped = 2 * value - 1 if value > 0 else -2 * value
    whole = (mapped >> order) + 1
    length = whole.bit_length()
    bits.extend([0] * (length - 1))
    _put(bits, whole, length)
    _put(bits, mapped & ((1 << order) - 1), order)


class _Bits:
    """Reads bits, highest first; every overrun is a ContainerError."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    @property
    def left(self) -> int:
        """Bits not read yet."""
        return 8 * len(self._content) - self._place

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        if count > self.left:
            raise ContainerError("an adaptive filter is cut short: the side information is damaged")
        first, last = self._place // 8, (self._place + count + 7) // 8
        value = int.from_bytes(self._content[first:last], "big") >> (8 * last - self._place - count)
        self._place += count
        return value & ((1 << count) - 1)

    def golomb(self, order: int) -> int:
        """Return the next signed number."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 2 * LIMIT.bit_length():
                raise ContainerError("an adaptive filter is impossible: the side information is damaged")
        whole = (1 << zeros) + self.take(zeros)
        mapped = ((whole - 1) << order) + self.take(order)
        return (mapped + 1) // 2 if mapped % 2 else -(mapped // 2)
