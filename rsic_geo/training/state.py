"""What a training run is made of, and how it survives being killed."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rsic_geo.enhance.network import ResidualUNet, UNetSpec


@dataclass(slots=True, kw_only=True)
class TrainState:
    """Network, its average, optimiser and counters."""

    network: ResidualUNet
    average: ResidualUNet
    """Exponential moving average of the network's weights: what is validated and exported."""
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    """Training time spent over all runs."""
    images: int = 0
    """Where the next run begins in the stream of images."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Progress records, oldest first."""

    @classmethod
    def fresh(cls, spec: UNetSpec, *, seed: int, device: torch.device) -> TrainState:
        """Build an untrained state, the same for the same seed."""
        torch.manual_seed(seed)
        network = ResidualUNet(spec).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = copy.deepcopy(network).requires_grad_(False)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4)
        return cls(network=network, average=average, optimizer=optimizer)

    @torch.no_grad()
    def update_average(self, decay: float) -> None:
        """Move the average towards the network; faster while the run is young."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)

    def save(self, path: Path, *, slim: bool = False) -> None:
        """Write everything atomically: a kill leaves the previous file.

        A slim file holds the average in half precision and no optimiser: an eighth of the size, enough to
        export from and to go on from with a fresh optimiser.
        """
        average = self.average.state_dict()
        payload: dict[str, Any] = {
            "spec": self.network.spec.to_json(),
            "average": {key: value.half() for key, value in average.items()} if slim else average,
            "counters": {"step": self.step, "seconds": self.seconds, "images": self.images},
            "history": self.history,
        }
        if not slim:
            payload |= {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        torch.save(payload, temporary)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path, *, device: torch.device) -> TrainState:
        """Read what :meth:`save` wrote; weights only, no code is run from the file."""
        payload = torch.load(path, map_location=device, weights_only=True)
        state = cls.fresh(UNetSpec.from_json(payload["spec"]), seed=0, device=device)
        state.average.load_state_dict(payload["average"])
        state.network.load_state_dict(payload.get("network", payload["average"]))
        if "optimizer" in payload:
            state.optimizer.load_state_dict(payload["optimizer"])
        counters = payload["counters"]
        state.step, state.seconds, state.images = counters["step"], counters["seconds"], counters["images"]
        state.history = payload["history"]
        return state


def relative_loss(error: Tensor, sigma: Tensor, *, squared_share: float = 0.5) -> Tensor:
    """Mix of squared and Charbonnier loss of an error (n, 3, h, w) measured in units of the distortion.

    ``sigma`` (n, 1, h/64, w/64) is spread to pixels without interpolation: a weight, not an input. The
    Charbonnier part steadies a young network; the squared part alone is what PSNR asks for.
    """
    scale = nn.functional.interpolate(sigma, size=error.shape[-2:], mode="nearest")
    squared = (error / scale).square()
    return (1 - squared_share) * (squared + 1e-4).sqrt().mean() + squared_share * squared.mean()
