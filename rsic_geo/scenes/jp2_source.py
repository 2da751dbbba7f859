"""JPEG 2000 files of other programs: what GDAL opens and cannot decode, and what it would clip.

A codestream may place its image, and the grid of its tiles, anywhere on a reference grid (ISO/IEC 15444-1,
B.2). GDAL lays its blocks on the image's corner; where the first tile is cut, they are no tiles, and reading
fails, or is only said to have failed. OpenJPEG itself decodes any area of such a file.

GDAL gives all bands the type that the first component needs, and takes signed samples of 8 bits for unsigned
ones; what does not fit is clipped without a word.

It opens no file all of whose components are subsampled alike. On a grid as coarse as they are, the same
packets are those of an ordinary file, so such a file is read with another header.
"""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs import openjpeg
from rsic_geo.codecs.j2k import ImageSize
from rsic_geo.container.boxes import file_size, iter_boxes
from rsic_geo.container.codestream import image_size, is_marked
from rsic_geo.errors import BitstreamError, ContainerError, UnsupportedSceneError
from rsic_geo.geo.window import Window
from rsic_geo.raster.doors.decoders import Pixels

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

        area = (left, top, left + window.width, top + window.height)
        with self._path.open("rb") as file:
            stream = _FilePart(file, self._offset, self._length)
            warnings = openjpeg.decode(stream, area=area, consume=keep)
        if warnings:
            raise BitstreamError(f"OpenJPEG warns of damage: {'; '.join(warnings)[:200]}")
        return out


class _FilePart:
    """A part of an open file, read a piece at a time: OpenJPEG passes over what a window does not need."""

    def __init__(self, file: BinaryIO, offset: int, length: int) -> None:
        self._file, self._offset, self._length = file, offset, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._length)
        self._file.seek(self._offset + start)
        return self._file.read(max(stop - start, 0))


def check_samples(path: str) -> None:
    """Check that GDAL gives the samples of a file as they are; files that are no JPEG 2000 are left alone.

    Raises:
        UnsupportedSceneError: a component has samples that GDAL would clip.
    """
    found = _look_at(path)
    if found is None:
        return
    components = found[0].components
    first = components[0]
    bits = next(bits for bits in (8, 16, 32, 64) if first.precision <= bits)
    # As GDAL chooses: samples of 8 bits are unsigned to it whatever the file says.
    lowest, highest = _range(bits, is_signed=first.is_signed and bits > 8)
    for number, each in enumerate(components, start=1):
        low, high = _range(each.precision, is_signed=each.is_signed)
        if low < lowest or high > highest:
            kind = "signed" if each.is_signed else "unsigned"
            raise UnsupportedSceneError(
                f"{path}: band {number} holds {kind} samples of {each.precision} bits, which GDAL would "
                f"clip to {lowest}..{highest}: convert it to one type for all bands by a program that keeps "
                "them, such as opj_decompress"
            )


def why_unopened(path: str) -> str | None:
    """Return in words why GDAL has no driver for a JPEG 2000 file that can be one; None for any other file.

    GDAL opens subsampled components only where the first band is whole and the others are halves of it;
    :func:`coarse_grid` helps where all are subsampled alike.
    """
    found = _look_at(path)
    if found is None or all((each.dx, each.dy) == (1, 1) for each in found[0].components):
        return None
    return (
        "its bands are subsampled in a way that GDAL does not open: write them at full size first "
        "(opj_decompress -upsample)"
    )


def coarse_grid(path: str) -> ImageSize | None:
    """Return the grid of its samples of a file whose components are all subsampled alike; None for any other.

    Samples, tiles, precincts and the order of packets are the same on both grids (ISO/IEC 15444-1, B.2, B.3
    and B.12).
    """
    found = _look_at(path)
    if found is None:
        return None
    size = found[0]
    steps = {(each.dx, each.dy) for each in size.components}
    dx, dy = next(iter(steps))
    # Where a step does not divide the tiles, they differ in samples, as those of no plain grid do.
    is_even = (size.tile_width % dx, size.tile_height % dy) == (
        0,
        0,
    ) or size.tile_columns * size.tile_rows == 1
    if steps == {(1, 1)} or len(steps) > 1 or not is_even:
        return None
    return replace(
        size,
        **{name: -(-getattr(size, name) // dx) for name in ("width", "x0", "tile_width", "tile_x0")},
        **{name: -(-getattr(size, name) // dy) for name in ("height", "y0", "tile_height", "tile_y0")},
        components=tuple(replace(each, dx=1, dy=1) for each in size.components),
    )


def write_on_grid(path: str, target: str, grid: ImageSize) -> None:
    """Copy a JPEG 2000 file to ``target``, with another grid in its headers."""
    shutil.copyfile(path, target)
    with Path(target).open("r+b") as file:
        start, _ = _codestream(file)
        header = next((box for box in iter_boxes(file) if box.kind == b"jp2h"), None) if start else None
        if header is not None:  # its first box begins with the height and width of the image
            file.seek(header.content_offset + 8)
            file.write(struct.pack(">II", grid.height - grid.y0, grid.width - grid.x0))
        file.seek(start + 2)  # SIZ comes first after the codestream's start
        file.write(grid.to_segment().to_bytes())


def has_lost_box(path: str) -> bool:
    """Return whether a JPEG 2000 file was an archive of ours whose side information is gone."""
    found = _look_at(path)
    if found is None:
        return False
    _, start, length = found
    with Path(path).open("rb") as file:
        return is_marked(file, start, length)


def _range(bits: int, *, is_signed: bool) -> tuple[int, int]:
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)


def offset_tiles(path: str) -> OffsetTiles | None:
    """Return the decoder of a file whose first tile is cut by the image's corner; None for any other file.

    Also None where components differ in size or type, which GDAL has its own answer to.
    """
    found = _look_at(path)
    if found is None:
        return None
    size, start, length = found
    is_cut = (size.tile_x0, size.tile_y0) != (size.x0, size.y0)
    first = size.components[0]
    is_plain = len(set(size.components)) == 1 and (first.dx, first.dy) == (1, 1) and first.precision <= 16
    return OffsetTiles(path, size, start, length) if is_cut and is_plain else None


def _look_at(path: str) -> tuple[ImageSize, int, int] | None:
    """Return what a JPEG 2000 file says of its image, and where its codestream lies (offset, bytes).

    None for any other file, for names of GDAL's own, and for what is damaged: GDAL reports that.
    """
    try:
        with Path(path).open("rb") as file:
            if not file.read(8).startswith(_MAGIC):
                return None
            start, length = _codestream(file)
            return image_size(file, start, length), start, length
    except (OSError, ContainerError):
        return None


def _codestream(file: BinaryIO) -> tuple[int, int]:
    """Return where the codestream of a raw or JP2 file begins, and its length (bytes)."""
    file.seek(0)
    if file.read(2) == b"\xff\x4f":
        return 0, file_size(file)
    box = next((box for box in iter_boxes(file) if box.kind == b"jp2c"), None)
    if box is None:
        raise ContainerError("the file holds no codestream")
    return box.content_offset, box.content_length
