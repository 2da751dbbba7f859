"""``python -m rsic_geo.raster SOURCE TARGET DRIVER NAME=VALUE ...``: a copy by GDAL alone, for bench."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import rasterio.shutil

from rsic_geo.raster.env import gdal_config, scene_errors


def copy_raster(source: str, target: str, driver: str, options: Mapping[str, str]) -> None:
    """Copy a raster with GDAL alone, metadata as GDAL keeps them.

    Raises:
        SceneError: if GDAL cannot read or write it.
    """
    with gdal_config(), scene_errors("copy", source):
        rasterio.shutil.copy(source, target, driver=driver, **dict(options))


def main(argv: Sequence[str]) -> None:
    """Copy as the words say."""
    source, target, driver, *pairs = argv
    copy_raster(source, target, driver, dict(pair.split("=", 1) for pair in pairs))


if __name__ == "__main__":
    main(sys.argv[1:])
