"""Small scenes that say something unusual of themselves, made by GDAL's own bindings and tifffile.

Import it after ``pytest.importorskip("osgeo.gdal")``. Each builder takes a folder and returns a path.
The first of each kind was found in a public bug report (issue 13), the others are its siblings.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from osgeo import gdal, osr

gdal.UseExceptions()

PLACE = (500000.0, 10.0, 0.0, 5000000.0, 0.0, -10.0)
DEGREES = "50, 0.1, 0, 10, 0, -0.1"
_TYPES = {"uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "int16": gdal.GDT_Int16}
Build = Callable[[Path], Path]


def painted(bands: int = 1, most: int = 200, dtype: str = "uint8") -> np.ndarray:
    """Return smooth samples (bands, 70, 90) from 1 to ``most``."""
    y, x = np.mgrid[:70, :90]
    planes = [(np.sin(x / 9 + band) + np.cos(y / 7) + 2) / 4 * (most - 1) + 1 for band in range(bands)]
    return np.array(planes).astype(dtype)


def reference(text: str) -> osr.SpatialReference:
    """Return a reference system with east before north."""
    found = osr.SpatialReference()
    found.SetFromUserInput(text)
    found.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return found


def wkt(text: str) -> str:
    """Return a system as WKT2."""
    return str(reference(text).ExportToWkt(["FORMAT=WKT2_2019"]))


def create(
    path: Path,
    pixels: np.ndarray,
    options: Sequence[str] = (),
    place: tuple[float, ...] | None = PLACE,
    crs: str | None = "EPSG:32633",
) -> Any:
    """Return a new GeoTIFF, open for more."""
    bands, height, width = pixels.shape
    kind = _TYPES[pixels.dtype.name]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, bands, kind, list(options))
    if crs:
        dataset.SetSpatialRef(reference(crs))
    if place:
        dataset.SetGeoTransform(place)
    for number, band in enumerate(pixels, start=1):
        dataset.GetRasterBand(number).WriteArray(band)
    return dataset


def tiff(
    name: str,
    pixels: np.ndarray,
    options: Sequence[str] = (),
    place: tuple[float, ...] | None = PLACE,
    crs: str | None = "EPSG:32633",
    then: Callable[[Any], object] = lambda dataset: None,
) -> Build:
    """Return the builder of a GeoTIFF."""

    def build(folder: Path) -> Path:
        path = folder / f"{name}.tif"
        dataset = create(path, pixels, options, place, crs)
        then(dataset)
        del dataset
        return path

    return build


def vrt(
    name: str, crs: str, place: str = "4500000, 10, 0, 5000000, 0, -10", srs: str = "", band: str = ""
) -> Build:
    """Return the builder of a VRT over a plain file: it can say what no GeoTIFF of GDAL's does."""

    def build(folder: Path) -> Path:
        create(folder / "plain.tif", painted(), place=None, crs=None)
        path = folder / f"{name}.vrt"
        path.write_text(
            f'<VRTDataset rasterXSize="90" rasterYSize="70"><SRS{srs}>{html.escape(crs, quote=False)}</SRS>'
            f'<GeoTransform>{place}</GeoTransform><VRTRasterBand dataType="Byte" band="1">'
            f'<ColorInterp>Gray</ColorInterp>{band}<SimpleSource><SourceFilename relativeToVRT="1">plain.tif'
            "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
        )
        return path

    return build


def _pages(folder: Path) -> Path:
    create(folder / "first.tif", painted(3), ["PHOTOMETRIC=RGB"])
    create(folder / "second.tif", painted()[:, :35, :45], place=(600000.0, 20.0, 0.0, 5100000.0, 0.0, -20.0))
    path = folder / "pages.tif"
    gdal.Translate(str(path), str(folder / "first.tif"))
    for _ in range(2):
        gdal.Translate(str(path), str(folder / "second.tif"), creationOptions=["APPEND_SUBDATASET=YES"])
    return path


