"""What rasterio tells of a dataset beside its pixels, of a scene or archive of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from affine import Affine
from numpy.typing import ArrayLike

from rsic_geo.errors import UsageError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster.doors import likeness
from rsic_geo.raster.doors.likeness import Bounds
from rsic_geo.scenes.archive import Archive

AnyWindow: TypeAlias = Any
"""A ``rsic_geo.Window``, a rasterio ``Window``, or ranges or slices of rows and columns."""


class Described:
    """Attributes and methods of rasterio's ``DatasetReader`` that read no pixels."""

    _archive: Archive
    mode = "r"
    """Handles are for reading."""

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
        return likeness.crs_of(self._archive.snapshot.crs)

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
