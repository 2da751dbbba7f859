"""Rate-distortion results as a table to read, as CSV and JSON to work with, and as a picture."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rsic_geo.errors import OutputExistsError, SceneError
from rsic_geo.evaluation.curves import peers, plots
from rsic_geo.evaluation.curves.bdrate import METHOD, MIN_OVERLAP, MIN_POINTS
from rsic_geo.evaluation.curves.rd import ANCHOR, MEASURES, RdResult
from rsic_geo.raster import gdal_version
from rsic_geo.version import version

FILES = ("points.csv", "bdrate.csv", "summary.json", "curves.png")
_LABELS = {"psnr": "PSNR", "ms_ssim": "MS-SSIM", "gmsd": "GMSD"}


def summary(result: RdResult) -> dict[str, Any]:
    """Return everything but the single points as a plain dictionary."""
    options = result.options
    used = [name for name in peers.NAMES if name in result.systems]
    return {
        "schema": "rsic-rd-1",
        "rsic_version": version(),
        "gdal_version": gdal_version(),
        "anchor": ANCHOR,
        "scenes": len(result.sources),
        "sources": sorted(set(result.sources.values())),
        "rates": list(options.rates),
        "effort": options.effort,
        "models": result.models,
        "peers": {name: peers.settings(name) for name in used},
        "bd_rate_method": {
            "package": "bjontegaard", "interpolation": METHOD, "min_points": MIN_POINTS,
            "min_overlap_of_anchor": MIN_OVERLAP,
        },
        "bd_rate": {
            system: {measure: result.summary(system, measure).to_json() for measure in MEASURES}
            for system in result.systems[1:]
        },
        "bd_rate_psnr_side_information_free": {
            system: result.summary(system, "psnr", with_side=False).mean for system in result.models
        },
        "mean_points": {
            system: [
                {"nominal_bpp": rate, **_means(result, system, rate)} for rate in options.rates
            ]
            for system in result.systems
        },
        "skipped": result.skipped,
        "seconds": round(result.seconds, 1),
    }  # fmt: skip


def _means(result: RdResult, system: str, rate: float) -> dict[str, float]:
    means = {measure: result.mean_at(system, rate, measure) for measure in MEASURES}
    out = {"bpp": means["psnr"][0], "psnr": means["psnr"][1], "psnr_gain": gain_at(result, system, rate)}
    return {**out, "ms_ssim_db": means["ms_ssim"][1], "gmsd_db": means["gmsd"][1]}


def gain_at(result: RdResult, system: str, rate: float) -> float:
    """Return the mean PSNR of a codec less that of plain JPEG 2000, over scenes where both are finite (dB).

    For models both come from the same codestream; a peer's file only aims at the same rate.
    """
    points = {
        (p.scene, p.system): p.quality.psnr
        for p in result.points
        if p.nominal_bpp == rate and math.isfinite(p.quality.psnr)
    }
    gains = [
        value - points[(scene, ANCHOR)]
        for (scene, name), value in points.items()
        if name == system and (scene, ANCHOR) in points
    ]
    return sum(gains) / len(gains) if gains else math.nan


def table(result: RdResult) -> str:
    """Return the result as text: BD-rates, gains at each rate, BD-rates per source."""
    width = max(len(system) for system in result.systems) + 2
    scenes, sources = len(result.sources), sorted(set(result.sources.values()))
    lines = [
        f"{scenes} scenes of {len(sources)} sources, {result.seconds:.0f} s. BD-rate in percent of plain "
        "JPEG 2000's bits, every byte of the file",
        "counted; negative is fewer bits.",
        f"{'':{width}}{'PSNR: mean':>11}{'median':>8}{'worst':>8}{'best':>8}{'above 0':>9}{'of sources':>11}"
        f"{'box free':>9}{'MS-SSIM':>9}{'GMSD':>8}",
    ]
    for system in result.systems[1:]:
        whole = result.summary(system, "psnr")
        free = result.summary(system, "psnr", with_side=False).mean if "+" in system else math.nan
        others = [result.summary(system, measure).mean for measure in MEASURES[1:]]
        counted = f"{whole.above_zero}/{whole.count}"
        lines.append(
            f"{system:{width}}{_signed(whole.mean):>11}{_signed(whole.median):>8}{_signed(whole.worst):>8}"
            f"{_signed(whole.best):>8}{counted:>9}{_signed(whole.mean_of_sources):>11}{_signed(free):>9}"
            f"{_signed(others[0]):>9}{_signed(others[1]):>8}"
        )
    lines += [
        "",
        f"{'mean PSNR (dB) at bpp':{max(width, 24)}}" + _cells(f"{r:g}" for r in result.options.rates),
    ]
    for system in result.systems:
        lines.append(
            f"{system:{max(width, 24)}}" + _cells(_rate_cell(result, system, r) for r in result.options.rates)
        )
    if result.systems[1:]:
        lines += ["", _source_table(result, sources)]
    for system in result.systems[1:]:
        left = result.summary(system, "psnr").left_out
        if left:
            reason = next(iter(left.values()))
            lines.append(f"{system}: {len(left)} of {scenes} scenes have no BD-rate, the first {reason}")
    lines += [f"left out: {name}: {reason}" for name, reason in result.skipped.items()]
    return "\n".join(lines)


def _rate_cell(result: RdResult, system: str, rate: float) -> str:
    if system == ANCHOR:
        return f"{result.mean_at(system, rate, 'psnr')[1]:.2f}"
    return _signed(gain_at(result, system, rate))


def _source_table(result: RdResult, sources: Sequence[str]) -> str:
    width = max(len(source) for source in [*sources, "BD-rate by source"]) + 7
    systems = result.systems[1:]
    columns = [max(len(system), 7) + 2 for system in systems]
    head = f"{'BD-rate by source':{width}}" + "".join(
        f"{s:>{w}}" for s, w in zip(systems, columns, strict=True)
    )
    means = [result.summary(system, "psnr").sources for system in systems]
    lines = [head]
    for source in sources:
        count = sum(name == source for name in result.sources.values())
        cells = "".join(
            f"{_signed(mean.get(source, math.nan)):>{w}}" for mean, w in zip(means, columns, strict=True)
        )
        lines.append(f"{f'{source} ({count})':{width}}{cells}")
    return "\n".join(lines)


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"


def _cells(texts: Iterable[str]) -> str:
    return "".join(f"{text:>9}" for text in texts)


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Make the folder of a report, before anything is measured.

    Raises:
        OutputExistsError: if it holds a report already and overwriting was not asked for.
        SceneError: if it cannot be made.
    """
    if not overwrite and any((folder / name).exists() for name in FILES):
        raise OutputExistsError(f"{folder} holds a report: use --overwrite to replace it, or another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SceneError(f"cannot make the folder {folder}: {error.strerror or error}") from error


def write_report(result: RdResult, folder: Path) -> list[Path]:
    """Write points.csv, bdrate.csv, summary.json and curves.png; return their paths.

    Raises:
        MissingDependencyError: if matplotlib is not installed (the tables are written all the same).
    """
    _write_csv(folder / "points.csv", (_point_row(result, i) for i in range(len(result.points))))
    _write_csv(folder / "bdrate.csv", _bd_rows(result))
    text = json.dumps(_strict(summary(result)), indent=2, ensure_ascii=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
    plots.plot_rate_distortion(result, folder / "curves.png")
    return [folder / name for name in FILES]


def _point_row(result: RdResult, index: int) -> dict[str, Any]:
    p = result.points[index]
    row: dict[str, Any] = {
        "scene": p.scene, "source": p.source, "system": p.system, "nominal_bpp": p.nominal_bpp,
        "bytes": p.file_bytes, "side_bytes": p.side_bytes, "bpp": round(p.bpp, 6),
    }  # fmt: skip
    for measure in MEASURES:
        row[measure] = round(getattr(p.quality, measure), 6)
    for measure in MEASURES:
        row[f"{measure}_bands"] = " ".join(f"{v:.6g}" for v in getattr(p.quality, f"{measure}_bands"))
    return row


def _bd_rows(result: RdResult) -> Iterable[dict[str, Any]]:
    for system in result.systems[1:]:
        for measure in MEASURES:
            for scene, rate in result.bd_rates(system, measure).items():
                yield {
                    "scene": scene, "source": result.sources[scene], "system": system,
                    "measure": _LABELS[measure], "bd_rate_percent": round(rate.percent, 4),
                    "overlap": round(rate.overlap, 4), "reason": rate.reason,
                }  # fmt: skip


def _write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    listed = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]) if listed else ["scene"])
        writer.writeheader()
        writer.writerows(listed)


def _strict(value: Any) -> Any:  # noqa: ANN401 - any JSON value in, any JSON value out
    """Return a value without NaN and infinity, which strict JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
