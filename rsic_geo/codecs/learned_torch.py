"""The learned codec's network by torch: what encoders need, and pixels on CUDA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsic_geo.codecs.learned_network.exact import ONE, SYMBOL_LIMIT
from rsic_geo.codecs.learned_network.frozen import thawed
from rsic_geo.codecs.learned_network.model import LearnedNetwork
from rsic_geo.codecs.learned_network.refine import Refiner, Refining
from rsic_geo.codecs.learned_network.spec import CodecSpec
from rsic_geo.codecs.learned_shifts import prices
from rsic_geo.devices import choose_device, repeatable

Samples = NDArray[np.float32]


class TorchNetwork:
    """The float part of one set of weights on a device; safe to share between threads."""

    def __init__(
        self,
        spec: CodecSpec,
        tensors: Mapping[str, NDArray[Any]],
        frozen: Mapping[str, NDArray[Any]],
        device: str,
    ) -> None:
        """Take over tensors whose shapes fit, and the integers of the entropy model.

        Raises UsageError: no such device.
        """
        self.device = choose_device(device)
        with torch.inference_mode(False):  # refining needs gradients, wherever the codec is first used
            network = LearnedNetwork(spec)
            state = {name: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()}
            wanted = network.state_dict()
            for name, value in frozen.items():  # only refining needs them in floating point
                state |= thawed(name, torch.from_numpy(value), wanted)
            network.load_state_dict(state, strict=False)  # what is missing are tails: symbols have tables
            self._network = network.eval().requires_grad_(False).to(self.device)
            told = (prices(frozen["cdf"], frozen["half_width"]), frozen["limits"])
            self._refiner = Refiner(
                self._network, *(torch.from_numpy(each.astype(np.float32)).to(self.device) for each in told)
            )

    def analyse(self, samples: Samples, level: int) -> tuple[Samples, NDArray[np.int32]]:
        """Return latents (192, h, w), and hyper-latent symbols, of samples (1 or 3, 8h, 8w)."""
        with repeatable(self.device):
            x = torch.from_numpy(samples)[None].to(self.device).expand(-1, 3, -1, -1)
            told = torch.tensor([level], device=self.device)
            v = self._network.analysis(x, self._network.gains(told), told)
            z = self._network.entropy.hyper_latents(v)[0].double().round().clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
            return v[0].cpu().numpy(), z.cpu().numpy().astype(np.int32)

    def refine(
        self,
        samples: Samples,
        found: tuple[Samples, NDArray[np.int32]],
        level: int,
        *,
        passes: int,
        shifts: NDArray[np.int32],
    ) -> Samples:
        """Return what `Refiner` makes of what :meth:`analyse` found in samples (1 or 3, h, w)."""
        with repeatable(self.device), torch.inference_mode(False), torch.no_grad():
            x, v, z = (
                torch.tensor(each, dtype=torch.float32)[None].to(self.device) for each in (samples, *found)
            )
            how = Refining(
                level=torch.tensor([level], device=self.device),
                passes=passes,
                shifts=torch.from_numpy(shifts).to(self.device),
                is_grey=len(samples) == 1,
            )
            moved: Samples = self._refiner(x.expand(-1, 3, -1, -1), v, z, how)[0].cpu().numpy()
            return moved

    def __call__(self, latents: NDArray[np.int32], level: int) -> Samples:
        """Return pixels as `SynthesisSession` does."""
        with repeatable(self.device):
            told = torch.tensor([level], device=self.device)
            v = torch.from_numpy(latents)[None].to(self.device).float() / ONE
            pixels: Samples = self._network.synthesis(v, self._network.gains(told), told)[0].cpu().numpy()
            return pixels
