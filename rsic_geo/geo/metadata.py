"""Everything a scene says about itself besides its pixels, as plain values.

A snapshot is taken from the source (``rsic_geo.raster``), stored in the archive as JSON, restored
on the way back and compared with what was written. This module knows no file format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rsic_geo.errors import UsageError
from rsic_geo.geo.metadata_diff import CrsComparison, MetadataDifference, difference_list
from rsic_geo.geo.metadata_json import PER_BAND_DEFAULTS, snapshot_fields, snapshot_json

__all__ = ["ControlPoint", "MetadataDifference", "MetadataSnapshot", "Tags", "usual_mask_flags"]

NODATA_VALUES = "NODATA_VALUES"
"""Item of the default domain that gives one value per band; GDAL derives a mask of the scene from it."""

Tags = Mapping[str, Mapping[str, str]]
"""Metadata items by domain; "" is the default domain, an ``xml:`` or ``json:`` domain holds one item
whose key is "" and whose value is the whole document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPoint:
    """One ground control point."""

    row: float
    """Row of the point (px, corner based)."""
    col: float
    """Column of the point (px, corner based)."""
    x: float
    """Easting or longitude (CRS units)."""
    y: float
    """Northing or latitude (CRS units)."""
    z: float = 0.0
    """Height (CRS units)."""
    id: str = ""
    """Name of the point."""
    info: str = ""
    """Free text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataSnapshot:
    """All metadata of one scene. Per-band fields hold one entry per band, in band order."""

    width: int
    """Columns (px)."""
    height: int
    """Rows (px)."""
    count: int
    """Bands."""
    dtypes: tuple[str, ...] = ()
    """NumPy sample type per band."""
    crs: str | None = None
    """Reference system: WKT2:2019, or "EPSG:n" where it names that registry entry and means the same."""
    crs_axes: tuple[int, ...] | None = None
    """For each data axis (column, row, height) the axis of ``crs`` it follows, from 1, negative for the other
    way; None for the usual order, east before north."""
    crs_epoch: float | None = None
    """Epoch of the coordinates (decimal year), for a dynamic reference system."""
    transform: tuple[float, float, float, float, float, float] | None = None
    """a, b, c, d, e, f of x = a*col + b*row + c, y = d*col + e*row + f; None without a geotransform.

    (1, 0, 0, 0, 1, 0) is one that is said, None one that is not."""
    gcps: tuple[ControlPoint, ...] = ()
    """Ground control points."""
    gcp_crs: str | None = None
    """Reference system of the ground control points, in the form of ``crs``."""
    rpcs: Mapping[str, str] | None = None
    """Rational polynomial coefficients under GDAL's names."""
    area_or_point: str = "Area"
    """"Area" or "Point": what a pixel value stands for. Coordinates above are corner based in both."""
    nodata: tuple[float | int | None, ...] = ()
    """Sentinel per band; may lie outside the sample type, and then marks nothing."""
    mask_flags: tuple[tuple[str, ...], ...] = ()
    """Kind of mask per band (rasterio's names); empty for a mask that belongs to one band."""
    colorinterp: tuple[str, ...] = ()
    """Colour interpretation per band (rasterio's names)."""
    bits: tuple[int | None, ...] = ()
    """Bits a sample uses where the file tells of fewer than its type has (GDAL's NBITS), per band."""
    is_premultiplied: bool = False
    """Whether colours were multiplied by alpha (TIFF's associated alpha)."""
    is_min_white: bool = False
    """Whether the least value is white (TIFF's MINISWHITE). Samples are as the file has them."""
    overviews: tuple[int, ...] = ()
    """Factors of the overviews that the file holds besides its pixels."""
    colormaps: Mapping[int, Mapping[int, tuple[int, int, int, int]]] = field(default_factory=dict)
    """Colour table (red, green, blue, alpha by value) of each band (from 1) that has one."""
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Class names (position = pixel value) of each band (from 1) that has them."""
    attribute_tables: Mapping[int, str] = field(default_factory=dict)
    """Raster attribute table, as GDAL's XML, of each band (from 1) that has one."""
    histograms: Mapping[int, str] = field(default_factory=dict)
    """Histograms, as GDAL's XML, of each band (from 1) that has them."""
    descriptions: tuple[str | None, ...] = ()
    """Name per band."""
    scales: tuple[float, ...] = ()
    """Factor per band from stored sample to physical value."""
    offsets: tuple[float, ...] = ()
    """Offset per band from stored sample to physical value."""
    units: tuple[str | None, ...] = ()
    """Physical unit per band."""
    tags: Tags = field(default_factory=dict)
    """Items of the dataset by domain. AREA_OR_POINT and RPC have fields of their own."""
    band_tags: Mapping[int, Tags] = field(default_factory=dict)
    """Items of each band (from 1) by domain."""
    has_statistics: bool = True
    """False once histograms and STATISTICS_* items were dropped because lossy coding made them untrue."""

    def __post_init__(self) -> None:
        """Fill per-band defaults and check their lengths."""
        for name, default in PER_BAND_DEFAULTS.items():
            if not getattr(self, name):
                object.__setattr__(self, name, (default,) * self.count)
            if len(getattr(self, name)) != self.count:
                raise UsageError(f"metadata field {name} does not match the {self.count} bands of the scene")

    @property
    def has_explicit_mask(self) -> bool:
        """True if the scene has a dataset mask that is neither alpha nor nodata."""
        return any(is_explicit_mask(flags) for flags in self.mask_flags)

    @property
    def sentinels(self) -> tuple[float | int | None, ...]:
        """Sentinel per band: its nodata value, or else what the item NODATA_VALUES says of all bands."""
        return sentinels(self.nodata, self.mask_flags, self.tags.get("", {}).get(NODATA_VALUES, ""))

    @property
    def has_nodata_values(self) -> bool:
        """True if GDAL derives a mask of the whole scene from the item NODATA_VALUES."""
        return all({"per_dataset", "nodata"} <= set(flags) for flags in self.mask_flags)

    def without_nodata_values(self) -> MetadataSnapshot:
        """Return the snapshot without the item NODATA_VALUES."""
        items = {key: value for key, value in self.tags.get("", {}).items() if key != NODATA_VALUES}
        others = {domain: held for domain, held in self.tags.items() if domain}
        return replace(self, tags={"": items, **others} if items else others)

    def to_json(self) -> dict[str, Any]:
        """Return a compact JSON object: defaults omitted, every float kept exactly."""
        return snapshot_json(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MetadataSnapshot:
        """Return the snapshot that :meth:`to_json` described.

        Raises:
            ContainerError: a field is missing or has the wrong type.
        """
        return snapshot_fields(cls, ControlPoint, data)

    def diff(
        self,
        other: MetadataSnapshot,
        *,
        ignore: Iterable[str] = (),
        same_crs: CrsComparison | None = None,
    ) -> list[MetadataDifference]:
        """Return what ``other`` says differently; empty if nothing is.

        Floats are compared exactly, coordinates of control points and RPC numbers to 1e-9
        relative, XML documents by content. ``rsic_geo.raster.metadata_differences`` compares
        reference systems by meaning; here they are equal if ``same_crs`` says so, or by text.

        Args:
            other: the snapshot to compare with.
            ignore: names of fields to leave out ("tags", "nodata", ...).
            same_crs: tells whether two definitions mean the same reference system.
        """
        return difference_list(self, other, ignore=frozenset(ignore), same_crs=same_crs)

    def without_statistics(self) -> MetadataSnapshot:
        """Return a copy without histograms and STATISTICS_* items, which lossy coding would make untrue."""
        band_tags = {band: _drop_statistics(tags) for band, tags in self.band_tags.items()}
        return replace(
            self,
            tags=_drop_statistics(self.tags),
            band_tags={band: tags for band, tags in band_tags.items() if tags},
            histograms={},
            has_statistics=False,
        )


def _drop_statistics(tags: Tags) -> dict[str, Mapping[str, str]]:
    kept: dict[str, Mapping[str, str]] = dict(tags)
    if "" in kept:
        kept[""] = {key: value for key, value in kept[""].items() if not key.startswith("STATISTICS_")}
        if not kept[""]:
            del kept[""]
    return kept


def is_explicit_mask(flags: Iterable[str]) -> bool:
    """Return True for the flags of a dataset mask that is stored, not derived from alpha or NODATA_VALUES."""
    return "per_dataset" in flags and not {"alpha", "nodata"} & set(flags)


def sentinels(
    nodata: Sequence[float | int | None], mask_flags: Sequence[Iterable[str]], values: str
) -> tuple[float | int | None, ...]:
    """Return the sentinel of each band of a scene with the item NODATA_VALUES, where GDAL heeds it.

    GDAL takes a pixel for invalid where all bands hold their values. A band without a nodata value gets the
    item's: samples that hold it are kept exactly and no other sample becomes it, so neither does a pixel.
    """
    words = values.split()
    heeded = len(words) == len(nodata) and all({"per_dataset", "nodata"} <= set(each) for each in mask_flags)
    if not heeded:
        return tuple(nodata)
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return tuple(nodata)
    return tuple(number if value is None else value for value, number in zip(nodata, numbers, strict=True))


def usual_mask_flags(
    colorinterp: Sequence[str], nodata: Sequence[float | int | None], dtype: str
) -> tuple[tuple[str, ...], ...]:
    """Return the flags GDAL derives for the bands of a scene without masks of its own.

    A nodata value the type can hold comes first. Alpha counts as a mask where it is the last of 2 or of 4
    bands and of an unsigned type of 8 or 16 bits; elsewhere it is a band like any other.

    Source: GDALRasterBand::GetMaskBand of GDAL.
    """
    alpha_is_mask = len(colorinterp) in (2, 4) and colorinterp[-1] == "alpha" and dtype in ("uint8", "uint16")
    flags = [("per_dataset", "alpha") if alpha_is_mask else ("all_valid",)] * len(colorinterp)
    if alpha_is_mask:
        flags[-1] = ("all_valid",)
    pairs = zip(flags, nodata, strict=True)
    return tuple(("nodata",) if _is_in_range(value, dtype) else usual for usual, value in pairs)


def _is_in_range(value: float | int | None, dtype: str) -> bool:
    kind = np.dtype(dtype)
    if value is None or kind.kind not in "iu":
        return value is not None
    limits = np.iinfo(kind)
    return bool(limits.min <= value <= limits.max)
