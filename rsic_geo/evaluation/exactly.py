"""Files without loss, or with an error that is bounded: ours beside those of other programs.

``rsic eval lossless SCENE...`` and ``rsic eval near-lossless SCENE...``. Other programs' files are GeoTIFFs
of GDAL's COG driver (without overviews) and, where ``imagecodecs`` is installed, JPEG-LS, JPEG XL and (of
three bands of bytes) WebP streams, which have no place on earth and no metadata. Every file of ours is
decoded, and its largest error counted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.registry import get_entry
from rsic_geo.errors import RsicGeoError
from rsic_geo.evaluation.imagery import find_scenes
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions
from rsic_geo.progress import Progress
from rsic_geo.raster import copy_as_cog, open_scene
from rsic_geo.scenes.archive import Archive
from rsic_geo.targets import Target
from rsic_geo.verbs.compress import compress

Pixels = NDArray[Any]
OURS: dict[str, dict[str, Any]] = {
    "rsic": {"codec": "jp2"},
    "rsic rotated": {"codec": "jp2", "spectral": "rotated"},
    "rsic cog": {"codec": "cog"},
}
"""How our archives are made, by the name they have in the tables."""
LOSSLESS_COGS = {
    "COG ZSTD": {"COMPRESS": "ZSTD", "LEVEL": "9", "PREDICTOR": "YES"},
    "COG LERC_ZSTD": {"COMPRESS": "LERC_ZSTD", "LEVEL": "9"},
}


def bytes_of(scene: str, targets: Sequence[Target], progress: Progress | None = None) -> dict[str, Any]:
    """Return the bytes of a scene's files by every way there is; None where a way cannot hold it.

    Args:
        scene: integers, or floats (which only other programs keep without loss).
        targets: lossless, largest errors in the units of the samples, or parts of them (ours alone).
        progress: told after each target.
    """
    talk = progress or Progress()
    with open_scene(scene) as reader:
        pixels = reader.read(Window.full(reader.profile.height, reader.profile.width))
        profile = reader.profile
        valid = reader.read_valid(Window.full(profile.height, profile.width), pixels)
    out: dict[str, Any] = {
        "scene": Path(scene).name,
        "pixels": profile.height * profile.width,
        "bands": profile.count,
        "dtype": profile.dtype,
        "rows": [],
    }
    with tempfile.TemporaryDirectory(prefix="rsic-eval-") as folder:
        for done, target in enumerate(targets, start=1):
            bound, is_part = target.value, target.is_relative
            row: dict[str, Any] = {"bound": f"{100 * bound:g}%" if is_part else bound}
            for name, how in OURS.items():
                row[name] = _ours(scene, target, Path(folder), how, (pixels, valid))
            out["rows"].append(row)
            talk.report(done / len(targets), f"{Path(scene).name}, {target}")
            if is_part:
                continue
            for name, options in LOSSLESS_COGS.items():
                if bound and "LERC" not in name:
                    continue
                asked = {**options, **({"MAX_Z_ERROR": f"{bound:g}"} if bound else {})}
                row[name] = _cog(scene, asked, Path(folder) / "peer.tif")
            row |= {name: way(pixels, bound) for name, way in _streams().items()}
    return out


def tables(scenes: Sequence[str], targets: Sequence[Target], progress: Progress) -> dict[str, Any]:
    """Return :func:`bytes_of` of every scene, folders searched."""
    found = find_scenes(list(scenes))
    return {
        "scenes": [
            bytes_of(str(scene), targets, progress.stage(n / len(found), (n + 1) / len(found)))
            for n, scene in enumerate(found)
        ]
    }


def _ours(
    scene: str, target: Target, folder: Path, how: dict[str, Any], truth: tuple[Pixels, NDArray[np.bool_]]
) -> int | None:
    """Return the bytes of our archive with its sidecars; AssertionError if it breaks its bound."""
    archive, (pixels, valid) = folder / f"ours{get_entry(how['codec']).suffixes[0]}", truth
    options = EncodeOptions(target=target, **how, model="none", overwrite=True, accept_loss=True)
    try:
        report = compress(scene, str(archive), options)
    except RsicGeoError:
        return None
    with Archive(str(archive)) as product:
        kind = np.complex128 if pixels.dtype.kind == "c" else np.float64
        found = product.read()[valid].astype(kind)
    keep = np.isfinite(pixels[valid])
    error = np.abs(found - pixels[valid])[keep]
    most = target.value * (np.abs(pixels[valid][keep]) if target.is_relative else 1.0)
    assert (error <= most).all(), f"{scene}: {target} is broken"
    entries = report.to_json()
    return int(entries["bytes"]) + int(entries["sidecar_bytes"])


def _cog(scene: str, options: dict[str, str], path: Path) -> int | None:
    try:
        copy_as_cog(scene, path, {**options, "OVERVIEWS": "NONE", "BLOCKSIZE": "1024"})
    except RsicGeoError:
        return None
    return path.stat().st_size


def _streams() -> dict[str, Callable[[Pixels, float], int | None]]:
    """Return the codecs of imagecodecs that are here, by name."""
    try:
        import imagecodecs
    except ImportError:
        return {}

    def jpegls(pixels: Pixels, bound: float) -> int | None:
        if pixels.dtype.kind not in "iu" or pixels.dtype.itemsize > 2:
            return None
        shifted = pixels.view(np.uint16) ^ 0x8000 if pixels.dtype == np.int16 else pixels
        return sum(len(imagecodecs.jpegls_encode(np.ascontiguousarray(b), level=int(bound))) for b in shifted)

    def jpegxl(pixels: Pixels, bound: float) -> int | None:
        if bound or pixels.dtype not in (np.uint8, np.uint16):
            return None
        image = np.ascontiguousarray(np.moveaxis(pixels[:3], 0, -1)) if len(pixels) == 3 else None
        if image is not None:
            return len(imagecodecs.jpegxl_encode(image, lossless=True, effort=7))
        return sum(
            len(imagecodecs.jpegxl_encode(np.ascontiguousarray(b), lossless=True, effort=7)) for b in pixels
        )

    def webp(pixels: Pixels, bound: float) -> int | None:
        if bound or pixels.dtype != np.uint8 or len(pixels) != 3:
            return None
        return len(imagecodecs.webp_encode(np.ascontiguousarray(np.moveaxis(pixels, 0, -1)), lossless=True))

    return {"JPEG-LS": jpegls, "JPEG XL": jpegxl, "WebP": webp}


def as_text(entries: dict[str, Any]) -> str:
    """Return a table: each way's bytes over ours without loss, or over the least there is for floats."""
    names = list(
        dict.fromkeys(name for s in entries["scenes"] for r in s["rows"] for name in r if name != "bound")
    )
    lines = [f"{'scene':<34}{'bound':>7}" + "".join(f"{name:>16}" for name in names)]
    for scene in entries["scenes"]:
        exact = next((row for row in scene["rows"] if not row["bound"]), scene["rows"][0])
        whole = exact["rsic"] or exact["rsic cog"] or min(v for k, v in exact.items() if k != "bound" and v)
        for row in scene["rows"]:
            cells = [f"{row[name] / whole:>16.3f}" if row.get(name) else f"{'-':>16}" for name in names]
            lines.append(f"{scene['scene'][:33]:<34}{row['bound']:>7}" + "".join(cells))
    words = "bytes with sidecars, as parts of our file without loss: JPEG 2000, or COG where there is none"
    return "\n".join([*lines, words])
