"""The pixel rectangle every room speaks about."""

from __future__ import annotations

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
