"""The entropy model in integers: the same symbols on every device, thread count and library.

All numbers are integers carried in float64. Activations have 10 binary places and at most 21 bits, weights 12
binary places and at most 17 bits, and no layer sums more than 2^13 products (2^9 where it sees latents, which
have up to 26 bits), so every sum stays below 2^53: exact, and the order of its terms does not matter.
Convolutions are matrix products of shifted copies, so that no library may choose an algorithm (Winograd,
Fourier) that rounds. Divisions are by powers of two, then floor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rsic_geo.codecs.learned_network import tables
from rsic_geo.codecs.learned_network.entropy import (
    LOWEST_LOG2,
    MAGNITUDE_STEPS,
    SIGNED_DIVISOR,
    EntropyModel,
    GroupModel,
    phase_mask,
    phases,
)
from rsic_geo.codecs.learned_network.model import DEAD_ZONE, LearnedNetwork
from rsic_geo.codecs.learned_network.spec import KNOTS, LEVELS

PLACES = 10
"""Binary places of activations, means and log2 scales."""
ONE = 1 << PLACES
WEIGHT_PLACES = 12
_WEIGHT_LIMIT = 1 << 17
_LIMIT = float(1 << 20)
_MEAN_LIMIT = float(1 << 25)
SYMBOL_LIMIT = 32767
"""Largest size of a symbol."""
MAX_TERMS = 1 << 13
MAX_DIRECT_TERMS = 1 << 9
FROZEN = "exact."
"""Start of the names of integer tensors in a weights file."""
ENCODER_ONLY = "entropy.hyper_analysis."
"""The one part of the entropy model that is shipped in floating point."""
_FULL_PRECISION = ("matrix", "knots", "steps", "before", "after")


@dataclass(slots=True, eq=False)
class Step:
    """One step of coding: the places of a phase in the channels of a group."""

    means: Tensor
    """(channels, places) expected values, in units of 1/1024 quantiser steps, integers in float64."""
    index: Tensor
    """(channels, places) int64 rows of the frequency table."""
    mask: Tensor
    """(height, width) places coded now."""
    channels: slice
    symbols: Tensor | None = None
    """(channels, places) integers in float64: to be filled in before the next step is asked for."""


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
    index = (model.hyper_scales.detach().double().cpu() - LOWEST_LOG2) * tables.PER_OCTAVE
    frozen["hyper_index"] = index.floor().clamp(1, tables.SCALES - 1).int()
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


def _shapes(network: LearnedNetwork) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what :func:`freeze` returns, but for the tables, which no spec fixes."""
    model = network.entropy
    shapes: dict[str, tuple[int, ...]] = {
        "base": tuple(network.gains.knots.shape),
        "hyper_index": tuple(model.hyper_scales.shape),
        "half_width": (tables.SCALES,),
    }
    for name, layer in _layers(model):
        shapes[f"{name}.weight"] = (layer.out_channels, layer.weight[0].numel())
        if layer.bias is not None:
            shapes[f"{name}.bias"] = (layer.out_channels,)
    for group in _groups(model):
        shapes[f"{group.group}.offsets"] = tuple(group.offsets.shape)
    return shapes


def _to_integer(values: Tensor) -> Tensor:
    whole = values.round()
    return whole.to(torch.int16 if float(whole.abs().max()) < 2**15 else torch.int32)


def _freeze_layer(frozen: dict[str, Tensor], name: str, layer: nn.Conv2d) -> None:
    """Store a convolution as a matrix (out, rows x columns x in) and a bias with all binary places."""
    weight = layer.weight.detach().double().cpu().permute(0, 2, 3, 1).reshape(layer.out_channels, -1)
    whole = _to_integer(weight * (1 << WEIGHT_PLACES))
    if float(whole.abs().max()) > _WEIGHT_LIMIT or whole.shape[1] > _max_terms(name):
        raise ValueError(f"layer {name}: weights up to {float(weight.abs().max()):.1f} do not fit 17 bits")
    frozen[f"{name}.weight"] = whole
    if layer.bias is not None:
        bias = (layer.bias.detach().double().cpu() * (1 << (PLACES + WEIGHT_PLACES))).round()
        if float(bias.abs().max()) >= 2**31:
            raise ValueError(f"layer {name}: a bias does not fit 32 bits")
        frozen[f"{name}.bias"] = bias.to(torch.int32)


