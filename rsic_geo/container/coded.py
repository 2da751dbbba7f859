"""Levels, strengths and adaptive filters as one arithmetically coded field of the side information.

Every syntax is written once: a writer is told the values, a reader finds them out (see
:mod:`rsic_geo.container.arithmetic`). Levels differ little from their neighbours; strengths lie around the
neutral one, since the filter does the rest; coefficients are coded by what they are of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rsic_geo.container.arithmetic import Coder, Meter, Model, Reader, Writer, code_signed
from rsic_geo.container.filters import (
    KINDS,
    LIMIT,
    MAX_BANDS,
    FilterTaps,
    clusters,
    coefficient_kinds,
    column_count,
    largest_reach,
)
from rsic_geo.errors import ContainerError
from rsic_geo.geo.lattice import NEUTRAL_STRENGTH_BYTE

Cells = npt.NDArray[np.uint8]
Groups = Sequence[Sequence[int]]

MAX_CELLS = 1 << 14
"""Most cells coded this way (a seventh of a second): in files of larger scenes a sixth of them is nothing."""
MAX_COEFFICIENTS = 1 << 18
"""Most coefficients of all filters together (some seconds); 224 bands may have 161 thousand."""
_MAX_FILTER_BYTES = 1 << 15
"""Longest coded filter."""

_LENGTHS = 6
_NUMBER = 1 + _LENGTHS
_LEVEL_BEGIN = (0.88, 0.72, 0.6, 0.45, 0.35, 0.3, 0.3)
_STRENGTH_BEGIN = (0.75, 0.6, 0.4, 0.25, 0.15, 0.1, 0.1)
_OFF_BEGIN = 0.04
_PRESENT_BEGIN = 0.9
_KINDS_BEGIN = (
    # share that is not zero; of those, shares whose size has one binary digit more, digit by digit
    (
        (0.60, 0.87, 0.72, 0.59, 0.27, 0.22, 0.13),  # own first proposal
        (0.39, 0.55, 0.19, 0.05, 0.30, 0.30, 0.30),  # own other proposals
        (0.16, 0.95, 0.90, 0.60, 0.32, 0.12, 0.20),  # first proposals of other bands
        (0.17, 0.54, 0.21, 0.06, 0.29, 0.30, 0.30),  # other proposals of other bands
        (0.42, 0.93, 0.87, 0.87, 0.51, 0.20, 0.06),  # own neighbours
        (0.40, 0.86, 0.86, 0.79, 0.40, 0.29, 0.05),  # own pixels two px away
        (0.34, 0.79, 0.74, 0.76, 0.59, 0.30, 0.06),  # own pixels three px away
        (0.02, 0.74, 0.70, 0.70, 0.60, 0.32, 0.22),  # neighbours in other bands
        (0.03, 0.72, 0.75, 0.51, 0.25, 0.18, 0.20),  # other bands two px away
        (0.05, 0.70, 0.71, 0.64, 0.46, 0.19, 0.18),  # other bands three px away
    ),
    (  # of one brightness class, which add to those of all
        (0.24, 0.68, 0.70, 0.72, 0.35, 0.12, 0.20),
        (0.17, 0.63, 0.19, 0.16, 0.15, 0.30, 0.30),
        (0.05, 0.90, 0.90, 0.72, 0.34, 0.13, 0.20),
        (0.06, 0.70, 0.27, 0.05, 0.30, 0.30, 0.30),
        (0.09, 0.58, 0.47, 0.30, 0.32, 0.22, 0.30),
        (0.07, 0.46, 0.47, 0.50, 0.33, 0.30, 0.22),
        (0.08, 0.49, 0.57, 0.50, 0.32, 0.12, 0.30),
        (0.01, 0.67, 0.67, 0.44, 0.29, 0.30, 0.30),
        (0.01, 0.66, 0.65, 0.52, 0.50, 0.30, 0.20),
        (0.02, 0.45, 0.56, 0.34, 0.27, 0.29, 0.30),
    ),
)
"""Shares to begin with, by kind of coefficient, as :mod:`rsic_geo.evaluation.filters` counts them on training
images (rounded, and never far from a half where little was seen); they learn as they go."""

_LEVEL = 0
_OFF = _LEVEL + _NUMBER
_STRENGTH = _OFF + 1
_PRESENT = _STRENGTH + _NUMBER
_COEFFICIENT = _PRESENT + 1


def _model() -> Model:
    begin = [*_LEVEL_BEGIN, _OFF_BEGIN, *_STRENGTH_BEGIN, _PRESENT_BEGIN]
    return Model([*begin, *(share for kinds in _KINDS_BEGIN for kind in kinds for share in kind)])


def pack_coded(
    levels: Cells, strengths: Cells, filters: Sequence[FilterTaps | None], groups: Groups
) -> bytes:
    """Return levels and strengths (groups, rows, columns), empty or both, and filters; empty for nothing."""
    if not levels.size and not any(filters):
        return b""
    writer = Writer(_model())
    if writer.flat(1, int(levels.size > 0)):
        _code_cells(writer, levels, strengths)
    _code_filters(writer, filters, groups)
    return writer.data() or b"\0"


def unpack_coded(
    content: bytes, shape: tuple[int, int, int], groups: Groups
) -> tuple[Cells, Cells, tuple[FilterTaps | None, ...]]:
    """Undo :func:`pack_coded`.

    Args:
        content: what it returned.
        shape: of the levels (groups, rows, columns), if there are any.
        groups: bands of every group.

    Raises:
        ContainerError: the content is no such field.
    """
    levels = strengths = np.zeros((0, 0, 0), np.uint8)
    if not content:
        return levels, strengths, ()
    if len(content) > 4 * math.prod(shape) + _MAX_FILTER_BYTES * len(clusters(groups)) + 8:
        raise ContainerError("coded side information is too long: it is damaged")
    reader = Reader(_model(), content)
    if reader.flat(1):
        levels, strengths = _code_cells(reader, np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
    filters = _code_filters(reader, (), groups)
    reader.finish()
    return levels, strengths, filters if any(filters) else ()


def filter_bits(taps: FilterTaps) -> float:
    """Return how many bits the filter of one cluster takes."""
    meter = Meter(_model())
    _code_filter(meter, taps, taps.bands, MAX_COEFFICIENTS)
    return meter.bits


def coefficient_bits(
    values: npt.NDArray[np.int64], kinds: npt.NDArray[np.intp], *, of_class: bool
) -> npt.NDArray[np.float64]:
    """Return about how many bits coefficients take, same shape, before anything is learned."""
    table = _price_table()[int(of_class)]
    lengths = np.floor(np.log2(np.maximum(np.abs(values), 1))).astype(np.intp)
    bits: npt.NDArray[np.float64] = np.where(
        values == 0, table[kinds, 0], table[kinds, 1 + np.minimum(lengths, table.shape[1] - 2)]
    )
    return bits


@lru_cache(maxsize=1)
def _price_table() -> npt.NDArray[np.float64]:
    """Return bits (all or class, kinds, 1 + lengths): of zero, then of any value with so many digits."""
    begin = np.array(_KINDS_BEGIN)
    out = np.zeros((2, KINDS, 2 + LIMIT.bit_length()))
    out[:, :, 0] = -np.log2(1 - begin[:, :, 0])
    bits = 1 - np.log2(begin[:, :, 0])  # there is one, and its sign
    for digits in range(out.shape[2] - 1):
        longer = begin[:, :, 1 + min(digits, _LENGTHS - 1)]
        out[:, :, 1 + digits] = bits - np.log2(1 - longer)
        bits = bits + 1 - np.log2(longer)
    return out


def _code_cells(coder: Coder, levels: Cells, strengths: Cells) -> tuple[Cells, Cells]:
    """Code both, each (groups, rows, columns); arrays given to a reader only say the shape."""
    out_levels, out_strengths = np.zeros(levels.shape, np.uint8), np.zeros(levels.shape, np.uint8)
    offsets = strengths[strengths != 0].astype(np.int64) - NEUTRAL_STRENGTH_BYTE
    shift = coder.flat(3, _common_zeros(offsets))
    for level_map, strength_map, levels_in, strengths_in in zip(
        out_levels, out_strengths, levels.tolist(), strengths.tolist(), strict=True
    ):
        for row, col in np.ndindex(level_map.shape):
            expected = _expected(level_map, row, col)
            level = expected + code_signed(coder, _LEVEL, levels_in[row][col] - expected, longest=_LENGTHS)
            if not 0 <= level <= 255:
                raise ContainerError("coded levels leave their range: the side information is damaged")
            level_map[row, col] = level
            wanted = strengths_in[row][col]
            if coder.bit(_OFF, int(wanted == 0)):
                continue
            offset = (wanted - NEUTRAL_STRENGTH_BYTE) >> shift
            byte = NEUTRAL_STRENGTH_BYTE + (code_signed(coder, _STRENGTH, offset, longest=_LENGTHS) << shift)
            if not 0 < byte <= 255:
                raise ContainerError("coded strengths leave their range: the side information is damaged")
            strength_map[row, col] = byte
    return out_levels, out_strengths


def _common_zeros(values: npt.NDArray[np.int64]) -> int:
    """Return how many binary zeros all values end with, at most 7."""
    merged = int(np.bitwise_or.reduce(np.abs(values))) if values.size else 0
    return next((place for place in range(7) if merged >> place & 1), 7)


def _expected(levels: Cells, row: int, col: int) -> int:
    """Return what a level probably is: the median of left, above, and the plane through the corner."""
    if row == 0:
        return int(levels[0, col - 1]) if col else 140
    above = int(levels[row - 1, col])
    if col == 0:
        return above
    left, corner = int(levels[row, col - 1]), int(levels[row - 1, col - 1])
    return sorted((left, above, left + above - corner))[1]


def _code_filters(
    coder: Coder, filters: Sequence[FilterTaps | None], groups: Groups
) -> tuple[FilterTaps | None, ...]:
    """Code the filters of all clusters; none given: there are none, or a reader looks."""
    parts = clusters(groups)
    known = filters or (None,) * len(parts)
    bands = [sum(len(groups[number]) for number in numbers) for numbers in parts]
    out: list[FilterTaps | None] = []
    left = MAX_COEFFICIENTS
    for one, count in zip(known, bands, strict=True):
        out.append(_code_filter(coder, one, count, left))
        left -= out[-1].differences.size if out[-1] is not None else 0
    return tuple(out)


def _code_filter(coder: Coder, taps: FilterTaps | None, bands: int, most: int) -> FilterTaps | None:
    """Code the filter of a cluster, of at most so many coefficients."""
    if not coder.bit(_PRESENT, int(taps is not None)):
        return None
    proposals = 1 + coder.flat(2, taps.proposals - 1 if taps else 0)
    reach = coder.flat(2, taps.reach if taps else 0)
    if bands > MAX_BANDS or reach > largest_reach(bands):
        raise ContainerError("an adaptive filter is impossible: the side information is damaged")
    count = coder.flat(3, len(taps.edges) if taps else 0)
    edges = tuple(coder.flat(5, taps.edges[k] if taps else 0) for k in range(count))
    sets = 1 if count == 0 else 2 + count
    if sets * bands * column_count(bands, reach, proposals) > most:
        raise ContainerError(f"adaptive filters have more than {MAX_COEFFICIENTS} coefficients")
    kinds = coefficient_kinds(bands, reach, proposals).tolist()
    out = np.zeros((sets, bands, column_count(bands, reach, proposals)), np.int16)
    given = (taps.differences if taps else out).tolist()
    for number, (rows, wanted) in enumerate(zip(out, given, strict=True)):
        first = _COEFFICIENT + _NUMBER * KINDS * (number > 0)
        for row, kinds_of_row, values in zip(rows, kinds, wanted, strict=True):
            for column, (kind, value) in enumerate(zip(kinds_of_row, values, strict=True)):
                found = code_signed(coder, first + _NUMBER * kind, value, longest=_LENGTHS)
                if abs(found) > LIMIT:
                    raise ContainerError("an adaptive filter is impossible: the side information is damaged")
                row[column] = found
    return FilterTaps(bands=bands, reach=reach, edges=edges, differences=out, proposals=proposals)
