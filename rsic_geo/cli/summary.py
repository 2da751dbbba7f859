"""Results as a person reads them: outlines of any result, and short lines for the usual ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rsic_geo.targets import Target

if TYPE_CHECKING:
    from rsic_geo.cli.console import Console
    from rsic_geo.report import Report

_LONGEST_VALUE = 96
"""Characters shown of one text, such as the definition of a reference system."""
_LONGEST_LIST = 144
"""Characters shown of a list, such as the nodata values of all bands."""


def outline(entries: Mapping[str, Any], indent: str = "") -> str:
    """Return ``entries`` as indented ``name: value`` lines; names with spaces for underscores."""
    lines = []
    for key, value in entries.items():
        name = f"{indent}{str(key).replace('_', ' ')}:"
        if isinstance(value, Mapping) and value:
            lines += [name, outline(value, indent + "  ")]
        elif (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and any(isinstance(v, Mapping) for v in value)
        ):
            lines.append(name)
            lines += [f"{indent}  - {_inline(item)}" for item in value]
        else:
            lines.append(f"{name} {_inline(value)}")
    return "\n".join(lines)


def _inline(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        named = (f"{str(key).replace('_', ' ')} {_inline(entry)}" for key, entry in value.items())
        return ", ".join(named) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _cut(", ".join(_inline(entry) for entry in value) or "none", _LONGEST_LIST)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.10g}"
    return _cut(" ".join(str(value).split()), _LONGEST_VALUE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def bytes_text(count: float) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def compare_summary(entries: Mapping[str, Any]) -> str:
    """Return the lines of ``rsic compare``: the pixels, band by band where they differ, then the metadata."""
    differing = entries["metadata_diff"]
    if entries["pixels_equal"]:
        lines = ["pixels: equal"]
    else:
        lines = [f"pixels: {entries['different_samples']} samples differ, {_errors(entries)}"]
        lines += [f"  band {band['band']}: {_errors(band)}" for band in entries["bands"]]
    lines.append(
        f"validity: {'equal' if entries['mask_equal'] and entries.get('valid_equal', True) else 'different'}"
    )
    lines.append(f"metadata: {f'{len(differing)} differences' if differing else 'equal'}")
    lines += [f"  {_difference(item)}" for item in differing]
    return "\n".join(lines)


def _difference(item: Mapping[str, Any]) -> str:
    place = "" if item.get("band") is None else f" of band {item['band']}"
    return f"{item['field']}{place}: {_inline(item['ours'])} became {_inline(item['theirs'])}"


def _errors(entries: Mapping[str, Any]) -> str:
    psnr = entries["psnr"]
    none = "no error on valid samples" if entries["rmse"] == 0 else "numbers against NaN"
    quality = none if psnr is None else f"PSNR {psnr:.2f} dB"
    return f"{quality}, RMSE {entries['rmse']:.4g}, largest error {entries['max_abs_error']:g}"


def validate_summary(entries: Mapping[str, Any]) -> str:
    """Return the lines of ``rsic validate``: every problem whole and on a line, whatever their number."""
    lines = [outline({"valid": entries["valid"]})]
    problems = [" ".join(str(problem).split()) for problem in entries["problems"]]
    lines += ["problems:", *(f"  - {problem}" for problem in problems)] if problems else ["problems: none"]
    rest = {key: value for key, value in entries.items() if key not in ("valid", "problems")}
    return "\n".join([*lines, outline(rest)]) if rest else "\n".join(lines)


def finish_job(console: Console, report: Report) -> None:
    """Print what a job reached; a report file also holds the checksums of both files."""
    entries = report.to_json(checksums=console.report_path is not None)
    console.result(entries, job_summary(entries))


def job_summary(entries: Mapping[str, Any]) -> str:
    """Return the lines of a job that wrote a file; what its verb does not report is left out."""
    lines = [f"{entries['output']['path']}: {bytes_text(entries['output'].get('bytes', 0))}"]
    if "ratio" in entries:
        lines[0] += f", ratio {entries['ratio']:.2f}, {entries['bpp']:.3f} bits per pixel of all bands"
    if entries.get("sidecar_bytes"):
        lines[0] += f", with {bytes_text(entries['sidecar_bytes'])} beside it for other programs,"
    lines[0] += f" in {entries['seconds']:.1f} s"
    target = entries.get("target")
    if isinstance(target, Mapping) and target.get("achieved") is not None:
        checked = "verified" if entries.get("verified") else "not verified"
        is_part = Target.parse(target["asked"]).is_relative
        reached = f"{target['achieved']:.5g}" if not is_part else f"{100 * target['achieved']:.5g}%"
        lines.append(f"target {target['asked']}: reached {reached}, {checked}")
    elif isinstance(target, Mapping) and not entries.get("lossless") and entries.get("max_abs_error") == 0:
        checked = "verified" if entries.get("verified") else "not verified"
        lines.append(f"target {target['asked']}: every sample is exact, {checked}")
    elif entries.get("lossless"):
        lines.append("lossless, verified" if entries.get("verified", True) else "lossless, not verified")
    if isinstance(target, Mapping) and target.get("meaning"):
        lines.append(target["meaning"])
    if entries.get("psnr") is not None:
        snr = "" if entries.get("snr") is None else f", SNR {entries['snr']:.2f} dB"
        lines.append(f"PSNR {entries['psnr']:.2f} dB{snr}, largest error {entries['max_abs_error']:g}")
    if entries.get("model") and entries.get("enhanced", True):
        lines.append(_enhanced_by(entries))
    if entries.get("others_miss"):
        lines.append(f"other programs do not see: {'; '.join(entries['others_miss'])}")
    return "\n".join(lines)


def _enhanced_by(entries: Mapping[str, Any]) -> str:
    share = f"enhanced by {entries['model']['name']}"
    if "cells_enhanced" in entries:
        share += f" on {entries['cells_enhanced']:.0%} of the scene"
    if entries.get("psnr_codec") is not None:
        share += f" (codec alone {entries['psnr_codec']:.2f} dB)"
    return share
