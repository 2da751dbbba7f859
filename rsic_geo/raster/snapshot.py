"""Taking a metadata snapshot of an open dataset, and comparing snapshots by meaning."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import rasterio.shutil
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import DatasetReader, MemoryFile

from rsic_geo.geo.metadata import ControlPoint, MetadataDifference, MetadataSnapshot
from rsic_geo.raster.crs import registry_code, same_crs
from rsic_geo.raster.env import gdal_env, open_dataset, told_before
from rsic_geo.raster.structure import is_premultiplied

DRIVER_DOMAINS = frozenset({
    "IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "ProxyOverviewRequest", "LocationInfo",
    "OVERVIEWS", "vrt_sources", "new_vrt_sources", "xml:VRT", "JPEG2000", "xml:gml.root-instance", "RPC",
})  # fmt: skip
"""Domains that describe the file at hand (its blocks, its boxes), not the scene.

``xml:gml.root-instance`` is the GMLJP2 box of a JP2 source: its georeference is in the snapshot's
own fields, and a copy in a GeoTIFF would contradict any later change of them. Other XML boxes
(``xml:BOX_n``, ``xml:XMP``, ``xml:IPR``) are somebody's metadata and kept. RPC has its field, and so have
the items of IMAGE_STRUCTURE that are about samples (NBITS, MINISWHITE).
"""

_WITH_OVERVIEWS = frozenset({"GTiff", "COG", "HFA"})
"""Formats that hold overviews only where somebody made them; to others resolutions belong like blocks."""
_WKT2 = {"OSR_WKT_FORMAT": "WKT2_2019"}
"""Makes GDAL write systems in full; WKT1, its usual form, says neither usage nor remark nor geoid model."""
_MAX_SIDECAR = 64 * 2**20
"""Longest PAM sidecar that is looked into (bytes)."""

_OWN_FIELDS = frozenset({"AREA_OR_POINT"})


_RPC_UNKNOWN = {"ERR_BIAS": "-1", "ERR_RAND": "-1"}
"""What GDAL reads from a GeoTIFF's coefficients where their errors were not said."""
_RPC_NUMBERS = {
    **{
        f"{axis}_{kind}": ""
        for axis in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT")
        for kind in ("OFF", "SCALE")
    },
    **_RPC_UNKNOWN,
}
_RPC_SERIES = {f"{axis}_{part}_COEFF" for axis in ("LINE", "SAMP") for part in ("NUM", "DEN")}


def metadata_differences(
    ours: MetadataSnapshot, theirs: MetadataSnapshot, *, ignore: Iterable[str] = ()
) -> list[MetadataDifference]:
    """Return the differences of two snapshots, reference systems compared by meaning.

    A unit where there was none is no difference if the scene has heights in its reference
    system: a TIFF then reports their unit for every band.
    """
    found = ours.diff(theirs, ignore=ignore, same_crs=same_crs)
    if any(each.field == "units" and each.ours is None for each in found) and _has_heights(ours.crs):
        found = [each for each in found if each.field != "units" or each.ours is not None]
    return found


def _has_heights(definition: str | None) -> bool:
    if definition is None:
        return False
    text = CRS.from_user_input(definition).to_wkt()
    return bool(text.startswith(("COMPD_CS", "VERT_CS")))


