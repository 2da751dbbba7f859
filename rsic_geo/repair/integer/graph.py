"""A network of integers: convolutions of uint8 by int8 that are shifted right, sums, pixel shuffles.

Every tensor is uint8 and stands for its value minus a zero point, which is 0 behind a ReLU (the cut at 0 is
the ReLU), else 128. Three rules make every engine give the same bytes, each with a measured counterexample
where it is broken: weights lie in -64..64; sums stay below 2**24 and are shifted by whole bits, rounded half
to even; tensors that are added have one scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

WEIGHT_LIMIT = 64
"""Largest magnitude of a weight: two products of larger ones overflow the 16 bits of AVX2's instruction."""
SUM_LIMIT = 1 << 24
"""No sum may reach this: float32 holds every whole number up to it."""
SHIFT_LIMIT = 24
MOST_FINER = 8
TABLE_LIMIT = 1 << 23
"""Entries of tables are smaller: their products with bytes fit 32 bits."""
TABLE = 8 * 255 + 1
"""Entries of the tables, by distortion in eighths of a level."""
ZERO = 128
"""Zero point of what is not behind a ReLU."""

Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convolution:
    """Sums of products, plus a bias, shifted right per output channel, cut to a byte."""

    of: str
    to: str
    zero: int
    """Zero point of the result: 0 is a ReLU, else 128."""
    stride: int
    weight: NDArray[np.int8]
    """(outputs, inputs, side, side)."""
    bias: NDArray[np.int32]
    """(outputs,)."""
    shift: NDArray[np.int8]
    """(outputs,) bits."""

    @property
    def padding(self) -> int:
        """Zeros around the input; a convolution that halves has none."""
        return self.weight.shape[2] // 2 if self.stride == 1 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """The sum of two tensors of one scale, cut to a byte around 128."""

    of: tuple[str, str]
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffle:
    """Four channels to one of twice the sides, as torch's pixel_shuffle."""

    of: str
    to: str


