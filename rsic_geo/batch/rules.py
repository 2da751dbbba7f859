"""Rules of a batch: which scenes are archived how, copied, or left out; the first that fits counts.

A file of TOML, one ``[[rule]]`` after the other::

    [[rule]]
    name = "elevation"
    when = { type = ["float32", "float64"], bands = 1, folder = "dem/*" }
    codec = "cog"
    target = "max-error=0.01"

    [[rule]]
    when = { name = "*_browse.*" }
    do = "skip"

Scenes that no rule fits are archived as the command line says.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from rsic_geo.batch.inputs import Source
from rsic_geo.errors import RsicGeoError, UsageError
from rsic_geo.options import EncodeOptions, Execution, said_options
from rsic_geo.raster import SceneReader
from rsic_geo.scenes.kinds import open_store
from rsic_geo.targets import Target
from rsic_geo.verbs.names import archive_suffixes
from rsic_geo.weights import open_weights

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Deed = Literal["archive", "copy", "skip"]
_OPTIONS = {"tile-size": "tile_size", **{said.name: said.field for said in said_options()}}
"""Keys of a rule that are options of the command line, and their names in :class:`EncodeOptions`."""
_KEYS = ("name", "when", "do", "target", *_OPTIONS)
_CONDITIONS = ("type", "bands", "bits", "pixels", "format", "folder", "name", "tags", "properties")


_OF_NAMES = frozenset({"folder", "name", "properties"})
"""Conditions that need no header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What conditions are about."""

    source: Source
    dtype: str = ""
    bands: int = 0
    bits: int = 0
    pixels: int = 0
    driver: str = ""
    """GDAL's name of the format."""
    tags: Mapping[str, str]
    is_read: bool = False
    """Whether its header could be read; what is not known of a scene meets no condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is done with scenes that meet all of some conditions."""

    name: str
    when: Mapping[str, Any]
    does: Deed
    options: EncodeOptions
    """Of what is archived."""

    def fits(self, facts: Facts) -> bool:
        """Return whether a scene meets all conditions."""
        known = facts.is_read or self.when.keys() <= _OF_NAMES
        return known and all(_meets(key, wanted, facts) for key, wanted in self.when.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules in their order; the last one is what the command line says."""

    rules: tuple[Rule, ...]

    def of(self, source: Source) -> Rule:
        """Return the first rule that fits a scene; its header is read only where a condition is about it."""
        header: Facts | None = None
        for rule in self.rules:
            if rule.when.keys() <= _OF_NAMES:
                facts = Facts(source=source, tags={})
            else:
                header = header or _facts(source)
                facts = header
            if rule.fits(facts):
                return rule
        return self.rules[-1]


def usual_rules(options: EncodeOptions) -> Rules:
    """Return the rules of a batch without a file of them."""
    return Rules(rules=(Rule(name="", when={}, does="archive", options=options),))


def read_rules(path: str, options: EncodeOptions) -> Rules:
    """Return the rules of a file.

    Args:
        path: of the file.
        options: what the command line says: of scenes that no rule fits, and of what a rule leaves open.

    Raises:
        UsageError: it cannot be read, or a key or value in it is not known; the message names the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the rules {path}: {error}") from error
    where = _Where(path, text.splitlines())
    if document.keys() - {"rule"} or not isinstance(document.get("rule"), list):
        key = next(iter(document.keys() - {"rule"}), "rule")
        raise UsageError(f"{where(key, 0)}: a file of rules holds [[rule]] tables and nothing else")
    found = [_rule(table, number, options, where) for number, table in enumerate(document["rule"], start=1)]
    return Rules(rules=(*found, Rule(name="", when={}, does="archive", options=options)))


@dataclass(frozen=True, slots=True)
class _Where:
    """Says in which line of a file a key of a rule is."""

    path: str
    lines: list[str]

    def __call__(self, key: str, rule: int) -> str:
        seen = 0
        for number, line in enumerate(self.lines, start=1):
            seen += line.strip() == "[[rule]]"
            if seen == rule and line.partition("#")[0].find(key) >= 0 and line.strip() != "[[rule]]":
                return f"{self.path}, line {number}"
        return self.path


def _rule(table: Any, number: int, options: EncodeOptions, where: _Where) -> Rule:  # noqa: ANN401
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"{where(key, number)}: {key!r} is no key of a rule: use {', '.join(_KEYS)}")
    when = table.get("when", {})
    does = table.get("do", "archive")
    name = str(table.get("name", f"rule {number}"))
    if does not in ("archive", "copy", "skip"):
        raise UsageError(f"{where('do', number)}: do = {does!r}: use archive, copy or skip")
    if not isinstance(when, dict) or not when:
        raise UsageError(
            f"{where('when', number)}: rule {name!r} needs conditions: when = {{ name = '*.tif' }}"
        )
    _check_conditions(when, number, where)
    given = {_OPTIONS[key]: table[key] for key in table if key in _OPTIONS}
    if does != "archive" and (given or "target" in table):
        raise UsageError(f"{where('do', number)}: rule {name!r} archives nothing, so it has no options")
    try:
        if "target" in table:
            given["target"] = Target.parse(str(table["target"]))
        kinds = {each.name: type(getattr(options, each.name)) for each in fields(options)}
        for key, value in given.items():
            if kinds[key] in (int, bool, str) and type(value) is not kinds[key]:
                raise UsageError(f"{key} = {value!r} is no {kinds[key].__name__}")
        chosen = replace(options, **given)
        archive_suffixes(chosen.codec)
        if chosen.model not in ("auto", "none"):
            open_weights(chosen.model)
    except RsicGeoError as error:
        said = str(error).replace("_", "-")
        key = next((key for key in table if said.startswith(key)), "model" if "weights" in said else "target")
        raise UsageError(f"{where(key, number)}: {error}") from error
    return Rule(name=name, when=when, does=does, options=chosen)


