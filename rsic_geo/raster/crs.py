"""Reference systems: what boxes of an archive need to know of them, and when two definitions are the same.

That is asked of their WKT2, not of PROJ's ``IsSame``.

``IsSame`` looks past what a system says of its way to WGS 84, of its geoid and of itself. Here everything
counts but the following, which is how files and libraries spell one and the same system:

- labels of conversions, transformations, coordinate systems, axes and units (their methods, parameters,
  directions, orders and factors count);
- names of methods and parameters that have a code;
- codes of other parts (ellipsoids, units, a base system inside a system that has a code);
- capitals, blanks and punctuation in names of systems, datums and ellipsoids;
- a datum ensemble and the datum of its name: its members and its accuracy, how a datum is anchored;
- of a system with a code: usages, remark, geoid models and frame epoch where one text leaves them out
  and the other says what the registry says;
- the twelfth digit of a number; of an ellipsoid's flattening, which comes from two axes or is told, the
  ninth (a micrometre on the ground).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from rasterio.crs import CRS, epsg_treats_as_latlong, epsg_treats_as_northingeasting
from rasterio.errors import CRSError

_SYSTEMS = frozenset({
    "PROJCRS", "GEOGCRS", "GEODCRS", "VERTCRS", "COMPOUNDCRS", "BOUNDCRS", "ENGCRS", "DERIVEDPROJCRS",
    "BASEGEOGCRS", "BASEGEODCRS", "BASEVERTCRS", "BASEPROJCRS", "PARAMETRICCRS", "TIMECRS",
})  # fmt: skip
_LABELLED = frozenset({
    "CONVERSION", "DERIVINGCONVERSION", "ABRIDGEDTRANSFORMATION", "AXIS", "LENGTHUNIT", "ANGLEUNIT",
    "SCALEUNIT", "TIMEUNIT", "PARAMETRICUNIT", "UNIT",
})  # fmt: skip
"""Elements whose first word is a label."""
_NAMED = _SYSTEMS | {"DATUM", "VDATUM", "EDATUM", "ELLIPSOID", "PRIMEM"}
_OF_REGISTRY = frozenset({"USAGE", "SCOPE", "AREA", "BBOX", "REMARK", "GEOIDMODEL", "DYNAMIC"})
"""What a registry says of a system, and shorter texts of it leave out."""
_OF_DATUM = frozenset({"MEMBER", "ENSEMBLEACCURACY", "ANCHOR", "ANCHOREPOCH"})
_DIGITS = 1e-12
_DIGITS_OF_ELLIPSOID = 1e-9
_TOKEN = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([A-Za-z_][A-Za-z_0-9]*)|([-+.0-9][-+.0-9eE]*)|([\[\](),]))')
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of WKT: its keyword, and its words, numbers and elements in order."""

    keyword: str
    parts: tuple[_Part, ...]

    def child(self, keyword: str) -> _Element | None:
        """Return the first element of a kind inside this one."""
        return next(
            (part for part in self.parts if isinstance(part, _Element) and part.keyword == keyword), None
        )


_Part = str | float | _Element


def epsg_and_axes(definition: str | None) -> tuple[int | None, bool]:
    """Return the EPSG code of a definition and whether the registry puts northing (latitude) first.

    The code is None where the definition is not exactly a registry entry.
    """
    if definition is None:
        return None, False
    try:
        crs = CRS.from_user_input(definition)
        code = crs.to_epsg(confidence_threshold=100)
        if code is None or CRS.from_epsg(code) != crs:
            return None, False
        return int(code), bool(epsg_treats_as_latlong(crs) or epsg_treats_as_northingeasting(crs))
    except CRSError:
        return None, False


def wkt_of(definition: str | None) -> str | None:
    """Return a snapshot's reference system as the WKT of a profile; None without one that is known."""
    if definition is None:
        return None
    try:
        return str(CRS.from_user_input(definition).to_wkt())
    except CRSError:
        return None


@lru_cache(maxsize=256)
def crs_object(wkt: str) -> CRS:
    """Return a reference system as rasterio has it."""
    return CRS.from_wkt(wkt)


def same_crs(ours: str, theirs: str) -> bool:
    """Return True if two definitions (WKT or EPSG code) are the same reference system."""
    if ours == theirs:
        return True
    first, second = _canonical(ours), _canonical(theirs)
    return first is not None and second is not None and _is_same(first, second)


def registry_code(definition: str) -> int | None:
    """Return the EPSG code of a definition that says just what the registry says under it; else None."""
    found = _parsed(definition)
    code = None if found is None else _epsg(found)
    return code if code is not None and same_crs(definition, f"EPSG:{code}") else None


@lru_cache(maxsize=256)
def _canonical(definition: str) -> _Element | None:
    found = _parsed(definition)
    return None if found is None else _without_spelling(found, has_code=False)


