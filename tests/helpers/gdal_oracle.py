"""GDAL's own bindings (another GDAL than rasterio's) as an independent reader of what we write.

Import it after ``pytest.importorskip("osgeo.gdal")``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from osgeo import gdal

gdal.UseExceptions()

_FILE_DOMAINS = {
    "IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "ProxyOverviewRequest", "LocationInfo",
    "xml:gml.root-instance", "xml:VRT", "RPC",
}  # fmt: skip
_BAND_GETTERS = {
    "unit": lambda band: band.GetUnitType(),
    "description": lambda band: band.GetDescription(),
    "scale": lambda band: band.GetScale() if band.GetScale() is not None else 1.0,
    "offset": lambda band: band.GetOffset() or 0.0,
    "color": lambda band: band.GetColorInterpretation(),
    "mask": lambda band: band.GetMaskFlags(),
    "type": lambda band: band.DataType,
    "categories": lambda band: band.GetCategoryNames() or [],
    "nodata": lambda band: band.GetNoDataValue(),
    "table": lambda band: _table(band.GetColorTable()),
    "attributes": lambda band: _attributes(band.GetDefaultRAT()),
    "tags": lambda band: _tags(band) or None,
}


def georeference_differences(ours: Path, theirs: Path) -> list[str]:
    """Return what the two files say differently about the place of their pixels."""
    a, b = gdal.Open(str(ours)), gdal.Open(str(theirs))
    found = []
    if _transform(a) != _transform(b):
        found.append(f"transform: {_transform(a)} became {_transform(b)}")
    found += _gcp_differences(a.GetGCPs(), b.GetGCPs())
    pairs = [("crs", a.GetSpatialRef(), b.GetSpatialRef())]
    if a.GetGCPCount():
        pairs = [("gcp crs", a.GetGCPSpatialRef(), b.GetGCPSpatialRef())]
    for name, mine, yours in pairs:
        if (mine is None) != (yours is None) or (mine is not None and not mine.IsSame(yours)):
            found.append(f"{name}: {mine and mine.ExportToWkt()} became {yours and yours.ExportToWkt()}")
        elif mine is not None and mine.GetCoordinateEpoch() != yours.GetCoordinateEpoch():
            found.append(f"epoch: {mine.GetCoordinateEpoch()} became {yours.GetCoordinateEpoch()}")
    return found + _rpc_differences(a.GetMetadata("RPC"), b.GetMetadata("RPC"))


def differences(ours: Path, theirs: Path, ignore: frozenset[str] = frozenset()) -> list[str]:
    """Return everything the two files say differently about themselves besides pixels.

    Pixels of masks are compared in the first four bands.

    ``ignore`` takes keys of the per-band getters above.
    """
    found = georeference_differences(ours, theirs)
    a, b = gdal.Open(str(ours)), gdal.Open(str(theirs))
    for name, mine, yours in (
        (
            "size",
            (a.RasterXSize, a.RasterYSize, a.RasterCount),
            (b.RasterXSize, b.RasterYSize, b.RasterCount),
        ),
        ("tags", _tags(a), _tags(b)),
    ):
        if mine != yours:
            found.append(f"{name}: {mine} became {yours}")
    for number in range(1, min(a.RasterCount, b.RasterCount) + 1):
        mine, yours = a.GetRasterBand(number), b.GetRasterBand(number)
        for name in _BAND_GETTERS.keys() - ignore:
            get = _BAND_GETTERS[name]
            x, y = get(mine), get(yours)
            unsaid = (name, number, x, y) == ("color", 1, gdal.GCI_Undefined, gdal.GCI_GrayIndex)
            if str(x) != str(y) and not unsaid:  # as text, NaN equals itself
                found.append(f"{name} of band {number}: {x} became {y}")
        masked = number <= 4 and mine.GetMaskFlags() != gdal.GMF_ALL_VALID
        if masked and _mask(mine) != _mask(yours):
            found.append(f"mask of band {number}")
    return found


def _mask(band: Any) -> bytes:
    return bytes(band.GetMaskBand().ReadRaster())


def _transform(dataset: Any) -> tuple[float, ...]:
    return tuple(dataset.GetGeoTransform(can_return_null=True) or (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def _gcp_differences(ours: Any, theirs: Any) -> list[str]:
    if len(ours) != len(theirs):
        return [f"{len(ours)} control points became {len(theirs)}"]
    found = []
    for p, q in zip(ours, theirs, strict=True):
        for name in ("GCPPixel", "GCPLine", "GCPX", "GCPY", "GCPZ"):
            if not math.isclose(getattr(p, name), getattr(q, name), rel_tol=1e-9):
                found.append(f"{name} of {p.Id}: {getattr(p, name)} became {getattr(q, name)}")
    return found


def _rpc_differences(ours: dict[str, str] | None, theirs: dict[str, str] | None) -> list[str]:
    mine, yours = ours or {}, theirs or {}
    if set(mine) != set(yours):
        return [f"RPC keys: {sorted(set(mine) ^ set(yours))}"]
    return [
        f"RPC {key}: {mine[key]} became {yours[key]}" for key in mine if not _close(mine[key], yours[key])
    ]


def _close(a: str, b: str) -> bool:
    try:
        pairs = list(zip([float(v) for v in a.split()], [float(v) for v in b.split()], strict=True))
    except ValueError:
        return a == b
    return all(math.isclose(x, y, rel_tol=1e-12) for x, y in pairs)


def _table(table: Any) -> list[tuple[int, ...]] | None:
    return None if table is None else [table.GetColorEntry(i) for i in range(table.GetCount())]


def _attributes(table: Any) -> list[list[str]] | None:
    if table is None:
        return None
    columns = range(table.GetColumnCount())
    header = [f"{table.GetNameOfCol(c)}/{table.GetTypeOfCol(c)}/{table.GetUsageOfCol(c)}" for c in columns]
    return [header, *([table.GetValueAsString(r, c) for c in columns] for r in range(table.GetRowCount()))]


def _tags(holder: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for domain in {"", *(holder.GetMetadataDomainList() or [])}:
        if domain in _FILE_DOMAINS:
            continue
        if domain.startswith(("xml:", "json:")):
            found[domain] = (holder.GetMetadata_List(domain) or [""])[0].strip()
        else:
            items = holder.GetMetadata_Dict(domain) or {}
            found[domain] = {key: _number(key, text) for key, text in items.items()}
    if found.get("", {}).get("AREA_OR_POINT") == "Area":
        del found[""]["AREA_OR_POINT"]
    return {domain: found[domain] for domain in sorted(found) if found[domain]}


def _number(key: str, text: str) -> str:
    """Return the text; a resolution in the digits that single precision has."""
    return f"{float(text):.6g}" if key in {"TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION"} else text
