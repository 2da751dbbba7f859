"""The restorer: a residual U-Net whose features are moved by a map of prior tokens (MEN of the paper).

::

    x (n,3,h,w), sigma -- fold -- head -- blocks ------------------(+)-- FiLM -- blocks -- tail -- * sigma
                                            shrink -- blocks --(+)-- FiLM -- blocks -- grow
                                                        shrink -- DFAM -- blocks -- grow
    F (n,C,h/64,w/64) feeds every FiLM and the DFAM

Without F it is a :class:`ResidualUNet`, weights and all. DFAM and FiLM begin as the identity, so hours
spent on the U-Net are not lost.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsic_geo.repair.network.specs import PriorSpec
from rsic_geo.repair.network.unet import ResidualUNet, UNetSpec


def _spread(tokens: Tensor, like: Tensor) -> Tensor:
    """Return tokens (n, c, h/64, w/64) interpolated between cell centres to the pixels of ``like``."""
    factor = like.shape[-1] // tokens.shape[-1]
    tokens = tokens.to(like.dtype).contiguous(memory_format=torch.channels_last)
    return F.interpolate(tokens, scale_factor=factor, mode="bilinear", align_corners=False)


def _silence(layer: nn.Conv2d) -> nn.Conv2d:
    """Return the layer with weights of zero: what it feeds begins as if it were not there."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


class ChannelNorm(nn.Module):
    """Mean 0, variance 1 over the channels of each pixel, then a scale and a shift per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width, 1, 1))
        self.shift = nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (n, width, h, w) normalised."""
        x = x - x.mean(dim=1, keepdim=True)
        x = x * (x.square().mean(dim=1, keepdim=True) + 1e-5).rsqrt()
        return x * self.scale + self.shift


class FiLM(nn.Module):
    """Scale and shift every channel by what the tokens say; starts as the identity."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.told = _silence(nn.Conv2d(channels, 2 * width, 1))

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        """Return x (n, width, h, w) moved by ``prior`` (n, channels, h/64, w/64)."""
        scale, shift = _spread(self.told(prior), x).chunk(2, dim=1)
        return torch.addcmul(x + shift, x, scale)


class DFAM(nn.Module):
    """Distortion-aware fusion of features M and prior F; starts as the identity.

    ::

        M -- norm -- 1x1 --(+)-- * weights -- 1x1 --(+ M)-- M1 -- norm -- FiLM -- gated 3x3 -- 1x1 --(+ M1)
        F ----------- 1x1 --+         |                                     |
        F ----------- 1x1, sigmoid ---+                               F -- 1x1

    Two changes to the paper, both so that no statistic of the window enters: the channel weights come from
    the tokens of the place, not from pooled features, and F is a map, not a mean of 16 tokens.
    """

    def __init__(self, width: int, spec: PriorSpec) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.own = nn.Conv2d(width, spec.hidden, 1)
        self.told = nn.Conv2d(spec.channels, spec.hidden, 1)
        self.weigh = nn.Conv2d(spec.channels, spec.hidden, 1)
        self.merge = _silence(nn.Conv2d(spec.hidden, width, 1))
        self.gate_norm = ChannelNorm(width)
        self.film = FiLM(width, spec.channels)
        self.gate = nn.Conv2d(width, 2 * spec.hidden, 1)
        self.depthwise = nn.Conv2d(2 * spec.hidden, 2 * spec.hidden, 3, padding=1, groups=2 * spec.hidden)
        self.leave = _silence(nn.Conv2d(spec.hidden, width, 1))

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        """Return M (n, width, h, w) fused with F (n, channels, h/64, w/64)."""
        skip = x
        weights = _spread(2 * self.weigh(prior).sigmoid(), x)  # (n, hidden, h, w), 0..2 as in the paper
        x = self.own(self.norm(x)) + _spread(self.told(prior), x)  # concat and 1x1, written as a sum
        x = skip + self.merge(F.gelu(x) * weights)
        skip = x
        x = self.gate(self.film(self.gate_norm(x), prior))  # (n, 2 hidden, h, w)
        a, b = self.depthwise(x).chunk(2, dim=1)
        x = self.leave(F.gelu(a) * b)
        return skip + x


class Restorer(ResidualUNet):
    """Predicts the correction of decoded pixels, told F where there is one.

    Its parameters are those of a ResidualUNet of the same spec plus, with a prior, ``dfam`` and ``films``.
    """

    def __init__(self, spec: UNetSpec, prior: PriorSpec | None) -> None:
        super().__init__(spec)
        self.dfam = DFAM(spec.widths[-1], prior) if prior else None
        films = [FiLM(width, prior.channels) for width in spec.widths[:-1]] if prior else []
        self.films = nn.ModuleList(films)

    def restore(self, x: Tensor, sigma: Tensor, prior: Tensor | None) -> Tensor:
        """Return corrections (n, 3 * proposals, h, w) to add to ``x``; the first begins at zero.

        ``x``: (n, 3, h, w) in units of 0..1, h and w multiples of 64, origin on the lattice.
        ``sigma``: (n, 1, h/64, w/64), RMSE of x. ``prior``: F (n, channels, h/64, w/64); None runs the
        U-Net alone.
        """
        folded, scale = self.fold(x, sigma)  # (n, 13, h/2, w/2), (n, 1, h/2, w/2)
        if prior is None or self.dfam is None:
            return F.pixel_shuffle(self._body(folded).float() * scale, 2)
        # A plain network has a ReLU behind every convolution that another one follows, as in ``_body``.
        after = F.relu if self.spec.plain else nn.Identity()
        x = after(self.head(folded))  # (n, widths[0], h/2, w/2)
        skips: list[Tensor] = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            skips.append(blocks(x))
            x = after(shrink(skips[-1]))  # (n, widths[k], h/2^(k+1), ...)
        x = self.middle(self.dfam(x, prior))
        levels = zip(reversed(self.grow), reversed(self.up), reversed(self.films), strict=True)
        for grow, blocks, film in levels:
            x = F.pixel_shuffle(grow(x), 2) + skips.pop()
            x = blocks(film(x, prior))
        return F.pixel_shuffle(self.tail(x).float() * scale, 2)
