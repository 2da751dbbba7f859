"""What programs that know nothing of rsic_geo find in and beside a JP2 archive, and what they miss.

The codestream holds filled pixels where the scene has none, and steps where the scene has floats; our box
puts both right, and others do not read it. They read GDAL's sidecars: a mask (``.msk``), and scale, offset
and the like (``.aux.xml``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions
from rsic_geo.raster import metadata_missing, write_mask_sidecar, write_pam_sidecar
from rsic_geo.scenes.planes import Planes
from rsic_geo.write.coded import CodedScene


def write_for_others(path: Path, coded: CodedScene, options: EncodeOptions) -> list[str]:
    """Write the sidecars of a finished archive as far as they are wanted; return what others miss.

    Args:
        path: the archive.
        coded: what its tiles are.
        options: ``sidecar`` says whether any are wanted.

    Returns:
        One text for each piece of metadata that a reader of the file and its sidecars does not find.
    """
    plan = coded.plan
    kinds = {kind for _, kind in coded.planes}
    needs_mask = bool(kinds & {"mask", "valid"})
    shown = _as_stored(coded)
    if options.sidecar == "never":
        missing = metadata_missing(path, shown)
    else:
        if needs_mask:
            shape = (plan.profile.count, plan.profile.height, plan.profile.width)
            write_mask_sidecar(path, shape, _mask_rows(coded))
            # A mask of the whole scene comes before any nodata value.
            shown = replace(shown, mask_flags=(("per_dataset",),) * shown.count)
        missing = write_pam_sidecar(path, shown, everything=options.sidecar == "require")
    found = [str(difference) for difference in missing]
    if needs_mask and _differs_by_band(coded):
        found.append("nodata that only some bands have in a place")
    return found


def _as_stored(coded: CodedScene) -> MetadataSnapshot:
    """Return the metadata of what is stored: of a quantised scene steps, and the scale that undoes them."""
    snapshot, affinity = coded.plan.snapshot, coded.plan.coded_as
    if affinity is None:
        return snapshot
    own = list(zip(snapshot.scales, snapshot.offsets, strict=True))
    steps = list(zip(affinity.scale, affinity.offset, strict=True))
    return replace(
        snapshot.without_nodata_values(),
        dtypes=(affinity.stored,) * snapshot.count,
        nodata=(None,) * snapshot.count,  # no step says it: the mask does
        scales=tuple(scale * step for (scale, _), (step, _) in zip(own, steps, strict=True)),
        offsets=tuple(scale * low + offset for (scale, offset), (_, low) in zip(own, steps, strict=True)),
    ).without_statistics()


def _planes(coded: CodedScene) -> Planes:
    plan = coded.plan
    return Planes(coded.planes, plan.grid, dtype=plan.profile.dtype, bands=plan.profile.count)


def _mask_rows(coded: CodedScene) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Yield windows of one row of tiles each, and where the scene holds data in them, 255 = it does."""
    grid, planes = coded.plan.grid, _planes(coded)
    for top in range(0, grid.height, grid.tile_size):
        height = min(grid.tile_size, grid.height - top)
        window = Window(row_off=top, col_off=0, height=height, width=grid.width)
        keep = np.ones((height, grid.width), np.bool_)
        valid, mask = planes.valid(window, coded.plan.profile.count), planes.mask(window)
        if valid is not None:
            keep &= valid.any(axis=0)
        if mask is not None:
            keep &= mask != 0
        yield window, np.where(keep, np.uint8(255), np.uint8(0))


def _differs_by_band(coded: CodedScene) -> bool:
    """Return whether some tile stores a plane of validity for each band."""
    return any(packed[:1] > b"\x01" for (_, kind), packed in coded.planes.items() if kind == "valid")
