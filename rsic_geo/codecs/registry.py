"""Which codecs there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rsic_geo.codecs.base import TileCodec
from rsic_geo.codecs.jpeg2000 import Jpeg2000Codec
from rsic_geo.errors import UnknownCodecError

_FACTORIES: dict[str, Callable[[], TileCodec[Any]]] = {Jpeg2000Codec.codec_id: Jpeg2000Codec}


def names() -> tuple[str, ...]:
    """Return the names of all codecs, sorted."""
    return tuple(sorted(_FACTORIES))


def get_codec(name: str) -> TileCodec[Any]:
    """Return the codec called `name`.

    Raises:
        UnknownCodecError: There is none.
    """
    try:
        return _FACTORIES[name]()
    except KeyError:
        raise UnknownCodecError(f"no codec is called {name!r}: choose one of {', '.join(names())}") from None
