"""How far the symbols of a tile are from what a network expects of them, channel by channel and step by step.

A network that never saw such ground expects symbols that are too wide or too narrow, mostly alike within a
channel. Each channel of each step is told one whole number by which its rows of the frequency table move:
an eighth of an octave each. It costs bits, so that most are zero, or none is told at all; symbols and pixels
stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.learned_network.spec import PRECISION, SCALES, CodecSpec, phases

_LONGEST = 40
"""Largest size of a symbol that is counted by itself."""
_FARTHEST = 20
"""Rows a channel is moved by at most."""
_ZEROS = (62259, 58982, 52429, 42598, 29491)
"""Of 65536 shifts so many are zero, in the rows of the table that shifts are coded with."""
ROWS = len(_ZEROS)
"""Rows of that table, from 1; row 0 stands for no shifts."""
_LEAST_BITS = 16.0
"""What shifts must save beyond their cost to be told."""
Whole: TypeAlias = NDArray[np.int32]


def shift_count(spec: CodecSpec) -> int:
    """Return how many shifts a tile has: of every channel of the hyper-latent, then of every step."""
    return spec.hyper_latents + sum(count * len(phases(group)) for group, count in enumerate(spec.groups))


def moved(rows: NDArray[np.uint8], shifts: NDArray[Any]) -> NDArray[np.uint8]:
    """Return rows of the table (channels, ...), those that are coded moved by the shift of their channel."""
    far = shifts.astype(np.int32).reshape(-1, *(1,) * (rows.ndim - 1))
    found: NDArray[np.uint8] = np.where(rows > 0, np.clip(rows + far, 1, SCALES - 1), 0).astype(np.uint8)
    return found


def frequencies() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the cumulative frequencies of shifts, row by row, and how wide each row is.

    What is not zero falls as the inverse of its size, in whole numbers, so that all machines have the same.
    """
    total, least = 1 << PRECISION, 8
    weights = [5040 // size for size in range(1, _FARTHEST + 1)]
    rows = []
    for zeros in (_ZEROS[0], *_ZEROS):  # row 0 is coded by nobody
        side = [max(1, (total - zeros - least) * weight // (2 * sum(weights))) for weight in weights]
        middle = total - least - 2 * sum(side)
        rows.append(np.cumsum([0, *reversed(side), middle, *side, least]))
    return np.array(rows, np.int32), np.full(len(rows), _FARTHEST, np.int32)


class ShiftChoice:
    """Chooses the shifts of tiles by what their symbols cost; safe to share between threads."""

    def __init__(self, cdf: NDArray[np.int32], half_width: NDArray[np.int32]) -> None:
        """Tabulate costs; frequencies and how wide each row is, as of `tables.cumulative`."""
        self._told, self._bits = prices(*frequencies()), prices(cdf, half_width)
        self._range = np.arange(-_FARTHEST, _FARTHEST + 1)
        rows = np.clip(np.arange(SCALES)[:, None] + self._range, 1, SCALES - 1)
        self._moved = self._bits[rows].transpose(0, 2, 1).reshape(SCALES * (_LONGEST + 1), -1)

    def choose(self, parts: Iterable[tuple[NDArray[Any], NDArray[np.uint8]]]) -> tuple[int, Whole]:
        """Return the row of their table that shifts are best coded with, 0 for no shifts, and the shifts.

        Args:
            parts: symbols (channels, ...) and their rows, hyper-latent first, then step by step.
        """
        costs = np.concatenate([self._counts(*part) @ self._moved for part in parts])
        least, row, shifts = costs[:, _FARTHEST].sum() - _LEAST_BITS, 0, np.zeros(len(costs), np.int32)
        for each in range(1, ROWS + 1):
            told = costs + self._told[each][np.abs(self._range)]
            if told.min(axis=1).sum() < least:
                least, row = told.min(axis=1).sum(), each
                shifts = self._range[_nearest_least(told)].astype(np.int32)
        return row, shifts

    @staticmethod
    def _counts(symbols: NDArray[Any], rows: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return how often each row meets each size of symbol, (channels, rows * sizes)."""
        channels, width = len(rows), SCALES * (_LONGEST + 1)
        flat, sizes = rows.reshape(channels, -1), np.minimum(np.abs(symbols), _LONGEST).reshape(channels, -1)
        places = flat.astype(np.intp) * (_LONGEST + 1) + sizes + width * np.arange(channels)[:, None]
        return np.bincount(places[flat > 0], minlength=channels * width).reshape(channels, -1).astype(float)


def _nearest_least(costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return where each channel's cost is least; of equal ones the smallest shift."""
    order = np.argsort(np.abs(np.arange(costs.shape[1]) - _FARTHEST), kind="stable")
    found: NDArray[np.intp] = order[costs[:, order].argmin(axis=1)]
    return found


def prices(cdf: NDArray[np.int32], half_width: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return what symbols of one sign cost (bits) by row of a table and by size, from 0."""
    return np.array([_costs(row, int(w)) for row, w in zip(cdf, half_width, strict=True)])


def _costs(row: Sequence[int], half: int) -> NDArray[np.float64]:
    """Return what sizes 0.._LONGEST cost in a row of the table (bits); those that are escaped, about."""
    bits = PRECISION - np.log2(np.diff(np.asarray(row[: 2 * half + 3], np.float64)))
    size = np.arange(_LONGEST + 1)
    beyond = bits[-1] + 4 * np.ceil(1 + np.log2(np.maximum(size - half, 1)) / 4) + 4
    found: NDArray[np.float64] = np.where(size <= half, bits[np.minimum(half + size, 2 * half)], beyond)
    return found
