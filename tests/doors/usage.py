"""What a user with mypy --strict or pyright writes; a line that ends in `# wrong` must be refused by both.

Checked by test_types.py, never run.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray
from numpy.typing import NDArray

import rsic_geo


def of_others(scene: xarray.DataArray, archive: bytes) -> xarray.DataArray:
    with rasterio.open("a.tif") as dataset:
        print(len(rsic_geo.compress(dataset, lossless=1)))  # wrong
        print(len(rsic_geo.compress(dataset)), rsic_geo.compress(scene, "/vsimem/a.jp2").output)
    with (
        rsic_geo.open("https://example.org/a.jp2") as opened,
        rasterio.open("b.tif", "w", **opened.profile) as out,
    ):
        out.write(opened.read(window=(slice(0, 9), slice(None, 9))))
        print(opened.crs, opened.transform.a, opened.res[0], opened.nodata, opened.overviews(1)[0] + 1)
    back: xarray.DataArray = rsic_geo.decompress(archive, form="xarray")
    return back


def compressing(pixels: NDArray[np.uint8]) -> rsic_geo.Report:
    small: bytes = rsic_geo.compress(Path("a.tif"), psnr=40, tile_size=256, threads=2)
    report: rsic_geo.Report = rsic_geo.compress(pixels, "a.jp2", crs="EPSG:32633", nodata=0)
    rsic_geo.compress(io.BytesIO(small), io.BytesIO(), max_error=(1.0, 2.0))
    rsic_geo.compress("a.tif", "b.jp2", tilesize=256)  # wrong
    rsic_geo.compress("a.tif", "b.jp2", sidecar="sometimes")  # wrong
    rsic_geo.compress(7, "b.jp2")  # wrong
    rsic_geo.compress("a.tif", 7)  # wrong
    again: rsic_geo.Report = rsic_geo.compress("a.tif")  # wrong
    print(again, Path(report))
    return report


def decompressing(archive: bytes) -> NDArray[Any]:
    report: rsic_geo.Report = rsic_geo.decompress("b.jp2", Path("c.tif"), level=1, bands=(1, 2))
    tiff: bytes = rsic_geo.decompress(archive, form="bytes")
    rsic_geo.decompress("b.jp2", "c.tif", bands="1,2")  # wrong
    rsic_geo.decompress("b.jp2", form="numpy")  # wrong
    rsic_geo.compare(1, "b")  # wrong
    print(report.warnings, len(tiff), rsic_geo.compare("a.tif", "b.jp2").psnr, rsic_geo.__version__.upper())
    return rsic_geo.decompress(archive)


def reading() -> Iterator[NDArray[Any]]:
    window = rsic_geo.Window(row_off=0, col_off=0, height=1, width=1)
    with rsic_geo.open(Path("b.jp2"), threads=1, enhance="off", device="cpu") as scene:
        yield scene.read(1, window=window)
        yield scene.read([1, 3], window=((0, 5), (0, 5)), out_shape=(2, 2), resampling="bilinear")
        print(scene.read(masked=True).mask, scene.bounds.left, scene.profile["dtype"], scene.tags(1, ns="A"))
        rows, cols = scene.shape
        row, col = scene.index(*scene.xy(rows // 2, cols // 2))
        yield from scene.sample([(0.0, 1.0)], indexes=1)
        for place, block in scene.block_windows(1):
            print(place[0] + row + col, scene.read(window=block))
        scene.read("1")  # wrong
        scene.nothing()  # wrong
        scene.read(1, out_type="uint8")  # wrong
    rsic_geo.open("b.jp2", thread=1)  # wrong
