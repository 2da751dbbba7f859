"""Which codecs there are, by name: those of this package, and those other packages offer as entry points.

Asking what a codec can do loads no network.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from rsic_geo.codecs.base import Codec, CodecEntry, TileForm
from rsic_geo.codecs.jpeg2000 import DTYPES, Jpeg2000Codec
from rsic_geo.errors import MissingDependencyError, RsicGeoError, UnknownCodecError, UsageError

GROUP = "rsic_geo.codecs"
"""Entry points of this group are rows of codecs."""
AUTO = "auto"
"""What stands for the first codec that can hold a scene."""
COG_DTYPES = (
    "uint8", "uint16", "int16", "int8", "uint32", "int32", "uint64", "int64", "float32", "float64",
    "complex64", "complex128",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def _jpeg2000(form: TileForm, *, weights: str, device: str, sha256: str | None) -> Codec:
    del weights, device, sha256
    return Jpeg2000Codec(form)


def _learned(form: TileForm, *, weights: str, device: str, sha256: str | None) -> Codec:
    from rsic_geo.codecs.learned_tile import LearnedTiles  # what loads torch, when a network is needed

    return LearnedTiles(form, weights=weights, device=device, sha256=sha256)


def _compressai(form: TileForm, *, weights: str, device: str, sha256: str | None) -> Codec:
    from rsic_geo.codecs.learned_tile import LearnedTiles, load_compressai

    if weights == "auto":
        raise UsageError(
            "no network of CompressAI is shipped: name yours, --codec compressai:FILE.safetensors"
        )
    return LearnedTiles(form, weights=weights, device=device, sha256=sha256, loader=load_compressai)


_OWN = {
    entry.name: entry
    for entry in (
        CodecEntry(
            name="jp2",
            title="JPEG 2000",
            dtypes=DTYPES,
            is_lossless_capable=True,
            make=_jpeg2000,
            dial="size",
            container="jp2",
            auto_rank=1,
        ),
        CodecEntry(
            name="cog",
            title="GDAL's COG",
            dtypes=COG_DTYPES,
            is_lossless_capable=True,
            dial="error",
            container="cog",
            auto_rank=2,
        ),
        CodecEntry(
            name="learned",
            title="the learned codec",
            dtypes=DTYPES,
            is_lossless_capable=False,
            make=_learned,
            has_rival=True,
            max_tile_size=2048,
            usual_tile_size=512,
            needs=("compressai", "tifffile"),
            weights_kind="codec",
        ),
        CodecEntry(
            name="compressai",
            title="CompressAI",
            dtypes=DTYPES,
            is_lossless_capable=False,
            make=_compressai,
            has_rival=True,
            max_tile_size=2048,
            usual_tile_size=512,
            needs=("compressai", "scipy", "tifffile"),
            weights_kind="compressai",
        ),
    )
}


@lru_cache(maxsize=1)
def _offered() -> dict[str, EntryPoint]:
    """Return the rows of other packages, not loaded; a name of ours is not theirs to give."""
    found = entry_points(group=GROUP)
    return {
        each.name: each for each in found if each.name not in (*_OWN, AUTO) and _NAME.fullmatch(each.name)
    }


def names() -> tuple[str, ...]:
    """Return the names of all codecs, sorted, whether or not what they need is installed."""
    return tuple(sorted({*_OWN, *_offered()}))


def installed() -> tuple[CodecEntry, ...]:
    """Return the codecs that can be used here, by name; those whose package fails are left out."""
    found = []
    for name in names():
        try:
            found.append(get_entry(name))
        except MissingDependencyError:
            continue  # who asks for it by name is told why
    return tuple(entry for entry in found if entry.is_installed)


@lru_cache(maxsize=32)
def get_entry(name: str) -> CodecEntry:
    """Return what is known of a codec.

    Args:
        name: as users give it: its name, or its name, a colon and that of its network.

    Raises:
        UnknownCodecError: There is none.
        MissingDependencyError: The package that offers it cannot be loaded, or offers something else.
    """
    name = name.partition(":")[0]
    if name in _OWN:
        return _OWN[name]
    if name not in _offered():
        raise UnknownCodecError(f"codec {name!r} is not known: use {' or '.join(names())}")
    point = _offered()[name]
    try:
        entry = point.load()
    except Exception as error:  # whatever another package raises
        raise MissingDependencyError(
            f"codec {name!r} of {point.value} cannot be loaded ({error}): mend or remove the package"
        ) from error
    if not isinstance(entry, CodecEntry) or entry.name != name:
        raise MissingDependencyError(
            f"{point.value} is offered as codec {name!r} and is no CodecEntry of that name: mend or remove it"
        )
    return entry


def candidates(name: str) -> tuple[CodecEntry, ...]:
    """Return the codecs that may archive a scene, the first that can hold it is taken.

    Args:
        name: of a codec, for that one, or :data:`AUTO`.

    Raises:
        UnknownCodecError, MissingDependencyError: as :func:`get_entry`.
    """
    if name != AUTO:
        return (get_entry(name),)
    ranked = (entry for entry in _OWN.values() if entry.auto_rank)
    return tuple(sorted(ranked, key=lambda entry: entry.auto_rank))


def title_of(name: str) -> str:
    """Return what people call a codec, also one that is not installed here."""
    try:
        return get_entry(name).title
    except RsicGeoError:
        return f"codec {name}"


def suffixes() -> tuple[str, ...]:
    """Return what names of archives end in, whatever their codec."""
    return tuple(dict.fromkeys(suffix for entry in _OWN.values() for suffix in entry.suffixes))
