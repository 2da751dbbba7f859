"""Small overviews beside JPEG 2000 files, for who reads only a thumbnail of one that is far away.

A tile of a codestream is one run of bytes, so GDAL reads nearly all of the file for its smallest level. A
TIFF called ``.ovr`` beside it holds such a level in one piece; GDAL then takes that for all reduced reading.
"""

from __future__ import annotations

from pathlib import Path

from rasterio.io import MemoryFile

from rsic_geo.raster.env import gdal_config, gdal_env, open_dataset, scene_errors

SIDE = 512
"""Pixels of the longer side of the largest one."""
LEAST = 64
"""Pixels of the longer side of the smallest one."""
_QUALITIES = (75, 50, 30)
"""Of JPEG, the best that fits first: twice the pixels show more than finer ones."""


def small_overview(path: Path, most: int) -> bytes | None:
    """Return the largest overview of a JPEG 2000 file of at most :data:`SIDE` px that takes ``most`` bytes.

    Bytes without nodata are kept as JPEG, others without loss; its sides are those of the file, halved.

    Returns:
        A TIFF; None where none is as small, or the file itself is.

    Raises:
        SceneError: GDAL does not read the file.
    """
    alone = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
    with gdal_config(), scene_errors("read", path), gdal_env(**alone), open_dataset(path) as dataset:
        height, width = dataset.shape
        ways: list[dict[str, object]] = [{"compress": "deflate", "predictor": 2, "zlevel": 9}]
        if dataset.dtypes[0] == "uint8" and dataset.nodata is None:
            is_rgb = [colour.name for colour in dataset.colorinterp] == ["red", "green", "blue"]
            space: dict[str, object] = {"photometric": "ycbcr"} if is_rgb else {"interleave": "band"}
            ways = [{"compress": "jpeg", "jpeg_quality": quality, **space} for quality in _QUALITIES]
        while max(height, width) >= 2 * LEAST:
            height, width = -(-height // 2), -(-width // 2)
            if max(height, width) > SIDE:
                continue
            pixels = dataset.read(out_shape=(dataset.count, height, width))
            for way in ways:
                with MemoryFile() as memory:
                    with memory.open(
                        driver="GTiff", count=dataset.count, height=height, width=width, dtype=pixels.dtype,
                        nodata=dataset.nodata, blockysize=height, **way,
                    ) as overview:  # fmt: skip
                        overview.write(pixels)
                    if len(memory.getbuffer()) <= most:
                        return bytes(memory.getbuffer())
    return None
