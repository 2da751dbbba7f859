"""Points of an earlier run beside those of a new one, so that slow codecs are measured once."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsic_geo.errors import SceneError, UsageError
from rsic_geo.evaluation.curves.rd import ANCHOR, MEASURES, Point, RdOptions, RdResult
from rsic_geo.evaluation.metrics import Quality

TOLERANCE = 0.02
"""Largest difference of plain JPEG 2000's PSNR between two runs over the same scenes (dB)."""


def check_earlier(points_csv: Path, options: RdOptions) -> None:
    """Refuse the report of an earlier run before a new one takes its hours.

    Raises:
        SceneError: if the file cannot be read.
        UsageError: if it is no such file, or its archives were made with another effort than ``options`` say.
    """
    # Effort refines what a network codes; the others are the same with any.
    if not any(point.system.startswith("learned") for point in read_points(points_csv)):
        return
    try:
        effort = json.loads(points_csv.with_name("summary.json").read_text(encoding="utf-8")).get("effort")
    except FileNotFoundError:
        return  # the points alone were kept: what JPEG 2000 says of them is all there is to check
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"{points_csv}: the summary.json beside it is no report's: {error}") from error
    if effort != options.effort:
        made = f"with --effort {effort}" if effort else "before efforts were told"
        raise UsageError(
            f"{points_csv}: its learned archives were made {made}, not {options.effort}: measure again"
        )


def with_earlier(result: RdResult, points_csv: Path) -> RdResult:
    """Return ``result`` with the codecs that only an earlier run measured, for the scenes both have.

    Args:
        result: the new run.
        points_csv: ``points.csv`` of the earlier run's report.

    Raises:
        SceneError: if the file cannot be read.
        UsageError: if it is no such file, or its plain JPEG 2000 is not that of this run: other scenes under
            the same names, or other settings.
    """
    new = {(p.scene, p.system, p.nominal_bpp) for p in result.points}
    rates, systems = set(result.options.rates), set(result.systems)
    kept = []
    anchors = {(p.scene, p.nominal_bpp): p.quality.psnr for p in result.points if p.system == ANCHOR}
    for point in read_points(points_csv):
        if (point.scene, ANCHOR, point.nominal_bpp) not in new or point.nominal_bpp not in rates:
            continue
        if point.system == ANCHOR:
            difference = abs(point.quality.psnr - anchors[point.scene, point.nominal_bpp])
            if difference > TOLERANCE:
                raise UsageError(
                    f"{points_csv}: plain JPEG 2000 of {point.scene} at {point.nominal_bpp:g} bpp differs by "
                    f"{difference:.2f} dB from this run's: measure its codecs again"
                )
        elif point.system not in systems:
            kept.append(point)
    if not kept:
        raise UsageError(f"{points_csv} holds no other codec for these scenes and rates")
    return replace(result, points=(*result.points, *kept))


def read_points(points_csv: Path) -> list[Point]:
    """Return the points of a report.

    Raises:
        SceneError, UsageError: if the file cannot be read or is no such file.
    """
    try:
        with points_csv.open(newline="", encoding="utf-8") as file:
            return [_point(row) for row in csv.DictReader(file)]
    except OSError as error:
        raise SceneError(f"cannot read {points_csv}: {error.strerror or error}") from error
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise UsageError(f"{points_csv} is no points.csv of `rsic eval rd`: {error}") from error


def _point(row: dict[str, Any]) -> Point:
    bands = [tuple(map(float, row[f"{measure}_bands"].split())) for measure in MEASURES]
    return Point(
        scene=row["scene"],
        source=row["source"],
        system=row["system"],
        nominal_bpp=float(row["nominal_bpp"]),
        file_bytes=int(row["bytes"]),
        side_bytes=int(row["side_bytes"]),
        bpp=float(row["bpp"]),
        quality=Quality(
            psnr=float(row["psnr"]),
            ms_ssim=float(row["ms_ssim"]),
            gmsd=float(row["gmsd"]),
            psnr_bands=bands[0],
            ms_ssim_bands=bands[1],
            gmsd_bands=bands[2],
        ),
    )
