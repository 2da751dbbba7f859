"""What an enhancer is, and the one that does nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import GridError

ALIGN = 64
"""Windows begin and end on multiples of this many px of the scene, and distortion is given on it."""

Place = tuple[int, int]
"""Lattice row and column (units of 64 px, from the scene's origin)."""


class Enhancer(Protocol):
    """Predicts what to add to decoded pixels. Knows no scene, no file, no neighbouring window.

    Windows begin on the scene's 64 px lattice. No result depends on how large the window is, as far
    as pixels at least ``halo`` px inside it are concerned (within one DN of 8 bits for 99.9 % of them).
    """

    @property
    def name(self) -> str:
        """Name of the weights; empty for the identity."""

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the weights; empty for the identity."""

    @property
    def halo(self) -> int:
        """Margin in px a window needs around the pixels whose result is used; a multiple of ``align``."""

    @property
    def proposals(self) -> int:
        """Corrections proposed for every band: the first stands alone, a filter may mix in the others."""

    @property
    def align(self) -> int:
        """Window offsets, heights and widths are multiples of this many px."""

    def correct(
        self,
        x: NDArray[np.float32],
        sigma: NDArray[np.float32],
        *,
        origins: Sequence[Place] | None = None,
        seed: int = 0,
    ) -> NDArray[np.float32]:
        """Return corrections to add to ``x``: (n, proposals * bands, h, w), float32, finite.

        Proposal after proposal, each with the bands of ``x``; the first is the one to use alone.

        ``x``: (n, 1 or 3, h, w) decoded pixels in units of 0..1. ``sigma``: (n, h/64, w/64) RMSE of x in
        the same units at the lattice nodes. ``origins``: lattice row and column of each window's first
        node (default: all at the scene's origin), ``seed``: of the scene; enhancers that begin with noise
        key it by both, others ignore them. The same input gives the same result, and a window's result
        does not depend on the others in the batch. Raises GridError for other shapes.
        """


class IdentityEnhancer:
    """Corrects nothing."""

    name = ""
    sha256 = ""
    halo = 0
    align = ALIGN
    proposals = 1

    def correct(
        self,
        x: NDArray[np.float32],
        sigma: NDArray[np.float32],
        *,
        origins: Sequence[Place] | None = None,
        seed: int = 0,
    ) -> NDArray[np.float32]:
        """Return zeros."""
        check_windows(x, sigma, origins)
        return np.zeros(x.shape, dtype=np.float32)


LINEAR_FORMAT = "rsic-linear-1"
"""Format of weights files that ask for :class:`LinearEnhancer`."""


class LinearEnhancer(IdentityEnhancer):
    """Proposes nothing itself: all gain is that of the scene's adaptive filter. Needs no torch."""

    halo = ALIGN

    def __init__(self, name: str, sha256: str) -> None:
        """Take the name and digest archives will record."""
        self.name, self.sha256 = name, sha256


def side_by_side(work: Callable[[int], None], items: Sequence[int], workers: int) -> None:
    """Do a piece of work for each item, in threads of Python's own; the first error is raised.

    For work that leaves Python's lock to others. One thread for a window beats several inside of one: a small
    network is all waiting there, and its sums depend on how many took part.
    """
    if min(workers, len(items)) <= 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(min(workers, len(items))) as pool:
        for _ in pool.map(work, items):
            pass


def check_windows(
    x: NDArray[np.float32], sigma: NDArray[np.float32], origins: Sequence[Place] | None = None
) -> None:
    """Raise GridError unless the arguments have the shapes of :meth:`Enhancer.correct`."""
    sides = x.shape[2:]
    if x.ndim != 4 or x.shape[1] not in (1, 3) or 0 in sides or any(side % ALIGN for side in sides):
        raise GridError(f"windows are (n, 1 or 3, h, w) with sides in multiples of {ALIGN}, not {x.shape}")
    nodes = (x.shape[0], x.shape[2] // ALIGN, x.shape[3] // ALIGN)
    if sigma.shape != nodes:
        raise GridError(f"distortion must be given at {nodes} nodes, not {sigma.shape}")
    if origins is not None and len(origins) != x.shape[0]:
        raise GridError(f"{x.shape[0]} windows need as many origins, not {len(origins)}")
