"""What an archive must reach, and how people write it: all that a kind of target is stands in its row.

The other rooms ask the row, never for a name, and hand over what they know of a scene as plain numbers. What
goes by the kind of row matches all of them, so that another kind is not taken for one of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, NamedTuple, NoReturn

from rsic_geo.errors import UsageError

DECIBEL_SLACK = 0.01
"""How much two decoders may disagree about a quality (dB)."""
SIZE_SLACK = 0.021
"""Part of a size that a proof lets an archive miss it by: sizes are met within 2 %."""

Figures = Mapping[str, float]
"""What became of a scene, or of one band, as reports name it: ``psnr`` and ``snr`` of the worst band (dB,
infinite without an error), its ``rmse`` and the ``max_abs_error`` of all in the units of the samples, the
``max_rel_error`` as a part of the sample, ``ratio``, ``bpp`` and ``bpppb``. NaN is what is not known."""


class References(NamedTuple):
    """What errors of a band may be relative to, in the units of those errors; NaN where that is not known."""

    peak: float
    """What its PSNR is relative to."""
    spread: float = math.nan
    """Standard deviation of its samples, at least a count."""
    bound: float = math.nan
    """What a target in the units of the samples allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """The row of what must come back as it was; it has no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A row of targets that are a number."""

    code: int
    """How archives name the kind: its own for ever."""
    word: str
    """What stands for the number in help texts."""
    about: str = ""
    """What it is, as help texts say it in brackets; neighbours of one text share it."""
    limits: tuple[float, float]
    """Least and greatest number."""
    unit: Literal["dB", "samples", "percent", "times", "bits per pixel", "bits per sample"]
    """What a dialog counts it in."""
    usual: tuple[float, float]
    """What it fills in for bytes and for longer samples: the noise if that is more; of bits a part."""
    figure: Callable[[Figures], float]
    """Which figure says what was reached, in terms of the number."""
    keeps: Callable[[float, float], bool] = lambda found, asked: found <= asked
    """Whether a figure (first) keeps a number asked for (second)."""
    told: str
    """A figure as an error tells it."""
    promise: str = ""
    """What the number promises whoever looks at the archive; empty for none."""
    is_amount: bool = False
    """Whether it says how far samples may be off: of all bands or each, with a unit if it is no part."""
    is_relative: bool = False
    """Whether that is a part of each sample, which may be written in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decibels(Number):
    """A row about the squared errors of the worst band, which searches hold against a reference in dB."""

    reference: Callable[[References], float]
    """What root mean square errors of a band are relative to; of amounts that to 0 dB."""
    of: str = ""
    """How a report names that: ``spread``, or ``range`` for the peak in words."""
    joins_colours: bool = False
    """Whether red, green and blue of bytes are one band, by the mean over the three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound(Number):
    """A row about the largest error of any sample."""

    is_amount: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Size(Number):
    """A row about bytes, not pixels."""

    budget: Callable[[float, int, int, int], float]
    """Bytes the number allows an archive of so many bytes of samples, pixels and bands."""


Row = Exact | Decibels | Bound | Size
Unit = Literal["", "%", "r"]
"""What errors are in: samples, hundredths of a range, the units of a scene's own scale."""


def refuse(row: NoReturn) -> NoReturn:
    """Stop at a kind of row that a ``match`` leaves over: type checkers find it before."""
    raise TypeError(f"{row!r} is no kind of target that is known here")


