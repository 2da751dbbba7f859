"""Two U-Nets in one file of weights: one sees red, green and blue, the other a single band.

::

    x (n,3,h,w), sigma -- rgb ----- (n, 3 * proposals, h, w)
    x (n,1,h,w), sigma -- single -- (n,     proposals, h, w)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from rsic_geo.repair.network.unet import ResidualUNet, UNetSpec

VARIANTS_FORMAT = "rsic-unets-1"
"""Names the pair and the version of its input convention in a weights file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantsSpec:
    """The specs of both networks."""

    rgb: UNetSpec
    single: UNetSpec

    def __post_init__(self) -> None:
        """Refuse pairs that could not stand in for each other."""
        if (self.rgb.bands, self.single.bands) != (3, 1):
            raise ValueError("the networks of a pair see three bands and one")
        if self.rgb.proposals != self.single.proposals:
            raise ValueError("both networks of a pair propose equally many corrections")

    @property
    def proposals(self) -> int:
        """Corrections proposed for every band."""
        return self.rgb.proposals

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"rgb": self.rgb.to_json(), "single": self.single.to_json()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> VariantsSpec:
        """Build a spec from :meth:`to_json`; raises ValueError, TypeError or KeyError on other fields."""
        if set(fields) != {"rgb", "single"}:
            raise ValueError("the spec of a pair names the networks rgb and single")
        return cls(rgb=UNetSpec.from_json(fields["rgb"]), single=UNetSpec.from_json(fields["single"]))


class UNetVariants(nn.Module):
    """The network for three bands and that for one behind one call."""

    def __init__(self, spec: VariantsSpec) -> None:
        super().__init__()
        self.spec = spec
        self.rgb = ResidualUNet(spec.rgb)
        self.single = ResidualUNet(spec.single)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the corrections (n, bands * proposals, h, w) of ``x`` (n, 1 or 3, h, w).

        Units and order are those of :meth:`ResidualUNet.forward`.
        """
        corrections: Tensor = (self.single if x.shape[1] == 1 else self.rgb)(x, sigma)
        return corrections


@torch.no_grad()
def single_band(network: ResidualUNet) -> ResidualUNet:
    """Return the network that does with one band what ``network`` does with three equal ones, on average.

    The same function, but for rounding: what the first layer sees three times it sees once with the sum of
    the weights, and the mean of the last layer's three bands is one band with the mean of the weights.
    """
    spec = network.spec
    if spec.bands == 1:
        return network
    like = network.head.weight
    single = ResidualUNet(replace(spec, bands=1)).to(like.device, like.dtype)
    weights = dict(network.state_dict())
    head = weights["head.weight"]  # (width, 13, 3, 3): three bands of 2 x 2 px, and the distortion
    seen = head[:, :-1].unflatten(1, (spec.bands, 4)).sum(dim=1)
    weights["head.weight"] = torch.cat([seen, head[:, -1:]], dim=1)
    for name in ("tail.weight", "tail.bias"):
        weights[name] = weights[name].unflatten(0, (spec.proposals, spec.bands, 4)).mean(dim=1).flatten(0, 1)
    single.load_state_dict(weights)
    return single.eval()


@torch.no_grad()
def paired(rgb: ResidualUNet, other: ResidualUNet | None = None) -> UNetVariants:
    """Return a network of three bands with one for single bands beside it.

    ``other``: what does single bands, of one band or of three equal ones; None: ``rgb`` itself.

    Raises ValueError if they propose different numbers of corrections.
    """
    single = single_band(other or rgb)
    pair = UNetVariants(VariantsSpec(rgb=rgb.spec, single=single.spec))
    pair.rgb.load_state_dict(rgb.state_dict())
    pair.single.load_state_dict(single.state_dict())
    return pair
