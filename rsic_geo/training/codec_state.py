"""State of a run that trains a learned codec."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rsic_geo.codecs.learned_network import CodecSpec, LearnedNetwork
from rsic_geo.training.state import RunState, read_payload

_PACE = {
    "matrix": 0.05,
    "knots": 2.0,
    "deviation": 2.0,
    "hyper_scales": 2.0,
    "tail_share": 2.0,
    "tail_ratio": 2.0,
}
"""Learning rate, against the others', of parameters by the end of their names."""


@dataclass(slots=True, kw_only=True)
class CodecState(RunState):
    """State of a run that trains a codec."""

    network: LearnedNetwork
    average: LearnedNetwork

    @classmethod
    def fresh(cls, spec: CodecSpec, *, seed: int, device: torch.device) -> CodecState:
        """Build an untrained state, the same for the same seed."""
        torch.manual_seed(seed)
        network = LearnedNetwork(spec).to(device)
        average = copy.deepcopy(network).requires_grad_(False)
        return cls(network=network, average=average, optimizer=_optimizer(network))

    @classmethod
    def load(cls, path: Path, *, device: torch.device) -> CodecState:
        """Read what :meth:`save` wrote; weights only, no code is run from the file."""
        payload = read_payload(path)
        state = cls.fresh(CodecSpec.from_json(payload["codec"]), seed=0, device=device)
        state.restore(payload)
        return state

    def description(self) -> dict[str, Any]:
        """Return the spec of the network."""
        return {"codec": self.network.spec.to_json()}


def _optimizer(network: LearnedNetwork) -> torch.optim.Optimizer:
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(_PACE.get(name.rsplit(".", 1)[-1], 1.0), []).append(parameter)
    listed = [{"params": parameters, "pace": pace} for pace, parameters in groups.items()]
    return torch.optim.AdamW(listed, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)
