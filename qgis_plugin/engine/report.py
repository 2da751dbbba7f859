"""Results as one HTML page that needs nothing beside it: no script, no link, pictures inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

_STYLE = """
body { font: 14px/1.5 sans-serif; color: #222; background: #fff; max-width: 70em;
  margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em }
h2 { font-size: 1.15em; margin-top: 1.6em }
.neutral { color: #222 }
.good { color: #17692f }
.bad { color: #a3231f }
table { border-collapse: collapse }
td, th { padding: .2em .9em .2em 0; text-align: left; vertical-align: top }
th { font-weight: 600 }
tr + tr { border-top: 1px solid #ddd }
figure { display: inline-block; margin: 0 1em 1em 0 }
figcaption { color: #555 }
img { border: 1px solid #bbb; image-rendering: pixelated }
code { word-break: break-all }
"""


@dataclass(frozen=True)
class Picture:
    """A picture of the page."""

    caption: str
    png: bytes


def page(title: str, verdict: tuple[bool | None, str], parts: Sequence[str]) -> str:
    """Return a whole page: ``verdict`` is whether all is well (None: nobody asked), and a sentence."""
    is_good, sentence = verdict
    colour = "neutral" if is_good is None else "good" if is_good else "bad"
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p class="{colour}"><b>{escape(sentence)}</b></p>\n{body}\n</body></html>\n'
    )


def pairs_table(title: str, pairs: Mapping[str, Any]) -> str:
    """Return names and values as a table."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{_cell(value)}</td></tr>" for name, value in pairs.items()
    )
    return f"<h2>{escape(title)}</h2><table>{rows}</table>"


def rows_table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows with the keys of the first one as heads; empty text where there are none."""
    if not rows:
        return ""
    keys = list(rows[0])
    head = "".join(f"<th>{escape(key.replace('_', ' '))}</th>" for key in keys)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(row.get(key))}</td>" for key in keys) + "</tr>" for row in rows
    )
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>"


def figures(title: str, pictures: Sequence[Picture], note: str = "") -> str:
    """Return pictures side by side; empty text where there are none."""
    if not pictures:
        return ""
    shown = "".join(
        f'<figure><img alt="{escape(picture.caption)}" '
        f'src="data:image/png;base64,{b64encode(picture.png).decode()}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for picture in pictures
    )
    return f"<h2>{escape(title)}</h2>{shown}" + (f"<p>{escape(note)}</p>" if note else "")


def comparison_page(
    names: tuple[str, str], result: Mapping[str, Any], parts: Sequence[str], is_agreeing: bool | None
) -> str:
    """Return the page of ``rsic compare``.

    Args:
        names: of the reference and the other one.
        result: of the engine.
        parts: shown below the summary.
        is_agreeing: whether the scenes are as near as was demanded; None where nothing was.
    """
    differences = result.get("metadata_diff") or []
    if result.get("pixels_equal") and not differences:
        sentence = "Every pixel and every piece of metadata is equal."
    else:
        pixels = "pixels equal" if result.get("pixels_equal") else f"PSNR {_text(result.get('psnr'))} dB"
        metadata = "metadata equal" if not differences else f"{len(differences)} differences in metadata"
        bound = ", within the bounds asked for" if is_agreeing else ""
        sentence = f"{pixels}, {metadata}{bound}."
    summary = {"Reference": names[0], "Compared with": names[1]}
    for key, label in (
        ("psnr", "PSNR (dB, worst band; of an archive: what it decompresses to)"),
        ("rmse", "RMSE"),
        ("max_abs_error", "Largest error"),
        ("different_samples", "Samples that differ"),
        ("valid_equal", "Same pixels without data"),
        ("mask_equal", "Same mask"),
        ("ms_ssim", "MS-SSIM (1 = alike)"),
        ("gmsd", "GMSD (0 = alike)"),
    ):
        if key in result:
            summary[label] = result[key]
    return page(
        "Comparison",
        (is_agreeing, sentence),
        [
            pairs_table("Summary", summary),
            *parts,
            rows_table("Bands", result.get("bands") or []),
            rows_table("Differences in metadata", [_row(difference) for difference in differences]),
            _warnings(result),
        ],
    )


def validation_page(path: str, result: Mapping[str, Any]) -> str:
    """Return the page of ``rsic validate``."""
    is_valid = bool(result.get("valid"))
    problems = result.get("problems") or []
    sentence = "The file is whole." if is_valid else "The file is damaged or incomplete."
    rest = {
        k: v for k, v in result.items() if k not in {"path", "valid", "problems", "warnings", "damaged_tiles"}
    }
    return page(
        "Validation",
        (is_valid, sentence),
        [
            pairs_table(
                "File", {"Path": path, **{key.replace("_", " "): value for key, value in rest.items()}}
            ),
            rows_table("Problems", [_row(problem) for problem in problems]),
            rows_table("Damaged tiles", [_row(tile) for tile in result.get("damaged_tiles") or []]),
            _warnings(result),
        ],
    )


def engine_page(program: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the page of ``rsic doctor``; ``program`` says what was found where."""
    is_healthy = bool(result.get("healthy"))
    sentence = "The engine works." if is_healthy else "Something the engine needs is missing."
    return page(
        "rsic engine",
        (is_healthy, sentence),
        [
            pairs_table("Engine", program),
            rows_table("Findings", [_row(finding) for finding in result.get("findings") or []]),
        ],
    )


def missing_page(reason: str, steps: Sequence[str]) -> str:
    """Return the page of an engine that cannot be asked: why, and what to do, a line each."""
    lines = "".join(f"<p>{escape(step)}</p>" for step in steps)
    return page("rsic engine", (False, reason), [lines])


def _warnings(result: Mapping[str, Any]) -> str:
    return rows_table("Warnings", [{"warning": warning} for warning in result.get("warnings") or []])


def _row(entry: Any) -> Mapping[str, Any]:
    return entry if isinstance(entry, Mapping) else {"what": entry}


def _cell(value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return f"<code>{escape(_text(value))}</code>"
    return escape(_text(value))


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    return str(value)
