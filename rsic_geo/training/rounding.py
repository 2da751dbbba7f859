"""The whole numbers nearest to a float U-Net: scales of tensors, and weights that make up for rounding."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn

from rsic_geo.repair.integer.ends import SCALE_BITS, SCALE_LIMIT
from rsic_geo.repair.integer.engines import TorchEngine
from rsic_geo.repair.integer.graph import (
    SUM_LIMIT,
    TABLE,
    WEIGHT_LIMIT,
    ZERO,
    Add,
    Convolution,
    IntegerNetwork,
    Shuffle,
    Step,
)
from rsic_geo.repair.integer.weights import unpack
from rsic_geo.repair.network import ResidualUNet, UNetSpec
from rsic_geo.repair.network.unet import ResidualBlock
from rsic_geo.repair.units import FINE, STEPS

_SAMPLE = 1 << 15
"""Values of a tensor that its first scale is chosen on."""
_PLACES = 800
"""Places of a crop that a convolution's weights are settled on."""
_DAMPING = 1e-2
_JUDGED = 16
"""Crops that scales are judged by; all of them settle the weights."""
_PROPOSAL = "proposal {}"
"""Name of the scale of one proposal."""

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One step of a float network."""

    of: tuple[str, ...]
    to: str
    module: nn.Conv2d | None = None
    """None: a sum of two tensors, or a pixel shuffle of one."""
    is_rectified: bool = False


def layers(network: ResidualUNet) -> list[Layer]:
    """Return the steps of a U-Net, in order; the input is called x."""
    found: list[Layer] = []

    def convolve(of: str, to: str, module: nn.Module, *, relu: bool) -> str:
        if not isinstance(module, nn.Conv2d):
            raise TypeError(f"{to} is no convolution")
        found.append(Layer(of=(of,), to=to, module=module, is_rectified=relu))
        return to

    def block(name: str, parts: nn.Module, prefix: str) -> str:
        for number, part in enumerate(parts.children()):
            to = f"{prefix}{number}"
            if isinstance(part, ResidualBlock):
                inner = convolve(name, f"{to}.enter", part.enter, relu=True)
                added = convolve(inner, f"{to}.leave", part.leave, relu=False)
                found.append(Layer(of=(name, added), to=to))
            else:
                convolve(name, to, next(part.children()), relu=True)
            name = to
        return name

    plain = network.spec.plain
    name = convolve("x", "head", network.head, relu=plain)
    skips = []
    for level, (parts, shrink) in enumerate(zip(network.down, network.shrink, strict=True)):
        skips.append(block(name, parts, f"down{level}."))
        name = convolve(skips[-1], f"shrink{level}", shrink, relu=plain)
    name = block(name, network.middle, "middle")
    for level in reversed(range(len(skips))):
        grown = convolve(name, f"grow{level}", network.grow[level], relu=False)
        found.append(Layer(of=(grown,), to=f"wide{level}"))
        found.append(Layer(of=(f"wide{level}", skips.pop()), to=f"joined{level}"))
        name = block(f"joined{level}", network.up[level], f"up{level}.")
    convolve(name, "y", network.tail, relu=False)
    return found


@torch.inference_mode()
def activations(steps: list[Layer], folded: Tensor) -> dict[str, Tensor]:
    """Return every tensor of the float network, given its folded input (n, channels, h, w)."""
    values = {"x": folded}
    for step in steps:
        inputs = [values[name] for name in step.of]
        if step.module is not None:
            out = step.module(inputs[0])
            values[step.to] = F.relu(out) if step.is_rectified else out
        else:
            values[step.to] = inputs[0] + inputs[1] if len(inputs) == 2 else F.pixel_shuffle(inputs[0], 2)
    return values


def tied(steps: list[Layer]) -> dict[str, str]:
    """Return, for every tensor, the name of the one whose scale it shares."""
    owner: dict[str, str] = {"x": "x"}
    for step in steps:
        owner[step.to] = step.to
        if step.module is None:
            first = owner[step.of[0]]
            for name in (*step.of[1:], step.to):
                old = owner[name]
                owner.update({key: first for key, value in owner.items() if value == old})
    return owner


def first_exponents(steps: list[Layer], values: dict[str, Tensor]) -> dict[str, int]:
    """Return the exponent of every scale that rounds samples of its tensors with the least squared error."""
    owner, rng = tied(steps), np.random.default_rng(0)
    rectified = {step.to for step in steps if step.is_rectified}
    found: dict[str, int] = {}
    for group in sorted(set(owner.values())):
        names = [name for name, its in owner.items() if its == group]
        errors: dict[int, float] = {}
        samples = {n: rng.choice(values[n].numpy().ravel(), _SAMPLE).astype(np.float64) for n in names}
        top = max(float(np.abs(one).max()) for one in samples.values())
        middle = int(np.ceil(np.log2(max(top, 1e-6) / 128)))
        for exponent in range(middle - 4, middle + 2):
            error = 0.0
            for name, sample in samples.items():
                low, high = (0, 255) if name in rectified else (-128, 127)
                rounded = np.clip(np.rint(sample / 2.0**exponent), low, high) * 2.0**exponent
                error += float(np.square(rounded - sample).mean() / max(np.square(sample).mean(), 1e-12))
            errors[exponent] = error
        found[group] = min(errors, key=lambda exponent: errors[exponent])
    return found


def whole_weights(weight: Floats, most: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Return weights (outputs, ...) as whole numbers, and the exponent of each output's scale.

    Args:
        weight: of a convolution.
        most: largest exponent allowed, of all or of each output.
    """
    out = np.zeros(weight.shape, np.int8)
    exponents = np.zeros(len(weight), np.int64)
    for channel, one in enumerate(weight):
        top = int(np.ceil(np.log2(max(float(np.abs(one).max()), 2.0**-20) / WEIGHT_LIMIT)))
        best = None
        limit = int(np.broadcast_to(most, (len(weight),))[channel])
        for exponent in range(min(top - 2, limit), min(top, limit) + 1):
            whole = np.clip(np.rint(one / 2.0**exponent), -WEIGHT_LIMIT, WEIGHT_LIMIT)
            error = float(np.square(whole * 2.0**exponent - one).sum())
            if best is None or error < best:
                best, out[channel], exponents[channel] = error, whole, exponent
    return out, exponents