def take_snapshot(dataset: DatasetReader) -> MetadataSnapshot:
    """Return all metadata of an open rasterio dataset."""
    described = _describe(dataset)
    points, gcp_crs = dataset.gcps
    colours = told_before(lambda: dataset.colorinterp)
    is_min_white = dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
    default_tags = dataset.tags()
    crs = described.crs() or dataset.crs
    return MetadataSnapshot(
        width=dataset.width,
        height=dataset.height,
        count=dataset.count,
        dtypes=tuple(dataset.dtypes),
        crs=_definition(crs),
        crs_axes=described.axes(),
        crs_epoch=described.epoch(),
        transform=tuple(dataset.transform)[:6] if _is_placed(dataset, described) else None,
        gcps=tuple(
            ControlPoint(row=p.row, col=p.col, x=p.x, y=p.y, z=p.z or 0.0, id=p.id or "", info=p.info or "")
            for p in points
        ),
        gcp_crs=_definition(described.gcp_crs() or gcp_crs) if points else None,
        rpcs=_rpcs(dataset.tags(ns="RPC")),
        area_or_point="Point" if default_tags.get("AREA_OR_POINT", "").lower() == "point" else "Area",
        nodata=tuple(described.nodata(dataset, band) for band in dataset.indexes),
        mask_flags=tuple(tuple(flag.name for flag in flags) for flags in dataset.mask_flag_enums),
        colorinterp=tuple(meaning.name for meaning in colours),
        bits=tuple(bits_of(dataset, band) for band in dataset.indexes),
        is_premultiplied=is_premultiplied(dataset.name, dataset.driver, [each.name for each in colours]),
        is_min_white=is_min_white,
        overviews=_overviews(dataset),
        colormaps=_colormaps(dataset, is_min_white=is_min_white),
        categories={band: names for band in dataset.indexes if (names := described.categories(band))},
        attribute_tables={
            band: table for band in dataset.indexes if (table := described.attribute_table(band))
        },
        histograms=_histograms(dataset, described),
        descriptions=tuple(text or None for text in dataset.descriptions),
        scales=tuple(dataset.scales),
        offsets=tuple(dataset.offsets),
        units=tuple(text or None for text in dataset.units),
        tags=_tags(dataset, 0, described),
        band_tags={band: tags for band in dataset.indexes if (tags := _tags(dataset, band, described))},
    )


def bits_of(dataset: DatasetReader, band: int) -> int | None:
    """Return the bits a band's samples use, where GDAL tells of fewer than their integer type has.

    Of floating types NBITS says how they are stored (16 = half precision), nothing about a range.
    """
    told = str(dataset.tags(band, ns="IMAGE_STRUCTURE").get("NBITS", ""))
    kind = np.dtype(dataset.dtypes[band - 1])
    if kind.kind not in "iu" or not (told.isascii() and told.isdecimal()):
        return None
    return int(told) if 0 < int(told) < 8 * kind.itemsize else None


def _is_placed(dataset: DatasetReader, described: _Description) -> bool:
    """Return whether a dataset has a transform; rasterio gives the identity where it has none."""
    return not dataset.transform.is_identity or described.has_transform()


def _overviews(dataset: DatasetReader) -> tuple[int, ...]:
    if dataset.driver not in _WITH_OVERVIEWS and not any(name.endswith(".ovr") for name in dataset.files):
        return ()
    return tuple(sorted({factor for factor in dataset.overviews(1) if factor > 1}))


def _histograms(dataset: DatasetReader, described: _Description) -> dict[int, str]:
    """Return the histograms that a VRT or a PAM sidecar holds: GDAL's VRT copies leave them out."""
    documents = [described]
    for name in dataset.files:
        path = Path(name)
        if name.endswith(".aux.xml") and path.is_file() and path.stat().st_size <= _MAX_SIDECAR:
            try:
                documents.append(
                    _Description(parse_gdal_xml(path.read_bytes().decode("utf-8", "surrogateescape")))
                )
            except ElementTree.ParseError:  # GDAL makes what it can of it, and there is nothing to be kept
                continue
    found: dict[int, str] = {}
    for document in documents:
        found |= {band: text for band in dataset.indexes if (text := document.histograms(band))}
    return found


def _rpcs(items: Mapping[str, str]) -> dict[str, str] | None:
    """Return coefficients as GDAL uses them: vendors write units behind numbers, and not every error.

    A set that is not whole is nothing GDAL would use, and is left as it is.
    """
    if not _RPC_NUMBERS.keys() | _RPC_SERIES <= {*items, *_RPC_UNKNOWN}:
        return dict(items) or None
    numbers = {name: _first_number(items.get(name, usual)) for name, usual in _RPC_NUMBERS.items()}
    return {**items, **numbers}


def _first_number(text: str) -> str:
    word = (text.split() or [""])[0]
    try:
        float(word)
    except ValueError:
        return text
    return word


