"""State of a run that trains a learned codec, what a codec at rest makes of pictures, and how a codec grows.

A widened layer keeps the old weights in its first rows and columns; new rows (new features) begin as a fresh
layer does, new columns (what the old features read of them) at zero. So the function is the old one, and what
is new still learns from the first step (Net2Net without its noise: T. Chen et al., ICLR 2016,
arXiv:1511.05641).
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from rsic_geo.codecs.compressai_network import CompressaiNetwork, CompressaiSpec
from rsic_geo.codecs.learned_network import FORMAT, LEVELS, CodecSpec
from rsic_geo.codecs.learned_network.exact import FROZEN
from rsic_geo.codecs.learned_network.frozen import thawed
from rsic_geo.codecs.learned_network.model import LearnedNetwork
from rsic_geo.training.state import RunState, read_payload

CodecNetwork: TypeAlias = LearnedNetwork | CompressaiNetwork
Spec: TypeAlias = CodecSpec | CompressaiSpec
_CELL = 64
_FLOOR = 2.0**-10
"""Least distortion told, in units of 0..1."""
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

    network: CodecNetwork
    average: CodecNetwork

    @classmethod
    def fresh(cls, spec: Spec, *, seed: int, device: torch.device) -> CodecState:
        """Build an untrained state, the same for the same seed."""
        torch.manual_seed(seed)
        made = CompressaiNetwork(spec) if isinstance(spec, CompressaiSpec) else LearnedNetwork(spec)
        network = made.to(device)
        average = copy.deepcopy(network).requires_grad_(False)
        return cls(network=network, average=average, optimizer=_optimizer(network))

    @classmethod
    def load(cls, path: Path, *, device: torch.device) -> CodecState:
        """Read what :meth:`save` wrote; weights only, no code is run from the file."""
        payload = read_payload(path)
        fields = payload["codec"]
        spec: Spec = (CompressaiSpec if "arch" in fields else CodecSpec).from_json(fields)
        state = cls.fresh(spec, seed=0, device=device)
        state.restore(payload)
        return state

    def description(self) -> dict[str, Any]:
        """Return the spec of the network."""
        return {"codec": self.network.spec.to_json()}


def _optimizer(network: CodecNetwork) -> torch.optim.Optimizer:
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(_PACE.get(name.rsplit(".", 1)[-1], 1.0), []).append(parameter)
    listed = [{"params": parameters, "pace": pace} for pace, parameters in groups.items()]
    return torch.optim.AdamW(listed, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)


def read_shipped(path: Path) -> LearnedNetwork:
    """Return the network of a weights file in floating point, its entropy model from its integers.

    The shape of the distributions' tails is in no weights file but as tables: it begins afresh.

    Raises:
        ValueError: the file is no codec's.
    """
    with safe_open(str(path), framework="pt") as opened:
        metadata = opened.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"{path}: not the weights of a learned codec")
        tensors: dict[str, Tensor] = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    network = LearnedNetwork(CodecSpec.from_json(json.loads(metadata["spec"])))
    wanted = network.state_dict()
    known = {name: value.float() for name, value in tensors.items() if not name.startswith(FROZEN)}
    for name, value in tensors.items():
        if name.startswith(FROZEN):
            known |= thawed(name.removeprefix(FROZEN), value, wanted)
    network.load_state_dict(wanted | known)
    return network


@torch.no_grad()
def grow(network: LearnedNetwork, spec: CodecSpec, *, seed: int) -> LearnedNetwork:
    """Return a network of a spec at least as wide everywhere, that does what ``network`` does.

    Raises:
        ValueError: something of the spec is smaller, or its groups of channels are others.
    """
    if spec.groups != network.spec.groups or spec.post_blocks != network.spec.post_blocks:
        raise ValueError("a codec grows in width: groups of channels and number of blocks stay")
    torch.manual_seed(seed)
    grown = LearnedNetwork(spec)
    tensors = grown.state_dict()
    for name, old in network.state_dict().items():
        new = tensors[name]
        if any(wide < narrow for wide, narrow in zip(new.shape, old.shape, strict=True)):
            raise ValueError(f"a codec cannot shrink: {name} is {tuple(old.shape)}, not {tuple(new.shape)}")
        if old.dim() == 4:
            new[: old.shape[0], old.shape[1] :] = 0
        new[tuple(slice(0, size) for size in old.shape)] = old
    grown.load_state_dict(tensors)
    return grown


def read_codec(path: Path, device: torch.device) -> CodecNetwork:
    """Return the averaged network of a codec's state file, or an exported one, at rest."""
    if path.suffix == ".safetensors":
        with safe_open(str(path), framework="pt") as opened:
            is_ours = (opened.metadata() or {}).get("format") == FORMAT
        network = read_shipped(path) if is_ours else CompressaiNetwork.from_tensors(load_file(path))
        return network.to(device).eval().requires_grad_(False)
    return CodecState.load(path, device=device).average.eval().requires_grad_(False)


@torch.no_grad()
def code(network: CodecNetwork, original: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Return the 8 bit samples that come back of pixels (n, 3, h, w) in 0..1 at levels (n,), and bits (n,).

    A picture of three equal bands is one band: what comes back are three equal bands, too.
    """
    coded = network(original, level, hard=True, held=True)
    pixels = coded.pixels
    is_grey = (original[:, :1] == original).flatten(1).all(dim=1)[:, None, None, None]
    pixels = torch.where(is_grey, pixels.mean(dim=1, keepdim=True), pixels)
    return pixels.clamp(0, 1).mul(255).round().div(255), coded.bits


@torch.no_grad()
def degrade_batch(
    network: CodecNetwork, original: Tensor, *, jitter: float, family: int = 1
) -> tuple[Tensor, Tensor]:
    """Return ``original`` (n, 3, h, w) coded at random qualities, and the RMSE (n, 1, h/64, w/64).

    The RMSE is that of the whole crop, told with an error of ``jitter`` octaves, as the archive's would be.
    Every ``family`` of crops, one behind the other, has one quality.
    """
    count, _, height, width = original.shape
    level = torch.randint(0, LEVELS, (count // family,), device=original.device).repeat_interleave(family)
    decoded, _ = code(network, original.contiguous(), level)
    rmse = (decoded - original).square().mean(dim=(1, 2, 3)).sqrt().clamp(min=_FLOOR)
    told = rmse * torch.exp(math.log(2) * jitter * torch.randn_like(rmse))
    sigma = told[:, None, None, None].expand(-1, 1, height // _CELL, width // _CELL)
    return decoded.contiguous(memory_format=torch.channels_last), sigma.contiguous()
