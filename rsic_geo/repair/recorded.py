"""The enhancer an archive names, checked against the weights that are here."""

from __future__ import annotations

from rsic_geo.container.sideinfo import UNKNOWN_MODEL, ModelReference
from rsic_geo.errors import WeightsMismatchError
from rsic_geo.options import Execution
from rsic_geo.repair.base import Enhancer


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
    from rsic_geo.repair import load_enhancer  # looked up late: tests put others in its place

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