class _Description:
    """What GDAL's own VRT copy of a dataset tells that rasterio does not.

    rasterio drops items that are not UTF-8, nodata values outside the sample type, class names,
    attribute tables and the epoch, and takes JSON documents apart at their first colon.
    """

    def __init__(self, root: ElementTree.Element) -> None:
        self._root = root

    def _band(self, band: int) -> ElementTree.Element | None:
        if band == 0:
            return self._root
        found = self._root.find(f"VRTRasterBand[@band='{band}']")
        return self._root.find(f"PAMRasterBand[@band='{band}']") if found is None else found

    def crs(self) -> str | None:
        """Return the reference system in full, as WKT2; None without one."""
        return self._root.findtext("SRS") or None

    def gcp_crs(self) -> str | None:
        points = self._root.find("GCPList")
        return None if points is None else points.get("Projection") or None

    def axes(self) -> tuple[int, ...] | None:
        """Return which axes of the system the data axes follow, where that is not the usual order."""
        element = self._root.find("SRS")
        said = None if element is None else element.get("dataAxisToSRSAxisMapping")
        if element is None or not element.text or not said or said == _usual_axes(element.text):
            return None
        return tuple(int(axis) for axis in said.split(","))

    def has_transform(self) -> bool:
        return self._root.find("GeoTransform") is not None

    def histograms(self, band: int) -> str | None:
        return self._xml(band, "Histograms")

    def _xml(self, band: int, name: str) -> str | None:
        element = self._band(band)
        table = None if element is None else element.find(name)
        return (
            None if table is None else ElementTree.canonicalize(ElementTree.tostring(table), strip_text=True)
        )

    def epoch(self) -> float | None:
        element = self._root.find("SRS")
        text = None if element is None else element.get("coordinateEpoch")
        return None if text is None else float(text)

    def nodata(self, dataset: DatasetReader, band: int) -> float | int | None:
        dtype, value = dataset.dtypes[band - 1], dataset.nodatavals[band - 1]
        is_long = dtype in {"int64", "uint64"}  # a float does not hold these exactly
        element = self._band(band)
        text = None if element is None else element.findtext("NoDataValue")
        if text is None or not (value is None or is_long):
            return None if value is None else float(value)
        return int(text) if is_long else float(text)

    def attribute_table(self, band: int) -> str | None:
        return self._xml(band, "GDALRasterAttributeTable")

    def document(self, domain: str) -> str | None:
        element = self._root.find(f"Metadata[@domain='{domain}']") if "'" not in domain else None
        return None if element is None else element.text

    def categories(self, band: int) -> tuple[str, ...]:
        element = self._band(band)
        names = [] if element is None else element.findall("CategoryNames/Category")
        return tuple(name.text or "" for name in names)

    def foreign_items(self, band: int, domain: str) -> dict[str, str]:
        """Return the items that are not UTF-8."""
        element = self._band(band)
        for entry in [] if element is None else element.findall("Metadata"):
            if entry.get("domain", "") == domain:
                items = {item.get("key", ""): item.text or "" for item in entry.findall("MDI")}
                return {key: text for key, text in items.items() if _FOREIGN.search(key + text)}
        return {}


def _describe(dataset: DatasetReader) -> _Description:
    # In memory: a folder for each of the dozen descriptions of a scene takes longer than all else about them.
    with MemoryFile(ext=".vrt") as memory:
        for domains in ("YES", "AUTO"):
            copy = partial(rasterio.shutil.copy, dataset, memory.name, driver="VRT", COPY_SRC_MDD=domains)
            try:
                with gdal_env(**_WKT2):
                    told_before(copy)
            except Exception as error:  # an xml: domain that is no XML; GDAL's exception classes are private
                if domains == "AUTO" or not type(error).__module__.startswith("rasterio"):
                    raise
                continue
            text = bytes(memory.getbuffer()).decode("utf-8", "surrogateescape")
            try:
                return _Description(parse_gdal_xml(text))
            except ElementTree.ParseError:  # an xml: domain put in as it is, declaration and all
                continue
    return _Description(ElementTree.Element("VRTDataset"))


