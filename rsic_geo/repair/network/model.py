"""The whole of LDM-RSIC at the decoder: guess the distortion prior, restore with it.

::

    decoded x, sigma --+-- ConditionEncoder -- condition --+
    (seed, place) -----|------ keyed noise ------ F_T -----+-- Denoiser x T -- F --+
                       +-----------------------------------------------------------+-- Restorer -- correction

While training, PriorEncoder gives F from the original instead: the oracle, and the denoiser's target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rsic_geo.repair.network.denoiser import Denoiser
from rsic_geo.repair.network.diffusion import sample
from rsic_geo.repair.network.noise import keyed_noise
from rsic_geo.repair.network.prior import ConditionEncoder
from rsic_geo.repair.network.restorer import Restorer
from rsic_geo.repair.network.specs import LDM_FORMAT, LdmSpec
from rsic_geo.repair.network.unet import ResidualUNet, UNetSpec
from rsic_geo.repair.network.variants import VARIANTS_FORMAT, UNetVariants, VariantsSpec

Place = tuple[int, int]
"""Lattice row and column of a window's first node."""


class LdmNetwork(nn.Module):
    """Restorer, condition encoder and denoiser of one spec. Untrained it corrects nothing."""

    def __init__(self, spec: LdmSpec) -> None:
        super().__init__()
        self.spec = spec
        self.restorer = Restorer(spec.restorer, spec.prior)
        self.condition = ConditionEncoder(spec.prior) if spec.prior else None
        self.denoiser = Denoiser(spec.prior) if spec.prior else None

    def forward(
        self, x: Tensor, sigma: Tensor, *, origins: Sequence[Place] | None = None, seed: int = 0
    ) -> Tensor:
        """Return corrections (n, 3 * proposals, h, w) to add to ``x``.

        ``x``: (n, 3, h, w) in units of 0..1, h and w multiples of 64, origin on the lattice. ``sigma``:
        (n, 1, h/64, w/64), RMSE of x in the same units. ``origins``: where each window lies on the lattice
        (default: all at its origin); with ``seed`` it decides the start noise.
        """
        if self.spec.prior is None:
            return self.restorer.restore(x, sigma, None)
        start = self.start_noise(sigma, origins=origins, seed=seed)
        return self.restorer.restore(x, sigma, self.generate(x, sigma, start))

    def generate(self, x: Tensor, sigma: Tensor, start: Tensor) -> Tensor:
        """Return the generated prior F (n, channels, h/64, w/64) that begins with ``start``, same shape."""
        if self.condition is None or self.denoiser is None:
            raise ValueError("this network works without a prior")
        return sample(self.denoiser, self.condition(x, sigma), start, self.spec.diffusion)

    def start_noise(self, sigma: Tensor, *, origins: Sequence[Place] | None = None, seed: int = 0) -> Tensor:
        """Return F_T (n, channels, h/64, w/64) of windows with ``sigma`` (n, 1, h/64, w/64)."""
        n, _, rows, cols = sigma.shape
        channels = self.spec.prior.channels if self.spec.prior else 0
        if self.spec.diffusion.start == "zero":
            return sigma.new_zeros(n, channels, rows, cols)
        first = torch.tensor(origins or [(0, 0)] * n, dtype=torch.int64, device=sigma.device)  # (n, 2)
        at_rows = first[:, :1] + torch.arange(rows, device=sigma.device)  # (n, rows)
        at_cols = first[:, 1:] + torch.arange(cols, device=sigma.device)  # (n, cols)
        return keyed_noise(at_rows, at_cols, channels=channels, seed=seed)


def network_of(kind: str, spec: dict[str, Any]) -> nn.Module:
    """Return the untrained network of a weights file.

    Args:
        kind: its format: ``LDM_FORMAT``, ``VARIANTS_FORMAT``, or that of a lone U-Net.
        spec: JSON of the network's spec.

    Raises:
        ValueError, TypeError, KeyError: a spec of no such network, or a U-Net for single bands alone.
    """
    if kind == LDM_FORMAT:
        return LdmNetwork(LdmSpec.from_json(spec))
    if kind == VARIANTS_FORMAT:
        return UNetVariants(VariantsSpec.from_json(spec))
    unet = UNetSpec.from_json(spec)
    if unet.bands != 3:
        raise ValueError("a network of single bands is no enhancer without one of three beside it")
    return ResidualUNet(unet)


@torch.no_grad()
def macs_per_pixel(network: nn.Module, *, side: int = 64, bands: int = 3) -> float:
    """Return multiply-accumulates per input pixel, counted in one run over ``side`` x ``side`` px."""
    total = 0

    def count(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        weight = layer.get_parameter("weight")
        # A convolution's weights meet every output place, a linear layer's every token.
        total += weight.numel() * (output.numel() // weight.shape[0])

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        parameter = next(network.parameters())
        nodes = side // 64
        network(
            torch.zeros(1, bands, side, side, device=parameter.device),
            torch.ones(1, 1, nodes, nodes, device=parameter.device),
        )
    finally:
        for hook in hooks:
            hook.remove()
    return total / side**2
