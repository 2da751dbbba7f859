"""A scene on its way into a Cloud Optimized GeoTIFF, compressed as often as there are ways to be tried."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster.blocks import check_blocks
from rsic_geo.raster.env import gdal_config, scene_errors
from rsic_geo.raster.files import sidecar_path
from rsic_geo.raster.structure import overview_method, structure_options
from rsic_geo.raster.write import SceneWriter, make_cog

LEVELS = {"fast": 3, "normal": 9, "best": 19}
"""Levels of ZSTD by effort: the last takes some 2 % off, and eight times as long."""
LERC_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Sample types that LERC can hold."""


class CogDraft:
    """A GeoTIFF beside the COG to be, filled window by window; removed when its ``with`` statement ends."""

    def __init__(
        self,
        target: Path,
        profile: SceneProfile,
        snapshot: MetadataSnapshot,
        *,
        item: tuple[str, str],
        threads: int = 0,
    ) -> None:
        """Create the GeoTIFF.

        Args:
            target: the COG; of a temporary name, which the GeoTIFF's begins with.
            profile: of the scene.
            snapshot: its metadata.
            item: one more metadata item the file is to have, name and value.
            threads: for GDAL; 0 = all cores.

        Raises:
            SceneError: it cannot be created.
        """
        self._profile, self._snapshot = profile, snapshot
        self._filled = target.with_name(f"{target.stem}.filled.tif")
        self._threads = str(threads) if threads else "ALL_CPUS"
        default = {**snapshot.tags.get("", {}), item[0]: item[1]}
        self._writer = SceneWriter(
            self._filled,
            profile,
            replace(snapshot, tags={**snapshot.tags, "": default}, overviews=()),
            creation_options={"NUM_THREADS": self._threads},
        )

    def __enter__(self) -> CogDraft:
        """Return the draft itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the GeoTIFF."""
        self._writer.abort()
        for path in (self._filled, sidecar_path(self._filled)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def write(self, window: Window, pixels: NDArray[Any], mask: NDArray[np.uint8] | None) -> None:
        """Write samples (bands, h, w) of a window, and its dataset mask (h, w). Raises SceneError."""
        self._writer.write(window, pixels)
        if mask is not None:
            self._writer.write_mask(window, mask)

    def finish(self) -> None:
        """Close the GeoTIFF: all of the scene is in it. Raises SceneError."""
        self._writer.commit(accept_loss=True)

    def compress(
        self,
        target: Path,
        *,
        block: int,
        effort: str,
        has_predictor: bool = False,
        bound: float | None = None,
    ) -> int:
        """Write a COG and return its bytes.

        Args:
            target: the file.
            block: side of its blocks (px).
            effort: one of :data:`LEVELS`.
            has_predictor: whether samples are differenced before they are compressed.
            bound: largest error of LERC; None for no loss.

        Raises:
            SceneError: it cannot be written.
        """
        lossless = {"COMPRESS": "ZSTD", "PREDICTOR": "YES" if has_predictor else "NO"}
        lossy = {"COMPRESS": "LERC_ZSTD", "MAX_Z_ERROR": repr(bound)}
        options = {
            **structure_options(self._snapshot, "COG"),
            **(lossless if bound is None else lossy),
            "LEVEL": str(LEVELS[effort]),
            "BLOCKSIZE": str(block),
            "BIGTIFF": "IF_SAFER",
            "OVERVIEW_RESAMPLING": overview_method(self._snapshot).name.upper(),
            "NUM_THREADS": self._threads,
        }
        with gdal_config(), scene_errors("write", target):
            make_cog(self._filled, target, self._snapshot, options)
            check_blocks(target)
        return target.stat().st_size


def predictor_pays(pieces: Iterable[NDArray[Any]]) -> bool:
    """Return whether pieces of a scene (bands, h, w) take fewer bytes in ZSTD if samples are differenced."""
    sizes = [0, 0]
    for pixels in pieces:
        if pixels.dtype.kind == "c":
            return False  # GDAL has none for them
        bands, height, width = pixels.shape
        for way, predictor in enumerate((1, 3 if pixels.dtype.kind == "f" else 2)):
            with gdal_config(), MemoryFile(ext=".tif") as file:
                settings = {
                    "driver": "GTiff", "count": bands, "height": height, "width": width, "blockysize": height,
                    "dtype": pixels.dtype.name, "interleave": "pixel", "compress": "ZSTD",
                    "predictor": predictor, "transform": Affine.scale(2, -2),
                }  # fmt: skip
                with file.open(**settings) as dataset:
                    dataset.write(pixels)
                sizes[way] += len(file.getbuffer())
    return sizes[1] < sizes[0]
