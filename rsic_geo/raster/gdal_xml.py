"""GDAL's two XML descriptions of a dataset: the VRT we create files from, and the PAM sidecar.

Creating a file as a copy of a VRT without pixel sources keeps what GDAL's ordinary creation calls
lose or shift: control points of a Point raster, nodata values outside the sample type, raw XML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import unescape
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from rsic_geo.geo.metadata import MetadataSnapshot, Tags

GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32",
    "int32": "Int32", "uint64": "UInt64", "int64": "Int64", "float32": "Float32", "float64": "Float64",
    "complex_int16": "CInt16", "complex64": "CFloat32", "complex128": "CFloat64",
}  # fmt: skip
"""GDAL's names of rasterio's sample types."""

_COLOR_NAMES = {
    "undefined": "Undefined", "gray": "Gray", "palette": "Palette", "red": "Red", "green": "Green",
    "blue": "Blue", "alpha": "Alpha", "hue": "Hue", "saturation": "Saturation", "lightness": "Lightness",
    "cyan": "Cyan", "magenta": "Magenta", "yellow": "Yellow", "black": "Black",
    "Y": "YCbCr_Y", "Cb": "YCbCr_Cb", "Cr": "YCbCr_Cr",
}  # fmt: skip

_STRUCTURE = "IMAGE_STRUCTURE"
"""GDAL's domain of what it says of samples."""

CrsText = Callable[[str], str]
"""Turns a definition of a snapshot (WKT or EPSG code) into WKT."""

Field = tuple[str, int | None]
"""Snapshot field and band (from 1; None for the dataset)."""


def _is_for_sidecar(domain: str, items: Mapping[str, str]) -> bool:
    """Return True for domains a TIFF would turn into files of their own, tear at a colon, or refuse."""
    if domain.startswith("xml:"):
        try:
            fromstring(items.get("", ""))
        except ParseError:
            return True
    return domain in {"IMD", "GEOLOCATION"} or domain.startswith("json:")


def vrt_xml(snapshot: MetadataSnapshot, crs_text: CrsText) -> bytes:
    """Return a VRT without pixels that carries everything a VRT can say of the scene."""
    root = _dataset(snapshot, crs_text)
    for band in range(1, snapshot.count + 1):
        kind = GDAL_TYPES[snapshot.dtypes[band - 1]]
        element = SubElement(root, "VRTRasterBand", dataType=kind, band=str(band))
        for name in BAND_FIELDS:
            # A TIFF would spread one nodata value, and the bits of the first band, to all bands.
            if name != "bits" and (name != "nodata" or None not in snapshot.nodata):
                _BAND_WRITERS[name](element, snapshot, band)
        _add_tags(element, snapshot.band_tags.get(band, {}))
    return _bytes(root)


Sum = tuple[float, Sequence[tuple[int, float]]]
"""A number, and bands of a file (from 0) with the factor of each."""


def summed_vrt_xml(snapshot: MetadataSnapshot, name: str, sums: Sequence[Sum], *, has_mask: bool) -> bytes:
    """Return a VRT whose bands are sums of those of a file, and which says of them what a VRT can.

    Args:
        snapshot: of its bands.
        name: of the file, in the same folder.
        sums: what each band is.
        has_mask: whether the file's mask is theirs; nodata values are then left out.
    """
    root = _dataset(snapshot, str)  # GDAL knows the codes, and the text depends on no table of theirs
    for band, (constant, terms) in enumerate(sums, start=1):
        element = _vrt_band(root, snapshot, band, has_mask=has_mask)
        element.set("subClass", "VRTDerivedRasterBand")
        SubElement(element, "PixelFunctionType").text = "sum"
        SubElement(element, "SourceTransferType").text = "Float64"
        least = [*terms, (terms[0][0], 0.0)] if len(terms) == 1 else terms  # GDAL 3.6 sums two or more
        for place, (source, factor) in enumerate(least):
            part = SubElement(element, "ComplexSource")
            SubElement(part, "SourceFilename", relativeToVRT="1").text = name
            SubElement(part, "SourceBand").text = str(source + 1)
            SubElement(part, "ScaleOffset").text = repr(0.0 if place else constant)
            SubElement(part, "ScaleRatio").text = repr(factor)
    return _with_mask(root, name, has_mask=has_mask)


