"""The latent diffusion enhancer: start noise keyed by place, the rest as any other network."""

from __future__ import annotations

from torch import Tensor, nn

from rsic_geo.enhance.base import Place
from rsic_geo.enhance.network import LdmNetwork, LdmSpec
from rsic_geo.enhance.torch_enhancer import TorchEnhancer
from rsic_geo.weights import WeightsFile


class LdmEnhancer(TorchEnhancer):
    """An :class:`LdmNetwork` behind the Enhancer protocol.

    The prior of a 64 px cell is a function of its pixels, its distortion, the seed and its place in the
    scene, so two windows that share a cell see the same prior.
    """

    @staticmethod
    def build(weights: WeightsFile) -> nn.Module:
        """Return the untrained network of a weights file; raises ValueError, TypeError or KeyError."""
        return LdmNetwork(LdmSpec.from_json(weights.spec))

    def predict(self, pixels: Tensor, sigma: Tensor, places: list[Place], seed: int) -> Tensor:
        """Return what the network adds to ``pixels`` (n, 3, h, w), told ``sigma`` (n, 1, h/64, w/64)."""
        correction: Tensor = self._network(pixels, sigma, origins=places, seed=seed)
        return correction
