"""Writes the zip that QGIS installs and the plugin site takes: `pack.py [FOLDER] [--url URL]`.

The same checkout gives the same bytes. Tools and pictures of this folder are left out.
"""

from __future__ import annotations

import argparse
import configparser
import sys
import zipfile
from pathlib import Path

PLUGIN = Path(__file__).resolve().parents[1]
NAME = "rsic_geo_qgis"
PLACEHOLDER = "https://example.org/rsic_geo"
"""Where the project is, until it is published somewhere: the plugin site wants a page that answers."""
_LEFT_OUT = ("tools", "docs", "__pycache__")
_SUFFIXES = (".py", ".txt", ".svg", ".png", ".html", ".css", ".qm", ".ts", ".md")
_NAMES = ("LICENSE", ".flake8")
_TIME = (2026, 1, 1, 0, 0, 0)


def version() -> str:
    """Return the plugin's version."""
    parser = configparser.ConfigParser()
    parser.read(PLUGIN / "metadata.txt", encoding="utf-8")
    return parser["general"]["version"]


def files() -> list[Path]:
    """Return what belongs into the zip.

    Raises:
        ValueError: naming a file that is neither known nor left out: nothing slips in or is forgotten.
    """
    found = []
    for path in sorted(PLUGIN.rglob("*")):
        parts = path.relative_to(PLUGIN).parts
        if path.is_dir() or any(part in _LEFT_OUT for part in parts):
            continue
        if path.suffix not in _SUFFIXES and path.name not in _NAMES:
            raise ValueError(f"{path}: does this belong into the plugin? Say so in pack.py")
        found.append(path)
    return found


def pack(folder: Path, url: str = PLACEHOLDER) -> Path:
    """Write the zip into ``folder`` and return its path; ``url`` is where the project is published."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{NAME}-{version()}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files():
            data = path.read_bytes()
            if path.name == "metadata.txt":
                data = data.replace(PLACEHOLDER.encode(), url.rstrip("/").encode())
            entry = zipfile.ZipInfo(f"{NAME}/{path.relative_to(PLUGIN).as_posix()}", _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return target


def main() -> int:
    """Pack, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("dist"))
    parser.add_argument(
        "--url", default=PLACEHOLDER, help="page of the project, with its tracker at URL/issues"
    )
    arguments = parser.parse_args()
    target = pack(arguments.folder, arguments.url)
    sys.stdout.write(f"{target} ({target.stat().st_size:,} bytes, {len(files())} files)\n")
    if arguments.url == PLACEHOLDER:
        sys.stdout.write(
            f"For publishing, say where the project is: {PLACEHOLDER} stands in for it (--url)\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
