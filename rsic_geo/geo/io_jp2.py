"""What a JP2 file needs of GDAL: the GeoTIFF inside its GeoJP2 box, and a sidecar for the rest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rsic_geo.geo.io_env import gdal_config, open_dataset, scene_errors
from rsic_geo.geo.io_files import sidecar_path, write_atomically
from rsic_geo.geo.io_snapshot import metadata_differences, take_snapshot
from rsic_geo.geo.io_write import create_from_vrt, wkt2
from rsic_geo.geo.io_xml import BAND_FIELDS, Field, pam_xml
from rsic_geo.geo.metadata import MetadataSnapshot

GEOREFERENCE = ("crs", "transform", "gcps", "gcp_crs", "rpcs")
"""Snapshot fields that place a scene on earth."""


def degenerate_geotiff(snapshot: MetadataSnapshot) -> bytes | None:
    """Return the GeoTIFF of one pixel that a GeoJP2 UUID box holds; None without a georeference.

    It carries CRS, transform or control points, and RPCs. It says Area even for a Point scene
    unless Point reads back to the last bit: GDAL shifts the rotated and control point cases by
    half a pixel when it reads Point from this box.

    Raises:
        SceneError: GDAL cannot express the georeference.
    """
    if not any(getattr(snapshot, name) for name in GEOREFERENCE):
        return None
    area = MetadataSnapshot(
        width=1, height=1, count=1, **{name: getattr(snapshot, name) for name in GEOREFERENCE}
    )
    with gdal_config(), scene_errors("write", "the GeoJP2 box"), _temporary_folder() as folder:
        if snapshot.area_or_point == "Point" and _is_north_up(snapshot):
            point = replace(area, area_or_point="Point")
            path = _create(point, folder / "point.tif")
            with open_dataset(path) as dataset:
                if not metadata_differences(point, take_snapshot(dataset)):
                    return path.read_bytes()
        return _create(area, folder / "area.tif").read_bytes()


def write_pam_sidecar(path: str | Path, snapshot: MetadataSnapshot) -> Path | None:
    """Write beside a JP2 what GDAL does not find inside it: the .aux.xml with everything else.

    Nodata, scales, offsets, units, names, class names, and all items of the dataset and the
    bands. Georeference and colours are the file's own.

    Returns:
        the sidecar's path, or None if there is nothing to say (an old sidecar is then removed).

    Raises:
        SceneError: the sidecar cannot be written.
    """
    sidecar = sidecar_path(Path(path))
    fields: set[Field] = {("tags", None)}
    if snapshot.area_or_point == "Point":
        fields.add(("area_or_point", None))
    for band in range(1, snapshot.count + 1):
        fields.add(("tags", band))
        for name in BAND_FIELDS:
            if name not in {"colorinterp", "colormaps"} and not _is_default(snapshot, name, band):
                fields.add((name, band))
    with scene_errors("write", sidecar):
        content = pam_xml(snapshot, fields, wkt2)
        if not content:
            sidecar.unlink(missing_ok=True)
            return None
        write_atomically(sidecar, content)
    return sidecar


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rsic-") as name:
        yield Path(name)


def _create(snapshot: MetadataSnapshot, path: Path) -> Path:
    create_from_vrt(str(path), snapshot, {"COMPRESS": "NONE", "BLOCKYSIZE": "1"})
    return path


def _is_north_up(snapshot: MetadataSnapshot) -> bool:
    return snapshot.transform is not None and snapshot.transform[1] == snapshot.transform[3] == 0


def _is_default(snapshot: MetadataSnapshot, name: str, band: int) -> bool:
    if name == "categories":
        return band not in snapshot.categories
    blank = MetadataSnapshot(width=1, height=1, count=1)
    return bool(getattr(snapshot, name)[band - 1] == getattr(blank, name)[0])
