"""Who computes an integer network: several engines, one set of bytes.

Each is asked a golden window when it is loaded, whose digest travels with the weights: an engine that answers
anything else (a faulty build, a fast convolution that rounds, another provider) is not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import MissingDependencyError, WeightsError
from rsic_geo.onnx_file import Session
from rsic_geo.repair.integer.graph import ZERO, Add, Bytes, Convolution, IntegerNetwork, Shuffle
from rsic_geo.repair.integer.onnx_file import onnx_model


class Engine(Protocol):
    """Computes one network; safe to share between threads."""

    name: str

    def run(self, x: Bytes) -> Bytes:
        """Return what the network makes of ``x`` (channels, h, w), uint8; sides are multiples of four."""
        ...


class OnnxEngine:
    """onnxruntime's 8-bit kernels, one thread for a window."""

    name = "onnxruntime"

    def __init__(self, network: IntegerNetwork) -> None:
        """Build a session. Raises MissingDependencyError if onnxruntime is missing or too old."""
        self._session = Session(onnx_model(network))

    def run(self, x: Bytes) -> Bytes:
        """See :meth:`Engine.run`."""
        result: Bytes = self._session.run(x=x[None])[0][0]
        return result


class TorchEngine:
    """Convolutions of float32 that hold whole numbers below 2**24: exact in any order of adding up."""

    def __init__(self, network: IntegerNetwork, device: str = "cpu") -> None:
        """Put the weights on a device. Raises ImportError if torch is missing."""
        import torch

        self.name = f"torch ({device})"
        self._torch, self._network, self._device = torch, network, device
        self._layout: Any = torch.channels_last if device == "cpu" else torch.contiguous_format
        self._weights: dict[str, tuple[Any, Any, Any]] = {}
        for step in network.steps:
            if isinstance(step, Convolution):
                parts = (step.weight, step.bias, np.exp2(-step.shift.astype(np.float32))[:, None, None])
                weight, bias, scale = (torch.from_numpy(p.astype(np.float32)).to(device) for p in parts)
                weight = weight.contiguous(memory_format=self._layout)
                self._weights[step.to] = (weight, bias, scale)

    def run(self, x: Bytes) -> Bytes:
        """See :meth:`Engine.run`."""
        torch, functional = self._torch, self._torch.nn.functional
        network = self._network
        # on CUDA cuDNN may choose Winograd, which is not exact: its own kernels are left out there
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=False):
            held = torch.from_numpy(np.ascontiguousarray(x))[None].to(self._device, torch.float32) - ZERO
            values = {"x": held.contiguous(memory_format=self._layout)}
            for step in network.steps:
                if isinstance(step, Shuffle):
                    values[step.to] = functional.pixel_shuffle(values[step.of], 2)
                    continue
                if isinstance(step, Add):
                    found = values[step.of[0]] + values[step.of[1]]
                else:
                    weight, bias, scale = self._weights[step.to]
                    found = functional.conv2d(values[step.of], weight, bias, step.stride, step.padding)
                    found = found.mul_(scale).round_()
                zero = network.zero_of(step.to)
                values[step.to] = found.clamp_(-zero, 255 - zero)
            last = network.steps[-1].to
            result: Bytes = (values[last] + network.zero_of(last)).to(torch.uint8)[0].cpu().numpy()
        return result


