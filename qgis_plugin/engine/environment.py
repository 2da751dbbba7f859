"""The environment of the engine's process: the user's, without what QGIS put there for its own libraries."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .errors import EngineMissingError

_FOREIGN = re.compile(
    r"PYTHON.*|PROJ_.*|GDAL_.*|OGR_.*|CPL_.*|GEOTIFF_CSV|QT_.*|QML.*|QGIS.*|OSGEO4W_ROOT|O4W_QT_.*|"
    r"LD_LIBRARY_PATH|LD_PRELOAD|DYLD_.*|VIRTUAL_ENV.*|CONDA_.*|GI_TYPELIB_PATH|XDG_DATA_DIRS|APPDIR|APPIMAGE|ARGV0",
    re.IGNORECASE,
)
"""Variables of a QGIS installation (OSGeo4W, AppImage, conda too) that would steer the engine's libraries."""

_PAIR = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")


def clean_environment(
    environ: Mapping[str, str], program: Path | None = None, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return ``environ`` without foreign variables, the engine's folders first on PATH, plus ``extra``."""
    kept = {name: value for name, value in environ.items() if not _FOREIGN.fullmatch(name)}
    if program is not None:
        kept["PATH"] = os.pathsep.join([*_folders(program), *filter(None, [kept.get("PATH", "")])])
    # Names with letters outside ASCII arrive whole whatever the locale; lines are seen as they are written.
    kept["PYTHONUTF8"] = "1"
    kept["PYTHONUNBUFFERED"] = "1"
    kept.update(extra or {})
    return kept


def parse_pairs(text: str) -> dict[str, str]:
    """Return the NAME=VALUE lines (or parts between semicolons) of a setting.

    Raises:
        EngineMissingError: naming the part that is none.
    """
    pairs = {}
    for part in re.split(r"[;\n]", text):
        if not part.strip():
            continue
        found = _PAIR.fullmatch(part)
        if found is None:
            raise EngineMissingError(
                "The engine's extra environment in Settings > Options > RSIC has a part that is not "
                "NAME=VALUE: {part}",
                has_advice=False,
                part=part.strip(),
            )
        pairs[found.group(1)] = found.group(2).strip()
    return pairs


def _folders(program: Path) -> list[str]:
    """Return the folders an environment needs on PATH; conda on Windows has several."""
    here = Path(os.path.abspath(program)).parent
    roots = [here, here.parent]
    conda = next((root for root in roots if (root / "conda-meta").is_dir()), None)
    folders = [here]
    if conda is not None and os.name == "nt":
        folders += [conda, conda / "Library" / "bin", conda / "Scripts"]
    return [os.fspath(folder) for folder in folders]
