"""How alike files are: PSNR, MS-SSIM and GMSD of whole scenes against a reference, band by band."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rsic_geo.errors import UsageError
from rsic_geo.evaluation.curves.crops import Panel, draw_rows
from rsic_geo.evaluation.metrics import Scale, quality
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.scenes.archive import Archive


def likeness(
    reference: str,
    others: Sequence[str],
    *,
    picture: Path | None = None,
    execution: Execution | None = None,
    progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Measure scenes against a reference; archives count as what they decompress to.

    Pixels invalid in the reference (nodata, mask) do not count. Structural measures see the range the
    reference uses. Whole scenes are held in memory.

    Args:
        reference: what the others should be.
        others: rasters of the same size, bands and type.
        picture: PNG to draw the part where the first of the others is worst.
        execution: device and window size of enhancement.
        progress: told after every scene; returning False cancels.

    Raises:
        UsageError: if a scene differs in size, bands or sample type.
        SceneError: if one cannot be read.
    """
    report = Progress(callback=progress)
    with Archive(reference, execution=execution) as scene:
        original, valid = scene.read(), _valid(scene)
    radiometry = Radiometry.fit(original.dtype.name, [(original, valid)])
    scale = Scale(peak=radiometry.dtype_peak, low=radiometry.low, high=radiometry.high)
    entries, panels = [], [Panel(title=os.path.basename(reference), subtitle="reference", pixels=original)]
    for done, path in enumerate(others, start=1):
        report.report((done - 1) / len(others), f"measuring {os.path.basename(path)}")
        with Archive(path, execution=execution) as scene:
            pixels = scene.read()
        if pixels.shape != original.shape or pixels.dtype != original.dtype:
            raise UsageError(
                f"{path} is {pixels.dtype} {pixels.shape}, {reference} is {original.dtype} {original.shape} "
                "(bands, height, width): only like scenes can be measured"
            )
        values = quality(original, pixels, valid, scale)
        size = os.path.getsize(path) if os.path.isfile(path) else None
        bpp = None if size is None else size * 8 / original[0].size
        entries.append({"path": path, "bytes": size, "bpp": bpp, **asdict(values)})
        label = f"{values.psnr:.2f} dB" + ("" if bpp is None else f", {bpp:.3f} bpp")
        panels.append(Panel(title=os.path.basename(path), subtitle=label, pixels=pixels))
    if picture is not None:
        draw_rows([panels], picture)
    report.report(1.0, "done")
    return {
        "schema": "rsic-likeness-1",
        "reference": reference,
        "valid": float(valid.mean()),
        "scenes": entries,
    }


def _valid(scene: Archive) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return (bands, h, w), False where nodata or mask say a pixel does not count."""
    whole = Window.full(scene.profile.height, scene.profile.width)
    valid = scene.read_valid(whole)
    mask = scene.read_mask(whole)
    return valid if mask is None else valid & (mask != 0)
