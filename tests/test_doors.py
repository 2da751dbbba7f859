"""The doors stay light, arrows point down, and the house style holds."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support import REPOSITORY

HEAVY = (
    "torch",
    "dask",
    "distributed",
    "compressai",
    "qgis",
    "PIL",
    "rasterio",
    "glymur",
    "shapely",
    "click",
)


def _modules_after(statement: str) -> set[str]:
    code = f"import json, sys; {statement}; print(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_library_loads_nothing_heavy():
    assert not _modules_after("import rsic_geo") & set(HEAVY)


@pytest.mark.parametrize(
    "verb", ["compress", "decompress", "info", "compare", "capabilities", "models", "batch"]
)
def test_help_of_a_verb_loads_no_torch(verb):
    loaded = _modules_after(f"from rsic_geo.cli import main; main(['{verb}', '--help'])")
    assert not loaded & {"torch", "dask", "distributed", "compressai", "qgis", "rasterio"}


def test_the_public_verbs_survive_the_import_of_every_room():
    code = (
        "import rsic_geo, rsic_geo.repair.base, rsic_geo.codecs.registry, rsic_geo.container.jp2;"
        "verbs = 'open compress decompress enhance compare info validate'.split();"
        "print([v for v in verbs if type(getattr(rsic_geo, v)).__name__ != 'function'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / name
    if not program.exists():
        pytest.skip(f"{name} is not installed beside this Python")
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        [str(program), *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_arrows_point_down():
    done = _tool("lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


OWNERS = {
    "rasterio": ("raster",),
    "torch": (
        "codecs.compressai_",
        "codecs.learned",
        "devices",
        "repair.integer.engines",
        "repair.network",
        "repair.torch_enhancer",
        "evaluation.speed",
        "training",
    ),
    "onnxruntime": ("onnx_file",),
    "safetensors": (
        "codecs.compressai_tile",
        "codecs.learned",
        "repair.integer.weights",
        "repair.torch_enhancer",
        "training",
    ),
    "glymur": ("codecs.openjpeg", "codecs.jpeg2000"),
    "shapely": ("geo.footprint", "geo.extent", "batch.export.footprints", "batch.export.stac"),
    "compressai": ("codecs.learned_rans",),
    "tifffile": ("container.tiff_pages",),
    "click": ("cli",),
    "PIL": ("training", "evaluation", "verbs.pictures"),
    "psutil": ("evaluation",),
    "bjontegaard": ("evaluation",),
    "imagecodecs": ("evaluation",),
    "matplotlib": ("evaluation",),
    "osgeo": (),
    "dask": (),
    "distributed": ("batch.dask",),
    "fsspec": ("verbs.places",),
    "pystac": ("batch.export.stac",),
    "stac_geoparquet": ("batch.export.stac",),
    "rioxarray": (),
    "xarray": ("verbs.xarray_engine",),
    "qgis": (),
}
"""Libraries, and the modules (by the start of their names) that may import them."""


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level
    }
    return {name.split(".")[0] for name in names}


def test_every_library_has_one_owner():
    package = REPOSITORY / "rsic_geo"
    strays = []
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        for library in _imports(path) & OWNERS.keys():
            if not module.startswith(OWNERS[library] or "no module"):
                strays.append(f"{module} imports {library}")
    assert not strays


def test_ruff_finds_nothing():
    done = _tool("ruff", "check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_mypy_finds_nothing():
    done = _tool("mypy")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_of_the_package_is_over_400_lines():
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in (REPOSITORY / "rsic_geo").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_no_folder_holds_more_than_20_python_files():
    folders = Counter(
        str(path.parent.relative_to(REPOSITORY))
        for top in ("rsic_geo", "tests", "qgis_plugin")
        for path in (REPOSITORY / top).rglob("*.py")
    )
    assert not {folder: count for folder, count in folders.items() if count > 20}
