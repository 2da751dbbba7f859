"""From pixels to the tokens of the prior: one token per cell of the 64 px lattice.

::

    decoded (n,3,h,w) --+                                                  LRM, while training only
    original -----------+-- cells of 64 px, each alone -- convolutions -- mean -- layers -- F (n,C,h/64,w/64)

    decoded (n,3,h,w) --+-- cells of 64 px, each alone -- convolutions -- mean -- layers -- condition
    sigma --------------+                                                                LRM_DM, always

A token is computed from the pixels of its own cell and nothing else, zero padding included. So it is the
same in every window that holds the cell, whatever the window's extent.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsic_geo.repair.network.specs import PriorSpec
from rsic_geo.repair.network.unet import LATTICE, SIGMA_FLOOR, ResidualBlock

_FOLD = 4
"""Pixels are folded 4 x 4 into channels before the first convolution."""
_SIDE = LATTICE // _FOLD
_MEMORY = 200
"""Batches over which the statistics of F are averaged."""


def _cells(x: Tensor) -> Tensor:
    """Return the cells of x (n, bands, h, w), each alone: (n h/64 w/64, 16, 16, bands, 16)."""
    n, bands, h, w = x.shape
    x = x.reshape(n, bands, h // LATTICE, _SIDE, _FOLD, w // LATTICE, _SIDE, _FOLD)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7)  # (n, rows, cols, 16, 16, bands, 4, 4)
    return x.reshape(-1, _SIDE, _SIDE, bands, _FOLD**2)


def _flat_cells(x: Tensor, sigma: Tensor) -> Tensor:
    """Return the cells of x less each one's mean, in units of the contrast a restorer deals with."""
    cells = _cells(x)
    scale = 1.0 / (4 * sigma.clamp_min(SIGMA_FLOOR) + 0.05)
    return (cells - cells.mean(dim=(1, 2, 4), keepdim=True)) * scale.reshape(-1, 1, 1, 1, 1)


class CellEncoder(nn.Module):
    """Pixels of cells to one vector each: convolutions inside the cell, mean, two linear layers."""

    def __init__(self, bands: int, spec: PriorSpec) -> None:
        super().__init__()
        self.head = nn.Conv2d(bands * _FOLD**2, spec.widths[0], 3, padding=1)
        self.told = nn.Linear(1, spec.widths[0])
        layers: list[nn.Module] = [ResidualBlock(spec.widths[0]) for _ in range(spec.blocks)]
        for width, wider in zip(spec.widths[:-1], spec.widths[1:], strict=True):
            layers += [nn.Conv2d(width, wider, 2, stride=2), nn.ReLU()]
            layers += [ResidualBlock(wider) for _ in range(spec.blocks)]
        self.body = nn.Sequential(*layers)
        self.enter = nn.Linear(spec.widths[-1], spec.hidden)
        self.leave = nn.Linear(spec.hidden, spec.channels)

    def forward(self, cells: Tensor, sigma: Tensor) -> Tensor:
        """Return tokens (n, channels, h/64, w/64), float32.

        ``cells``: (n h/64 w/64, 16, 16, bands, 16), normalised. ``sigma``: (n, 1, h/64, w/64).
        """
        n, _, rows, cols = sigma.shape
        told = (sigma.clamp_min(SIGMA_FLOOR).log2().reshape(-1, 1) + 6.0) / 4.0
        x = cells.flatten(3).permute(0, 3, 1, 2)  # (cells, 16 bands, 16, 16), channels last
        x = F.relu(self.head(x) + self.told(told)[:, :, None, None])  # (cells, widths[0], 16, 16)
        x = self.body(x).mean(dim=(2, 3))  # (cells, widths[-1])
        x = self.leave(F.relu(self.enter(x)))  # (cells, channels)
        tokens: Tensor = x.float().reshape(n, rows, cols, -1).permute(0, 3, 1, 2)
        return tokens


class TokenNorm(nn.Module):
    """Brings every channel of F to mean 0 and variance 1 over all cells seen while it learned.

    Running statistics are used while learning too, so that F is a function of its cell alone.
    """

    mean: Tensor
    square: Tensor
    seen: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("square", torch.ones(channels, 1, 1))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (n, channels, h, w) normalised; in training mode learns from them first."""
        if self.training:
            with torch.no_grad():
                self.seen.add_(1).clamp_(max=_MEMORY)
                mean = tokens.mean(dim=(0, 2, 3)).reshape(-1, 1, 1)
                self.mean.lerp_(mean, 1 / self.seen)
                square = (tokens - self.mean).square().mean(dim=(0, 2, 3)).reshape(-1, 1, 1)
                self.square.lerp_(square, 1 / self.seen)
        return (tokens - self.mean) * (self.square + 1e-8).rsqrt()


class PriorEncoder(nn.Module):
    """The oracle, LRM of the paper: sees the original, so it exists while training only.

    F is normalised: one and the same tensor is what the diffusion learns to generate and what the
    restorer is fed.
    """

    def __init__(self, spec: PriorSpec) -> None:
        super().__init__()
        self.encoder = CellEncoder(6, spec)
        self.norm = TokenNorm(spec.channels)

    def forward(self, x: Tensor, original: Tensor, sigma: Tensor) -> Tensor:
        """Return F (n, channels, h/64, w/64).

        ``x``, ``original``: (n, 3, h, w) in units of 0..1. ``sigma``: (n, 1, h/64, w/64), RMSE of x.
        """
        # What the codec took away, in units of its RMSE: the scale on which the restorer corrects.
        lost = _cells(original - x) / sigma.clamp_min(SIGMA_FLOOR).reshape(-1, 1, 1, 1, 1)
        tokens: Tensor = self.norm(self.encoder(torch.cat([_flat_cells(x, sigma), lost], dim=3), sigma))
        return tokens


class ConditionEncoder(nn.Module):
    """What the decoded pixels and their distortion say about F, LRM_DM of the paper."""

    def __init__(self, spec: PriorSpec) -> None:
        super().__init__()
        self.encoder = CellEncoder(3, spec)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the condition (n, channels, h/64, w/64); arguments as of :class:`PriorEncoder`."""
        out: Tensor = self.encoder(_flat_cells(x, sigma), sigma)
        return out
