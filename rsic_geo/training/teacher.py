"""What a trained network would add to a crop, as a lesson for a smaller one.

Distillation for regression (G. Hinton et al., "Distilling the knowledge in a neural network", 2015): most of
the squared error that a crop shows a young network is noise no network can predict. A teacher's correction
holds the predictable part alone, so that gradients are quieter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import safe_open
from torch import Tensor

from rsic_geo.repair.integer.weights import INTEGER_FORMAT
from rsic_geo.repair.network import ResidualUNet, network_of
from rsic_geo.training.data import Crop
from rsic_geo.training.proposals import fitted_correction
from rsic_geo.training.rounding import float_again
from rsic_geo.training.views import VIEWS, mean_of_views

ToBatch: TypeAlias = Callable[[list[Crop], torch.device], tuple[Tensor, Tensor, Tensor]]
"""Crops -> decoded (n, 3, h, w), original, and distortion (n, 1, h/64, w/64), as tensors."""
_AT_ONCE = 8
"""Crops taught in one pass of the network."""


class Teacher:
    """A trained U-Net, the mean of several views, with the mix of proposals an encoder would choose.

    The views keep the phase of the wavelet; the mean of two (a transposition) is a better teacher (-0.37 %
    BD-rate) than one pass, the mean of eight a better one still (-0.71 %, for four times as long).
    """

    def __init__(
        self, network: ResidualUNet, *, device: torch.device, dtype: torch.dtype, views: int = 2
    ) -> None:
        """Take the network; ``views`` is one of :data:`rsic_geo.training.views.VIEWS`."""
        if views not in VIEWS:
            raise ValueError(f"{views} views: must be one of {', '.join(map(str, VIEWS))}")
        self.device, self.dtype, self.views = device, dtype, views
        network = network.eval().requires_grad_(False)
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def read(cls, path: Path, *, device: torch.device, dtype: torch.dtype, views: int = 2) -> Teacher:
        """Read a U-Net of three bands (.safetensors). Raises ValueError if the file holds another network."""
        with safe_open(path, "pt") as opened:
            metadata = opened.metadata()
            if metadata["format"] == INTEGER_FORMAT:
                return cls(float_again(path), device=device, dtype=dtype, views=views)
            network = network_of(metadata["format"], json.loads(metadata["spec"]))
            network.load_state_dict({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
        if type(network) is not ResidualUNet:
            raise ValueError(f"{path}: a teacher is a U-Net of three bands")
        return cls(network, device=device, dtype=dtype, views=views)

    @torch.inference_mode()
    def correct(self, x: Tensor, target: Tensor, sigma: Tensor) -> Tensor:
        """Return what to add to ``x`` (n, 3, h, w) in 0..1.

        ``target``: of the same shape, the original that the mix is fitted to. ``sigma``: (n, 1, h/64, w/64).
        """
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            mean = mean_of_views(self._network, x, sigma, self.views)
        return fitted_correction(mean, target - x, sigma)

    def teach(self, crops: Iterator[Crop], to_batch: ToBatch) -> Iterator[Crop]:
        """Yield the crops with their lessons; ``to_batch`` (that of ``train``) puts them on a device."""
        while batch := list(islice(crops, _AT_ONCE)):
            x, target, sigma = to_batch(batch, self.device)
            lessons = (self.correct(x, target, sigma) / spread(sigma, x)).half().cpu().numpy()
            for crop, lesson in zip(batch, lessons, strict=True):
                yield replace(crop, lesson=lesson)


def spread(sigma: Tensor, like: Tensor) -> Tensor:
    """Return the distortion (n, 1, h/64, w/64) for every pixel of ``like`` (n, c, h, w)."""
    return torch.nn.functional.interpolate(sigma, size=like.shape[-2:], mode="nearest")
