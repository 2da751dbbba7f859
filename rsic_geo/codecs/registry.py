"""Which codecs there are, by name. Asking what a codec can do loads no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from rsic_geo.codecs.base import TileCodec
from rsic_geo.codecs.jpeg2000 import Jpeg2000Codec
from rsic_geo.errors import UnknownCodecError


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecEntry:
    """What is known of a codec before it is loaded."""

    name: str
    """Name in archives and on the command line."""
    dtypes: tuple[str, ...]
    """Sample types of the scenes it takes, numpy names."""
    is_lossless_capable: bool
    needs: tuple[str, ...] = ()
    """Modules of an extra."""
    weights_kind: str = ""
    """Kind of the weights it works with; empty for a codec without."""
    make: Callable[[], Any]
    """Loads it."""

    @property
    def is_installed(self) -> bool:
        """Whether everything it needs is installed."""
        return all(find_spec(module) is not None for module in self.needs)


def _learned() -> Any:  # noqa: ANN401 - its tiles are samples of a network, no pixels
    from rsic_geo.codecs.learned import LearnedCodec

    return LearnedCodec()


_ENTRIES = {
    entry.name: entry
    for entry in (
        CodecEntry(
            name=Jpeg2000Codec.codec_id,
            dtypes=Jpeg2000Codec.dtypes,
            is_lossless_capable=True,
            make=Jpeg2000Codec,
        ),
        CodecEntry(
            name="learned",
            dtypes=Jpeg2000Codec.dtypes,  # any tile may be JPEG 2000
            is_lossless_capable=False,
            needs=("compressai", "tifffile"),
            weights_kind="codec",
            make=_learned,
        ),
    )
}


def names() -> tuple[str, ...]:
    """Return the names of all codecs, sorted, whether or not what they need is installed."""
    return tuple(sorted(_ENTRIES))


def installed() -> tuple[CodecEntry, ...]:
    """Return the codecs that can be used here, by name; the default one first."""
    return tuple(_ENTRIES[name] for name in names() if _ENTRIES[name].is_installed)


def get_entry(name: str) -> CodecEntry:
    """Return what is known of the codec called `name`.

    Raises:
        UnknownCodecError: There is none.
    """
    try:
        return _ENTRIES[name]
    except KeyError:
        raise UnknownCodecError(f"no codec is called {name!r}: choose one of {', '.join(names())}") from None


def get_codec(name: str) -> TileCodec[Any]:
    """Return the codec called `name`.

    Raises:
        UnknownCodecError: There is none.
        MissingDependencyError: What it needs is not installed.
    """
    codec: TileCodec[Any] = get_entry(name).make()
    return codec