@lru_cache(maxsize=64)
def _usual_axes(wkt: str) -> str | None:
    """Return the data axes of a system as GDAL orders them where nothing is said: east before north."""
    root = ElementTree.Element("VRTDataset", rasterXSize="1", rasterYSize="1")
    ElementTree.SubElement(root, "SRS").text = wkt
    ElementTree.SubElement(root, "VRTRasterBand", dataType="Byte", band="1")
    with tempfile.TemporaryDirectory(prefix="rsic-") as folder:
        plain, copy = Path(folder) / "plain.vrt", Path(folder) / "copy.vrt"
        plain.write_bytes(ElementTree.tostring(root, encoding="utf-8"))
        with open_dataset(plain) as dataset, gdal_env(**_WKT2):
            told_before(partial(rasterio.shutil.copy, dataset, str(copy), driver="VRT"))
        element = ElementTree.fromstring(copy.read_bytes()).find("SRS")
    return None if element is None else element.get("dataAxisToSRSAxisMapping")


def parse_gdal_xml(text: str) -> ElementTree.Element:
    """Parse XML as GDAL writes it, with control characters and bytes that are not UTF-8.

    XML forbids both, so they travel through the parser as private-use characters.
    """
    root = ElementTree.fromstring(_FORBIDDEN.sub(_shield, text))
    for element in root.iter():
        if element.text:
            element.text = _SHIELDED.sub(_unshield, element.text)
        for key, value in element.attrib.items():
            element.attrib[key] = _SHIELDED.sub(_unshield, value)
    return root


_FOREIGN = re.compile("[\udc80-\udcff]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\udc80-\udcff]")
_SHIELDED = re.compile("[\U0010f000-\U0010f0ff]")
_PRIVATE = 0x10F000


def _shield(match: re.Match[str]) -> str:
    return chr(_PRIVATE + (ord(match[0]) & 0xFF))


def _unshield(match: re.Match[str]) -> str:
    byte = ord(match[0]) - _PRIVATE
    return chr(byte if byte < 0x20 else 0xDC00 + byte)


def _tags(dataset: DatasetReader, band: int, described: _Description) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for domain in ["", *dataset.tag_namespaces(band)]:
        if domain in DRIVER_DOMAINS:
            continue
        items = {**described.foreign_items(band, domain), **dataset.tags(band, ns=domain or None)}
        if domain.startswith("xml:"):
            items = {"": "".join(items.values()).strip()}
        elif domain.startswith("json:"):
            items = {"": (described.document(domain) if band == 0 else None) or _json_document(items)}
        elif band == 0 and domain == "":
            items = {key: value for key, value in items.items() if key not in _OWN_FIELDS}
        if items:
            found[domain] = items
    return found


def _json_document(items: dict[str, str]) -> str:
    """Put a JSON document together again that was split at its first colon as if NAME:VALUE."""
    return "".join(f"{key}:{value}" if value else key for key, value in items.items())


def _colormaps(
    dataset: DatasetReader, *, is_min_white: bool
) -> dict[int, dict[int, tuple[int, int, int, int]]]:
    """Return the colour tables, but for that which GDAL makes up of a least value that is white."""
    tables = {}
    for band in dataset.indexes:
        try:
            table = {int(key): tuple(colour) for key, colour in dataset.colormap(band).items()}
            if not (is_min_white and band == 1 and _is_white_to_black(table)):
                tables[band] = table
        except ValueError:  # rasterio's way to say that the band has none
            continue
    return tables


def _is_white_to_black(table: Mapping[int, tuple[int, ...]]) -> bool:
    colours = [table[value] for value in sorted(table)]
    greys = [colour[0] for colour in colours]
    is_grey = all(colour == (grey, grey, grey, 255) for colour, grey in zip(colours, greys, strict=True))
    return is_grey and (greys[0], greys[-1]) == (255, 0) and greys == sorted(greys, reverse=True)


def _definition(crs: CRS | str | None) -> str | None:
    """Return WKT2, or just the EPSG code if the system says what the registry says under it."""
    if not crs:
        return None
    try:
        # An old file may hold a system that has no WKT2.
        text = crs if isinstance(crs, str) else str(crs.to_wkt(version="WKT2_2019"))
    except CRSError:
        assert isinstance(crs, CRS)
        return str(crs.to_wkt())
    code = registry_code(text)
    return text if code is None else f"EPSG:{code}"
