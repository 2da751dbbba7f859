"""An integer network behind the Enhancer protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.lattice import level_field
from rsic_geo.geo.window import Window
from rsic_geo.repair.base import Sight
from rsic_geo.repair.integer.ends import fold, unfold
from rsic_geo.repair.integer.engines import Engine, choose_engine
from rsic_geo.repair.integer.graph import ALIGN, TABLE, IntegerNetwork
from rsic_geo.repair.integer.weights import unpack
from rsic_geo.repair.units import Steps
from rsic_geo.weights import WeightsFile


class IntegerEnhancer:
    """Networks of three bands and of one; the same bytes whatever the engine, windows and threads are."""

    is_exact = True

    def __init__(
        self,
        weights: WeightsFile,
        networks: list[IntegerNetwork],
        make: Callable[[IntegerNetwork], Engine],
    ) -> None:
        self.name, self.sha256 = weights.name, weights.sha256
        self.proposals = networks[0].proposals
        self.halo = max(_margin(network, ALIGN - 1) + 2 * network.mean_cell for network in networks)
        self._networks = {network.bands: network for network in networks}
        self._make = make
        self._engines: dict[int, Engine] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_weights(cls, weights: WeightsFile, *, device: str = "cpu") -> IntegerEnhancer:
        """Choose an engine for a weights file.

        Raises WeightsError if the file holds no integer networks, MissingDependencyError if no engine here
        computes them exactly.
        """
        networks, golden = unpack(weights.content, weights.spec, weights.name)
        return cls(weights, networks, choose_engine(networks, golden, device))

    @property
    def engine(self) -> str:
        """Name of the engine at work."""
        return self._engine(self._networks[3]).name

    def view(self, core: Window, bounds: Window) -> Window:
        """See :meth:`rsic_geo.repair.base.Enhancer.view`."""
        network = max(self._networks.values(), key=lambda one: one.reach(ALIGN - 1))
        inner = _inner(network, core, bounds)
        cell = network.mean_cell
        return Window.between(
            max(inner.row_off // cell * cell - cell, 0),
            min(-(-inner.row_stop // cell) * cell + cell, bounds.row_stop),
            max(inner.col_off // cell * cell - cell, 0),
            min(-(-inner.col_stop // cell) * cell + cell, bounds.col_stop),
        )

    def correct(self, sight: Sight, seed: int = 0) -> Steps:
        """See :meth:`rsic_geo.repair.base.Enhancer.correct`."""
        sight.check()
        network = self._networks[len(sight.pixels)]
        inner = _inner(network, sight.core, sight.window)
        index = _level_indexes(sight.cells, inner)
        part = inner.within(sight.window).slices
        y = self._engine(network).run(fold(network, sight.pixels, part, index))
        # the squares of 2 x 2 px that hold the core
        top, left = sight.core.row_off // 2 * 2, sight.core.col_off // 2 * 2
        wanted = Window.between(top, -(-sight.core.row_stop // 2) * 2, left, -(-sight.core.col_stop // 2) * 2)
        squares = tuple(slice(axis.start // 2, axis.stop // 2) for axis in wanted.within(inner).slices)
        out = unfold(network, y[(slice(None), *squares)], index[squares])
        return out[(slice(None), *sight.core.within(wanted).slices)]

    def _engine(self, network: IntegerNetwork) -> Engine:
        with self._lock:
            if network.bands not in self._engines:
                self._engines[network.bands] = self._make(network)
            return self._engines[network.bands]


def _level_indexes(cells: NDArray[np.uint8], window: Window) -> NDArray[np.intp]:
    """Return where in the tables every 2 x 2 px of a window look, shape (h/2, w/2).

    ``cells``: level bytes of one band group of the whole scene. ``window``: offsets and sides even.
    """
    field, unit = level_field(cells, window, 2)
    shift = unit.bit_length() - 1 - 3  # eighths of a level
    field += 1 << shift - 1
    field >>= shift
    return np.minimum(field, TABLE - 1).astype(np.intp)


def _margin(network: IntegerNetwork, beyond: int) -> int:
    """Return the margin (px) around squares that results up to ``beyond`` px outside of them need."""
    return -(-network.reach(beyond) // ALIGN) * ALIGN


def _inner(network: IntegerNetwork, core: Window, bounds: Window) -> Window:
    """Return what the network has to see so that ``core`` is as if it saw all of ``bounds``."""

    def before(first: int, least: int) -> int:
        square = -(-first // ALIGN) * ALIGN
        return max(square - _margin(network, square - first), least)

    def after(last: int, most: int) -> int:
        square = last // ALIGN * ALIGN
        return min(square + _margin(network, last - square), most)

    return Window.between(
        before(core.row_off, bounds.row_off), after(core.row_stop, bounds.row_stop),
        before(core.col_off, bounds.col_off), after(core.col_stop, bounds.col_stop),
    )  # fmt: skip
