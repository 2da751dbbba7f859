"""Pixels <-> latents in units of quantiser steps. Floating point: nothing here decides how bits are read."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rsic_geo.codecs.learned_network.lapped import block_transform, border_filters, filter_borders
from rsic_geo.codecs.learned_network.spec import BLOCK, CHANNELS, KNOTS, LEVELS, CodecSpec

_PIXEL_SCALE = 255.0
_PIXEL_MEAN = 0.5
_DEVIATION = 40.0
"""Standard deviation of luminance (8 bit samples) an untrained codec expects."""


def at_level(knots: Tensor, level: Tensor) -> Tensor:
    """Return (n, channels) values at levels (n,) 0..255, linear between ``knots`` (KNOTS, channels)."""
    place = level.to(knots.dtype) * ((KNOTS - 1) / LEVELS)
    index = place.floor().long().clamp(0, KNOTS - 2)
    share = (place - index)[:, None]
    return knots[index] * (1 - share) + knots[index + 1] * share


class Gains(nn.Module):
    """One scalar quality scales every channel: log gains at knots of the quality axis."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        _, variance, energy = block_transform()
        steps = torch.tensor([spec.step(k * LEVELS / (KNOTS - 1) / (LEVELS - 1)) for k in range(KNOTS)])
        self.knots = nn.Parameter(0.5 * energy.log()[None] - steps.log()[:, None])
        self.deviation = nn.Parameter(0.5 * variance.log() + math.log(_DEVIATION * math.sqrt(3)))
        """Natural log of each channel's expected standard deviation (8 bit samples): where scales start."""

    def forward(self, level: Tensor) -> Tensor:
        """Return gains (n, 192, 1, 1) at quality levels (n,)."""
        return at_level(self.knots, level).exp()[..., None, None]

    def log_scales(self, level: Tensor, *, held: bool = False) -> Tensor:
        """Return expected log2 deviations (n, 192, 1, 1) of the gained channels; gains ``held`` fixed."""
        natural = at_level((self.knots.detach() if held else self.knots) + self.deviation, level)
        return natural[..., None, None] / math.log(2)


def soften(v: Tensor) -> Tensor:
    """Press latents into a range a small network can read, sign kept."""
    return v / (1 + v.abs() / 4)


def quality_planes(level: Tensor) -> Tensor:
    """Return (n, 1, 1, 1) quality in 0..1."""
    return (level.float() / LEVELS)[:, None, None, None]


def _arithmetic(x: Tensor, reduced: torch.dtype | None) -> AbstractContextManager[None]:
    return torch.autocast(x.device.type, dtype=reduced, enabled=reduced is not None)


class Residual(nn.Module):
    """1x1, 3x3, 1x1 convolutions that begin as nothing, told the quality."""

    reduced: torch.dtype | None = None
    """Type of the arithmetic where training wants it cheaper than float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS, width, 1)
        self.quality = nn.Conv2d(1, width, 1, bias=False)
        self.spread = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, CHANNELS, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, v: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to add to latents v (n, 192, h, w), and features (n, width, h, w)."""
        with _arithmetic(v, self.reduced):
            hidden = F.relu(self.enter(soften(v)) + self.quality(quality_planes(level)))
            hidden = hidden + F.relu(self.spread(hidden))
            added: Tensor = self.leave(hidden)
        return added, hidden


class Analysis(nn.Module):
    """Pixels to latents."""

    before: Tensor

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.register_buffer("before", border_filters()[0])
        self.matrix = nn.Parameter(block_transform()[0])
        self.residual = Residual(spec.analysis)

    def forward(self, x: Tensor, gains: Tensor, level: Tensor) -> Tensor:
        """Return latents (n, 192, h/8, w/8) of pixels x (n, 3, h, w) in 0..1, sides in whole blocks."""
        blocks = F.pixel_unshuffle(filter_borders((x - _PIXEL_MEAN) * _PIXEL_SCALE, self.before), BLOCK)
        v = F.conv2d(blocks, self.matrix[..., None, None]) * gains
        added, _ = self.residual(v, level)
        result: Tensor = v + added.to(v.dtype)
        return result


class PostFilter(nn.Module):
    """Repairs pixels at half resolution, begins as nothing."""

    reduced: torch.dtype | None = None

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        width = spec.post
        self.hints = nn.Conv2d(spec.synthesis, 16 * (width // 2), 1)
        self.enter = nn.Conv2d(12 + width // 2, width, 3, padding=1)
        self.quality = nn.Conv2d(1, width, 1, bias=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
            )
            for _ in range(spec.post_blocks)
        )
        self.leave = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, pixels: Tensor, features: Tensor, level: Tensor) -> Tensor:
        """Return what to add to pixels (n, 3, h, w), in eighths of a quantiser step."""
        with _arithmetic(pixels, self.reduced):
            hints = F.pixel_shuffle(self.hints(features), 4)
            hidden = torch.cat([F.pixel_unshuffle(pixels, 2) / 64, hints.to(pixels.dtype)], dim=1)
            hidden = F.relu(self.enter(hidden) + self.quality(quality_planes(level)))
            for block in self.blocks:
                hidden = hidden + block(hidden)
            added: Tensor = self.leave(hidden)
        return F.pixel_shuffle(added, 2)


class Synthesis(nn.Module):
    """Latents to pixels."""

    after: Tensor
    steps: Tensor

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.register_buffer("after", border_filters()[1])
        steps = [spec.step(k * LEVELS / (KNOTS - 1) / (LEVELS - 1)) for k in range(KNOTS)]
        self.register_buffer("steps", torch.tensor(steps).log()[:, None])
        self.matrix = nn.Parameter(block_transform()[0].T.contiguous())
        self.residual = Residual(spec.synthesis)
        self.post = PostFilter(spec)

    def forward(self, v: Tensor, gains: Tensor, level: Tensor) -> Tensor:
        """Return pixels (n, 3, 8h, 8w) in 0..1, not clipped, of dequantised latents v (n, 192, h, w)."""
        added, features = self.residual(v, level)
        blocks = F.conv2d((v + added.to(v.dtype)) / gains, self.matrix[..., None, None])
        pixels = filter_borders(F.pixel_shuffle(blocks, BLOCK), self.after)
        step = at_level(self.steps, level).exp()[..., None, None]
        pixels = pixels + self.post(pixels, features, level).to(v.dtype) * (step / 8)
        result: Tensor = pixels / _PIXEL_SCALE + _PIXEL_MEAN
        return result
