"""Where on a dial a value lies that grows along it: looked up on a curve first, then closed in on."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Lookup: TypeAlias = Generator[float, float, T]
"""Yields the stops of the dial it needs, is sent what each was measured to be, and returns what it finds."""
LEVELS = 255
"""Steps of a quality."""
LEAST_COST = 1e-30
"""Smaller costs are as good as none."""
PSNR_AIM = 0.4
"""How far above its target a PSNR is steered, as part of its slack: the next round is likely the last."""
_QUALITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
_FIRST = 0.5


def stops(*, beyond: bool) -> tuple[float, ...]:
    """Return the settings that may be measured: the qualities, and beyond 0 and 1 what they do not reach."""
    return (-1.0, -0.5, *_QUALITIES, 1.5, 2.0) if beyond else _QUALITIES


def answered(lookup: Lookup[T], measure: Callable[[float], float]) -> T:
    """Return what a lookup comes to, with every stop it asks for measured here, outside of it."""
    try:
        dial = next(lookup)
        while True:
            dial = lookup.send(measure(dial))
    except StopIteration as end:
        found: T = end.value
        return found


class Curve:
    """A value that grows along the dial, straight between the stops around the place that is asked for.

    It begins at the middle and is measured as far as it is needed, each stop once.
    """

    def __init__(self, values: dict[float, float], dials: tuple[float, ...]) -> None:
        """Hold the values measured so far, by setting, and the stops that may be measured."""
        self._values, self._dials = values, dials
        self._low = self._high = dials.index(_FIRST)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the dial is known to lead: from 0 to 1, and beyond where it was measured there."""
        return min(self._dials[self._low], 0.0), max(self._dials[self._high], 1.0)

    def at(self, dial: float) -> Lookup[float]:
        """Return the value at a setting."""
        while dial < self._dials[self._low] and self._low > 0:
            self._low -= 1
        while dial > self._dials[self._high] and self._high < len(self._dials) - 1:
            self._high += 1
        dials, values = yield from self._measured()
        return float(np.interp(dial, dials, values))

    def inverse(self, value: float) -> Lookup[float]:
        """Return the setting of a value, that of the nearer end where it lies outside."""
        dials, values = yield from self._measured()
        while value < values[0] and self._low > 0:
            self._low -= 1
            dials, values = yield from self._measured()
        while value > values[-1] and self._high < len(self._dials) - 1:
            self._high += 1
            dials, values = yield from self._measured()
        return float(np.interp(value, values, dials))

    def _measured(self) -> Lookup[tuple[list[float], NDArray[np.float64]]]:
        """Return settings and values, strictly rising: by next to nothing where they are not."""
        dials = list(self._dials[self._low : self._high + 1])
        for dial in dials:
            if dial not in self._values:
                self._values[dial] = yield dial
        values = np.maximum.accumulate([self._values[dial] for dial in dials])
        return dials, values + 1e-6 * np.arange(len(values))


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

    def next(self) -> Lookup[float | None]:
        """Return the next setting to try; None where every step between the known ones was tried."""
        below = max((dial for dial, value in self._known.items() if value < self._target), default=None)
        above = min((dial for dial, value in self._known.items() if value >= self._target), default=None)
        if below is not None and above is not None and above > below:
            low = yield from self._curve.at(below)
            high = yield from self._curve.at(above)
            part = (self._target - self._known[below]) / (self._known[above] - self._known[below])
            dial = stepped((yield from self._curve.inverse(low + part * (high - low))))
            if not below < dial < above:
                dial = stepped((below + above) / 2)
            return dial if below < dial < above else None
        near = above if below is None else below
        goal = self._target - self.shift
        if near is not None:
            goal = self._target - self._known[near] + (yield from self._curve.at(near))
        dial = stepped((yield from self._curve.inverse(goal)))
        if near is not None:  # the curve was wrong before: steps that grow lead past the target
            step = 2**self._misses / LEVELS
            dial = stepped(min(dial, near - step) if below is None else max(dial, near + step))
        lowest, highest = self._curve.ends
        dial = min(max(dial, lowest), highest)
        return None if dial in self._known else dial


def stepped(dial: float) -> float:
    """Return the setting rounded to the steps of a quality; above 1 to as many steps."""
    return round(dial * LEVELS) / LEVELS
