"""Variables of the process that must be right before libraries are loaded: of GDAL, and of threads."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

VARIABLES = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")
"""Set by QGIS, conda and OSGeo4W for their own GDAL; rasterio's wheel would read the wrong PROJ database."""

_dropped: tuple[str, ...] = ()


def dropped_variables() -> tuple[str, ...]:
    """Return the variables this process set aside."""
    return _dropped


def one_blas_thread() -> None:
    """Keep numpy's linear algebra to one thread, unless the user said otherwise; before numpy is loaded.

    Windows are worked on side by side; threads of OpenBLAS's own wait for each other by spinning, and on busy
    cores two of them made enhancement take 2.5 times the processor time of one.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def set_aside_foreign_gdal() -> None:
    """Drop the variables, if rasterio is a wheel with its own data. Must run before rasterio is imported."""
    global _dropped  # noqa: PLW0603 - the environment belongs to the process, so does what was taken out of it
    present = [name for name in VARIABLES if name in os.environ]
    if not present:
        return
    spec = importlib.util.find_spec("rasterio")
    if (
        spec is None
        or spec.origin is None
        or not (Path(spec.origin).parent / "proj_data" / "proj.db").is_file()
    ):
        return
    for name in present:
        del os.environ[name]
    _dropped = tuple(sorted({*_dropped, *present}))