def _max_terms(name: str) -> int:
    """Return how many products a layer may add up; a direct one sees latents of up to 26 bits."""
    return MAX_DIRECT_TERMS if ".direct." in name else MAX_TERMS


def _check_tables(frozen: dict[str, Tensor]) -> None:
    """Raise ValueError for numbers the native coder would trust: a weights file may come from anybody."""
    kinds = (torch.int16, torch.int32)
    if any(tensor.dtype not in kinds for name, tensor in frozen.items() if name != "limits"):
        raise ValueError("tensors that must be integers are none")
    cdf, half, limits = frozen["cdf"].long(), frozen["half_width"].long(), frozen["limits"]
    if cdf.dim() != 2 or len(cdf) != tables.SCALES or half.shape != (tables.SCALES,):
        raise ValueError("frequency tables of another shape")
    if int(half.min()) < 0 or 2 * int(half.max()) + 3 > cdf.shape[1]:
        raise ValueError("frequency tables shorter than they claim")
    for row, size in zip(cdf, (2 * half + 3).tolist(), strict=True):
        if int(row[0]) or int(row[size - 1]) != 1 << tables.PRECISION or int(row[:size].diff().min()) < 1:
            raise ValueError("frequencies that do not rise from nothing to the whole")
    index = frozen["hyper_index"]
    if int(index.min()) < 1 or int(index.max()) >= tables.SCALES:
        raise ValueError("scales outside of the frequency tables")
    if limits.shape != (tables.SCALES, 2) or not bool(limits.isfinite().all()):
        raise ValueError("borders of rounding that are none")


def shipped_tensors(network: LearnedNetwork, counts: Tensor | None = None) -> dict[str, Tensor]:
    """Return what a weights file holds: integers of the entropy model, float16 or float32 of the rest."""
    shipped = {f"{FROZEN}{name}": tensor.contiguous() for name, tensor in freeze(network, counts).items()}
    for name, value in network.state_dict().items():
        if name.startswith("entropy.") and not name.startswith(ENCODER_ONLY):
            continue
        is_fine = name.endswith(_FULL_PRECISION) or value.dim() < 2
        shipped[name] = value.detach().cpu().to(torch.float32 if is_fine else torch.float16).contiguous()
    return shipped


