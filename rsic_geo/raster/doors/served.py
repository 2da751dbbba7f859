"""A scene whose tiles are served as a dataset of GDAL's: a VRT, in the scene's own samples and grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from numpy.typing import NDArray
from rasterio.io import MemoryFile

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.raster.env import gdal_config
from rsic_geo.raster.gdal_xml import GDAL_TYPES, vrt_xml
from rsic_geo.raster.restore import wkt2

_GROUP = 4
"""Bands that travel together: who shows three of two hundred need not load all."""
_FIXED = {"MaxConnections": "8", "Timeout": "120"}
"""More tiles asked for at a time would be computed in vain when a map moves on; a busy one is slow (s)."""


def tile_tiff(samples: NDArray[Any]) -> bytes:
    """Return samples (bands, rows, columns) as a plain TIFF, which GDAL reads without loss."""
    bands, rows, columns = samples.shape
    with gdal_config(), MemoryFile() as file:
        with file.open(
            driver="GTiff", width=columns, height=rows, count=bands, dtype=samples.dtype, interleave="band"
        ) as dataset:
            dataset.write(samples)
        return bytes(file.getbuffer())


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedTiles:
    """Where tiles are, and what they hold."""

    url: str
    """They are at URL/LEVEL/COLUMN/ROW.tif?bands=0,1; level 0 is the coarsest one."""
    dtype: str
    side: int
    """Of a tile (px)."""
    levels: int
    """The level of full resolution; each before it has half the rows and columns."""
    has_mask: bool
    """Whether one band more than the scene has says where there is data."""

    def vrt(self, snapshot: MetadataSnapshot) -> bytes:
        """Return the VRT of a scene: the tiles' samples, and everything a VRT can say of it."""
        root = fromstring(vrt_xml(snapshot, wkt2))  # our own text
        bands = root.findall("VRTRasterBand")
        kind = GDAL_TYPES[self.dtype]
        for first in range(0, snapshot.count, _GROUP):
            group = range(first, min(first + _GROUP, snapshot.count))
            name = self._dataset(snapshot, group, kind)
            for place, band in enumerate(group, start=1):
                bands[band].set("dataType", kind)
                nodata = snapshot.nodata[band]
                if nodata is not None and bands[band].find("NoDataValue") is None:
                    SubElement(bands[band], "NoDataValue").text = str(nodata)
                _add_source(bands[band], name, place)
        if self.has_mask:
            mask = SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
            _add_source(mask, self._dataset(snapshot, range(snapshot.count, snapshot.count + 1), "Byte"), 1)
        return bytes(tostring(root, encoding="utf-8"))

    def _dataset(self, snapshot: MetadataSnapshot, bands: range, kind: str) -> str:
        """Return the name under which GDAL's driver WMS opens some bands; their place is the VRT's."""
        root = Element("GDAL_WMS")
        where = f"{self.url}/${{z}}/${{x}}/${{y}}.tif?bands={','.join(map(str, bands))}"
        SubElement(SubElement(root, "Service", name="TMS"), "ServerUrl").text = where
        width, height, side = str(snapshot.width), str(snapshot.height), str(self.side)
        window = {
            "UpperLeftX": "0", "UpperLeftY": "0", "LowerRightX": width, "LowerRightY": height,
            "SizeX": width, "SizeY": height, "TileX": "0", "TileY": "0", "YOrigin": "top",
            "TileLevel": str(self.levels),
        }  # fmt: skip
        tiles = {
            "BlockSizeX": side, "BlockSizeY": side, "OverviewCount": str(self.levels),
            "BandsCount": str(len(bands)), "DataType": kind, **_FIXED,
        }  # fmt: skip
        place = SubElement(root, "DataWindow")
        for element, values in ((place, window), (root, tiles)):
            for name, value in values.items():
                SubElement(element, name).text = value
        return tostring(root, encoding="unicode")


def _add_source(band: Element, name: str, number: int) -> None:
    source = SubElement(band, "SimpleSource")
    SubElement(source, "SourceFilename", relativeToVRT="0").text = name
    SubElement(source, "SourceBand").text = str(number)
