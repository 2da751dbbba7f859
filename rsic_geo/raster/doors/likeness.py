"""What rasterio says and does with a dataset, of a scene that GDAL cannot read by itself."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import rasterio.sample
from affine import Affine
from numpy.typing import NDArray
from rasterio import windows
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError, RasterioIOError, WindowError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.rpc import RPC
from rasterio.transform import guard_transform, rowcol, xy

from rsic_geo.errors import BandNumberError, UsageError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster.crs import crs_object, wkt_of
from rsic_geo.raster.env import gdal_config, scene_errors

Pixels = NDArray[Any]
Numbers: TypeAlias = "int | Sequence[int] | None"
"""Bands from 1: one, some, or all."""

_BLOCK = 256
"""Side of the blocks of a twin (px)."""
_REACH = 4
"""Pixels of the output around one that a resampling kernel looks at, at most (Lanczos: 3)."""


class Bounds(NamedTuple):
    """A rectangle in units of a reference system; equal to rasterio's BoundingBox of the same sides."""

    left: float
    bottom: float
    right: float
    top: float


class Whole(NamedTuple):
    """What a twin is filled with: pixels of all of its bands in a window, and where they are masked."""

    pixels: Pixels
    """(bands, h, w)."""
    mask: NDArray[np.uint8] | None
    """(h, w), 255 = data; None for a scene without a mask of its own."""


Fill = Callable[[Window, "tuple[int, ...] | None"], Whole]
"""Reads a window and bands (from 0; None for all) for a twin."""


def band_list(indexes: Numbers, count: int) -> list[int]:
    """Return band numbers, from 1, as a list.

    Raises:
        BandNumberError: one is none of the scene's, or none at all.
    """
    if indexes is None:
        return list(range(1, count + 1))
    try:
        numbers = [operator.index(each) for each in np.atleast_1d(np.asarray(indexes, object))]
    except TypeError:
        numbers = [0]
    if not numbers or not all(1 <= number <= count for number in numbers):
        raise BandNumberError(f"bands {indexes!r}: give numbers from 1 to {count}, one or a list of them")
    return numbers


def window_object(window: object, profile: SceneProfile, *, boundless: bool = False) -> windows.Window:
    """Return a window as rasterio has it: from one of ours or of rasterio's, or rows and columns.

    Raises:
        UsageError: it is none of them.
    """
    if isinstance(window, windows.Window):
        return window
    if isinstance(window, Window):
        return windows.Window(window.col_off, window.row_off, window.width, window.height)
    try:
        rows, cols = cast("tuple[Any, Any]", window)  # what is no pair is refused
        return windows.Window.from_slices(
            rows, cols, height=profile.height, width=profile.width, boundless=boundless
        )
    except (TypeError, ValueError, AttributeError, WindowError) as error:
        raise UsageError(
            f"{window!r} is no window: give a rsic_geo.Window or rasterio Window, or rows and columns as "
            "((0, 9), (0, 9)) or slices"
        ) from error


def inner_window(window: windows.Window, profile: SceneProfile) -> Window | None:
    """Return a window of whole pixels inside the scene as one of ours; None for any other."""
    sides = (window.row_off, window.col_off, window.height, window.width)
    if not all(float(side).is_integer() for side in sides) or min(sides) < 0 or min(sides[2:]) < 1:
        return None
    found = Window(**dict(zip(("row_off", "col_off", "height", "width"), map(int, sides), strict=True)))
    return found if Window.full(profile.height, profile.width).contains(found) else None


def type_of(given: Any, usual: str) -> np.dtype[Any]:  # noqa: ANN401 - whatever NumPy takes for one
    """Return a sample type; the usual one for None. Raises UsageError."""
    try:
        return np.dtype(usual if given is None else given)
    except TypeError as error:
        raise UsageError(f"out_dtype={given!r} is no type of samples: give one of NumPy's") from error


def resampling_of(given: object) -> Resampling:
    """Return rasterio's method of a name or number. Raises UsageError."""
    try:
        return Resampling[given] if isinstance(given, str) else Resampling(given)
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"resampling {given!r}: give a rasterio.enums.Resampling, or the name of one such as 'bilinear'"
        ) from error


