"""Pure torch networks: no files, no arrays, no knowledge of scenes."""

from __future__ import annotations

from rsic_geo.repair.network.model import LdmNetwork, macs_per_pixel, network_of
from rsic_geo.repair.network.prior import PriorEncoder
from rsic_geo.repair.network.specs import LDM_FORMAT, REGRESSION, SIZES, DiffusionSpec, LdmSpec, PriorSpec
from rsic_geo.repair.network.unet import ResidualUNet, UNetSpec
from rsic_geo.repair.network.variants import VARIANTS_FORMAT, UNetVariants, VariantsSpec, paired, single_band

__all__ = [
    "LDM_FORMAT",
    "REGRESSION",
    "SIZES",
    "VARIANTS_FORMAT",
    "DiffusionSpec",
    "LdmNetwork",
    "LdmSpec",
    "PriorEncoder",
    "PriorSpec",
    "ResidualUNet",
    "UNetSpec",
    "UNetVariants",
    "VariantsSpec",
    "macs_per_pixel",
    "network_of",
    "paired",
    "single_band",
]
