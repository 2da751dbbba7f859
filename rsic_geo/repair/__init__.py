"""From decoded pixels to better pixels. Importing this package loads no torch."""

from __future__ import annotations

from rsic_geo.repair.base import Enhancer, IdentityEnhancer
from rsic_geo.repair.loading import load_enhancer

__all__ = ["Enhancer", "IdentityEnhancer", "load_enhancer"]
