"""Proof that every block of a written TIFF is on disk.

GDAL compresses in threads and then drops what a full disk answers to a write: the file closes
without an error and lacks pixels. The block tables show it, at no cost of decoding.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from rsic_geo.errors import SceneError
from rsic_geo.raster.env import open_dataset


def check_blocks(path: Path, *, may_be_sparse: bool = False) -> None:
    """Check that the blocks of all images of a TIFF (masks and overviews too) lie in the file, apart.

    A block whose write failed ends after the file does, or where another block begins.

    Args:
        path: the closed file.
        may_be_sparse: accept blocks that were never written.

    Raises:
        SceneError: a block is missing, cut short or overwritten.
    """
    places: list[tuple[int, int]] = []
    for number in count(1):
        try:
            with open_dataset(f"GTIFF_DIR:{number}:{path}") as image:
                places += block_places(image)
        except RasterioIOError:
            if number == 1:
                raise
            break
    written = sorted(place for place in places if place[1] > 0)
    end = 0
    damaged = 0 if may_be_sparse else len(places) - len(written)
    for offset, size in written:
        damaged += offset < end
        end = max(end, offset + size)
    damaged += end > path.stat().st_size
    if damaged:
        raise SceneError(f"{damaged} of {len(places)} blocks did not reach the disk: is it full?")


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
