"""The entropy model in integers: the same symbols on every device, thread count and library.

All numbers are integers carried in float64. Activations have 10 binary places and at most 21 bits, weights 12
binary places and at most 17 bits, and no layer sums more than 2^13 products (2^9 where it sees latents, which
have up to 26 bits), so every sum stays below 2^53: exact, and the order of its terms does not matter.
Convolutions are matrix products of gathered neighbours, so that no library may choose an algorithm (Winograd,
Fourier) that rounds. Divisions are by powers of two, then floor.

onnxruntime computes the products, by the caller's thread, in half the time numpy's and torch's libraries take
for float64 (measured on AVX512). What is gathered for one run stays in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.learned_network.spec import (
    CHANNELS,
    KNOTS,
    LEVELS,
    LOWEST_LOG2,
    MAGNITUDE_STEPS,
    PER_OCTAVE,
    PRECISION,
    SCALES,
    SIGNED_DIVISOR,
    CodecSpec,
    Phase,
    phases,
)
from rsic_geo.onnx_file import Graph, Session

PLACES = 10
"""Binary places of activations, means and log2 scales."""
ONE = 1 << PLACES
WEIGHT_PLACES = 12
WEIGHT_LIMIT = 1 << 17
_LIMIT = 1 << 20
_MEAN_LIMIT = 1 << 25
SYMBOL_LIMIT = 32767
"""Largest size of a symbol."""
FROZEN = "exact."
"""Start of the names of integer tensors in a weights file."""
ENCODER_ONLY = "entropy.hyper_analysis."
"""The one part of the entropy model that is shipped in floating point."""
_AT_ONCE = 1024
"""Places of one run."""
_MARGIN = max(phase.reach for group in range(3) for phase in phases(group))
Whole: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]


@dataclass(slots=True, eq=False)
class Step:
    """One step of coding: the places of a phase in the channels of a group."""

    means: Whole
    """(channels, places) expected values, in units of 1/1024 quantiser steps."""
    index: NDArray[np.uint8]
    """(channels, places) rows of the frequency table."""
    places: Places
    """(places,) where: row by row through (height, width)."""
    channels: slice
    symbols: Whole | None = None
    """(channels, places): to be filled in before the next step is asked for."""


def layers(spec: CodecSpec) -> dict[str, tuple[int, int, bool]]:
    """Return the outputs, the products of each, and whether there is a bias, of the frozen convolutions."""
    found = {
        "hyper_enter": (spec.hyper, 9 * spec.hyper_latents, True),
        "hyper_quality": (spec.hyper, 1, False),
        "hyper_leave": (spec.hyper, 9 * spec.hyper, True),
    }
    earlier = 0
    for group, (count, width) in enumerate(zip(spec.groups, spec.hidden, strict=True)):
        own = _features(spec, group)
        found[f"{group}.hyper"] = (width, spec.hyper, True)
        if group:
            found[f"{group}.earlier"] = (width, 9 * earlier, False)
        for number in range(len(phases(group)) - 1):
            found[f"{group}.own.{number}"] = (width, 9 * own, False)
            if not group:
                found[f"{group}.direct.{number}"] = (count, 9 * count, False)
        has_means = group < len(spec.groups) - 1
        found[f"{group}.middle"] = (width, width, True)
        found[f"{group}.leave"] = (count * (1 + has_means), width, True)
        earlier += own
    return found


def _features(spec: CodecSpec, group: int) -> int:
    """Return how many planes a group's latents tell later steps by."""
    return spec.groups[group] * (1 if group else 2)


