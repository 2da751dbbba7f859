"""What our box holds: everything decoding needs beside the picture, in as few bytes as possible.

Layout: major, minor, fields, CRC-32. A field is a tag byte (number * 2 + 1 when deflated), the length of its
content as a varint, and its content. Fields at their default are left out, unknown ones are skipped, so minor
versions may add fields. Every content is checked before it is believed.

What the file around the box says already (:class:`Picture`) is presumed and stored only where the scene
differs: on a small scene every byte here is one the codec cannot use.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rsic_geo.codecs.j2k import MAX_COMPONENTS
from rsic_geo.container import fields as codec
from rsic_geo.container import ranges
from rsic_geo.container.coded import MAX_CELLS, pack_coded, unpack_coded
from rsic_geo.container.fields import Reader
from rsic_geo.container.filters import FilterTaps
from rsic_geo.errors import ChecksumError, ContainerError, VersionError
from rsic_geo.geo.lattice import cell_counts
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.radiometry import Peak, Radiometry

MAJOR, MINOR = 1, 0
DEFAULT_TILE_SIZE = 1024
UNKNOWN_MODEL = "?"
"""Name of a model that was shipped with another version of rsic_geo."""
Cells = npt.NDArray[np.uint8]
"""One byte per 256 px cell, (groups, rows, columns)."""

_LOSSLESS, _TILE_SIZE, _CRCS, _CELLS = range(1, 5)
_MODEL, _SEED, _GROUPS, _LEVELS, _STRENGTHS, _PLANES, _DOCUMENT, _CODED, _TARGET = range(6, 15)
_SIDECARS, _BOXES, _LIMITS, _PEAKS, _FINAL = range(21, 26)
_BEFORE_RELEASE = frozenset((15, 16, 20))
"""Limits, peaks and boxes as builds before the first release laid them out."""
_KNOWN = frozenset((*range(_LOSSLESS, _TARGET + 1), *range(_SIDECARS, _FINAL + 1), *_BEFORE_RELEASE))
SIDECARS = (".aux.xml", ".msk", ".vrt", ".ovr")
OVERVIEW = "overview"
"""Key in :attr:`SideInfo.extras` of the CRC-32 of the ``.ovr`` beside the archive."""
"""What the names of files beside an archive end in; one bit of a byte each, in this order."""
_DIGEST_BYTES = 8
_DAMAGE = "damage"
_MAX_NOTES = 8
_COLOURS = {1: ("gray",), 3: ("red", "green", "blue")}
_NO_SNAPSHOT = MetadataSnapshot(width=1, height=1, count=1)


def _no_cells() -> Cells:
    return np.zeros((0, 0, 0), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """The network weights an archive was made with."""

    name: str
    sha256: str
    """First 16 hexadecimal digits of the SHA-256 of the weights; longer ones given are cut."""

    def __post_init__(self) -> None:
        """Refuse anything but a name and a digest."""
        try:
            digest = bytes.fromhex(self.sha256)
        except ValueError:
            digest = b""
        if not self.name or not _DIGEST_BYTES <= len(digest) <= 32:
            raise ContainerError(f"model {self.name!r} needs a name and 16 to 64 digits of a SHA-256")
        if set(self.name) & set("/\\\0") or self.name.endswith(".safetensors"):
            raise ContainerError(
                f"model {self.name!r} is a file, not a name: an archive may not choose files"
            )
        object.__setattr__(self, "sha256", digest[:_DIGEST_BYTES].hex())

    def matches(self, sha256: str) -> bool:
        """Return whether these are the weights with that SHA-256 (64 hexadecimal digits)."""
        return sha256.lower().startswith(self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the file around the side information says about its pixels; presumed of the scene."""

    height: int
    """Rows (px)."""
    width: int
    """Columns (px)."""
    count: int
    """Bands."""
    dtype: str
    """Numpy name of the stored samples."""

    def snapshot(self, *, lossless: bool) -> MetadataSnapshot:
        """Return the metadata of a scene that has none: grey, or red, green and blue."""
        return MetadataSnapshot(
            width=self.width,
            height=self.height,
            count=self.count,
            dtypes=(self.dtype,) * self.count,
            colorinterp=_COLOURS.get(self.count, ()),
            has_statistics=lossless,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideInfo:
    """Side information of one archive."""

    lossless: bool
    snapshot: MetadataSnapshot
    """Metadata of the scene."""
    tile_size: int = DEFAULT_TILE_SIZE
    """Nominal side of a codec tile (px)."""
    header_crc: int = 0
    """CRC-32 of the JP2 header and of the codestream around its tiles."""
    boxes_crc: int = 0
    """CRC-32 of the CRC-32s of every other box of the file, file order."""
    box_marks: bytes = b""
    """The last byte of each of these, which says which box is damaged; empty where there is one."""
    tile_crcs: tuple[int, ...] = ()
    """CRC-32 of every tile's body, tile order."""
    pixel_crcs: tuple[int, ...] = ()
    """CRC-32 of every decoded tile, tile order."""
    final_crcs: tuple[int, ...] = ()
    """CRC-32 of what readers make of every row of cells (256 px, all columns), see :class:`StripCrcs`."""
    model: ModelReference | None = None
    seed: int = 0
    groups: tuple[tuple[int, ...], ...] = ()
    """Bands that are enhanced together (from 0)."""
    levels: Cells = field(default_factory=_no_cells)
    """Distortion level of each cell."""
    strengths: Cells = field(default_factory=_no_cells)
    """Enhancement strength of each cell."""
    filters: tuple[FilterTaps | None, ...] = ()
    """Adaptive filter of each cluster of groups; empty where none has one."""
    radiometry: Radiometry | None = None
    planes: Mapping[tuple[int, str], bytes] = field(default_factory=dict)
    """Lossless planes, packed, by tile number and kind (valid, mask, alpha)."""
    target: Mapping[str, float] = field(default_factory=dict)
    """What the encoder was asked for, such as {"bpp": 0.5}; empty for lossless."""
    limits: tuple[tuple[int, int] | None, ...] = ()
    """Least and greatest stored value of each band, which decoded ones are held to; empty: no limits."""
    peaks: tuple[Peak, ...] = ()
    """What PSNR is relative to in each band, in stored values; empty: 255 in all of them."""
    sidecars: tuple[str, ...] = ()
    """What was published beside the archive for other programs, of :data:`SIDECARS`."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Anything else, JSON."""

    @property
    def is_exact(self) -> bool:
        """Whether the pixels that come back are those of the scene, each and every one."""
        affine = self.extras.get("affine")
        is_plain = affine is None or (isinstance(affine, dict) and affine.get("whole") is True)
        return self.lossless and is_plain

    @property
    def source_damage(self) -> tuple[str, ...]:
        """What the reader of the scene reported of damage when it was archived; empty for a sound scene."""
        notes = self.extras.get(_DAMAGE, ())
        return tuple(note for note in notes if isinstance(note, str)) if isinstance(notes, list) else ()


def noted(damage: Sequence[str]) -> dict[str, Any]:
    """Return the extra that :attr:`SideInfo.source_damage` reads: the first few notes, nothing for none."""
    return {_DAMAGE: [note[:300] for note in damage[:_MAX_NOTES]]} if damage else {}


def pack(side: SideInfo, picture: Picture | None = None) -> bytes:
    """Return the content of the box.

    Args:
        side: what to store.
        picture: what the file says without it; :func:`unpack` must be told the same.

    Raises:
        ContainerError: A value does not fit.
    """
    plain = _Presumed.of(picture, side)
    radiometry = None if side.radiometry == plain.radiometry else side.radiometry
    document = {
        "s": _changes(plain.snapshot, side.snapshot.to_json()),
        "r": None if radiometry is None else radiometry.to_json(),
        "x": dict(side.extras),
    }
    target = codec.pack_target(side.target)
    if not target:
        document["t"] = dict(side.target)
    writer = codec.Writer()
    writer.add(_LOSSLESS, b"\1" if side.lossless else b"")
    writer.add(_TILE_SIZE, codec.varint(side.tile_size) if side.tile_size != DEFAULT_TILE_SIZE else b"")
    writer.add(_CRCS, _pack_crcs(side))
    writer.add(_BOXES, codec.pack_crcs((side.boxes_crc,)) + side.box_marks if side.boxes_crc else b"")
    beside = sum(1 << SIDECARS.index(name) for name in side.sidecars)
    writer.add(_SIDECARS, bytes((beside,)) if beside else b"")
    if side.model is not None:
        name = "" if _shipped_name(side.model.sha256) == side.model.name else side.model.name
        writer.add(_MODEL, bytes.fromhex(side.model.sha256) + name.encode())
    writer.add(_SEED, codec.varint(side.seed) if side.seed else b"")
    writer.add(_GROUPS, codec.pack_groups(side.groups) if side.groups != plain.groups else b"")
    levels, strengths = side.levels, side.strengths
    if levels.shape != strengths.shape:
        writer.add(_LEVELS, codec.pack_cells(levels))
        writer.add(_STRENGTHS, codec.pack_cells(strengths))
        levels = strengths = _no_cells()
    elif levels.shape != _cells_shape(picture, side.groups):
        writer.add(_CELLS, codec.pack_cells(np.concatenate([levels, strengths])))
        levels = strengths = _no_cells()
    writer.add(_CODED, pack_coded(levels, strengths, side.filters, side.groups))
    writer.add(_TARGET, target)
    writer.add(_LIMITS, ranges.pack_limits(side.limits, None if picture is None else picture.dtype))
    writer.add(_PEAKS, ranges.pack_peaks(side.peaks, side.limits))
    writer.add(_FINAL, codec.pack_crcs(side.final_crcs))
    writer.add(_PLANES, codec.pack_planes(side.planes))
    writer.add(_DOCUMENT, codec.pack_json({key: value for key, value in document.items() if value}))
    body = bytes((MAJOR, MINOR)) + writer.data()
    return body + zlib.crc32(body).to_bytes(4, "big")


def unpack(data: bytes, picture: Picture | None = None) -> SideInfo:
    """Read the content of the box.

    Args:
        data: what :func:`pack` returned.
        picture: what the file says without it, as told to :func:`pack`.

    Raises:
        VersionError: Written by a newer, incompatible version.
        ChecksumError: Damaged.
        ContainerError: Not laid out as it should be.
    """
    if len(data) < 6:
        raise ChecksumError("the side information is cut short: copy the file again")
    if data[0] != MAJOR:
        raise VersionError(
            f"the archive holds side information {data[0]}.{data[1]}, this rsic_geo reads {MAJOR}.x: "
            "update rsic_geo, or read the picture alone with any JPEG 2000 reader"
        )
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise ChecksumError("the side information is damaged: copy the file again")
    found = codec.read_fields(data[2:-4], _KNOWN)
    if _BEFORE_RELEASE & set(found):
        raise VersionError(
            "the archive was made before the first release of rsic_geo: compress the scene again"
        )
    limits = ranges.unpack_limits(found.get(_LIMITS, b""), None if picture is None else picture.dtype)
    document = codec.unpack_json(found.get(_DOCUMENT, b"{}"))
    header_crc, tile_crcs, pixel_crcs = _unpack_crcs(found.get(_CRCS, b""))
    side = SideInfo(
        lossless=_LOSSLESS in found,
        snapshot=_NO_SNAPSHOT,
        tile_size=Reader(found[_TILE_SIZE]).varint() if _TILE_SIZE in found else DEFAULT_TILE_SIZE,
        header_crc=header_crc,
        boxes_crc=int.from_bytes(found.get(_BOXES, b"")[:4], "big"),
        box_marks=found.get(_BOXES, b"")[4:],
        sidecars=_sidecars(found.get(_SIDECARS, b"")),
        tile_crcs=tile_crcs,
        pixel_crcs=pixel_crcs,
        final_crcs=codec.unpack_crcs(found.get(_FINAL, b"")),
        model=_model(found[_MODEL]) if _MODEL in found else None,
        seed=Reader(found[_SEED]).varint() if _SEED in found else 0,
        planes=codec.unpack_planes(found.get(_PLANES, b"")),
        target=_member(document, "t") or codec.unpack_target(found.get(_TARGET, b"")),
        limits=limits,
        peaks=ranges.unpack_peaks(found.get(_PEAKS, b""), limits),
        extras=_member(document, "x"),
    )
    plain = _Presumed.of(picture, side)
    groups = codec.unpack_groups(found[_GROUPS]) if _GROUPS in found else plain.groups
    snapshot = _snapshot({**plain.snapshot, **_member(document, "s")})
    named = [band for members in groups for band in members]
    if len(set(named)) != len(named) or not all(members for members in groups):
        raise ContainerError("a band is enhanced twice, or a group has none: the archive is damaged")
    shape = _cells_shape(picture, groups)
    levels, strengths, filters = unpack_coded(found.get(_CODED, b""), shape, groups)
    if not levels.size:
        levels, strengths = _cells(found)
    return replace(
        side,
        snapshot=snapshot,
        groups=groups,
        levels=levels,
        strengths=strengths,
        filters=filters,
        radiometry=Radiometry.from_json(_member(document, "r")) if "r" in document else plain.radiometry,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Presumed:
    """What a file with this picture most likely holds: not stored."""

    snapshot: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[tuple[int, ...], ...] = ()
    radiometry: Radiometry | None = None

    @classmethod
    def of(cls, picture: Picture | None, side: SideInfo) -> _Presumed:
        """Return what goes without saying; groups and scale only beside a model."""
        if picture is None:
            return cls()
        snapshot = picture.snapshot(lossless=side.lossless).to_json()
        if side.model is None:
            return cls(snapshot=snapshot)
        scale = Radiometry.whole_range(picture.dtype, picture.count)
        groups = (tuple(range(picture.count)),) if picture.count in _COLOURS else ()
        return cls(snapshot=snapshot, groups=groups, radiometry=scale)


def _changes(plain: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that differ; null for one that is presumed and not there."""
    gone = {key: None for key in plain if key not in fields}
    return {key: value for key, value in fields.items() if key not in plain or plain[key] != value} | gone


def _pack_crcs(side: SideInfo) -> bytes:
    crcs = (side.header_crc, *side.tile_crcs, *side.pixel_crcs)
    if crcs == (0,):
        return b""
    return codec.varint(len(side.tile_crcs)) + codec.pack_crcs(crcs)


def _unpack_crcs(content: bytes) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return checksums of the main header, of tile bodies, of pixels."""
    if not content:
        return 0, (), ()
    reader = Reader(content)
    tiles = reader.varint()
    crcs = codec.unpack_crcs(reader.rest())
    if len(crcs) <= tiles:
        raise ContainerError("checksums are cut short: the side information is damaged")
    return crcs[0], crcs[1 : 1 + tiles], crcs[1 + tiles :]


def _sidecars(content: bytes) -> tuple[str, ...]:
    beside = int.from_bytes(content[:8], "little")  # bits of a later version are let be
    return tuple(name for place, name in enumerate(SIDECARS) if beside >> place & 1)


def _cells_shape(picture: Picture | None, groups: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """Return the shape (groups, rows, columns) cells need not tell; zeros if unknown or too large."""
    if picture is None:
        return (0, 0, 0)
    shape = (len(groups), *cell_counts(picture.height, picture.width))
    return shape if 0 < math.prod(shape) <= MAX_CELLS else (0, 0, 0)


def _cells(found: Mapping[int, bytes]) -> tuple[Cells, Cells]:
    """Return levels and strengths."""
    if _CELLS not in found:
        return codec.unpack_cells(found.get(_LEVELS, b"")), codec.unpack_cells(found.get(_STRENGTHS, b""))
    both = codec.unpack_cells(found[_CELLS])
    if len(both) % 2:
        raise ContainerError("levels and strengths do not match: the side information is damaged")
    half = len(both) // 2
    return both[:half], both[half:]


def _snapshot(document: Mapping[str, Any]) -> MetadataSnapshot:
    document = {key: value for key, value in document.items() if value is not None}
    count = document.get("count")
    if not isinstance(count, int) or not 1 <= count <= MAX_COMPONENTS:
        raise ContainerError(f"stored metadata name {count!r} bands: the side information is damaged")
    return MetadataSnapshot.from_json(document)


def _member(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise ContainerError("stored metadata are not laid out as they should be: the archive is damaged")
    return value


def _shipped_name(sha256: str) -> str | None:
    """Return the name this installation ships weights with that digest under."""
    from rsic_geo.weights import list_weights  # only where a model is recorded

    return next((row.name for row in list_weights() if row.sha256.startswith(sha256)), None)


def _model(content: bytes) -> ModelReference:
    """Return the model; one that is shipped is recorded by its digest alone."""
    sha256 = content[:_DIGEST_BYTES].hex()
    try:
        name = content[_DIGEST_BYTES:].decode() or _shipped_name(sha256) or UNKNOWN_MODEL
        return ModelReference(name=name, sha256=sha256)
    except UnicodeDecodeError as error:
        raise ContainerError("the name of the model is no text: the side information is damaged") from error
