"""Small scenes, one for each way metadata are known to get lost. Made with GDAL's own bindings.

Import it after ``pytest.importorskip("osgeo.gdal")``. Each function takes a folder and returns a path.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()

HEIGHT, WIDTH = 30, 40
NORTH_UP = (500000.1, 10.3, 0.0, 5000000.7, 0.0, -9.7)
ROTATED = (500000.1, 10.1, 1.7, 5000000.3, 2.2, -9.9)
TRAPS: dict[str, Callable[[Path], Path]] = {}
CRS = {
    "compound": "EPSG:32633+5773",
    "compound_feet": "EPSG:2228+6360",
    "geographic_3d": "EPSG:4979",
    "geocentric": "EPSG:4978",
    "esri": "ESRI:102001",
    "mars": "IAU_2015:49900",
    "mars_custom": "+proj=eqc +lat_ts=0 +lon_0=180 +R=3396190 +units=m",
    "geostationary": "+proj=geos +lon_0=-75 +h=35786023 +sweep=x +ellps=GRS80",
    "polar": "EPSG:3413",
    "local": 'LOCAL_CS["my local",UNIT["metre",1]]',
    "engineering": 'ENGCRS["x",EDATUM["y"],CS[Cartesian,2],AXIS["(E)",east,ORDER[1]],'
    'AXIS["(N)",north,ORDER[2]],LENGTHUNIT["metre",1]]',
    "bound": "+proj=tmerc +lat_0=1 +lon_0=2 +k=0.99 +x_0=1 +y_0=2 +ellps=bessel "
    "+towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7 +units=m",
    "rotated_pole": "+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180 "
    "+to_meter=0.0174532925199433",
    "south_west_axes": "EPSG:5514",
    "northing_first": "EPSG:3035",
    "sphere": "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m",
    "grads": "EPSG:27572",
    "oblique": "EPSG:29873",
    "epoch": "EPSG:9000@2015.5",
}
RPC = {
    "LINE_OFF": "12345.123456789",
    "SAMP_OFF": "5000",
    "LAT_OFF": "45.123456789012",
    "LONG_OFF": "-12.2",
    "HEIGHT_OFF": "100",
    "LINE_SCALE": "12345",
    "SAMP_SCALE": "5000",
    "LAT_SCALE": "0.1",
    "LONG_SCALE": "0.2",
    "HEIGHT_SCALE": "500",
} | {  # fmt: skip
    f"{name}_COEFF": " ".join(str(1 / (i + start)) for i in range(20))
    for start, name in enumerate(("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN"), start=3)
}


def trap(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """Register a scene under its function's name."""
    TRAPS[make.__name__] = make
    return make


def reference(text: str) -> osr.SpatialReference:
    """Return a reference system with easting or longitude first."""
    crs = osr.SpatialReference()
    crs.SetFromUserInput(text)
    crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return crs


def create(
    path: Path,
    bands: int = 1,
    kind: int = gdal.GDT_Byte,
    crs: str | None = "EPSG:32633",
    transform: tuple[float, ...] | None = NORTH_UP,
) -> Any:
    """Return a new dataset with pixels 1..199, GeoTIFF or in memory (no suffix)."""
    driver = gdal.GetDriverByName("GTiff" if path.suffix else "MEM")
    dataset = driver.Create(str(path), WIDTH, HEIGHT, bands, kind)
    if crs:
        dataset.SetSpatialRef(reference(crs))
    if transform:
        dataset.SetGeoTransform(transform)
    pixels = np.random.default_rng(0).integers(1, 200, (bands, HEIGHT, WIDTH)).astype(np.float64)
    for number in range(bands):
        band = dataset.GetRasterBand(number + 1)
        band.WriteRaster(0, 0, WIDTH, HEIGHT, pixels[number].tobytes(), buf_type=gdal.GDT_Float64)
    return dataset


def as_vrt(folder: Path, bands: int = 1, **place: Any) -> tuple[Path, Any]:
    """Return path and open dataset of a VRT, which can say more than a TIFF."""
    source = folder / "pixels.tif"
    create(source, bands, **place)
    path = folder / "scene.vrt"
    gdal.Translate(str(path), str(source))
    return path, gdal.Open(str(path), gdal.GA_Update)


def points(named: bool = False) -> list[Any]:
    """Return five ground control points."""
    places = [(0, 0), (WIDTH, 0), (0, HEIGHT), (WIDTH, HEIGHT), (20.25, 15.5)]
    return [
        gdal.GCP(
            500000 + c * 10.1,
            5e6 - r * 9.9 + c,
            i * 1.5,
            c,
            r,
            "café" if named else "",
            f"p{i}" if named else "",
        )
        for i, (c, r) in enumerate(places)
    ]


@contextmanager
def masks(where: str) -> Any:
    """Put masks inside the TIFF or beside it."""
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", where)
    try:
        yield
    finally:
        gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", None)


