"""What an archive must reach, and how people write it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rsic_geo.errors import UsageError

TargetKind = Literal["lossless", "psnr", "snr", "max-error", "max-rel-error", "ratio", "bpp", "bpppb"]


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A quantity targets are about."""

    unit: str
    """As help texts write it."""
    lowest: float
    highest: float
    meaning: Literal["decibels", "size", "error"]
    """Quality of the worst band (dB), bytes, or the largest error of any sample."""


_QUANTITIES: dict[TargetKind, _Quantity] = {
    "psnr": _Quantity("DB", 1.0, 200.0, "decibels"),
    "snr": _Quantity("DB", 1.0, 200.0, "decibels"),
    "max-error": _Quantity("N", 0.0, 1e300, "error"),
    "max-rel-error": _Quantity("P%", 1e-5, 0.5, "error"),
    "ratio": _Quantity("R", 1.0, 1e5, "size"),
    "bpp": _Quantity("B", 1e-4, 1e5, "size"),
    "bpppb": _Quantity("B", 1e-5, 1e5, "size"),
}
TARGETS: tuple[TargetKind, ...] = ("lossless", *_QUANTITIES)
_WORDS = ["lossless", *(f"{kind}={quantity.unit}" for kind, quantity in _QUANTITIES.items())]
TARGET_WORDS = f"{', '.join(_WORDS[:-1])} or {_WORDS[-1]}"
"""How targets are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the archive must reach, about the final output and checked by decoding it."""

    kind: TargetKind
    """Which quantity is asked for."""
    value: float = 0.0
    """dB, units of the scene's samples, a part of each sample (``max-rel-error``), compression ratio, bits
    per pixel of all bands (``bpp``) or bits per sample (``bpppb``), by ``kind``; 0 for lossless. Of several
    values the largest."""
    values: tuple[float, ...] = ()
    """Of a largest error one value for each band; empty where one is for all."""
    unit: Literal["", "%", "r"] = ""
    """What the values of ``max-error`` are in: samples, hundredths of the range each band uses, or the units
    of the scene's own scale and offset (reflectance, metres)."""

    @classmethod
    def parse(cls, text: str | Target) -> Target:
        """Return the target written as ``lossless``, ``psnr=40``, ``max-error=2``, ``bpp=0.5`` and so on.

        ``max-error`` may have one value per band (``max-error=10,10,40``), and a unit: ``0.5%`` of the range
        each band uses, ``0.001r`` in the units of the scene's own scale. ``max-rel-error=1%`` (or ``0.01``)
        is a part of each sample, of all bands or one each.

        Raises:
            UsageError: if the text is none of these or its value is out of range.
        """
        if isinstance(text, Target):
            return text
        name, _, number = text.strip().partition("=")
        asked = name.strip().lower().replace("_", "-")
        kind = next((known for known in TARGETS if known == asked), None)
        if kind is None or (kind == "lossless") == bool(number):
            raise UsageError(f"unknown target {text!r}: use {TARGET_WORDS}")
        if kind == "lossless":
            return cls(kind=kind)
        if kind == "max-rel-error":
            parts = tuple(_target_value(kind, part) for part in number.split(","))
            return cls(kind=kind, value=max(parts), values=parts if len(parts) > 1 else ())
        if kind != "max-error":
            return cls(kind=kind, value=_target_value(kind, number))
        unit: Literal["", "%", "r"] = "%" if number.endswith("%") else "r" if number.endswith("r") else ""
        values = tuple(_target_value(kind, part) for part in number.removesuffix(unit).split(","))
        return cls(kind=kind, value=max(values), values=values if len(values) > 1 else (), unit=unit)

    @property
    def is_plain(self) -> bool:
        """Whether one value, in the units of the samples, is meant for all bands."""
        return self.kind != "max-rel-error" and not self.values and not self.unit

    @property
    def is_bound(self) -> bool:
        """Whether the target is the largest error of any sample."""
        return self.kind in ("max-error", "max-rel-error")

    @property
    def is_lossless(self) -> bool:
        """Whether every pixel must come back as it was."""
        return self.kind == "lossless" or (self.kind == "max-error" and self.value == 0)

    @property
    def is_size(self) -> bool:
        """Whether the target is about bytes, not about pixels."""
        return self.kind != "lossless" and _QUANTITIES[self.kind].meaning == "size"

    @property
    def is_decibels(self) -> bool:
        """Whether the target is the quality of the worst band in dB."""
        return self.kind != "lossless" and _QUANTITIES[self.kind].meaning == "decibels"

    def __str__(self) -> str:
        """Return the spelling :meth:`parse` reads, as people write numbers."""
        if self.kind == "max-rel-error":
            return f"{self.kind}={','.join(f'{100 * part:g}%' for part in self.values or (self.value,))}"
        return self._spelled("{:g}")

    @property
    def exact(self) -> str:
        """The spelling :meth:`parse` reads, every digit of it."""
        return self._spelled("{!r}")

    def _spelled(self, form: str) -> str:
        if self.kind == "lossless":
            return self.kind
        return f"{self.kind}={','.join(map(form.format, self.values or (self.value,)))}{self.unit}"


def _target_value(kind: TargetKind, number: str) -> float:
    is_percent = kind == "max-rel-error" and number.endswith("%")
    try:
        value = float(number.removesuffix("%")) / 100 if is_percent else float(number)
    except ValueError:
        raise UsageError(f"target {kind}={number}: {number!r} is no number") from None
    lowest, highest = _QUANTITIES[kind].lowest, _QUANTITIES[kind].highest
    if not math.isfinite(value) or not lowest <= value <= highest:
        limits = f"{lowest:g} and {highest:g}"
        if kind == "max-rel-error":
            limits = f"{100 * lowest:g}% and {100 * highest:g}%, as 1% or 0.01"
        raise UsageError(f"target {kind}={number}: the value must be between {limits}")
    return value
