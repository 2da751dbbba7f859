"""What metadata say of pixels that an enhancer changed: by which model, and at most how far."""

from __future__ import annotations

from dataclasses import replace

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.scenes.archive import PROVENANCE_DOMAIN, Archive


def with_provenance(archive: Archive, max_change: float | None = None) -> MetadataSnapshot:
    """Return the archive's snapshot, with a domain that says so when pixels are enhanced, at most so far."""
    side = archive.side
    if not archive.is_enhanced or side is None or side.model is None:
        return archive.snapshot
    made_by = {
        "RSIC_ENHANCED": "YES",
        "RSIC_MODEL": archive.enhancer.name,
        "RSIC_MODEL_SHA256": archive.enhancer.sha256,
        "RSIC_SEED": str(side.seed),
        **({} if max_change is None else {"RSIC_MAX_CHANGE": f"{max_change:g}"}),
    }
    return replace(archive.snapshot, tags={**archive.snapshot.tags, PROVENANCE_DOMAIN: made_by})
