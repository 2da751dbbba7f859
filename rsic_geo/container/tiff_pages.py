"""The pages of a learned archive: read with tifffile, checksummed as ``TIFF.md`` describes."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from types import ModuleType
from typing import BinaryIO

import numpy as np

from rsic_geo.container.tiff_directory import END_MAGIC, MARK_TAG
from rsic_geo.errors import INSTALL_CODER, ChecksumError, ContainerError, MissingDependencyError

COMPRESSION_TAG = 259
PRIVATE_COMPRESSION = 65271
"""Value of the Compression tag: tiles are payloads of rsic_geo."""
SIDE_TAG = 65272
"""Tag of the full-resolution page that holds the side information."""
DESCRIPTION = "Preview; in full: rsic decompress"
FOOTER = {False: struct.Struct(">IIII"), True: struct.Struct(">QQQI")}
"""Ends of structure, preview and payloads, CRC-32 of the preview; in classic TIFF and BigTIFF."""
SEAL = struct.Struct(">I8s")
"""CRC-32 of mask tiles, structure and what stands before it in the footer; END_MAGIC."""

_FULL, _MASK = 0, 1
_COPY_BYTES = 1 << 20
_HINT = "copy the file again from its source, or restore it from a backup"


def tifffile() -> ModuleType:
    """Return the module tifffile.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import tifffile as module
    except ImportError as error:
        raise MissingDependencyError(
            f"archives of the learned codec need tifffile: {INSTALL_CODER}"
        ) from error
    return module


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffLayout:
    """What the full-resolution page holds."""

    height: int
    width: int
    bands: int
    dtype: str
    tile_size: int
    """Side of a tile (px), a multiple of 16."""
    is_rgb: bool = False
    """Whether bands 0, 1, 2 are red, green, blue."""
    has_mask: bool = False

    @property
    def tile_count(self) -> int:
        """Tiles of the page, row by row."""
        return -(-self.height // self.tile_size) * -(-self.width // self.tile_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where the parts of an archive lie."""

    layout: TiffLayout
    side: bytes
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    mask_offsets: tuple[int, ...] = ()
    mask_lengths: tuple[int, ...] = ()


def find_pages(archive: BinaryIO) -> Found:
    """Return where the parts of an archive lie, whose structure was found whole by :func:`read_footer`.

    Raises:
        ContainerError: the pages are not those of an archive.
    """
    archive.seek(0)
    with tifffile().TiffFile(archive) as file:
        first = file.pages[0]
        inner = list(first.pages or ())
        full = inner[_FULL] if inner else None
        if MARK_TAG not in first.tags or full is None or SIDE_TAG not in full.tags:
            raise ContainerError("the file holds no full-resolution page of rsic_geo")
        mask = inner[_MASK] if len(inner) > _MASK else None
        if int(full.tags[COMPRESSION_TAG].value) != PRIVATE_COMPRESSION or full.tilewidth != full.tilelength:
            raise ContainerError("the full-resolution page is not one that rsic_geo writes")
        if mask is not None and mask.shape != (full.imagelength, full.imagewidth):
            raise ContainerError("the mask page is that of another scene")
        return Found(
            layout=TiffLayout(
                height=int(full.imagelength),
                width=int(full.imagewidth),
                bands=int(full.samplesperpixel),
                dtype=np.dtype(full.dtype).name,
                tile_size=int(full.tilewidth),
                is_rgb=int(full.photometric) == 2,
                has_mask=mask is not None,
            ),
            side=bytes(full.tags[SIDE_TAG].value),
            offsets=tuple(map(int, full.dataoffsets)),
            lengths=tuple(map(int, full.databytecounts)),
            mask_offsets=() if mask is None else tuple(map(int, mask.dataoffsets)),
            mask_lengths=() if mask is None else tuple(map(int, mask.databytecounts)),
        )


def read_footer(file: BinaryIO) -> bool:
    """Check all structure of an archive; return whether the preview, which nothing else needs, is whole.

    Raises:
        ContainerError, ChecksumError: the end of the file is not that of an archive, or structure is damaged.
    """
    file.seek(0)
    is_big = file.read(4) == b"II+\0"
    form, size = FOOTER[is_big], file.seek(0, os.SEEK_END)
    end = size - form.size - SEAL.size
    if end < 8:
        raise ChecksumError(f"the archive's end is missing or damaged: {_HINT}")
    file.seek(end)
    said = file.read(form.size)
    crc, mark = SEAL.unpack(file.read())
    if mark != END_MAGIC:
        raise ChecksumError(f"the archive's end is missing or damaged: {_HINT}")
    structure, payloads, masks, preview_crc = form.unpack(said)
    if not 8 <= structure <= payloads <= masks <= end:
        raise ChecksumError(f"the archive's end is damaged: {_HINT}")
    found = range_crc(file, masks, end - masks)
    found = range_crc(file, 0, structure, found)
    if zlib.crc32(said, found) != crc:
        raise ChecksumError(f"the archive's structure is damaged: {_HINT}")
    return bool(range_crc(file, structure, payloads - structure) == preview_crc)


def range_crc(file: BinaryIO, offset: int, length: int, crc: int = 0) -> int:
    """Return the CRC-32 of a part of a file, behind bytes whose CRC-32 is ``crc``."""
    file.seek(offset)
    while length > 0:
        block = file.read(min(length, _COPY_BYTES))
        if not block:
            break
        crc = zlib.crc32(block, crc)
        length -= len(block)
    return crc
