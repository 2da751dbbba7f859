"""The checks of ``rsic doctor``: each looks at one thing the library needs and says what to do.

Libraries are looked up by name, not imported: a broken one must become a line of the result, not a traceback.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Literal

from rsic_geo.cli.console import one_line
from rsic_geo.cli.summary import bytes_text
from rsic_geo.cli.surroundings import VARIABLES, dropped_variables
from rsic_geo.errors import INSTALL_TORCH, RsicGeoError

Status = Literal["ok", "warning", "missing"]

PACKAGES = ("numpy", "rasterio", "shapely", "glymur", "onnxruntime", "safetensors", "click", "tqdm")
DRIVERS = {"GTiff": "missing", "COG": "missing", "VRT": "warning", "JP2OpenJPEG": "missing"}
"""GDAL drivers, and how bad it is to have none."""
LOW_SPACE = 2 * 10**9
"""Free temporary space (bytes) below which a large scene is likely to fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    name: str
    status: Status
    detail: str
    """What is there, on one line."""
    advice: str = ""
    """What to do; empty where nothing is to be done."""

    def to_json(self) -> dict[str, str]:
        """Return a plain dictionary."""
        return {"name": self.name, "status": self.status, "detail": self.detail, "advice": self.advice}


def _probe(name: str) -> ModuleType:
    return importlib.import_module(name)


def packages() -> list[Finding]:
    """Every package the library needs, importable, with its version."""
    findings = []
    for name in PACKAGES:
        try:
            _probe(name)
            findings.append(Finding(name=name, status="ok", detail=version(name)))
        except (ImportError, OSError, RuntimeError, PackageNotFoundError) as error:
            missing = getattr(error, "name", None) or name
            advice = f"pip install --force-reinstall {missing.split('.')[0]}"
            findings.append(Finding(name=name, status="missing", detail=str(error), advice=advice))
    return findings


def openjpeg() -> Finding:
    """The OpenJPEG that tiles are coded with, giving one back unchanged."""
    advice = "install OpenJPEG: apt-get install libopenjp2-7 (or conda install openjpeg)"
    name = "OpenJPEG"
    try:
        found = _round_trip()
    except ImportError as error:
        return Finding(name=name, status="missing", detail=str(error), advice="see glymur above")
    except (OSError, RsicGeoError) as error:
        return Finding(name=name, status="missing", detail=one_line(str(error)), advice=advice)
    return Finding(name=name, status="ok", detail=f"{found}, a tile came back unchanged")


def _round_trip() -> str:
    import numpy as np

    from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile
    from rsic_geo.codecs.openjpeg import library_version
    from rsic_geo.errors import CodecError

    tile = (np.arange(3 * 64 * 64, dtype=np.uint16).reshape(3, 64, 64) * 37) % 1021
    if not np.array_equal(decode_tile(encode_tile(tile, J2KParams(lossless=True, mct=True))), tile):
        raise CodecError("a lossless tile came back changed")
    return library_version()


def gdal() -> list[Finding]:
    """The drivers of the GDAL that rasterio brings."""
    try:
        with _probe("rasterio.env").Env() as env:
            known = env.drivers()
        release = str(_probe("rasterio").__gdal_version__)
    except (ImportError, OSError, RuntimeError) as error:
        return [
            Finding(name="GDAL", status="missing", detail=str(error), advice="pip install 'rasterio>=1.4'")
        ]
    findings = [Finding(name="GDAL", status="ok", detail=release)]
    for driver, status in DRIVERS.items():
        if driver not in known:
            findings.append(
                Finding(
                    name=f"GDAL driver {driver}",
                    status=status,  # type: ignore[arg-type]
                    detail="not in this GDAL",
                    advice="install the rasterio wheel from PyPI, or a GDAL built with this driver",
                )
            )
    return findings


def proj() -> Finding:
    """PROJ finds the database it was built with; variables of another installation are the usual trap."""
    set_aside = ", ".join(dropped_variables())
    try:
        crs = _probe("rasterio.crs").CRS.from_epsg(32633)
        _probe("rasterio.warp").transform("EPSG:4326", crs, [15.0], [50.5])
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        set_here = [name for name in VARIABLES if name in os.environ]
        advice = f"unset {' '.join(set_here)}" if set_here else "pip install --force-reinstall rasterio"
        return Finding(name="PROJ", status="missing", detail=one_line(str(error)), advice=advice)
    if set_aside:
        detail = f"EPSG database found; {set_aside} of another installation set aside"
        return Finding(name="PROJ", status="ok", detail=detail)
    return Finding(name="PROJ", status="ok", detail="EPSG database found")


