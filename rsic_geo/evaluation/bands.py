"""What rotating bands saves: ``rsic eval bands SCENE...``.

Archives of a scene at several sizes, bands as they are and rotated, every byte of the file counted (the
``.vrt`` beside a rotated one apart). BD-rates are at equal squared error of all bands together, at equal SNR
of the worst band, and at equal spectral angle: the mean between a pixel's spectra before and after.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.evaluation.curves.bdrate import RateCurve, bd_rate
from rsic_geo.evaluation.imagery import find_scenes
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions
from rsic_geo.progress import Progress
from rsic_geo.raster import open_scene
from rsic_geo.scenes.archive import Archive
from rsic_geo.targets import Target
from rsic_geo.verbs.compress import compress

WAYS = {
    "as-is": {"spectral": "as-is"},
    "rotated, error": {"spectral": "rotated", "band_weights": "error"},
    "rotated, range": {"spectral": "rotated", "band_weights": "range"},
}
MEASURES = ("squared error", "worst SNR", "spectral angle")


def measured(scene: str, rates: Sequence[float], progress: Progress) -> dict[str, Any]:
    """Return sizes and qualities of a scene by every way, and BD-rates against bands as they are (%).

    Args:
        scene: integers of two bands or more.
        rates: sizes asked for (bits per sample).
        progress: told after each archive.
    """
    with open_scene(scene) as reader:
        p = reader.profile
        whole = Window.full(p.height, p.width)
        pixels = reader.read(whole)
        valid = reader.read_valid(whole, pixels)
    valid &= valid[valid.any(axis=(1, 2))].all(axis=0)  # pixels whose bands all hold something
    points: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="rsic-eval-") as folder:
        archive = Path(folder) / "a.jp2"
        for n, (way, how) in enumerate(WAYS.items()):
            for k, rate in enumerate(rates):
                target = Target(kind="bpppb", value=rate)
                options: dict[str, Any] = {"target": target, "model": "none", "accept_loss": True, **how}
                compress(scene, str(archive), EncodeOptions(overwrite=True, **options))
                with Archive(str(archive)) as product:
                    found = _quality(pixels, product.read(), valid)
                bits = archive.stat().st_size * 8 / pixels.size
                points.setdefault(way, []).append({"asked": rate, "bits": bits, **found})
                progress.report((n + (k + 1) / len(rates)) / len(WAYS), f"{Path(scene).name}: {way}")
    anchor, *others = WAYS
    return {
        "scene": Path(scene).name,
        "bands": p.count,
        "dtype": p.dtype,
        "points": points,
        "bd_rates": {
            way: {m: bd_rate(_curve(points[anchor], m), _curve(points[way], m)).percent for m in MEASURES}
            for way in others
        },
    }


def tables(scenes: Sequence[str], rates: Sequence[float], progress: Progress) -> dict[str, Any]:
    """Return :func:`measured` of every scene, folders searched."""
    found = find_scenes(list(scenes))
    stages = [progress.stage(n / len(found), (n + 1) / len(found)) for n in range(len(found))]
    return {"scenes": [measured(str(s), rates, stage) for s, stage in zip(found, stages, strict=True)]}


def as_text(entries: dict[str, Any]) -> str:
    """Return the BD-rates as a table, and worst and median SNR at the middle size."""
    lines = [f"{'scene':<36}{'':<16}" + "".join(f"{m:>16}" for m in MEASURES) + f"{'worst, median SNR':>22}"]
    for scene in entries["scenes"]:
        for way, points in scene["points"].items():
            middle = points[len(points) // 2]
            rates = scene["bd_rates"].get(way, {})
            cells = "".join(_percent(rates.get(measure)) for measure in MEASURES)
            snr = f"{middle['worst SNR']:.1f}, {middle['median SNR']:.1f} dB"
            lines.append(f"{scene['scene'][:35]:<36}{way:<16}{cells}{snr:>22}")
    return "\n".join(
        [*lines, "BD-rate against bands as they are, every byte of the file; SNR at the middle size"]
    )


def _percent(value: float | None) -> str:
    return f"{'-':>16}" if value is None or math.isnan(value) else f"{value:>+15.1f}%"


def _curve(points: Sequence[dict[str, float]], measure: str) -> RateCurve:
    pairs = sorted((point["bits"], point[measure]) for point in points)
    return RateCurve(bpp=tuple(rate for rate, _ in pairs), quality=tuple(value for _, value in pairs))


def _quality(original: NDArray[Any], decoded: NDArray[Any], valid: NDArray[np.bool_]) -> dict[str, float]:
    """Return qualities of valid samples (dB): all grow with likeness."""
    live = [band for band in range(len(original)) if valid[band].any()]
    x, y = (a[live][:, valid[live[0]]].astype(np.float64) for a in (original, decoded))
    squares = np.maximum(np.square(x - y).mean(axis=1), 1e-9)
    snr = 10 * np.log10(np.maximum(x.var(axis=1), 1e-9) / squares)
    snr = snr[x.var(axis=1) > 1]  # a band without signal has no SNR worth the name
    lengths = np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0)
    cosine = np.clip((x * y).sum(axis=0)[lengths > 0] / lengths[lengths > 0], -1, 1)
    angle = float(np.degrees(np.arccos(cosine)).mean()) if cosine.size else 0.0
    return {
        "squared error": -10 * float(np.log10(squares.mean())),
        "worst SNR": float(snr.min(initial=200.0)),
        "median SNR": float(np.median(snr)) if snr.size else 0.0,
        "spectral angle": -20 * float(np.log10(max(angle, 1e-6))),
        "degrees": angle,
    }