@trap
def rotated_point(folder: Path) -> Path:
    dataset = create(folder / "a.tif", transform=ROTATED)
    dataset.SetMetadataItem("AREA_OR_POINT", "Point")
    return folder / "a.tif"


@trap
def rotated_area(folder: Path) -> Path:
    create(folder / "a.tif", transform=ROTATED)
    return folder / "a.tif"


@trap
def north_up_point(folder: Path) -> Path:
    dataset = create(folder / "a.tif", transform=(500000.1, 1 / 3, 0, 5000000.3, 0, -1 / 3))
    dataset.SetMetadataItem("AREA_OR_POINT", "Point")
    return folder / "a.tif"


@trap
def south_up(folder: Path) -> Path:
    create(folder / "a.tif", transform=(500000.1, 10.3, 0, 5000000.7, 0, 9.7))
    return folder / "a.tif"


def _with_points(folder: Path, found: list[Any], crs: str, area_or_point: str = "Area") -> Path:
    memory = create(folder / "a", crs=None, transform=None)
    memory.SetGCPs(found, reference(crs) if crs else "")
    memory.SetMetadataItem("AREA_OR_POINT", area_or_point)
    gdal.GetDriverByName("GTiff").CreateCopy(str(folder / "a.tif"), memory)  # Create would shift them
    return folder / "a.tif"


@trap
def gcps_point(folder: Path) -> Path:
    return _with_points(folder, points(), "EPSG:32633", "Point")


@trap
def gcps_without_crs(folder: Path) -> Path:
    return _with_points(folder, points(), "")


@trap
def one_gcp(folder: Path) -> Path:
    return _with_points(folder, points()[:1], "EPSG:4326")


@trap
def gcps_and_transform(folder: Path) -> Path:
    path, dataset = as_vrt(folder)
    dataset.SetGCPs(points(), reference("EPSG:32633"))
    return path


@trap
def gcps_named(folder: Path) -> Path:
    path, dataset = as_vrt(folder, crs=None, transform=None)
    dataset.SetGCPs(points(named=True), reference("EPSG:32633"))
    return path


@trap
def rpc_alone(folder: Path) -> Path:
    create(folder / "a.tif", crs=None, transform=None).SetMetadata(RPC, "RPC")
    return folder / "a.tif"


@trap
def rpc_rotated_point(folder: Path) -> Path:
    dataset = create(folder / "a.tif", transform=ROTATED)
    dataset.SetMetadataItem("AREA_OR_POINT", "Point")
    dataset.SetMetadata({**RPC, "ERR_BIAS": "0.5", "ERR_RAND": "0.25", "HEIGHT_DEFAULT": "10"}, "RPC")
    return folder / "a.tif"


@trap
def domains(folder: Path) -> Path:
    dataset = create(folder / "a.tif", 2)
    dataset.SetMetadata(
        {"A": "1", "ü": "é=x", "lines": "a\nb\tc", "long": "x" * 5000, "TIFFTAG_COPYRIGHT": "©"}
    )
    dataset.SetMetadata({"K": 'v <&>"'}, "CUSTOM")
    dataset.SetMetadata({"bell": "a\x07b"}, "CONTROL")
    dataset.SetMetadata(['<a b="1"><c>t &amp; u</c></a>'], "xml:FOO")
    dataset.SetMetadata(['<?xpacket begin="" id="W5"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'], "xml:XMP")
    dataset.SetMetadata(['{"a=b": {"c": [1, 2.5, "x:y"]}}'], "json:STAC")
    dataset.GetRasterBand(1).SetMetadata({"wavelength": "443", "STATISTICS_MEAN": "1.5"})
    dataset.GetRasterBand(2).SetMetadata({"x": "y"}, "BAND DOMAIN")
    dataset.GetRasterBand(2).SetMetadata(['<a b="1"/>'], "xml:BAND")
    return folder / "a.tif"


@trap
def side_file_domains(folder: Path) -> Path:
    dataset = create(folder / "a.tif")
    dataset.SetMetadata({"SATID": "x"}, "IMD")
    dataset.SetMetadata({"X_DATASET": "lon.tif", "PIXEL_STEP": "1"}, "GEOLOCATION")
    return folder / "a.tif"


@trap
def band_words(folder: Path) -> Path:
    dataset = create(folder / "a.tif", 3, gdal.GDT_Int16)
    for number, unit in enumerate(("m", "°C", "W·m⁻²"), start=1):
        band = dataset.GetRasterBand(number)
        band.SetScale(0.1 * number / 3)
        band.SetOffset(-number / 3)
        band.SetUnitType(unit)
        band.SetDescription(f"B{number} é")
    return folder / "a.tif"


def _nodata(name: str, kind: int, value: float, setter: str = "SetNoDataValue") -> None:
    def make(folder: Path) -> Path:
        dataset = create(folder / "a.tif", kind=kind)
        getattr(dataset.GetRasterBand(1), setter)(value)
        return folder / "a.tif"

    TRAPS[f"nodata_{name}"] = make


