"""Latents to pixels by onnxruntime, as `transform.Synthesis` does by torch: float32, the caller's thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.learned_network.spec import BLOCK, CHANNELS, KNOTS, LEVELS, CodecSpec
from rsic_geo.onnx_file import Graph, Session

PIXEL_SCALE = 255.0
PIXEL_MEAN = 0.5
Samples = NDArray[np.float32]
_HALF = BLOCK // 2


def shapes(spec: CodecSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all floating-point tensors of a weights file, the encoder's included."""
    found: dict[str, tuple[int, ...]] = {
        "gains.knots": (KNOTS, CHANNELS),
        "gains.deviation": (CHANNELS,),
        "analysis.before": (BLOCK, BLOCK),
        "synthesis.after": (BLOCK, BLOCK),
        "synthesis.steps": (KNOTS, 1),
    }

    def layer(name: str, outputs: int, inputs: int, side: int, has_bias: bool = True) -> None:
        found[f"{name}.weight"] = (outputs, inputs, side, side)
        if has_bias:
            found[f"{name}.bias"] = (outputs,)

    for part, width in (("analysis", spec.analysis), ("synthesis", spec.synthesis)):
        found[f"{part}.matrix"] = (CHANNELS, CHANNELS)
        layer(f"{part}.residual.enter", width, CHANNELS, 1)
        layer(f"{part}.residual.quality", width, 1, 1, has_bias=False)
        layer(f"{part}.residual.spread", width, width, 3)
        layer(f"{part}.residual.leave", CHANNELS, width, 1)
    post, width = "synthesis.post", spec.post
    layer(f"{post}.hints", 16 * (width // 2), spec.synthesis, 1)
    layer(f"{post}.enter", width, 12 + width // 2, 3)
    layer(f"{post}.quality", width, 1, 1, has_bias=False)
    for number in range(spec.post_blocks):
        layer(f"{post}.blocks.{number}.0", width, width, 3)
        layer(f"{post}.blocks.{number}.2", width, width, 3)
    layer(f"{post}.leave", 12, width, 3)
    hyper = "entropy.hyper_analysis"
    layer(f"{hyper}.0", spec.hyper, 2 * CHANNELS, 1)
    layer(f"{hyper}.2", spec.hyper, spec.hyper, 5)
    layer(f"{hyper}.4", spec.hyper_latents, spec.hyper, 5)
    return found


class SynthesisSession:
    """The synthesis of one set of weights; safe to share between threads."""

    def __init__(self, spec: CodecSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Build the graph; raises MissingDependencyError if onnxruntime is missing or too old.

        The quality enters as a plane of its own, of which only the middle of the filters sees anything.
        """
        self._tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
        self._spare = 1 + -(13 + spec.post // 2) % 16
        """Planes beside pixels and hints, the first of which is the quality: 16 at a time are computed."""
        self._session = Session(self._model(spec))

    def __call__(self, latents: NDArray[np.int32], level: int) -> Samples:
        """Return pixels (3, 8h, 8w) in 0..1, not clipped, of latents (192, h, w) in 1/1024 steps."""
        gains = np.exp(self._at_level("gains.knots", level))
        step = np.exp(self._at_level("synthesis.steps", level)) / (8 * PIXEL_SCALE)
        quality = np.float32(level / LEVELS)
        rows, cols = (side * BLOCK // 2 for side in latents.shape[1:])
        told = np.zeros((1, self._spare, rows, cols), np.float32)
        told[0, 0] = quality
        found: Samples = self._session.run(
            v=latents[None].astype(np.float32) * np.float32(1 / 4096),  # a quarter of a step
            inner=self._tensors["synthesis.residual.quality.weight"].reshape(1, -1, 1, 1) * quality,
            gain=(4 / gains).reshape(1, -1, 1, 1),
            told=told,
            step=step.reshape(1, 1, 1, 1),
        )[0][0]
        return found

    def _at_level(self, name: str, level: int) -> Samples:
        """Return values linear between the knots of the quality axis."""
        knots, (index, share) = self._tensors[name], divmod(level * (KNOTS - 1), LEVELS)
        part = np.float32(share / LEVELS)
        return np.asarray(knots[index] * (1 - part) + knots[index + 1] * part, np.float32)

    def _model(self, spec: CodecSpec) -> bytes:
        graph, tensors = Graph(), self._tensors

        def convolution(x: str, name: str, weight: Samples | None = None) -> str:
            weight = tensors[f"{name}.weight"] if weight is None else weight
            side = weight.shape[2]
            constants = [graph.constant(weight)]
            if f"{name}.bias" in tensors:
                constants.append(graph.constant(tensors[f"{name}.bias"]))
            return graph.node("Conv", [x, *constants], kernel_shape=[side, side], pads=[side // 2] * 4)

        def number(value: float) -> str:
            return graph.constant(np.float32(value))

        def add(*terms: str) -> str:
            return graph.node("Add", terms)

        def relu(x: str) -> str:
            return graph.node("Relu", [x])

        # x / (1 + |x| / 4) is four times softsign of x / 4
        part = "synthesis.residual"
        soft = graph.node("Softsign", ["v"])
        hidden = relu(add(convolution(soft, f"{part}.enter", 4 * tensors[f"{part}.enter.weight"]), "inner"))
        hidden = add(hidden, relu(convolution(hidden, f"{part}.spread")))
        added = graph.node("Mul", [convolution(hidden, f"{part}.leave"), number(0.25)])
        scaled = graph.node("Mul", [add("v", added), "gain"])
        matrix = tensors["synthesis.matrix"][..., None, None] / np.float32(PIXEL_SCALE)
        blocks = convolution(scaled, "", matrix)
        pixels = graph.node("DepthToSpace", [blocks], blocksize=BLOCK, mode=b"CRD")
        pixels = self._filtered(graph, pixels)

        part = "synthesis.post"
        hints = graph.node("DepthToSpace", [convolution(hidden, f"{part}.hints")], blocksize=4, mode=b"CRD")
        halves = graph.node("SpaceToDepth", [pixels], blocksize=2)
        enter = tensors[f"{part}.enter.weight"]
        # SpaceToDepth goes through bands last, what was trained through them first
        weight = np.zeros((spec.post, 12 + spec.post // 2 + self._spare, 3, 3), np.float32)
        weight[:, :12] = enter[:, :12].reshape(-1, 3, 4, 3, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 12, 3, 3)
        weight[:, :12] *= np.float32(PIXEL_SCALE / 64)
        weight[:, 12 : -self._spare] = enter[:, 12:]
        weight[:, -self._spare, 1, 1] = tensors[f"{part}.quality.weight"][:, 0, 0, 0]
        joined = graph.node("Concat", [halves, hints, "told"], axis=1)
        hidden = relu(convolution(joined, f"{part}.enter", weight))
        for place in range(spec.post_blocks):
            inside = relu(convolution(hidden, f"{part}.blocks.{place}.0"))
            hidden = add(hidden, convolution(inside, f"{part}.blocks.{place}.2"))
        leave = convolution(hidden, f"{part}.leave")
        repaired = graph.node("DepthToSpace", [leave], blocksize=2, mode=b"CRD")
        pixels = add(pixels, graph.node("Mul", [repaired, "step"]))
        whole = add(pixels, number(PIXEL_MEAN))
        side = (None, None)
        inputs = {
            "v": ("float32", (1, CHANNELS, *side)),
            "inner": ("float32", (1, spec.synthesis, 1, 1)),
            "gain": ("float32", (1, CHANNELS, 1, 1)),
            "told": ("float32", (1, self._spare, *side)),
            "step": ("float32", (1, 1, 1, 1)),
        }
        return graph.model(inputs, {whole: ("float32", (1, 3, *side))})

    def _filtered(self, graph: Graph, pixels: str) -> str:
        """Add the filter across all inner borders of blocks, see `lapped.filter_borders`."""
        after = self._tensors["synthesis.after"]

        def whole(*numbers: int) -> str:
            return graph.constant(np.array(numbers, np.int64))

        def part(x: str, first: int, stop: int, axis: int) -> str:
            return graph.node("Slice", [x, whole(first), whole(stop), whole(axis)])

        for axis in (2, 3):
            inner = part(pixels, _HALF, -_HALF, axis)
            if axis == 2:
                # 0 keeps a side, of the same place among the input's
                inner = graph.node("Unsqueeze", [inner, whole(3)])
                inner = graph.node("Reshape", [inner, whole(0, 0, -1, BLOCK, 0)])
                inner = graph.node("MatMul", [graph.constant(after), inner])
                inner = graph.node("Reshape", [inner, whole(0, 0, -1, 1, 0)])
                inner = graph.node("Squeeze", [inner, whole(3)])
            else:
                inner = graph.node("Reshape", [inner, whole(0, 0, 0, -1, BLOCK)])
                inner = graph.node("MatMul", [inner, graph.constant(np.ascontiguousarray(after.T))])
                inner = graph.node("Reshape", [inner, whole(0, 0, 0, -1)])
            ends = part(pixels, 0, _HALF, axis), part(pixels, -_HALF, 1 << 30, axis)
            pixels = graph.node("Concat", [ends[0], inner, ends[1]], axis=axis)
        return pixels
