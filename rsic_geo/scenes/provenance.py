"""What metadata say of pixels that an enhancer changed: by which model, and at most how far."""

from __future__ import annotations

from dataclasses import replace

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.repair.base import Enhancer

PROVENANCE_DOMAIN = "RSIC"
"""Metadata domain of an enhanced output that says which model made it."""


def with_provenance(
    snapshot: MetadataSnapshot, enhancer: Enhancer, seed: int, max_change: float | None = None
) -> MetadataSnapshot:
    """Return a snapshot that says by what its pixels are enhanced, and at most how far (DN)."""
    made_by = {
        "RSIC_ENHANCED": "YES",
        "RSIC_MODEL": enhancer.name,
        "RSIC_MODEL_SHA256": enhancer.sha256,
        "RSIC_SEED": str(seed),
        **({} if max_change is None else {"RSIC_MAX_CHANGE": f"{max_change:g}"}),
    }
    return replace(snapshot, tags={**snapshot.tags, PROVENANCE_DOMAIN: made_by})