TARGETS: dict[str, Row] = {
    "lossless": Exact(),
    "psnr": Decibels(
        code=1, word="DB", about="of the worst band", limits=(1.0, 200.0), unit="dB", usual=(40.0, 45.0),
        figure=lambda found: found["psnr"], keeps=lambda found, asked: found >= asked - DECIBEL_SLACK,
        told="its PSNR is {:.3f} dB",
        promise="Made for a PSNR of the worst band of at least {:g} dB, counted on the final pixels.",
        reference=lambda band: band.peak, of=" of {range}", joins_colours=True,
    ),
    "snr": Decibels(
        code=4, word="DB", about="of the worst band", limits=(1.0, 200.0), unit="dB", usual=(30.0, 30.0),
        figure=lambda found: found["snr"], keeps=lambda found, asked: found >= asked - DECIBEL_SLACK,
        told="its SNR is {:.3f} dB",
        promise="Made for an SNR of the worst band of at least {:g} dB, counted on the final pixels.",
        reference=lambda band: band.spread, of=" of a spread of {spread:.4g}",
    ),
    "rmse": Decibels(
        code=7, word="N", about="root mean square error of the worst band, in the units of the samples",
        limits=(1e-12, 1e12), unit="samples", usual=(1.0, 1.0), is_amount=True,
        figure=lambda found: found["rmse"],
        keeps=lambda found, asked: found <= asked * 10 ** (DECIBEL_SLACK / 20),
        told="its RMSE is {:.4g}",
        promise="Made for an RMSE of the worst band of at most {:g}, counted on the final pixels.",
        reference=lambda band: band.bound,
    ),
    "max-error": Bound(
        code=3, word="N", about="in the units of the samples", limits=(0.0, 1e300), unit="samples",
        usual=(1.0, 1.0), figure=lambda found: found["max_abs_error"], told="its largest error is {:g}",
        promise="Made so that no sample differs by more than {:g}.",
    ),
    "max-rel-error": Bound(
        code=6, word="P%", about="of each sample, for radar", limits=(1e-5, 0.5), unit="percent",
        usual=(1.0, 1.0), is_relative=True,
        figure=lambda found: found["max_rel_error"], told="its largest error is {:.3%} of a sample",
        promise="Made so that no sample differs by more than {:.3%} of itself.",
    ),
    "ratio": Size(
        code=2, word="R", limits=(1.0, 1e5), unit="times", usual=(20.0, 20.0), told="its ratio is {:.4g}",
        figure=lambda found: found["ratio"], keeps=lambda found, asked: found >= asked / (1 + SIZE_SLACK),
        budget=lambda asked, size, _pixels, _bands: size / asked,
    ),
    "bpp": Size(
        code=0, word="B", about="bits per pixel of all bands", limits=(1e-4, 1e5), unit="bits per pixel",
        usual=(0.05, 0.05), told="it takes {:.4g} bits per pixel",
        figure=lambda found: found["bpp"], keeps=lambda found, asked: found <= asked * (1 + SIZE_SLACK),
        budget=lambda asked, _size, pixels, _bands: asked * pixels / 8,
    ),
    "bpppb": Size(
        code=5, word="B", about="bits per sample", limits=(1e-5, 1e5), unit="bits per sample",
        usual=(0.05, 0.05), told="it takes {:.4g} bits per sample",
        figure=lambda found: found["bpppb"], keeps=lambda found, asked: found <= asked * (1 + SIZE_SLACK),
        budget=lambda asked, _size, pixels, bands: asked * (pixels * bands) / 8,
    ),
}  # fmt: skip
"""All kinds of targets by their names."""


