"""Small JP2 files for tests, and the opinions of independent readers about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsic_geo.codecs.jpeg2000 import J2KParams, encode_tile
from rsic_geo.container.jp2 import Jp2Boxes, Jp2Layout, Jp2Writer


def noise(shape: tuple[int, int, int], dtype: str, seed: int = 0) -> NDArray[Any]:
    """Return samples (bands, height, width) over the whole range of a type."""
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(info.min, info.max + 1, shape).astype(dtype)


def landscape(shape: tuple[int, int, int], dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """Return smooth samples with edges and a little noise, as rasters have."""
    bands, height, width = shape
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:height, 0:width]
    base = np.sin(rows / 17) + np.cos(cols / 23) + ((rows // 40 + cols // 56) % 2)
    planes = np.stack([base * (1 + 0.2 * b) for b in range(bands)])
    planes = (planes + rng.normal(0, 0.08, shape) + 2.5) / 7
    info = np.iinfo(dtype)
    return (info.min + np.clip(planes, 0, 1) * (info.max - info.min)).round().astype(dtype)


def tiles(pixels: NDArray[Any], size: int) -> list[NDArray[Any]]:
    """Return the tiles of a scene, row-major."""
    _, height, width = pixels.shape
    return [
        pixels[:, top : top + size, left : left + size]
        for top in range(0, height, size)
        for left in range(0, width, size)
    ]


def write_jp2(
    path: Path, pixels: NDArray[Any], params: J2KParams, *, boxes: Jp2Boxes | None = None, **layout: Any
) -> Jp2Writer:
    """Write a scene and return the closed writer, which still knows checksums."""
    bands, height, width = pixels.shape
    described = Jp2Layout(
        height=height, width=width, bands=bands, dtype=pixels.dtype.name, tile_size=params.tile_size, **layout
    )
    with Jp2Writer(path, described, boxes) as writer:
        for number, tile in enumerate(tiles(pixels, params.tile_size)):
            writer.add_tile(number, encode_tile(tile, params))
        assert writer.file_bytes() == writer.finish() == path.stat().st_size
    return writer


def assert_valid(path: Path) -> None:
    """Fail unless jpylyzer calls the file a valid JP2; says which of its tests failed."""
    jpylyzer = pytest.importorskip("jpylyzer.jpylyzer")
    report = jpylyzer.checkOneFile(str(path))
    failed = [element.tag for element in report.find("tests").iter() if element.text == "False"]
    assert report.find("isValid").text == "True", failed
