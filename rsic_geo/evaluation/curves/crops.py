"""Parts of scenes side by side in one PNG, with rate and PSNR: what the numbers look like."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import MissingDependencyError
from rsic_geo.evaluation.curves.archives import ArchiveCoder, Decoded
from rsic_geo.evaluation.curves.peers import DialSearch, get_peer
from rsic_geo.evaluation.curves.rd import RdResult
from rsic_geo.evaluation.metrics import quality
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.repair import load_enhancer

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Pixels = NDArray[Any]
SIDE = 200
"""Side of the part that is shown (px)."""
ZOOM = 2
_LABEL, _GAP = 34, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture of a row."""

    title: str
    subtitle: str
    pixels: Pixels
    """(bands, h, w), the whole scene."""


def draw_rows(rows: Sequence[Sequence[Panel]], target: Path) -> None:
    """Draw rows of panels; the first panel of a row is the original and gives it its grey scale.

    All panels of a row show the same part: where the second panel's error is largest.

    Raises:
        MissingDependencyError: if pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise MissingDependencyError("pictures need pillow: pip install 'rsic-geo[eval]'") from error
    side = SIDE * ZOOM
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * (side + _GAP) - _GAP, len(rows) * (side + _LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for y, row in enumerate(rows):
        for x, (panel, picture) in enumerate(zip(row, _pictures(row), strict=True)):
            left, top = x * (side + _GAP), y * (side + _LABEL)
            draw.text((left + 3, top + 3), panel.title, fill="black")
            draw.text((left + 3, top + 17), panel.subtitle, fill="#555555")
            sheet.paste(picture, (left, top + _LABEL))
    sheet.save(target, optimize=True)


def _pictures(row: Sequence[Panel]) -> list[Picture]:
    from PIL import Image

    top, left = worst_part(row[0].pixels, row[min(1, len(row) - 1)].pixels)
    bands = [0, 1, 2] if len(row[0].pixels) >= 3 else [0]
    parts = [panel.pixels[bands, top : top + SIDE, left : left + SIDE].astype(np.float32) for panel in row]
    low, high = np.nanpercentile(parts[0], (0.5, 99.5))
    span = max(float(high - low), 1.0)
    pictures = []
    for part in parts:
        grey = np.nan_to_num((part - low) / span).clip(0, 1) * 255
        shown = np.broadcast_to(grey.round().astype(np.uint8), (3, *grey.shape[1:])).transpose(1, 2, 0)
        height, width = shown.shape[:2]
        picture = Image.fromarray(np.ascontiguousarray(shown))
        pictures.append(picture.resize((width * ZOOM, height * ZOOM), Image.Resampling.NEAREST))
    return pictures


def worst_part(original: Pixels, other: Pixels) -> tuple[int, int]:
    """Return (top, left) of the square of SIDE px (px from the upper left) whose squared error is largest."""
    error = np.square(other.astype(np.float32) - original.astype(np.float32)).sum(axis=0)
    np.nan_to_num(error, copy=False)
    sums = np.zeros((error.shape[0] + 1, error.shape[1] + 1))
    np.cumsum(np.cumsum(error, axis=0, dtype=np.float64), axis=1, out=sums[1:, 1:])
    height, width = min(SIDE, error.shape[0]), min(SIDE, error.shape[1])
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(top), int(left)


def draw_crops(
    result: RdResult,
    scenes: Sequence[Path],
    count: int,
    target: Path,
    progress: ProgressCallback | None = None,
) -> list[str]:
    """Draw ``count`` scenes of a run, from the one that gains least from the first model to the one most.

    Coded once more, at the second lowest rate. Returns the names of the scenes drawn.
    """
    report = Progress(callback=progress)
    options = result.options
    rate = options.rates[min(1, len(options.rates) - 1)]
    names = _chosen(result, count)
    how = options.execution
    enhancers = [load_enhancer(name, how.device, fast=options.fast) for name in options.models]
    enhancers = [enhancer for enhancer in enhancers if enhancer.name]
    rows = []
    for done, name in enumerate(names, start=1):
        path = next(scene for scene in scenes if scene.name == name)
        with (
            tempfile.TemporaryDirectory(prefix="rsic-rd-") as folder,
            ArchiveCoder(path, Path(folder), options.encode_options()) as coder,
        ):
            decoded = coder.at_rate(rate, enhancers)
            decoded += [found for peer in options.peers if (found := _peer(coder, peer, rate))]
            rows.append(_row(coder, name, decoded))
        report.report(done / len(names), "drawing")
    draw_rows(rows, target)
    return names


def _chosen(result: RdResult, count: int) -> list[str]:
    """Return scenes evenly spread over the order of their BD-rates, the worst first."""
    systems = [*result.models, *result.systems[1:]]
    rates = result.bd_rates(systems[0], "psnr") if systems else {}
    ranked = sorted((n for n, r in rates.items() if not r.reason), key=lambda n: -rates[n].percent)
    ranked = ranked or list(result.sources)
    count = min(count, len(ranked))
    return [ranked[round(i * (len(ranked) - 1) / max(count - 1, 1))] for i in range(count)]


def _peer(coder: ArchiveCoder, name: str, rate: float) -> Decoded | None:
    peer = get_peer(name, len(coder.original))
    if not peer.takes(coder.original):
        return None
    data = DialSearch(peer=peer, pixels=coder.filled).at_rate(rate)
    pixels = coder.restored(peer.decode(data))
    return Decoded(system=name, file_bytes=len(data), side_bytes=0, pixels=pixels)


def _row(coder: ArchiveCoder, name: str, decoded: Sequence[Decoded]) -> list[Panel]:
    p = coder.plan.profile
    row = [Panel(title=name, subtitle=f"original, {p.width} x {p.height} px", pixels=coder.original)]
    for each in decoded:
        bpp = each.file_bytes * 8 / coder.plan.pixels
        values = quality(coder.original, each.pixels, coder.scored, coder.scale)
        row.append(
            Panel(
                title=each.system,
                subtitle=f"{bpp:.3f} bpp, {values.psnr:.2f} dB",
                pixels=each.pixels,
            )
        )
    return row
