"""Comparison of two metadata snapshots: what counts as the same, and what is reported."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from rsic_geo.geo.metadata_json import PER_BAND_DEFAULTS

if TYPE_CHECKING:
    from rsic_geo.geo.metadata import ControlPoint, MetadataSnapshot, Tags

CrsComparison = Callable[[str, str], bool]
"""Tells whether two definitions mean the same reference system."""

COORDINATE_TOLERANCE = 1e-9
"""Relative tolerance for control points and RPC numbers, which files hold as text or with offsets."""

_RESOLUTION_KEYS = frozenset({"TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION"})
"""Items that TIFF holds as single precision and GDAL prints with a different number of digits."""

_WHOLE_FIELDS = (
    "width", "height", "count", "area_or_point", "crs_axes", "crs_epoch", "is_premultiplied", "is_min_white",
)  # fmt: skip
_BAND_FIELDS = tuple(PER_BAND_DEFAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataDifference:
    """One thing two snapshots disagree about."""

    field: str
    """Name of the snapshot field; for items of a domain "tags[DOMAIN][KEY]"."""
    band: int | None
    """Band (from 1), None for the dataset."""
    ours: Any
    """Value in the first snapshot (the source)."""
    theirs: Any
    """Value in the second snapshot (what was written)."""

    def __str__(self) -> str:
        """Return one line for a report."""
        place = "" if self.band is None else f" of band {self.band}"
        return f"{self.field}{place}: {_short(self.ours)} became {_short(self.theirs)}"


def difference_list(
    ours: MetadataSnapshot,
    theirs: MetadataSnapshot,
    *,
    ignore: frozenset[str],
    same_crs: CrsComparison | None,
) -> list[MetadataDifference]:
    """Return all differences outside the ignored fields, in a fixed order.

    A first band of undefined colour may become gray: TIFF and JPEG 2000 cannot leave it open. A
    reference system may be reported with the control points alone, as a TIFF has only one. An item without a
    value, as NITF headers have dozens, may go missing: neither TIFF nor sidecar can hold one. Of overviews it
    counts whether there are any: their factors are the business of who makes them.
    """
    found: list[MetadataDifference] = []

    def check(name: str, same: bool, band: int | None = None) -> None:
        if not same and name not in ignore:
            a, b = getattr(ours, name), getattr(theirs, name)
            if band is not None:
                a, b = _band_value(a, band), _band_value(b, band)
            found.append(MetadataDifference(field=name, band=band, ours=a, theirs=b))

    for name in _WHOLE_FIELDS:
        check(name, getattr(ours, name) == getattr(theirs, name))
    found_crs = theirs.gcp_crs if theirs.crs is None and theirs.gcps else theirs.crs
    check("crs", ours.crs == theirs.crs or _same_crs(ours.crs, found_crs, same_crs))
    check("gcp_crs", _same_crs(ours.gcp_crs, theirs.gcp_crs, same_crs))
    check("overviews", bool(ours.overviews) == bool(theirs.overviews))
    check("transform", _same_numbers(ours.transform, theirs.transform))
    check("gcps", _same_points(ours.gcps, theirs.gcps))
    check("rpcs", _same_rpcs(ours.rpcs, theirs.rpcs))
    for band in range(1, min(ours.count, theirs.count) + 1):
        for name in _BAND_FIELDS:
            a, b = getattr(ours, name)[band - 1], getattr(theirs, name)[band - 1]
            unsaid = (name, band, a, b) == ("colorinterp", 1, "undefined", "gray")
            check(name, unsaid or _same_value(a, b), band)
        for name in ("colormaps", "categories"):
            check(name, getattr(ours, name).get(band) == getattr(theirs, name).get(band), band)
        for name in ("attribute_tables", "histograms"):
            texts = [getattr(snapshot, name).get(band, "") for snapshot in (ours, theirs)]
            check(name, texts[0] == texts[1] or _same_xml(*texts), band)
    if "tags" not in ignore:
        found += _tag_differences(ours.tags, theirs.tags, None)
    if "band_tags" not in ignore:
        for band in sorted({*ours.band_tags, *theirs.band_tags}):
            found += _tag_differences(ours.band_tags.get(band, {}), theirs.band_tags.get(band, {}), band)
    return found


def _tag_differences(ours: Tags, theirs: Tags, band: int | None) -> list[MetadataDifference]:
    found = []
    for domain in sorted({*ours, *theirs}):
        mine, yours = ours.get(domain, {}), theirs.get(domain, {})
        for key in sorted({*mine, *yours}):
            a, b = mine.get(key), yours.get(key)
            is_unsaid = a == "" and b is None and not domain.startswith(("xml:", "json:"))
            if a != b and not is_unsaid and not (a and b and _same_item(domain, key, a, b)):
                name = f"tags[{domain}][{key}]"
                found.append(MetadataDifference(field=name, band=band, ours=a, theirs=b))
    return found


def _same_crs(a: str | None, b: str | None, same_crs: CrsComparison | None) -> bool:
    if a is None or b is None or a == b:
        return a == b
    return same_crs is not None and same_crs(a, b)


def _same_numbers(a: tuple[float, ...] | None, b: tuple[float, ...] | None) -> bool:
    if a is None or b is None:
        return a is b
    return len(a) == len(b) and all(_same_value(x, y) for x, y in zip(a, b, strict=True))


def _same_value(a: object, b: object) -> bool:
    both_nan = isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)
    return both_nan or a == b


def _close(a: float, b: float) -> bool:
    return _same_value(a, b) or math.isclose(a, b, rel_tol=COORDINATE_TOLERANCE, abs_tol=0.0)


def _same_points(a: tuple[ControlPoint, ...], b: tuple[ControlPoint, ...]) -> bool:
    """Return True for equal points; a TIFF numbers points that had no name, which loses nothing."""
    return len(a) == len(b) and all(
        all(_close(getattr(p, name), getattr(q, name)) for name in ("row", "col", "x", "y", "z"))
        and p.info == q.info
        and q.id in {p.id, p.id or str(number)}
        for number, (p, q) in enumerate(zip(a, b, strict=True), start=1)
    )


def _same_rpcs(a: Mapping[str, str] | None, b: Mapping[str, str] | None) -> bool:
    if a is None or b is None:
        return a is b
    return set(a) == set(b) and all(_same_rpc_text(a[key], b[key]) for key in a)


def _same_rpc_text(a: str, b: str) -> bool:
    try:
        mine, yours = [float(part) for part in a.split()], [float(part) for part in b.split()]
    except ValueError:
        return a == b
    return len(mine) == len(yours) and all(_close(x, y) for x, y in zip(mine, yours, strict=True))


def _same_item(domain: str, key: str, a: str, b: str) -> bool:
    """Return True if two texts of one item differ in layout only."""
    if domain.startswith("xml:"):
        return _same_xml(a, b)
    if domain.startswith("json:"):
        return _same_json(a, b)
    if key in _RESOLUTION_KEYS:
        try:
            return math.isclose(float(a), float(b), rel_tol=1e-6)
        except ValueError:
            return False
    return False


def _same_xml(a: str, b: str) -> bool:
    try:
        return ElementTree.canonicalize(a, strip_text=True) == ElementTree.canonicalize(b, strip_text=True)
    except (ElementTree.ParseError, ValueError):
        return a.strip() == b.strip()


def _same_json(a: str, b: str) -> bool:
    try:
        return bool(json.loads(a) == json.loads(b))
    except ValueError:
        return a.strip() == b.strip()


def _band_value(values: Mapping[int, object] | Sequence[object], band: int) -> object:
    return values.get(band) if isinstance(values, Mapping) else values[band - 1]


def _short(value: object) -> str:
    """Return a value as people write it, cut where it is long."""
    text = _written(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _written(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return " ".join(value.split()) or "an empty text"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_written(entry)}" for key, entry in value.items()) or "nothing"
    if isinstance(value, Sequence):
        return ", ".join(map(_written, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if is_dataclass(value):
        return ", ".join(f"{entry.name} {_written(getattr(value, entry.name))}" for entry in fields(value))
    return str(value)
