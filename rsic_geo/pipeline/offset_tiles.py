"""Pixels of JPEG 2000 files whose tiles begin apart from the image, which GDAL opens and cannot decode.

A codestream may place its image, and the grid of its tiles, anywhere on a reference grid (ISO/IEC 15444-1,
B.2). GDAL lays its blocks on the image's corner; where the first tile is cut, they are no tiles, and reading
fails, or is only said to have failed. OpenJPEG itself decodes any area of such a file.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs import openjpeg
from rsic_geo.container import jp2
from rsic_geo.container.boxes import file_size, iter_boxes
from rsic_geo.errors import BitstreamError, ContainerError
from rsic_geo.geo.io_read import Pixels
from rsic_geo.geo.window import Window
from rsic_geo.j2k import ImageSize

_MAGIC = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
"""How a raw codestream and a JP2 file begin."""


class OffsetTiles:
    """Decodes windows of one codestream by OpenJPEG, each by a call of its own; safe to share by threads."""

    def __init__(self, path: str, size: ImageSize, offset: int, length: int) -> None:
        """Note where the codestream lies: ``offset`` and ``length`` in bytes."""
        self._path, self._size, self._offset, self._length = Path(path), size, offset, length
        first = size.components[0]
        bits = 8 if first.precision <= 8 else 16
        self._dtype: np.dtype[Any] = np.dtype(f"{'int' if first.is_signed else 'uint'}{bits}")

    def read(self, window: Window, bands: tuple[int, ...] | None) -> Pixels:
        """Return samples (bands, height, width) of a window, bands from 0; all if None.

        Raises:
            BitstreamError: the codestream is damaged, by an error or a warning of OpenJPEG.
        """
        chosen = tuple(range(len(self._size.components))) if bands is None else bands
        out = np.empty((len(chosen), window.height, window.width), dtype=self._dtype)
        left, top = self._size.x0 + window.col_off, self._size.y0 + window.row_off

        def keep(band: int, samples: NDArray[np.int32]) -> None:
            for place, wanted in enumerate(chosen):
                if wanted == band:
                    if samples.shape != out.shape[1:]:
                        raise BitstreamError("OpenJPEG decoded another window: the codestream is damaged")
                    out[place] = samples

        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            stream = content[self._offset : self._offset + self._length]
        area = (left, top, left + window.width, top + window.height)
        warnings = openjpeg.decode(stream, area=area, consume=keep)
        if warnings:
            raise BitstreamError(f"OpenJPEG warns of damage: {'; '.join(warnings)[:200]}")
        return out


def offset_tiles(path: str) -> OffsetTiles | None:
    """Return the decoder of a file whose first tile is cut by the image's corner; None for any other file.

    Also None where components differ in size or type, which GDAL has its own answer to.
    """
    try:
        with Path(path).open("rb") as file:
            if not file.read(8).startswith(_MAGIC):
                return None
            size = jp2.find_codestream(file).size
            start, length = _codestream(file)
    except (OSError, ContainerError):
        return None  # GDAL's own names, and damage, which GDAL reports
    is_cut = (size.tile_x0, size.tile_y0) != (size.x0, size.y0) and size.tile_columns * size.tile_rows > 1
    first = size.components[0]
    is_plain = len(set(size.components)) == 1 and (first.dx, first.dy) == (1, 1) and first.precision <= 16
    return OffsetTiles(path, size, start, length) if is_cut and is_plain else None


def _codestream(file: BinaryIO) -> tuple[int, int]:
    """Return where the codestream of a raw or JP2 file begins, and its length (bytes)."""
    file.seek(0)
    if file.read(2) == b"\xff\x4f":
        return 0, file_size(file)
    box = next(box for box in iter_boxes(file) if box.kind == b"jp2c")
    return box.content_offset, box.content_length
