"""Pictures turned so that the wavelet's low-pass samples stay on even rows and columns.

A network of decoded JPEG 2000 knows that phase. A plain flip of an even side moves it to the odd places, and
averaging such flips makes a network worse (+0.4 % BD-rate); a flip about the first sample, that takes place
``j`` to ``side - j``, keeps the phase of all levels, and so does a transposition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

VIEWS = (1, 2, 8)
"""Of how many views a mean may be: the picture alone, transposed too, both mirrored along each axis too."""
_TRANSPOSED, _ROWS, _COLUMNS = 1, 2, 4


def mirrored(x: Tensor, axis: int) -> Tensor:
    """Return pixels with place ``j`` of an axis taken to ``side - j``.

    What would come to place 0 lies beyond the end: it is the sample the wavelet's own extension has there.
    """
    turned = x.flip(axis).roll(1, axis)
    index = [slice(None)] * x.ndim
    index[axis] = slice(0, 1)
    turned[tuple(index)] = x.narrow(axis, max(x.shape[axis] - 2, 0), 1)
    return turned


def seen(x: Tensor, view: int) -> Tensor:
    """Return pixels (n, c, h, w) in a view, 0 to 7; transposed ones are (n, c, w, h)."""
    if view & _TRANSPOSED:
        x = x.transpose(2, 3)
    if view & _ROWS:
        x = mirrored(x, 2)
    if view & _COLUMNS:
        x = mirrored(x, 3)
    return x


def seen_nodes(nodes: Tensor, view: int) -> Tensor:
    """Return what is told on a lattice of 64 px in a view; that it lies a pixel off is let be."""
    if view & _TRANSPOSED:
        nodes = nodes.transpose(2, 3)
    axes = [axis for axis, bit in ((2, _ROWS), (3, _COLUMNS)) if view & bit]
    return nodes.flip(axes) if axes else nodes


def _back(y: Tensor, view: int) -> tuple[Tensor, Tensor]:
    """Return what was made of a view, turned back (n, c, h, w), and where it says something (h, w)."""
    said = torch.ones(y.shape[-2:], device=y.device, dtype=y.dtype)
    if view & _COLUMNS:
        y = y.flip(3).roll(1, 3)
        said[:, 0] = 0  # place 0 of the picture was not in the view
    if view & _ROWS:
        y = y.flip(2).roll(1, 2)
        said[0] = 0
    if view & _TRANSPOSED:
        y, said = y.transpose(2, 3), said.T
    return y, said


def mean_of_views(
    predict: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor, count: int
) -> Tensor:
    """Return the mean of what a network makes of ``count`` views of pixels, turned back.

    Args:
        predict: (n, 3, h, w) in 0..1, (n, 1, h/64, w/64) -> (n, c, h, w); also for w by h.
        x: (n, 3, h, w) in 0..1, even sides, an even row and column of the scene first.
        sigma: (n, 1, h/64, w/64).
        count: one of ``VIEWS``. Raises ValueError otherwise.
    """
    total, weight = _summed(_made(predict, x, sigma, count))
    return total / weight


def _made(
    predict: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor, count: int
) -> Iterator[tuple[Tensor, Tensor]]:
    if count not in VIEWS:
        raise ValueError(f"{count} views: must be one of {', '.join(map(str, VIEWS))}")
    for view in range(count):
        yield _back(predict(seen(x, view), seen_nodes(sigma, view)), view)


def _summed(made: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    total, weight = next(made)
    for values, said in made:
        total = total + values * said
        weight = weight + said
    return total, weight
