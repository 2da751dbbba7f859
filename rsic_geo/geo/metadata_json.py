"""JSON form of a metadata snapshot: small, and exact to the last bit of every float."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from rsic_geo.errors import ContainerError, RsicGeoError

if TYPE_CHECKING:
    from rsic_geo.geo.metadata import ControlPoint, MetadataSnapshot

S = TypeVar("S", bound="MetadataSnapshot")
Json = Any
"""A value as the json module reads and writes it."""

PER_BAND_DEFAULTS: dict[str, Any] = {
    "dtypes": "uint8",
    "nodata": None,
    "mask_flags": ("all_valid",),
    "colorinterp": "undefined",
    "bits": None,
    "descriptions": None,
    "scales": 1.0,
    "offsets": 0.0,
    "units": None,
}
_PER_BAND = tuple(PER_BAND_DEFAULTS)
MAX_BITS = 64
MAX_OVERVIEWS = 64
_SPECIAL_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def snapshot_json(snapshot: MetadataSnapshot) -> dict[str, Any]:
    """Return the JSON object of a snapshot. Fields at their default are left out.

    A per-band field whose value is the same in all bands is stored once, under "all".
    """
    data: dict[str, Any] = {}
    for entry in fields(snapshot):
        value = getattr(snapshot, entry.name)
        if entry.name in _PER_BAND:
            packed = _pack_bands([_plain(item) for item in value], _plain(PER_BAND_DEFAULTS[entry.name]))
            if packed is not None:
                data[entry.name] = packed
        elif entry.name == "gcps":
            if value:
                data["gcps"] = [_point_json(point) for point in value]
        elif value != _default(entry):
            data[entry.name] = _plain(value)
    return data


def snapshot_fields(kind: type[S], point_kind: type[ControlPoint], data: Mapping[str, Any]) -> S:
    """Return the snapshot a JSON object describes; fields unknown to this version are ignored.

    Raises:
        ContainerError: a field is missing or has the wrong type.
    """
    try:
        values: dict[str, Any] = {name: int(data[name]) for name in ("width", "height", "count")}
        for name in _PER_BAND:
            if name in data:
                values[name] = _unpack_bands(data[name], values["count"], _PARSERS[name])
        values["gcps"] = tuple(_point(point_kind, item) for item in data.get("gcps", ()))
        for name, parse in _SCALAR_PARSERS.items():
            if name in data:
                values[name] = parse(data[name])
        return kind(**values)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RsicGeoError) as error:
        raise ContainerError(f"stored metadata are not readable ({error}): the archive is damaged") from error


def _default(entry: Field[Any]) -> Json:
    if entry.default_factory is not MISSING:
        return entry.default_factory()
    return entry.default


def _plain(value: Json) -> Json:
    """Return value in types JSON knows; mappings get string keys."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _pack_bands(values: list[Any], default: Json) -> Json:
    if all(value == values[0] for value in values):
        return None if values[0] == default else {"all": values[0]}
    return values


def _unpack_bands(packed: Json, count: int, parse: Callable[[Any], Any]) -> tuple[Any, ...]:
    if isinstance(packed, Mapping):
        return (parse(packed["all"]),) * count
    return tuple(parse(value) for value in packed)


def _point_json(point: ControlPoint) -> list[Any]:
    """Return row, col, x, y, z, id, info without trailing defaults."""
    values = [_plain(value) for value in (point.row, point.col, point.x, point.y, point.z)]
    values += [point.id, point.info]
    while len(values) > 4 and values[-1] in ("", 0):
        values.pop()
    return values


def _point(kind: type[ControlPoint], values: list[Any]) -> ControlPoint:
    numbers = [_float(value) for value in values[:5]]
    row, col, x, y = numbers[:4]
    text = [str(value) for value in values[5:7]] + ["", ""]
    z = numbers[4] if len(numbers) > 4 else 0.0
    return kind(row=row, col=col, x=x, y=y, z=z, id=text[0], info=text[1])


def _float(value: Json) -> float:
    return _SPECIAL_FLOATS[value] if isinstance(value, str) else float(value)


def _nodata(value: Json) -> float | int | None:
    return value if value is None or isinstance(value, int) else _float(value)


def _text(value: Json) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"text expected, not {value!r}")
    return value


def _strings(value: Json) -> tuple[str, ...]:
    return tuple(str(item) for item in value)


def _string_map(value: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(item) for key, item in value.items()}


def _tags(value: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {str(domain): _string_map(items) for domain, items in value.items()}


def _transform(value: Json) -> tuple[float, ...]:
    numbers = tuple(_float(item) for item in value)
    if len(numbers) != 6:
        raise ValueError("a transform has six numbers")
    return numbers


def _bits(value: Json) -> int | None:
    if value is not None and (type(value) is not int or not 0 < value <= MAX_BITS):
        raise ValueError(f"a sample has 1 to {MAX_BITS} bits, not {value!r}")
    return value


def _axes(value: Json) -> tuple[int, ...] | None:
    if value is None:
        return None
    axes = tuple(value)
    if not 2 <= len(axes) <= 3 or any(type(axis) is not int or not 1 <= abs(axis) <= 3 for axis in axes):
        raise ValueError(f"axes are two or three numbers of axes, not {value!r}")
    return axes


def _factors(value: Json) -> tuple[int, ...]:
    factors = tuple(value)
    if len(factors) > MAX_OVERVIEWS or any(
        type(each) is not int or not 2 <= each < 2**31 for each in factors
    ):
        raise ValueError("overviews are a few whole factors from 2 on")
    return factors


def _truth(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false expected, not {value!r}")
    return value


def _xml_by_band(value: Mapping[str, Any]) -> dict[int, str]:
    return {int(band): str(table) for band, table in value.items()}


def _colormaps(value: Mapping[str, Any]) -> dict[int, dict[int, tuple[int, ...]]]:
    return {
        int(band): {int(key): tuple(int(part) for part in colour) for key, colour in table.items()}
        for band, table in value.items()
    }


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "dtypes": str,
    "nodata": _nodata,
    "mask_flags": _strings,
    "colorinterp": str,
    "bits": _bits,
    "descriptions": _text,
    "scales": _float,
    "offsets": _float,
    "units": _text,
}
_SCALAR_PARSERS: dict[str, Callable[[Any], Any]] = {
    "crs": _text,
    "crs_axes": _axes,
    "is_premultiplied": _truth,
    "is_min_white": _truth,
    "overviews": _factors,
    "crs_epoch": lambda value: None if value is None else _float(value),
    "transform": lambda value: None if value is None else _transform(value),
    "gcp_crs": _text,
    "rpcs": lambda value: None if value is None else _string_map(value),
    "area_or_point": str,
    "colormaps": _colormaps,
    "categories": lambda value: {int(band): _strings(names) for band, names in value.items()},
    "attribute_tables": _xml_by_band,
    "histograms": _xml_by_band,
    "tags": _tags,
    "band_tags": lambda value: {int(band): _tags(tags) for band, tags in value.items()},
    "has_statistics": bool,
}
