"""Graphs as ONNX models, written without the ``onnx`` package, and onnxruntime, which runs them.

ONNX files are protocol buffers (protobuf.dev, "Encoding"); field numbers are those of ``onnx.proto``, IR
version 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import MissingDependencyError

_IR_VERSION, _OPSET = 8, 17
CONTRIBUTED = "com.microsoft"
"""Domain of onnxruntime's own operators."""
_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "float64": 11}
LEAST_ONNXRUNTIME = (1, 23)
"""Older ones cannot shuffle the pixels of bytes."""
_DOUBLING = 0
"""How onnxruntime's heap grows."""
_FIRST_PIECE = 128 << 20
"""Bytes it begins with: what is never touched takes no memory."""
Attribute: TypeAlias = "int | list[int] | bytes"


class Graph:
    """Operators in the order they are computed, and their constants."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """Add a tensor that is no input; return its name."""
        array = np.asarray(value)
        name = f"c{len(self._tensors)}"
        dims = b"".join(_number(1, side) for side in array.shape)
        kind = _number(2, _TYPES[array.dtype.name])
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        self._tensors.append(dims + kind + _field(8, name.encode()) + _field(9, raw))
        return name

    def node(
        self, kind: str, inputs: Sequence[str], output: str = "", domain: str = "", **attributes: Attribute
    ) -> str:
        """Add an operator; return the name of its output, ``output`` or one that is free."""
        output = output or f"n{len(self._nodes)}"
        self._nodes.append(
            b"".join(_field(1, name.encode()) for name in inputs)
            + _field(2, output.encode())
            + _field(4, kind.encode())
            + b"".join(_field(5, _attribute(name, value)) for name, value in attributes.items())
            + _field(7, domain.encode())
        )
        return output

    def model(
        self,
        inputs: Mapping[str, tuple[str, tuple[int | None, ...]]],
        outputs: Mapping[str, tuple[str, tuple[int | None, ...]]],
    ) -> bytes:
        """Return the file.

        Args:
            inputs: names, with numpy's name of a type and a shape; None for sides that may be any.
            outputs: the same, of names that nodes have.
        """
        graph = b"".join(
            [
                *(_field(1, node) for node in self._nodes),
                _field(2, b"graph"),
                *(_field(5, tensor) for tensor in self._tensors),
                *(_field(11, _value(name, *what)) for name, what in inputs.items()),
                *(_field(12, _value(name, *what)) for name, what in outputs.items()),
            ]
        )
        opsets = [
            _field(8, _field(1, name.encode()) + _number(2, number))
            for name, number in (("", _OPSET), (CONTRIBUTED, 1))
        ]
        return _number(1, _IR_VERSION) + _field(7, graph) + b"".join(opsets)


class Session:
    """onnxruntime at work on a model, with the caller's thread alone; safe to share between threads."""

    def __init__(self, model: bytes) -> None:
        """Raises MissingDependencyError if onnxruntime is missing or too old."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError(f"{error}: pip install 'onnxruntime>=1.23'") from error
        version = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
        if version < LEAST_ONNXRUNTIME:
            raise MissingDependencyError(
                f"onnxruntime {onnxruntime.__version__} is older than 1.23: pip install 'onnxruntime>=1.23'"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.enable_mem_pattern = False  # plans each shape ahead: a quarter more memory, no faster
        if _has_one_heap():
            options.add_session_config_entry("session.use_env_allocators", "1")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, **inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the outputs, in the order they were declared."""
        found: list[NDArray[Any]] = self._session.run(None, inputs)
        return found


@cache
def _has_one_heap() -> bool:
    """Let all sessions share one heap; return whether they do.

    By itself onnxruntime gives each session one of its own, in pieces that double, and what does not fit
    into the rest of a piece leaves it unused: half as much again with two threads.
    """
    import onnxruntime as ort

    heap = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    try:
        ort.create_and_register_allocator(heap, ort.OrtArenaCfg(0, _DOUBLING, _FIRST_PIECE, -1))
    except Exception:  # noqa: BLE001 - the process has one already: whoever made it knows best
        return False
    return True


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


def _attribute(name: str, value: Attribute) -> bytes:
    head = _field(1, name.encode())
    if isinstance(value, bytes):
        return head + _field(4, value) + _number(20, 3)
    if isinstance(value, list):
        return head + b"".join(_number(8, one) for one in value) + _number(20, 7)
    return head + _number(3, value) + _number(20, 2)


def _value(name: str, kind: str, shape: tuple[int | None, ...]) -> bytes:
    """Return the declaration of a tensor."""
    sides = [
        _number(1, side) if side is not None else _field(2, f"{name}{axis}".encode())
        for axis, side in enumerate(shape)
    ]
    tensor = _number(1, _TYPES[kind]) + _field(2, b"".join(_field(1, side) for side in sides))
    return _field(1, name.encode()) + _field(2, _field(1, tensor))
