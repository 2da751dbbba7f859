"""The pixel rectangle every room speaks about, and the tiles a scene is cut into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rsic_geo.errors import GridError


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rectangle of pixels counted from the upper left corner of a scene.

    A window never starts above or left of the scene and is never empty. Whether it ends inside the
    scene is known only to whoever made it: :meth:`intersection` with :meth:`full` clips it.

    Raises:
        GridError: when an offset is negative or a side is shorter than 1 px.
    """

    row_off: int
    """Rows above the window (px)."""
    col_off: int
    """Columns left of the window (px)."""
    height: int
    """Rows in the window (px), at least 1."""
    width: int
    """Columns in the window (px), at least 1."""

    def __post_init__(self) -> None:
        """Refuse what is no rectangle of pixels."""
        if self.row_off < 0 or self.col_off < 0 or self.height < 1 or self.width < 1:
            raise GridError(
                f"not a pixel rectangle: {self.height} rows from {self.row_off}, {self.width} columns from"
                f" {self.col_off} (sides must be at least 1, offsets at least 0)"
            )

    @classmethod
    def full(cls, height: int, width: int) -> Window:
        """Return the window of a whole scene of ``height`` rows and ``width`` columns."""
        return cls(row_off=0, col_off=0, height=height, width=width)

    @classmethod
    def between(cls, row_off: int, row_stop: int, col_off: int, col_stop: int) -> Window:
        """Return the window of rows ``row_off`` to before ``row_stop``, columns likewise."""
        return cls(row_off=row_off, col_off=col_off, height=row_stop - row_off, width=col_stop - col_off)

    @property
    def row_stop(self) -> int:
        """First row below the window."""
        return self.row_off + self.height

    @property
    def col_stop(self) -> int:
        """First column right of the window."""
        return self.col_off + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row slice and column slice, for ``array[..., *slices]`` of a whole-scene array."""
        return slice(self.row_off, self.row_stop), slice(self.col_off, self.col_stop)

    @property
    def pixel_count(self) -> int:
        """Pixels in the window, one band."""
        return self.height * self.width

    def shifted(self, drow: int, dcol: int) -> Window:
        """Return the window moved down by ``drow`` and right by ``dcol`` px (either may be negative).

        Raises:
            GridError: when the moved window would start above or left of the scene.
        """
        return Window(
            row_off=self.row_off + drow, col_off=self.col_off + dcol, height=self.height, width=self.width
        )

    def within(self, outer: Window) -> Window:
        """Return this window counted from the corner of ``outer``, which must contain it.

        Raises:
            GridError: when ``outer`` does not contain this window.
        """
        if not outer.contains(self):
            raise GridError(f"{self} does not lie inside {outer}")
        return self.shifted(-outer.row_off, -outer.col_off)

    def contains(self, other: Window) -> bool:
        """Say whether every pixel of ``other`` is a pixel of this window."""
        return (
            self.row_off <= other.row_off
            and self.col_off <= other.col_off
            and other.row_stop <= self.row_stop
            and other.col_stop <= self.col_stop
        )

    def intersection(self, other: Window) -> Window | None:
        """Return the pixels both windows share, or None when there are none."""
        row_off, row_stop = max(self.row_off, other.row_off), min(self.row_stop, other.row_stop)
        col_off, col_stop = max(self.col_off, other.col_off), min(self.col_stop, other.col_stop)
        if row_off >= row_stop or col_off >= col_stop:
            return None
        return Window.between(row_off, row_stop, col_off, col_stop)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TileIndex:
    """Where a tile lies in its grid. Sorts row by row."""

    row: int
    """Tiles above this one."""
    col: int
    """Tiles left of this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileGrid:
    """Square tiles laid from the upper left corner of a scene.

    The *cores* of the tiles are disjoint and together are the scene; the last row and column of tiles
    may be smaller. The *padded window* of a tile is its core and ``halo`` px around it, as far as the
    scene reaches. Iterating yields the tile indices row by row.

    Raises:
        GridError: when a side or the tile size is shorter than 1 px, or the halo is negative; and from
            every method that is given an index or pixel outside the grid.
    """

    height: int
    """Rows of the scene (px)."""
    width: int
    """Columns of the scene (px)."""
    tile_size: int
    """Side of a core (px)."""
    halo: int = 0
    """Margin around a core (px)."""

    def __post_init__(self) -> None:
        """Refuse empty scenes, empty tiles and negative margins."""
        if self.height < 1 or self.width < 1:
            raise GridError(f"a scene of {self.height} rows and {self.width} columns has no pixels")
        if self.tile_size < 1 or self.halo < 0:
            raise GridError(
                f"tile size {self.tile_size} px, halo {self.halo} px: give at least 1 px and at least 0 px"
            )

    @property
    def rows(self) -> int:
        """Tiles from top to bottom."""
        return -(-self.height // self.tile_size)

    @property
    def cols(self) -> int:
        """Tiles from left to right."""
        return -(-self.width // self.tile_size)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return self.rows * self.cols

    def __iter__(self) -> Iterator[TileIndex]:
        """Yield every tile index, row by row."""
        return (TileIndex(row=row, col=col) for row in range(self.rows) for col in range(self.cols))

    def core(self, index: TileIndex) -> Window:
        """Return the pixels that belong to this tile and to no other."""
        self._check(index)
        return self._window(index, 0)

    def padded(self, index: TileIndex) -> Window:
        """Return the core and the halo around it, clipped to the scene."""
        self._check(index)
        return self._window(index, self.halo)

    def index_number(self, index: TileIndex) -> int:
        """Return the place of a tile in row-by-row order, from 0 (the tile number in JPEG 2000)."""
        self._check(index)
        return index.row * self.cols + index.col

    def tile_number(self, number: int) -> TileIndex:
        """Return the tile at place ``number`` of the row-by-row order."""
        if not 0 <= number < len(self):
            raise GridError(f"tile number {number} is outside 0..{len(self) - 1}")
        return TileIndex(row=number // self.cols, col=number % self.cols)

    def tile_at(self, row: int, col: int) -> TileIndex:
        """Return the tile whose core holds the pixel at ``row``, ``col`` of the scene."""
        if not (0 <= row < self.height and 0 <= col < self.width):
            raise GridError(
                f"pixel row {row}, column {col} is outside {self.height} rows x {self.width} columns"
            )
        return TileIndex(row=row // self.tile_size, col=col // self.tile_size)

    def tiles_touching(self, window: Window) -> list[TileIndex]:
        """Return the tiles whose core shares a pixel with ``window``, row by row.

        The part of the window outside the scene is ignored; a window wholly outside touches no tile.
        """
        return list(map(self.tile_number, self.numbers_touching(window)))

    def numbers_touching(self, window: Window) -> list[int]:
        """Return the numbers of the tiles that :meth:`tiles_touching` returns."""
        if window.row_off >= self.height or window.col_off >= self.width:
            return []
        size, across = self.tile_size, self.cols
        rows = range(window.row_off // size, -(-min(window.row_stop, self.height) // size))
        cols = range(window.col_off // size, -(-min(window.col_stop, self.width) // size))
        return [row * across + col for row in rows for col in cols]

    def row_band(self, row: int) -> Window:
        """Return the full-width window of the cores of tile row ``row``."""
        self._check(TileIndex(row=row, col=0))
        top = row * self.tile_size
        return Window.between(top, min(top + self.tile_size, self.height), 0, self.width)

    def _window(self, index: TileIndex, margin: int) -> Window:
        """Return the core widened by ``margin`` px, clipped to the scene."""
        top, left = index.row * self.tile_size, index.col * self.tile_size
        return Window.between(
            max(top - margin, 0),
            min(top + self.tile_size + margin, self.height),
            max(left - margin, 0),
            min(left + self.tile_size + margin, self.width),
        )

    def _check(self, index: TileIndex) -> None:
        """Refuse a tile that is not in the grid."""
        if not (0 <= index.row < self.rows and 0 <= index.col < self.cols):
            raise GridError(
                f"tile {index.row}, {index.col} is outside a grid of {self.rows} x {self.cols} tiles"
            )
