"""Reading a scene window by window."""

from __future__ import annotations

import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NodataShadowWarning
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window as RasterioWindow

from rsic_geo.errors import SceneError, SceneNotFoundError, UnsupportedSceneError
from rsic_geo.geo.metadata import NODATA_VALUES, MetadataSnapshot, is_explicit_mask, sentinels
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.validity import valid_samples
from rsic_geo.geo.window import Window
from rsic_geo.raster.blocks import block_places
from rsic_geo.raster.doors.decoders import PixelDecoder, Pixels, ReducingDecoder, nearest
from rsic_geo.raster.env import (
    gdal_config,
    gdal_env,
    hearing_damage,
    hearing_unreadable,
    is_missing,
    open_dataset,
    report_damage,
    scene_errors,
    threads_in_blocks,
    told_before,
)
from rsic_geo.raster.files import fetch_raster
from rsic_geo.raster.incomplete import incomplete_files
from rsic_geo.raster.members import others_beside
from rsic_geo.raster.snapshot import bits_of, take_snapshot
from rsic_geo.raster.structure import opaque_colours, premultiplied_band, with_opacity

Valid = NDArray[np.bool_]
"""True = keep."""


class SceneReader:
    """A scene open for reading; threads that share it take turns, since a GDAL dataset serves one at a time.

    Every method raises SceneError, in one line, when the file cannot be read, and its kind DamagedSceneError
    where GDAL hands out pixels and only reports that something is wrong with them.

    GDAL reads with threads of its own where a request covers several JPEG 2000 blocks, and what fails there
    is printed and lost: blocks stay empty. So such files are read block by block, by which a failure is the
    caller's, and everything else with one thread.
    """

    def __init__(
        self, path: str | Path, decoder: PixelDecoder | None = None, *, is_archive: bool = False
    ) -> None:
        """Open a raster file; see :func:`open_scene`."""
        if is_missing(path):
            raise SceneNotFoundError(f"cannot read {path}: there is no such file")
        self.path = Path(path)
        self.name = str(path)
        """What messages call it."""
        self._turn = threading.RLock()
        self._decoder = decoder
        with gdal_config(is_careful=True), scene_errors("read", path):
            # No sidecar of an archive is looked at: they are for others, and may be damaged.
            lone = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"} if is_archive else {}
            with hearing_unreadable() as unreadable, gdal_env(**lone):
                self._dataset = open_dataset(path)
            self._blocks: DatasetReader | None = None
            try:
                self.profile = _profile(self._dataset, path)
                self._opacity: int | None = None
                if not is_archive:
                    self._opacity = premultiplied_band(str(path), self.driver, self.profile.count)
                if self._opacity is not None:
                    colours = opaque_colours(self.profile.colorinterp, self._opacity)
                    self.profile = replace(self.profile, colorinterp=colours)
                self._incomplete: tuple[str, ...] = ()
                if not is_archive:
                    self._incomplete = (*dict.fromkeys(unreadable), *incomplete_files(self._dataset))
                if self._dataset.driver == "JP2OpenJPEG" and decoder is None:
                    # A handle of its own, since one keeps the number of threads it first read with.
                    with gdal_env(**lone):
                        self._blocks = open_dataset(path)
            except Exception:
                self._dataset.close()
                raise

    def __enter__(self) -> SceneReader:
        """Return the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; harmless when it is closed already."""
        self._dataset.close()
        if self._blocks is not None:
            self._blocks.close()

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Read in the body; a failure that GDAL only reports is one."""
        with (
            self._turn,
            gdal_config(is_careful=True),
            scene_errors(f"read {what} of", self.name),
            hearing_damage(self.name),
        ):
            for words in self._incomplete:
                report_damage(words)
            yield

    @property
    def driver(self) -> str:
        """GDAL's name of the file format."""
        return str(self._dataset.driver)

    @property
    def compression(self) -> str:
        """GDAL's name of the compression the pixels are stored with, lower case; empty if unknown."""
        named = str(self._dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")).lower()
        return named or ("webp" if self.driver == "WEBP" else "")

    @property
    def is_known_lossless(self) -> bool:
        """Whether GDAL says of a compression that may lose something that here it does not."""
        structure = self._dataset.tags(ns="IMAGE_STRUCTURE")
        if self.compression.startswith("lerc"):
            return float(structure.get("MAX_Z_ERROR", 0)) <= 0
        return str(structure.get("COMPRESSION_REVERSIBILITY", "")).upper().startswith("LOSSLESS")

    @property
    def description(self) -> str:
        """What a TIFF file says about itself (tag ImageDescription); empty if nothing."""
        return str(self._dataset.tags().get("TIFFTAG_IMAGEDESCRIPTION", ""))

    def stored_bytes(self) -> int:
        """Return the bytes the pixels take in the file: of a TIFF its blocks, else the whole file.

        A file behind a ``/vsi`` name that is no TIFF is copied to the temporary folder to be measured.
        """
        name = str(self._dataset.name)
        with gdal_config(), scene_errors("read", self.name):
            if self.driver in ("GTiff", "COG"):
                return sum(size for _, size in block_places(self._dataset))
            if not name.startswith("/vsi"):
                return self.path.stat().st_size
            with tempfile.TemporaryDirectory(prefix="rsic-") as folder:
                copy = Path(folder) / "scene"
                fetch_raster(name, str(copy))
                return copy.stat().st_size

    @property
    def files(self) -> tuple[Path, ...]:
        """The scene's file and its sidecars (.aux.xml, .msk, .ovr)."""
        return tuple(Path(name) for name in self._dataset.files)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Height and width (px) of the blocks the file is stored in."""
        height, width = self._dataset.block_shapes[0]
        return int(height), int(width)

    @property
    def reductions(self) -> tuple[int, ...]:
        """Factors of the overviews, or reduced resolutions, of the file; none where a decoder is ours."""
        is_reduced = self._decoder is None or isinstance(self._decoder, ReducingDecoder)
        return tuple(self._dataset.overviews(1)) if is_reduced else ()

    @property
    def others(self) -> tuple[str, ...]:
        """GDAL's names of other images in the same file: pages, subdatasets, images of a NITF."""
        with gdal_config(), scene_errors("read", self.name):
            return others_beside(self._dataset)

    def metadata(self) -> MetadataSnapshot:
        """Return all metadata of the scene."""
        with gdal_config(), scene_errors("read the metadata of", self.name):
            return with_opacity(take_snapshot(self._dataset), self._opacity)

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return the samples of a window, shape (bands, height, width).

        Args:
            window: rectangle inside the scene.
            bands: band positions from 0, in the order wanted; all if None.
        """
        self.profile.check_window(window, bands)
        with self._reading("pixels"):
            if self._decoder is not None:
                return self._decoder.read(window, bands)
            if self._blocks is not None:
                with threads_in_blocks():
                    return self._by_blocks(self._blocks, window, _indexes(bands))
            return np.asarray(self._dataset.read(_indexes(bands), window=_rasterio(window)))

    def _by_blocks(self, dataset: DatasetReader, window: Window, indexes: list[int] | None) -> Pixels:
        """Return samples read by one request for each block that the window touches."""
        height, width = self.block_shape
        down, right = _ends(window.row_off, window.height, height), _ends(window.col_off, window.width, width)
        if len(down) == len(right) == 1:
            return np.asarray(dataset.read(indexes, window=_rasterio(window)))
        count = self.profile.count if indexes is None else len(indexes)
        out = np.empty((count, window.height, window.width), dtype=self.profile.dtype)
        for top, bottom in down:
            for left, end in right:
                part = RasterioWindow(left, top, end - left, bottom - top)
                rows = slice(top - window.row_off, bottom - window.row_off)
                cols = slice(left - window.col_off, end - window.col_off)
                dataset.read(indexes, window=part, out=out[:, rows, cols])
        return out

    @property
    def is_decoded_by_gdal(self) -> bool:
        """Whether GDAL reads the pixels, and not a decoder in its place."""
        return self._decoder is None

    def ask(self, call: Callable[[DatasetReader], Pixels]) -> Pixels:
        """Return what a call of rasterio on the open dataset returns."""
        with self._reading("pixels"):
            return np.asanyarray(call(self._dataset))

    def read_valid(self, window: Window, pixels: Pixels | None = None) -> Valid:
        """Return where samples are no nodata, shape (count, height, width), True = keep.

        Nodata values count (NaN too), and masks that belong to single bands; neither the dataset
        mask nor alpha does. A nodata value outside the sample type marks nothing.

        Args:
            window: rectangle inside the scene.
            pixels: the samples of all bands in that window, if the caller has read them already.
        """
        self.profile.check_window(window)
        valid = np.ones((self.profile.count, window.height, window.width), dtype=bool)
        if self.profile.has_nodata:
            valid = valid_samples(self.read(window) if pixels is None else pixels, self.profile.nodata)
        if self.profile.has_band_masks:
            with self._reading("masks"):
                for band, flags in enumerate(self._dataset.mask_flag_enums):
                    if not flags:
                        valid[band] &= self._dataset.read_masks(band + 1, window=_rasterio(window)) != 0
        return valid

    def read_mask(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the explicit dataset mask (height, width), 255 = keep; None if the scene has none."""
        self.profile.check_window(window)
        if not self.profile.has_mask:
            return None
        with self._reading("the mask"):
            return np.asarray(self._dataset.read_masks(1, window=_rasterio(window)), dtype=np.uint8)

    def read_overview(
        self,
        out_height: int,
        out_width: int,
        bands: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> Pixels:
        """Return the scene, or a window of it, as (bands, out_height, out_width), nearest sample."""
        shape = (len(bands) if bands is not None else self.profile.count, out_height, out_width)
        if window is not None:
            self.profile.check_window(window, bands)
        area = None if window is None else _rasterio(window)
        with self._reading("pixels"):
            if self._decoder is not None:
                whole = Window.full(self.profile.height, self.profile.width)
                return nearest(
                    self._decoder, self.profile, self.block_shape[0], window or whole, shape[1:], bands
                )
            return np.asarray(self._dataset.read(_indexes(bands), window=area, out_shape=shape))

    def read_resampled(
        self, window: Window, out_shape: tuple[int, int], *, bands: tuple[int, ...] | None = None
    ) -> Pixels:
        """Return a window resampled to (bands, *out_shape); overviews and reduced resolutions are used.

        Averages where the window shrinks; palettes take the nearest sample.
        """
        count = len(bands) if bands is not None else self.profile.count
        is_palette = "palette" in self.profile.colorinterp
        method = Resampling.nearest if is_palette else Resampling.average
        with self._reading("pixels"):
            if isinstance(self._decoder, ReducingDecoder):
                return self._decoder.read_resampled(window, out_shape, bands)
            if self._decoder is not None:
                return nearest(self._decoder, self.profile, self.block_shape[0], window, out_shape, bands)
            return np.asarray(
                self._dataset.read(
                    _indexes(bands),
                    window=_rasterio(window),
                    out_shape=(count, *out_shape),
                    resampling=method,
                )
            )

    def read_valid_overview(self, out_height: int, out_width: int) -> Valid:
        """Return where the scene holds data by nodata, mask and alpha together, decimated (height, width)."""
        is_own = self._decoder is not None or self._opacity is not None  # of which GDAL knows nothing
        if is_own and not self.profile.has_nodata and not self.profile.has_mask:
            if self.profile.alpha_band is None:
                return np.ones((out_height, out_width), dtype=bool)
            alpha = self.read_overview(out_height, out_width, (self.profile.alpha_band,))[0]
            return np.asarray(alpha != 0, dtype=bool)
        with self._reading("the mask"), warnings.catch_warnings():
            warnings.simplefilter("ignore", NodataShadowWarning)  # both nodata and alpha: nodata counts
            return np.asarray(self._dataset.dataset_mask(out_shape=(out_height, out_width)), dtype=bool)


def open_scene(
    path: str | Path, decoder: PixelDecoder | None = None, *, is_archive: bool = False
) -> SceneReader:
    """Open a scene for reading; use it in a ``with`` statement.

    Args:
        path: file or GDAL name.
        decoder: reads the pixels in GDAL's place, where GDAL cannot.
        is_archive: it is one of ours, which has checksums, and whose sidecars are for others.

    Raises:
        SceneNotFoundError: there is no such file.
        SceneError: it holds no raster GDAL can read.
        UnsupportedSceneError: the bands differ in sample type.
    """
    return SceneReader(path, decoder, is_archive=is_archive)


def _profile(dataset: DatasetReader, path: str | Path) -> SceneProfile:
    if dataset.count < 1:
        inside = "; open one of: " + ", ".join(dataset.subdatasets[:3]) if dataset.subdatasets else ""
        raise SceneError(f"it holds no bands{inside}")
    if len(set(dataset.dtypes)) != 1:
        kinds = ", ".join(sorted(set(dataset.dtypes)))
        raise UnsupportedSceneError(f"{path} mixes sample types ({kinds}): convert its bands to one type")
    if wider := _complex_integers(dataset):
        raise UnsupportedSceneError(
            f"{path} holds complex integers: convert them first; gdal_translate -ot {wider} loses nothing"
        )
    flags = [{flag.name for flag in each} for each in dataset.mask_flag_enums]
    values = dataset.tags().get(NODATA_VALUES, "")
    points, gcp_crs = dataset.gcps
    crs = dataset.crs or gcp_crs
    is_long = dataset.dtypes[0] in ("int64", "uint64")  # whose values no float holds, as rasterio gives them
    nodata = take_snapshot(dataset).nodata if is_long else dataset.nodatavals
    return SceneProfile(
        height=dataset.height,
        width=dataset.width,
        count=dataset.count,
        dtype=dataset.dtypes[0],
        crs_wkt=str(crs.to_wkt()) if crs else None,
        transform=dataset.transform,
        colorinterp=tuple(meaning.name for meaning in told_before(lambda: dataset.colorinterp)),
        nodata=sentinels(nodata, flags, values),
        has_mask=any(is_explicit_mask(each) for each in flags),
        has_band_masks=any(not each for each in flags),
        has_gcps=bool(points),
        bits=tuple(bits_of(dataset, band) for band in dataset.indexes),
    )


def _complex_integers(dataset: DatasetReader) -> str:
    """Return GDAL's name of the type that holds a scene's complex integers; empty for other samples."""
    if dataset.dtypes[0] == "complex_int16":
        return "CFloat32"
    if dataset.dtypes[0] != "complex64":
        return ""
    with MemoryFile(ext=".vrt") as file:  # rasterio calls CInt32 complex64, and would round its values so
        rasterio.shutil.copy(dataset, file.name, driver="VRT")
        return "CFloat64" if b'"CInt32"' in file.read() else ""


def _ends(start: int, count: int, block: int) -> list[tuple[int, int]]:
    """Return where the part of each block begins and ends that so many pixels from ``start`` cover (px)."""
    stop, cuts = start + count, range((start // block + 1) * block, start + count, block)
    return list(zip((start, *cuts), (*cuts, stop), strict=True))


def _indexes(bands: tuple[int, ...] | None) -> list[int] | None:
    return None if bands is None else [band + 1 for band in bands]


def _rasterio(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col_off, window.row_off, window.width, window.height)