@dataclass(slots=True)
class Quantiser:
    """One float U-Net, its activations on some crops, and the integers that are nearest to it."""

    network: ResidualUNet
    folded: Tensor
    """(n, channels, h, w)."""
    steps: list[Layer] = field(init=False)
    owner: dict[str, str] = field(init=False)
    """Name of the scale of every tensor; of the result that of the first proposal."""
    exponents: dict[str, int] = field(init=False)
    target: NDArray[np.float32] = field(init=False)
    values: dict[str, Tensor] = field(init=False)
    """Tensors of the float network."""

    def __post_init__(self) -> None:
        """Choose first scales."""
        self.steps = layers(self.network)
        self.owner = tied(self.steps)
        self.values = activations(self.steps, self.folded)
        self.target = _by_proposal(self.values["y"].numpy(), self.network.spec.proposals)
        self.exponents = first_exponents(self.steps, self.values)
        for number in range(self.network.spec.proposals):
            top = float(np.abs(self.target[:, number]).max())
            self.exponents[_PROPOSAL.format(number)] = int(np.ceil(np.log2(max(top, 1e-6) / 128)))
        del self.exponents["y"]

    def build(self, *, is_final: bool = False) -> IntegerNetwork:
        """Return the integer network of the scales as they are.

        ``is_final``: whether weights make up for each other's rounding, which takes seconds.
        """
        values = {"x": (self.folded / 2.0 ** self.exponents["x"]).round().clamp(-ZERO, 255 - ZERO)}
        steps: list[Step] = []
        rectified = {step.to for step in self.steps if step.is_rectified}
        for step in self.steps:
            if step.module is not None:
                of, to = self.exponents[self.owner[step.of[0]]], self._exponents_of(step.to)
                if step.module.bias is None:
                    raise ValueError(f"{step.to} has no bias")
                wanted, bias = (p.detach().double().numpy() for p in (step.module.weight, step.module.bias))
                weight, exponents = whole_weights(wanted, to - of)
                if is_final:
                    weight, bias = self._settled(step, values[step.of[0]], exponents)
                bias = np.rint(bias / 2.0 ** (of + exponents))
                made_step: Step = Convolution(
                    of=step.of[0], to=step.to, stride=step.module.stride[0],
                    zero=0 if step.to in rectified else ZERO, weight=weight,
                    bias=np.clip(bias, 1 - SUM_LIMIT, SUM_LIMIT - 1).astype(np.int32),
                    shift=(to - of - exponents).astype(np.int8),
                )  # fmt: skip
            elif len(step.of) == 2:
                made_step = Add(of=(step.of[0], step.of[1]), to=step.to)
            else:
                made_step = Shuffle(of=step.of[0], to=step.to)
            steps.append(made_step)
            if is_final:
                values[step.to] = _forward(made_step, values)
        spec, ends = self.network.spec, self._ends()
        gain, told, scale = end_tables(self.exponents["x"], max(ends))
        made = IntegerNetwork(
            bands=spec.bands, mean_cell=spec.mean_cell, steps=tuple(steps), gain=gain, told=told, scale=scale,
            finer=tuple(max(ends) - each for each in ends),
        )  # fmt: skip
        made.check()
        return made

    def _ends(self) -> list[int]:
        return [self.exponents[_PROPOSAL.format(number)] for number in range(self.network.spec.proposals)]

    def _exponents_of(self, name: str) -> NDArray[np.int64]:
        """Return the exponent of the scale of a tensor, or those of its channels where they differ."""
        if name == "y":
            return np.repeat(np.array(self._ends(), np.int64), 4 * self.network.spec.bands)
        return np.array(self.exponents[self.owner[name]], np.int64)

    def _settled(
        self, step: Layer, given: Tensor, exponents: NDArray[np.int64]
    ) -> tuple[NDArray[np.int8], Floats]:
        """Return whole weights of a convolution, each making up for the rounding of those before, and biases.

        As in E. Frantar et al., "GPTQ", 2022: with the products of its inputs at hand, what one weight's
        rounding adds to the results is taken off by the weights that are still free. The inputs are those of
        the integer network, the results wanted those of the float one.
        """
        module = step.module
        if module is None or module.bias is None:
            raise TypeError(f"{step.to} is no convolution with biases")
        unit = 2.0 ** self.exponents[self.owner[step.of[0]]]
        x = _patches(given * unit, module)  # (places, inputs * side * side)
        x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        float_x = _patches(self.values[step.of[0]], module)
        weight = module.weight.detach().double().numpy()
        wanted = float_x @ weight.reshape(len(weight), -1).T + module.bias.detach().double().numpy()
        products = x.T @ x
        products += np.eye(len(products)) * (_DAMPING * np.diag(products).mean())
        free = np.linalg.solve(products, x.T @ wanted + (products - x.T @ x) @ _joined(weight, module)).T
        scales = 2.0**exponents
        upper = np.linalg.cholesky(np.linalg.inv(products)).T
        out = np.zeros((len(weight), len(products) - 1), np.int8)
        for column in range(len(products) - 1):
            whole = np.clip(np.rint(free[:, column] / scales), -WEIGHT_LIMIT, WEIGHT_LIMIT)
            out[:, column] = whole
            missed = (free[:, column] - whole * scales) / upper[column, column]
            free[:, column + 1 :] -= missed[:, None] * upper[column, column + 1 :]
        return out.reshape(weight.shape), free[:, -1]

    def error(self, made: IntegerNetwork | None = None) -> float:
        """Return the squared error of what the integers propose, as a share of its energy.

        The first proposal's, and half of what the others' have on average. ``made``: the integers; None for
        those of the scales as they are.
        """
        engine = TorchEngine(made or self.build())
        step = 2.0 ** self.exponents["x"]
        x = (self.folded / step).round().add(ZERO).clamp(0, 255).to(torch.uint8).numpy()
        units = np.exp2(np.array(self._ends(), np.float32))[:, None, None, None]
        wrong = np.zeros(len(units))
        for one, wanted in zip(x[:_JUDGED], self.target[:_JUDGED], strict=True):
            found = (engine.run(one).astype(np.float32) - ZERO).reshape(wanted.shape) * units
            wrong += np.square(found - wanted).mean(axis=(1, 2, 3))
        shares = wrong / len(x[:_JUDGED]) / np.square(self.target[:_JUDGED]).mean(axis=(0, 2, 3, 4))
        return float(shares[0] + shares[1:].mean() / 2) if len(shares) > 1 else float(shares[0])

    def search(self, say: Callable[[str], None]) -> float:
        """Move one scale after the other to where the error is least; return that error."""
        best = self.error()
        say(f"scales by their tensors' own errors: {best:.4%}")
        for _ in range(2):
            before = best
            for group in sorted(self.exponents):
                for change in (-1, 1):
                    while True:
                        self.exponents[group] += change
                        try:
                            error = self.error()
                        except ValueError:  # sums that might not be exact
                            error = np.inf
                        if error >= best:
                            self.exponents[group] -= change
                            break
                        best = error
            say(f"scales by the error of the corrections: {best:.4%}")
            if best > 0.999 * before:
                break
        return best


