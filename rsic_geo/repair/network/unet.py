"""A compact residual U-Net that is told how distorted its input is.

Read from the top: spec, block, network. The work happens at half resolution and below (the input is
folded 2x2 into channels), and nothing looks at the extent of the window: every statistic is pooled
on cells fixed to the window's origin, which callers keep on the scene's 64 px lattice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_PROPOSALS = 4
"""Most corrections a network proposes: archives can mix no more."""
LATTICE = 64
"""Distance in px between the nodes on which ``sigma`` is given; windows are multiples of it."""

BEGIN_DEVIATION = 0.02
"""Standard deviation of the last layer's weights of further proposals, to begin with."""
SIGMA_FLOOR = 2.0**-16
"""Smallest distortion (in units of 0..1) the network is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetSpec:
    """Everything needed to build a :class:`ResidualUNet`; travels in the weights file."""

    widths: tuple[int, ...] = (32, 64, 128)
    """Channels per level; level 0 works at half resolution, each next level at half of that."""
    blocks: tuple[int, ...] = (2, 2, 3)
    """Residual blocks per level (used once on the way down and once on the way up)."""
    mean_cell: int = 32
    """Side in px of the cells whose mean is taken out of the input; divides 64."""
    proposals: int = 1
    """Corrections proposed; the first stands alone, the encoder may mix the others in."""
    bands: int = 3
    """Bands seen and corrected: 3, or 1."""
    plain: bool = False
    """True: ``blocks`` counts 3x3 convolutions with a ReLU each, without skips inside a level: what a small
    network gains most from per operation, and what 8 bit arithmetic runs fastest (docs of the engine)."""

    def __post_init__(self) -> None:
        """Refuse specs that no network can be built from."""
        if not self.widths or len(self.widths) != len(self.blocks):
            raise ValueError("widths and blocks must be equally long and not empty")
        if min(self.widths) < 1 or min(self.blocks) < 0:
            raise ValueError("widths must be positive, blocks must not be negative")
        if not 1 <= self.proposals <= MAX_PROPOSALS:
            raise ValueError(f"a network proposes 1 to {MAX_PROPOSALS} corrections, not {self.proposals}")
        if self.bands not in (1, 3):
            raise ValueError(f"a network sees 1 or 3 bands, not {self.bands}")
        if self.mean_cell < 2 or LATTICE % self.mean_cell or 2 ** len(self.widths) > LATTICE:
            raise ValueError("cells and levels must divide the 64 px lattice")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; what all networks were before there were others goes without saying."""
        unsaid = (("bands", 3), ("plain", False))
        return {key: value for key, value in asdict(self).items() if (key, value) not in unsaid}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> UNetSpec:
        """Build a spec from :meth:`to_json`; raises ValueError or TypeError on unknown fields."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**values)

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates per input pixel."""
        last = len(self.widths) - 1
        total = 9 * (4 * self.bands + 1 + 4 * self.bands * self.proposals) * self.widths[0] / 4
        for level, (width, count) in enumerate(zip(self.widths, self.blocks, strict=True)):
            passes = 1 if level == last else 2
            convolutions = count if self.plain else 2 * count
            total += passes * convolutions * 9 * width * width / 4 ** (level + 1)
            if level:
                total += 2 * 4 * self.widths[level - 1] * width / 4 ** (level + 1)
        return total


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a skip; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the block adds, same shape."""
        skip = x
        x = self.leave(F.relu(self.enter(x)))
        return skip + x


class _Rectified(nn.Sequential):
    """A convolution and a ReLU, begun so that the variance of what passes stays."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        super().__init__(convolution, nn.ReLU())


def _blocks(width: int, count: int, *, plain: bool) -> nn.Sequential:
    if plain:
        return nn.Sequential(*(_Rectified(nn.Conv2d(width, width, 3, padding=1)) for _ in range(count)))
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


class ResidualUNet(nn.Module):
    """Predict the correction of decoded pixels.

    ::

        x (n,b,h,w) -- unshuffle 2 -- minus local mean, / (4 sigma + 0.05) --+-- head -- U -- tail --+
        sigma (n,1,h/64,w/64) -- log2, bilinear between node centres --------+                       |
                                                                          shuffle 2 -- * sigma ------+

    b is 3, or 1 for a network of single bands. An untrained network returns exactly zero (its last layer
    starts at zero); further proposals begin at random, and are nothing until an encoder mixes them in.
    """

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        widths, counts = spec.widths, spec.blocks
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.head = nn.Conv2d(4 * spec.bands + 1, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            _blocks(w, c, plain=spec.plain) for w, c in zip(widths[:-1], counts[:-1], strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairs)
        self.middle = _blocks(widths[-1], counts[-1], plain=spec.plain)
        self.grow = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairs)
        self.up = nn.ModuleList(
            _blocks(w, c, plain=spec.plain) for w, c in zip(widths[:-1], counts[:-1], strict=True)
        )
        self.tail = nn.Conv2d(widths[0], 4 * spec.bands * spec.proposals, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        if spec.proposals > 1:  # a mix leaves out what is zero, and nothing would ever be learned there
            nn.init.normal_(self.tail.weight.data[4 * spec.bands :], std=BEGIN_DEVIATION)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the corrections to add to ``x``: (n, bands * proposals, h, w), proposal after proposal.

        ``x``: (n, bands, h, w) in units of 0..1, h and w multiples of 64, origin on the lattice.
        ``sigma``: (n, 1, h/64, w/64), RMSE of x in the same units at the lattice nodes (cell centres).
        """
        folded, scale = self.fold(x, sigma)
        return F.pixel_shuffle(self._body(folded).float() * scale, 2)

    def fold(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the first layer sees (n, 4 * bands + 1, h/2, w/2), and sigma (n, 1, h/2, w/2)."""
        cell = self.spec.mean_cell
        mean = F.avg_pool2d(x, cell)  # (n, bands, h/cell, w/cell)
        mean = F.interpolate(mean, scale_factor=cell // 2, mode="bilinear", align_corners=False)
        octaves = sigma.clamp_min(SIGMA_FLOOR).log2()
        octaves = F.interpolate(octaves, scale_factor=LATTICE // 2, mode="bilinear", align_corners=False)
        scale = octaves.exp2()  # (n, 1, h/2, w/2)
        folded = F.pixel_unshuffle(x, 2) - mean.repeat_interleave(4, dim=1)  # (n, 4 * bands, h/2, w/2)
        folded = folded / (4 * scale + 0.05)
        told = (octaves + 6.0) / 4.0
        return torch.cat([folded, told], dim=1), scale

    def _body(self, x: Tensor) -> Tensor:
        # A plain network has a ReLU behind every convolution that another one follows.
        after = F.relu if self.spec.plain else nn.Identity()
        x = after(self.head(x))
        skips: list[Tensor] = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            x = blocks(x)
            skips.append(x)
            x = after(shrink(x))
        x = self.middle(x)
        for grow, blocks in zip(reversed(self.grow), reversed(self.up), strict=True):
            x = blocks(F.pixel_shuffle(grow(x), 2) + skips.pop())
        out: Tensor = self.tail(x)
        return out
