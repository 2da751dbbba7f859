"""The whole codec as it is trained: pixels -> rate and pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from rsic_geo.codecs.learned_network import tables
from rsic_geo.codecs.learned_network.entropy import EntropyModel, phase_mask
from rsic_geo.codecs.learned_network.spec import CodecSpec, phases
from rsic_geo.codecs.learned_network.transform import Analysis, Gains, Synthesis

Rounding: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
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

    sharpness: float = 0.0
    """How steep the steps are that stand for rounding where it is not hard (1 / quantiser step); 0: noise."""
    refining: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    """Makes latents of pixels, latents and levels before a held encoder's are coded."""

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
        rounded symbols (D. Minnen, S. Singh, arXiv:2007.08739), or, where there is a ``sharpness``, both with
        steps that have a slope (:class:`SoftSteps`). Hard symbols are added to ``counts``, if given.
        """
        gains, scales = self.gains(level), self.gains.log_scales(level, held=held)
        if held:
            gains = gains.detach()
            with torch.no_grad():
                v = self.analysis(x, gains, level)
                v = v if self.refining is None else self.refining(x, v, level)
        else:
            v = self.analysis(x, gains, level)
        decoded, bits = self.code(v, scales, level, hard=hard, counts=counts)
        return Coded(pixels=self.synthesis(decoded, gains, level), bits=bits)

    def code(
        self, v: Tensor, scales: Tensor, level: Tensor, *, hard: bool, counts: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return dequantised latents like v (n, 192, h, w), and bits (n,)."""
        model = self.entropy
        z = model.hyper_latents(v)
        z_scales = model.hyper_scales[None, :, None, None].expand_as(z)
        noisy = round_through(z) if hard else z + torch.rand_like(z) - 0.5
        bits = model.bits(noisy.float(), z_scales).sum(dim=(1, 2, 3))
        hyper = model.hyper_features(round_through(z), level, *v.shape[-2:])
        rounding: Rounding = _noisy
        if hard or self.sharpness:
            limits = tables.thresholds(tables.probabilities(model), DEAD_ZONE).to(v)
            rounding = _HardSteps(limits) if hard else SoftSteps(limits, self.sharpness)
        decoded, coded = self.walk(v, scales, hyper, rounding)
        for counted, logs in coded:
            if counts is not None:
                tables.add_counts(counts, counted, logs)
            noise = torch.rand_like(counted) - 0.5 if rounding is _noisy else 0.0
            bits = bits + model.bits(counted + noise, logs).sum(dim=(1, 2, 3))
        return decoded, bits

    def walk(
        self, v: Tensor, scales: Tensor, hyper: Tensor, rounding: Rounding, *, is_linked: bool = True
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Go through the steps of coding latents v (n, 192, h, w), each by what the ones before became.

        Args:
            v: latents; rows and columns of the phases are counted from the first one.
            scales: log2 deviations expected before anything is known, (n, 192, 1, 1).
            hyper: features of the hyper-latent, (n, hyper, h, w).
            rounding: makes of residuals and log2 scales of the same shape what the decoder gets, and what is
                counted.
            is_linked: whether gradients go back from groups to the ones before.

        Returns:
            Dequantised latents like v; by group what is counted and its log2 scales, (n, channels, h, w).
        """
        (height, width), sizes = v.shape[-2:], list(self.spec.groups)
        features: list[Tensor] = []
        decoded: list[Tensor] = []
        coded: list[tuple[Tensor, Tensor]] = []
        for group, part, base in zip(
            self.entropy.groups, torch.split(v, sizes, 1), torch.split(scales, sizes, 1), strict=True
        ):
            shared = group.shared(hyper, torch.cat(features, 1) if features else None)  # type: ignore[operator]
            known, counted, logs = torch.zeros_like(part), torch.zeros_like(part), torch.zeros_like(part)
            for number, phase in enumerate(phases(group.group)):  # type: ignore[arg-type]
                mask = phase_mask(phase, height, width, v.device)
                means, added = group.step(shared, known, number)  # type: ignore[operator]
                logs = torch.where(mask, base + added, logs)
                rounded, symbols = rounding(part - means, logs)
                counted = torch.where(mask, symbols, counted)
                known = torch.where(mask, means + rounded, known)
            coded.append((counted, logs))
            told: Tensor = group.own_features(known)  # type: ignore[operator]
            features.append(told if is_linked else told.detach())
            decoded.append(known)
        return torch.cat(decoded, 1), coded


def _noisy(residual: Tensor, logs: Tensor) -> tuple[Tensor, Tensor]:
    """Decoders get rounded residuals; what is counted gets its noise later."""
    del logs
    return round_through(residual), residual


class _HardSteps:
    """Rounds as the encoder does, with the gradient of doing nothing."""

    def __init__(self, limits: Tensor) -> None:
        self._limits = limits

    def __call__(self, residual: Tensor, logs: Tensor) -> tuple[Tensor, Tensor]:
        rounded = _round_hard(residual, logs, self._limits)
        rounded = residual + (rounded - residual).detach()
        return rounded, rounded


class SoftSteps:
    """Rounds by steps with a slope, about the borders the encoder rounds by.

    Between two whole numbers a residual moves along a logistic curve about the border, so that what lies
    near it has a gradient and the rest has little (E. Agustsson, L. Theis, "Universally quantized neural
    compression", NeurIPS 2020, with another curve).
    """

    def __init__(self, limits: Tensor, sharpness: float) -> None:
        """Take borders as of `tables.thresholds`, and how steep the steps are (1 / quantiser step)."""
        self._limits, self._sharpness = limits, sharpness

    def __call__(self, residual: Tensor, logs: Tensor) -> tuple[Tensor, Tensor]:
        """Return (twice) what residuals come to; those of the first scale are 0."""
        index = tables.index_of(logs.detach())
        size = residual.abs()
        whole = size.detach().floor()
        border = torch.where(whole == 0, self._limits[:, 0][index], self._limits[:, 1][index])
        low = torch.sigmoid(-self._sharpness * border)
        high = torch.sigmoid(self._sharpness * (1 - border))
        risen = (torch.sigmoid(self._sharpness * (size - whole - border)) - low) / (high - low)
        soft = torch.where(index == 0, torch.zeros_like(risen), (whole + risen) * residual.sign())
        return soft, soft


def _round_hard(residual: Tensor, logs: Tensor, limits: Tensor) -> Tensor:
    return round_with(residual.detach(), tables.index_of(logs.detach()), limits)


def round_with(residual: Tensor, index: Tensor, limits: Tensor) -> Tensor:
    """Round residuals by the borders of their scale; latents of the first scale are not coded."""
    size = residual.abs()
    whole = size.floor()
    border = torch.where(whole == 0, limits[:, 0][index], limits[:, 1][index])
    rounded = whole + (size - whole >= border)
    return torch.where(index == 0, torch.zeros_like(rounded), rounded.copysign(residual))
