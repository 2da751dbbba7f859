"""The learned codec's network, pure torch: the workshop trains it, `codecs.learned` runs it."""

from __future__ import annotations

from rsic_geo.codecs.learned_network.exact import ExactEntropy, Step, freeze, shipped_tensors
from rsic_geo.codecs.learned_network.model import DEAD_ZONE, Coded, LearnedNetwork, round_with
from rsic_geo.codecs.learned_network.spec import BLOCK, CHANNELS, FORMAT, LEVELS, SPECS, CodecSpec
from rsic_geo.codecs.learned_network.transform import Analysis, Gains, Synthesis

__all__ = [
    "BLOCK",
    "CHANNELS",
    "DEAD_ZONE",
    "FORMAT",
    "LEVELS",
    "SPECS",
    "Analysis",
    "Coded",
    "CodecSpec",
    "ExactEntropy",
    "Gains",
    "LearnedNetwork",
    "Step",
    "Synthesis",
    "freeze",
    "round_with",
    "shipped_tensors",
]
