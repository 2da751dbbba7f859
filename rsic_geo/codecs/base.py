"""What every codec of tiles offers."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import UnsupportedSceneError

Pixels = npt.NDArray[Any]
"""Samples of one tile, (bands, height, width)."""


Params_contra = TypeVar("Params_contra", contravariant=True)
"""A codec's own frozen parameters."""


class TileCodec(Protocol[Params_contra]):
    """Pixels of one tile <-> bitstream."""

    codec_id: str
    """Name in archives and on the command line."""
    dtypes: tuple[str, ...]
    """Sample types the codec takes, numpy names."""
    is_lossless_capable: bool
    """True when the codec can give the very same samples back."""

    def encode(self, pixels: Pixels, params: Params_contra) -> bytes:
        """Encode samples (bands, height, width). Raises CodecError."""
        ...

    def decode(self, bitstream: bytes) -> Pixels:
        """Decode to samples (bands, height, width). Raises BitstreamError."""
        ...


def check_pixels(pixels: Pixels, dtypes: tuple[str, ...], codec_id: str) -> None:
    """Refuse arrays that are no tile, or whose sample type the codec does not take.

    Raises:
        UnsupportedSceneError: Wrong number of axes, an empty axis, or a foreign sample type.
    """
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise UnsupportedSceneError(
            f"a tile is (bands, height, width) with nothing empty, not {pixels.shape}: check the window read"
        )
    if np.dtype(pixels.dtype).name not in dtypes:
        raise UnsupportedSceneError(
            f"codec {codec_id} takes {', '.join(dtypes)}, not {pixels.dtype}: convert the scene first"
        )