def looked_up_vrt_xml(
    snapshot: MetadataSnapshot, name: str, tables: Sequence[Sequence[str]], *, has_mask: bool
) -> bytes:
    """Return a VRT whose bands are those of a file looked up in tables, else as :func:`summed_vrt_xml`.

    Args:
        snapshot: of its bands.
        name: of the file, in the same folder.
        tables: of each band the value of each whole number from 0, as few digits as say it.
        has_mask: whether the file's mask is theirs; nodata values are then left out.
    """
    root = _dataset(snapshot, str)
    for band, values in enumerate(tables, start=1):
        element = _vrt_band(root, snapshot, band, has_mask=has_mask)
        part = SubElement(element, "ComplexSource")
        SubElement(part, "SourceFilename", relativeToVRT="1").text = name
        SubElement(part, "SourceBand").text = str(band)
        # GDAL wants two entries at least, and reads numbers between them as lying on a line: there are none.
        entries = [*values, values[0]] if len(values) == 1 else values
        SubElement(part, "LUT").text = ",".join(f"{n}:{value}" for n, value in enumerate(entries))
    return _with_mask(root, name, has_mask=has_mask)


def _vrt_band(root: Element, snapshot: MetadataSnapshot, band: int, *, has_mask: bool) -> Element:
    """Add a band of a VRT, without its sources."""
    kind = GDAL_TYPES[snapshot.dtypes[band - 1]]
    element = SubElement(root, "VRTRasterBand", {"dataType": kind, "band": str(band)})
    for field in BAND_FIELDS:
        if field != "nodata" or not has_mask:
            _BAND_WRITERS[field](element, snapshot, band)
    _add_tags(element, snapshot.band_tags.get(band, {}))
    return element


def _with_mask(root: Element, name: str, *, has_mask: bool) -> bytes:
    if has_mask:
        band_of_mask = SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
        part = SubElement(band_of_mask, "SimpleSource")
        SubElement(part, "SourceFilename", relativeToVRT="1").text = name
        SubElement(part, "SourceBand").text = "mask,1"
    return _bytes(root)


def vrt_source(content: bytes) -> str | None:
    """Return the name of the file beside it that a VRT is of; None where it names none."""
    found = re.search(rb'<SourceFilename relativeToVRT="1">([^<]+)<', content)
    return None if found is None else unescape(found[1].decode(errors="replace"))


def _dataset(snapshot: MetadataSnapshot, crs_text: CrsText) -> Element:
    root = Element("VRTDataset", rasterXSize=str(snapshot.width), rasterYSize=str(snapshot.height))
    _add_georeference(root, snapshot, crs_text)
    tags = {domain: items for domain, items in snapshot.tags.items() if not _is_for_sidecar(domain, items)}
    if snapshot.rpcs:
        tags["RPC"] = snapshot.rpcs
    if snapshot.area_or_point == "Point":
        tags[""] = {**tags.get("", {}), "AREA_OR_POINT": "Point"}
    _add_tags(root, tags)
    return root


def pam_xml(snapshot: MetadataSnapshot, fields: set[Field], crs_text: CrsText) -> bytes:
    """Return a PAM sidecar (.aux.xml) that carries the given fields of a snapshot.

    Fields are names of the snapshot; ("tags[DOMAIN]", band) stands for all items of a domain
    and ("georeference", None) for CRS, transform and control points together, since GDAL reads
    them as one.
    """
    root = Element("PAMDataset")
    if ("georeference", None) in fields:
        _add_georeference(root, snapshot, crs_text)
    tags = _chosen(snapshot.tags, None, fields)
    if ("rpcs", None) in fields and snapshot.rpcs:
        tags["RPC"] = snapshot.rpcs
    if ("area_or_point", None) in fields:
        tags[""] = {**tags.get("", {}), "AREA_OR_POINT": snapshot.area_or_point}
    if ("is_min_white", None) in fields and snapshot.is_min_white:
        tags[_STRUCTURE] = {"MINISWHITE": "YES"}
    _add_tags(root, tags)
    for band in range(1, snapshot.count + 1):
        element = Element("PAMRasterBand", band=str(band))
        for name in BAND_FIELDS:
            if (name, band) in fields:
                _BAND_WRITERS[name](element, snapshot, band)
        _add_tags(element, _chosen(snapshot.band_tags.get(band, {}), band, fields))
        if len(element):
            root.append(element)
    return _bytes(root) if len(root) else b""


def _chosen(tags: Tags, band: int | None, fields: set[Field]) -> dict[str, Mapping[str, str]]:
    return {domain: items for domain, items in tags.items() if (f"tags[{domain}]", band) in fields}


