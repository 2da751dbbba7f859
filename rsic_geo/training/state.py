"""What a training run is made of, and how it survives being killed."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn

from rsic_geo.repair.network import ResidualUNet, UNetSpec

_SIZE = (900, 420)
_MARGIN = 60


@dataclass(slots=True, kw_only=True)
class RunState:
    """What every training run has: a network, its average, optimiser and counters."""

    network: nn.Module
    average: nn.Module
    """Exponential moving average of the network's weights: what is validated and exported."""
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    """Training time spent over all runs."""
    images: int = 0
    """Where the next run begins in the stream of images."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Progress records, oldest first."""

    def description(self) -> dict[str, Any]:
        """Return what is needed to build the networks again, as plain JSON types."""
        raise NotImplementedError

    @torch.no_grad()
    def update_average(self, decay: float) -> None:
        """Move the average towards the network; faster while the run is young."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        for ours, theirs in zip(self.average.buffers(), self.network.buffers(), strict=True):
            ours.copy_(theirs)

    def save(self, path: Path, *, slim: bool = False) -> None:
        """Write everything atomically: a kill leaves the previous file.

        A slim file holds the average in half precision and no optimiser: an eighth of the size, enough to
        export from and to go on from with a fresh optimiser.
        """
        average = self.average.state_dict()
        payload: dict[str, Any] = {
            **self.description(),
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

    def restore(self, payload: dict[str, Any]) -> None:
        """Take over weights and counters of what :meth:`save` wrote, and the optimiser if it is there."""
        self.average.load_state_dict(payload["average"])
        self.network.load_state_dict(payload.get("network", payload["average"]))
        if "optimizer" in payload:
            self.optimizer.load_state_dict(payload["optimizer"])
        counters = payload["counters"]
        self.step, self.seconds, self.images = counters["step"], counters["seconds"], counters["images"]
        self.history = payload["history"]


@dataclass(slots=True, kw_only=True)
class TrainState(RunState):
    """State of a run that trains a U-Net."""

    network: ResidualUNet
    average: ResidualUNet

    @classmethod
    def fresh(cls, spec: UNetSpec, *, seed: int, device: torch.device) -> TrainState:
        """Build an untrained state, the same for the same seed."""
        torch.manual_seed(seed)
        network = ResidualUNet(spec).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = copy.deepcopy(network).requires_grad_(False)
        return cls(network=network, average=average, optimizer=make_optimizer(network.parameters()))

    @classmethod
    def load(cls, path: Path, *, device: torch.device) -> TrainState:
        """Read what :meth:`save` wrote; weights only, no code is run from the file."""
        payload = read_payload(path)
        state = cls.fresh(UNetSpec.from_json(payload["spec"]), seed=0, device=device)
        state.restore(payload)
        return state

    def description(self) -> dict[str, Any]:
        """Return the spec of the network."""
        return {"spec": self.network.spec.to_json()}


def make_optimizer(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimiser every run uses."""
    return torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4)


def read_payload(path: Path) -> dict[str, Any]:
    """Return the content of a state file, on the CPU; weights only, no code is run from it."""
    payload: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return payload


def draw_history(history: list[dict[str, float]], path: Path, *, second: str = "gain_db") -> None:
    """Draw loss (left, blue) and another value (right, orange) over the steps; nothing if too short."""
    if len(history) < 2:
        return
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    box = (_MARGIN, 30, _SIZE[0] - _MARGIN, _SIZE[1] - 40)
    draw.rectangle(box, outline="grey")
    steps = np.array([record["step"] for record in history])
    for key, colour, side in (("loss", "#1f77b4", 0), (second, "#ff7f0e", 1)):
        values = np.array([record[key] for record in history])
        low, high = (float(v) for v in np.quantile(values, [0.01, 0.99]))
        high = high if high > low else low + 1e-6
        xs = box[0] + (box[2] - box[0]) * (steps - steps[0]) / max(1, steps[-1] - steps[0])
        ys = box[3] - (box[3] - box[1]) * np.clip((values - low) / (high - low), 0, 1)
        draw.line([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], fill=colour, width=2)
        left = 4 if side == 0 else box[2] + 4
        draw.text((left, box[1]), f"{high:.3f}", fill=colour)
        draw.text((left, box[3] - 10), f"{low:.3f}", fill=colour)
        draw.text((box[0] + 10 + 120 * side, 10), key, fill=colour)
    draw.text((box[0], box[3] + 8), f"step {steps[0]:.0f}", fill="black")
    draw.text((box[2] - 80, box[3] + 8), f"step {steps[-1]:.0f}", fill="black")
    image.save(path)