def _check_conditions(when: Mapping[str, Any], number: int, where: _Where) -> None:
    """Raise UsageError for a condition that is none."""
    for key, wanted in when.items():
        if key not in _CONDITIONS:
            raise UsageError(f"{where(key, number)}: {key!r} is no condition: use {', '.join(_CONDITIONS)}")
        if not _is_condition(key, wanted):
            raise UsageError(f"{where(key, number)}: {key} = {wanted!r} is no such condition: {_FORMS[key]}")


_TEXTS = "a pattern, or a list of them"
_NUMBERS = "a number, or { min = ..., max = ... }"
_TABLE = "a table of names and patterns, or of names and ranges"
_FORMS = {
    "type": _TEXTS, "format": _TEXTS, "folder": _TEXTS, "name": _TEXTS, "bands": _NUMBERS, "bits": _NUMBERS,
    "pixels": _NUMBERS, "tags": _TABLE, "properties": _TABLE,
}  # fmt: skip


def _is_condition(key: str, wanted: Any) -> bool:  # noqa: ANN401
    if _FORMS[key] is _TEXTS:
        return all(isinstance(each, str) for each in (wanted if isinstance(wanted, list) else [wanted]))
    if _FORMS[key] is _TABLE:
        return (
            isinstance(wanted, dict)
            and bool(wanted)
            and all(
                _is_range(each) if isinstance(each, dict) else isinstance(each, str | int | float)
                for each in wanted.values()
            )
        )
    return _is_range(wanted) if isinstance(wanted, dict) else _is_number(wanted)


def _is_range(wanted: Mapping[str, Any]) -> bool:
    is_one = bool(wanted) and wanted.keys() <= {"min", "max"} and all(map(_is_number, wanted.values()))
    return is_one and wanted.get("min", -math.inf) <= wanted.get("max", math.inf)


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int | float) and not isinstance(value, bool)


def _meets(key: str, wanted: Any, facts: Facts) -> bool:  # noqa: ANN401
    folder, _, name = facts.source.relative.rpartition("/")
    texts: dict[str, str] = {"type": facts.dtype, "format": facts.driver, "folder": folder, "name": name}
    if key in texts:
        patterns = wanted if isinstance(wanted, list) else [wanted]
        # dem/* is also the folder dem itself
        return any(
            fnmatchcase(texts[key], pattern) or (key == "folder" and fnmatchcase(f"{folder}/", pattern))
            for pattern in patterns
        )
    if key in ("tags", "properties"):
        held = facts.tags if key == "tags" else facts.source.properties
        return all(name in held and _holds(held[name], each) for name, each in wanted.items())
    number = {"bands": facts.bands, "bits": facts.bits, "pixels": facts.pixels}[key]
    if not isinstance(wanted, dict):
        return bool(number == wanted)
    return bool(wanted.get("min", number) <= number <= wanted.get("max", number))


def _holds(value: Any, wanted: Any) -> bool:  # noqa: ANN401
    """Return whether a tag or property is as wanted: a pattern, or a range of numbers."""
    if not isinstance(wanted, dict):
        return fnmatchcase(str(value), str(wanted))
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return bool(wanted.get("min", number) <= number <= wanted.get("max", number))


def _facts(source: Source) -> Facts:
    try:
        with closing(open_store(source.path, Execution()).reader) as reader:
            p, snapshot = reader.profile, reader.metadata()
            return Facts(
                source=source,
                dtype=p.dtype,
                bands=p.count,
                bits=p.sample_bits or 8 * p.raw_bytes // max(1, p.height * p.width * p.count),
                pixels=p.height * p.width,
                driver=reader.driver if isinstance(reader, SceneReader) else "rsic",
                is_read=True,
                tags={str(key): str(value) for key, value in snapshot.tags.get("", {}).items()},
            )
    except (RsicGeoError, OSError, ValueError):
        return Facts(source=source, tags={})  # the scene itself will say what is wrong with it
