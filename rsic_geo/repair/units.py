"""What enhancers and filters compute in: steps of a used range, and products that no library shares out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

STEPS = 4080
"""Steps of a band's used range that pixels are seen in: 16 for a digital number of uint8."""
FINE = 16 * STEPS
"""Steps of it that corrections are given in: 256 for a digital number of uint8."""
LEAST, MOST = -STEPS, 2 * STEPS
"""Ends that pixels are held to, in steps: values far outside the used range say nothing of what was lost."""

Steps: TypeAlias = NDArray[np.int16]


def row_strips(rows: int, columns: int, pixels: int) -> Iterator[slice]:
    """Yield rows of about so many pixels: what stays in a processor's cache while it is worked on."""
    count = max(1, pixels // columns)
    for first in range(0, rows, count):
        yield slice(first, min(first + count, rows))


_ALONE = 1 << 18
"""Multiplications up to which OpenBLAS starts no threads of its own.

Windows and tiles are worked on side by side already; on busy cores its threads wait for each other by
spinning, which took 2.2 times the processor time of a whole decoding.
"""


def product(small: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Return ``small @ columns``, (m, k) by (k, n), computed in pieces that no library shares out."""
    rows, inner = small.shape
    if len(columns) != inner:
        raise ValueError(f"({rows}, {inner}) by {columns.shape} is no product")
    count = columns.shape[1]
    width = max(_ALONE // max(rows * inner, 1), 1)
    whole = count // width * width
    out = np.empty((rows, count), np.result_type(small, columns))
    shape = (count // width, width)
    pieces = columns[:, :whole].reshape(inner, *shape).transpose(1, 0, 2)
    np.matmul(small, pieces, out=out[:, :whole].reshape(rows, *shape).transpose(1, 0, 2))
    out[:, whole:] = small @ columns[:, whole:]
    return out


def gram(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Return ``left @ right.T``, (m, n) by (k, n), computed in pieces that no library shares out."""
    count = left.shape[1]
    width = max(_ALONE // max(len(left) * len(right), 1), 1)
    whole = count // width * width
    pieces = (
        each[:, :whole].reshape(len(each), count // width, width).transpose(1, 0, 2) for each in (left, right)
    )
    first, second = pieces
    total = np.matmul(first, second.transpose(0, 2, 1)).sum(axis=0)
    return np.asarray(total + left[:, whole:] @ right[:, whole:].T)
