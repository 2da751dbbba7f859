"""The learned codec's network: the workshop trains it with torch, `codecs.learned` decodes without.

Importing this package, `spec`, `exact` or `synthesis` loads no torch.
"""

from __future__ import annotations

from rsic_geo.codecs.learned_network.spec import BLOCK, CHANNELS, FORMAT, LEVELS, SPECS, CodecSpec

__all__ = ["BLOCK", "CHANNELS", "FORMAT", "LEVELS", "SPECS", "CodecSpec"]
