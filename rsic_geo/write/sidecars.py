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
from rsic_geo.raster import metadata_missing, needs_pam_sidecar, write_mask_sidecar, write_pam_sidecar
from rsic_geo.scenes.components import Spectral, vrt_made_by, vrt_of
from rsic_geo.scenes.planes import Planes
from rsic_geo.scenes.quantised import Affinity, Steps
from rsic_geo.scenes.relative import RelativeSteps
from rsic_geo.write.coded import CodedScene


def sidecars_wanted(path: Path, coded: CodedScene, options: EncodeOptions) -> tuple[str, ...]:
    """Return the suffixes of the sidecars that :func:`write_for_others` will write beside an archive.

    Args:
        path: the archive, finished but for our own box, without sidecars.
        coded: what its tiles are.
        options: ``sidecar`` says whether any are wanted.
    """
    if options.sidecar == "never":
        return ()
    shown = as_stored(coded.plan.snapshot, coded.plan.scaling, has_mask=_needs_mask(coded))
    has_pam = options.sidecar == "require" or needs_pam_sidecar(path, shown)
    vrt = () if vrt_made_by(coded.plan.spectral, coded.plan.coded_as) is None else (".vrt",)
    return ((".aux.xml",) if has_pam else ()) + ((".msk",) if _needs_mask(coded) else ()) + vrt


def write_for_others(path: Path, name: str, coded: CodedScene, options: EncodeOptions) -> list[str]:
    """Write the sidecars of a finished archive as far as they are wanted; return what others miss.

    Args:
        path: the archive.
        name: what it will be called.
        coded: what its tiles are.
        options: ``sidecar`` says whether any are wanted.

    Returns:
        One text for each piece of metadata that a reader of the file and its sidecars does not find.
    """
    plan, needs_mask = coded.plan, _needs_mask(coded)
    has_mask = needs_mask and options.sidecar != "never"
    shown = as_stored(plan.snapshot, plan.scaling, has_mask=has_mask)
    if options.sidecar == "never":
        missing = metadata_missing(path, shown)
    else:
        if needs_mask:
            shape = (plan.profile.count, plan.profile.height, plan.profile.width)
            write_mask_sidecar(path, shape, _mask_rows(coded))
        missing = write_pam_sidecar(path, shown, everything=options.sidecar == "require")
    found = [str(difference) for difference in missing]
    if (made_by := vrt_made_by(plan.spectral, plan.coded_as)) is not None:
        parts = "steps, not values" if isinstance(made_by, RelativeSteps) else "components"
        if options.sidecar == "never":
            found.append(f"the bands: they see {parts} of them")
        else:
            bands = as_values(plan.snapshot, plan.coded_as, has_mask=has_mask)
            vrt = path.with_name(path.name + ".vrt")
            vrt.write_bytes(vrt_of(name, bands, made_by, has_mask=has_mask))
            found.append(f"the bands, if they open the file and not the .vrt beside it: they see {parts}")
    if any(kind == "alpha" for _, kind in coded.planes):
        found.append("alpha to the count: they see what the codec left of it")
    if not any(kind == "valid" for _, kind in coded.planes):
        return found
    if plan.profile.has_mask and plan.coded_as is None:
        found.append("nodata values where the mask shows the scene: they see filled samples there")
    elif plan.nodata_apart and plan.coded_as is None:  # the scene is exact to us, and to who reads the mask
        found.append("nodata, if they read no .msk beside a file: they see filled samples")
    if _differs_by_band(coded):
        found.append("nodata that only some bands have in a place")
    return found


def _needs_mask(coded: CodedScene) -> bool:
    return bool({kind for _, kind in coded.planes} & {"mask", "valid"})


def as_stored(
    snapshot: MetadataSnapshot, affinity: Steps | Spectral | None, *, has_mask: bool
) -> MetadataSnapshot:
    """Return the metadata of what is stored: of a quantised scene steps, and the scale that undoes them.

    Args:
        snapshot: metadata of the scene.
        affinity: how its samples became those of the file, if they did.
        has_mask: whether a mask lies beside the archive: one of all bands, before any nodata value.
    """
    if has_mask:
        snapshot = replace(snapshot, mask_flags=(("per_dataset",),) * snapshot.count)
    if affinity is None:
        return snapshot
    if not isinstance(affinity, Affinity):  # no scale undoes it, and nodata is not among it
        nothing = (None,) * snapshot.count
        stored = replace(
            snapshot.without_nodata_values(),
            nodata=nothing,
            scales=(1.0,) * snapshot.count,
            offsets=(0.0,) * snapshot.count,
            units=nothing,
            bits=nothing,
        ).without_statistics()
        if isinstance(affinity, RelativeSteps):
            return replace(stored, dtypes=(affinity.stored,) * snapshot.count)
        return replace(
            stored,
            dtypes=("int16",) * snapshot.count,
            mask_flags=snapshot.mask_flags if has_mask else (("all_valid",),) * snapshot.count,
            descriptions=tuple(f"component {n}" for n in range(1, snapshot.count + 1)),
            colorinterp=("undefined",) * snapshot.count,
        )
    own = list(zip(snapshot.scales, snapshot.offsets, strict=True))
    steps = list(zip(affinity.scale, affinity.offset, strict=True))
    return replace(
        snapshot.without_nodata_values(),
        dtypes=(affinity.stored,) * snapshot.count,
        nodata=(None,) * snapshot.count,  # no step says it: the mask does
        scales=tuple(scale * step for (scale, _), (step, _) in zip(own, steps, strict=True)),
        offsets=tuple(scale * low + offset for (scale, offset), (_, low) in zip(own, steps, strict=True)),
    ).without_statistics()


def as_values(snapshot: MetadataSnapshot, steps: Steps | None, *, has_mask: bool) -> MetadataSnapshot:
    """Return the metadata of what the VRT beside an archive shows: values, or steps with their scale."""
    told = None if isinstance(steps, RelativeSteps) else steps
    return as_stored(snapshot, told, has_mask=has_mask)


def _planes(coded: CodedScene) -> Planes:
    plan = coded.plan
    return Planes(coded.planes, plan.grid, dtype=plan.profile.dtype, bands=plan.profile.count)


def _mask_rows(coded: CodedScene) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Yield windows of one row of tiles each, and where the scene holds data in them, 255 = it does."""
    grid, planes = coded.plan.grid, _planes(coded)
    for top in range(0, grid.height, grid.tile_size):
        height = min(grid.tile_size, grid.height - top)
        window = Window(row_off=top, col_off=0, height=height, width=grid.width)
        yield window, planes.for_others(window, is_quantised=coded.plan.coded_as is not None)


def _differs_by_band(coded: CodedScene) -> bool:
    """Return whether some tile stores a plane of validity for each band."""
    return any(packed[:1] > b"\x01" for (_, kind), packed in coded.planes.items() if kind == "valid")
