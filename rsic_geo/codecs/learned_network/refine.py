"""Latents moved a little before they are coded: less bits and error together. Encoders alone need it.

The analysis knows neither how latents will be rounded nor what the synthesis makes of that. A few steps down
the gradient of bits plus lambda times squared error, taken for the very tile, tell it (J. Campos et al.,
"Content adaptive optimization for neural image compression", CVPR workshops 2019, arXiv:1906.01223; Y. Yang,
R. Bamler, S. Mandt, "Improving inference for neural image compression", NeurIPS 2020, arXiv:2006.04240). What
decodes the tile knows nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rsic_geo.codecs.learned_network import tables
from rsic_geo.codecs.learned_network.model import DEAD_ZONE, LearnedNetwork, SoftSteps
from rsic_geo.codecs.learned_network.spec import (
    BLOCK,
    LOWEST_LOG2,
    PER_OCTAVE,
    SCALES,
    phases,
)

_RATE = 0.05
"""How far a latent may move in the first step (quantiser steps)."""
_LAST = 0.1
"""Of that the share in the last one, about."""
_MOMENTA = (0.5, 0.9)
"""Of Adam, shorter than usual: there are few passes, and gradients turn at the borders of rounding."""
_SHARPNESS = (7.0, 20.0)
"""How steep rounding's steps are taken for, from the first pass to the last (1 / quantiser step)."""
_PIECE = 64
"""Side (latents) of what is moved at a time, so that memory does not grow with the tile."""
_HALO = 8
"""Latents around a piece that rest and are seen: a multiple of what phases repeat after."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What symbols cost, by the tables they are really coded with."""

    bits: Tensor
    """(SCALES, sizes) of symbols of size 0, 1, 2..., one sign."""

    def __call__(self, size: Tensor, rows: Tensor) -> Tensor:
        """Return bits of sizes at rows, neither whole: linear between sizes, and between rows."""
        longest = self.bits.shape[1] - 1
        size = size.clamp(max=longest - 1e-3)
        rows = (rows - 0.5).clamp(1, SCALES - 1 - 1e-3)
        low, row = size.detach().floor(), rows.detach().floor()
        more, further = size - low, rows - row
        place = (row * (longest + 1) + low).long()
        flat = self.bits.reshape(-1)
        left = flat[place] * (1 - more) + flat[place + 1] * more
        place = place + longest + 1
        right = flat[place] * (1 - more) + flat[place + 1] * more
        return left * (1 - further) + right * further


@dataclass(frozen=True, slots=True, kw_only=True)
class Refining:
    """How latents are to be moved."""

    level: Tensor
    """Qualities (n,)."""
    passes: int
    """Steps down the gradient."""
    shifts: Tensor | None = None
    """Rows of the table by which the channels of each step move, see `codecs.learned_shifts`."""
    is_grey: bool = False
    """Whether the mean of the three bands is what comes back."""


@dataclass(slots=True)
class _Piece:
    """Part of a tile: what is moved, and what is seen around it."""

    core: tuple[slice, slice]
    """Latents that are moved, within ``seen``."""
    seen: tuple[slice, slice]


