"""State of a run that trains the diffusion enhancer: the networks of use, and the oracle beside them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from rsic_geo.repair.integer.weights import INTEGER_FORMAT
from rsic_geo.repair.network import LdmNetwork, LdmSpec, PriorEncoder
from rsic_geo.training.rounding import float_again
from rsic_geo.training.state import RunState, make_optimizer, read_payload

STAGES = ("plain", "1", "2", "regress", "joint")
"""What a run trains; see :mod:`rsic_geo.training.ldm`."""
_TRAINED: dict[str, tuple[str, ...]] = {
    "plain": ("network.restorer",),
    "1": ("network.restorer", "oracle"),
    "2": ("network.condition", "network.denoiser"),
    "regress": ("network.condition", "network.denoiser"),
    "joint": ("network.restorer", "network.condition", "network.denoiser"),
}
"""Parts (by the start of their parameters' names) each stage trains; the others stand still."""
_TOLD = ("network.restorer.dfam", "network.restorer.films")
"""Parts of the restorer that read the prior."""


class Workshop(nn.Module):
    """The network that will be shipped and, with a prior, the oracle (LRM) that only training has."""

    def __init__(self, spec: LdmSpec) -> None:
        super().__init__()
        self.network = LdmNetwork(spec)
        self.oracle = PriorEncoder(spec.prior) if spec.prior else None


@dataclass(slots=True, kw_only=True)
class LdmState(RunState):
    """Networks, averages and optimiser of one stage."""

    network: Workshop
    average: Workshop
    stage: str
    hold: bool = False
    """Whether the restorer's U-Net rests, so that only what the prior touches is trained."""

    @classmethod
    def fresh(
        cls, spec: LdmSpec, *, stage: str, seed: int, device: torch.device, hold: bool = False
    ) -> LdmState:
        """Build an untrained state, the same for the same seed. Raises ValueError for an unknown stage."""
        if stage not in STAGES:
            raise ValueError(f"stage {stage!r}: must be one of {', '.join(STAGES)}")
        if hold and stage == "plain":
            raise ValueError("stage 'plain' has nothing to train while the U-Net is held")
        if (spec.prior is None) != (stage == "plain"):
            raise ValueError(f"stage {stage!r} and a network {'with' if spec.prior else 'without'} a prior")
        torch.manual_seed(seed)
        network = Workshop(spec).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name, parameter in network.named_parameters():
            rests = hold and name.startswith("network.restorer") and not name.startswith(_TOLD)
            parameter.requires_grad_(name.startswith(_TRAINED[stage]) and not rests)
        if network.oracle is not None:
            network.oracle.train(stage == "1")  # its statistics rest with its weights
        average = copy.deepcopy(network).requires_grad_(False).eval()
        optimizer = make_optimizer([p for p in network.parameters() if p.requires_grad])
        return cls(network=network, average=average, optimizer=optimizer, stage=stage, hold=hold)

    @classmethod
    def load(cls, path: Path, *, device: torch.device) -> LdmState:
        """Read what :meth:`save` wrote; weights only, no code is run from the file."""
        payload = read_payload(path)
        spec = LdmSpec.from_json(payload["spec"])
        state = cls.fresh(
            spec, stage=payload["stage"], seed=0, device=device, hold=payload.get("hold", False)
        )
        state.restore(payload)
        return state

    def description(self) -> dict[str, Any]:
        """Return spec, stage and what rests."""
        spec = self.network.network.spec.to_json()
        return {"spec": spec, "stage": self.stage, "hold": self.hold}

    def take_over(self, weights: dict[str, Tensor]) -> None:
        """Begin with the weights of another stage, by the names of a workshop; the rest stays untrained.

        Raises RuntimeError for weights of other shapes.
        """
        for module in (self.network, self.average):
            known = module.state_dict()
            module.load_state_dict({k: v for k, v in weights.items() if k in known}, strict=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights of a state file or an exported file, by the names they have in a workshop.

    Of a pair of networks it is that of three bands.
    """
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as opened:
            is_whole = opened.metadata().get("format") == INTEGER_FORMAT
        weights = float_again(path).state_dict() if is_whole else safetensors.torch.load_file(path)
        own = {name.removeprefix("rgb."): value for name, value in weights.items() if name.startswith("rgb.")}
        weights = own or weights
        prefix = "network." if any(name.startswith("restorer.") for name in weights) else "network.restorer."
    else:
        payload = read_payload(path)
        weights, prefix = payload["average"], "" if "stage" in payload else "network.restorer."
    return {prefix + name: value for name, value in weights.items()}
