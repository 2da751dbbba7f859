"""Which scenes a batch is about: files, folders, lists, standard input, STAC item collections."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO
from urllib.parse import unquote

from rsic_geo.errors import SceneError, UsageError
from rsic_geo.raster.doors.vsi import gdal_name

RASTERS = (
    "*.tif", "*.tiff", "*.gtif", "*.geotiff", "*.jp2", "*.j2k", "*.jpx", "*.img", "*.vrt", "*.png", "*.bil",
    "*.bsq", "*.pix", "*.ntf", "*.nitf", "*.hdr.tif",
)  # fmt: skip
"""Files a folder is searched for when nothing else is asked for; case does not matter."""

_RASTER_MEDIA = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff", "image/png", "application/geotiff")


_NOTHING: Mapping[str, Any] = MappingProxyType({})
"""One for all scenes: there may be very many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One scene to be archived."""

    path: str
    """Absolute path, or a name GDAL knows (``/vsi...``)."""
    relative: str
    """Where it lies below the root it was found under, with ``/``; decides where its product goes."""
    properties: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    """Of the STAC item it is an asset of."""
    fault: str | None = None
    """Why it cannot be archived, where its very name tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How scenes are picked."""

    include: tuple[str, ...] = ()
    """Patterns of names or relative paths taken from folders; :data:`RASTERS` if empty."""
    exclude: tuple[str, ...] = ()
    """Patterns left out, from every kind of input."""
    base: str | None = None
    """Root that paths of files and lists are relative to; None for what they have in common."""
    asset: str | None = None
    """Key of the STAC asset wanted; None for those that say they are raster data."""
    avoid: tuple[str, ...] = ()
    """Absolute folders never searched, such as the output's."""


class Sources:
    """Scenes of a batch, each once, in a file of SQLite's own, so that memory stays flat."""

    def __init__(self, found: Iterable[Source]) -> None:
        """Take scenes; of several with one path the first counts.

        Raises:
            SceneError: there is no room for their names.
        """
        # The file is gone when the connection is, which any thread may find unneeded.
        self._held = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._held.close)
        try:
            self._held.executescript(
                "PRAGMA journal_mode = OFF; CREATE TABLE scenes "
                "(path TEXT PRIMARY KEY, relative TEXT, properties TEXT, fault TEXT) WITHOUT ROWID"
            )
            self._held.executemany("INSERT OR IGNORE INTO scenes VALUES (?, ?, ?, ?)", map(_row, found))
            self._held.execute("CREATE INDEX places ON scenes (relative, path)")
        except sqlite3.Error as error:
            raise SceneError(
                f"cannot keep names of scenes in a temporary file ({error}): make room"
            ) from error
        (self._count,) = self._held.execute("SELECT COUNT(*) FROM scenes").fetchone()

    def __len__(self) -> int:
        """Return how many there are."""
        return int(self._count)

    def __iter__(self) -> Iterator[Source]:
        """Yield them in a fixed order."""
        rows = self._held.execute(
            "SELECT path, relative, properties, fault FROM scenes ORDER BY relative, path"
        )
        for path, relative, told, fault in rows:
            properties = _NOTHING if told is None else json.loads(told)
            yield Source(path=path, relative=relative, properties=properties, fault=fault)


def _row(source: Source) -> tuple[str | None, ...]:
    told = json.dumps(dict(source.properties)) if source.properties else None
    return source.path, source.relative, told, source.fault


def discover(
    inputs: Iterable[str], selection: Selection, stdin: BinaryIO | None = None, *, nul: bool = False
) -> Sources:
    """Return the scenes of all inputs, each once, in a fixed order.

    Args:
        inputs: files, folders, ``@list``, ``-`` for names on ``stdin``, ``.json`` STAC items or collections.
        selection: what is taken of them.
        stdin: stream for ``-``.
        nul: names on ``stdin`` end with NUL instead of a line's end.

    Raises:
        UsageError: if an input is missing or a list cannot be read.
        SceneError: there is no room for their names.
    """
    found = _found(_unfold(inputs, stdin, nul), selection)
    return Sources(
        _named_in_utf8(source) for source in found if not _matches(source.relative, selection.exclude)
    )


def _found(words: Iterable[str], selection: Selection) -> Iterator[Source]:
    with tempfile.TemporaryFile() as named:  # a list may be very long, and what all have in common comes last
        base = None
        for word in words:
            if word.startswith("/vsi") or "://" in word:
                path = gdal_name(word)
                yield Source(path=path, relative=path.rpartition("/")[2])
            elif os.path.isdir(word):
                yield from _walk(Path(os.path.abspath(word)), selection)
            elif word.lower().endswith((".json", ".geojson")):
                yield from _stac(Path(word), selection)
            else:
                path = os.path.abspath(word)
                if not os.path.exists(path):
                    raise UsageError(f"there is no input {path}")
                above = os.path.dirname(path)
                base = above if base is None else os.path.commonpath([base, above])
                named.write(os.fsencode(path) + b"\0")
        named.seek(0)
        yield from _named(_lines(named, nul=True), os.path.abspath(selection.base or base or "/"))


