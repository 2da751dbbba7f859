"""Bringing a snapshot's metadata into files: at their creation, in a GeoJP2 box, and through sidecars."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import DatasetWriter, MemoryFile
from rasterio.windows import Window as RasterioWindow

from rsic_geo.geo.metadata import MetadataDifference, MetadataSnapshot
from rsic_geo.geo.window import Window
from rsic_geo.raster.env import gdal_config, gdal_env, open_dataset, scene_errors, told_before
from rsic_geo.raster.files import sidecar_path
from rsic_geo.raster.gdal_xml import BAND_FIELDS, Field, pam_xml, vrt_xml
from rsic_geo.raster.snapshot import metadata_differences, take_snapshot
from rsic_geo.raster.structure import as_alpha_is_said, structure_options

GEOREFERENCE = ("crs", "crs_axes", "crs_epoch", "transform", "gcps", "gcp_crs", "rpcs")
"""Snapshot fields that place a scene on earth."""
_OF_GEOTIFF = frozenset({"overviews"})
"""What a JP2 file need not say: it holds coarser resolutions in any case."""
_SEES_SIDECARS = partial(gdal_env, GDAL_PAM_ENABLED="YES")
"""GDAL as others run it, whatever the caller's own configuration is."""


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


def set_what_copying_loses(dataset: DatasetWriter, snapshot: MetadataSnapshot) -> None:
    """Set band items, which GDAL's copy from a VRT leaves out, and interpretations it guesses."""
    for band, tags in snapshot.band_tags.items():
        for domain, items in tags.items():
            if not domain.startswith(("xml:", "json:")):
                dataset.update_tags(band, ns=domain or None, **items)
    wanted = tuple(ColorInterp[name] for name in snapshot.colorinterp)
    # A least value that is white is shown by a palette that GDAL makes itself.
    is_free = ColorInterp.palette not in wanted and not snapshot.is_min_white
    if is_free and dataset.colorinterp != wanted:
        with as_alpha_is_said(snapshot):
            dataset.colorinterp = wanted


def metadata_lost_in_geotiff(snapshot: MetadataSnapshot) -> list[MetadataDifference]:
    """Return what neither a GeoTIFF nor its sidecar could say of a scene; tried on a file of one pixel."""
    small = replace(snapshot, width=1, height=1, overviews=())
    with tempfile.TemporaryDirectory(prefix="rsic-") as folder, gdal_config():
        path = Path(folder) / "pixel.tif"
        with scene_errors("keep the metadata of", path):
            create_from_vrt(str(path), small, {"COMPRESS": "NONE"} | structure_options(small, "GTiff"))
            with open_dataset(path, "r+") as dataset:
                set_what_copying_loses(dataset, small)
                if small.has_explicit_mask:
                    dataset.write_mask(True)
            return restore_with_sidecar(path, small)


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


def write_pam_sidecar(
    path: str | Path, snapshot: MetadataSnapshot, *, everything: bool = False
) -> list[MetadataDifference]:
    """Write beside a finished JP2 what GDAL does not find inside it: the .aux.xml with the rest.

    No sidecar is written, and an old one is removed, if the file says everything itself.

    Args:
        path: the JP2.
        snapshot: what its readers are to find.
        everything: write a sidecar in any case, with all a sidecar can say.

    Returns:
        what GDAL will not find in the sidecar either, such as a mask.

    Raises:
        SceneError: the JP2 cannot be read or the sidecar not written.
    """
    with gdal_config(), _SEES_SIDECARS(), scene_errors("write the sidecar of", path):
        return restore_with_sidecar(Path(path), snapshot, everything=everything, ignore=_OF_GEOTIFF)


def needs_pam_sidecar(path: str | Path, snapshot: MetadataSnapshot) -> bool:
    """Return whether :func:`write_pam_sidecar` would write one beside a JP2 without. Raises SceneError."""
    with gdal_config(), _SEES_SIDECARS(), scene_errors("read", path):
        return bool(sidecar_content(Path(path), snapshot, ignore=_OF_GEOTIFF))


def metadata_missing(path: str | Path, snapshot: MetadataSnapshot) -> list[MetadataDifference]:
    """Return what GDAL does not find in a finished file and its sidecars. Raises SceneError."""
    with gdal_config(), _SEES_SIDECARS(), scene_errors("read", path), open_dataset(path) as dataset:
        return metadata_differences(snapshot, take_snapshot(dataset), ignore=_OF_GEOTIFF)


def sidecar_differences(path: str | Path, snapshot: MetadataSnapshot) -> list[MetadataDifference]:
    """Return what GDAL finds in a JP2 and its sidecars otherwise than sidecars written afresh would say it.

    Values are compared, not bytes: GDAL writes sidecars anew when it adds statistics, which are no difference
    where the scene had none.

    Args:
        path: the JP2.
        snapshot: what its readers are to find.

    Raises:
        SceneError: the JP2 cannot be read.
    """
    found = [each for each in metadata_missing(path, snapshot) if not _is_statistic(each)]
    if not found:
        return []
    with _temporary_folder() as folder:
        for name in (str(path), f"{path}.msk"):
            if os.path.exists(name):
                _linked(os.path.abspath(name), folder / os.path.basename(name))
        usual = write_pam_sidecar(folder / os.path.basename(path), snapshot)
    return [each for each in found if each not in usual]


def _is_statistic(difference: MetadataDifference) -> bool:
    """Return whether something was added that GDAL and QGIS compute and keep in sidecars."""
    return difference.field.startswith(("tags[][STATISTICS_", "histograms")) and not difference.ours


def _linked(source: str, target: Path) -> None:
    try:
        os.symlink(source, target)
    except OSError:  # Windows lets only some do so
        shutil.copyfile(source, target)


def write_mask_sidecar(
    path: str | Path, shape: tuple[int, int, int], rows: Iterable[tuple[Window, NDArray[np.uint8]]]
) -> None:
    """Write beside a raster the mask that GDAL and QGIS read with it: a GeoTIFF of its name and ``.msk``.

    Args:
        path: the raster.
        shape: its bands, rows and columns; each band is told that the mask is its own.
        rows: windows with their mask (height, width), 255 = keep; together the whole raster.

    Raises:
        SceneError: it cannot be written.
    """
    mask = Path(f"{path}.msk")
    settings: dict[str, Any] = {
        "driver": "GTiff", "height": shape[1], "width": shape[2], "count": 1, "dtype": "uint8", "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "zlevel": 9,
    }  # fmt: skip
    # Few bytes, so made in memory: GDAL drops what a full disk answers to some writes.
    with gdal_config(), scene_errors("write", mask), MemoryFile() as made:
        with open_dataset(made.name, "w", **settings) as target:
            flags = {f"INTERNAL_MASK_FLAGS_{band}": "2" for band in range(1, shape[0] + 1)}  # GMF_PER_DATASET
            target.update_tags(**flags)
            for window, keep in rows:
                place = RasterioWindow(window.col_off, window.row_off, window.width, window.height)
                target.write(keep, 1, window=place)
        mask.write_bytes(made.getbuffer())


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rsic-") as name:
        yield Path(name)


def _create(snapshot: MetadataSnapshot, path: Path) -> Path:
    create_from_vrt(str(path), snapshot, {"COMPRESS": "NONE", "BLOCKYSIZE": "1"})
    return path


def _is_north_up(snapshot: MetadataSnapshot) -> bool:
    return snapshot.transform is not None and snapshot.transform[1] == snapshot.transform[3] == 0