def read_by_twin(  # noqa: PLR0913 - one subject, how it is read, what is asked of it
    profile: SceneProfile,
    fill: Fill,
    numbers: Sequence[int] | None,
    window: windows.Window | None,
    call: Callable[[DatasetReader, list[int] | None], Pixels],
    *,
    out_shape: tuple[int, int] | None = None,
) -> Pixels:
    """Return what rasterio answers of a GeoTIFF with the scene's pixels, place, nodata, mask and alpha.

    The GeoTIFF lies in memory, as large as the scene, and holds pixels only where the answer may need them.

    Args:
        profile: of the scene.
        fill: reads pixels of it.
        numbers: bands wanted, from 1; None where the answer is about all of them together.
        window: part that is asked about, in rasterio's terms; None for all of the scene.
        call: asks; gets the GeoTIFF and the bands' numbers in it.
        out_shape: rows and columns of the answer, where they are not those of the window.

    Raises:
        UsageError: rasterio refuses what is asked.
    """
    area = _needed(window, profile, out_shape)
    has_alpha = profile.has_alpha
    if numbers is not None and len(set(profile.nodata)) > 1:  # a GeoTIFF has one nodata value for all bands
        parts = [_one_band(profile, fill, number, area, call) for number in numbers]
        stack = (
            np.ma.concatenate
            if any(isinstance(part, np.ma.MaskedArray) for part in parts)
            else np.concatenate
        )
        return np.asanyarray(stack(parts))
    bands = None if has_alpha or numbers is None else tuple(number - 1 for number in numbers)
    inside = numbers if bands is None else range(1, len(numbers or ()) + 1)
    with _twin(profile, area, bands, fill) as dataset:
        return asked(call, dataset, None if inside is None else list(inside))


def _one_band(
    profile: SceneProfile,
    fill: Fill,
    number: int,
    area: Window | None,
    call: Callable[[DatasetReader, list[int] | None], Pixels],
) -> Pixels:
    with _twin(profile, area, (number - 1,), fill) as dataset:
        return asked(call, dataset, [1])


def asked(
    call: Callable[[DatasetReader, list[int] | None], Pixels],
    dataset: DatasetReader,
    numbers: list[int] | None,
) -> Pixels:
    """Return what a call answers of a dataset and band numbers in it.

    Raises:
        UsageError: rasterio refuses what is asked.
    """
    try:
        return np.asanyarray(call(dataset, numbers))
    except MemoryError as error:
        raise UsageError("so many samples at once do not fit into memory: read windows") from error
    except RasterioIOError:
        raise
    except (RasterioError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"this cannot be read so: {' '.join(str(error.__cause__ or error).split())}"
        ) from error


def _needed(
    window: windows.Window | None, profile: SceneProfile, out_shape: tuple[int, int] | None
) -> Window | None:
    """Return the pixels of the scene that an answer may depend on; None where there are none."""
    whole = Window.full(profile.height, profile.width)
    if window is None:
        return whole
    rows, cols = out_shape or (window.height or 1, window.width or 1)
    down, right = (
        math.ceil(_REACH * max(1.0, side / max(wanted, 1)))
        for side, wanted in ((window.height, rows), (window.width, cols))
    )
    top, left = math.floor(window.row_off) - down, math.floor(window.col_off) - right
    bottom = math.ceil(window.row_off + window.height) + down
    end = math.ceil(window.col_off + window.width) + right
    top, left = max(top, 0), max(left, 0)
    if bottom <= top or end <= left:
        return None
    return Window.between(top, bottom, left, end).intersection(whole)


@contextmanager
def _twin(
    profile: SceneProfile, area: Window | None, bands: tuple[int, ...] | None, fill: Fill
) -> Iterator[DatasetReader]:
    """Yield a GeoTIFF in memory that holds a scene's pixels in one area and nothing elsewhere."""
    chosen = range(profile.count) if bands is None else bands
    nodata = [profile.nodata[band] for band in chosen]
    with gdal_config(), scene_errors("read", "the scene"), MemoryFile() as file:
        with file.open(
            driver="GTiff", width=profile.width, height=profile.height, count=len(nodata),
            dtype=profile.dtype, nodata=_storable(nodata[0], profile.dtype), tiled=True, blockxsize=_BLOCK,
            blockysize=_BLOCK, SPARSE_OK=True, BIGTIFF="YES",
            transform=profile.transform,
            crs=None if profile.crs_wkt is None else crs_object(profile.crs_wkt),
        ) as dataset:  # fmt: skip
            if bands is None and profile.has_alpha:
                dataset.colorinterp = [_plain(name) for name in profile.colorinterp]
            if area is not None:
                pixels, mask = fill(area, bands)
                place = windows.Window(area.col_off, area.row_off, area.width, area.height)
                dataset.write(pixels, window=place)
                if mask is not None:
                    dataset.write_mask(mask, window=place)
        with file.open() as dataset:
            yield dataset


def _plain(name: str) -> ColorInterp:
    # a palette would need its colours, which change no pixel
    return ColorInterp.gray if name == "palette" else ColorInterp[name]


def _storable(value: float | int | None, dtype: str) -> float | int | None:
    """Return a nodata value that marks something; rasterio refuses one outside the sample type."""
    kind = np.dtype(dtype)
    if value is None or kind.kind not in "iu":
        return value
    limits = np.iinfo(kind)
    return value if limits.min <= value <= limits.max else None