def _unfold(inputs: Iterable[str], stdin: BinaryIO | None, nul: bool) -> Iterator[str]:
    for word in inputs:
        if word == "-":
            if stdin is None:
                raise UsageError("there is no standard input to read names from")
            yield from _lines(stdin, nul)
        elif word.startswith("@"):
            try:
                with open(word[1:], "rb") as stream:
                    yield from _lines(stream, nul=None)
            except OSError as error:
                raise UsageError(f"cannot read the list {word[1:]}: {error.strerror or error}") from error
        else:
            yield word


def _lines(stream: BinaryIO, nul: bool | None) -> Iterator[str]:
    """Yield the names of a list; whether NUL ends them is told by its beginning where it is not known."""
    rest = b""
    while piece := stream.read(1 << 16):
        nul = b"\0" in piece if nul is None else nul
        *lines, rest = (rest + piece).split(b"\0" if nul else b"\n")
        yield from _words(lines, nul)
    yield from _words([rest], bool(nul))


def _words(lines: Iterable[bytes], nul: bool) -> Iterator[str]:
    for line in lines:
        word = os.fsdecode(line if nul else line.strip())
        if word and (nul or not word.startswith("#")):
            yield word


def _walk(root: Path, selection: Selection) -> Iterator[Source]:
    """Yield the rasters below a folder; hidden folders and links to folders are not entered."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith(".") and entry.path not in selection.avoid:
                            folders.append(Path(entry.path))
                    elif (relative := _wanted(entry, root, selection)) is not None:
                        yield Source(path=entry.path, relative=relative)
        except OSError as error:
            raise UsageError(f"cannot list {folder}: {error.strerror or error}") from error


def _wanted(entry: os.DirEntry[str], root: Path, selection: Selection) -> str | None:
    """Return where a file lies below the root of a search, or None if it is none that is searched for."""
    relative = Path(entry.path).relative_to(root).as_posix()
    if not entry.is_file() or entry.name.startswith("."):
        return None
    if selection.include:
        return relative if _matches(relative, selection.include) else None
    return relative if _matches(relative.lower(), RASTERS) and not _is_thumbnail(entry.path) else None


def _is_thumbnail(path: str) -> bool:
    """Return whether a picture is the thumbnail of a STAC item beside it, as our exports have them."""
    stem, suffix = os.path.splitext(path)
    item = f"{stem}.json"
    if suffix != ".png" or not os.path.isfile(item):
        return False
    try:
        return bool(json.loads(Path(item).read_text(encoding="utf-8")).get("type") == "Feature")
    except (OSError, ValueError, AttributeError):
        return False


def _named(paths: Iterable[str], base: str) -> Iterator[Source]:
    for path in paths:
        relative = os.path.relpath(path, base)
        if relative.startswith(".."):
            raise UsageError(f"{path} does not lie below the base folder {base}")
        yield Source(path=path, relative=Path(relative).as_posix())


def _matches(relative: str, patterns: tuple[str, ...]) -> bool:
    name = relative.rpartition("/")[2]
    return any(fnmatchcase(name, pattern) or fnmatchcase(relative, pattern) for pattern in patterns)


def _named_in_utf8(source: Source) -> Source:
    """Return a scene as it is or, where its name is no text, one that says so, under a name that is."""
    try:
        source.path.encode()
        return source
    except UnicodeEncodeError:
        path, relative = (
            name.encode("utf-8", "backslashreplace").decode() for name in (source.path, source.relative)
        )
        fault = "its name is not UTF-8, and a GeoPackage cannot hold it: rename it"
        return replace(source, path=path, relative=relative.replace("\\", "_"), fault=fault)


def _stac(path: Path, selection: Selection) -> Iterator[Source]:
    """Yield the raster assets of a STAC item, or of a collection of items."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        kind = document.get("type")
        items = document["features"] if kind == "FeatureCollection" else [document]
        if kind not in ("Feature", "FeatureCollection"):
            raise UsageError(f"{path} is no STAC item or item collection (its type is {kind!r})")
        for item in items:
            yield from _assets(item, path, selection)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no STAC item or item collection: {error}") from error


def _assets(item: dict[str, Any], path: Path, selection: Selection) -> Iterator[Source]:
    for key, asset in sorted(item["assets"].items()):
        if selection.asset is not None and key != selection.asset:
            continue
        roles = asset.get("roles") or ()
        is_raster = str(asset.get("type", "")).lower().startswith(_RASTER_MEDIA)
        if selection.asset is None and not ("data" in roles or (is_raster and not roles)):
            continue
        if selection.asset is None and asset.get("type") and not is_raster:
            continue
        href = str(asset["href"])
        is_address = "://" in href or href.startswith("/vsi")
        is_key = href.startswith(("s3://", "gs://", "az://"))  # what GDAL takes as it is
        target = (
            gdal_name(unquote(href) if is_key else href)
            if is_address
            else os.path.abspath(path.parent / href)
        )
        if not is_address and not os.path.exists(target):  # STAC wants encoded paths, many write plain ones
            target = os.path.abspath(path.parent / unquote(href))
        parts = [
            str(item.get("collection") or ""),
            str(item["id"]),
            target.rpartition("/")[2].partition("?")[0],
        ]
        relative = "/".join(_safe(part) for part in parts if part)
        yield Source(path=target, relative=relative, properties=item.get("properties") or {})


def _safe(part: str) -> str:
    """Return a name that stays one level of a path."""
    return re.sub(r"[/\\\0]", "_", part).replace("..", "_") or "_"
