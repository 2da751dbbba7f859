"""What the pipeline's tests share: scenes to code, and what osgeo.gdal, an independent reader, sees."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from enhance_support import FloatDouble
from jp2_support import landscape
from numpy.typing import NDArray
from rasterio.windows import Window

import rsic_geo

JP2_TYPES = ("uint8", "uint16", "int16")

_FILE_DOMAINS = frozenset({
    "IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "JPEG2000", "xml:gml.root-instance", "RPC",
})  # fmt: skip
"""Domains about the file at hand; RPC has a field of its own."""


@dataclass(slots=True)
class View:
    """One file through the eyes of osgeo.gdal."""

    pixels: NDArray[Any]
    valid: NDArray[np.bool_]
    """(bands, h, w), GDAL's band masks (alpha excepted)."""
    crs: Any
    transform: tuple[float, ...] | None
    gcp_crs: Any
    gcps: list[tuple[float, ...]]
    rpcs: dict[str, str]
    nodata: list[float | None]
    mask_flags: list[int]
    bands: list[dict[str, Any]] = field(default_factory=list)
    """Description, scale, offset, unit, colour and colour table of each band."""
    tags: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Items by domain, of the dataset (0) and the bands (from 1)."""


def osgeo_gdal() -> Any:
    """Return GDAL's own bindings, with exceptions on; skip the test where they are missing."""
    gdal = pytest.importorskip("osgeo.gdal")
    pytest.importorskip("osgeo.gdal_array")
    gdal.UseExceptions()
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    return gdal


def view(path: Path, *, pixels: bool = True) -> View:
    """Return what osgeo.gdal sees of a file; skip the test where this GDAL cannot read it."""
    gdal = osgeo_gdal()
    gdal.SetConfigOption("GDAL_DISABLE_READDIR_ON_OPEN", None)
    try:
        dataset = gdal.Open(str(path))
    except RuntimeError as error:
        pytest.skip(f"this osgeo.gdal cannot open {path.name}: {error}")
    bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
    transform = dataset.GetGeoTransform(can_return_null=True)
    shape = (len(bands), dataset.RasterYSize, dataset.RasterXSize)
    seen = View(
        pixels=dataset.ReadAsArray().reshape(shape) if pixels else np.zeros((0, 0, 0)),
        valid=np.stack([_valid(band) for band in bands]) if pixels else np.zeros(0, bool),
        crs=dataset.GetSpatialRef(),
        transform=None if transform in (None, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)) else transform,
        gcp_crs=dataset.GetGCPSpatialRef() if dataset.GetGCPCount() else None,
        gcps=[(p.GCPPixel, p.GCPLine, p.GCPX, p.GCPY, p.GCPZ) for p in dataset.GetGCPs()],
        rpcs=dataset.GetMetadata("RPC") or {},
        nodata=[band.GetNoDataValue() for band in bands],
        mask_flags=[band.GetMaskFlags() for band in bands],
        bands=[_band(band) for band in bands],
        tags={number: _tags(owner) for number, owner in enumerate([dataset, *bands])},
    )
    del bands, dataset
    return seen


def source_view(path: Path) -> View:
    """Return what osgeo.gdal sees of a scene; its pixels by rasterio where they are stored lossily.

    The two bring different versions of GDAL, and decoders of two versions need not agree to the last bit.
    """
    seen = view(path)
    with rasterio.open(path) as scene:
        compression = scene.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")
        if scene.driver.startswith("JP2") or "JPEG" in compression:
            seen.pixels = scene.read()
            seen.valid = scene.read_masks() != 0
    return seen


def _valid(band: Any) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = band.GetMaskBand().ReadAsArray() != 0
    return valid


def _band(band: Any) -> dict[str, Any]:
    table = band.GetColorTable()
    return {
        "description": band.GetDescription(),
        "scale": 1.0 if band.GetScale() is None else band.GetScale(),
        "offset": band.GetOffset() or 0.0,
        "unit": band.GetUnitType(),
        "colour": band.GetColorInterpretation(),
        "table": None if table is None else [table.GetColorEntry(i) for i in range(table.GetCount())],
    }


