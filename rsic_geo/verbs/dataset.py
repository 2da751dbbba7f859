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
from numpy.typing import DTypeLike, NDArray

from rsic_geo.errors import SceneError, UsageError
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.raster import SceneReader
from rsic_geo.raster.doors import likeness
from rsic_geo.raster.doors.likeness import Whole
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.reduced import nearest_places, rows_and_columns
from rsic_geo.verbs.described import AnyWindow, Described
from rsic_geo.verbs.places import Source, describe, read_from

if TYPE_CHECKING:
    pass

Pixels: TypeAlias = NDArray[Any]
Indexes: TypeAlias = int | Sequence[int] | None
"""Bands, counted from 1: one (the answer is 2-D), some, or None for all."""
Resampler: TypeAlias = Any
"""A rasterio ``Resampling``, its name such as ``"bilinear"``, or None."""


class Dataset(Described):
    """A scene or archive open for reading; made by ``rsic_geo.open``.

    Attributes and methods are those of rasterio's ``DatasetReader``, bands are counted from 1. Of an archive
    the pixels are its final output: enhanced, nodata, masks and alpha exact, every tile checked against its
    checksum before it is decoded. A handle can be shared by threads, and pickles by opening the file again.
    """

    def __init__(
        self,
        path: Source,
        *,
        enhance: str = "auto",
        execution: Execution | None = None,
        allow_other_model: bool = False,
        cache_mib: int = 32,
    ) -> None:
        """Open a scene; see ``rsic_geo.open``."""
        if isinstance(path, np.ndarray):
            raise UsageError("an array is open already: give a path, a GDAL name, bytes, or a file")
        self._how: dict[str, Any] = {
            "enhance": enhance,
            "execution": execution,
            "allow_other_model": allow_other_model,
            "cache_mib": cache_mib,
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
                (means, not enhanced), as GDAL reads overviews, if less is wanted than there is. "reduced": so
                of any archive.
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
            if not isinstance(out, np.ndarray):
                raise UsageError(f"out is an array that is filled, not {type(out).__name__}")
            out_shape = out.shape
        shape = None if out_shape is None else rows_and_columns(out_shape, len(numbers))
        area = None if window is None else self._as_window(window, boundless=boundless)
        inner = self._whole if area is None else likeness.inner_window(area, self._profile)
        is_fast = isinstance(resampling, str) and resampling == "reduced"
        if is_fast and self._of_gdal is not None:
            resampling = "average"  # of its overviews, if it has any
        method = None if resampling is None or resampling == "reduced" else likeness.resampling_of(resampling)
        dtype = likeness.type_of(out_dtype, self._profile.dtype)
        is_plain = not (masked or boundless) and dtype == self._profile.dtype
        bands = tuple(number - 1 for number in numbers)
        options = {"masked": masked, "out_dtype": out_dtype, "fill_value": fill_value}
        found: Pixels
        if inner is not None and shape in (None, (inner.height, inner.width)) and is_plain:
            found = self._archive.read(inner, bands=None if bands == self._all else bands)
        elif self._of_gdal is None and inner and shape and (method is None or method.name == "nearest"):
            decimate = partial(
                self._decimated,
                inner,
                shape,
                is_reduced=method is None and self._is_reduced(inner, shape, is_fast),
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
            found = self._answer(
                numbers,
                area,
                shape,
                lambda dataset, own: dataset.read(
                    own,
                    window=area,
                    boundless=boundless,
                    out_shape=None if shape is None else (len(own or ()), *shape),
                    resampling=method or likeness.resampling_of("nearest"),
                    **options,
                ),
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
        found = self._answer(
            numbers,
            area,
            shape,
            lambda dataset, own: dataset.read_masks(
                own,
                window=area,
                boundless=boundless,
                out_shape=None if shape is None else (len(own or ()), *shape),
            ),
        )
        return found[0] if isinstance(indexes, int | np.integer) else found

    def dataset_mask(
        self,
        window: AnyWindow = None,
        out_shape: tuple[int, ...] | None = None,
        boundless: bool = False,
    ) -> NDArray[np.uint8]:
        """Return where the scene holds data by nodata, mask and alpha together (rows, columns): 255."""
        if self._of_gdal is None and len(set(self._profile.nodata)) > 1:
            return np.asarray(self.read_masks(None, window, out_shape, boundless).max(axis=0))
        shape = None if out_shape is None else rows_and_columns(out_shape, 1)
        area = None if window is None else self._as_window(window, boundless=boundless)
        wanted = {} if shape is None else {"out_shape": (1, *shape)}
        return self._answer(
            None,
            area,
            shape,
            lambda dataset, _: dataset.dataset_mask(window=area, boundless=boundless, **wanted),
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
    def _of_gdal(self) -> SceneReader | None:
        """What reads the pixels, where that is GDAL alone."""
        reader = self._archive.reader
        is_plain = isinstance(reader, SceneReader) and reader.is_decoded_by_gdal and not self.is_archive
        return reader if is_plain and isinstance(reader, SceneReader) else None

    def _answer(
        self,
        numbers: list[int] | None,
        area: AnyWindow,
        shape: tuple[int, int] | None,
        call: Callable[[Any, list[int] | None], Pixels],
    ) -> Pixels:
        """Return what rasterio answers: of the file itself, or of a GeoTIFF with an archive's pixels."""
        if self._of_gdal is not None:
            return self._of_gdal.ask(lambda dataset: likeness.asked(call, dataset, numbers))
        return likeness.read_by_twin(self._profile, self._fill, numbers, area, call, out_shape=shape)

    def _is_reduced(self, area: Window, shape: tuple[int, int], is_wanted: bool) -> bool:
        """Whether a smaller picture of the scene comes from the codec's reduced resolutions."""
        side = self._archive.side
        is_usual = side is not None and not side.is_exact
        return (is_usual or is_wanted) and shape[0] <= area.height and shape[1] <= area.width

    def _fill(self, area: Window, bands: tuple[int, ...] | None) -> Whole:
        """Read all that a window holds."""
        return Whole(self._archive.read(area, bands=bands), self._archive.read_mask(area))

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
        step = self._block_shape[0]
        for top in range(area.row_off // step * step, area.row_stop, step):
            wanted = np.flatnonzero((rows >= top) & (rows < top + step))
            if not wanted.size or (is_reduced and mask is None):
                continue
            first, last = int(rows[wanted[0]]), int(rows[wanted[-1]])
            strip = Window.between(first, last + 1, area.col_off, area.col_stop)
            rows_of, cols_of = np.ix_(rows[wanted] - strip.row_off, cols - area.col_off)
            if not is_reduced:
                pixels[:, wanted] = self._archive.read(strip, bands=bands)[:, rows_of, cols_of]
            if mask is not None and (held := self._archive.read_mask(strip)) is not None:
                mask[wanted] = held[rows_of, cols_of]
        return Whole(pixels, mask)
