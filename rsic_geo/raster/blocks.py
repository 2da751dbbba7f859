"""Proof that every block of a written TIFF is on disk.

GDAL drops what a full disk answers to some writes, those of its threads and those that a seek makes: the file
closes without an error and lacks pixels, or says of itself what is not so. Block tables, and what a COG says
of its blocks, show it, at no cost of decoding.
"""

from __future__ import annotations

import struct
from itertools import count
from pathlib import Path

from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from rsic_geo.errors import SceneError
from rsic_geo.raster.env import open_dataset

_UNWRITTEN = "did not reach the disk: is it full?"
_STRUCTURE = b"GDAL_STRUCTURAL_METADATA_SIZE="
"""Begins what a COG says of its layout, right behind its header."""


def check_blocks(path: Path, *, images: int = 1, may_be_sparse: bool = False) -> int:
    """Check that the blocks of all images of a TIFF (masks and overviews too) lie in the file, apart.

    A block whose write failed ends after the file does, or where another block begins. In a COG the directory
    lies where its readers look for it, and each block between its size and its last bytes.

    Args:
        path: the closed file.
        images: how many it has at least, masks and overviews counted.
        may_be_sparse: accept blocks that were never written.

    Returns:
        How many images it has.

    Raises:
        SceneError: an image or a block is missing, cut short or overwritten.
    """
    places: list[tuple[int, int]] = []
    for number in count(1):
        try:
            with open_dataset(f"GTIFF_DIR:{number}:{path}") as image:
                places += block_places(image)
        except RasterioIOError as error:
            if number <= images:
                raise SceneError(f"image {number} of {images} {_UNWRITTEN}") from error
            break
    written = sorted(place for place in places if place[1] > 0)
    end = 0
    damaged = 0 if may_be_sparse else len(places) - len(written)
    for offset, size in written:
        damaged += offset < end
        end = max(end, offset + size)
    damaged += end > path.stat().st_size
    if damaged := damaged or _misplaced(path, written):
        raise SceneError(f"{damaged} of {len(places)} blocks {_UNWRITTEN}")
    return number - 1


def _misplaced(path: Path, written: list[tuple[int, int]]) -> int:
    """Return how many blocks of a COG are not framed as it says; all, where its directory is elsewhere."""
    with path.open("rb") as file:
        start = file.read(59)
        head, pointer = (16, "<Q") if start[2] == 43 else (8, "<I")
        if not start.startswith(_STRUCTURE, head):
            return 0
        size = int(start[head + len(_STRUCTURE) :][:6])
        place = head + len(_STRUCTURE) + len("000000 bytes\n") + size
        if start[head // 2 : head] != struct.pack(pointer, place + place % 2):
            return len(written)
        wrong = 0
        for offset, size in written:
            file.seek(offset - 4)
            framed = file.read(size + 8)
            wrong += framed[:4] != struct.pack("<I", size) or framed[-8:-4] != framed[-4:]
        return wrong


def block_places(image: DatasetReader) -> list[tuple[int, int]]:
    """Return offset and size (bytes) of each block, 0 and 0 for a block that was never written."""
    places = []
    shared = image.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE", "PIXEL") == "PIXEL"
    for band in [1] if shared else image.indexes:
        height, width = image.block_shapes[band - 1]
        for row in range(-(-image.height // height)):
            for column in range(-(-image.width // width)):
                offset, size = (
                    image.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band)
                    for what in ("OFFSET", "SIZE")
                )
                places.append((int(offset or 0), int(size or 0)))
    return places
