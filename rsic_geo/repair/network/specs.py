"""Everything the networks are built from, as plain frozen values that travel inside the weights file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rsic_geo.repair.network.unet import LATTICE, UNetSpec

LDM_FORMAT = "rsic-ldm-1"
"""Names the kind of network and the version of its input convention in a weights file."""
STARTS = ("keyed", "zero")
"""What a diffusion may begin with: noise keyed by lattice position, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorSpec:
    """The distortion prior F: how many numbers per cell, who predicts them, who reads them."""

    channels: int = 32
    """Numbers per token; one token describes one cell of 64 x 64 px."""
    widths: tuple[int, ...] = (32, 48)
    """Channels of a cell encoder at 1/4, 1/8, ... of the resolution."""
    blocks: int = 1
    """Residual blocks of a cell encoder per width."""
    hidden: int = 96
    """Channels inside the denoiser and inside DFAM's gate."""
    depth: int = 3
    """Residual blocks of the denoiser."""

    def __post_init__(self) -> None:
        """Refuse specs that no network can be built from."""
        if min(self.channels, self.blocks, self.hidden, self.depth, *self.widths, len(self.widths)) < 1:
            raise ValueError("channels, widths, blocks, hidden and depth must be positive")
        if LATTICE % 2 ** (len(self.widths) + 1):
            raise ValueError("the cell encoder must not shrink a cell below one pixel")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionSpec:
    """How F is generated. One step from zero is a direct regression, the same code."""

    steps: int = 4
    """Denoising steps T."""
    beta_first: float = 0.1
    """Noise variance added by the first step, before the schedule is moved to zero terminal SNR."""
    beta_last: float = 0.99
    """Noise variance added by the last step, likewise."""
    start: str = "keyed"
    """``keyed`` noise or ``zero``."""

    def __post_init__(self) -> None:
        """Refuse schedules that do not exist."""
        if self.steps < 1 or not 0 < self.beta_first <= self.beta_last < 1:
            raise ValueError("a schedule must have steps, and variances that grow inside 0..1")
        if self.start not in STARTS:
            raise ValueError(f"the start must be one of {', '.join(STARTS)}")


REGRESSION = DiffusionSpec(steps=1, start="zero")
"""F predicted at one stroke: what the diffusion has to beat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LdmSpec:
    """A restorer and, unless it works alone, the prior that guides it."""

    restorer: UNetSpec = field(default_factory=UNetSpec)
    prior: PriorSpec | None = field(default_factory=PriorSpec)
    """None: a plain restorer, equal to a ResidualUNet of the same spec."""
    diffusion: DiffusionSpec = field(default_factory=DiffusionSpec)

    def __post_init__(self) -> None:
        """Refuse restorers of single bands: the cell encoders see three."""
        if self.restorer.bands != 3:
            raise ValueError("a restorer with a prior sees three bands")

    @property
    def proposals(self) -> int:
        """Corrections proposed."""
        return self.restorer.proposals

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self) | {"restorer": self.restorer.to_json()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> LdmSpec:
        """Build a spec from :meth:`to_json`; raises ValueError or TypeError on unknown fields."""
        known = {"restorer", "prior", "diffusion"}
        if set(fields) - known:
            raise ValueError(f"unknown fields: {', '.join(sorted(set(fields) - known))}")
        prior = fields.get("prior")
        return cls(
            restorer=UNetSpec.from_json(fields["restorer"]),
            prior=None if prior is None else PriorSpec(**_tuples(prior)),
            diffusion=DiffusionSpec(**fields["diffusion"]),
        )


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


SIZES: dict[str, LdmSpec] = {
    "nano": LdmSpec(
        restorer=UNetSpec(widths=(16, 32, 48), blocks=(2, 2, 3), proposals=3, plain=True),
        prior=PriorSpec(channels=24, widths=(24, 32), hidden=48, depth=2),
    ),
    "tiny": LdmSpec(),
    "base": LdmSpec(
        restorer=UNetSpec(widths=(64, 128, 160), blocks=(3, 3, 4)),
        prior=PriorSpec(channels=64, widths=(32, 64), blocks=2, hidden=128, depth=4),
    ),
}
"""The networks that are trained: as small as what ships by default, for two CPU cores, and for a GPU."""