Step: TypeAlias = Convolution | Add | Shuffle


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntegerNetwork:
    """What happens between a folded window and its folded corrections, and the tables of both ends."""

    bands: int
    """Bands seen and corrected."""
    mean_cell: int
    """Side of the cells whose mean is taken out of the input (px)."""
    steps: tuple[Step, ...]
    gain: NDArray[np.int32]
    """(TABLE,) what a step of the input counts, in 2**-16 of the network's steps."""
    told: Bytes
    """(TABLE,) what the network is told of the distortion."""
    scale: NDArray[np.int32]
    """(TABLE,) what a step of the network's output is, in 2**-SCALE_BITS of a correction's steps."""
    finer: tuple[int, ...]
    """Bits by which the steps of each proposal are finer than that."""

    @property
    def proposals(self) -> int:
        """Corrections proposed for every band."""
        return len(self.finer)

    @property
    def channels(self) -> int:
        """Channels of the input: 2 x 2 px of every band, and the distortion."""
        return 4 * self.bands + 1

    @property
    def outputs(self) -> int:
        """Channels of the result."""
        return 4 * self.bands * self.proposals

    def zero_of(self, name: str) -> int:
        """Return the zero point of a tensor."""
        for step in self.steps:
            if step.to == name:
                if isinstance(step, Shuffle):
                    return self.zero_of(step.of)
                return step.zero if isinstance(step, Convolution) else ZERO
        return ZERO

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates per pixel of the scene."""
        scales, total = {"x": 4.0}, 0.0
        for step in self.steps:
            if isinstance(step, Convolution):
                scales[step.to] = scales[step.of] * step.stride**2
                total += step.weight.size / scales[step.to]
            elif isinstance(step, Shuffle):
                scales[step.to] = scales[step.of] / 4
            else:
                scales[step.to] = scales[step.of[0]]
        return total

    def reach(self, beyond: int) -> int:
        """Return how far the pixels lie (px) that results up to ``beyond`` px outside a core depend on.

        The core's borders are taken as multiples of the coarsest level's squares, which both sides see alike.
        """
        need = {self.steps[-1].to: -(-beyond // 2)}  # squares of the tensor's own level outside the core
        for step in reversed(self.steps):
            wanted = need[step.to]
            if isinstance(step, Convolution):
                wanted = wanted * step.stride if step.stride > 1 else wanted + step.weight.shape[2] // 2
            elif isinstance(step, Shuffle):
                wanted = -(-wanted // 2)
            for name in step.of if isinstance(step, Add) else (step.of,):
                need[name] = max(wanted, need.get(name, 0))
        return 2 * need["x"]

    def tensors(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for a file."""
        out: dict[str, NDArray[Any]] = {
            f"{prefix}.gain": self.gain,
            f"{prefix}.told": self.told,
            f"{prefix}.scale": self.scale,
        }
        for step in self.steps:
            if isinstance(step, Convolution):
                for kind in ("weight", "bias", "shift"):
                    out[f"{prefix}.{step.to}.{kind}"] = getattr(step, kind)
        return out

    def to_json(self) -> dict[str, Any]:
        """Return what is no array, as plain types."""
        steps = []
        for step in self.steps:
            if isinstance(step, Convolution):
                steps.append(["conv", step.of, step.to, step.stride, step.zero])
            elif isinstance(step, Add):
                steps.append(["add", *step.of, step.to])
            else:
                steps.append(["shuffle", step.of, step.to])
        return {
            "bands": self.bands, "mean_cell": self.mean_cell, "finer": list(self.finer), "steps": steps,
        }  # fmt: skip

    @classmethod
    def from_file(
        cls, fields: dict[str, Any], tensors: Mapping[str, NDArray[Any]], prefix: str
    ) -> IntegerNetwork:
        """Rebuild what :meth:`to_json` and :meth:`tensors` returned.

        Raises KeyError, TypeError or ValueError for anything that is no such network, sums that may overflow
        included.
        """

        def array(name: str, kind: type[np.generic]) -> NDArray[Any]:
            found = tensors[f"{prefix}.{name}"]
            if found.dtype != kind:
                raise ValueError(f"{name} is {found.dtype}")
            return found

        steps: list[Step] = []
        for kind, *words in fields["steps"]:
            if kind == "conv":
                of, to, stride, zero = words
                steps.append(
                    Convolution(
                        of=of, to=to, stride=int(stride), zero=int(zero),
                        weight=array(f"{to}.weight", np.int8), bias=array(f"{to}.bias", np.int32),
                        shift=array(f"{to}.shift", np.int8),
                    )
                )  # fmt: skip
            elif kind == "add":
                first, second, to = words
                steps.append(Add(of=(first, second), to=to))
            elif kind == "shuffle":
                of, to = words
                steps.append(Shuffle(of=of, to=to))
            else:
                raise ValueError(f"a step of kind {kind}")
        network = cls(
            bands=int(fields["bands"]), finer=tuple(int(bits) for bits in fields["finer"]),
            mean_cell=int(fields["mean_cell"]), steps=tuple(steps), gain=array("gain", np.int32),
            told=array("told", np.uint8), scale=array("scale", np.int32),
        )  # fmt: skip
        network.check()
        return network

    def check(self) -> None:
        """Raise ValueError or KeyError unless every step fits the others and no sum may overflow."""
        sizes: dict[str, tuple[int, int]] = {"x": (self.channels, 2)}  # channels, px per square
        for table in (self.gain, self.told, self.scale):
            if table.shape != (TABLE,):
                raise ValueError(f"a table of {table.shape}")
        if (
            min(self.gain.min(), self.scale.min()) < 0
            or max(self.gain.max(), self.scale.max()) >= TABLE_LIMIT
        ):
            raise ValueError("a table's values are too large")
        if self.bands not in (1, 3) or not 1 <= self.proposals <= 4 or self.mean_cell not in (16, 32, 64):
            raise ValueError("bands, proposals or cells of no network")
        if not all(0 <= bits <= MOST_FINER for bits in self.finer):
            raise ValueError(f"proposals of {self.finer} bits")
        for step in self.steps:
            if isinstance(step, Convolution):
                channels, px = sizes[step.of]
                _check_sums(step, channels)
                sizes[step.to] = len(step.weight), px * step.stride
            elif isinstance(step, Shuffle):
                channels, px = sizes[step.of]
                if channels % 4 or px < 4:
                    raise ValueError(f"{step.to}: nothing to shuffle")
                sizes[step.to] = channels // 4, px // 2
            elif sizes[step.of[0]] != sizes[step.of[1]]:
                raise ValueError(f"{step.to}: the sum of unlike tensors")
            else:
                sizes[step.to] = sizes[step.of[0]]
        if sizes[self.steps[-1].to] != (self.outputs, 2) or max(px for _, px in sizes.values()) > ALIGN:
            raise ValueError("the result is no correction")


ALIGN = 8
"""Windows of networks begin and end at multiples of this many px of the scene: their coarsest squares."""


def _check_sums(step: Convolution, channels: int) -> None:
    """Raise ValueError for a convolution whose shapes do not fit, or whose sums might not be exact."""
    outputs, inputs, rows, cols = step.weight.shape
    fits = inputs == channels and rows == cols and step.bias.shape == step.shift.shape == (outputs,)
    kinds = {(1, 1), (3, 1), (2, 2)}
    if not fits or (rows, step.stride) not in kinds or step.zero not in (0, ZERO):
        raise ValueError(f"{step.to}: weights of {step.weight.shape} do not fit")
    wide = np.abs(step.weight.astype(np.int64))
    largest = 255 * wide.sum(axis=(1, 2, 3)) + np.abs(step.bias.astype(np.int64))
    if wide.max() > WEIGHT_LIMIT or largest.max() >= SUM_LIMIT:
        raise ValueError(f"{step.to}: sums may reach {largest.max()}, beyond what every engine adds exactly")
    if step.shift.min() < 0 or step.shift.max() > SHIFT_LIMIT:
        raise ValueError(f"{step.to}: shifts of {step.shift.min()} to {step.shift.max()} bits")
