"""Run a float network of `repair.network`: those with a diffusion prior, and U-Nets not yet made integers."""

from __future__ import annotations

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from rsic_geo.devices import choose_device, full_float32, has_bfloat16, one_thread
from rsic_geo.errors import GridError, WeightsError
from rsic_geo.geo.lattice import NODE, sigma_lattice
from rsic_geo.geo.window import Window
from rsic_geo.repair.base import Sight
from rsic_geo.repair.network import LdmNetwork, ResidualUNet, UNetVariants, network_of, paired
from rsic_geo.repair.units import FINE, STEPS, Steps
from rsic_geo.weights import WeightsFile

HALO = 64
"""Measured: with this margin windows of 256 to 1024 px agree (tests/repair)."""


class TorchEnhancer:
    """A network behind the Enhancer protocol; safe to share between threads.

    Arithmetic is float32 on every device (no TF32, no autotuning), so CPU and CUDA agree far below one DN
    of 8 bits. With ``fast`` the convolutions run in bfloat16 where the processor has it (elsewhere nothing
    changes): measured twice as fast, PSNR within 0.001 dB, 1 to 3 % of 8 bit pixels off by one DN.
    The prior of a diffusion network is a function of a cell's pixels, its distortion, the seed and its place
    in the scene, so two windows that share a cell see the same prior.
    """

    halo = HALO
    is_exact = False

    def __init__(
        self, network: nn.Module, weights: WeightsFile, *, device: torch.device, fast: bool = False
    ) -> None:
        self.name = weights.name
        self.proposals = int(getattr(network.spec, "proposals", 1))
        if type(network) is ResidualUNet:  # seeing a single band three times would be work for nothing
            network = paired(network)
        self._knows_single = isinstance(network, UNetVariants)
        self.sha256 = weights.sha256
        self.device = device
        self.fast = fast and has_bfloat16(device)
        network = network.eval().requires_grad_(False).float()
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_weights(cls, weights: WeightsFile, *, device: str = "auto", fast: bool = False) -> TorchEnhancer:
        """Build the network a weights file describes. Raises WeightsError if file and spec do not agree."""
        try:
            network = network_of(weights.metadata.get("format", ""), weights.spec)
            network.load_state_dict(safetensors.torch.load(weights.content))
        except (SafetensorError, RuntimeError, TypeError, ValueError, KeyError) as error:
            raise WeightsError(f"weights {weights.name!r} do not fit the network they describe") from error
        return cls(network, weights, device=choose_device(device), fast=fast)

    def view(self, core: Window, bounds: Window) -> Window:
        """Return whole squares of the lattice, and one around them; see :class:`Enhancer`."""
        return Window.between(
            max(core.row_off // NODE * NODE - HALO, 0),
            min(-(-core.row_stop // NODE) * NODE + HALO, bounds.row_stop),
            max(core.col_off // NODE * NODE - HALO, 0),
            min(-(-core.col_stop // NODE) * NODE + HALO, bounds.col_stop),
        )

    def correct(self, sight: Sight, seed: int = 0) -> Steps:
        """See :meth:`rsic_geo.repair.base.Enhancer.correct`.

        Where the weights hold no network of single bands, a band is corrected as three equal ones would be.
        """
        sight.check()
        window = sight.window
        if any(side % NODE for side in (window.row_off, window.col_off, *sight.pixels.shape[1:])):
            raise GridError(f"{window} is not aligned to the lattice of {NODE} px")
        pixels = self._tensor(sight.pixels.astype(np.float32) / np.float32(STEPS))
        sigma = self._tensor(sigma_lattice(sight.cells, window))[None]
        with one_thread():  # for each window: the number of threads cannot change the result then
            found = self._run(pixels, sigma, (window.row_off // NODE, window.col_off // NODE), seed)
        inner = found[(slice(None), *sight.core.within(window).slices)]
        return np.clip(np.rint(inner * FINE), -32767, 32767).astype(np.int16)

    @torch.inference_mode()
    def _run(self, pixels: Tensor, sigma: Tensor, place: tuple[int, int], seed: int) -> NDArray[np.float32]:
        is_tripled = pixels.shape[1] == 1 and not self._knows_single
        if is_tripled:
            pixels = pixels.expand(-1, 3, -1, -1)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        reduced = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.fast)
        with full_float32(), reduced:
            if isinstance(self._network, LdmNetwork):
                correction = self._network(pixels, sigma, origins=[place], seed=seed)
            else:
                correction = self._network(pixels, sigma)
        if is_tripled:
            shape = (self.proposals, 3, *correction.shape[2:])
            correction = correction.reshape(shape).mean(dim=1)[None]
        result: NDArray[np.float32] = correction[0].float().contiguous().cpu().numpy()
        return result

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))[None].to(self.device)
