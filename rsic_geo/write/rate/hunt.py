"""A search for a squared error, by what came of what was asked for so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SETTLED = 0.01
"""Share of the bytes that is not worth another round."""


_FARTHEST = 64.0
"""Most a squared error that is asked for changes at once."""


@dataclass(slots=True, kw_only=True)
class Hunt:
    """A search for a squared error: what was asked of the curves so far, and what came of it."""

    goal: float
    """Cost of the worst band to steer at, a little below the largest allowed."""
    low: float = 0.0
    """Largest aim (squared error of all bands) known to reach."""
    high: float = math.inf
    """Smallest aim known to miss."""
    gain: NDArray[np.float64] | float = 1.0
    """Squared errors (bands,) of the final output over those of the codec, at the last look."""
    is_known: bool = False
    """Whether there was such a look."""
    reached_bytes: float = math.inf
    """Fewest bytes known to reach."""
    missed_bytes: float = 0.0
    """Most bytes known to miss."""
    missed: dict[int, int] = field(default_factory=dict)
    """How often a coding of so many bytes came up and missed."""
    last: tuple[float, float] | None = None
    """Aim of the round before, and what came of it."""

    def learn_gain(self, coded: NDArray[np.float64], achieved: NDArray[np.float64]) -> None:
        """Remember what carrying on makes of the codec's errors (bands,); it hardly depends on the rate."""
        self.gain = np.divide(achieved, coded, out=np.ones(len(coded)), where=coded > 0)
        self.is_known = True

    def is_settled(self, reached_bytes: float, missed_bytes: float) -> bool:
        """Return whether a coding that reaches (or misses, where that is given) leaves nothing to win."""
        reached = min(self.reached_bytes, reached_bytes or math.inf)
        missed = max(self.missed_bytes, missed_bytes)
        return 0 < missed < reached <= (1 + SETTLED) * missed

    def is_over(self, missed_bytes: int) -> bool:
        """Return whether a coding that missed shows that nothing better than what reached is to be had."""
        is_stuck = math.isfinite(self.reached_bytes) and self.missed[missed_bytes] > 3
        return is_stuck or self.is_settled(0, missed_bytes)

    def is_at_floor(self, aim: float, achieved: float) -> bool:
        """Return whether a coding that missed is hardly better than one asked for far more error."""
        if self.last is None or self.low > 0:
            return False
        return aim < self.last[0] / 1.5 and achieved > 0.98 * self.last[1]

    def next_aim(self, aim: float, achieved: float, size: int, *, reached: bool) -> float:
        """Return the squared error to ask of the curves next, by the slope of the last two rounds."""
        if reached:
            self.low, self.reached_bytes = max(self.low, aim), min(self.reached_bytes, size)
        else:
            self.high, self.missed_bytes = min(self.high, aim), max(self.missed_bytes, size)
        achieved = max(achieved, 1e-30)
        power = 1.0
        if self.last is not None and aim != self.last[0] and achieved != self.last[1]:
            power = math.log(achieved / self.last[1]) / math.log(aim / self.last[0])
        self.last = (aim, achieved)
        guess: float = aim * (self.goal / achieved) ** (1 / min(max(power, 0.2), 2.0))
        guess = min(max(guess, aim / _FARTHEST), aim * _FARTHEST)  # exact samples have no slope
        if self.low > 0 and math.isfinite(self.high):
            if self.missed.get(size, 0) > 1:  # the encoder has nothing here: half way to what reached
                return math.sqrt(self.low * self.high)
            tenth: float = (self.high / self.low) ** 0.1
            return min(max(guess, self.low * tenth), self.high / tenth)
        if self.low > 0:
            return max(guess, self.low * 1.0005)
        return min(guess, self.high * 0.995)
