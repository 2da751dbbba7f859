"""How a scene is cut into tiles, and which window of pixels each tile reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rsic_geo.errors import GridError
from rsic_geo.geo.window import Window


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
