"""From a name to an enhancer, and to the one an archive names; torch is imported only for what needs it."""

from __future__ import annotations

from importlib.util import find_spec

from rsic_geo.container.sideinfo import UNKNOWN_MODEL, ModelReference
from rsic_geo.errors import (
    INSTALL_TORCH,
    MissingDependencyError,
    UsageError,
    WeightsError,
    WeightsMismatchError,
)
from rsic_geo.options import Execution
from rsic_geo.repair.base import LINEAR_FORMAT, Enhancer, IdentityEnhancer, LinearEnhancer
from rsic_geo.repair.integer.enhancer import IntegerEnhancer
from rsic_geo.repair.integer.weights import INTEGER_FORMAT
from rsic_geo.weights import open_weights

IDENTITY_NAMES = ("", "none")
"""Names of the enhancer that does nothing."""


def load_enhancer(
    name: str = "auto",
    device: str = "auto",
    *,
    sha256: str | None = None,
    fast: bool = False,
    near: str | None = None,
) -> Enhancer:
    """Return the enhancer of a name.

    ``name``: ``auto`` (the default weights), ``none``, a name of the weights store or a path ending in
    ``.safetensors``. ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; networks of integers run on CUDA
    only if asked to, others on CUDA if there is one. With ``sha256`` exactly those weights are demanded.
    ``fast`` lets float networks compute in bfloat16: up to twice the speed, a few pixels in a hundred differ
    by one digital number of 8 bits. ``near``: an archive, beside or above which weights may lie. Raises the
    WeightsError family, UsageError (no such device) or MissingDependencyError (no engine for integers, or no
    torch for what needs it).
    """
    if name in IDENTITY_NAMES:
        return IdentityEnhancer()
    weights = open_weights(name, sha256=sha256, near=near)
    kind = weights.metadata.get("format", "")
    if kind == LINEAR_FORMAT:
        return LinearEnhancer(weights.name, weights.sha256)
    if kind == INTEGER_FORMAT:
        return IntegerEnhancer.from_weights(weights, device=_device(device))
    if kind.startswith("rsic-codec"):
        raise WeightsError(f"{name} is a learned codec, not an enhancer: `rsic models list` says which are")
    if find_spec("torch") is None:
        raise MissingDependencyError(f"model {name} needs PyTorch: {INSTALL_TORCH}")
    from rsic_geo.repair.torch_enhancer import TorchEnhancer

    return TorchEnhancer.from_weights(weights, device=device, fast=fast)


def _device(name: str) -> str:
    """Return the device for a network of integers. Raises UsageError if it is not there."""
    if name in ("auto", "cpu"):
        return "cpu"
    if find_spec("torch") is None:
        raise UsageError(f"device {name!r} needs PyTorch ({INSTALL_TORCH}); use auto or cpu")
    from rsic_geo.devices import choose_device

    return str(choose_device(name))


def recorded_enhancer(
    model: ModelReference, name: str, how: Execution, *, is_other_fine: bool, near: str
) -> Enhancer:
    """Return the enhancer of a name.

    Args:
        model: what the archive was made with.
        name: of the weights to take: the archive's own, or others.
        how: device, threads, arithmetic.
        is_other_fine: whether weights may differ from the archive's.
        near: the archive, beside or above which weights may lie.

    Raises:
        WeightsMismatchError: if they differ, or no weights here are known by the archive's digest.
    """
    if name == UNKNOWN_MODEL:
        raise WeightsMismatchError(
            f"the archive was made with a model this rsic_geo does not ship ({model.sha256}): "
            "install the version that made it, or decode with --enhance off"
        )
    enhancer = load_enhancer(name, how.device, fast=how.fast, near=near)
    if not model.matches(enhancer.sha256) and not is_other_fine:
        raise WeightsMismatchError(
            f"the archive was made with model {model.name} ({model.sha256}), here is "
            f"{name} ({enhancer.sha256[:16]}): install that model, decode with --enhance off, or accept "
            "another result with --allow-other-model"
        )
    return enhancer
