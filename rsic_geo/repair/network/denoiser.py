"""The denoiser: tokens of noise and a condition in, the tokens the noise was made of out.

::

    F_t (n,C,h,w) ------+
    condition (n,C,h,w) +-- linear -- [linear, SiLU, linear + skip] x depth -- linear -- F_0 (n,C,h,w)
    t ------------------+

It works on each token alone. Neighbouring tokens meet in the restorer, where the prior is a map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsic_geo.repair.network.specs import PriorSpec


class TokenBlock(nn.Module):
    """Norm, two linear layers, skip; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (..., width) plus what the block adds."""
        skip = x
        x = self.leave(F.silu(self.enter(self.norm(x))))
        return skip + x


class Denoiser(nn.Module):
    """Predicts F_0 (x0 parameterisation) from F_t, t and the condition; the paper's "ResMLP"."""

    def __init__(self, spec: PriorSpec) -> None:
        super().__init__()
        self.enter = nn.Linear(2 * spec.channels + 1, spec.hidden)
        self.blocks = nn.Sequential(*(TokenBlock(spec.hidden) for _ in range(spec.depth)))
        self.leave = nn.Linear(spec.hidden, spec.channels)

    def forward(self, noisy: Tensor, condition: Tensor, level: float) -> Tensor:
        """Return the predicted F_0 (n, channels, h, w).

        ``noisy``, ``condition``: (n, channels, h, w). ``level``: t/T in 0..1, 1 where all is noise.
        """
        told = torch.full_like(noisy[:, :1], level)
        x = torch.cat([noisy, condition, told], dim=1).permute(0, 2, 3, 1)  # (n, h, w, 2 channels + 1)
        x = self.blocks(self.enter(x))  # (n, h, w, hidden)
        out: Tensor = self.leave(x).float().permute(0, 3, 1, 2)
        return out
