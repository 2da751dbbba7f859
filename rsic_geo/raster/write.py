"""Writing a scene window by window, with all of a snapshot's metadata, atomically."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from rasterio.windows import Window as RasterioWindow

from rsic_geo.errors import MetadataLossError, UsageError
from rsic_geo.geo.metadata import MetadataDifference, MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster.blocks import check_blocks
from rsic_geo.raster.creation import check_creation_options
from rsic_geo.raster.env import gdal_config, open_dataset, scene_errors
from rsic_geo.raster.files import PendingFile, check_world_files
from rsic_geo.raster.restore import (
    create_from_vrt,
    metadata_lost_in_geotiff,
    restore_with_sidecar,
    set_what_copying_loses,
)
from rsic_geo.raster.structure import as_alpha_is_said, build_overviews, structure_options

DRIVERS = ("GTiff", "COG")
"""Formats SceneWriter writes."""

TILE = 512
"""Side of the tiles of an output file (px)."""

LOSSY_NOTE = "the creation options change the pixels: the output does not hold them as they were decoded"
"""What to tell the user of a writer that does not keep pixels."""

_KEPT_ON_UPDATE = frozenset({
    "TILED", "BLOCKXSIZE", "BLOCKYSIZE", "COMPRESS", "PREDICTOR", "INTERLEAVE", "BIGTIFF", "NUM_THREADS",
    "NBITS",
})  # fmt: skip
"""Creation options that hold when a GeoTIFF is filled after its creation; levels and qualities do not."""


class SceneWriter:
    """A scene being written; appears under its name only when :meth:`commit` succeeds.

    The file is created as a copy of an empty VRT that carries the metadata, filled window by
    window, then read back. What the format itself could not hold goes to a PAM sidecar.
    Used in a ``with`` statement, leaving it without a commit removes every trace.
    """

    def __init__(  # noqa: PLR0913 - one subject, the two descriptions of it, three options
        self,
        path: str | Path,
        profile: SceneProfile,
        snapshot: MetadataSnapshot,
        *,
        driver: str = "GTiff",
        creation_options: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Create the file under a temporary name in the same folder.

        Raises:
            OutputExistsError: the output exists and ``overwrite`` is False, or a world file would place it.
            UsageError: the driver is not one of DRIVERS, a creation option is wrong, or profile and snapshot
                disagree in size.
            SceneError: the file cannot be created.
        """
        if driver not in DRIVERS:
            raise UsageError(f"cannot write {driver} files: choose one of {', '.join(DRIVERS)}")
        _check_agreement(profile, snapshot)
        self.profile = profile
        self._snapshot = snapshot
        self._driver = driver
        self._options = {key.upper(): str(value) for key, value in (creation_options or {}).items()}
        self._snapshot = snapshot = _as_asked(snapshot, self._options)
        self._pending = PendingFile(path, overwrite=overwrite)
        if snapshot.transform is None:
            check_world_files(path)
        self.keeps_pixels = True
        """Whether pixels are read back as they were written: not with lossy creation options."""
        if self._options.keys() - {"NUM_THREADS"}:
            whole = _creation_options if driver == "GTiff" else _cog_options
            tried = whole(profile, structure_options(snapshot, driver) | self._options)
            self.keeps_pixels = check_creation_options(driver, tried, profile, asked=self._options)
        self._mask_written = False
        self._left: list[MetadataDifference] | None = None
        self.left_out: list[MetadataDifference] = []
        """What no GeoTIFF can say, and this file does not, once it is prepared."""
        try:
            with gdal_config(), scene_errors("write", path):
                self._dataset = self._create()
        except BaseException:
            self._pending.discard()
            raise

    def __enter__(self) -> SceneWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the temporary file unless it was committed."""
        self.abort()

    def write(self, window: Window, pixels: NDArray[Any]) -> None:
        """Write samples (count, height, width) of the profile's type into a window.

        Raises:
            UsageError: shape or type do not fit.
            SceneError: the file cannot be written.
        """
        expected = (self.profile.count, window.height, window.width)
        if pixels.shape != expected or pixels.dtype != np.dtype(self.profile.dtype):
            given, asked = f"{pixels.dtype} {pixels.shape}", f"{self.profile.dtype} {expected}"
            raise UsageError(f"pixels are {given}, but the window takes {asked}")
        with gdal_config(), scene_errors("write", self._pending.path):
            self._dataset.write(pixels, window=_rasterio(window))

    def write_mask(self, window: Window, mask: NDArray[Any]) -> None:
        """Write the dataset mask (height, width) of a window, 255 or True = keep."""
        values = mask.astype(np.uint8) * np.uint8(255) if mask.dtype == np.bool_ else mask
        with gdal_config(), scene_errors("write", self._pending.path):
            self._dataset.write_mask(values, window=_rasterio(window))
        self._mask_written = True

    def commit(self, *, accept_loss: bool = False) -> list[MetadataDifference]:
        """Finish the file, verify its metadata, give it its name.

        Args:
            accept_loss: give it its name even if metadata are lost.

        Returns:
            what neither the file nor its sidecar can say; empty if nothing was lost.

        Raises:
            SceneError: the file cannot be finished; nothing is left behind.
            MetadataLossError: metadata would be lost that a GeoTIFF can hold; nothing is left behind.
        """
        try:
            left = self.prepare(accept_loss=accept_loss)
            with gdal_config(), scene_errors("write", self._pending.path):
                self._pending.publish()
            return left
        finally:
            self.abort()

    def prepare(self, *, accept_loss: bool = False) -> list[MetadataDifference]:
        """Finish the file and verify its metadata, but leave it under its temporary name; see commit."""
        if self._left is None:
            with gdal_config(), scene_errors("write", self._pending.path):
                if self._snapshot.has_explicit_mask and not self._mask_written:
                    self._dataset.write_mask(True)
                self._dataset.close()
                images = check_blocks(self._pending.temporary)
                if self._driver == "COG" or not _KEPT_ON_UPDATE.issuperset(self._options):
                    self._convert(images)
                ignored: frozenset[str] = frozenset({"overviews"})  # a COG has its own
                if self._driver == "GTiff":
                    build_overviews(self._pending.temporary, self._snapshot)
                    self._check(images * (1 + len(self._snapshot.overviews)))
                    ignored = frozenset()
                self._left = restore_with_sidecar(self._pending.temporary, self._snapshot, ignore=ignored)
            self.left_out = [] if not self._left else metadata_lost_in_geotiff(self._snapshot)
        avoidable = [each for each in self._left if each not in self.left_out]
        if avoidable and not accept_loss:
            raise MetadataLossError(_loss(avoidable))
        return self._left

    @property
    def notes(self) -> list[str]:
        """What to tell the user of a prepared file: pixels that changed, metadata that it cannot say."""
        notes = [] if self.keeps_pixels else [LOSSY_NOTE]
        notes += [f"no GeoTIFF can say this, it was left out: {difference}" for difference in self.left_out]
        return notes

    def withdraw(self) -> None:
        """Remove a committed file again; not one that took the place of another."""
        self._pending.withdraw()

    def abort(self) -> None:
        """Give up: close and remove the temporary file. Harmless after a commit."""
        try:
            with gdal_config(), suppress(Exception):  # a full disk is reported once, by the call that met it
                self._dataset.close()
        finally:
            self._pending.discard()

    def _create(self) -> DatasetWriter:
        """Create the empty file with its metadata and return it open for update."""
        structure = structure_options(self._snapshot, "GTiff")
        asked = self._options if self._driver == "GTiff" else {}
        options = _creation_options(self.profile, structure | asked)
        target = str(self._pending.temporary)
        create_from_vrt(target, self._snapshot, options)
        dataset = open_dataset(target, "r+", NUM_THREADS=options.get("NUM_THREADS", "ALL_CPUS"))
        set_what_copying_loses(dataset, self._snapshot)
        return dataset

    def _check(self, images: int) -> None:
        sparse = "SPARSE_OK" in self._options
        check_blocks(self._pending.temporary, images=images, may_be_sparse=sparse)

    def _convert(self, images: int) -> None:
        """Copy the filled file to the driver and options asked for, which only a copy obeys."""
        target = self._pending.temporary
        filled = target.with_name(target.stem + ".filled" + target.suffix)
        target.rename(filled)
        structure = structure_options(self._snapshot, self._driver)
        if self._driver == "COG":
            make_cog(filled, target, self._snapshot, _cog_options(self.profile, structure | self._options))
        else:
            options = {"COPY_SRC_MDD": "YES"} | _creation_options(self.profile, structure | self._options)
            with as_alpha_is_said(self._snapshot):
                rasterio.shutil.copy(str(filled), str(target), driver=self._driver, **options)
            with open_dataset(target, "r+") as dataset:
                set_what_copying_loses(dataset, self._snapshot)
        self._check(images)
        filled.unlink()


def make_cog(filled: Path, target: Path, snapshot: MetadataSnapshot, options: Mapping[str, str]) -> None:
    """Copy a GeoTIFF that holds pixels and metadata of a scene into a COG."""
    # Told to copy every domain, GDAL forgets the items of bands.
    domains = {"COPY_SRC_MDD": "AUTO" if snapshot.band_tags else "YES"}
    with as_alpha_is_said(snapshot):
        rasterio.shutil.copy(str(filled), str(target), driver="COG", **domains | dict(options))


def copy_as_cog(source: str | Path, path: str | Path, options: Mapping[str, str]) -> None:
    """Copy a raster as GDAL's COG driver writes it with these creation options.

    Raises:
        SceneError: if it cannot.
    """
    with gdal_config(), scene_errors("copy", source):
        rasterio.shutil.copy(str(source), str(path), driver="COG", **options)


def _creation_options(profile: SceneProfile, asked: Mapping[str, str]) -> dict[str, str]:
    """Return what was asked for over our defaults: LZW, tiles that fit, a predictor that suits."""
    options = {
        "TILED": "YES",
        "COMPRESS": "LZW",
        "INTERLEAVE": "PIXEL" if profile.count <= 4 else "BAND",
        "BIGTIFF": "YES" if profile.raw_bytes > 2_000_000_000 else "NO",
        "NUM_THREADS": "ALL_CPUS",
    }
    if asked.get("TILED", "YES").upper() in {"YES", "TRUE", "ON", "1"}:
        options["BLOCKXSIZE"] = str(min(TILE, -(-profile.width // 16) * 16))
        options["BLOCKYSIZE"] = str(min(TILE, -(-profile.height // 16) * 16))
    kind, size = np.dtype(profile.dtype).kind, np.dtype(profile.dtype).itemsize
    is_predictable = kind == "f" or (kind in "iu" and size <= 4)  # older readers know no 64-bit integers
    is_predictable = is_predictable and asked.get("NBITS", str(8 * size)) == str(8 * size)
    if is_predictable and asked.get("COMPRESS", "LZW").upper() in {"LZW", "DEFLATE", "ZSTD"}:
        options["PREDICTOR"] = "3" if kind == "f" else "2"
    return {**options, **asked}


def _cog_options(profile: SceneProfile, asked: Mapping[str, str]) -> dict[str, str]:
    """Return what was asked of a COG over our defaults."""
    kind, full = np.dtype(profile.dtype).kind, str(8 * np.dtype(profile.dtype).itemsize)
    predictor = {"PREDICTOR": "YES"} if kind in "iuf" and asked.get("NBITS", full) == full else {}
    options = {"COMPRESS": "DEFLATE", "BIGTIFF": "IF_SAFER", "NUM_THREADS": "ALL_CPUS"} | predictor
    return {**options, **asked}


def _as_asked(snapshot: MetadataSnapshot, asked: Mapping[str, str]) -> MetadataSnapshot:
    """Return the metadata with what creation options say differently: what was asked for is no loss."""
    if "NBITS" in asked:
        full = 8 * np.dtype(snapshot.dtypes[0]).itemsize
        wanted = int(asked["NBITS"]) if asked["NBITS"].isdecimal() else full
        bits = wanted if 0 < wanted < full and np.dtype(snapshot.dtypes[0]).kind in "iu" else None
        snapshot = replace(snapshot, bits=(bits,) * snapshot.count)
    if "ALPHA" in asked:
        snapshot = replace(snapshot, is_premultiplied=asked["ALPHA"].upper() == "PREMULTIPLIED")
    return snapshot


def _check_agreement(profile: SceneProfile, snapshot: MetadataSnapshot) -> None:
    ours = (profile.count, profile.height, profile.width, {profile.dtype})
    theirs = (snapshot.count, snapshot.height, snapshot.width, set(snapshot.dtypes))
    if ours != theirs:
        raise UsageError(f"profile and metadata are of different scenes: {ours} and {theirs}")


def _rasterio(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col_off, window.row_off, window.width, window.height)


def _loss(lost: list[MetadataDifference]) -> str:
    first = "; ".join(str(item) for item in lost[:3])
    return f"the output cannot hold all metadata of the scene ({len(lost)} differ: {first}): write a GeoTIFF"
