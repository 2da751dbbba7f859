"""The whole codec as it is trained: pixels -> rate and pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rsic_geo.codecs.learned_network import tables
from rsic_geo.codecs.learned_network.entropy import EntropyModel, phase_mask
from rsic_geo.codecs.learned_network.spec import CodecSpec, phases
from rsic_geo.codecs.learned_network.transform import Analysis, Gains, Synthesis

DEAD_ZONE = 0.03
"""Strength of the rate-aware rounding, see :func:`tables.thresholds`."""


@dataclass(slots=True)
class Coded:
    """What a batch came to."""

    pixels: Tensor
    """(n, 3, h, w) in 0..1, not clipped."""
    bits: Tensor
    """(n,) bits of each picture."""


def round_through(x: Tensor) -> Tensor:
    """Round, with the gradient of doing nothing."""
    return x + (x.round() - x).detach()


class LearnedNetwork(nn.Module):
    """Transforms, gains and entropy model of one codec."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        self.gains = Gains(spec)
        self.analysis = Analysis(spec)
        self.synthesis = Synthesis(spec)
        self.entropy = EntropyModel(spec)

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        *,
        hard: bool = False,
        held: bool = False,
        counts: Tensor | None = None,
    ) -> Coded:
        """Code pixels x (n, 3, h, w) in 0..1 at quality levels (n,), sides multiples of 8.

        With ``hard`` symbols are rounded as the encoder will, ``held`` keeps the encoder at rest; without
        bits are counted with uniform noise for rounding (J. Balle et al., arXiv:1611.01704) and pixels with
        rounded symbols (D. Minnen, S. Singh, arXiv:2007.08739). Hard symbols are added to
        ``counts``, if given.
        """
        gains, scales = self.gains(level), self.gains.log_scales(level, held=held)
        if held:
            gains = gains.detach()
            with torch.no_grad():
                v = self.analysis(x, gains, level)
        else:
            v = self.analysis(x, gains, level)
        decoded, bits = self.code(v, scales, level, hard=hard, counts=counts)
        return Coded(pixels=self.synthesis(decoded, gains, level), bits=bits)

    def code(
        self, v: Tensor, scales: Tensor, level: Tensor, *, hard: bool, counts: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return dequantised latents like v (n, 192, h, w), and bits (n,)."""
        model, (height, width) = self.entropy, v.shape[-2:]
        z = model.hyper_latents(v)
        z_scales = model.hyper_scales[None, :, None, None].expand_as(z)
        noisy = round_through(z) if hard else z + torch.rand_like(z) - 0.5
        bits = model.bits(noisy.float(), z_scales).sum(dim=(1, 2, 3))
        hyper = model.hyper_features(round_through(z), level, height, width)
        limits = tables.thresholds(tables.probabilities(model), DEAD_ZONE).to(v) if hard else None
        sizes = list(self.spec.groups)
        features: list[Tensor] = []
        decoded: list[Tensor] = []
        for group, part, base in zip(
            model.groups, torch.split(v, sizes, 1), torch.split(scales, sizes, 1), strict=True
        ):
            shared = group.shared(hyper, torch.cat(features, 1) if features else None)  # type: ignore[operator]
            known, counted, logs = torch.zeros_like(part), torch.zeros_like(part), torch.zeros_like(part)
            for number, phase in enumerate(phases(group.group)):  # type: ignore[arg-type]
                mask = phase_mask(phase, height, width, v.device)
                means, added = group.step(shared, known, number)  # type: ignore[operator]
                logs = torch.where(mask, base + added, logs)
                residual = part - means
                if limits is not None:
                    rounded = _round_hard(residual, logs, limits)
                    rounded = residual + (rounded - residual).detach()
                    counted = torch.where(mask, rounded, counted)
                else:
                    rounded = round_through(residual)
                    counted = torch.where(mask, residual, counted)
                known = torch.where(mask, means + rounded, known)
            if counts is not None:
                tables.add_counts(counts, counted, logs)
            if limits is None:
                counted = counted + torch.rand_like(counted) - 0.5
            bits = bits + model.bits(counted, logs).sum(dim=(1, 2, 3))
            features.append(group.own_features(known))  # type: ignore[operator]
            decoded.append(known)
        return torch.cat(decoded, 1), bits


def _round_hard(residual: Tensor, logs: Tensor, limits: Tensor) -> Tensor:
    return round_with(residual.detach(), tables.index_of(logs.detach()), limits)


def round_with(residual: Tensor, index: Tensor, limits: Tensor) -> Tensor:
    """Round residuals by the borders of their scale; latents of the first scale are not coded."""
    size = residual.abs()
    whole = size.floor()
    border = torch.where(whole == 0, limits[:, 0][index], limits[:, 1][index])
    rounded = whole + (size - whole >= border)
    return torch.where(index == 0, torch.zeros_like(rounded), rounded.copysign(residual))
