"""Sources that are damaged at random, and a reader of them that raises whatever goes wrong.

That reader is rasterio alone: one thread, one block at a time, by windows of the file's own blocks. It shares
nothing with the package.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.env import Env

ROWS, COLUMNS = 180, 260
_TIFF = {"driver": "GTiff", "tiled": True, "blockxsize": 64, "blockysize": 64}
KINDS: dict[str, dict[str, Any]] = {
    "deflate.tif": {**_TIFF, "compress": "deflate"},
    "lzw.tif": {**_TIFF, "compress": "lzw", "predictor": 2},
    "zstd.tif": {**_TIFF, "compress": "zstd"},
    "jpeg.tif": {**_TIFF, "compress": "jpeg", "photometric": "ycbcr"},
    "lerc.tif": {**_TIFF, "compress": "lerc"},
    "webp.tif": {**_TIFF, "compress": "webp"},
    "cog.tif": {"driver": "COG", "compress": "deflate", "blocksize": 128},
    "scene.jp2": {
        "driver": "JP2OpenJPEG",
        "reversible": "yes",
        "quality": 100,
        "blockxsize": 64,
        "blockysize": 64,
    },
    "lossy.jp2": {"driver": "JP2OpenJPEG", "quality": 20, "blockxsize": 128, "blockysize": 128},
    "whole.jp2": {
        "driver": "JP2OpenJPEG",
        "reversible": "yes",
        "quality": 100,
        "blockxsize": 1024,
        "blockysize": 1024,
    },
    "scene.png": {"driver": "PNG"},
    "scene.jpg": {"driver": "JPEG"},
    "scene.webp": {"driver": "WEBP"},
    "scene.ntf": {"driver": "NITF", "ic": "C8"},
    "scene.nc": {"driver": "netCDF", "format": "NC4", "compress": "deflate"},
}
"""Creation options of every kind of source, by its file name."""


_STRICT = {
    "GDAL_NUM_THREADS": "1",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",
    "GDAL_PAM_ENABLED": "NO",
}


@lru_cache(maxsize=1)
def scene() -> NDArray[np.uint8]:
    """Return pixels (3, rows, columns) that no decoder leaves at 0: an empty block is seen."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    waves = 128 + 60 * np.sin(columns / 17) * np.cos(rows / 11)
    noisy = waves[None] + rng.normal(0, 12, (3, ROWS, COLUMNS)) + np.array([0, 15, -15])[:, None, None]
    return np.clip(noisy, 1, 255).astype(np.uint8)


def write(folder: Path, name: str) -> Path:
    """Write the scene as the kind of source of that name."""
    path, plain = folder / name, folder / "plain.tif"
    options = dict(KINDS[name])
    pixels = scene()[:1] if name.endswith(".nc") else scene()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape = {"height": ROWS, "width": COLUMNS, "count": len(pixels), "dtype": "uint8"}
        with rasterio.open(plain, "w", driver="GTiff", **shape) as target:
            target.write(pixels)
        with Env(GDAL_PAM_ENABLED="NO"):
            rasterio.shutil.copy(plain, path, **options)
    plain.unlink()
    return path


def damaged(good: bytes, seed: int) -> bytes:
    """Return bytes damaged in one of a few ways; headers, the first sixth, are spared half the time."""
    rng = random.Random(seed)
    first = len(good) // 6 if seed % 2 else 0
    data = bytearray(good)
    kind = seed % 5
    if kind in (0, 1):
        for _ in range(1 + seed % 9):
            data[rng.randrange(first, len(data))] = rng.randrange(256)
    elif kind == 2:
        data[rng.randrange(first, len(data))] ^= 1 << rng.randrange(8)
    elif kind == 3:
        start = rng.randrange(first, len(data))
        data[start : start + rng.randrange(1, 400)] = b""
    else:
        start = rng.randrange(first, len(data))
        length = rng.randrange(1, 600)
        data[start : start + length] = bytes(min(length, len(data) - start))
    return bytes(data)


class Raised(Exception):
    """The reader that raises has raised."""


def read_strictly(path: str) -> NDArray[Any]:
    """Return the pixels as one thread reads them block by block, with libjpeg's warnings as errors.

    Raises:
        Raised: anything at all went wrong.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Env(**_STRICT), rasterio.open(path) as source:
                out = np.full((source.count, source.height, source.width), 0, dtype=source.dtypes[0])
                for _, window in source.block_windows(1):
                    rows, columns = window.toslices()
                    out[:, rows, columns] = source.read(window=window)
        return out
    except Exception as error:  # whatever rasterio and GDAL have
        raise Raised(str(error)) from error


def trials(good: bytes, count: int, path: Path) -> Iterator[int]:
    """Write damaged files under one name, one after the other, and yield their seeds."""
    for seed in range(count):
        path.write_bytes(damaged(good, seed))
        yield seed


def windows(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield top, left, height, width of windows that cover a scene and end nowhere near a block's border."""
    for top in range(0, height, 111):
        for left in range(0, width, 97):
            yield top, left, min(111, height - top), min(97, width - left)


Reader = Callable[[str], NDArray[Any]]