def _tags(owner: Any) -> dict[str, Any]:
    found = {}
    for domain in owner.GetMetadataDomainList() or []:
        if domain in _FILE_DOMAINS or domain.startswith("xml:BOX_"):
            continue
        if domain.startswith(("xml:", "json:")):
            found[domain] = "".join(owner.GetMetadata_List(domain)).strip()
        elif items := {key: _plain(key, value) for key, value in owner.GetMetadata(domain).items()}:
            found[domain] = items
    if found.get("", {}).get("AREA_OR_POINT") == "Area":  # what it means when nobody says it
        del found[""]["AREA_OR_POINT"]
    return {domain: items for domain, items in found.items() if items}


def _plain(key: str, value: str) -> object:
    """Return an item's value; resolutions are single precision in a TIFF, printed with various digits."""
    return f"{float(value):.5g}" if key.endswith(("_XRESOLUTION", "_YRESOLUTION")) else value


def assert_same_place(ours: View, theirs: View) -> None:
    """Fail unless two files lie at the same place on earth, to 1e-9 px."""
    for mine, yours in ((ours.crs, theirs.crs), (ours.gcp_crs, theirs.gcp_crs)):
        assert (mine is None) == (yours is None)
        assert mine is None or mine.IsSame(yours, ["IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES"])
    assert (ours.transform is None) == (theirs.transform is None)
    if ours.transform is not None:
        scale = max(abs(v) for v in ours.transform[1:3] + ours.transform[4:])
        np.testing.assert_allclose(theirs.transform, ours.transform, rtol=1e-14, atol=1e-9 * scale)
    assert len(ours.gcps) == len(theirs.gcps)
    if ours.gcps:
        np.testing.assert_allclose(theirs.gcps, ours.gcps, rtol=1e-9)


def write_scene(
    path: Path, pixels: NDArray[Any], *, mask: NDArray[np.bool_] | None = None, **profile: Any
) -> Path:
    """Write pixels (bands, h, w) as a GeoTIFF in UTM zone 33 with a few tags, as a test needs it."""
    settings: dict[str, Any] = {
        "driver": "GTiff", "count": pixels.shape[0], "height": pixels.shape[1], "width": pixels.shape[2],
        "dtype": pixels.dtype.name, "crs": "EPSG:32633",
        "transform": Affine(0.5, 0, 500000, 0, -0.5, 5600000),
    }  # fmt: skip
    if pixels.shape[0] in (3, 4) and pixels.dtype == np.uint8:
        settings |= {"photometric": "RGB", "alpha": "NO"}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **settings | profile) as scene:
        scene.write(pixels)
        scene.update_tags(PLATFORM="test")
        if mask is not None:
            scene.write_mask(mask)
    return path


