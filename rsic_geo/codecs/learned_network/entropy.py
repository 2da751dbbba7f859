"""What the symbols are expected to be, as it is trained: floating point, differentiable.

Latents are coded group by group from low to high frequencies, and the two lowest groups in two or three
interleaved phases, so that every step sees what its neighbours were (D. He et al., "Checkerboard context
model", CVPR 2021; "ELIC", CVPR 2022, arXiv:2203.10886). `exact.py` holds the same networks in integers: that
is what archives are made with.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rsic_geo.codecs.learned_network.lapped import mean_channels
from rsic_geo.codecs.learned_network.spec import (
    CHANNELS,
    HIGHEST_LOG2,
    HYPER_STRIDE,
    LOWEST_LOG2,
    MAGNITUDE_STEPS,
    SIGNED_DIVISOR,
    CodecSpec,
    Phase,
    phases,
)
from rsic_geo.codecs.learned_network.transform import quality_planes, soften


def phase_mask(phase: Phase, height: int, width: int, device: torch.device) -> Tensor:
    """Return a boolean (height, width) map of the places of one phase."""
    mask = torch.zeros(height, width, dtype=torch.bool, device=device)
    for row, column in phase.offsets:
        mask[row :: phase.period, column :: phase.period] = True
    return mask


def magnitude(v: Tensor) -> Tensor:
    """Press |v| so that small values keep their steps and large ones stay readable."""
    size = v.abs()
    return sum((size.clamp(max=limit) / divisor for limit, divisor in MAGNITUDE_STEPS), torch.zeros_like(v))


class GroupModel(nn.Module):
    """Expected means and log2 scales of one group of channels."""

    def __init__(self, spec: CodecSpec, group: int) -> None:
        super().__init__()
        self.group, self.count = group, spec.groups[group]
        self.has_means = group < len(spec.groups) - 1
        width, own = spec.hidden[group], self.count * (2 if group == 0 else 1)
        earlier = sum(spec.groups[:group]) + (spec.groups[0] if group else 0)
        self.hyper = nn.Conv2d(spec.hyper, width, 1)
        self.earlier = nn.Conv2d(earlier, width, 3, padding=1, bias=False) if group else None
        reaches = [phase.reach for phase in phases(group)[1:]]
        self.own = nn.ModuleList(
            nn.Conv2d(own, width, 3, padding=reach, dilation=reach, bias=False) for reach in reaches
        )
        self.direct = nn.ModuleList(
            nn.Conv2d(self.count, self.count, 3, padding=reach, dilation=reach, bias=False)
            for reach in reaches
            if group == 0
        )
        self.offsets = nn.Parameter(torch.zeros(len(reaches) + 1, self.count))
        """Log2 scales of each phase against the first."""
        self.middle = nn.Conv2d(width, width, 1)
        self.leave = nn.Conv2d(width, self.count * (1 + self.has_means), 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]
        if group:
            return
        # The first group expects the mean of the four known neighbours in the channels of the blocks' means.
        means = mean_channels(self.count)
        with torch.no_grad():
            for place, layer in enumerate(self.direct):
                nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
                diagonal = place % 2 == 0
                for row, column in (
                    ((0, 0), (0, 2), (2, 0), (2, 2)) if diagonal else ((0, 1), (1, 0), (1, 2), (2, 1))
                ):
                    layer.weight[means, means, row, column] = 0.24  # type: ignore[operator]
                self.offsets[place + 1, means] = -0.4 * (place + 1)

    def own_features(self, v: Tensor) -> Tensor:
        """Return what the group's latents tell later steps."""
        return torch.cat([v / SIGNED_DIVISOR, magnitude(v)], dim=1) if self.group == 0 else magnitude(v)

    def shared(self, hyper: Tensor, earlier: Tensor | None) -> Tensor:
        """Return the part of the first layer that all phases share."""
        hidden: Tensor = self.hyper(hyper)
        return hidden if self.earlier is None else hidden + self.earlier(earlier)

    def step(self, shared: Tensor, known: Tensor | None, phase: int) -> tuple[Tensor, Tensor]:
        """Return means and log2 scales (n, count, h, w), given own latents with unknown places at zero."""
        if known is not None and phase:
            shared = shared + self.own[phase - 1](self.own_features(known))
        hidden = F.relu(shared)
        out = self.leave(F.relu(self.middle(hidden)))
        offsets = self.offsets[phase][:, None, None]
        if not self.has_means:
            return torch.zeros_like(out), out + offsets
        means, scales = out.chunk(2, dim=1)
        scales = scales + offsets
        if known is not None and phase and self.direct:
            means = means + self.direct[phase - 1](known)
        return means, scales


class EntropyModel(nn.Module):
    """Hyper transforms, context networks and the shape of the distributions."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.hyper
        self.hyper_analysis = nn.Sequential(
            nn.Conv2d(2 * CHANNELS, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, spec.hyper_latents, 5, stride=2, padding=2),
        )
        with torch.no_grad():
            self.hyper_analysis[-1].weight.mul_(0.2)  # type: ignore[operator]
        self.hyper_scales = nn.Parameter(torch.full((spec.hyper_latents,), -2.0))
        """Log2 scale of each channel of the hyper-latent."""
        self.hyper_enter = nn.Conv2d(spec.hyper_latents, width, 3, padding=1)
        self.hyper_quality = nn.Conv2d(1, width, 1, bias=False)
        self.hyper_leave = nn.Conv2d(width, width, 3, padding=1)
        self.groups = nn.ModuleList(map(partial(GroupModel, spec), range(len(spec.groups))))
        self.tail_share = nn.Parameter(torch.tensor(-2.0))
        """Logit of the share of the wider normal distribution."""
        self.tail_ratio = nn.Parameter(torch.tensor(math.log(2.0)))
        """Log of how much wider it is."""

    def hyper_latents(self, v: Tensor) -> Tensor:
        """Return the hyper-latent (n, channels, h/4, w/4) of latents v, before rounding."""
        height, width = v.shape[-2:]
        v = F.pad(v, (0, -width % HYPER_STRIDE, 0, -height % HYPER_STRIDE), mode="replicate")
        z: Tensor = self.hyper_analysis(torch.cat([soften(v), magnitude(v)], dim=1))
        return z

    def hyper_features(self, z: Tensor, level: Tensor, height: int, width: int) -> Tensor:
        """Return features (n, hyper, height, width) of the rounded hyper-latent."""
        hidden = self.hyper_enter(z) + self.hyper_quality(quality_planes(level))
        hidden = F.relu(hidden).repeat_interleave(2, -1).repeat_interleave(2, -2)
        hidden = F.relu(self.hyper_leave(hidden)).repeat_interleave(2, -1).repeat_interleave(2, -2)
        return hidden[..., :height, :width]

    def bits(self, residual: Tensor, log2_scale: Tensor) -> Tensor:
        """Return the bits of residuals under the mixture of two normal distributions, elementwise."""
        size = residual.abs()
        inverse = torch.exp2(-log2_scale.clamp(LOWEST_LOG2, HIGHEST_LOG2))
        share = torch.sigmoid(self.tail_share)
        narrow = _mass(size, inverse)
        wide = _mass(size, inverse * torch.exp(-self.tail_ratio))
        return -torch.log2(((1 - share) * narrow + share * wide).clamp(min=2.0**-20))


def _mass(size: Tensor, inverse: Tensor) -> Tensor:
    """Return the mass of a normal distribution within half a step of ``size``."""
    factor = inverse / math.sqrt(2)
    return 0.5 * (torch.erfc((size - 0.5) * factor) - torch.erfc((size + 0.5) * factor))
