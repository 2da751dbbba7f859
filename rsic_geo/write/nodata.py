"""How a lossless archive keeps nodata: in the samples, or as a plane beside filled ones. Measured, by trial.

A jump to the nodata value and back costs bits along every border, a plane costs bits of its own, and which
weighs more differs from scene to scene. So pieces with borders in them decide.
Other programs see the plane as the mask beside the archive; where no sidecar is wanted, nodata stays inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.jpeg2000 import J2KParams, encode_tile
from rsic_geo.geo.planes import pack_plane
from rsic_geo.geo.validity import fill_invalid
from rsic_geo.geo.window import Window
from rsic_geo.scenes.protocol import Scene
from rsic_geo.write.spectral import Transform

TRIAL_SIDE = 512
"""Side of the pieces tried (px)."""
_PIECES = 3


def nodata_apart_pays(reader: Scene, valid: NDArray[np.bool_], *, transform: Transform) -> bool:
    """Return whether a lossless archive is smaller with nodata in planes of their own.

    Never where samples that hold no data differ from the nodata value, since they would not come back.
    For the arguments see :func:`nodata_sizes`.
    """
    profile = reader.profile
    # A mask covers samples of any value, and shows others those that hold nodata; a palette's numbers cannot
    # be filled in between.
    has_mask = profile.has_mask or profile.has_band_masks
    if not profile.has_nodata or has_mask or "palette" in profile.colorinterp:
        return False
    inside, apart = nodata_sizes(reader, valid, transform=transform)
    return apart < inside


def nodata_sizes(reader: Scene, valid: NDArray[np.bool_], *, transform: Transform) -> tuple[int, int]:
    """Return the bytes of a scene's pieces with most border, nodata in the samples and in planes.

    Args:
        reader: the scene.
        valid: where it holds data, decimated (h, w); tells where to look.
        transform: what decorrelates bands.
    """
    profile = reader.profile
    inside = apart = 0
    params, spectral = J2KParams(lossless=True, mct=transform.mct), transform.spectral

    def cost(pixels: NDArray[Any]) -> int:
        return len(encode_tile(pixels if spectral is None else spectral.forward(pixels), params))

    for window in _pieces(valid, profile.height, profile.width):
        pixels = reader.read(window)
        keep = reader.read_valid(window, pixels)
        if keep.all() or not keep.any():
            continue
        same = (keep == keep[:1]).all()
        inside += cost(pixels)
        apart += cost(fill_invalid(pixels, keep))
        # Stored twice: in our box, and for others in the mask beside the archive, which is no smaller.
        apart += 2 * len(pack_plane(keep[:1] if same else keep))
    return inside, apart


def _pieces(valid: NDArray[np.bool_], height: int, width: int) -> list[Window]:
    """Return the windows with most border between data and none, at most three."""
    down, across = height / valid.shape[0], width / valid.shape[1]
    border = np.zeros(valid.shape, bool)
    border[1:] |= valid[1:] != valid[:-1]
    border[:, 1:] |= valid[:, 1:] != valid[:, :-1]
    found = []
    for top in range(0, height, TRIAL_SIDE):
        for left in range(0, width, TRIAL_SIDE):
            rows = slice(int(top / down), int((top + TRIAL_SIDE) / down) + 1)
            columns = slice(int(left / across), int((left + TRIAL_SIDE) / across) + 1)
            found.append((-int(border[rows, columns].sum()), top, left))
    return [
        Window(
            row_off=top,
            col_off=left,
            height=min(TRIAL_SIDE, height - top),
            width=min(TRIAL_SIDE, width - left),
        )
        for _, top, left in sorted(found)[:_PIECES]
    ]
