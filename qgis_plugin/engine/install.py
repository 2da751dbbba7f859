"""Making an environment of the engine's own: which Python may, and the steps. Starts nothing itself."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_PACKAGE = "rsic-geo"
OLDEST = (3, 10)
"""Python the engine needs."""
PROBE = f"import sys, ensurepip, venv; sys.exit(not (sys.version_info >= {OLDEST} and sys.maxsize > 2**32))"
"""Ends with 0 in a Python that can make the engine's environment."""
_FOLDER = "engine-"


def pythons(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield programs that may be a Python, QGIS's own last: it is often too old, or lacks venv."""
    names = [f"python3.{minor}" for minor in (13, 12, 11, 10)] + ["python3", "python"]
    places = [shutil.which(name, path=environ.get("PATH")) for name in names]
    # QGIS is the executable itself; its Python lies beside it, or where its libraries are.
    prefix = Path(sys.base_prefix)
    places += [str(prefix / "python.exe"), str(prefix / "bin" / "python3")]
    found = (os.path.abspath(place) for place in places if place and os.path.isfile(place))
    yield from dict.fromkeys(found)


def package() -> str:
    """Return what pip is asked for: the checkout the plugin is linked from, or the package of that name."""
    checkout = Path(__file__).resolve().parents[2]
    return str(checkout) if (checkout / "pyproject.toml").is_file() else _PACKAGE


def program(folder: Path) -> Path:
    """Return the Python of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def steps(python: str, folder: Path, wanted: str) -> list[list[str]]:
    """Return what is run, one after the other; each ends with 0 if it worked.

    Args:
        python: program that passes ``PROBE``.
        folder: of the new environment.
        wanted: name, file or folder for pip.
    """
    own = str(program(folder))
    pip = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    return [
        [python, "-m", "venv", str(folder)],
        [own, *pip, wanted],
        [own, "-m", "rsic_geo", "capabilities", "--json"],
    ]


def new_folder(root: Path) -> Path:
    """Return a folder that is not there yet: an engine that works is not touched before the next one does."""
    root.mkdir(parents=True, exist_ok=True)
    number = 1
    while (root / f"{_FOLDER}{number}").exists():
        number += 1
    return root / f"{_FOLDER}{number}"


def remove_others(root: Path, kept: Path | None) -> None:
    """Remove environments that were made here, but for the one that is used."""
    for folder in root.glob(f"{_FOLDER}*"):
        if folder != kept:
            shutil.rmtree(folder, ignore_errors=True)  # what is in use is removed the next time
