"""What a learned codec is made of: channel groups, their phases, widths, the axes of quality and scale."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = "rsic-codec-1"
"""Kind of network and version of its conventions, in the metadata of weights."""
BLOCK = 8
"""Side in px of the block one latent place stands for."""
HYPER_STRIDE = 4
"""Latent places per place of the hyper-latent, along each side."""
CHANNELS = 3 * BLOCK * BLOCK
LEVELS = 256
"""Steps of the quality axis."""
KNOTS = 9
"""Knots of the gains along the quality axis."""
LOWEST_LOG2, HIGHEST_LOG2 = -4.0, 6.0
"""Range of the scales, log2."""
PER_OCTAVE = 8
SCALES = int((HIGHEST_LOG2 - LOWEST_LOG2) * PER_OCTAVE)
"""Number of scales; the first one stands for latents that are not coded at all."""
PRECISION = 16
"""Bits of the frequencies."""
MAGNITUDE_STEPS = ((2.0, 1.0), (16.0, 8.0), (128.0, 64.0))
"""Limits and divisors of the pieces a magnitude is pressed with: exact in binary fixed point."""
SIGNED_DIVISOR = 8.0


SLOPE = 0.6
"""Refining weighs error by this share of the lambda networks are trained with: curves of single tiles fall
off less steeply than the mean of all, mostly at low rates."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Places of a group that are coded at one stroke."""

    offsets: tuple[tuple[int, int], ...]
    """(row, column) of the places."""
    period: int
    """After how many places they repeat."""
    reach: int = 1
    """Distance to the neighbours that are known."""


_PHASES = (
    (
        Phase(((0, 0),), 4),
        Phase(((2, 2),), 4, 2),
        Phase(((0, 2), (2, 0)), 4, 2),
        Phase(((1, 1),), 2),
        Phase(((0, 1), (1, 0)), 2),
    ),
    (Phase(((0, 0), (1, 1)), 2), Phase(((0, 1), (1, 0)), 2)),
)
_ONE_PHASE = (Phase(((0, 0),), 1),)


def phases(group: int) -> tuple[Phase, ...]:
    """Return the phases of a group, in order."""
    return _PHASES[group] if group < len(_PHASES) else _ONE_PHASE


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecSpec:
    """Everything that decides the shapes of a network's tensors."""

    groups: tuple[int, ...] = (8, 24, 48, 112)
    """Latent channels coded together, from low to high frequencies; they sum to 192."""
    hidden: tuple[int, ...] = (64, 64, 96, 96)
    """Width of the context network of each group."""
    hyper: int = 64
    """Width of the hyper transforms."""
    hyper_latents: int = 24
    analysis: int = 64
    """Width of the analysis's nonlinear part."""
    synthesis: int = 96
    """Width of the synthesis's nonlinear part in the latent domain."""
    post: int = 32
    """Width of the restoring filter at half resolution."""
    post_blocks: int = 2
    lambda_low: float = 0.0005
    """Weight of the squared error (units of 8 bit samples) against bits per pixel, at quality 0."""
    lambda_high: float = 0.075
    """The same at quality 1."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if sum(self.groups) != CHANNELS or min(self.groups) < 1 or len(self.groups) != len(self.hidden):
            raise ValueError(f"groups of a codec sum to {CHANNELS}, each with its hidden width")
        if self.hyper_latents < 4:
            raise ValueError("a codec has at least 4 hyper-latents: the native coder needs as many symbols")
        if not 0 < self.lambda_low < self.lambda_high:
            raise ValueError("the range of lambda is empty")

    def weight(self, quality: float) -> float:
        """Return lambda at a quality of 0..1."""
        return float(self.lambda_low * (self.lambda_high / self.lambda_low) ** quality)

    def refined_weight(self, level: int) -> float:
        """Return bits that a squared error of 1 (samples in 0..1) is worth to `refine` at a quality level."""
        return SLOPE * self.weight(level / (LEVELS - 1)) * 255**2

    def step(self, quality: float) -> float:
        """Return the quantiser step (units of 8 bit samples) that lambda asks for at high rate.

        A step costs step^2 / 12 of squared error, a bit less divides it by four; one latent is one of three
        bands of a pixel.
        """
        return math.sqrt(12 * 3 / (2 * math.log(2) * self.weight(quality)))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        fields = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> CodecSpec:
        """Return the spec of :meth:`to_json`; raises TypeError or ValueError."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**given)


SPECS = {
    "tiny": CodecSpec(),
    "wide": CodecSpec(hidden=(128, 128, 160, 160), hyper=128, analysis=128, synthesis=144),
    "base": CodecSpec(
        hidden=(96, 96, 160, 160),
        hyper=96,
        hyper_latents=32,
        analysis=160,
        synthesis=192,
        post=64,
        post_blocks=4,
    ),
}
"""Sizes by name."""