_nodata("outside_type", gdal.GDT_Byte, -9999)
_nodata("fraction", gdal.GDT_Byte, 0.5)
_nodata("nan", gdal.GDT_Float32, float("nan"))
_nodata("infinite", gdal.GDT_Float64, float("-inf"))
_nodata("almost_float_min", gdal.GDT_Float32, -3.40282306074e38)
_nodata("int64", gdal.GDT_Int64, -9223372036854775807, "SetNoDataValueAsInt64")
_nodata("uint64", gdal.GDT_UInt64, 18446744073709551615, "SetNoDataValueAsUInt64")


@trap
def nodata_per_band(folder: Path) -> Path:
    path, dataset = as_vrt(folder, 3)
    for number in (1, 2):
        dataset.GetRasterBand(number).SetNoDataValue(number * 7)
    return path


def _masked(folder: Path, where: str) -> Any:
    with masks(where):
        dataset = create(folder / "a.tif", 3)
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        dataset.GetRasterBand(1).GetMaskBand().WriteRaster(0, 0, 20, 15, b"\xff" * 300)
        dataset.FlushCache()
    return dataset


@trap
def mask_inside(folder: Path) -> Path:
    _masked(folder, "YES")
    return folder / "a.tif"


@trap
def mask_beside(folder: Path) -> Path:
    _masked(folder, "NO")
    return folder / "a.tif"


@trap
def mask_and_nodata(folder: Path) -> Path:
    dataset = _masked(folder, "YES")
    for number in (1, 2, 3):
        dataset.GetRasterBand(number).SetNoDataValue(7)
    return folder / "a.tif"


def _colors(*names: str) -> None:
    def make(folder: Path) -> Path:
        path, dataset = as_vrt(folder, len(names))
        for number, name in enumerate(names, start=1):
            dataset.GetRasterBand(number).SetColorInterpretation(getattr(gdal, f"GCI_{name}"))
        return path

    TRAPS["_".join(["colors", *names])] = make


_colors("BlueBand", "GreenBand", "RedBand", "AlphaBand")
_colors("GrayIndex", "AlphaBand")
_colors("Undefined", "RedBand")
_colors("CyanBand", "MagentaBand", "YellowBand", "BlackBand")
_colors("YCbCr_YBand", "YCbCr_CbBand", "YCbCr_CrBand")
_colors("AlphaBand", "RedBand", "GreenBand", "BlueBand")
_colors("RedBand", "GreenBand", "BlueBand", "Undefined", "AlphaBand")


@trap
def palette(folder: Path) -> Path:
    dataset = create(folder / "a.tif")
    table = gdal.ColorTable()
    for value in range(256):
        table.SetColorEntry(value, (value, 255 - value, 7, 0 if value == 9 else 255))
    dataset.GetRasterBand(1).SetColorTable(table)
    dataset.GetRasterBand(1).SetNoDataValue(9)
    return folder / "a.tif"


@trap
def classes(folder: Path) -> Path:
    dataset = create(folder / "a.tif")
    dataset.GetRasterBand(1).SetCategoryNames(["a", "b é", "", "d"])
    table = gdal.RasterAttributeTable()
    table.CreateColumn("value", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("name", gdal.GFT_String, gdal.GFU_Name)
    table.CreateColumn("share", gdal.GFT_Real, gdal.GFU_Generic)
    table.SetRowCount(2)
    table.SetValueAsString(0, 1, "forêt")
    table.SetValueAsDouble(0, 2, 1 / 3)
    dataset.GetRasterBand(1).SetDefaultRAT(table)
    return folder / "a.tif"


@trap
def jp2_with_boxes(folder: Path) -> Path:
    """A JP2 as another program writes it: GeoJP2, GMLJP2, XMP, and an XML box of its own."""
    memory = create(folder / "a")
    memory.SetMetadata(['<?xml version="1.0"?>\n<vendor><angle>12.5</angle></vendor>'], "xml:BOX_0")
    memory.SetMetadata(['<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'], "xml:XMP")
    options = ["QUALITY=100", "REVERSIBLE=YES", "WRITE_METADATA=YES"]
    gdal.GetDriverByName("JP2OpenJPEG").CreateCopy(str(folder / "a.jp2"), memory, options=options)
    return folder / "a.jp2"


@trap
def nothing_said(folder: Path) -> Path:
    create(folder / "a.tif", crs=None, transform=None)
    return folder / "a.tif"


@trap
def complex_samples(folder: Path) -> Path:
    create(folder / "a.tif", kind=gdal.GDT_CFloat64)
    return folder / "a.tif"


def _crs(name: str, text: str) -> None:
    def make(folder: Path) -> Path:
        create(folder / "a.tif", crs=text)
        return folder / "a.tif"

    TRAPS[f"crs_{name}"] = make


for _name, _text in CRS.items():
    _crs(_name, _text)
