"""From the entropy model as it is trained to the integers that are shipped; see `exact.py`."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rsic_geo.codecs.learned_network import tables
from rsic_geo.codecs.learned_network.entropy import EntropyModel, GroupModel
from rsic_geo.codecs.learned_network.exact import (
    ENCODER_ONLY,
    FROZEN,
    ONE,
    PLACES,
    WEIGHT_LIMIT,
    WEIGHT_PLACES,
    max_terms,
)
from rsic_geo.codecs.learned_network.model import DEAD_ZONE, LearnedNetwork
from rsic_geo.codecs.learned_network.spec import LOWEST_LOG2, PER_OCTAVE, SCALES

_FULL_PRECISION = ("matrix", "knots", "steps", "before", "after")


def freeze(network: LearnedNetwork, counts: Tensor | None = None) -> dict[str, Tensor]:
    """Return the entropy model as integer tensors on the CPU, ready to be shipped.

    With ``counts`` of symbols, see `tables.no_counts`, the frequencies follow what was counted.

    Raises:
        ValueError: a weight is too large for the fixed point: the network was badly trained.
    """
    model, gains = network.entropy, network.gains
    frozen: dict[str, Tensor] = {}
    for name, layer in _layers(model):
        _freeze_layer(frozen, name, layer)
    for group in _groups(model):
        frozen[f"{group.group}.offsets"] = _to_integer(group.offsets.detach().double().cpu() * ONE)
    log2 = (gains.knots + gains.deviation).detach().double().cpu() / math.log(2)
    frozen["base"] = _to_integer(log2 * ONE)
    index = (model.hyper_scales.detach().double().cpu() - LOWEST_LOG2) * PER_OCTAVE
    frozen["hyper_index"] = index.floor().clamp(1, SCALES - 1).int()
    probability = tables.probabilities(model)
    found = probability if counts is None else tables.as_counted(probability, counts)
    frozen["cdf"], frozen["half_width"] = tables.cumulative(found)
    frozen["limits"] = tables.thresholds(probability, DEAD_ZONE).float()
    return frozen


def _groups(model: EntropyModel) -> Iterator[GroupModel]:
    for group in model.groups:
        assert isinstance(group, GroupModel)
        yield group


def _layers(model: EntropyModel) -> Iterator[tuple[str, nn.Conv2d]]:
    """Yield the convolutions that are frozen, by the names of their tensors."""
    for name in ("hyper_enter", "hyper_quality", "hyper_leave"):
        yield name, getattr(model, name)
    for group in _groups(model):
        for name, layer in group.named_modules():
            if isinstance(layer, nn.Conv2d):
                yield f"{group.group}.{name}", layer


def _to_integer(values: Tensor) -> Tensor:
    whole = values.round()
    return whole.to(torch.int16 if float(whole.abs().max()) < 2**15 else torch.int32)


def _freeze_layer(frozen: dict[str, Tensor], name: str, layer: nn.Conv2d) -> None:
    """Store a convolution as a matrix (out, rows x columns x in) and a bias with all binary places."""
    weight = layer.weight.detach().double().cpu().permute(0, 2, 3, 1).reshape(layer.out_channels, -1)
    whole = _to_integer(weight * (1 << WEIGHT_PLACES))
    if float(whole.abs().max()) > WEIGHT_LIMIT or whole.shape[1] > max_terms(name):
        raise ValueError(f"layer {name}: weights up to {float(weight.abs().max()):.1f} do not fit 17 bits")
    frozen[f"{name}.weight"] = whole
    if layer.bias is not None:
        bias = (layer.bias.detach().double().cpu() * (1 << (PLACES + WEIGHT_PLACES))).round()
        if float(bias.abs().max()) >= 2**31:
            raise ValueError(f"layer {name}: a bias does not fit 32 bits")
        frozen[f"{name}.bias"] = bias.to(torch.int32)


def shipped_tensors(network: LearnedNetwork, counts: Tensor | None = None) -> dict[str, Tensor]:
    """Return what a weights file holds: integers of the entropy model, float16 or float32 of the rest."""
    shipped = {f"{FROZEN}{name}": tensor.contiguous() for name, tensor in freeze(network, counts).items()}
    for name, value in network.state_dict().items():
        if name.startswith("entropy.") and not name.startswith(ENCODER_ONLY):
            continue
        is_fine = name.endswith(_FULL_PRECISION) or value.dim() < 2
        shipped[name] = value.detach().cpu().to(torch.float32 if is_fine else torch.float16).contiguous()
    return shipped


def thawed(name: str, value: Tensor, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a frozen tensor under the name it is trained by; nothing for tables."""
    if name == "hyper_index":
        middle = (value.double() + 0.5) / PER_OCTAVE + LOWEST_LOG2
        return {"entropy.hyper_scales": middle.float()}
    inner = name if name.startswith("hyper_") else f"groups.{name}"
    target = wanted.get(f"entropy.{inner}")
    if target is None:
        return {}
    if name.endswith(".offsets"):
        found = value.double() / ONE
    elif name.endswith(".bias"):
        found = value.double() / (1 << (PLACES + WEIGHT_PLACES))
    else:
        # Frozen as (out, rows x columns x in), see `_freeze_layer`.
        out, inside, rows, columns = target.shape
        found = (value.double() / (1 << WEIGHT_PLACES)).reshape(out, rows, columns, inside)
        found = found.permute(0, 3, 1, 2)
    return {f"entropy.{inner}": found.float().contiguous()}
