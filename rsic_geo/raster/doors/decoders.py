"""Decoders that read pixels in GDAL's place, of files that GDAL opens."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window

Pixels = NDArray[Any]
"""Samples (bands, height, width)."""


class PixelDecoder(Protocol):
    """What reads the pixels of a file that GDAL opens and cannot decode."""

    def read(self, window: Window, bands: tuple[int, ...] | None) -> Pixels:
        """Return samples (bands, height, width) of a window, bands from 0; all if None. Raises CodecError."""
        ...


@runtime_checkable
class ReducingDecoder(PixelDecoder, Protocol):
    """A decoder that knows reduced resolutions."""

    def read_resampled(
        self, window: Window, out_shape: tuple[int, int], bands: tuple[int, ...] | None
    ) -> Pixels:
        """Return means over a window (bands, *out_shape). Raises CodecError."""
        ...


def nearest(  # noqa: PLR0913, PLR0917 - a decoder, what of it is known, what is wanted of it
    decoder: PixelDecoder,
    profile: SceneProfile,
    strip: int,
    area: Window,
    shape: tuple[int, int],
    bands: tuple[int, ...] | None,
) -> Pixels:
    """Return the nearest samples (bands, *shape) of a window, decoded by ``strip`` rows at a time."""
    rows = area.row_off + ((np.arange(shape[0]) + 0.5) * area.height / shape[0]).astype(int)
    cols = ((np.arange(shape[1]) + 0.5) * area.width / shape[1]).astype(int)
    count = profile.count if bands is None else len(bands)
    out = np.empty((count, *shape), dtype=profile.dtype)
    for top in range(area.row_off, area.row_stop, strip):
        wanted = np.flatnonzero((rows >= top) & (rows < top + strip))
        if wanted.size:
            lines = Window(
                row_off=top, col_off=area.col_off, height=min(strip, area.row_stop - top), width=area.width
            )
            out[:, wanted] = decoder.read(lines, bands)[:, rows[wanted] - top][:, :, cols]
    return out