class ExactEntropy:
    """The frozen entropy model, on one device."""

    def __init__(self, network: LearnedNetwork, frozen: dict[str, Tensor], device: torch.device) -> None:
        """Take over what :func:`freeze` returned; ValueError if that was of a network of another shape."""
        self.spec, self.device = network.spec, device
        fixed = _shapes(network)
        if frozen.keys() != fixed.keys() | {"cdf", "limits"} or any(
            tuple(frozen[name].shape) != shape for name, shape in fixed.items()
        ):
            raise ValueError("the integer tensors are not those of the network described")
        _check_tables(frozen)
        self._tensors = {key: value.to(device, torch.float64) for key, value in frozen.items()}
        if any(float(self._tensors[k].abs().max()) > _WEIGHT_LIMIT for k in fixed if k.endswith(".weight")):
            raise ValueError("integer weights beyond 17 bits")
        self.cdf, self.half_width = frozen["cdf"].int(), frozen["half_width"].int()
        self.hyper_index = frozen["hyper_index"].long()
        self.limits = frozen["limits"].float().to(device)

    def _product(self, name: str, columns: Tensor) -> Tensor:
        """Return sums (out, places) with all binary places, bias included."""
        total = self._tensors[f"{name}.weight"] @ columns
        bias = self._tensors.get(f"{name}.bias")
        return total if bias is None else total + bias[:, None]

    def _hyper_features(self, z: Tensor, level: int, height: int, width: int) -> Tensor:
        """Return features (hyper, height x width) of hyper-latent symbols z (channels, h/4, w/4)."""
        told = self._tensors["hyper_quality.weight"] * (level * (ONE // LEVELS))
        hidden = self._product("hyper_enter", _columns((z * ONE).clamp(-_LIMIT, _LIMIT))) + told
        hidden = _activate(hidden).reshape(-1, *z.shape[1:])
        hidden = hidden.repeat_interleave(2, -1).repeat_interleave(2, -2)
        shape = hidden.shape[1:]
        hidden = _activate(self._product("hyper_leave", _columns(hidden))).reshape(-1, *shape)
        hidden = hidden.repeat_interleave(2, -1).repeat_interleave(2, -2)
        return hidden[:, :height, :width].reshape(hidden.shape[0], -1)

    def _base(self, level: int) -> Tensor:
        """Return expected log2 scales (192,) at a quality level, 10 binary places."""
        spacing = LEVELS // (KNOTS - 1)
        knot, share = divmod(level, spacing)
        knots = self._tensors["base"]
        return torch.floor((knots[knot] * (spacing - share) + knots[knot + 1] * share) / spacing)

    def steps(self, z: Tensor, level: int, latents: Tensor) -> Iterator[Step]:
        """Go through the steps of coding; each must get its symbols before the next one is taken.

        Args:
            z: hyper-latent symbols (channels, ceil(h/4), ceil(w/4)), integers in float64.
            level: quality level, 0..255.
            latents: (192, h, w) float64 zeros; filled with dequantised latents in units of 1/1024 steps.
        """
        height, width = latents.shape[1:]
        hyper, base = self._hyper_features(z, level, height, width), self._base(level)
        earlier: list[Tensor] = []
        first = 0
        for group, count in enumerate(self.spec.groups):
            channels = slice(first, first + count)
            first += count
            known = latents[channels]
            shared = self._product(f"{group}.hyper", hyper)
            if group:
                shared = shared + self._product(f"{group}.earlier", _columns(torch.cat(earlier)))
            for number, phase in enumerate(phases(group)):
                mask = phase_mask(phase, height, width, self.device)
                means, logs = self._expect(group, number, shared, known, mask)
                logs = logs + (base[channels] + self._tensors[f"{group}.offsets"][number])[:, None]
                index = torch.floor((logs - LOWEST_LOG2 * ONE) / (ONE // tables.PER_OCTAVE))
                step = Step(means, index.clamp(0, tables.SCALES - 1).long(), mask, channels)
                yield step
                assert step.symbols is not None
                known[:, mask] = step.symbols * ONE + means
            earlier.append(_own_features(group, known))

    def _expect(
        self, group: int, phase: int, shared: Tensor, known: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return means and what is added to log2 scales, both (channels, places), 10 binary places."""
        chosen = mask.reshape(-1)
        direct = None
        if phase:
            reach = phases(group)[phase].reach
            own = _columns(_own_features(group, known), reach)[:, chosen]
            shared = shared[:, chosen] + self._product(f"{group}.own.{phase - 1}", own)
            if f"{group}.direct.{phase - 1}.weight" in self._tensors:
                direct = self._product(f"{group}.direct.{phase - 1}", _columns(known, reach)[:, chosen])
        elif not bool(chosen.all()):
            shared = shared[:, chosen]
        out = self._product(f"{group}.leave", _activate(self._product(f"{group}.middle", _activate(shared))))
        count = known.shape[0]
        if out.shape[0] == count:
            return torch.zeros_like(out), _shift(out).clamp(-_LIMIT, _LIMIT)
        means = out[:count] if direct is None else out[:count] + direct
        return _shift(means).clamp(-_MEAN_LIMIT, _MEAN_LIMIT), _shift(out[count:]).clamp(-_LIMIT, _LIMIT)


def _shift(total: Tensor) -> Tensor:
    """Return sums with the binary places of a weight taken off, rounded."""
    unit = float(1 << WEIGHT_PLACES)
    return torch.floor((total + unit / 2) / unit)


def _activate(total: Tensor) -> Tensor:
    return _shift(total).clamp(0.0, _LIMIT)


def _columns(x: Tensor, reach: int = 1) -> Tensor:
    """Return the 3 x 3 places ``reach`` apart (9 x channels, h x w) of x (channels, h, w), zeros outside."""
    height, width = x.shape[1:]
    padded = F.pad(x, (reach, reach, reach, reach))
    places = (0, reach, 2 * reach)
    parts = [padded[:, r : r + height, c : c + width] for r in places for c in places]
    return torch.cat(parts).reshape(-1, height * width)


def _own_features(group: int, v: Tensor) -> Tensor:
    """Return what `GroupModel.own_features` does, in fixed point."""
    size = v.abs()
    pressed = torch.zeros_like(v)
    for limit, divisor in MAGNITUDE_STEPS:
        pressed += torch.floor(size.clamp(max=limit * ONE) / divisor)
    if group:
        return pressed
    return torch.cat([torch.floor(v / SIGNED_DIVISOR).clamp(-_LIMIT, _LIMIT), pressed])
