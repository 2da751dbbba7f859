"""What programs that know nothing of rsic_geo find in and beside a JP2 archive, and what they miss.

Boxes tell them size, colours and place. The codestream holds filled pixels where the scene has none, and
steps where the scene has floats; our box puts both right, and others do not read it. They read GDAL's
sidecars: a mask (``.msk``), and scale, offset and the like (``.aux.xml``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container import gml
from rsic_geo.container.boxes import Jp2Boxes, Jp2Layout
from rsic_geo.errors import UsageError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions
from rsic_geo.raster import (
    degenerate_geotiff,
    metadata_missing,
    needs_pam_sidecar,
    write_mask_sidecar,
    write_pam_sidecar,
)
from rsic_geo.raster.crs import epsg_and_axes
from rsic_geo.scenes.components import Spectral, vrt_made_by, vrt_of
from rsic_geo.scenes.planes import Planes
from rsic_geo.scenes.quantised import Affinity, Steps
from rsic_geo.scenes.relative import RelativeSteps
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.plan import ScenePlan

_MAX_PALETTE = 256
_RGB = ("red", "green", "blue")


def layout_of(plan: ScenePlan) -> Jp2Layout:
    """Return size, type and colours of a planned scene."""
    names = tuple(name.lower() for name in plan.profile.colorinterp)
    palette = _palette(plan)
    colour: str = "grey"
    places: tuple[int, ...] = (_grey_band(names),)
    if palette is not None:
        colour, places = "palette", (0,)
    elif all(names.count(name) == 1 for name in _RGB):
        colour, places = "rgb", tuple(names.index(name) for name in _RGB)
    if plan.spectral is not None:  # components are no colours
        colour, places = "grey", (0,)
    alpha = next((band for band in plan.alpha_bands if plan.spectral is None and band not in places), None)
    return Jp2Layout(
        height=plan.profile.height,
        width=plan.profile.width,
        bands=plan.profile.count,
        dtype=plan.form.dtype.name if plan.spectral else plan.profile.dtype,
        tile_size=plan.grid.tile_size,
        colour=colour,
        colour_bands=places,
        alpha_band=alpha,
        is_premultiplied=plan.snapshot.is_premultiplied,
        bits=None if plan.spectral else plan.profile.sample_bits,
        palette=palette,
    )


def _grey_band(names: tuple[str, ...]) -> int:
    """Return the band shown in grey: the one called so, else the first that is no opacity."""
    if "gray" in names:
        return names.index("gray")
    return next((band for band, name in enumerate(names) if name != "alpha"), 0)


def _palette(plan: ScenePlan) -> tuple[tuple[int, int, int, int], ...] | None:
    """Return the colour table of a one-band scene as JP2 knows it, with gaps filled in black."""
    if plan.profile.count != 1 or plan.profile.dtype != "uint8":
        return None
    table = plan.snapshot.colormaps.get(1)
    if not table and plan.snapshot.is_min_white:
        most = (1 << (plan.profile.sample_bits or 8)) - 1
        greys = [255 * (most - value) // most for value in range(most + 1)]
        table = {value: (grey, grey, grey, 255) for value, grey in enumerate(greys)}
    if not table:
        return None
    entries = [tuple(table.get(value, (0, 0, 0, 255))) for value in range(min(max(table) + 1, _MAX_PALETTE))]
    return tuple((int(r), int(g), int(b), int(a)) for r, g, b, a in entries)


def boxes_of(plan: ScenePlan, georef: str = "both") -> Jp2Boxes:
    """Return the georeferencing boxes: GeoJP2 always, GMLJP2 where the system has an EPSG code.

    Args:
        plan: of the scene.
        georef: ``geojp2`` or ``gml`` for one of them alone.

    Raises:
        UsageError: GMLJP2 alone cannot say where the scene lies.
    """
    snapshot = plan.snapshot
    placed = snapshot.transform is not None or snapshot.gcps or snapshot.crs or snapshot.rpcs
    if not placed:
        return Jp2Boxes()
    document = None
    if snapshot.transform is not None and georef != "geojp2":
        epsg, swapped = epsg_and_axes(snapshot.crs)
        document = gml.gmljp2(snapshot.width, snapshot.height, snapshot.transform, epsg, axis_swapped=swapped)
    if georef != "gml":
        return Jp2Boxes(geotiff=degenerate_geotiff(snapshot), gml=document)
    if document is None or snapshot.gcps or snapshot.rpcs or not _is_straight(snapshot.transform):
        raise UsageError(
            "georef gml: GMLJP2 alone cannot place this scene (it needs a north-up grid in a system with "
            "an EPSG code): use geojp2 or both"
        )
    return Jp2Boxes(gml=document)


def _is_straight(transform: tuple[float, ...] | None) -> bool:
    return transform is not None and transform[1] == transform[3] == 0


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
