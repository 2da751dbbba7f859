"""The transform a codec begins with: colour rotation, time-domain lapped transform of 8 px blocks.

A lapped transform is a block DCT behind a filter across the block borders (T. D. Tran, J. Liang, C. Tu,
"Lapped transform via time-domain pre- and post-filtering", IEEE Trans. Signal Processing 51(6), 2003).
Borders of the picture are not filtered, so any picture of whole blocks comes back exactly.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rsic_geo.codecs.learned_network.spec import BLOCK

_HALF = BLOCK // 2
# Optimal for a first-order process with correlation 0.95: coding gain 9.615 dB (block DCT: 8.83 dB).
_V = (
    (0.9549890084529968, 0.7833399207274245, 0.35480497808599004, 0.23913919612554296),
    (-0.5519900880885479, 0.9007844136889973, 0.6187886149333335, 0.23536674878530967),
    (0.11235470237254416, -0.36465874462621173, 1.0916159393046512, 0.39038079961811223),
    (-0.02947547442869096, 0.008154123255292679, -0.11955122321646416, 1.1879085802975888),
)
_VARIANCE = (7.9929, 0.5470, 0.1459, 0.0776, 0.0477, 0.0368, 0.0295, 0.0277)
"""Variance of the analysed coefficients of that process, by frequency."""
_ENERGY = (0.7021, 0.7106, 0.8589, 0.8621, 0.9221, 0.9176, 0.9605, 0.9532)
"""Squared norm of the synthesis functions, by frequency."""
_CHROMA = (1.0, 0.04, 0.02)
"""Variance of the rotated colours against luminance, roughly."""
_COLOUR = (
    tuple(1 / math.sqrt(3) for _ in range(3)),
    (1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)),
    (1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6)),
)


def border_filters() -> tuple[Tensor, Tensor]:
    """Return the filter across a block border (8, 8), and its inverse."""
    one = torch.eye(_HALF, dtype=torch.float64)
    swap = one.flip(0)
    fold = torch.cat([torch.cat([one, swap], 1), torch.cat([swap, -one], 1)], 0)
    inner = torch.tensor(_V, dtype=torch.float64)
    before = 0.5 * fold @ _beside(one, inner) @ fold
    after = 0.5 * fold @ _beside(one, torch.linalg.inv(inner)) @ fold
    return before.float(), after.float()


def _beside(first: Tensor, second: Tensor) -> Tensor:
    """Return two squares on the diagonal of one."""
    empty = torch.zeros_like(first)
    return torch.cat([torch.cat([first, empty], 1), torch.cat([empty, second], 1)], 0)


def filter_borders(x: Tensor, matrix: Tensor) -> Tensor:
    """Filter pixels (n, c, h, w) of whole blocks across all inner block borders."""
    n, c, height, width = x.shape
    if height > BLOCK:
        inner = x[:, :, _HALF:-_HALF].reshape(n, c, height // BLOCK - 1, BLOCK, width)
        inner = torch.einsum("ij,ncbjw->ncbiw", matrix, inner)
        inner = inner.reshape(n, c, height - BLOCK, width)
        x = torch.cat([x[:, :, :_HALF], inner, x[:, :, -_HALF:]], dim=2)
    if width > BLOCK:
        inner = x[..., _HALF:-_HALF].reshape(n, c, height, width // BLOCK - 1, BLOCK) @ matrix.T
        inner = inner.reshape(n, c, height, width - BLOCK)
        x = torch.cat([x[..., :_HALF], inner, x[..., -_HALF:]], dim=3)
    return x


def mean_channels(count: int) -> list[int]:
    """Return which of the first ``count`` channels hold the means of blocks."""
    flat = block_transform()[0][:count].reshape(count, 3, -1)
    return [channel for channel in range(count) if bool((flat[channel].std(dim=1) < 1e-6).all())]


def block_transform() -> tuple[Tensor, Tensor, Tensor]:
    """Return (matrix, variance, energy) of the channels, in falling order of their expected worth.

    ``matrix`` (192, 192) is orthonormal and takes a block as ``pixel_unshuffle`` lays it out (band, row,
    column); its transpose is the inverse. ``variance`` (192,) is relative to luminance, ``energy`` the
    squared norm of the channel's synthesis function behind the border filter.
    """
    place = torch.arange(BLOCK, dtype=torch.float64)
    cosines = torch.cos(math.pi * (2 * place[None] + 1) * place[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    cosines[0] /= math.sqrt(2)
    colours = torch.tensor(_COLOUR, dtype=torch.float64)
    matrix = torch.kron(colours, torch.kron(cosines, cosines))
    one_way = torch.tensor(_VARIANCE, dtype=torch.float64)
    variance = torch.kron(torch.tensor(_CHROMA, dtype=torch.float64), torch.kron(one_way, one_way))
    norms = torch.tensor(_ENERGY, dtype=torch.float64)
    energy = torch.kron(torch.ones(3, dtype=torch.float64), torch.kron(norms, norms))
    order = torch.argsort(variance * energy, descending=True, stable=True)
    return matrix[order].float(), variance[order].float(), energy[order].float()