def _nitf(folder: Path) -> Path:
    create(folder / "first.tif", painted(), crs="EPSG:4326", place=(10.0, 0.1, 0.0, 50.0, 0.0, -0.1))
    path = folder / "two.ntf"
    source = gdal.Open(str(folder / "first.tif"))
    gdal.Translate(str(path), source, format="NITF", creationOptions=["NUMI=2"])
    gdal.Translate(str(path), source, format="NITF", creationOptions=["APPEND_SUBDATASET=YES"])
    return path


def _newline(folder: Path) -> Path:
    path = folder / "newline.tif"
    tifffile.imwrite(path, painted()[0], description="\nScanned sheet 12\n", metadata=None)
    return path


def _nadgrids(folder: Path) -> Path:
    create(folder / "plain.tif", painted(), place=None, crs=None)
    path = folder / "nadgrids.png"
    system = "+proj=tmerc +lat_0=0 +lon_0=9 +k=1 +x_0=3500000 +y_0=0 +ellps=bessel +nadgrids=BETA2007.gsb"
    gdal.Translate(str(path), str(folder / "plain.tif"), format="PNG", outputSRS=f"{system} +units=m")
    return path


def _bits_of_bands(folder: Path) -> Path:
    """Two bands of 10 and 12 bits, which no GeoTIFF holds."""
    for bits in (10, 12):
        create(folder / f"{bits}.tif", painted(1, (1 << bits) - 1, "uint16"), [f"NBITS={bits}"])
    path = folder / "mixed.vrt"
    dataset = gdal.BuildVRT(str(path), [str(folder / f"{bits}.tif") for bits in (10, 12)], separate=True)
    for number, bits in ((1, 10), (2, 12)):
        dataset.GetRasterBand(number).SetMetadataItem("NBITS", str(bits), "IMAGE_STRUCTURE")
    return path


def _transparent(bands: int, most: int = 200, dtype: str = "uint8") -> np.ndarray:
    pixels = painted(bands, most, dtype)
    pixels[:, :20] = 0
    return pixels


def _texts(dataset: Any) -> None:
    dataset.SetMetadata(
        {
            "TIFFTAG_IMAGEDESCRIPTION": "  two before",
            "TIFFTAG_SOFTWARE": "\n\n",
            "TAB": "\tbefore",
            "BEHIND": "behind \n",
            "LINES": "\r\nbefore",
            "ONLY": " ",
        }
    )
    dataset.GetRasterBand(1).SetMetadataItem("LOOK", " \n before and behind\t")


def _histogram(dataset: Any) -> None:
    dataset.GetRasterBand(1).SetDefaultHistogram(-0.5, 255.5, [value % 7 for value in range(256)])


_DHDN = reference("EPSG:31468")
_DHDN.SetTOWGS84(598.1, 73.7, 418.2, 0.202, 0.045, -2.455, 6.7)
_UTM32 = wkt("EPSG:25832")
_NAVD88 = wkt("EPSG:5703").partition(",USAGE")[0]
_USAGE = 'USAGE[SCOPE["my scope"],AREA["my garden"],BBOX[47,6,55,15]]'
_COUNTS = "<HistCounts>1|2|3|4</HistCounts>"
_TABLE = (
    '<GDALRasterAttributeTable tableType="thematic"><FieldDefn index="0"><Name>Value</Name><Type>0</Type>'
    '<Usage>5</Usage></FieldDefn><Row index="0"><F>3</F></Row></GDALRasterAttributeTable>'
)
_HISTOGRAM = (
    "<Histograms><HistItem><HistMin>-0.5</HistMin><HistMax>255.5</HistMax><BucketCount>4</BucketCount>"
    f"<IncludeOutOfRange>1</IncludeOutOfRange><Approximate>0</Approximate>{_COUNTS}</HistItem></Histograms>"
)

