"""What a job did, in numbers a script can read."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsic_geo.geo.profile import SceneProfile
from rsic_geo.raster import gdal_version
from rsic_geo.version import version

SCHEMA = "rsic-report-1"


def describe_file(path: str, profile: SceneProfile | None = None) -> dict[str, Any]:
    """Return path, size and shape of a file; the checksum is added by :func:`with_checksum`."""
    out: dict[str, Any] = {"path": str(path)}
    if Path(path).is_file():
        out["bytes"] = os.path.getsize(path)
    if profile is not None:
        out.update(width=profile.width, height=profile.height, bands=profile.count, dtype=profile.dtype)
    return out


def with_checksum(described: dict[str, Any]) -> dict[str, Any]:
    """Return a file's description with the SHA-256 of its bytes, when it is a local file."""
    path = Path(described["path"])
    if not path.is_file():
        return described
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return {**described, "sha256": digest.hexdigest()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Outcome of one job."""

    verb: str
    source: dict[str, Any]
    output: dict[str, Any]
    seconds: float
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    """Numbers of this verb: target, rates, errors, model."""

    def __fspath__(self) -> str:
        """Return the name of the output, so that a report stands for the file it is about."""
        return str(self.output["path"])

    def to_json(self, *, checksums: bool = False) -> dict[str, Any]:
        """Return a plain dictionary.

        Args:
            checksums: read both files once more and add their SHA-256.
        """
        return {
            "schema": SCHEMA,
            "verb": self.verb,
            "rsic_version": version(),
            "gdal_version": gdal_version(),
            "python_version": platform.python_version(),
            "input": with_checksum(self.source) if checksums else self.source,
            "output": with_checksum(self.output) if checksums else self.output,
            "seconds": round(self.seconds, 3),
            "warnings": list(self.warnings),
            **self.details,
        }