@lru_cache(maxsize=256)
def _parsed(definition: str) -> _Element | None:
    """Return a definition as elements of WKT2; None where it is none that PROJ knows."""
    try:
        text = str(CRS.from_user_input(definition).to_wkt(version="WKT2_2019"))
        return _parse(text)
    except (CRSError, ValueError):
        return None


def _parse(text: str) -> _Element:
    """Return WKT as elements. Raises ValueError where it is none."""
    tokens = [match for match in _TOKEN.finditer(text) if match[0].strip()]
    stack: list[tuple[str, list[_Part]]] = [("", [])]
    for place, match in enumerate(tokens):
        quoted, word, number, mark = match.groups()
        if quoted is not None:
            stack[-1][1].append(quoted.replace('""', '"'))
        elif word is not None:
            follows = tokens[place + 1][4] if place + 1 < len(tokens) else None
            if follows is not None and follows in "[(":
                stack.append((word.upper(), []))
            else:
                stack[-1][1].append(word.lower())
        elif number is not None:
            stack[-1][1].append(float(number))
        elif mark in "])":
            keyword, parts = stack.pop()
            if not stack:
                raise ValueError("a bracket too many")
            stack[-1][1].append(_Element(keyword, tuple(parts)))
        if len(stack) > _MAX_DEPTH:
            raise ValueError("nested too deep")
    roots = stack[0][1]
    if len(stack) != 1 or len(roots) != 1 or not isinstance(roots[0], _Element):
        raise ValueError("no element of WKT")
    return roots[0]


def _without_spelling(element: _Element, *, has_code: bool) -> _Element:
    """Return an element without what the head of this module lists.

    Args:
        element: what to look at.
        has_code: whether a system around it has a code.
    """
    code = _epsg(element) if element.keyword in _SYSTEMS else None
    own_code = has_code or code is not None
    parts: list[_Part] = list(element.parts)
    if element.keyword in _LABELLED and parts and isinstance(parts[0], str):
        del parts[0]
    keyword = element.keyword
    if keyword == "ENSEMBLE":
        keyword = "DATUM"
        if parts and isinstance(parts[0], str):
            parts[0] = parts[0].removesuffix(" ensemble")
    if keyword in ("METHOD", "PARAMETER", "PARAMETERFILE") and parts and _epsg(element) is not None:
        parts[0] = f"EPSG:{_epsg(element)}"  # editions of the registry have various names for it
    if keyword in _NAMED and parts and isinstance(parts[0], str):
        parts[0] = "".join(letter for letter in parts[0].casefold() if letter.isalnum())
    if code is not None:
        usual = _said_by_registry(_parsed(f"EPSG:{code}"))
        said = {kind for kind, texts in _said_by_registry(element).items() if texts == usual.get(kind)}
        parts = [part for part in parts if not isinstance(part, _Element) or part.keyword not in said]
    kept: list[_Part] = []
    for part in parts:
        if not isinstance(part, _Element):
            kept.append(part)
        elif part.keyword in _OF_DATUM:
            continue
        elif part.keyword != "ID" or (keyword in _SYSTEMS and not has_code):
            kept.append(_without_spelling(part, has_code=own_code))
    return _Element(keyword, tuple(kept))


def _said_by_registry(element: _Element | None) -> dict[str, list[_Element]]:
    """Return what a system says that the registry says of systems, by kind."""
    found: dict[str, list[_Element]] = {}
    for part in () if element is None else element.parts:
        if isinstance(part, _Element) and part.keyword in _OF_REGISTRY:
            found.setdefault(part.keyword, []).append(part)
    return found


def _epsg(element: _Element) -> int | None:
    """Return the EPSG code an element has itself."""
    named = element.child("ID")
    if named is None or len(named.parts) < 2 or named.parts[0] != "EPSG":
        return None
    number = named.parts[1]
    return int(number) if isinstance(number, float) and 0 < number < 1e6 else None


def _is_same(ours: _Part, theirs: _Part, digits: float = _DIGITS) -> bool:
    if isinstance(ours, _Element) and isinstance(theirs, _Element):
        near = _DIGITS_OF_ELLIPSOID if ours.keyword == "ELLIPSOID" else _DIGITS
        return (
            ours.keyword == theirs.keyword
            and len(ours.parts) == len(theirs.parts)
            and all(_is_same(a, b, near) for a, b in zip(ours.parts, theirs.parts, strict=True))
        )
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=digits, abs_tol=digits)
    return ours == theirs


def axes_named(definition: str) -> dict[str, str]:
    """Return the name of a reference system, with its code, and the unit of its coordinates."""
    try:
        crs = CRS.from_user_input(definition)
        unit = "°" if crs.is_geographic else str(crs.linear_units)
    except CRSError:
        return {"name": definition, "unit": ""}
    code = crs.to_epsg(confidence_threshold=100)
    words = _parsed(definition)
    name = next((part for part in words.parts if isinstance(part, str)), "") if words is not None else ""
    return {"name": f"{name} (EPSG:{code})" if code else name, "unit": unit}
