"""Scenes that are no files: open datasets of rasterio, arrays, and names in GDAL's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import MaskFlags
from rasterio.errors import CRSError, RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.vrt import WarpedVRT

from rsic_geo.errors import OutputExistsError, SceneError, UsageError
from rsic_geo.raster.env import gdal_config, open_dataset, scene_errors

IN_MEMORY = "/vsimem/"
"""What names in GDAL's memory begin with."""


def is_dataset(thing: object) -> bool:
    """Return whether something is a dataset of rasterio."""
    return isinstance(thing, DatasetReader | DatasetWriter | WarpedVRT)


def dataset_name(dataset: Any, folder: Path) -> str:  # noqa: ANN401
    """Return the name an open dataset can be read by again; of a warped one a copy is made in ``folder``.

    Raises:
        UsageError: it is closed, or open for writing.
        SceneError: it cannot be copied.
    """
    if dataset.closed:
        raise UsageError(f"the dataset {dataset.name} is closed: open it again, or give its name")
    if dataset.mode != "r":
        raise UsageError(f"the dataset {dataset.name} is open for writing: close it first, and give its name")
    if not isinstance(dataset, WarpedVRT):
        return str(dataset.name)
    copy = folder / "scene.tif"
    with gdal_config(), scene_errors("read", dataset.name):
        rasterio.shutil.copy(dataset, str(copy), driver="GTiff", BIGTIFF="IF_SAFER")
    return str(copy)


_FEW = 4
"""Columns that no scene of many bands and rows has: such an array has its bands last, as pictures do."""


def write_array(
    path: Path, pixels: NDArray[Any], crs: object, transform: object, nodata: float | None
) -> None:
    """Write an array as a GeoTIFF; what a masked array masks becomes its dataset mask.

    Args:
        path: file to write.
        pixels: (rows, columns) or (bands, rows, columns).
        crs: anything rasterio takes for one (a CRS, ``EPSG:32633``, WKT); None for none.
        transform: pixel corner to units of the reference system, an Affine or its first six numbers; None.
        nodata: value of every band; None for none.

    Raises:
        UsageError: the shape, type, reference system or transform is none of a scene.
    """
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise UsageError(f"an array of shape {pixels.shape} is no scene: give (bands, rows, columns)")
    if pixels.ndim == 3 and pixels.shape[2] <= _FEW < min(pixels.shape[:2]) // 4:
        raise UsageError(
            f"an array of shape {pixels.shape} has its bands last, it seems: give (bands, rows, columns), as "
            "np.moveaxis(pixels, -1, 0)"
        )
    if pixels.dtype == np.float16:
        raise UsageError("no scene holds float16: give pixels.astype('float32'), which holds every value")
    pixels = pixels if pixels.ndim == 3 else pixels[None]
    mask = np.ma.getmaskarray(pixels)
    if mask.any() and (mask != mask[0]).any():
        raise UsageError("bands are masked in different places: fill them with a nodata value")
    place: dict[str, Any] = {"BIGTIFF": "IF_SAFER"}
    try:
        if crs is not None:
            place["crs"] = _system(crs)
        if transform is not None:
            place["transform"] = Affine(*tuple(transform)[:6])  # type: ignore[arg-type]
        with gdal_config(), open_dataset(
            path, "w", driver="GTiff", count=len(pixels), height=pixels.shape[1], width=pixels.shape[2],
            dtype=pixels.dtype.name, nodata=nodata, **place,
        ) as dataset:  # fmt: skip
            dataset.write(np.ma.getdata(pixels))
            if mask.any():
                dataset.write_mask(~mask[0])
    except UsageError:
        raise
    except (RasterioError, TypeError, ValueError, KeyError) as error:
        raise UsageError(f"the array is no scene: {' '.join(str(error).split())}") from error


def _system(given: object) -> CRS:
    try:
        return CRS.from_user_input(given)
    except (CRSError, ValueError) as error:
        raise UsageError(f"crs={given!r} is no reference system: give a CRS, WKT or EPSG:code") from error


def put_in_memory(source: Path, name: str, *, overwrite: bool) -> None:
    """Copy a finished raster and its sidecars to a name in GDAL's memory.

    Raises:
        OutputExistsError: the name is taken and ``overwrite`` is False.
        SceneError: GDAL cannot copy it.
    """
    with gdal_config(), scene_errors("write", name):
        if rasterio.shutil.exists(name):
            if not overwrite:
                raise OutputExistsError(f"{name} exists already: choose another name or ask to overwrite it")
            rasterio.shutil.delete(name)
        try:
            rasterio.shutil.copyfiles(str(source), name)
        except RasterioError as error:
            raise SceneError(f"GDAL's memory takes no copy ({error})") from error


def read_array(path: Path) -> NDArray[Any]:
    """Return all pixels of a raster (bands, rows, columns); masked where a mask of its own says so."""
    with gdal_config(), scene_errors("read", path), open_dataset(path) as dataset:
        has_mask = any(flags == [MaskFlags.per_dataset] for flags in dataset.mask_flag_enums)
        return np.asanyarray(dataset.read(masked=has_mask))
