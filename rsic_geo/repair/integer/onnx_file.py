"""An integer network as an ONNX model, written without the ``onnx`` package.

ONNX files are protocol buffers (protobuf.dev, "Encoding"); field numbers are those of ``onnx.proto``, IR
version 8. Convolutions become QLinearConv with every scale a power of two, sums QLinearAdd of equal scales:
the forms that were measured to give the same bytes on every processor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsic_geo.repair.integer.graph import Add, Convolution, IntegerNetwork, Shuffle

_IR_VERSION, _OPSET = 8, 17
_CONTRIBUTED = "com.microsoft"
"""Domain of onnxruntime's own operators, of which QLinearAdd is one."""
_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6}


def onnx_model(network: IntegerNetwork) -> bytes:
    """Return the model: uint8 (1, channels, h, w) called ``x`` to uint8 called ``y``."""
    writer = _Writer()
    for step in network.steps:
        if isinstance(step, Convolution):
            writer.convolution(network, step)
        elif isinstance(step, Add):
            one = writer.constant(np.float32(1))
            zeros = [writer.constant(np.uint8(network.zero_of(name))) for name in (*step.of, step.to)]
            inputs = [step.of[0], one, zeros[0], step.of[1], one, zeros[1], one, zeros[2]]
            writer.node("QLinearAdd", inputs, step.to, domain=_CONTRIBUTED)
        else:
            writer.shuffle(step)
    graph = b"".join(
        [
            *(_field(1, node) for node in writer.nodes),
            _field(2, b"integer"),
            *(_field(5, tensor) for tensor in writer.tensors),
            _field(11, _value("x", network.channels)),
            _field(12, _value(network.steps[-1].to, network.outputs)),
        ]
    )
    opsets = [
        _field(8, _field(1, name.encode()) + _number(2, number))
        for name, number in (("", _OPSET), (_CONTRIBUTED, 1))
    ]
    return _number(1, _IR_VERSION) + _field(7, graph) + b"".join(opsets)


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        """Add a tensor that is no input; return its name."""
        array = np.asarray(value)
        name = f"c{len(self.tensors)}"
        dims = b"".join(_number(1, side) for side in array.shape)
        kind = _number(2, _TYPES[array.dtype.name])
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        self.tensors.append(dims + kind + _field(8, name.encode()) + _field(9, raw))
        return name

    def node(
        self,
        kind: str,
        inputs: list[str],
        output: str,
        domain: str = "",
        **attributes: int | list[int] | bytes,
    ) -> None:
        """Add an operator."""
        self.nodes.append(
            b"".join(_field(1, name.encode()) for name in inputs)
            + _field(2, output.encode())
            + _field(4, kind.encode())
            + b"".join(_field(5, _attribute(name, value)) for name, value in attributes.items())
            + _field(7, domain.encode())
        )

    def convolution(self, network: IntegerNetwork, step: Convolution) -> None:
        """Add a convolution whose sums are shifted right: the weights' scale is a power of two."""
        one = self.constant(np.float32(1))
        side = step.weight.shape[2]
        inputs = [
            step.of, one, self.constant(np.uint8(network.zero_of(step.of))),
            self.constant(step.weight), self.constant(np.exp2(-step.shift.astype(np.float32))),
            self.constant(np.zeros(len(step.weight), np.int8)),
            one, self.constant(np.uint8(step.zero)), self.constant(step.bias),
        ]  # fmt: skip
        self.node(
            "QLinearConv", inputs, step.to,
            kernel_shape=[side, side], pads=[step.padding] * 4, strides=[step.stride] * 2,
        )  # fmt: skip

    def shuffle(self, step: Shuffle) -> None:
        """Add a pixel shuffle by two."""
        self.node("DepthToSpace", [step.of], step.to, blocksize=2, mode=b"CRD")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _attribute(name: str, value: int | list[int] | bytes) -> bytes:
    head = _field(1, name.encode())
    if isinstance(value, bytes):
        return head + _field(4, value) + _number(20, 3)
    if isinstance(value, list):
        return head + b"".join(_number(8, one) for one in value) + _number(20, 7)
    return head + _number(3, value) + _number(20, 2)


def _value(name: str, channels: int) -> bytes:
    """Return the declaration of a tensor (1, channels, any, any) of uint8."""
    sides = [_number(1, 1), _number(1, channels), _field(2, b"h"), _field(2, b"w")]
    shape = b"".join(_field(1, side) for side in sides)
    tensor = _number(1, _TYPES["uint8"]) + _field(2, shape)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))
