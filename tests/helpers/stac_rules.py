"""Rules of the STAC extensions our items name, for pystac's own validator, which would download them.

They are written after the published schemas (file 2.1.0, processing 1.2.0, projection 2.0.0, raster 2.0.0),
and stricter: fields our items have are required, fields of an extension that it does not know are refused.
Where the published schemas are at hand, name their folder in ``RSIC_STAC_SCHEMAS`` (``file_v2.1.0.json``
and so on), and they are used in the place of these.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from pystac.validation.stac_validator import JsonSchemaSTACValidator

Schema = dict[str, Any]

_NUMBER: Schema = {"type": "number"}
_TEXT: Schema = {"type": "string", "minLength": 1}
_ONE_BAND: Schema = {
    "type": "object",
    "required": ["raster:sampling"],
    "properties": {
        "raster:sampling": {"enum": ["area", "point"]},
        "raster:bits_per_sample": {"type": "integer"},
        "raster:scale": _NUMBER,
        "raster:offset": _NUMBER,
        "raster:spatial_resolution": _NUMBER,
    },
}
_PROJECTION: Schema = {
    "proj:code": {"type": ["string", "null"], "pattern": "^[A-Z]+:[0-9A-Za-z_.-]+$"},
    "proj:wkt2": {"type": ["string", "null"]},
    "proj:shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
    "proj:transform": {"type": "array", "items": _NUMBER, "minItems": 6, "maxItems": 9},
    "proj:bbox": {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 6},
}
_PROCESSING: Schema = {
    "processing:lineage": _TEXT,
    "processing:software": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
    "processing:level": _TEXT,
    "processing:facility": _TEXT,
    "processing:datetime": {"type": "string", "format": "date-time"},
    "processing:version": _TEXT,
}
_FILE: Schema = {
    "file:size": {"type": "integer", "minimum": 0},
    "file:checksum": {"type": "string", "pattern": "^[a-f0-9]+$"},
    "file:header_size": {"type": "integer", "minimum": 0},
    "file:byte_order": {"enum": ["big-endian", "little-endian"]},
}


def _fields(prefix: str, known: Schema, required: list[str]) -> Schema:
    """Return the rule of an object whose fields of an extension are known ones."""
    others = {f"^(?!{prefix}:)": {}}
    return {
        "required": required,
        "properties": known,
        "patternProperties": others,
        "additionalProperties": False,
    }


def _assets(rule: Schema, *, of_all: bool = True) -> Schema:
    """Return the rule of assets; else of all but thumbnails."""
    others = {} if of_all else {"properties": {"thumbnail": {}}}
    return {"assets": {"type": "object", "minProperties": 1, "additionalProperties": rule, **others}}


_RULES: dict[str, Schema] = {
    "file/v2.1.0": _assets(_fields("file", _FILE, ["file:size", "file:checksum"])),
    "processing/v1.2.0": {
        "properties": _fields("processing", _PROCESSING, ["processing:software", "processing:lineage"])
    },
    "projection/v2.0.0": {"properties": _fields("proj", _PROJECTION, ["proj:code", "proj:shape"])},
    "raster/v2.0.0": _assets(
        {
            **_fields("raster", {}, ["bands"]),
            "properties": {"bands": {"type": "array", "minItems": 1, "items": _ONE_BAND}},
        },
        of_all=False,
    ),
}


def validator() -> JsonSchemaSTACValidator:
    """Return pystac's validator, which knows the core's schemas, with those of the four extensions."""
    made = JsonSchemaSTACValidator()
    for name, properties in _RULES.items():
        address = f"https://stac-extensions.github.io/{name}/schema.json"
        extensions = {"type": "array", "contains": {"const": address}}
        made.schema_cache[address] = _published(name) or {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$id": address,
            "type": "object",
            "required": ["type", "stac_extensions", *properties],
            "properties": {"type": {"const": "Feature"}, "stac_extensions": extensions, **properties},
        }
    return made


def _published(name: str) -> Schema | None:
    folder = os.environ.get("RSIC_STAC_SCHEMAS")
    if folder is None:
        return None
    found: Schema = json.loads((Path(folder) / f"{re.sub('/', '_', name)}.json").read_text())
    return found