def shapes(spec: CodecSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the integer tensors, but for the tables of frequencies, which no spec fixes."""
    found: dict[str, tuple[int, ...]] = {
        "base": (KNOTS, CHANNELS),
        "hyper_index": (spec.hyper_latents,),
        "half_width": (SCALES,),
    }
    for name, (outputs, terms, has_bias) in layers(spec).items():
        found[f"{name}.weight"] = (outputs, terms)
        if has_bias:
            found[f"{name}.bias"] = (outputs,)
    for group, count in enumerate(spec.groups):
        found[f"{group}.offsets"] = (len(phases(group)), count)
    return found


def max_terms(name: str) -> int:
    """Return how many products a layer may add up; a direct one sees latents of up to 26 bits."""
    return 1 << 9 if ".direct." in name else 1 << 13


def _check(spec: CodecSpec, frozen: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError for numbers that would not stay exact, or that the native coder would trust.

    A weights file may come from anybody.
    """
    fixed = shapes(spec)
    if frozen.keys() != fixed.keys() | {"cdf", "limits"} or any(
        frozen[name].shape != shape for name, shape in fixed.items()
    ):
        raise ValueError("the integer tensors are not those of the network described")
    if any(array.dtype not in (np.int16, np.int32) for name, array in frozen.items() if name != "limits"):
        raise ValueError("tensors that must be integers are none")
    for name, (_, terms, _) in layers(spec).items():
        largest = np.abs(frozen[f"{name}.weight"].astype(np.int64)).max()
        if largest > WEIGHT_LIMIT or terms > max_terms(name):
            raise ValueError(f"layer {name}: weights beyond 17 bits, or too many of them")
    cdf, half = frozen["cdf"].astype(np.int64), frozen["half_width"].astype(np.int64)
    if cdf.ndim != 2 or len(cdf) != SCALES:
        raise ValueError("frequency tables of another shape")
    if half.min() < 0 or 2 * half.max() + 3 > cdf.shape[1]:
        raise ValueError("frequency tables shorter than they claim")
    for row, size in zip(cdf, 2 * half + 3, strict=True):
        if row[0] or row[size - 1] != 1 << PRECISION or np.diff(row[:size]).min() < 1:
            raise ValueError("frequencies that do not rise from nothing to the whole")
    index, limits = frozen["hyper_index"], frozen["limits"]
    if index.min() < 1 or index.max() >= SCALES:
        raise ValueError("scales outside of the frequency tables")
    if limits.shape != (SCALES, 2) or limits.dtype != np.float32 or not np.isfinite(limits).all():
        raise ValueError("borders of rounding that are none")


class ExactEntropy:
    """The frozen entropy model; safe to share between threads."""

    def __init__(self, spec: CodecSpec, frozen: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `frozen.freeze` returned.

        Raises:
            ValueError: it is of a network of another shape, or none of integers.
            MissingDependencyError: onnxruntime is missing or too old.
        """
        _check(spec, frozen)
        self.spec, self._frozen = spec, frozen
        self.cdf, self.half_width = frozen["cdf"], frozen["half_width"]
        self.hyper_index = frozen["hyper_index"].astype(np.uint8)
        self._limits = frozen["limits"].astype(np.float64)
        self._hyper = [self._hyper_session(name) for name in ("hyper_enter", "hyper_leave")]
        self._expects = [
            [self._group_session(group, number) for number in range(len(phases(group)))]
            for group in range(len(spec.groups))
        ]

    def round(self, residual: Floats, index: NDArray[np.uint8]) -> Whole:
        """Return symbols of residuals, rounded by the borders of their scale; those of the first are 0."""
        symbols, coded = np.zeros(residual.shape, np.int32), index > 0
        chosen = residual[coded]
        size = np.abs(chosen)
        whole = np.floor(size)
        border = self._limits[index[coded], np.minimum(whole, 1).astype(np.intp)]
        rounded = np.copysign(whole + (size - whole >= border), chosen)
        symbols[coded] = np.clip(rounded, -SYMBOL_LIMIT, SYMBOL_LIMIT)
        return symbols

    def steps(self, z: Whole, level: int, latents: Whole) -> Iterator[Step]:
        """Go through the steps of coding; each must get its symbols before the next one is taken.

        Args:
            z: hyper-latent symbols (channels, ceil(h/4), ceil(w/4)).
            level: quality level, 0..255.
            latents: (192, h, w) zeros; filled with dequantised latents in units of 1/1024 steps.
        """
        height, width = latents.shape[1:]
        hyper, base = self._hyper_features(z, level, height, width), self._base(level)
        flat = latents.reshape(len(latents), -1)
        earlier: list[_Canvas] = []
        first = 0
        for group, count in enumerate(self.spec.groups):
            channels = slice(first, first + count)
            first += count
            own = _Canvas(height, width, _features(self.spec, group))
            known = _Canvas(height, width, count)
            offsets = self._frozen[f"{group}.offsets"] + base[channels] - int(LOWEST_LOG2 * ONE)
            has_more = first < CHANNELS
            for number, phase in enumerate(phases(group)):
                places = _places(phase, height, width)
                around = [(canvas, 1) for canvas in earlier]
                around += [(own, phase.reach)] * bool(number) + [(known, phase.reach)] * (
                    bool(number) and not group
                )
                told = offsets[number][None].astype(np.float64)
                means, index = _expect(self._expects[group][number], hyper, around, places, told)
                step = Step(means, index, places, channels)
                yield step
                assert step.symbols is not None
                found = step.symbols * ONE + means
                flat[channels][:, places if len(places) < flat.shape[1] else slice(None)] = found
                if has_more:
                    own.put(places, _own_features(group, found.T))
                    if not group:
                        known.put(places, found.T)
            earlier.append(own)

    def _base(self, level: int) -> Floats:
        """Return expected log2 scales (192,) at a quality level, 10 binary places."""
        spacing = LEVELS // (KNOTS - 1)
        knot, share = divmod(level, spacing)
        knots = self._frozen["base"].astype(np.float64)
        base: Floats = np.floor((knots[knot] * (spacing - share) + knots[knot + 1] * share) / spacing)
        return base

    def _hyper_features(self, z: Whole, level: int, height: int, width: int) -> Floats:
        """Return features (height x width, hyper) of hyper-latent symbols z."""
        enter, leave = self._hyper
        rows, cols = z.shape[1:]
        hidden = np.clip(z.reshape(len(z), -1).T.astype(np.float64) * ONE, -_LIMIT, _LIMIT)
        told = self._frozen["hyper_quality.weight"].T * float(level * (ONE // LEVELS)) / (1 << WEIGHT_PLACES)
        for session, more in ((enter, told), (leave, np.zeros_like(told))):
            canvas = _Canvas(rows, cols, hidden.shape[1])
            places = np.arange(rows * cols)
            canvas.put(places, hidden)
            parts = [session.run(x0=canvas.around(part, 1), told=more)[0] for part in _parts(places)]
            twice = np.concatenate(parts).reshape(rows, cols, -1).repeat(2, axis=0).repeat(2, axis=1)
            rows, cols = twice.shape[:2]
            hidden = twice.reshape(rows * cols, -1)
        return twice[:height, :width].reshape(height * width, -1)

    def _hyper_session(self, name: str) -> Session:
        """Return a layer of the hyper synthesis: neighbours ``x0``, and ``told``, to activations."""
        graph, (outputs, terms, _) = Graph(), layers(self.spec)[name]
        total = graph.node("Add", [_sum(graph, "x0", self._weight(name), self._bias(graph, name)), "told"])
        activated = _activated(graph, total)
        rows = ("float64", (None, outputs))
        return Session(
            graph.model(
                {"x0": ("float64", (None, terms)), "told": ("float64", (1, outputs))}, {activated: rows}
            )
        )

    def _group_session(self, group: int, number: int) -> Session:
        """Return the networks of a step: hyper features and neighbours to means (if any) and rows of tables.

        Inputs are ``hyper``; ``x0``, ``x1``... the neighbours in planes of earlier groups, of the own one,
        and of the own latents as they are; and ``told``, what is added to log2 scales.
        """
        spec, graph = self.spec, Graph()
        count, last = spec.groups[group], group == len(spec.groups) - 1
        inputs: dict[str, tuple[str, tuple[int | None, ...]]] = {"hyper": ("float64", (None, spec.hyper))}
        bias = self._bias(graph, f"{group}.hyper")
        total = _sum(graph, "hyper", self._weight(f"{group}.hyper"), bias)

        def neighbours(weight: Floats, more: str) -> str:
            name = f"x{len(inputs) - 1}"
            inputs[name] = ("float64", (None, len(weight)))
            return _sum(graph, name, weight, more)

        if group:
            planes = np.cumsum([_features(spec, before) for before in range(group)])[:-1]
            weight = self._weight(f"{group}.earlier")
            for part in np.split(weight.reshape(9, -1, weight.shape[1]), planes, axis=1):
                total = neighbours(part.reshape(-1, weight.shape[1]), total)
        if number:
            total = neighbours(self._weight(f"{group}.own.{number - 1}"), total)
        added = self._bias(graph, f"{group}.leave")
        if number and not group:  # of the means alone
            weight = self._weight(f"{group}.direct.{number - 1}")
            added = neighbours(np.pad(weight, ((0, 0), (0, count))), added)
        for name, more in (("middle", self._bias(graph, f"{group}.middle")), ("leave", added)):
            total = _sum(graph, _activated(graph, total), self._weight(f"{group}.{name}"), more)
        whole = graph.node("Floor", [total])
        outputs: dict[str, tuple[str, tuple[int | None, ...]]] = {}
        logs = whole
        if not last:
            axis = graph.constant(np.array([1]))
            zero, middle, end = (graph.constant(np.array([at])) for at in (0, count, 2 * count))
            means = graph.node("Slice", [whole, zero, middle, axis])
            means = graph.node("Cast", [_clipped(graph, means, -_MEAN_LIMIT, _MEAN_LIMIT)], to=6)
            outputs[means] = ("int32", (None, count))
            logs = graph.node("Slice", [whole, middle, end, axis])
        inputs["told"] = ("float64", (1, count))
        logs = graph.node("Add", [_clipped(graph, logs, -_LIMIT, _LIMIT), "told"])
        logs = graph.node("Mul", [logs, graph.constant(np.float64(PER_OCTAVE / ONE))])
        index = graph.node("Cast", [_clipped(graph, graph.node("Floor", [logs]), 0, SCALES - 1)], to=2)
        outputs[index] = ("uint8", (None, count))
        return Session(graph.model(inputs, outputs))

    def _bias(self, graph: Graph, name: str) -> str:
        """Add a bias to a graph, in units of activations, and the half that makes floor round."""
        bias = self._frozen[f"{name}.bias"].astype(np.float64)[None]
        return graph.constant(bias / (1 << WEIGHT_PLACES) + 0.5)

    def _weight(self, name: str) -> Floats:
        """Return weights (terms, outputs) in the units that make sums those of activations: as exact."""
        return self._frozen[f"{name}.weight"].T.astype(np.float64) / (1 << WEIGHT_PLACES)


def _sum(graph: Graph, x: str, weight: Floats, more: str) -> str:
    return graph.node("Gemm", [x, graph.constant(weight), more])


def _clipped(graph: Graph, x: str, low: int, high: int) -> str:
    return graph.node("Clip", [x, *(graph.constant(np.float64(limit)) for limit in (low, high))])


def _activated(graph: Graph, total: str) -> str:
    return _clipped(graph, graph.node("Floor", [total]), 0, _LIMIT)


def _places(phase: Phase, height: int, width: int) -> Places:
    """Return the places of a phase in (height, width), row by row."""
    mask = np.zeros((height, width), dtype=bool)
    for row, column in phase.offsets:
        mask[row :: phase.period, column :: phase.period] = True
    return np.flatnonzero(mask)


def _parts(places: Places) -> Iterator[Places]:
    for first in range(0, len(places), _AT_ONCE):
        yield places[first : first + _AT_ONCE]


class _Canvas:
    """Planes with zeros around, of which neighbourhoods of 3 x 3 places are taken."""

    def __init__(self, height: int, width: int, planes: int) -> None:
        self._stride = width + 2 * _MARGIN
        self._values = np.zeros(((height + 2 * _MARGIN) * self._stride, planes))
        rows, cols = np.arange(height)[:, None] + _MARGIN, np.arange(width) + _MARGIN
        self._inner = (rows * self._stride + cols).reshape(-1)

    def put(self, places: Places, values: NDArray[np.generic]) -> None:
        """Write values (places, planes)."""
        self._values[self._inner[places]] = values

    def around(self, places: Places, reach: int) -> Floats:
        """Return (places, 9 x planes) values at places ``reach`` apart."""
        apart = np.array([-reach, 0, reach])
        wanted = self._inner[places][:, None] + (apart[:, None] * self._stride + apart).reshape(-1)
        found: Floats = self._values.take(wanted, axis=0, mode="clip").reshape(len(places), -1)
        return found


def _expect(
    session: Session, hyper: Floats, around: Sequence[tuple[_Canvas, int]], places: Places, told: Floats
) -> tuple[Whole, NDArray[np.uint8]]:
    """Return means and rows of the table, both (channels, places)."""
    means = np.zeros((told.shape[1], len(places)), np.int32)
    index = np.empty((told.shape[1], len(places)), np.uint8)
    done = 0
    for part in _parts(places):
        inputs = {f"x{k}": canvas.around(part, reach) for k, (canvas, reach) in enumerate(around)}
        inputs["hyper"] = hyper.take(part, axis=0)
        now = slice(done, done + len(part))
        done = now.stop
        *some, rows = session.run(told=told, **inputs)
        index[:, now] = rows.T
        for found in some:
            means[:, now] = found.T
    return means, index


def _own_features(group: int, v: Whole) -> Whole:
    """Return what `GroupModel.own_features` does, in fixed point, planes last."""
    size = np.abs(v)
    pressed = sum(np.minimum(size, int(limit) * ONE) // int(divisor) for limit, divisor in MAGNITUDE_STEPS)
    if group:
        return np.asarray(pressed)
    return np.concatenate([np.clip(v // int(SIGNED_DIVISOR), -_LIMIT, _LIMIT), pressed], axis=1)
