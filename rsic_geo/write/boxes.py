"""What the boxes of a JP2 archive say about a scene, for every GIS that knows nothing of rsic_geo."""

from __future__ import annotations

from rsic_geo.container import gml
from rsic_geo.container.header import Jp2Boxes, Jp2Layout
from rsic_geo.errors import UsageError
from rsic_geo.raster import degenerate_geotiff
from rsic_geo.raster.crs import epsg_and_axes
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