def _by_proposal(y: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return results (n, channels, h, w) by proposal: (n, proposals, channels of each, h, w)."""
    return y.reshape(len(y), count, -1, *y.shape[2:])


def _joined(weight: Floats, module: nn.Conv2d) -> Floats:
    """Return weights and biases as one matrix (inputs * side * side + 1, outputs)."""
    if module.bias is None:
        raise ValueError("a convolution without biases")
    bias = module.bias.detach().double().numpy()[:, None]
    return np.concatenate([weight.reshape(len(weight), -1), bias], axis=1).T


def _patches(x: Tensor, module: nn.Conv2d) -> Floats:
    """Return what a convolution sees at some places of x (n, c, h, w): (places, inputs * side * side)."""
    side, stride = int(module.kernel_size[0]), int(module.stride[0])
    around = side // 2 if stride == 1 else 0
    out = []
    for one in x:
        seen = F.unfold(one[None], side, padding=around, stride=stride)[0].T  # (places, inputs * side * side)
        out.append(seen[:: max(1, len(seen) // _PLACES)].double().numpy())
    return np.concatenate(out)


@torch.inference_mode()
def _forward(step: Step, values: dict[str, Tensor]) -> Tensor:
    """Return a tensor of the integer network (less its zero point), for all crops at once."""
    if isinstance(step, Shuffle):
        return F.pixel_shuffle(values[step.of], 2)
    if isinstance(step, Add):
        return (values[step.of[0]] + values[step.of[1]]).clamp(-ZERO, 255 - ZERO)
    weight, bias = (torch.from_numpy(part.astype(np.float32)) for part in (step.weight, step.bias))
    scale = torch.from_numpy(np.exp2(-step.shift.astype(np.float32)))[:, None, None]
    found = F.conv2d(values[step.of], weight, bias, step.stride, step.padding) * scale
    return found.round().clamp(-step.zero, 255 - step.zero)


def end_tables(first: int, last: int) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32]]:
    """Return the tables of both ends, given the exponents of the network's input and output scale."""
    levels = np.arange(TABLE) / 8
    octaves = levels / 16 - 15.9
    sigma = np.exp2(octaves)
    gain = np.rint(2.0**16 / 2.0**first / STEPS / (4 * sigma + 0.05))
    told = np.clip(np.rint((octaves + 6) / 4 / 2.0**first) + ZERO, 0, 255)
    scale = np.minimum(np.rint(sigma * FINE * 2.0 ** (last + SCALE_BITS)), SCALE_LIMIT)
    return gain.astype(np.int32), told.astype(np.uint8), scale.astype(np.int32)


def end_exponents(network: IntegerNetwork) -> tuple[int, int]:
    """Return the exponents that :func:`end_tables` was given."""
    level = TABLE // 2
    gain, _, scale = end_tables(0, 0)
    first = np.log2(gain[level] / network.gain[level])
    last = np.log2(network.scale[level] / scale[level])
    return round(first), round(last)


@torch.no_grad()
def float_again(path: Path) -> ResidualUNet:
    """Return the float U-Net of three bands that does what a file's integers do, but for their rounding.

    Behind a ReLU a tensor may be in any unit: those inside of the network stay in the integers' own.
    """
    with safe_open(path, "np") as opened:
        metadata = opened.metadata()
    network = unpack(path.read_bytes(), json.loads(metadata["spec"]), path.stem)[0][0]
    unet = ResidualUNet(UNetSpec.from_json(json.loads(metadata["unet"])))
    first, last = end_exponents(network)
    modules = {layer.to: layer.module for layer in layers(unet) if layer.module is not None}
    for step in network.steps:
        if isinstance(step, Convolution):
            exponents = -step.shift.astype(np.float64)
            if step.to == "y":
                exponents += last - np.repeat(network.finer, len(exponents) // network.proposals)
            unit = np.exp2(exponents)
            weight = step.weight * unit[:, None, None, None] * (2.0**-first if step.of == "x" else 1)
            module = modules[step.to]
            module.weight.copy_(torch.from_numpy(weight))
            module.bias.copy_(torch.from_numpy(step.bias * unit))  # type: ignore[union-attr]
    return unet.eval()