def painted(shape: tuple[int, int, int], dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """Return a landscape (bands, h, w) that uses part of the type's range, as sensors do."""
    pixels = landscape(shape, "uint8", seed).astype(np.int64)
    if dtype == "uint8":
        return pixels.clip(1, 254).astype(dtype)
    return (pixels * 23 + (300 if dtype == "uint16" else -900)).astype(dtype)


def crop(source: Path, target: Path, window: Window) -> Path:
    """Write a window of a scene as a GeoTIFF with its place, nodata, mask and colours."""
    with rasterio.open(source) as scene:
        profile = {
            "crs": scene.crs, "transform": scene.window_transform(window), "nodata": scene.nodata,
            "width": window.width, "height": window.height, "count": scene.count, "dtype": scene.dtypes[0],
            "driver": "GTiff", "compress": "deflate",
        }  # fmt: skip
        if scene.colorinterp[0].name == "red":
            profile["photometric"] = "RGB"
        pixels = scene.read(window=window)
    with rasterio.open(target, "w", **profile) as scene:
        scene.write(pixels)
    return target


def scored(source: Path) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a scene's pixels and where an error counts, read without rsic_geo.

    A sample counts unless it is nodata, masked, under a transparent pixel, or alpha itself.
    """
    with rasterio.open(source) as scene:
        pixels = scene.read()
        counts = np.ones(pixels.shape, bool)
        for i, value in enumerate(scene.nodatavals):
            if value is not None:
                counts[i] &= ~np.isnan(pixels[i]) if np.isnan(value) else pixels[i] != value
        for i, flags in enumerate(scene.mask_flag_enums):
            if "per_dataset" in {flag.name for flag in flags}:
                counts[i] &= scene.read_masks(i + 1) != 0
        for i, meaning in enumerate(scene.colorinterp):
            if meaning.name == "alpha":
                counts &= (pixels[i] != 0)[None]
                counts[i] = False
    return pixels, counts


def used_range(source: Path) -> list[tuple[float, float]]:
    """Return what PSNR is relative to in each band, found without rsic_geo.

    0..255 of uint8; else all values of the bits that GDAL tells of, or what lies between the 0.001 and 0.999
    quantiles of the valid samples of a nearest-neighbour read of at most 1024 px a side, at least 16 wide.
    """
    with rasterio.open(source) as scene:
        scale = max(1.0, max(scene.shape) / 1024)
        shape = tuple(max(1, round(side / scale)) for side in scene.shape)
        pixels, shown = scene.read(out_shape=(scene.count, *shape)), scene.dataset_mask(out_shape=shape) != 0
        ends = []
        for band, plane in enumerate(pixels):
            bits = scene.tags(band + 1, ns="IMAGE_STRUCTURE").get("NBITS")
            if pixels.dtype == np.uint8:
                ends.append((0.0, 255.0))
                continue
            if bits:
                ends.append((0.0, 2.0 ** int(bits) - 1))
                continue
            nodata = scene.nodatavals[band]
            values = np.sort(plane[shown & (plane != nodata) if nodata is not None else shown].astype(float))
            cut = int(len(values) * 0.001)
            low, high = (values[cut], values[len(values) - 1 - cut]) if len(values) else (0.0, 65535.0)
            least = 16.0 if pixels.dtype.kind in "iu" else 0.0
            if high - low < least:
                low, high = (low + high - least) / 2, (low + high + least) / 2
            ends.append((float(low), float(high)))
        return ends


def measured(source: Path, result: Path) -> tuple[float, float]:
    """Return PSNR of the worst band (dB) and largest absolute error, computed without rsic_geo.

    Red, green and blue of uint8 are one band, by the mean over the three.
    """
    pixels, counts = scored(source)
    with rasterio.open(source) as scene:
        names = [meaning.name for meaning in scene.colorinterp]
    with rasterio.open(result) as scene:
        error = scene.read().astype(np.float64) - pixels.astype(np.float64)
    colours = [i for i, name in enumerate(names) if name in ("red", "green", "blue")]
    units = [colours] if pixels.dtype == np.uint8 and len(colours) == 3 else []
    units += [[i] for i in range(len(pixels)) if not units or i not in colours]
    peaks = [high - low for low, high in used_range(source)]
    found = []
    for unit in units:
        mistakes = error[unit][counts[unit]]
        mse = float(np.mean(mistakes**2)) if mistakes.size else 0.0
        found.append(np.inf if mse == 0 else 10 * np.log10(peaks[unit[0]] ** 2 / mse))
    return min(found), float(np.abs(error[counts]).max(initial=0.0))


def assert_came_back(source: Path, back: Path, report: dict[str, Any], *, within: float = 1e-6) -> float:
    """Assert equal metadata and masks, and pixels as a report of compression says; return the PSNR (dB).

    Networks may round single pixels otherwise than when they were fitted: the PSNR may differ by ``within``.
    """
    found = rsic_geo.compare(source, back).to_json()
    assert found["metadata_diff"] == []
    assert found["mask_equal"]
    assert found["valid_equal"]
    psnr, worst = measured(source, back)
    assert psnr == pytest.approx(report["psnr"] or np.inf, abs=within)
    assert worst == report["max_abs_error"]
    return psnr


class Smoother(FloatDouble):
    """An enhancer of a millisecond: proposes the mean of 3 x 3 pixels, which helps a little after coding."""

    name, sha256 = "smoother", "5" * 64

    def propose(self, x: NDArray[np.float32], sigma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean less the pixel."""
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
        rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
        means = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / np.float32(9)
        return (means - x).astype(np.float32)


@contextmanager
def installed(enhancer: Any) -> Iterator[None]:
    """Let the pipeline find ``enhancer`` whatever name it asks for."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("rsic_geo.repair", "rsic_geo.repair.loading"):
            patch.setattr(sys.modules[module], "load_enhancer", lambda *_, **__: enhancer)
        yield
