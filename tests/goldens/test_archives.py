"""Archives are the same bytes as the ones made when ``archives.json`` was written.

Whoever moves code may not change them. Whoever changes them on purpose writes the digests anew with
``python tests/goldens/test_archives.py``, and says in the commit which changed and why. They hold for one set
of libraries on the kinds of CPU on which they were found: rate control compares floats. What a network codes
has digests for each kind, since its sums depend on that.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from numpy.typing import NDArray

import rsic_geo
from rsic_geo.codecs.openjpeg import library_version

KEPT = Path(__file__).with_name("archives.json")
HEIGHT, WIDTH = 300, 340


def _pixels(bands: int, dtype: str) -> NDArray[Any]:
    """Return smooth slopes, edges and a little noise from integers alone, the same on every machine."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.int64)
    noise = (rows * 7919 + columns * 104729 + (rows * columns) % 1009 * 31) % 61
    fields = rows * 2 + columns + 300 * ((rows // 40 + columns // 56) % 2)
    wide = np.stack([60 * (band + 6) + fields + noise * (band + 2) // 4 for band in range(bands)])
    return (wide // 8 if dtype == "uint8" else wide * 3).astype(dtype)


def _hole() -> NDArray[np.bool_]:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return (rows * 3 + columns < 260) | ((rows - 200) ** 2 + (columns - 250) ** 2 < 900)


def _write(path: Path, pixels: NDArray[Any], **more: Any) -> None:
    profile = {
        "driver": "GTiff", "count": len(pixels), "height": HEIGHT, "width": WIDTH, "dtype": pixels.dtype.name,
        "crs": "EPSG:32632", "transform": Affine(10, 0, 500_000, 0, -10, 5_600_000), "tiled": True,
        "blockxsize": 128, "blockysize": 128,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile, **more) as scene:
        scene.write(pixels)
        scene.update_tags(ACQUIRED="2024-05-06")


def _rgb(path: Path) -> None:
    _write(path, _pixels(3, "uint8"), photometric="RGB")


def _four(path: Path) -> None:
    _write(path, _pixels(4, "uint16"))


def _nodata(path: Path) -> None:
    _write(path, np.where(_hole(), 0, _pixels(3, "uint8")).astype("uint8"), nodata=0, photometric="RGB")


def _masked(path: Path) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        _write(path, _pixels(3, "uint8"), photometric="RGB")
        with rasterio.open(path, "r+") as scene:
            scene.write_mask(~_hole())


def _alpha(path: Path) -> None:
    alpha = np.where(_hole(), 0, 255).astype("uint8")[None]
    _write(path, np.concatenate([_pixels(3, "uint8"), alpha]), photometric="RGB", alpha="unassociated")


def _float(path: Path) -> None:
    _write(path, _pixels(1, "uint16").astype("float32") / 64)


@dataclass(frozen=True)
class Case:
    """One archive."""

    scene: Callable[[Path], None]
    suffix: str = ".jp2"
    options: dict[str, Any] = field(default_factory=dict)


def _cases() -> dict[str, Case]:
    cases = {}
    for name, scene in (("rgb8", _rgb), ("four16", _four)):
        for target in ("lossless", "psnr=36", "max-error=4", "bpp=1"):
            for model in ("none", "rsic-linear") if target != "lossless" else ("none",):
                cases[f"{name} {target} {model}"] = Case(scene, options={"target": target, "model": model})
    for name, scene in (("nodata", _nodata), ("mask", _masked), ("alpha", _alpha)):
        cases[f"{name} lossless"] = Case(scene)
        cases[f"{name} psnr=36"] = Case(scene, options={"target": "psnr=36", "model": "rsic-linear"})
    cases["float quantised"] = Case(_float, options={"quantize": "uint16"})
    part = {"srcwin": (30, 40, 200, 170), "bands": (3, 1), "target": "ratio=8", "model": "rsic-linear"}
    cases["part ratio=8"] = Case(_rgb, options=part)
    learned = {"codec": "learned", "model": "none"}
    cases["learned psnr=30"] = Case(_rgb, ".rsic.tif", {**learned, "target": "psnr=30"})
    cases["learned nodata bpp=1"] = Case(_nodata, ".rsic.tif", {**learned, "target": "bpp=1"})
    return cases


CASES = _cases()


def machine() -> dict[str, str]:
    """Return what the digests depend on besides our code."""
    return {
        "openjpeg": library_version(),
        "gdal": rasterio.__gdal_version__,
        "numpy": np.__version__,
        "torch": torch.__version__,
        "compressai": importlib.metadata.version("compressai"),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }


def cpu() -> str:
    """Return the kind of CPU."""
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def digests(case: Case, folder: Path) -> list[str]:
    """Return the digests of the archive of a case and of its sidecar, if it has one."""
    source, archive = folder / "scene.tif", folder / f"archive{case.suffix}"
    case.scene(source)
    torch.set_num_threads(1)  # the learned codec's sums round otherwise with more
    rsic_geo.compress(
        str(source), str(archive), **{"tile_size": 256, "threads": 1, "device": "cpu", **case.options}
    )
    written = [archive, archive.with_name(archive.name + ".aux.xml")]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in written if path.exists()]


@pytest.mark.parametrize("name", CASES)
def test_an_archive_is_the_same_bytes_as_ever(name, tmp_path):
    kept = json.loads(KEPT.read_text())
    try:
        here = machine()
    except importlib.metadata.PackageNotFoundError as error:
        pytest.skip(f"not installed here: {error.name}")
    made = kept["machine"]
    other = [f"{what} {here[what]}, not {made[what]}" for what in made if here[what] != made[what]]
    wanted = kept["archives"][name]
    known = wanted if isinstance(wanted, dict) else kept["cpus"]
    if cpu() not in known:
        other.append(f"a CPU of the kind {cpu()}, not {' or '.join(known)}")
    if other:
        pytest.skip("the digests were made elsewhere; here is " + "; ".join(other))
    assert digests(CASES[name], tmp_path) == (wanted[cpu()] if isinstance(wanted, dict) else wanted)


def _made_anew(before: dict[str, Any]) -> dict[str, Any]:
    """Return digests found here; those of other kinds of CPU stay where ours did."""
    found: dict[str, Any] = {}
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = digests(case, Path(folder))
        if case.options.get("codec") == "learned":
            others = before["archives"][name]
            is_same = others.get(cpu()) == found[name]
            found[name] = {**(others if is_same else {}), cpu(): found[name]}
    plain = [name for name, each in found.items() if isinstance(each, list)]
    is_same = all(before["archives"][name] == found[name] for name in plain)
    cpus = sorted({cpu(), *(before["cpus"] if is_same else ())})
    return {"machine": machine(), "cpus": cpus, "archives": found}


if __name__ == "__main__":
    text = json.dumps(_made_anew(json.loads(KEPT.read_text())), indent=1)
    (Path(sys.argv[1]) if sys.argv[1:] else KEPT).write_text(text + "\n")
