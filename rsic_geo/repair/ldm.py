"""The latent diffusion enhancer: start noise keyed by place, the rest as any other network."""

from __future__ import annotations

from torch import Tensor

from rsic_geo.repair.base import Place
from rsic_geo.repair.torch_enhancer import TorchEnhancer


class LdmEnhancer(TorchEnhancer):
    """An :class:`LdmNetwork` behind the Enhancer protocol.

    The prior of a 64 px cell is a function of its pixels, its distortion, the seed and its place in the
    scene, so two windows that share a cell see the same prior.
    """

    def predict(self, pixels: Tensor, sigma: Tensor, places: list[Place], seed: int) -> Tensor:
        """Return what the network adds to ``pixels`` (n, 3, h, w), told ``sigma`` (n, 1, h/64, w/64)."""
        correction: Tensor = self._network(pixels, sigma, origins=places, seed=seed)
        return correction
