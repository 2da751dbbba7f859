"""Writes the zip that QGIS installs and the plugin site takes: `pack.py [FOLDER] [--url URL] [--email A]`.

The same checkout gives the same bytes. Tools and pictures of this folder are left out; translations are
compiled. `metadata.txt` names no page and no address, for what it names has to be true: whoever publishes the
plugin gives both here. QGIS installs a zip without them; the plugin site does not take it.
"""

from __future__ import annotations

import argparse
import configparser
import sys
import zipfile
from pathlib import Path

PLUGIN = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PLUGIN / "tools"))

from qm import compiled  # noqa: E402 - beside this file, wherever it is started from

NAME = "rsic_geo_qgis"
_LEFT_OUT = ("tools", "docs", "__pycache__")
_SUFFIXES = (".py", ".txt", ".svg", ".png", ".html", ".css", ".ts", ".md")
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


def metadata(url: str = "", email: str = "") -> str:
    """Return `metadata.txt` with the page of the project and the address that answers, as far as given."""
    url = url.rstrip("/")
    given = {
        "email": email,
        "homepage": url,
        "tracker": f"{url}/issues" if url else "",
        "repository": url,
    }
    lines = "".join(f"{key}={value}\n" for key, value in given.items() if value)
    return (PLUGIN / "metadata.txt").read_text(encoding="utf-8").replace("category=", f"{lines}category=", 1)


def pack(folder: Path, url: str = "", email: str = "") -> Path:
    """Write the zip into ``folder`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{NAME}-{version()}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files():
            name = path.relative_to(PLUGIN).as_posix()
            is_metadata = name == "metadata.txt"
            _add(archive, name, metadata(url, email).encode() if is_metadata else path.read_bytes())
            if path.suffix == ".ts" and "_" in path.stem:
                _add(archive, str(Path(name).with_suffix(".qm")), compiled(path))
    return target


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(f"{NAME}/{name}", _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def main() -> int:
    """Pack, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("dist"))
    parser.add_argument("--url", default="", help="page of the project, with its tracker at URL/issues")
    parser.add_argument("--email", default="", help="address of whoever answers for the plugin")
    arguments = parser.parse_args()
    target = pack(arguments.folder, arguments.url, arguments.email)
    sys.stdout.write(f"{target} ({target.stat().st_size:,} bytes)\n")
    if not (arguments.url and arguments.email):
        sys.stdout.write(
            "QGIS installs it. The plugin site also wants the project's page and an address that answers: "
            "make plugin-zip PLUGIN_URL=https://... PLUGIN_EMAIL=...\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
