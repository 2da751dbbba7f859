"""Archives that are Cloud Optimized GeoTIFFs: GDAL's own file, a mark in it, and our record behind it.

What GDAL writes is left as it is, byte for byte, but for one entry of the first directory: the text tag
that was written as a placeholder becomes the private tag 65273, which no copy of the file inherits. Behind
the TIFF lie our side information, and a footer (20 bytes): where the side information begins (8, big
endian), CRC-32 of side information and these 8 bytes (4), and ``RSICCOG1``. Either mark tells an archive.

Every byte has a checksum: those of the side information its own, each block of the scene and of its mask in
the checksum of its tile, each overview one, and everything else that of the structure. GDAL writes the length
of a block before it and repeats its last four bytes behind it: these belong to the block.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rsic_geo.container.sideinfo import Picture, SideInfo
from rsic_geo.container.tiff_directory import COG_MAGIC, COG_TAG, Spans, form_of, images_of
from rsic_geo.errors import ChecksumError, ContainerError
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.raster.doors.vsi import open_bytes

MARK_TAG, MAGIC = COG_TAG, COG_MAGIC
CARRIERS = {
    "TIFFTAG_DOCUMENTNAME": 269,
    "TIFFTAG_HOSTCOMPUTER": 316,
    "TIFFTAG_ARTIST": 315,
    "TIFFTAG_COPYRIGHT": 33432,
}
"""GDAL's names of text tags that can be written as the mark's placeholder, and their numbers."""

_FOOTER = struct.Struct(">QI8s")
_CHUNK = 1 << 24
"""Bytes read at once, as many as GDAL holds of far files: each piece is a request."""
_LEAST, _MOST = 0.5, 1.3
"""Between which parts of the factor wanted that of the overview lies that GDAL takes, where one does."""
_HINT = "copy the file again from its source, or restore it from a backup"


def mark(path: Path, carrier: str) -> None:
    """Turn the placeholder in the first directory into the mark.

    Args:
        path: what GDAL wrote, with :data:`MAGIC` in the tag ``carrier``.
        carrier: one of :data:`CARRIERS`.

    Raises:
        ContainerError: the placeholder is not there.
    """
    with path.open("rb+") as file:
        form, tags = form_of(file), next(images_of(file)).tags
        entry = tags.pop(CARRIERS[carrier], None)
        if form is None or entry is None or bytes(entry.values[: len(MAGIC)]) != MAGIC:
            raise ContainerError("GDAL did not write the placeholder of the archive's mark")
        first = min([entry.place, *(each.place for each in tags.values())])
        count, where = form.entry.unpack(entry.raw)[2:]
        marked = form.entry.pack(MARK_TAG, 7, count, where)
        file.seek(first)  # entries are sorted by tag, and no other is as great
        file.write(b"".join(tags[tag].raw for tag in sorted(tags)) + marked)


def append_record(path: Path, side: bytes) -> int:
    """Append the side information to a finished TIFF; return the bytes it takes."""
    with path.open("ab") as file:
        start = struct.pack(">Q", file.seek(0, os.SEEK_END))
        footer = _FOOTER.pack(int.from_bytes(start, "big"), zlib.crc32(start, zlib.crc32(side)), MAGIC)
        file.write(side + footer)
    return len(side) + len(footer)


@dataclass(frozen=True, slots=True, kw_only=True)
class CogCrcs:
    """CRC-32 of every byte of the TIFF."""

    structure: int
    """Of everything but blocks."""
    tiles: tuple[int, ...]
    """Of each tile of the scene with its mask, and then of each overview (and mask of one)."""


class CogFile:
    """What lies where in the TIFF of an archive."""

    def __init__(self, path: str | Path, end: int | None = None) -> None:
        """Look at the directories of a file.

        Args:
            path: the file.
            end: where its TIFF ends; None: with the file.

        Raises:
            ContainerError: it is no TIFF as GDAL writes COGs.
        """
        self.path = str(path)
        with open_bytes(path) as file:
            self._end = file.seek(0, os.SEEK_END) if end is None else end
            images = list(images_of(file))
        try:
            self._scene = next(image for image in images if not image.is_mask and not image.is_overview)
            own = [image.spans for image in images if not image.is_overview]
            self.tiles: list[Spans] = [sorted(spans) for spans in zip(*own, strict=True)]
            coarse = [image for image in images if image.is_overview]
            self.overviews: list[Spans] = [sorted(image.spans) for image in coarse]
            self.factors = [self._scene.number(256) / image.number(256) for image in coarse]
            self.picture = self._picture()
        except (LookupError, ValueError, StopIteration, ZeroDivisionError) as error:
            raise ContainerError(f"the file is not laid out like a COG of GDAL's: {_HINT}") from error

    def _picture(self) -> Picture:
        scene = self._scene
        kind = {1: "uint", 2: "int", 3: "float", 6: "complex"}[scene.number(339, 1)]
        bits = scene.number(258, 1)
        if min(scene.number(256), scene.number(257), scene.number(277, 1)) < 1:
            raise ValueError("no pixels")
        bits = bits if kind == "complex" else next(each for each in (8, 16, 32, 64) if bits <= each)
        return Picture(
            height=scene.number(257),
            width=scene.number(256),
            count=scene.number(277, 1),
            dtype=np.dtype("float32" if kind == "float" and bits < 32 else f"{kind}{bits}").name,
        )

    @property
    def tile_size(self) -> int:
        """Side of a block (px)."""
        return self._scene.number(322)

    def crcs(self) -> CogCrcs:
        """Return the checksums of all bytes of the TIFF."""
        with open_bytes(self.path) as file:
            return CogCrcs(
                structure=self.structure_crc(file),
                tiles=tuple(span_crc(file, spans) for spans in (*self.tiles, *self.overviews)),
            )

    def check_structure(self, crc: int) -> None:
        """Compare the checksum of everything that is no block. Raises ChecksumError."""
        with open_bytes(self.path) as file:
            if self.structure_crc(file) != crc:
                raise ChecksumError(f"the archive's structure is damaged: {_HINT}")

    def structure_crc(self, file: BinaryIO) -> int:
        """Return the checksum of everything that is no block."""
        taken = sorted(span for spans in (*self.tiles, *self.overviews) for span in spans)
        starts = [0, *(stop for _, stop in taken)]
        stops = [*(start for start, _ in taken), self._end]
        gaps = zip(starts, stops, strict=True)
        return span_crc(file, [(start, stop) for start, stop in gaps if start < stop])


def read_record(path: str | Path) -> tuple[bytes, CogFile]:
    """Return the packed side information of an archive, and what lies where in its TIFF.

    Raises:
        ChecksumError: record or directories are damaged.
    """
    with open_bytes(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _FOOTER.size, 0))
        footer = file.read().rjust(_FOOTER.size, b"\0")
        start, crc, magic = _FOOTER.unpack(footer)
        file.seek(min(start, size))
        record = file.read(max(size - _FOOTER.size - start, 0))
    if magic != MAGIC or zlib.crc32(footer[:8], zlib.crc32(record)) != crc:
        raise ChecksumError(f"the archive's end is missing or damaged: {_HINT}")
    try:
        return record, CogFile(path, start)
    except ContainerError as error:
        raise ChecksumError(f"the archive's structure is damaged: {_HINT}") from error


class CogCheck:
    """Checksums of an archive, looked at once per tile and only for tiles that are read."""

    def __init__(self, cog: CogFile, side: SideInfo, grid: TileGrid) -> None:
        """Take the checksums of the side information.

        Raises:
            ContainerError: they are those of another file.
        """
        self._cog, self._side, self._grid = cog, side, grid
        self._spans = (*cog.tiles, *cog.overviews)
        self._turn, self._checked, self._found = threading.Lock(), set[int](), list[str]()
        if len(side.tile_crcs) != len(self._spans) or len(cog.tiles) != len(grid):
            raise ContainerError("the archive's checksums are those of another file: it was altered")

    def structure(self) -> None:
        """Check what lies around the blocks. Raises ChecksumError."""
        self._cog.check_structure(self._side.header_crc)

    def parts(self, window: Window) -> Iterator[Window]:
        """Yield what of a window lies in each tile, which is checked just before.

        So GDAL, asked for it next, still holds what the check fetched of a far file.

        Raises:
            ChecksumError: the tile that it names is damaged.
        """
        for index in self._grid.tiles_touching(window):
            number, part = self._grid.index_number(index), self._grid.core(index).intersection(window)
            if not self._is_whole(number):
                raise ChecksumError(
                    f"tile {number} (row {index.row}, column {index.col}) is damaged: {_HINT}"
                )
            if part is not None:
                yield part

    def reduced(self, window: Window, shrink: float) -> None:
        """Check the overviews that GDAL may take, or all tiles that touch the window. Raises ChecksumError.

        GDAL takes the smallest one that is finer than wanted, or coarser by a fifth at most.
        """
        factors = self._cog.factors
        likely = [n for n, factor in enumerate(factors) if _LEAST * shrink <= factor <= _MOST * shrink]
        if not likely and factors and shrink > max(factors):
            likely = [n for n, factor in enumerate(factors) if factor == max(factors)]
        if found := self._look_at_overviews(likely):
            raise ChecksumError(found[0])
        if shrink < 2 or not likely:
            for _ in self.parts(window):
                pass

    def damaged(self) -> list[int]:
        """Return the numbers of all damaged tiles; overviews are looked at, too, for :meth:`minor_damage`."""
        self._found = self._look_at_overviews(range(len(self._cog.overviews)))
        return [number for number in range(len(self._grid)) if not self._is_whole(number)]

    def minor_damage(self) -> list[str]:
        """Return in words what of the overviews was found damaged so far: to look at them takes time."""
        return self._found

    def _look_at_overviews(self, which: Iterable[int]) -> list[str]:
        """Return in words what is damaged of some of the overviews."""
        first = len(self._cog.tiles)
        is_whole = all(self._is_whole(first + number) for number in which)
        return [] if is_whole else [f"an overview is damaged, the scene at full size is not: {_HINT}"]

    def _is_whole(self, number: int) -> bool:
        with self._turn:
            if number in self._checked:
                return True
            with open_bytes(self._cog.path) as file:
                is_whole = span_crc(file, self._spans[number]) == self._side.tile_crcs[number]
            if is_whole:
                self._checked.add(number)
            return is_whole


def span_crc(file: BinaryIO, spans: Iterable[tuple[int, int]]) -> int:
    """Return the CRC-32 of parts of a file, one behind the other; of what is there, where it ends early."""
    crc = 0
    for start, stop in spans:
        file.seek(start)
        left = stop - start
        while left > 0 and (chunk := file.read(min(left, _CHUNK))):
            crc = zlib.crc32(chunk, crc)
            left -= len(chunk)
    return crc