CASES: dict[str, Build] = {
    "nbits12": tiff("nbits12", painted(1, 4095, "uint16"), ["NBITS=12"]),
    "nbits1": tiff("nbits1", (painted() > 100).astype("uint8"), ["NBITS=1"]),
    "nbits4": tiff("nbits4", painted(1, 15), ["NBITS=4"]),
    "nbits10_rgb": tiff("nbits10_rgb", painted(3, 1023, "uint16"), ["NBITS=10", "PHOTOMETRIC=RGB"]),
    "nbits15": tiff("nbits15", painted(2, 32767, "uint16"), ["NBITS=15"]),
    "nbits_of_bands": _bits_of_bands,
    "premultiplied": tiff("premul", _transparent(4), ["PHOTOMETRIC=RGB", "ALPHA=PREMULTIPLIED"]),
    "premultiplied_grey": tiff("premul_grey", _transparent(2), ["ALPHA=PREMULTIPLIED"]),
    "premultiplied_16_bits": tiff(
        "premul16",
        _transparent(4, 60000, "uint16"),
        ["PHOTOMETRIC=RGB", "ALPHA=PREMULTIPLIED", "BIGTIFF=YES"],
    ),
    "miniswhite": tiff("white", painted(), ["PHOTOMETRIC=MINISWHITE"]),
    "miniswhite_16_bits": tiff("white16", painted(1, 60000, "uint16"), ["PHOTOMETRIC=MINISWHITE"]),
    "miniswhite_1_bit": tiff(
        "white1", (painted() > 100).astype("uint8"), ["NBITS=1", "PHOTOMETRIC=MINISWHITE"]
    ),
    "miniswhite_2_bands": tiff("white2", painted(2), ["PHOTOMETRIC=MINISWHITE"]),
    "newline": _newline,
    "blanks": tiff("blanks", painted(), then=_texts),
    "towgs84": vrt("towgs84", _DHDN.ExportToWkt()),
    "towgs84_of_three": vrt("towgs84_3", "+proj=utm +zone=33 +ellps=bessel +towgs84=1,2,3 +units=m"),
    "nadgrids": _nadgrids,
    "geoidgrids": vrt("geoidgrids", "+proj=longlat +datum=WGS84 +geoidgrids=egm08_25.gtx", DEGREES),
    "geoid_model": vrt(
        "geoid", f'COMPOUNDCRS["x",{wkt("EPSG:26910")},{_NAVD88},GEOIDMODEL["GEOID12B"],ID["EPSG",5703]]]'
    ),
    "remark": vrt("remark", _UTM32[:-1] + ',REMARK["own words"]]'),
    "usage": vrt("usage", _UTM32.partition(",USAGE")[0] + f',{_USAGE},ID["EPSG",25832]]'),
    "axes": vrt("axes", wkt("EPSG:4326"), DEGREES, ' dataAxisToSRSAxisMapping="1,2"'),
    "axes_turned": vrt("turned", wkt("EPSG:4326"), DEGREES, ' dataAxisToSRSAxisMapping="2,-1"'),
    "identity": tiff("identity", painted(), place=(0.0, 1.0, 0.0, 0.0, 0.0, 1.0)),
    "identity_without_crs": tiff("identity2", painted(), place=(0.0, 1.0, 0.0, 0.0, 0.0, 1.0), crs=None),
    "identity_mirrored": tiff("mirrored", painted(), place=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0)),
    "pixel_without_area": tiff("point", painted(), place=(500000.0, 0.0, 0.0, 5000000.0, 0.0, 0.0)),
    "pixel_without_height": tiff("line", painted(), place=(500000.0, 10.0, 0.0, 5000000.0, 0.0, 0.0)),
    "pixels_on_one_line": tiff("skew", painted(), place=(500000.0, 10.0, 20.0, 5000000.0, 5.0, 10.0)),
    "histogram": tiff("histogram", painted(), then=_histogram),
    "histogram_of_a_vrt": vrt("histogram", _UTM32, band=_HISTOGRAM),
    "attribute_table": vrt("table", _UTM32, band=_TABLE),
    "overviews": tiff(
        "overviews", painted(3), then=lambda dataset: dataset.BuildOverviews("NEAREST", [2, 4])
    ),
}
"""Scenes of one image each, all of which a GeoTIFF (with GDAL's sidecar) can give back."""

SEVERAL: dict[str, Build] = {"pages": _pages, "nitf": _nitf}
"""Files of several images."""


def is_close(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Return whether numbers agree to the twelfth digit."""
    pairs = list(zip(ours, theirs, strict=False))
    return len(ours) == len(theirs) and all(math.isclose(a, b, rel_tol=1e-12) for a, b in pairs)
