"""Binary arithmetic coding with probabilities that learn: for side information, where every byte counts.

A range coder of 32 bits with carries (G. N. N. Martin, "Range encoding", 1979). Both directions are
called alike: ``coder.bit(place, value)`` returns the bit, which a writer was told and a reader finds
out, so that a syntax is written once and serves both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from rsic_geo.errors import ContainerError

_TOP = 1 << 24
_WORD = (1 << 32) - 1
_ONE = 1 << 16
_LEAST = 1 << 9
_YOUNG, _FAST, _SLOW = 16, 4, 5
MAX_LENGTH = 16
"""Most bits of a number."""


class Model:
    """Probabilities of ones, one per place, that move towards what was seen."""

    def __init__(self, begin: Sequence[float]) -> None:
        """Begin with probabilities of a one, each in 0..1."""
        self._ones = [min(max(round(p * _ONE), _LEAST), _ONE - _LEAST) for p in begin]
        self._seen = [0] * len(self._ones)

    def share(self, place: int, whole: int) -> int:
        """Return the part of a range that a one has."""
        return (whole >> 16) * self._ones[place]

    def learn(self, place: int, bit: int) -> None:
        """Take note of a bit."""
        rate = _FAST if self._seen[place] < _YOUNG else _SLOW
        self._seen[place] += 1
        aim = _ONE - _LEAST if bit else _LEAST
        self._ones[place] += (aim - self._ones[place]) >> rate


class Coder(Protocol):
    """A writer or a reader."""

    def bit(self, place: int, value: int) -> int:
        """Return the next bit, coded with the probability of ``place``; a reader ignores ``value``."""

    def flat(self, count: int, value: int) -> int:
        """Return the next number of ``count`` bits, all equally likely; a reader ignores ``value``."""


class Meter:
    """A writer that only counts."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.bits = 0.0
        """What was coded so far would take."""

    def bit(self, place: int, value: int) -> int:
        """See :meth:`Coder.bit`."""
        share = self._model.share(place, _ONE << 16) / (_ONE << 16)
        self.bits -= math.log2(share if value else 1 - share)
        self._model.learn(place, value)
        return value

    def flat(self, count: int, value: int) -> int:
        """See :meth:`Coder.flat`."""
        self.bits += count
        return value


class Writer:
    """Codes bits into bytes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._low = 0
        self._range = _WORD
        self._out = bytearray()

    def bit(self, place: int, value: int) -> int:
        """See :meth:`Coder.bit`."""
        self._take(self._model.share(place, self._range), value)
        self._model.learn(place, value)
        return value

    def flat(self, count: int, value: int) -> int:
        """See :meth:`Coder.flat`."""
        for place in reversed(range(count)):
            self._take(self._range >> 1, value >> place & 1)
        return value

    def data(self) -> bytes:
        """Return the bytes, as few as say it; a reader presumes zeros behind them."""
        end = self._low + self._range - 1
        for kept in range(32, -1, -1):  # the number in the range with the most zeros at its end
            value = end >> kept << kept
            if value >= self._low:
                break
        whole = int.from_bytes(self._out, "big") << 32
        out = (whole + value).to_bytes(len(self._out) + 4, "big")
        return out.rstrip(b"\0")

    def _take(self, ones: int, value: int) -> None:
        if value:
            self._range = ones
        else:
            self._low += ones
            self._range -= ones
        if self._low > _WORD:  # a carry, which runs on through bytes of 255
            self._low &= _WORD
            place = len(self._out) - 1
            while self._out[place] == 255:
                self._out[place] = 0
                place -= 1
            self._out[place] += 1
        while self._range < _TOP:
            self._out.append(self._low >> 24)
            self._low = self._low << 8 & _WORD
            self._range <<= 8


class Reader:
    """Finds out what a :class:`Writer` with the same model was told."""

    def __init__(self, model: Model, content: bytes) -> None:
        self._model = model
        self._content = content
        self._next = 4
        self._range = _WORD
        self._code = int.from_bytes(content[:4].ljust(4, b"\0"), "big")

    def bit(self, place: int, value: int = 0) -> int:
        """See :meth:`Coder.bit`."""
        found = self._take(self._model.share(place, self._range))
        self._model.learn(place, found)
        return found

    def flat(self, count: int, value: int = 0) -> int:
        """See :meth:`Coder.flat`."""
        out = 0
        for _ in range(count):
            out = out << 1 | self._take(self._range >> 1)
        return out

    def finish(self) -> None:
        """Raise ContainerError if more is left than the bytes a reader looks ahead."""
        if self._next < len(self._content):
            raise ContainerError("coded side information is followed by something else: it is damaged")

    def _take(self, ones: int) -> int:
        found = int(self._code < ones)
        if found:
            self._range = ones
        else:
            self._code -= ones
            self._range -= ones
        while self._range < _TOP:
            byte = self._content[self._next] if self._next < len(self._content) else 0
            self._code = (self._code << 8 | byte) & _WORD
            self._next += 1
            self._range <<= 8
        return found


def code_unsigned(coder: Coder, first: int, value: int, *, longest: int = MAX_LENGTH) -> int:
    """Return a number: its length in learned bits at ``longest`` places from ``first``, then its digits.

    Raises:
        ContainerError: no number is that long.
    """
    length = (value + 1).bit_length() - 1
    count = 0
    while coder.bit(first + min(count, longest - 1), int(count < length)):
        count += 1
        if count > MAX_LENGTH:
            raise ContainerError("a number in coded side information is impossible: it is damaged")
    return ((1 << count) | coder.flat(count, (value + 1) & ((1 << count) - 1))) - 1


def code_signed(coder: Coder, first: int, value: int, *, longest: int = MAX_LENGTH) -> int:
    """Return a signed number: whether it is zero, its sign, its size; it has ``longest`` + 1 places."""
    if not coder.bit(first, int(value != 0)):
        return 0
    is_negative = coder.flat(1, int(value < 0))
    size = 1 + code_unsigned(coder, first + 1, abs(value) - 1, longest=longest)
    return -size if is_negative else size
