"""Pure torch networks: no files, no arrays, no knowledge of scenes."""

from __future__ import annotations

from rsic_geo.enhance.network.unet import ResidualUNet, UNetSpec

__all__ = ["ResidualUNet", "UNetSpec"]
