"""Noise that belongs to places: the start of the diffusion, the same in every window that sees a cell.

A counter-based generator: a hash of (seed, lattice row, lattice column, channel) and nothing else. It is
integer arithmetic up to one last multiplication, so every device and every batch gives the same bits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_WORDS = 4
"""32 bit words hashed per value; each gives two 16 bit uniforms."""
_STEP = 0x9E3779B9
_DEVIATION = math.sqrt(2 * _WORDS * (2**32 - 1) / 12)


def _mix(x: Tensor) -> Tensor:
    """Scramble 32 bit integers held in int64; products stay below 2^63, so nothing overflows."""
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & _MASK
    x = ((x ^ (x >> 15)) * 0x735A2D97) & _MASK
    return x ^ (x >> 15)


def keyed_noise(rows: Tensor, cols: Tensor, *, channels: int, seed: int) -> Tensor:
    """Return standard noise (n, channels, h, w), float32, of lattice nodes.

    ``rows`` (n, h) and ``cols`` (n, w): int64 lattice coordinates of n windows, any sign. ``seed``: its
    lower 64 bits count. Each value is the scaled sum of eight uniform numbers: mean 0, variance 1, and
    normal to the eye, but never beyond 4.9.
    """
    state = torch.zeros(1, 1, 1, 1, dtype=torch.int64, device=rows.device)
    counters = torch.arange(channels * _WORDS, device=rows.device).reshape(1, -1, 1, 1)
    state = state + (seed & _MASK)
    keys = (state.new_tensor((seed >> 32) & _MASK), rows[:, None, :, None], cols[:, None, None, :], counters)
    for key in keys:
        # Mixed one after the other, so that swapping row and column gives other noise.
        state = _mix(_mix((state + _STEP) & _MASK) ^ (key & _MASK))
    n, _, h, w = state.shape
    words = state.reshape(n, channels, _WORDS, h, w)
    total = ((words >> 16) + (words & 0xFFFF)).sum(dim=2)  # (n, channels, h, w)
    return (total - _WORDS * 0xFFFF).float() * (1.0 / _DEVIATION)
