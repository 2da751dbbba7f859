"""What a page says of an archive beside its pixels, as plain values that JSON holds."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from rsic_geo.batch.export.markup import printable
from rsic_geo.raster.crs import axes_named
from rsic_geo.scenes.verdict import band_names
from rsic_geo.targets import numbered
from rsic_geo.verbs.info import info
from rsic_geo.view.scene import CUTS, DIFFERENCES, TILE, TITLES, SceneView


def described(view: SceneView) -> dict[str, Any]:
    """Return all that the page needs before its first tile."""
    p, look = view.profile, view.usual_look
    archive = view.sources["codec"]
    names = band_names(archive.snapshot.descriptions, p.count)
    place = archive.snapshot.transform
    is_whole = np.dtype(p.dtype).kind in "iu"
    return {
        "name": printable(os.path.basename(view.archive.rstrip("/")) or view.archive, 200),
        "width": p.width,
        "height": p.height,
        "tile": TILE,
        "levels": view.levels,
        "full_level": view.full_level,
        "layers": [
            {"id": layer, "title": _title(view, layer), "kind": _kind(layer)} for layer in view.layers
        ],
        "bands": [printable(name, 60) for name in names],
        "dtype": p.dtype,
        "look": {"bands": list(look.bands), "cut": look.cut, "scale": look.scale},
        "cuts": [cut for cut in CUTS if cut >= 0 or is_whole],
        "transform": None if place is None else list(place)[:6],
        "crs": None
        if archive.snapshot.crs is None
        else {key: printable(text, 200) for key, text in axes_named(archive.snapshot.crs).items()},
        "facts": [[label, printable(text)] for label, text in _facts(view)],
        "promises": [printable(text) for text in _promises(view)],
        "warnings": [printable(text) for each in view.sources.values() for text in each.warnings],
    }


def _title(view: SceneView, layer: str) -> str:
    return "As stored" if layer == "codec" and not view.sources["codec"].is_archive else TITLES[layer]


def _kind(layer: str) -> str:
    """Return which legend a layer has."""
    if layer == "strength":
        return "strength"
    if layer in ("distortion", "rmse"):
        return "error"
    return "difference" if layer in DIFFERENCES else "picture"


def _facts(view: SceneView) -> list[tuple[str, str]]:
    """Return sizes, rates and what was asked for."""
    found = info(view.archive)
    facts = [
        ("Archive", view.archive),
        ("Original", view.original or "not given: rsic view ARCHIVE ORIGINAL compares with it"),
        ("Size", f"{found['width']} × {found['height']} px, {found['bands']} × {found['dtype']}"),
    ]
    if "bytes" in found:
        facts += [
            ("Bytes", f"{found['bytes']:,}: {found['bpp']:.3f} bits per pixel of all bands"),
            ("Ratio", f"{found['ratio']:.2f} to 1 against the samples without compression"),
        ]
        if view.original and os.path.isfile(view.original):
            size = os.path.getsize(view.original)
            facts.append(("Original's bytes", f"{size:,}: {size / found['bytes']:.2f} times the archive's"))
    if found["archive"]:
        target = ", ".join(f"{kind}={value:g}" for kind, value in found["target"].items()) or "lossless"
        facts += [("Target", found["meaning"] or target), ("Codec", str(found["codec"].get("name", "")))]
    if found.get("model"):
        facts.append(("Repaired by", found["model"]["name"]))
    system = view.sources["codec"].snapshot.crs
    facts += [
        ("Nodata", ", ".join(sorted({"none" if each is None else str(each) for each in found["nodata"]}))),
        ("Reference system", axes_named(system)["name"] if system else "none"),
    ]
    return facts


def _promises(view: SceneView) -> list[str]:
    """Return what the format holds to, of this archive."""
    archive = view.sources["codec"]
    side = archive.side
    if side is None:
        return ["This is no archive of rsic: it is shown as it is stored, and nothing is promised."]
    said = ["Every tile's bytes are checked against their checksum before they are decoded."]
    if side.is_exact:
        return [*said, "Every sample is as it was in the original."]
    known = numbered()  # a later version may know more of them
    said += [
        row.promise.format(value)
        for kind, value in side.target.items()
        if (row := known.get(kind)) and row.promise
    ]
    if any(ends is not None for ends in side.limits):
        said.append("Samples stay within the least and greatest valid value of their band.")
    if archive.profile.has_nodata or archive.has_mask or archive.profile.has_alpha:
        said.append("Nodata, masks and alpha are those of the original, exactly.")
    if side.model is not None:
        share = float(np.mean(side.strengths > 0))
        said.append(
            f"Repair is on in {share:.0%} of the cells of 256 px, at a strength fitted against the original; "
            "where it did not help it is off."
        )
    return said