def _add_georeference(root: Element, snapshot: MetadataSnapshot, crs_text: CrsText) -> None:
    if snapshot.crs:
        element = SubElement(root, "SRS")
        element.text = crs_text(snapshot.crs)
        if snapshot.crs_axes is not None:
            element.set("dataAxisToSRSAxisMapping", ",".join(map(str, snapshot.crs_axes)))
        if snapshot.crs_epoch is not None:
            element.set("coordinateEpoch", repr(snapshot.crs_epoch))
    if snapshot.transform:
        a, b, c, d, e, f = snapshot.transform
        SubElement(root, "GeoTransform").text = ", ".join(repr(float(value)) for value in (c, a, b, f, d, e))
    if snapshot.gcps:
        points = SubElement(root, "GCPList")
        if snapshot.gcp_crs:
            points.set("Projection", crs_text(snapshot.gcp_crs))
        for point in snapshot.gcps:
            place = {"Pixel": point.col, "Line": point.row, "X": point.x, "Y": point.y, "Z": point.z}
            attributes = {"Id": point.id, "Info": point.info} | {k: repr(float(v)) for k, v in place.items()}
            SubElement(points, "GCP", attributes)


def _add_tags(parent: Element, tags: Tags) -> None:
    for domain, items in tags.items():
        element = SubElement(parent, "Metadata", {"domain": domain} if domain else {})
        if domain.startswith(("xml:", "json:")):
            # As "json" GDAL keeps the text as it is; as "xml" it would parse and reformat it.
            element.set("format", "json")
            element.text = items.get("", "")
            continue
        for key, value in items.items():
            SubElement(element, "MDI", key=key).text = value


_BLANK_START = re.compile("^[ \t-\r]+")
"""What GDAL's parser skips before a text, and keeps where it is written as character references."""
_SHIELDED = re.compile("[\U0010f100-\U0010f17f]")


def _shield(match: re.Match[str]) -> str:
    return "".join(chr(0x10F100 + ord(letter)) for letter in match[0])


def _add_nodata(element: Element, snapshot: MetadataSnapshot, band: int) -> None:
    value = snapshot.nodata[band - 1]
    if value is not None:
        whole = snapshot.dtypes[band - 1].endswith("int64")
        SubElement(element, "NoDataValue").text = str(int(value)) if whole else repr(value)


def _add_color(element: Element, snapshot: MetadataSnapshot, band: int) -> None:
    name = _COLOR_NAMES.get(snapshot.colorinterp[band - 1])
    if name:
        SubElement(element, "ColorInterp").text = name


def _add_colormap(element: Element, snapshot: MetadataSnapshot, band: int) -> None:
    table = snapshot.colormaps.get(band)
    if table:
        entries = SubElement(element, "ColorTable")
        for value in range(max(table) + 1):
            red, green, blue, alpha = (str(part) for part in table.get(value, (0, 0, 0, 0)))
            SubElement(entries, "Entry", c1=red, c2=green, c3=blue, c4=alpha)


def _add_categories(element: Element, snapshot: MetadataSnapshot, band: int) -> None:
    names = snapshot.categories.get(band)
    if names:
        group = SubElement(element, "CategoryNames")
        for name in names:
            SubElement(group, "Category").text = name


def _xml_writer(field: str) -> Callable[[Element, MetadataSnapshot, int], None]:
    def add(element: Element, snapshot: MetadataSnapshot, band: int) -> None:
        text = getattr(snapshot, field).get(band)
        if text:
            element.append(fromstring(text))

    return add


def _add_bits(element: Element, snapshot: MetadataSnapshot, band: int) -> None:
    bits = snapshot.bits[band - 1]
    if bits is not None:
        _add_tags(element, {_STRUCTURE: {"NBITS": str(bits)}})


def _text_writer(field: str, tag: str) -> Callable[[Element, MetadataSnapshot, int], None]:
    def add(element: Element, snapshot: MetadataSnapshot, band: int) -> None:
        value = getattr(snapshot, field)[band - 1]
        if value is not None:
            SubElement(element, tag).text = value if isinstance(value, str) else repr(float(value))

    return add


_BAND_WRITERS: dict[str, Callable[[Element, MetadataSnapshot, int], None]] = {
    "descriptions": _text_writer("descriptions", "Description"),
    "nodata": _add_nodata,
    "units": _text_writer("units", "UnitType"),
    "offsets": _text_writer("offsets", "Offset"),
    "scales": _text_writer("scales", "Scale"),
    "colorinterp": _add_color,
    "bits": _add_bits,
    "colormaps": _add_colormap,
    "categories": _add_categories,
    "attribute_tables": _xml_writer("attribute_tables"),
    "histograms": _xml_writer("histograms"),
}
BAND_FIELDS = tuple(_BAND_WRITERS)
"""Per-band snapshot fields that GDAL's XML can carry."""


def _bytes(root: Element) -> bytes:
    for element in root.iter():
        if element.text and not len(element):
            element.text = _BLANK_START.sub(_shield, element.text)
    text = _SHIELDED.sub(lambda match: f"&#{ord(match[0]) - 0x10F100};", tostring(root, encoding="unicode"))
    return text.encode("utf-8", "surrogateescape")
