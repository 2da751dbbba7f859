"""Integer tables the entropy coder works with, made once and shipped with the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rsic_geo.codecs.learned_network.entropy import EntropyModel
from rsic_geo.codecs.learned_network.spec import LOWEST_LOG2, PER_OCTAVE, PRECISION, SCALES

COUNTED = 40
"""Largest size of a symbol that is counted by itself."""
_PRIOR = 200.0
_WIDEST = 300
"""Residuals beyond this are escaped."""


def probabilities(model: EntropyModel) -> Tensor:
    """Return (SCALES, _WIDEST + 1) probabilities of residuals 0, 1, 2... (one sign), float64 on the CPU."""
    centre = LOWEST_LOG2 + (torch.arange(SCALES, dtype=torch.float64) + 0.5) / PER_OCTAVE
    size = torch.arange(_WIDEST + 1, dtype=torch.float64)[None]
    share, ratio = torch.sigmoid(model.tail_share.detach().double()), model.tail_ratio.detach().double().exp()
    total = torch.zeros(SCALES, _WIDEST + 1, dtype=torch.float64)
    for weight, wide in ((1 - share.cpu(), 1.0), (share.cpu(), float(ratio))):
        factor = (1 / (torch.exp2(centre) * wide * math.sqrt(2)))[:, None]
        total += weight * 0.5 * (torch.erfc((size - 0.5) * factor) - torch.erfc((size + 0.5) * factor))
    return total


def index_of(log2_scale: Tensor) -> Tensor:
    """Return the row of the table (int64) of each log2 scale."""
    return ((log2_scale - LOWEST_LOG2) * PER_OCTAVE).floor().clamp(0, SCALES - 1).long()


def no_counts() -> Tensor:
    """Return an empty tally (SCALES, COUNTED + 1) of the sizes of symbols; the last column is the rest."""
    return torch.zeros(SCALES, COUNTED + 1, dtype=torch.float64)


def add_counts(counts: Tensor, symbols: Tensor, log2_scale: Tensor) -> None:
    """Count the sizes of symbols by the scales expected for them."""
    size = symbols.abs().round().clamp(max=COUNTED).long()
    places = (index_of(log2_scale) * (COUNTED + 1) + size).reshape(-1).cpu()
    counts.view(-1).index_add_(0, places, torch.ones(len(places), dtype=torch.float64))


def as_counted(probability: Tensor, counts: Tensor) -> Tensor:
    """Return probabilities like ``probability`` that follow the counts, where there are enough of them.

    The model's own share counts as much as `_PRIOR` symbols; sizes above `COUNTED` keep their shape.
    """
    both = probability.clone()
    both[:, 1:] *= 2
    both = both / both.sum(dim=1, keepdim=True)
    beyond = both[:, COUNTED:].sum(dim=1, keepdim=True)
    seen = torch.cat([both[:, :COUNTED], beyond], dim=1) * _PRIOR + counts
    seen = seen / seen.sum(dim=1, keepdim=True)
    found = torch.cat(
        [seen[:, :COUNTED], both[:, COUNTED:] * (seen[:, COUNTED:] / beyond.clamp(min=1e-12))], 1
    )
    found[:, 1:] /= 2
    return found


def cumulative(probability: Tensor) -> tuple[Tensor, Tensor]:
    """Return cumulative frequencies (SCALES, length) int32, and the half widths (SCALES,) int32.

    A row holds 2 w + 3 entries from 0 to 65536: residuals -w..w, then an escape; each has a frequency of at
    least 1. Entries behind are 0.
    """
    rows, widths = [], []
    for row in probability:
        width = int(min(_WIDEST - 1, int((row > 2.0**-17).sum())))
        half = row[1 : width + 1]
        escape = max(0.0, 1.0 - float(row[0]) - 2 * float(half.sum()))
        shares = torch.cat([half.flip(0), row[:1], half, torch.tensor([escape], dtype=torch.float64)])
        shares = shares / shares.sum()
        total = 1 << PRECISION
        frequency = 1 + torch.floor(shares * (total - len(shares))).long()
        frequency[width] += total - int(frequency.sum())
        rows.append(torch.cat([torch.zeros(1, dtype=torch.long), frequency.cumsum(0)]))
        widths.append(width)
    table = torch.zeros(len(rows), max(len(row) for row in rows), dtype=torch.int32)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row.int()
    return table, torch.tensor(widths, dtype=torch.int32)


def thresholds(probability: Tensor, strength: float) -> Tensor:
    """Return (SCALES, 2) fractions from which on residuals are rounded up: to 1, and to larger integers.

    A step up costs bits; at the slope of an entropy-coded uniform quantiser at high rate, lambda is
    ln 2 / 6 squared steps per bit, so the fair border lies `strength` (fairly ln 2 / 12) times the extra bits
    above a half (G. Sullivan, "Efficient scalar quantization of exponential and Laplacian random variables",
    IEEE Trans. Information Theory 42(5), 1996).
    """
    bits = -torch.log2(probability[:, :3].clamp(min=2.0**-PRECISION))
    extra = bits.diff(dim=1)
    return (0.5 + strength * extra).clamp(0.5, 0.95)
