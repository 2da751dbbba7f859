"""From a name to an enhancer; torch is imported only when a network is asked for."""

from __future__ import annotations

from rsic_geo.errors import MissingDependencyError, WeightsError
from rsic_geo.repair.base import LINEAR_FORMAT, Enhancer, IdentityEnhancer, LinearEnhancer
from rsic_geo.weights import open_weights

IDENTITY_NAMES = ("", "none")
"""Names of the enhancer that does nothing."""


def load_enhancer(
    name: str = "auto",
    device: str = "auto",
    *,
    sha256: str | None = None,
    fast: bool = False,
    threads: int = 0,
) -> Enhancer:
    """Return the enhancer of a name.

    ``name``: ``auto`` (the default weights), ``none``, a name of the weights store or a path ending in
    ``.safetensors``. ``device``: ``auto`` (CUDA if there is one), ``cpu``, ``cuda`` or ``cuda:N``. With
    ``sha256`` exactly those weights are demanded. ``fast`` allows arithmetic in bfloat16: up to twice the
    speed, a few pixels in a hundred differ by one digital number of 8 bits. ``threads``: of the CPU, while
    it corrects; 0 = as many as torch is set to. Raises the WeightsError family, UsageError (no such
    device) or MissingDependencyError (torch is not installed).
    """
    if name in IDENTITY_NAMES:
        return IdentityEnhancer()
    weights = open_weights(name, sha256=sha256)
    if weights.metadata.get("format") == LINEAR_FORMAT:
        return LinearEnhancer(weights.name, weights.sha256)
    try:
        from rsic_geo.repair.ldm import LdmEnhancer
        from rsic_geo.repair.network import LDM_FORMAT
        from rsic_geo.repair.torch_enhancer import TorchEnhancer
    except ImportError as error:
        raise MissingDependencyError(
            f"enhancement needs PyTorch ({error.name} is missing): pip install torch safetensors"
        ) from error
    if weights.metadata.get("format", "").startswith("rsic-codec"):
        raise WeightsError(f"{name} is a learned codec, not an enhancer: `rsic models list` says which are")
    kind = LdmEnhancer if weights.metadata.get("format") == LDM_FORMAT else TorchEnhancer
    return kind.from_weights(weights, device=device, fast=fast, threads=threads)
