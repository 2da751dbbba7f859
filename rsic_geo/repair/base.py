"""What an enhancer is, the units it works in, and the ones that do nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import GridError
from rsic_geo.geo.lattice import NODE
from rsic_geo.geo.window import Window
from rsic_geo.repair.units import Steps

ALIGN = NODE
"""Scenes are continued to multiples of this many px, and once more, before an enhancer sees their end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What an enhancer sees of a scene."""

    pixels: Steps
    """(1 or 3, h, w) decoded pixels of ``window`` in steps of 1/STEPS of each band's used range."""
    window: Window
    """Their place in the scene, as :meth:`Enhancer.view` asked for."""
    core: Window
    """Part of it that is to be corrected."""
    cells: NDArray[np.uint8]
    """Level bytes of these bands' distortion, of the whole scene (cell rows, cell columns)."""

    def check(self) -> None:
        """Raise GridError for shapes that do not belong together."""
        bands, *sides = self.pixels.shape if self.pixels.ndim == 3 else (0,)
        if bands not in (1, 3) or self.pixels.dtype != np.int16 or self.cells.ndim != 2:
            raise GridError(
                f"windows are (1 or 3, h, w) of int16, not {self.pixels.dtype} {self.pixels.shape}"
            )
        if (
            sides != [self.window.height, self.window.width]
            or self.core.intersection(self.window) != self.core
        ):
            raise GridError(f"pixels of {sides} are not those of {self.window}, or do not hold {self.core}")


class Enhancer(Protocol):
    """Predicts what to add to decoded pixels. Knows no scene, no file, no neighbouring window."""

    @property
    def name(self) -> str:
        """Name of the weights; empty for the identity."""

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the weights; empty for the identity."""

    @property
    def halo(self) -> int:
        """Largest margin (px) of what it has to see around what it corrects."""

    @property
    def proposals(self) -> int:
        """Corrections proposed for every band: the first stands alone, a filter may mix in the others."""

    @property
    def is_exact(self) -> bool:
        """Whether every machine, device and window gives the same bits."""

    def view(self, core: Window, bounds: Window) -> Window:
        """Return what has to be seen so that ``core`` is corrected as if all of ``bounds`` were seen.

        ``bounds``: the scene, continued below and right to where nothing more is seen of it; it begins at 0.
        Networks of integers keep this to the bit, others within one DN of 8 bits for 99.9 % of the pixels.
        """

    def correct(self, sight: Sight, seed: int = 0) -> Steps:
        """Return corrections of ``sight.core``: int16 (proposals * bands, h, w) in 1/FINE of the used range.

        Proposal after proposal, each with the bands of the pixels; the first is the one to use alone.
        ``seed``: of the scene; enhancers that begin with noise key it by this and the place in the scene.
        The same input gives the same result. May be called by several threads at once. Raises GridError for
        shapes that do not belong together.
        """


class IdentityEnhancer:
    """Corrects nothing."""

    name = ""
    sha256 = ""
    halo = 0
    proposals = 1
    is_exact = True

    def view(self, core: Window, bounds: Window) -> Window:
        """Return the core itself."""
        return core

    def correct(self, sight: Sight, seed: int = 0) -> Steps:
        """Return zeros."""
        return np.zeros((len(sight.pixels), sight.core.height, sight.core.width), np.int16)


LINEAR_FORMAT = "rsic-linear-1"
"""Format of weights files that ask for :class:`LinearEnhancer`."""


class LinearEnhancer(IdentityEnhancer):
    """Proposes nothing itself: all gain is that of the scene's adaptive filter."""

    def __init__(self, name: str, sha256: str) -> None:
        """Take the name and digest archives will record."""
        self.name, self.sha256 = name, sha256


def side_by_side(work: Callable[[int], None], items: Sequence[int], workers: int) -> None:
    """Do a piece of work for each item, in threads of Python's own; the first error is raised.

    For work that leaves Python's lock to others. One thread for a window beats several inside of one: a small
    network is all waiting there.
    """
    if min(workers, len(items)) <= 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(min(workers, len(items))) as pool:
        for _ in pool.map(work, items):
            pass


def bounds_of(height: int, width: int) -> Window:
    """Return a scene continued below and right, as enhancers see it: their result has no other edge there."""
    return Window.full(-(-height // ALIGN) * ALIGN + ALIGN, -(-width // ALIGN) * ALIGN + ALIGN)
