"""Networks with weights that do something; enhancers shown windows of floats, and doubles that answer so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.lattice import NODE, level_from_rmse, sigma_lattice
from rsic_geo.geo.window import Window
from rsic_geo.repair.base import Enhancer, Sight
from rsic_geo.repair.units import FINE, STEPS, Steps
from rsic_geo.weights import WeightsFile

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = WeightsFile(name="busy", sha256="00", content=b"", metadata={})
Floats = NDArray[np.float32]


def stir(network: nn.Module) -> nn.Module:
    """Give random weights to every parameter that starts at zero."""
    for parameter in network.parameters():
        if not parameter.any():
            parameter.data.normal_(0.0, 0.05)
    return network


def steps(x: Floats) -> Steps:
    """Return pixels in units of 0..1 as an enhancer sees them."""
    return np.rint(x * STEPS).astype(np.int16)


def look(x: Floats, cells: NDArray[np.uint8] | float, row: int = 0, col: int = 0) -> Sight:
    """Return a window (bands, h, w), all of which is to be corrected; ``cells``: level bytes, or the RMSE."""
    window = Window(row_off=row, col_off=col, height=x.shape[1], width=x.shape[2])
    levels = np.full((9, 9), level_from_rmse(cells), np.uint8) if isinstance(cells, float) else cells
    return Sight(pixels=steps(x), window=window, core=window, cells=levels)


def corrected(enhancer: Enhancer, sight: Sight, seed: int = 0) -> Floats:
    """Return what an enhancer adds (proposals * bands, h, w), in units of 0..1."""
    return enhancer.correct(sight, seed).astype(np.float32) / FINE


class FloatDouble:
    """An enhancer that says what it proposes in floats: give it :meth:`propose`."""

    name, sha256, halo, proposals, is_exact = "double", "0" * 64, 64, 1, False

    def propose(self, x: Floats, sigma: Floats) -> Floats:
        """Return corrections (proposals * bands, h, w) of x (bands, h, w), told sigma (h/64, w/64)."""
        raise NotImplementedError

    def view(self, core: Window, bounds: Window) -> Window:
        """Return whole squares of the lattice and one around them."""
        return Window.between(
            max(core.row_off // NODE * NODE - NODE, 0),
            min(-(-core.row_stop // NODE) * NODE + NODE, bounds.row_stop),
            max(core.col_off // NODE * NODE - NODE, 0),
            min(-(-core.col_stop // NODE) * NODE + NODE, bounds.col_stop),
        )

    def correct(self, sight: Sight, seed: int = 0) -> Steps:
        """See `rsic_geo.repair.base.Enhancer.correct`."""
        sight.check()
        x = sight.pixels.astype(np.float32) / np.float32(STEPS)
        found = self.propose(x, sigma_lattice(sight.cells, sight.window))
        inner = found[(slice(None), *sight.core.within(sight.window).slices)]
        return np.clip(np.rint(inner * FINE), -32767, 32767).astype(np.int16)
