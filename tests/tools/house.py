"""How the house stands, in numbers: ``python tests/tools/house.py``.

What is laid out is counted from the syntax trees; what a verb crosses is counted while it runs on a small
scene, our own frames only. Rooms are the folders of the package and its single modules. Compare two states
by running this on both.
"""

from __future__ import annotations

import ast
import os
import sys
import tempfile
import threading
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "rsic_geo"
MOST_FILES = 20
"""Python files a folder may hold."""


def modules() -> dict[str, Path]:
    """Return the files of the package by the names of their modules, without the package's own name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def lines_of(folder: Path) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))


def files_per_folder() -> Counter[str]:
    found: Counter[str] = Counter()
    for top in ("rsic_geo", "tests", "qgis_plugin"):
        found.update(str(path.parent.relative_to(REPOSITORY)) for path in (REPOSITORY / top).rglob("*.py"))
    return found


def imports_of(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of ours that a file imports, inside functions too, though not for types alone."""
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes += node.orelse
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [
                name
                if (name := f"{node.module}.{alias.name}").removeprefix("rsic_geo.") in known
                else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from {
            short
            for name in names
            if name and (short := name.removeprefix("rsic_geo.")) in known and short != name
        }


def declared_order() -> dict[str, int]:
    """Return the floor of every room that import-linter's contract of layers names, the lowest first."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    content = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = content["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["type"] == "layers")["layers"]
    names = [line.translate(str.maketrans("()|:", "    ")).split() for line in reversed(layers)]
    return {name: floor for floor, line in enumerate(names) for name in line}


def in_cycles(arrows: dict[str, set[str]]) -> list[str]:
    """Return the modules that import themselves by a way around."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = list(arrows[start])
        while ahead:
            name = ahead.pop()
            if name not in seen:
                seen.add(name)
                ahead += arrows[name]
        return seen

    return sorted(name for name in arrows if name in reached(name))


def public_names(path: Path) -> int:
    """Return how many names without underscore a module defines for others."""
    count = 0
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            continue
        count += sum(not name.startswith("_") for name in names)
    return count


class Crossing:
    """The modules and functions of ours that a call passes through, and how deep it gets, on any thread."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.functions: set[tuple[str, str, int]] = set()
        self.depth = 0
        self._here = f"{PACKAGE}{os.sep}"
        self._thread = threading.local()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(self._here):
            return
        if event == "return":
            self._thread.depth = max(getattr(self._thread, "depth", 0) - 1, 0)
            return
        self._thread.depth = getattr(self._thread, "depth", 0) + 1
        self.depth = max(self.depth, self._thread.depth)
        if code.co_name != "<module>":
            self.modules.add(code.co_filename)
            self.functions.add((code.co_filename, code.co_qualname, code.co_firstlineno))

    def follow(self, call: Callable[[], Any]) -> Crossing:
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            call()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
        return self

    def __str__(self) -> str:
        return f"{len(self.modules)} modules, {len(self.functions)} functions, {self.depth} frames deep"


def crossings() -> Iterator[tuple[str, Crossing]]:
    """Yield what verbs cross, once everything they import is loaded."""
    import numpy as np
    import rasterio

    import rsic_geo
    from rsic_geo.geo.window import Window

    window = Window(row_off=40, col_off=50, height=100, width=120)
    with tempfile.TemporaryDirectory() as folder:
        source = f"{folder}/scene.tif"
        rows, columns = np.mgrid[0:300, 0:340]
        pixels = np.stack([(rows + columns * band) // 4 % 200 for band in (1, 2, 3)]).astype(np.uint8)
        pixels += np.random.default_rng(0).integers(0, 20, pixels.shape, np.uint8)
        with rasterio.open(
            source, "w", driver="GTiff", count=3, height=300, width=340, dtype="uint8", nodata=255
        ) as scene:
            scene.write(pixels)
        for codec, suffix, choices in (
            ("jp2", ".jp2", {"target": "psnr=36", "model": "rsic-linear", "tile_size": 256}),
            ("learned", ".rsic.tif", {"target": "bpp=1", "model": "none"}),
        ):
            archive = f"{folder}/archive{suffix}"

            def compress(
                archive: str = archive, codec: str = codec, choices: dict[str, Any] = choices
            ) -> None:
                rsic_geo.compress(source, archive, codec=codec, overwrite=True, threads=1, **choices)

            def read(archive: str = archive) -> None:
                with rsic_geo.open(archive, threads=1) as scene:
                    scene.read(window=window)

            compress(), read()  # loads what they import
            yield f"compress ({codec})", Crossing().follow(compress)
            yield f"open().read(window) ({codec})", Crossing().follow(read)


def main() -> None:
    """Print the table."""
    known = modules()
    folders = files_per_folder()
    crowded = {folder: count for folder, count in folders.items() if count > MOST_FILES}
    print(f"package lines                     {lines_of(PACKAGE)} in {len(known)} files")
    print(f"test lines                        {lines_of(REPOSITORY / 'tests')}")
    print(f"folders of more than {MOST_FILES} files       {len(crowded)} {crowded or ''}")

    arrows = {name: set(imports_of(path, known)) - {name} for name, path in known.items()}
    floors = declared_order()
    upward = [
        f"{name} -> {other}"
        for name, others in arrows.items()
        for other in others
        if room_of(name) != room_of(other) and floors.get(room_of(other), -1) >= floors.get(room_of(name), 99)
    ]
    placeless = sorted({room_of(name) for name in known if name} - floors.keys() - {"__main__"})
    print(f"imports against the order         {len(upward)} {upward or ''}")
    print(f"rooms the order does not name     {len(placeless)} {placeless or ''}")
    circling = in_cycles(arrows)
    print(f"modules in a cycle of imports     {len(circling)} {circling or ''}")
    for what, crossing in crossings():
        print(f"{what:33} {crossing}")

    print(f"\n{'room':14}{'files':>6}{'lines':>7}{'public names':>14}  imports of rooms")
    rooms: dict[str, list[str]] = defaultdict(list)
    for name in known:
        rooms[room_of(name)].append(name)
    for room, names in sorted(rooms.items(), key=lambda row: (-floors.get(row[0], 99), row[0])):
        lines = sum(len(known[name].read_text(encoding="utf-8").splitlines()) for name in names)
        public = sum(public_names(known[name]) for name in names)
        uses = sorted({room_of(other) for name in names for other in arrows[name]} - {room})
        print(f"{room or 'rsic_geo':14}{len(names):6}{lines:7}{public:14}  {' '.join(uses)}")

    print(f"\n{'folder':34}{'files':>6}")
    for folder, count in sorted(folders.items()):
        print(f"{folder:34}{count:6}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of rasterio: the scene lies nowhere
    main()
