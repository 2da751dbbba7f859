"""Limits and used ranges of bands in the side information, each told by what it differs from others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rsic_geo.container.fields import MAX_BANDS, Reader, varint
from rsic_geo.errors import ContainerError
from rsic_geo.geo.radiometry import Peak

_MOST_BITS = 64
Limits = Sequence[tuple[int, int] | None]
"""Least and greatest value of each band; None where none is known."""


def pack_limits(limits: Limits, dtype: str | None) -> bytes:
    """Return least and greatest value of each band, as the span plus one (0 = no limits) and the least.

    Of samples of type uint8 the two bytes themselves, the greater first for no limits.
    """
    if dtype == "uint8":
        return b"".join(bytes((1, 0)) if ends is None else bytes(ends) for ends in limits)
    return b"".join(
        varint(0) if ends is None else varint(ends[1] - ends[0] + 1) + _zigzag(ends[0]) for ends in limits
    )


def unpack_limits(content: bytes, dtype: str | None) -> tuple[tuple[int, int] | None, ...]:
    """Undo `pack_limits`. Raises ContainerError."""
    reader = Reader(content)
    limits: list[tuple[int, int] | None] = []
    while not reader.is_at_end:
        if len(limits) >= MAX_BANDS:
            raise ContainerError("limits of too many bands: the side information is damaged")
        if dtype == "uint8":
            low, high = reader.take(2)
        else:
            span = reader.varint()
            low = _unzigzag(reader) if span else 0
            high = low + span - 1
        limits.append((low, high) if low <= high else None)
    return tuple(limits)


def pack_peaks(peaks: Sequence[Peak], limits: Limits) -> bytes:
    """Return each band's bits and one, doubled, or its used range in halves, told from the band's limits.

    A used range is how far its low end lies above the least value, as a signed number doubled and one, and
    how far its high end lies below the greatest; from 0 where a band has no limits.

    Raises:
        ContainerError: if a used range is not of whole halves.
    """
    out = []
    for (least, greatest), peak in zip(_ends(limits, len(peaks)), peaks, strict=False):
        if peak.kind == "used":
            below, above = 2 * (peak.low - least), 2 * (greatest - peak.high)
            if below != int(below) or above != int(above):
                raise ContainerError(f"a used range of {peak.low}..{peak.high} cannot be stored")
            out.append(varint(2 * _folded(int(below)) + 1) + _zigzag(int(above)))
        else:
            bits = round(math.log2(peak.high + 1)) + 1 if peak.kind == "bits" else 1
            out.append(varint(2 * bits))
    return b"".join(out)


def unpack_peaks(content: bytes, limits: Limits) -> tuple[Peak, ...]:
    """Undo `pack_peaks`. Raises ContainerError."""
    reader = Reader(content)
    peaks: list[Peak] = []
    ends = _ends(limits, MAX_BANDS)
    while not reader.is_at_end:
        told, is_used = divmod(reader.varint(), 2)
        if len(peaks) >= MAX_BANDS or (not is_used and not 1 <= told <= _MOST_BITS + 1):
            raise ContainerError("a peak of the side information is impossible: it is damaged")
        if is_used:
            least, greatest = ends[len(peaks)]
            low, high = least + _unfolded(told) / 2, greatest - _unzigzag(reader) / 2
            if not low < high:
                raise ContainerError("a peak of the side information is empty: it is damaged")
            peaks.append(Peak(kind="used", low=low, high=high))
        elif told == 1:
            peaks.append(Peak(kind="type", low=0.0, high=255.0))
        else:
            peaks.append(Peak(kind="bits", low=0.0, high=2.0 ** (told - 1) - 1))
    return tuple(peaks)


def _ends(limits: Limits, count: int) -> list[tuple[int, int]]:
    """Return the limits of so many bands, 0 for those that have none."""
    return [ends or (0, 0) for ends in limits] + [(0, 0)] * (count - len(limits))


def _zigzag(value: int) -> bytes:
    """Return a signed number, those near 0 in few bytes."""
    return varint(_folded(value))


def _unzigzag(reader: Reader) -> int:
    return _unfolded(reader.varint())


def _folded(value: int) -> int:
    """Return a signed number as an unsigned one, small ones small."""
    return 2 * value if value >= 0 else -2 * value - 1


def _unfolded(value: int) -> int:
    return -(value + 1) // 2 if value & 1 else value // 2