def numbered() -> dict[str, Decibels | Bound | Size]:
    """Return the rows of targets that have a number."""
    return {kind: row for kind, row in TARGETS.items() if not isinstance(row, Exact)}


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def target_words(*, with_meaning: bool = False) -> str:
    """Return how targets are written, and if asked for what the number is."""
    words = [
        (kind, "") if isinstance(row, Exact) else (f"{kind}={row.word}", row.about)
        for kind, row in TARGETS.items()
    ]
    if not with_meaning:
        return _listed([word for word, _ in words])
    groups = groupby(words, lambda entry: entry[1])
    told = [(" or ".join(word for word, _ in group), about) for about, group in groups]
    return _listed([f"{word} ({about})" if about else word for word, about in told])


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the archive must reach, about the final output and checked by decoding it."""

    kind: str
    """Which quantity is asked for: a name of :data:`TARGETS`."""
    value: float = 0.0
    """The number, in the units of its row; percent are a part of 1. Of several values the largest."""
    values: tuple[float, ...] = ()
    """Of an error one value for each band; empty where one is for all."""
    unit: Unit = ""
    """What errors that are no parts of samples are in: samples, hundredths of the range each band uses, or
    the units of the scene's own scale and offset (reflectance, metres)."""

    def __post_init__(self) -> None:
        """Refuse a kind that has no row. Raises UsageError."""
        if self.kind not in TARGETS:
            raise UsageError(f"unknown target {self.kind!r}: use {target_words()}")

    @classmethod
    def parse(cls, text: str | Target) -> Target:
        """Return the target written as ``lossless``, ``psnr=40``, ``max-error=2``, ``bpp=0.5`` and so on.

        Errors may have one value per band (``max-error=10,10,40``), and a unit: ``0.5%`` of the range each
        band uses, ``0.001r`` in the units of the scene's own scale. ``max-rel-error=1%`` (or ``0.01``) is a
        part of each sample, of all bands or one each.

        Raises:
            UsageError: if the text is none of these or its value is out of range.
        """
        if isinstance(text, Target):
            return text
        name, _, number = text.strip().partition("=")
        kind = name.strip().lower().replace("_", "-")
        row = TARGETS.get(kind)
        if row is None or isinstance(row, Exact) == bool(number):
            raise UsageError(f"unknown target {text!r}: use {target_words()}")
        if isinstance(row, Exact):
            return cls(kind=kind)
        unit: Unit = ""
        parts = number.split(",") if row.is_amount else [number]
        if row.is_amount and not row.is_relative:
            unit, parts = _one_unit(text, parts)
        values = tuple(_number_of(text, row, part) for part in parts)
        return cls(kind=kind, value=max(values), values=values if len(values) > 1 else (), unit=unit)

    @property
    def row(self) -> Row:
        """All that its kind is."""
        return TARGETS[self.kind]

    @property
    def number(self) -> Decibels | Bound | Size | None:
        """The row of its kind; None for lossless, which has no number."""
        return None if isinstance(self.row, Exact) else self.row

    @property
    def is_amount(self) -> bool:
        """Whether it says how far samples may be off."""
        return self.number is not None and self.number.is_amount

    @property
    def is_relative(self) -> bool:
        """Whether that is said as a part of each sample."""
        return self.number is not None and self.number.is_relative

    @property
    def is_plain(self) -> bool:
        """Whether one value, in the units of the samples, is meant for all bands."""
        return not self.is_relative and not self.values and not self.unit

    @property
    def is_bound(self) -> bool:
        """Whether the target is the largest error of any sample."""
        return isinstance(self.row, Bound)

    @property
    def is_lossless(self) -> bool:
        """Whether every pixel must come back as it was."""
        return isinstance(self.row, Exact) or (self.is_bound and self.value == 0)

    @property
    def is_size(self) -> bool:
        """Whether the target is about bytes, not about pixels."""
        return isinstance(self.row, Size)

    @property
    def is_decibels(self) -> bool:
        """Whether the target is the quality of the worst band, which searches know in dB."""
        return isinstance(self.row, Decibels)

    @property
    def decibels(self) -> float:
        """What searches aim at (dB over its row's reference): 0 where that is what the target allows."""
        return 0.0 if self.is_amount else self.value

    def by_band(self, count: int) -> tuple[float, ...]:
        """Return the value of each of ``count`` bands. Raises UsageError for another number of values."""
        if len(self.values) not in (0, count):
            raise UsageError(f"{self}: {len(self.values)} values for {count} bands; give one or as many")
        return self.values or (self.value,) * count

    def is_kept(self, found: Sequence[Figures], asked: Sequence[float] | None = None) -> bool:
        """Return whether what was found keeps what was asked for, one by one; None: the target's value."""
        row = self.number
        asked = (self.value,) * len(found) if asked is None else asked
        pairs = zip(found, asked, strict=True)
        return row is None or all(row.keeps(row.figure(each), most) for each, most in pairs)

    def reached(self, found: Figures) -> float | None:
        """Return the figure that says what was reached; None where that is not known, or infinite."""
        figure = math.nan if self.number is None else self.number.figure(found)
        return figure if math.isfinite(figure) else None

    def told(self, found: Figures) -> str:
        """Return what was found as an error tells it."""
        return "" if self.number is None else self.number.told.format(self.number.figure(found))

    def is_less_than(self, other: Target) -> bool:
        """Return whether it surely keeps less: of other kinds, units and sizes what came of them tells."""
        if other.is_lossless or self.is_size or (self.kind, self.unit) != (other.kind, other.unit):
            return other.is_lossless and not self.is_lossless
        return self.number is not None and not self.number.keeps(self.value, other.value)

    def widened(self, decibels: float) -> Target:
        """Return the same for a part of a scene whose bands use a range that is narrower by so many dB."""
        if self.unit == "%":
            wider = 10 ** (decibels / 20)
            values = tuple(value * wider for value in self.values)
            return replace(self, value=self.value * wider, values=values)
        row = self.row
        is_by_peak = isinstance(row, Decibels) and not math.isnan(row.reference(References(1.0)))
        return replace(self, value=self.value - decibels) if is_by_peak else self

    def __str__(self) -> str:
        """Return the spelling :meth:`parse` reads, as people write numbers."""
        if self.is_relative:
            return f"{self.kind}={','.join(f'{100 * part:g}%' for part in self.values or (self.value,))}"
        return self._spelled("{:g}")

    @property
    def exact(self) -> str:
        """The spelling :meth:`parse` reads, every digit of it."""
        return self._spelled("{!r}")

    def _spelled(self, form: str) -> str:
        if self.number is None:
            return self.kind
        return f"{self.kind}={','.join(map(form.format, self.values or (self.value,)))}{self.unit}"


def _one_unit(text: str, parts: list[str]) -> tuple[Unit, list[str]]:
    """Return the unit behind the last of several values, or each, and the values without it."""
    found: list[Unit] = ["%" if part.endswith("%") else "r" if part.endswith("r") else "" for part in parts]
    unit = found[-1]
    if {*found[:-1]} not in (set(), {""}, {unit}):  # 1%,2 is a slip more likely than two percents
        raise UsageError(f"target {text}: give one unit for all values, behind the last or behind each")
    return unit, [part.removesuffix(unit) for part in parts]


def _number_of(text: str, row: Number, number: str) -> float:
    is_percent = row.is_relative and number.endswith("%")
    try:
        value = float(number.removesuffix("%")) / 100 if is_percent else float(number)
    except ValueError:
        raise UsageError(f"target {text}: {number!r} is no number") from None
    least, most = row.limits
    if not math.isfinite(value) or not least <= value <= most:
        limits = f"{least:g} and {most:g}"
        if row.is_relative:
            limits = f"{100 * least:g}% and {100 * most:g}%, as 1% or 0.01"
        raise UsageError(f"target {text}: the value must be between {limits}")
    return value
