"""The handle of a scene that ``rsic_geo.open`` gives: rasterio's names and habits, over any scene."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, overload

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, DTypeLike, NDArray

from rsic_geo.errors import SceneError, UsageError
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.raster import likeness
from rsic_geo.raster.crs import crs_object
from rsic_geo.raster.likeness import Bounds, Whole
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.reduced import nearest_places, rows_and_columns
from rsic_geo.verbs.places import Source, describe, read_from

if TYPE_CHECKING:
    from rsic_geo.geo.profile import SceneProfile

Pixels: TypeAlias = NDArray[Any]
Indexes: TypeAlias = int | Sequence[int] | None
"""Bands, counted from 1: one (the answer is 2-D), some, or None for all."""
AnyWindow: TypeAlias = Any
"""A ``rsic_geo.Window``, a rasterio ``Window``, or ranges or slices of rows and columns."""
Resampler: TypeAlias = Any
"""A rasterio ``Resampling``, its name such as ``"bilinear"``, or None."""


class Dataset:
    """A scene or archive open for reading; made by ``rsic_geo.open``.

    Attributes and methods are those of rasterio's ``DatasetReader``, bands are counted from 1. Of an archive
    the pixels are its final output: enhanced, nodata, masks and alpha exact, every tile checked against its
    checksum before it is decoded. A handle can be shared by threads, and pickles by opening the file again.
    """

    mode = "r"

    def __init__(
        self,
        path: Source,
        *,
        enhance: str = "auto",
        execution: Execution | None = None,
        allow_other_model: bool = False,
    ) -> None:
        """Open a scene; see ``rsic_geo.open``."""
        self._how: dict[str, Any] = {
            "enhance": enhance,
            "execution": execution,
            "allow_other_model": allow_other_model,
        }
        self._is_closed = False
        self._path = path if isinstance(path, str | os.PathLike) else None
        self.name = describe(path)
        """Name it was opened by."""
        with ExitStack() as held:
            self._archive = held.enter_context(Archive(held.enter_context(read_from(path)), **self._how))
            self._held = held.pop_all()

    def __enter__(self) -> Dataset:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Dataset], tuple[str]]:
        """Pickle as a call that opens the file again: where it is read it must exist under the same name."""
        if self._is_closed:
            raise SceneError(f"{self.name} was closed: open it again to send it anywhere")
        if self._path is None:
            raise SceneError(f"{self.name} has no name to open it by again: write it to a file to send it")
        return partial(Dataset, **self._how), (self.name,)

    def __repr__(self) -> str:
        """Return state and name."""
        return f"<{'closed' if self._is_closed else 'open'} rsic_geo.Dataset name={self.name!r} mode='r'>"

    def __array__(self, *_: object, **__: object) -> NoReturn:
        """Refuse to be taken for pixels: numpy would make an array of one object."""
        raise UsageError("an open scene is no array: read() gives its pixels (bands, rows, columns)")

    def close(self) -> None:
        """Close the file; further reads raise SceneError."""
        self._is_closed = True
        self._held.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._is_closed

    @property
    def is_archive(self) -> bool:
        """Whether the file is an archive of rsic_geo."""
        return self._archive.is_archive

    @property
    def is_enhanced(self) -> bool:
        """Whether reads at full resolution are enhanced."""
        return self._archive.is_enhanced

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known of the pixels read so far, one sentence each."""
        return tuple(self._archive.warnings)

    @property
    def driver(self) -> str:
        """Name of what decodes the file, such as GDAL's ``JP2OpenJPEG``."""
        return self._archive.reader.driver

    @property
    def width(self) -> int:
        """Columns (px)."""
        return self._profile.width

    @property
    def height(self) -> int:
        """Rows (px)."""
        return self._profile.height

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (px)."""
        return self.height, self.width

    @property
    def count(self) -> int:
        """Number of bands."""
        return self._profile.count

    @property
    def indexes(self) -> tuple[int, ...]:
        """Numbers of the bands, from 1."""
        return tuple(range(1, self.count + 1))

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Sample type of every band, NumPy names."""
        return (self._profile.dtype,) * self.count

    @property
    def crs(self) -> Any:  # noqa: ANN401 - a rasterio CRS, which only the room `raster` knows
        """Reference system as a rasterio ``CRS``; None for a scene without."""
        return None if self._profile.crs_wkt is None else crs_object(self._profile.crs_wkt)

    @property
    def transform(self) -> Affine:
        """Pixel corner (column, row) to units of the reference system."""
        return self._profile.transform

    @property
    def res(self) -> tuple[float, float]:
        """Width and height of a pixel, in units of the reference system."""
        a, b, _, d, e, _ = tuple(self.transform)[:6]
        return float((a * a + d * d) ** 0.5), float((b * b + e * e) ** 0.5)

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right and top (rasterio's ``BoundingBox``), in units of the reference system."""
        return likeness.bounds_of(self._profile)

    @property
    def gcps(self) -> tuple[list[Any], Any]:
        """Ground control points as rasterio's, and their reference system."""
        return likeness.gcps_of(self._archive.snapshot)

    @property
    def rpcs(self) -> Any:  # noqa: ANN401 - rasterio's
        """Rational polynomial coefficients as rasterio's ``RPC``; None without."""
        return likeness.rpcs_of(self._archive.snapshot)

    @property
    def nodatavals(self) -> tuple[float | int | None, ...]:
        """Nodata value of every band."""
        return self._archive.snapshot.nodata

    @property
    def nodata(self) -> float | int | None:
        """Nodata value of the first band."""
        return self.nodatavals[0]

    @property
    def mask_flag_enums(self) -> tuple[list[Any], ...]:
        """What masks every band, as rasterio's ``MaskFlags``."""
        return likeness.mask_flags_of(self._archive.snapshot)

    @property
    def colorinterp(self) -> tuple[Any, ...]:
        """Colour interpretation of every band, as rasterio's ``ColorInterp``."""
        return likeness.colours_of(self._archive.snapshot)

    @property
    def descriptions(self) -> tuple[str | None, ...]:
        """Name of every band."""
        return self._archive.snapshot.descriptions

    @property
    def scales(self) -> tuple[float, ...]:
        """Factor of every band from stored sample to physical value."""
        return self._archive.snapshot.scales

    @property
    def offsets(self) -> tuple[float, ...]:
        """Offset of every band from stored sample to physical value."""
        return self._archive.snapshot.offsets

    @property
    def units(self) -> tuple[str | None, ...]:
        """Physical unit of every band."""
        return self._archive.snapshot.units

    @property
    def block_shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of the tiles every band is stored in (px)."""
        return [self._block_shape] * self.count

    @property
    def meta(self) -> dict[str, Any]:
        """Driver, type, nodata value, size, bands and place of a GeoTIFF that holds the scene."""
        return {
            "driver": "GTiff",
            "dtype": self._profile.dtype,
            "nodata": self.nodata,
            "width": self.width,
            "height": self.height,
            "count": self.count,
            "crs": self.crs,
            "transform": self.transform,
        }

    @property
    def profile(self) -> dict[str, Any]:
        """What ``rasterio.open(path, "w", **profile)`` makes a GeoTIFF of that holds this scene's pixels."""
        layout = {
            "tiled": True,
            "blockxsize": 512,
            "blockysize": 512,
            "compress": "lzw",
            "interleave": "band",
        }
        return {**self.meta, **layout}

    def tags(self, bidx: int = 0, ns: str | None = None) -> dict[str, str]:
        """Return metadata items.

        Args:
            bidx: band, from 1; 0 for those of the whole scene.
            ns: domain; None for the default one.

        Raises:
            BandNumberError: there is no such band.
        """
        snapshot = self._archive.snapshot
        if bidx:
            (number,) = likeness.band_list(bidx, self.count)
            return dict(snapshot.band_tags.get(number, {}).get(ns or "", {}))
        place = {} if ns else {"AREA_OR_POINT": snapshot.area_or_point}
        return {**place, **snapshot.tags.get(ns or "", {})}

    def tag_namespaces(self, bidx: int = 0) -> list[str]:
        """Return the names of the metadata domains of a band (from 1), or of the scene (0)."""
        snapshot = self._archive.snapshot
        held = snapshot.band_tags.get(bidx, {}) if bidx else snapshot.tags
        return [name for name in held if name]

    def colormap(self, bidx: int) -> dict[int, tuple[int, int, int, int]]:
        """Return the colour table of a band: red, green, blue and alpha by value.

        Raises:
            UsageError: the band has none.
        """
        (number,) = likeness.band_list(bidx, self.count)
        found = self._archive.snapshot.colormaps.get(number)
        if found is None:
            raise UsageError(f"band {number} has no colour table")
        return dict(found)

    def overviews(self, bidx: int) -> list[int]:
        """Return the factors by which a band (from 1) can be read at reduced resolution, fast."""
        likeness.band_list(bidx, self.count)
        return list(self._archive.reader.reductions)

    def block_windows(self, bidx: int = 0) -> Iterator[tuple[tuple[int, int], Any]]:
        """Yield number (row, column) and rasterio ``Window`` of each tile, row by row."""
        if bidx:
            likeness.band_list(bidx, self.count)
        return likeness.block_windows(self._profile, self._block_shape)

    def xy(self, row: ArrayLike, col: ArrayLike, offset: str = "center") -> tuple[Any, Any]:
        """Return x and y of pixels; ``offset``: center, ul, ur, ll or lr of each."""
        return likeness.place_of(self.transform, row, col, offset)

    def index(self, x: float, y: float, op: Callable[..., Any] | None = None) -> tuple[int, int]:
        """Return row and column of the pixel at a place; ``op`` rounds (None: floor)."""
        return likeness.pixel_of(self.transform, x, y, op)

    def window(self, left: float, bottom: float, right: float, top: float) -> Any:  # noqa: ANN401
        """Return the rasterio ``Window`` between bounds, of parts of pixels where they say so."""
        return likeness.window_of(self.transform, (left, bottom, right, top))

    def window_transform(self, window: AnyWindow) -> Affine:
        """Return the transform of a window's pixels."""
        return likeness.window_place(self.transform, self._as_window(window))[0]

    def window_bounds(self, window: AnyWindow) -> Bounds:
        """Return left, bottom, right and top of a window."""
        return likeness.window_place(self.transform, self._as_window(window))[1]

    @overload
    def read(
        self, indexes: Indexes = ..., out: Pixels | None = ..., window: AnyWindow = ...,
        masked: Literal[False] = ..., out_shape: tuple[int, ...] | None = ..., boundless: bool = ...,
        resampling: Resampler = ..., out_dtype: DTypeLike | None = ..., fill_value: float | None = ...,
    ) -> Pixels: ...  # fmt: skip

    @overload
    def read(
        self, indexes: Indexes = ..., out: Pixels | None = ..., window: AnyWindow = ...,
        *, masked: Literal[True], out_shape: tuple[int, ...] | None = ..., boundless: bool = ...,
        resampling: Resampler = ..., out_dtype: DTypeLike | None = ..., fill_value: float | None = ...,
    ) -> np.ma.MaskedArray[Any, Any]: ...  # fmt: skip

    def read(  # noqa: PLR0913, PLR0917 - rasterio's
        self,
        indexes: Indexes = None,
        out: Pixels | None = None,
        window: AnyWindow = None,
        masked: bool = False,
        out_shape: tuple[int, ...] | None = None,
        boundless: bool = False,
        resampling: Resampler = None,
        out_dtype: DTypeLike | None = None,
        fill_value: float | None = None,
    ) -> Pixels:
        """Return pixels: (rows, columns) of one band, else (bands, rows, columns).

        Arguments and their order are those of ``rasterio.DatasetReader.read``.

        Args:
            indexes: a band, a list of bands, from 1; None for all.
            out: array that is filled and returned; its shape is the ``out_shape``.
            window: part of the scene, in any of the forms of ``AnyWindow``; None for all of it. What
                reaches outside the scene is cut off, unless ``boundless``.
            masked: return a masked array, masked where nodata, a mask or alpha say so.
            out_shape: rows and columns wanted, or bands, rows and columns.
            boundless: read outside the scene, too: ``fill_value`` or nodata there.
            resampling: a rasterio ``Resampling`` or its name, applied to final pixels at full resolution.
                None: nearest, as rasterio has it; but lossy archives are read at their reduced resolutions
                (means, not enhanced), as GDAL reads overviews, if less is wanted than there is.
            out_dtype: type of the result; values are rounded and kept within its range.
            fill_value: of pixels outside a boundless window; of a masked array.

        Raises:
            BandNumberError: there is no such band (an ``IndexError``).
            UsageError: the window or another argument makes no sense (a ``ValueError``).
            ChecksumError: the stored bytes of a tile are damaged.
            SceneError: the file cannot be decoded, or was closed.
        """
        numbers = likeness.band_list(indexes, self.count)
        is_one = isinstance(indexes, int | np.integer)
        if out is not None:
            out_shape = out.shape
        shape = None if out_shape is None else rows_and_columns(out_shape, len(numbers))
        area = None if window is None else self._as_window(window, boundless=boundless)
        inner = self._whole if area is None else likeness.inner_window(area, self._profile)
        method = None if resampling is None else likeness.resampling_of(resampling)
        is_plain = (
            not (masked or boundless) and np.dtype(out_dtype or self._profile.dtype) == self._profile.dtype
        )
        bands = tuple(number - 1 for number in numbers)
        options = {"masked": masked, "out_dtype": out_dtype, "fill_value": fill_value}
        found: Pixels
        if inner is not None and shape in (None, (inner.height, inner.width)) and is_plain:
            found = self._archive.read(inner, bands=None if bands == self._all else bands)
        elif inner is not None and shape is not None and (method is None or method.name == "nearest"):
            decimate = partial(
                self._decimated, inner, shape, is_reduced=method is None and self._is_reduced(inner, shape)
            )
            if is_plain:
                found = decimate(bands).pixels
            else:
                small = replace(self._profile, height=shape[0], width=shape[1])
                found = likeness.read_by_twin(
                    small, lambda _, some: decimate(some), numbers, None,
                    lambda twin, own: twin.read(own, **options),
                )  # fmt: skip
        else:
            found = likeness.read_by_twin(
                self._profile,
                self._fill,
                numbers,
                area,
                lambda twin, own: twin.read(
                    own,
                    window=area,
                    boundless=boundless,
                    out_shape=None if shape is None else (len(own or ()), *shape),
                    resampling=method or likeness.resampling_of("nearest"),
                    **options,
                ),
                out_shape=shape,
            )
        found = found[0] if is_one else found
        if out is None:
            return found
        np.copyto(out, found.reshape(out.shape), casting="unsafe")
        return out

    def read_masks(
        self,
        indexes: Indexes = None,
        window: AnyWindow = None,
        out_shape: tuple[int, ...] | None = None,
        boundless: bool = False,
    ) -> NDArray[np.uint8]:
        """Return what masks bands, as ``read`` returns their pixels; 0 = no data, 255 = data."""
        numbers = likeness.band_list(indexes, self.count)
        shape = None if out_shape is None else rows_and_columns(out_shape, len(numbers))
        area = None if window is None else self._as_window(window, boundless=boundless)
        found = likeness.read_by_twin(
            self._profile,
            self._fill,
            numbers,
            area,
            lambda twin, own: twin.read_masks(
                own,
                window=area,
                boundless=boundless,
                out_shape=None if shape is None else (len(own or ()), *shape),
            ),
            out_shape=shape,
        )
        return found[0] if isinstance(indexes, int | np.integer) else found

    def dataset_mask(
        self,
        window: AnyWindow = None,
        out_shape: tuple[int, ...] | None = None,
        boundless: bool = False,
    ) -> NDArray[np.uint8]:
        """Return where the scene holds data by nodata, mask and alpha together (rows, columns): 255."""
        if self._profile.has_band_masks or len(set(self._profile.nodata)) > 1:
            return np.asarray(self.read_masks(None, window, out_shape, boundless).max(axis=0))
        shape = None if out_shape is None else rows_and_columns(out_shape, 1)
        area = None if window is None else self._as_window(window, boundless=boundless)
        return likeness.read_by_twin(
            self._profile,
            self._fill,
            None,
            area,
            lambda twin, _: twin.dataset_mask(
                window=area, boundless=boundless, **({} if shape is None else {"out_shape": (1, *shape)})
            ),
            out_shape=shape,
        )

    def sample(
        self, xy: Iterable[Sequence[float]], indexes: Indexes = None, masked: bool = False
    ) -> Iterator[Pixels]:
        """Yield the samples (bands) at places, in their order; nodata or 0 outside the scene.

        Args:
            xy: pairs of x and y in units of the reference system.
            indexes: bands, from 1.
            masked: yield masked arrays.
        """
        return likeness.samples(self, xy, indexes, masked, min(256, *self._block_shape))

    @property
    def _profile(self) -> SceneProfile:
        return self._archive.profile

    @property
    def _whole(self) -> Window:
        return Window.full(self.height, self.width)

    @property
    def _all(self) -> tuple[int, ...]:
        return tuple(range(self.count))

    @property
    def _block_shape(self) -> tuple[int, int]:
        side = self._archive.side
        return self._archive.reader.block_shape if side is None else (side.tile_size, side.tile_size)

    def _as_window(self, window: AnyWindow, *, boundless: bool = False) -> Any:  # noqa: ANN401
        return likeness.window_object(window, self._profile, boundless=boundless)

    def _is_reduced(self, area: Window, shape: tuple[int, int]) -> bool:
        """Whether a smaller picture of the scene comes from the codec's reduced resolutions."""
        side = self._archive.side
        return side is not None and not side.is_exact and shape[0] <= area.height and shape[1] <= area.width

    def _fill(self, area: Window, bands: tuple[int, ...] | None) -> Whole:
        """Read all that a window holds."""
        chosen = list(self._all if bands is None else bands)
        return Whole(
            self._archive.read(area, bands=bands),
            self._archive.read_mask(area),
            self._archive.read_valid(area)[chosen] if self._profile.has_band_masks else None,
        )

    def _decimated(
        self, area: Window, shape: tuple[int, int], bands: tuple[int, ...] | None, *, is_reduced: bool
    ) -> Whole:
        """Read a window at another size: the nearest pixels, or of the codec's reduced resolutions."""
        rows, cols = nearest_places(area, shape)
        chosen = self._all if bands is None else bands
        pixels = np.empty((len(chosen), *shape), self._profile.dtype)
        if is_reduced:
            pixels = self._archive.read(area, out_shape=shape, bands=chosen)
        mask = np.empty(shape, np.uint8) if self._profile.has_mask else None
        valid = np.empty(pixels.shape, np.bool_) if self._profile.has_band_masks else None
        step = self._block_shape[0]
        for top in range(area.row_off // step * step, area.row_stop, step):
            wanted = np.flatnonzero((rows >= top) & (rows < top + step))
            if not wanted.size or (is_reduced and mask is None and valid is None):
                continue
            strip = Window.between(
                int(rows[wanted[0]]), int(rows[wanted[-1]]) + 1, area.col_off, area.col_stop
            )
            rows_of, cols_of = np.ix_(rows[wanted] - strip.row_off, cols - area.col_off)
            if not is_reduced:
                pixels[:, wanted] = self._archive.read(strip, bands=bands)[:, rows_of, cols_of]
            if mask is not None and (held := self._archive.read_mask(strip)) is not None:
                mask[wanted] = held[rows_of, cols_of]
            if valid is not None:
                valid[:, wanted] = self._archive.read_valid(strip)[list(chosen)][:, rows_of, cols_of]
        return Whole(pixels, mask, valid)