class Refiner:
    """Moves latents of one network; safe to share between threads."""

    def __init__(self, network: LearnedNetwork, prices: Tensor, limits: Tensor) -> None:
        """Take the network at rest, its entropy model in floating point, on its device.

        Args:
            network: all of it.
            prices: bits (SCALES, sizes) of symbols by row and size.
            limits: borders of rounding (SCALES, 2), see `tables.thresholds`.
        """
        self._network, self._prices, self._limits = network, Prices(prices), limits

    @classmethod
    def of(cls, network: LearnedNetwork) -> Refiner:
        """Return that of a network in training, whose symbols cost what its own distributions say."""
        probability = tables.probabilities(network.entropy)
        told = (-torch.log2(probability.clamp(min=2.0**-20)), tables.thresholds(probability, DEAD_ZONE))
        return cls(network, *(each.to(network.gains.knots) for each in told))

    def __call__(self, x: Tensor, v: Tensor, z: Tensor, how: Refining) -> Tensor:
        """Return latents like v (n, 192, h, w) that cost less.

        Args:
            x: pixels (n, 3, height, width) in 0..1, sides up to those of v in px.
            v: latents as the analysis found them.
            z: symbols of the hyper-latent (n, channels, ...); they stay.
            how: quality, passes and what belongs to the tile.
        """
        hyper = self._network.entropy.hyper_features(z, how.level, *v.shape[-2:])
        moved = v.clone()
        for piece in _pieces(*v.shape[-2:]):
            seen = (..., *piece.seen)
            high, wide = (slice(part.start * BLOCK, part.stop * BLOCK) for part in piece.seen)
            rows, columns = (
                slice(whole.start + part.start, whole.start + part.stop)
                for whole, part in zip(piece.seen, piece.core, strict=True)
            )
            moved[..., rows, columns] = self._move(x[..., high, wide], v[seen], hyper[seen], piece.core, how)
        return moved

    def _move(self, x: Tensor, v: Tensor, hyper: Tensor, core: tuple[slice, slice], how: Refining) -> Tensor:
        """Return the core of latents v, moved; the rest of them is seen and rests."""
        network, inner = self._network, (..., *core)
        gains, scales = network.gains(how.level), network.gains.log_scales(how.level)
        weight = torch.tensor([network.spec.refined_weight(int(level)) for level in how.level]).to(v)
        told = self._told(how.shifts, v)
        part = v[inner].clone().requires_grad_(True)
        descent = torch.optim.Adam([part], betas=_MOMENTA)
        for number in range(how.passes):
            done, share = number / how.passes, (number + 0.5) / how.passes
            descent.param_groups[0]["lr"] = _RATE * (_LAST + (1 - _LAST) * math.cos(math.pi / 2 * done) ** 2)
            steps = SoftSteps(self._limits, _SHARPNESS[0] * (_SHARPNESS[1] / _SHARPNESS[0]) ** share)
            with torch.enable_grad():
                around = v.clone()
                around[inner] = part
                decoded, coded = network.walk(around, scales, hyper, steps, is_linked=False)
                pixels = network.synthesis(decoded, gains, how.level)[..., : x.shape[-2], : x.shape[-1]]
                if how.is_grey:
                    pixels = pixels.mean(dim=1, keepdim=True)
                error = (pixels.clamp(0, 1) - x[:, : pixels.shape[1]]).square().mean(dim=1).sum(dim=(1, 2))
                cost = (weight * error).sum()
                for (counted, logs), shift in zip(coded, told, strict=True):
                    rows = (logs - LOWEST_LOG2) * PER_OCTAVE
                    bits = self._prices(counted.abs(), rows + shift)
                    cost = cost + torch.where(rows < 1, torch.zeros_like(bits), bits).sum()
                (part.grad,) = torch.autograd.grad(cost, part)
            descent.step()
        return part.detach()

    def _told(self, shifts: Tensor | None, v: Tensor) -> list[Tensor]:
        """Return by group how far rows move, (channels, h, w), of shifts told by channel and step."""
        told, first, (height, width) = [], self._network.spec.hyper_latents, v.shape[-2:]
        for group, count in enumerate(self._network.spec.groups):
            far = torch.zeros(count, height, width, device=v.device)
            for phase in phases(group):
                now = far.new_zeros(count) if shifts is None else shifts[first : first + count].to(far)
                first += count
                for row, column in phase.offsets:
                    far[:, row :: phase.period, column :: phase.period] = now[:, None, None]
            told.append(far)
        return told


def _pieces(height: int, width: int) -> Sequence[_Piece]:
    """Cut a tile so that every latent is moved once, each piece seen with latents around it."""
    ways = []
    for length in (height, width):
        ends = [*range(0, max(1, length - _PIECE // 2), _PIECE), length]
        spans = []
        for start, stop in zip(ends[:-1], ends[1:], strict=True):
            low, high = max(0, start - _HALO), min(length, stop + _HALO)
            spans.append((slice(start - low, stop - low), slice(low, high)))
        ways.append(spans)
    return [
        _Piece(core=(rows[0], columns[0]), seen=(rows[1], columns[1]))
        for rows in ways[0]
        for columns in ways[1]
    ]


def refined(network: LearnedNetwork, passes: int, x: Tensor, v: Tensor, level: Tensor) -> Tensor:
    """Return latents v (n, 192, h, w) of pixels x at levels (n,), moved by a network in training.

    The encoder keeps the hyper-latent it found; whoever codes what this returns finds it anew, which hardly
    ever makes another.
    """
    z = network.entropy.hyper_latents(v).round()
    return Refiner.of(network)(x, v, z, Refining(level=level, passes=passes))
