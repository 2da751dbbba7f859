"""Bringing a snapshot's metadata into a file: at its creation, and through a sidecar afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import rasterio.shutil
from rasterio.crs import CRS

from rsic_geo.geo.io_env import open_dataset
from rsic_geo.geo.io_files import sidecar_path
from rsic_geo.geo.io_snapshot import metadata_differences, take_snapshot
from rsic_geo.geo.io_xml import BAND_FIELDS, Field, pam_xml, vrt_xml
from rsic_geo.geo.metadata import MetadataDifference, MetadataSnapshot


def create_from_vrt(target: str, snapshot: MetadataSnapshot, options: Mapping[str, str]) -> None:
    """Create a GeoTIFF without pixels that carries what a copy of a VRT can carry."""
    with tempfile.TemporaryDirectory(prefix="rsic-") as folder:
        template = Path(folder) / "scene.vrt"
        template.write_bytes(vrt_xml(snapshot, wkt2))
        fixed = {"SPARSE_OK": "TRUE", "COPY_SRC_MDD": "YES"}
        rasterio.shutil.copy(str(template), target, driver="GTiff", **{**options, **fixed})


def restore_with_sidecar(path: Path, snapshot: MetadataSnapshot) -> list[MetadataDifference]:
    """Write what a finished file does not say to its PAM sidecar; return what is still missing."""
    sidecar = sidecar_path(path)
    sidecar.unlink(missing_ok=True)
    differences = _differences(path, snapshot)
    if not differences:
        return []
    content = pam_xml(snapshot, _sidecar_fields(differences), wkt2)
    if not content:
        return differences
    sidecar.write_bytes(content)
    return _differences(path, snapshot)


def wkt2(definition: str) -> str:
    """Return the WKT2 text of a snapshot's reference system."""
    if not definition.startswith("EPSG:"):
        return definition
    return str(CRS.from_user_input(definition).to_wkt(version="WKT2_2019"))


def _differences(path: Path, snapshot: MetadataSnapshot) -> list[MetadataDifference]:
    with open_dataset(path) as dataset:
        return metadata_differences(snapshot, take_snapshot(dataset))


def _sidecar_fields(differences: list[MetadataDifference]) -> set[Field]:
    fields: set[Field] = set()
    for difference in differences:
        if difference.field in {"crs", "crs_epoch", "gcp_crs", "transform", "gcps"}:
            fields.add(("georeference", None))
        elif difference.field.startswith("tags["):
            fields.add((difference.field.partition("]")[0] + "]", difference.band))
        elif difference.field in {"rpcs", "area_or_point", *BAND_FIELDS}:
            fields.add((difference.field, difference.band))
    return fields