class NumpyEngine:
    """Matrix products of numpy: slow, but there wherever Python is.

    In float32 sums are whole numbers below 2**24, so every order of adding up gives them exactly; with int64
    it is the reference the others are tested against.
    """

    name = "numpy"

    def __init__(self, network: IntegerNetwork, kind: type[np.generic] = np.float32) -> None:
        """Keep the weights in the type asked for."""
        self._network, self._kind = network, kind

    def run(self, x: Bytes) -> Bytes:
        """See :meth:`Engine.run`."""
        network = self._network
        values: dict[str, NDArray[Any]] = {"x": x.astype(self._kind) - np.asarray(ZERO, self._kind)}
        for step in network.steps:
            if isinstance(step, Shuffle):
                channels, height, width = values[step.of].shape
                parts = values[step.of].reshape(channels // 4, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
                values[step.to] = parts.reshape(channels // 4, 2 * height, 2 * width)
                continue
            if isinstance(step, Add):
                found = values[step.of[0]] + values[step.of[1]]
            else:
                found = _halved_to_even(self._sums(step, values[step.of]), step.shift)
            zero = network.zero_of(step.to)
            values[step.to] = np.clip(found, -zero, 255 - zero).astype(self._kind)
        last = network.steps[-1].to
        return (values[last] + network.zero_of(last)).astype(np.uint8)

    def _sums(self, step: Convolution, x: NDArray[Any]) -> NDArray[np.int64]:
        side, stride, around = step.weight.shape[2], step.stride, step.padding
        padded = np.pad(x, ((0, 0), (around, around), (around, around)))
        rows, cols = ((padded.shape[axis] - side) // stride + 1 for axis in (1, 2))
        weight = step.weight.astype(self._kind)
        sums = np.zeros((len(weight), rows * cols), self._kind)
        for dy in range(side):
            for dx in range(side):
                part = padded[:, dy : dy + stride * rows : stride, dx : dx + stride * cols : stride]
                sums += weight[:, :, dy, dx] @ part[:, :rows, :cols].reshape(len(part), -1)
        whole = sums.astype(np.int64) + step.bias.astype(np.int64)[:, None]
        return whole.reshape(len(weight), rows, cols)


def _halved_to_even(sums: NDArray[np.int64], shift: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return whole numbers shifted right by ``shift`` bits per channel, rounded half to even."""
    bits = shift.astype(np.int64)[:, None, None]
    floor = sums >> bits
    half = np.left_shift(np.int64(1), bits) >> 1
    rest = sums - (floor << bits)
    up = (bits > 0) & ((rest > half) | ((rest == half) & (floor & 1 == 1)))
    whole: NDArray[np.int64] = floor + up
    return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One window and the digest of what every network of the file makes of it."""

    window: Bytes
    """(13, h, w): networks of single bands are given the first five channels."""
    sha256: str

    def digest(self, networks: list[IntegerNetwork], make: Callable[[IntegerNetwork], Engine]) -> str:
        """Return the digest an engine comes to."""
        found = hashlib.sha256()
        for network in networks:
            found.update(make(network).run(self.window[: network.channels]).tobytes())
        return found.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an engine may be used here."""

    engine: str
    is_admitted: bool
    reason: str
    """Why not; empty where it may."""


def engine_kinds(device: str) -> Iterator[tuple[str, Callable[[IntegerNetwork], Engine]]]:
    """Yield name and maker of the engines for a device, the fastest first."""
    if device.startswith("cuda"):
        yield f"torch ({device})", lambda network: TorchEngine(network, device)
        return
    yield OnnxEngine.name, OnnxEngine
    if find_spec("torch") is not None:
        yield "torch (cpu)", TorchEngine
    yield NumpyEngine.name, NumpyEngine


def judge(
    networks: list[IntegerNetwork], golden: Golden, device: str = "cpu"
) -> Iterator[tuple[Verdict, Callable[[IntegerNetwork], Engine]]]:
    """Yield, for every engine of a device, whether it gives the golden window's bytes, and its maker."""
    for name, make in engine_kinds(device):
        reason = ""
        try:
            if golden.digest(networks, make) != golden.sha256:
                reason = "its bytes are not those of the weights' golden window"
        except (ImportError, OSError) as error:
            reason = f"not installed ({error})"
        except Exception as error:  # noqa: BLE001 - an engine that fails in any way is none
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield Verdict(engine=name, is_admitted=not reason, reason=reason), make


def choose_engine(
    networks: list[IntegerNetwork], golden: Golden, device: str = "cpu"
) -> Callable[[IntegerNetwork], Engine]:
    """Return the maker of the first engine that may be used.

    Raises MissingDependencyError (exit code 5), which names every engine and what is wrong with it.
    """
    wrong = []
    for verdict, make in judge(networks, golden, device):
        if verdict.is_admitted:
            return make
        wrong.append(f"{verdict.engine}: {verdict.reason}")
    said = f"({'; '.join(wrong)})"
    if wrong and all("golden" in one for one in wrong):
        raise WeightsError(
            f"the weights are damaged, or no engine here computes exactly {said}: decode with --enhance off"
        )
    raise MissingDependencyError(
        f"no engine here computes this network exactly {said}: pip install 'onnxruntime>=1.23', "
        "or decode with --enhance off"
    )
