"""Bringing a snapshot's metadata into a file: at its creation, and through a sidecar afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import rasterio.shutil
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from rsic_geo.geo.metadata import MetadataDifference, MetadataSnapshot
from rsic_geo.raster.env import open_dataset, told_before
from rsic_geo.raster.files import sidecar_path
from rsic_geo.raster.gdal_xml import BAND_FIELDS, Field, pam_xml, vrt_xml
from rsic_geo.raster.snapshot import metadata_differences, take_snapshot


def create_from_vrt(target: str, snapshot: MetadataSnapshot, options: Mapping[str, str]) -> None:
    """Create a GeoTIFF without pixels that carries what a copy of a VRT can carry."""
    if options.get("PHOTOMETRIC") == "MINISBLACK":  # a palette would take its place
        snapshot = replace(snapshot, colormaps={})
    with MemoryFile(vrt_xml(snapshot, wkt2), ext=".vrt") as template:
        fixed = {"SPARSE_OK": "TRUE", "COPY_SRC_MDD": "YES"}
        told_before(
            partial(rasterio.shutil.copy, template.name, target, driver="GTiff", **{**options, **fixed})
        )


def restore_with_sidecar(
    path: Path,
    snapshot: MetadataSnapshot,
    *,
    everything: bool = False,
    ignore: Iterable[str] = (),
) -> list[MetadataDifference]:
    """Write what a finished file does not say to its PAM sidecar; return what is still missing.

    Args:
        path: the finished file.
        snapshot: what its readers are to find.
        everything: write a sidecar in any case, with all a sidecar can say.
        ignore: fields that are not looked at.
    """
    sidecar = sidecar_path(path)
    sidecar.unlink(missing_ok=True)
    content = sidecar_content(path, snapshot, everything=everything, ignore=ignore)
    if content:
        sidecar.write_bytes(content)
    return _differences(path, snapshot, ignore)


def sidecar_content(
    path: Path, snapshot: MetadataSnapshot, *, everything: bool = False, ignore: Iterable[str] = ()
) -> bytes:
    """Return what a PAM sidecar must say beside a finished file that has none; nothing where none is needed.

    For the arguments see :func:`restore_with_sidecar`.
    """
    fields = _all_fields(snapshot) if everything else _sidecar_fields(_differences(path, snapshot, ignore))
    content = pam_xml(snapshot, fields, wkt2)
    return content or (b"<PAMDataset />" if everything else b"")


def wkt2(definition: str) -> str:
    """Return the WKT2 text of a snapshot's reference system."""
    if not definition.startswith("EPSG:"):
        return definition
    return str(CRS.from_user_input(definition).to_wkt(version="WKT2_2019"))


def _differences(path: Path, snapshot: MetadataSnapshot, ignore: Iterable[str]) -> list[MetadataDifference]:
    with open_dataset(path) as dataset:
        return metadata_differences(snapshot, take_snapshot(dataset), ignore=ignore)


def _all_fields(snapshot: MetadataSnapshot) -> set[Field]:
    """Return the fields of a snapshot that say more than GDAL takes for granted."""
    fields: set[Field] = {("georeference", None), ("rpcs", None), ("is_min_white", None)}
    if snapshot.area_or_point == "Point":
        fields.add(("area_or_point", None))
    fields |= {(f"tags[{domain}]", None) for domain in snapshot.tags}
    usual = {"scales": 1.0, "offsets": 0.0}
    for band in range(1, snapshot.count + 1):
        named = [name for name in BAND_FIELDS if name not in usual]
        named += [name for name, value in usual.items() if getattr(snapshot, name)[band - 1] != value]
        fields |= {(name, band) for name in named}
        fields |= {(f"tags[{domain}]", band) for domain in snapshot.band_tags.get(band, {})}
    return fields


def _sidecar_fields(differences: list[MetadataDifference]) -> set[Field]:
    fields: set[Field] = set()
    for difference in differences:
        if difference.field in {"crs", "crs_axes", "crs_epoch", "gcp_crs", "transform", "gcps"}:
            fields.add(("georeference", None))
        elif difference.field.startswith("tags["):
            fields.add((difference.field.partition("]")[0] + "]", difference.band))
        elif difference.field in {"rpcs", "area_or_point", "is_min_white", *BAND_FIELDS}:
            fields.add((difference.field, difference.band))
    return fields
