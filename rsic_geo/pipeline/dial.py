"""Where on a dial a value lies that grows along it: looked up on a curve first, then closed in on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = 255
"""Steps of the network's quality."""
STOPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Settings that are always measured."""
_BELOW, _ABOVE = (-1.0, -0.5), (1.5, 2.0)
LOWEST = _BELOW[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What the whole scene is estimated to be at one setting of the dial."""

    dial: float
    size: float
    error: float
    scored: float


class Table:
    """Stops of the dial; those beyond the network's qualities are measured when what is wanted lies there."""

    def __init__(self, probe: Callable[[float], Stop]) -> None:
        self._probe = probe
        self._stops: list[Stop] = []

    def add(self, dial: float) -> None:
        """Measure a setting, unless it was."""
        if all(stop.dial != dial for stop in self._stops):
            self._stops = sorted([*self._stops, self._probe(dial)], key=lambda stop: stop.dial)

    def log_sizes(self, wanted: float) -> Curve:
        """Return ln(bytes) along the dial, as far as ``wanted`` if it can be reached."""
        return self._curve(wanted, lambda stop: math.log(max(stop.size, 1.0)))

    def log_gains(self, wanted: float) -> Curve:
        """Return -ln(mean squared error) along the dial, as far as ``wanted`` if it can be reached."""
        return self._curve(wanted, lambda stop: -math.log(max(stop.error, 1e-9) / max(stop.scored, 1.0)))

    def _curve(self, wanted: float, value: Callable[[Stop], float]) -> Curve:
        ends = {stop.dial: value(stop) for stop in self._stops if stop.dial in (0.0, 1.0)}
        for dial in (*(_BELOW if wanted < ends[0.0] else ()), *(_ABOVE if wanted > ends[1.0] else ())):
            self.add(dial)
        values = np.maximum.accumulate([value(stop) for stop in self._stops])
        # strictly rising, by next to nothing where it is not
        return Curve([stop.dial for stop in self._stops], values + 1e-6 * np.arange(len(values)))


@dataclass(frozen=True, slots=True)
class Curve:
    """A value that grows along the dial."""

    dials: list[float]
    values: NDArray[np.float64]

    def at(self, dial: float) -> float:
        """Return the value at a setting."""
        return float(np.interp(dial, self.dials, self.values))

    def inverse(self, value: float) -> float:
        """Return the setting of a value, that of the nearer end where it lies outside."""
        return float(np.interp(value, self.values, self.dials))


class Guide:
    """Where on the dial to look next for a value that grows along it."""

    def __init__(self, curve: Curve, target: float, known: dict[float, float]) -> None:
        self._curve, self._target = curve, target
        self._known = dict(known)
        self._side, self._misses = 0, 0
        self.shift = 0.0
        """What the scene is expected to have above the curve."""

    def learn(self, dial: float, value: float) -> None:
        """Note the value the scene has at a setting."""
        self._known[dial] = value
        side = 1 if value < self._target else -1
        self._misses = self._misses + 1 if side == self._side else 0
        self._side = side

    def below(self, tolerance: float) -> float:
        """Return the setting of the largest value that exceeds the target by no more than ``tolerance``."""
        fitting = [dial for dial, value in self._known.items() if value <= self._target + tolerance]
        return max(fitting) if fitting else min(self._known)

    def next(self) -> float | None:
        """Return the next setting to try; None where every step between the known ones was tried."""
        below = max((dial for dial, value in self._known.items() if value < self._target), default=None)
        above = min((dial for dial, value in self._known.items() if value >= self._target), default=None)
        if below is not None and above is not None and above > below:
            low, high = self._curve.at(below), self._curve.at(above)
            part = (self._target - self._known[below]) / (self._known[above] - self._known[below])
            dial = stepped(self._curve.inverse(low + part * (high - low)))
            if not below < dial < above:
                dial = stepped((below + above) / 2)
            return dial if below < dial < above else None
        near = above if below is None else below
        goal = self._target - self.shift
        if near is not None:
            goal = self._target - self._known[near] + self._curve.at(near)
        dial = stepped(self._curve.inverse(goal))
        if near is not None:  # the curve was wrong before: steps that grow lead past the target
            step = 2**self._misses / LEVELS
            dial = stepped(min(dial, near - step) if below is None else max(dial, near + step))
        dial = min(max(dial, self._curve.dials[0]), self._curve.dials[-1])
        return None if dial in self._known else dial


def stepped(dial: float) -> float:
    """Return the setting rounded to the steps of the network's quality; above 1 to as many steps."""
    return round(dial * LEVELS) / LEVELS