class Samples:
    """A dataset read cell by cell, for samples at many places."""

    def __init__(self, dataset: Any, cell: int) -> None:  # noqa: ANN401 - whatever has rasterio's methods
        """Wrap a dataset; ``cell`` is the side of what is read and kept at once (px)."""
        self._dataset, self._cell = dataset, cell
        self._held: dict[tuple[int, int], Pixels] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return what the dataset has."""
        return getattr(self._dataset, name)

    def read(self, indexes: list[int], *, window: windows.Window, masked: bool) -> Pixels:
        """Return one pixel (bands, 1, 1), as rasterio's own reader of samples asks for it."""
        row, col = int(window.row_off), int(window.col_off)
        key = row // self._cell, col // self._cell
        if key not in self._held:
            if len(self._held) >= 16:
                self._held.pop(next(iter(self._held)))
            area = Window.between(
                key[0] * self._cell,
                min((key[0] + 1) * self._cell, self._dataset.height),
                key[1] * self._cell,
                min((key[1] + 1) * self._cell, self._dataset.width),
            )
            self._held[key] = self._dataset.read(indexes, window=area, masked=masked)
        top, left = row - key[0] * self._cell, col - key[1] * self._cell
        return self._held[key][:, top : top + 1, left : left + 1]


def samples(
    dataset: Any,  # noqa: ANN401
    places: Any,  # noqa: ANN401
    indexes: Numbers,
    masked: bool,
    cell: int,
) -> Iterator[Pixels]:
    """Yield samples (bands) at pairs of coordinates, in order; see :func:`rasterio.sample.sample_gen`."""
    numbers = band_list(indexes, dataset.count)
    yield from rasterio.sample.sample_gen(Samples(dataset, cell), places, numbers, masked)


def bounds_of(profile: SceneProfile) -> Bounds:
    """Return left, bottom, right and top as rasterio's BoundingBox, of a rotated scene its box."""
    a, b, c, d, e, f = tuple(profile.transform)[:6]
    if not (b or d):
        return Bounds(c, f + e * profile.height, c + a * profile.width, f)
    corners = [profile.transform * (x, y) for x in (0, profile.width) for y in (0, profile.height)]
    xs, ys = zip(*corners, strict=True)
    return Bounds(min(xs), min(ys), max(xs), max(ys))


def place_of(transform: Affine, row: Any, col: Any, offset: str) -> tuple[Any, Any]:  # noqa: ANN401
    """Return x and y of pixels; see :func:`rasterio.transform.xy`."""
    x, y = xy(transform, row, col, offset=offset)
    return x, y


def pixel_of(transform: Affine, x: float, y: float, op: Any) -> tuple[int, int]:  # noqa: ANN401
    """Return row and column of a place; see :func:`rasterio.transform.rowcol`."""
    row, col = rowcol(transform, x, y, op=op)
    return int(row), int(col)


def window_of(transform: Affine, bounds: Sequence[float]) -> windows.Window:
    """Return the window between left, bottom, right and top; see :func:`rasterio.windows.from_bounds`."""
    try:
        return windows.from_bounds(*bounds, transform=guard_transform(transform))
    except WindowError as error:
        raise UsageError(f"left, bottom, right, top {tuple(bounds)}: {error}") from error


def window_place(transform: Affine, window: windows.Window) -> tuple[Affine, Bounds]:
    """Return the transform of a window, and its bounds."""
    return windows.transform(window, transform), Bounds(*windows.bounds(window, transform))


def block_windows(profile: SceneProfile, shape: tuple[int, int]) -> Iterator[tuple[tuple[int, int], Any]]:
    """Yield number (row, column) and rasterio window of each block of ``shape`` (rows, columns)."""
    for row, top in enumerate(range(0, profile.height, shape[0])):
        for col, left in enumerate(range(0, profile.width, shape[1])):
            height, width = min(shape[0], profile.height - top), min(shape[1], profile.width - left)
            yield (row, col), windows.Window(left, top, width, height)


def colours_of(snapshot: MetadataSnapshot) -> tuple[Any, ...]:
    """Return colour interpretations as rasterio's."""
    return tuple(ColorInterp[name] for name in snapshot.colorinterp)


def mask_flags_of(snapshot: MetadataSnapshot) -> tuple[list[Any], ...]:
    """Return what masks each band, as rasterio's flags."""
    return tuple([MaskFlags[name] for name in flags] for flags in snapshot.mask_flags)


def crs_of(definition: str | None) -> Any:  # noqa: ANN401 - rasterio's
    """Return a snapshot's reference system as rasterio's CRS; None without one that is known."""
    wkt = wkt_of(definition)
    return None if wkt is None else crs_object(wkt)


def gcps_of(snapshot: MetadataSnapshot) -> tuple[list[Any], Any]:
    """Return ground control points as rasterio's, and their reference system."""
    points = [GroundControlPoint(p.row, p.col, p.x, p.y, p.z, id=p.id, info=p.info) for p in snapshot.gcps]
    return points, crs_of(snapshot.gcp_crs)


def rpcs_of(snapshot: MetadataSnapshot) -> Any:  # noqa: ANN401
    """Return rational polynomial coefficients as rasterio's; None without."""
    return None if snapshot.rpcs is None else RPC.from_gdal(dict(snapshot.rpcs))
