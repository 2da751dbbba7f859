"""JPEG 2000 archives behind GDAL's names: the tiles a window needs are fetched, once, and decoded here.

GDAL would fetch them too, but is free to fetch more, and its decoder follows headers of other tiles that
nobody has checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rsic_geo.codecs.j2k import ImageSize
from rsic_geo.codecs.jpeg2000 import decode_tile
from rsic_geo.container import jp2
from rsic_geo.container.codestream import CodestreamIndex, open_file, read_tile
from rsic_geo.errors import BitstreamError
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.raster.doors.decoders import Pixels
from rsic_geo.scenes.payloads import OWN, TilePixels


class FarTiles:
    """Decodes windows and reduced resolutions of a far archive; takes GDAL's place as reader of pixels."""

    def __init__(self, path: str, index: CodestreamIndex, tile_size: int, held_mib: int) -> None:
        """Note where the tiles lie; nothing is fetched."""
        self._path, self._index = path, index
        size = index.size
        grid = TileGrid(height=size.height, width=size.width, tile_size=tile_size)
        self._tiles = TilePixels(self, _Decoder(size), grid, held_mib)

    def payload(self, tile: int) -> tuple[int, bytes]:
        """Return a tile as a codestream of its own. Raises ContainerError."""
        with open_file(self._path) as file:
            return OWN, read_tile(file, self._index, tile)

    def read(self, window: Window, bands: tuple[int, ...] | None) -> Pixels:
        """Return samples (bands, height, width) of a window. Raises BitstreamError, ContainerError."""
        return self._tiles.read(window, bands=bands)

    def read_resampled(
        self, window: Window, out_shape: tuple[int, int], bands: tuple[int, ...] | None
    ) -> Pixels:
        """Return means over a window (bands, *out_shape); see :meth:`TilePixels.read_resampled`."""
        return self._tiles.read_resampled(window, out_shape, bands=bands)


def far_tiles(path: str, tile_size: int, held_mib: int) -> FarTiles:
    """Return the decoder of a far archive with tiles of ``tile_size`` px. Raises ContainerError."""
    with open_file(path) as file:
        return FarTiles(path, jp2.find_codestream(file), tile_size, held_mib)


class _Decoder:
    """Turns codestreams of tiles into pixels."""

    def __init__(self, size: ImageSize) -> None:
        first = size.components[0]
        self.bands = len(size.components)
        self.dtype: np.dtype[Any] = np.dtype(
            f"{'int' if first.is_signed else 'uint'}{8 if first.precision <= 8 else 16}"
        )

    def pixels(self, kind: int, body: bytes, size: tuple[int, int], reduce: int = 0) -> Pixels:
        del kind
        found = decode_tile(body, reduce=reduce)
        wanted = (self.bands, *(-(-side >> reduce) for side in size))
        if found.shape != wanted or found.dtype != self.dtype:
            raise BitstreamError(f"the tile holds {found.dtype} {found.shape}, not {wanted}: it is damaged")
        return found