def engines() -> Finding:
    """Who computes the networks: engines that give the bytes the weights promise, the fastest first."""
    name = "engines"
    try:
        from rsic_geo.repair.integer.engines import judge
        from rsic_geo.repair.integer.weights import unpack
        from rsic_geo.weights import open_weights

        weights = open_weights("auto")
        networks, golden = unpack(weights.content, weights.spec, weights.name)
        verdicts = [verdict for verdict, _ in judge(networks, golden)]
    except (ImportError, OSError, RsicGeoError) as error:
        return Finding(name=name, status="missing", detail=one_line(str(error)), advice="see models below")
    admitted = [verdict.engine for verdict in verdicts if verdict.is_admitted]
    refused = [f"not {one.engine}: {one.reason}" for one in verdicts if not one.is_admitted]
    advice = "pip install --force-reinstall onnxruntime"
    if not admitted:
        return Finding(name=name, status="missing", detail="; ".join(refused), advice=advice)
    is_fast = admitted[0] == verdicts[0].engine
    used = f"{admitted[0]} computes the networks, exact on their golden window"
    spare = [f"as exact: {', '.join(admitted[1:])}"] if admitted[1:] else []
    detail = one_line("; ".join([used, *spare, *refused]))
    return Finding(
        name=name, status="ok" if is_fast else "warning", detail=detail, advice="" if is_fast else advice
    )


def devices() -> Finding:
    """Where torch, which need not be there, can run what needs it."""
    try:
        torch = _probe("torch")
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        total = float(torch.ones(8, 8).sum())
    except ModuleNotFoundError:
        detail = f"cpu; for CUDA, encoding with the learned codec and diffusion priors: {INSTALL_TORCH}"
        return Finding(name="devices", status="ok", detail=detail)
    except (ImportError, OSError, RuntimeError) as error:
        return Finding(
            name="devices", status="missing", detail=str(error), advice="pip install --force-reinstall torch"
        )
    if total != 64:
        return Finding(
            name="devices", status="missing", detail="torch adds wrongly", advice="reinstall torch"
        )
    cpu = f"cpu (torch {torch.__version__})"
    return Finding(name="devices", status="ok", detail=", ".join([cpu, *(f"cuda ({n})" for n in names)]))


def weights() -> list[Finding]:
    """Every shipped network, against the checksum in the manifest."""
    advice = "pip install --force-reinstall --no-deps rsic-geo"
    try:
        from rsic_geo.weights import list_weights, open_weights

        rows = list_weights()
    except (ImportError, OSError, ValueError, KeyError, RsicGeoError) as error:
        return [Finding(name="models", status="missing", detail=one_line(str(error)), advice=advice)]
    if not rows:
        return [Finding(name="models", status="warning", detail="none shipped: nothing can be enhanced")]
    findings = []
    for row in rows:
        try:
            opened = open_weights(row.name)
            detail = f"{bytes_text(len(opened.content))}, sha256 as in the manifest"
            findings.append(Finding(name=f"model {row.name}", status="ok", detail=detail))
        except RsicGeoError as error:
            detail = one_line(str(error))
            findings.append(Finding(name=f"model {row.name}", status="missing", detail=detail, advice=advice))
    return findings


def space() -> Finding:
    """Room for temporary files."""
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile():
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            name="temporary space",
            status="missing",
            detail=str(error),
            advice="set TMPDIR to a writable folder",
        )
    low = free < LOW_SPACE
    return Finding(
        name="temporary space",
        status="warning" if low else "ok",
        detail=f"{bytes_text(free)} free in {folder}",
        advice="set TMPDIR to a larger disk" if low else "",
    )


def examine() -> list[Finding]:
    """Run every check, in an order in which the first failure explains the later ones."""
    python = Finding(name="Python", status="ok", detail=f"{sys.version.split()[0]} ({sys.executable})")
    checks: tuple[Callable[[], list[Finding] | Finding], ...] = (
        packages,
        openjpeg,
        gdal,
        proj,
        engines,
        devices,
        weights,
        space,
    )
    findings = [python]
    for check in checks:
        found = check()
        findings += found if isinstance(found, list) else [found]
    return findings
