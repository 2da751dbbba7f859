"""Enhanced cells kept for the next window: who pans over an archive pays for what is new in view."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import RsicGeoError, UsageError
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window

Pixels = NDArray[Any]


class CellCache:
    """The cells of one scene that were used last. Threads may share it."""

    def __init__(self, mib: int, profile: SceneProfile) -> None:
        """Hold at most so many MiB of the cells of a scene. Raises UsageError for no such number."""
        if not isinstance(mib, int | np.integer) or mib < 0:
            raise UsageError(f"cache_mib={mib!r} is no whole number of MiB; 0 keeps nothing")
        self._most, self._held = mib << 20, 0
        self._shape = profile.height, profile.width
        self._cell_bytes = CELL * CELL * profile.count * np.dtype(profile.dtype).itemsize
        self._lock = threading.Lock()
        self._cells: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._last: tuple[Window, Pixels] | None = None
        """The last window that was looked at for the first time."""

    def read(self, area: Window, make: Callable[[Window], Pixels]) -> Pixels:
        """Return the pixels (bands, h, w) of a window inside the scene, for the caller to change.

        Args:
            area: what is wanted.
            make: makes any window: ``area`` itself where nothing near was looked at before, its cells would
                push out most of what is held or cannot be made, else the whole cells around what is missing.
        """
        rows = range(area.row_off // CELL, (area.row_stop - 1) // CELL + 1)
        cols = range(area.col_off // CELL, (area.col_stop - 1) // CELL + 1)
        places = [(row, col) for row in rows for col in cols]
        if self._cell_bytes * len(places) > self._most // 2:
            return make(area)
        with self._lock:
            found = {place: self._held_cell(place) for place in places}
            look = self._last
        missing = [place for place in places if found[place] is None]
        if look is not None and look[0].contains(area):
            return look[1][(slice(None), *area.within(look[0]).slices)].copy()
        if len(missing) == len(places) and (look is None or look[0].intersection(area) is None):
            # Whole cells would cost who reads windows here and there, and never the same, twice as much.
            made = make(area)
            with self._lock:
                self._last = (area, made.copy()) if self._most else None
            for place in places:
                if area.contains(self._cell(place)):
                    self._keep(place, made[(slice(None), *self._cell(place).within(area).slices)].copy())
            return made
        if missing:
            tops, lefts = zip(*missing, strict=True)
            first, last = self._cell((min(tops), min(lefts))), self._cell((max(tops), max(lefts)))
            around = Window.between(first.row_off, last.row_stop, first.col_off, last.col_stop)
            try:
                made = make(around)
            except RsicGeoError:  # cells reach farther than the window, perhaps into a damaged tile
                return make(area)
            for place in missing:
                inside = self._cell(place).within(around)
                found[place] = self._keep(place, made[(slice(None), *inside.slices)].copy())
        out: Pixels | None = None
        for place, pixels in found.items():
            assert pixels is not None
            cell = self._cell(place)
            part = cell.intersection(area)
            assert part is not None
            if out is None:
                out = np.empty((len(pixels), area.height, area.width), pixels.dtype)
            out[(slice(None), *part.within(area).slices)] = pixels[(slice(None), *part.within(cell).slices)]
        assert out is not None
        return out

    def forget(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            self._most, self._held, self._last = 0, 0, None
            self._cells.clear()

    def _held_cell(self, place: tuple[int, int]) -> Pixels | None:
        if place in self._cells:
            self._cells.move_to_end(place)
        return self._cells.get(place)

    def _cell(self, place: tuple[int, int]) -> Window:
        top, left = (number * CELL for number in place)
        height, width = self._shape
        return Window.between(top, min(top + CELL, height), left, min(left + CELL, width))

    def _keep(self, place: tuple[int, int], pixels: Pixels) -> Pixels:
        with self._lock:
            before = self._cells.pop(place, None)  # another thread made it meanwhile
            self._held += pixels.nbytes - (0 if before is None else before.nbytes)
            self._cells[place] = pixels
            spare = self._most - (0 if self._last is None else self._last[1].nbytes)
            while self._held > spare:
                self._held -= self._cells.popitem(last=False)[1].nbytes
        return pixels
