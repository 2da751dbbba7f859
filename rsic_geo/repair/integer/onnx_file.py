"""An integer network as an ONNX model.

Convolutions become QLinearConv with every scale a power of two, sums QLinearAdd of equal scales: the forms
that were measured to give the same bytes on every processor.
"""

from __future__ import annotations

import numpy as np

from rsic_geo.onnx_file import CONTRIBUTED, Graph
from rsic_geo.repair.integer.graph import Add, Convolution, IntegerNetwork


def onnx_model(network: IntegerNetwork) -> bytes:
    """Return the model: uint8 (1, channels, h, w) called ``x`` to uint8 (1, outputs, h, w)."""
    graph = Graph()
    one = graph.constant(np.float32(1))
    for step in network.steps:
        if isinstance(step, Convolution):
            _convolution(graph, network, step, one)
        elif isinstance(step, Add):
            zeros = [graph.constant(np.uint8(network.zero_of(name))) for name in (*step.of, step.to)]
            inputs = [step.of[0], one, zeros[0], step.of[1], one, zeros[1], one, zeros[2]]
            graph.node("QLinearAdd", inputs, step.to, CONTRIBUTED)
        else:
            graph.node("DepthToSpace", [step.of], step.to, blocksize=2, mode=b"CRD")
    return graph.model(
        {"x": ("uint8", (1, network.channels, None, None))},
        {network.steps[-1].to: ("uint8", (1, network.outputs, None, None))},
    )


def _convolution(graph: Graph, network: IntegerNetwork, step: Convolution, one: str) -> None:
    """Add a convolution whose sums are shifted right: the weights' scale is a power of two."""
    side = step.weight.shape[2]
    inputs = [
        step.of, one, graph.constant(np.uint8(network.zero_of(step.of))),
        graph.constant(step.weight), graph.constant(np.exp2(-step.shift.astype(np.float32))),
        graph.constant(np.zeros(len(step.weight), np.int8)),
        one, graph.constant(np.uint8(step.zero)), graph.constant(step.bias),
    ]  # fmt: skip
    graph.node(
        "QLinearConv", inputs, step.to,
        kernel_shape=[side, side], pads=[step.padding] * 4, strides=[step.stride] * 2,
    )  # fmt: skip
