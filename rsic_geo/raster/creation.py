"""Creation options a user gives: GDAL only warns of those it does not know and goes on without them.

Nor does it say which of them change pixels (JPEG, LERC with an error, fewer bits), so that is tried too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from rsic_geo.errors import UsageError
from rsic_geo.geo.profile import SceneProfile, sample_range
from rsic_geo.raster.env import gdal_config

_SIDE = 16


def check_creation_options(
    driver: str, whole: Mapping[str, str], profile: SceneProfile, *, asked: Mapping[str, str]
) -> bool:
    """Refuse creation options that GDAL does not know or whose values it would not take.

    They are tried on a tiny file in memory, where nothing else can fail.

    Args:
        driver: GDAL's name of the output format.
        whole: values by name, upper case, with those that nobody asked for.
        profile: the scene to be written.
        asked: those that the user gave.

    Returns:
        whether pixels of the scene's type, any of them, come back as they were.

    Raises:
        UsageError: an option is wrong; the message is GDAL's.
    """
    heard = _Heard()
    pixels = _noise(profile)
    logger = logging.getLogger("rasterio")
    logger.addHandler(heard)
    try:
        with gdal_config(), MemoryFile(ext=".tif") as template, MemoryFile(ext=".tif") as target:
            _write(template, pixels, profile)
            rasterio.shutil.copy(template.name, target.name, driver=driver, **{**whole, "NUM_THREADS": "1"})
            with target.open() as written:
                is_kept = np.array_equal(written.read(), pixels)
    except Exception as error:  # rasterio lets GDAL's own, private exception classes through
        raise UsageError(f"wrong creation option: {_plain(str(error.__cause__ or error))}") from error
    finally:
        logger.removeHandler(heard)
    named = re.compile("creation option|" + "|".join(rf"\b{re.escape(option)}\b" for option in asked))
    for message in heard.messages:
        if named.search(message):
            raise UsageError(f"wrong creation option: {_plain(message)}")
    return is_kept


def _plain(message: str) -> str:
    """Return a message without the name of the tiny file."""
    return re.sub(r"^(CPLE_\w+ in )?(\S*\.tif: )?|(?<=Field:)\S*\.tif: ", "", " ".join(message.split()))


class _Heard(logging.Handler):
    """Keeps what GDAL says."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _noise(profile: SceneProfile) -> NDArray[Any]:
    """Return pixels (bands, h, w) of which no lossy compression leaves all as they are."""
    kind, shape = np.dtype(profile.dtype), (profile.count, _SIDE, _SIDE)
    generator = np.random.default_rng(0)
    if kind.kind in "iu":
        least, most = sample_range(profile.dtype, profile.sample_bits)
        return generator.integers(least, most, shape, kind, endpoint=True)
    return generator.uniform(-1000, 1000, shape).astype(kind)


def _write(file: MemoryFile, pixels: NDArray[Any], profile: SceneProfile) -> None:
    with file.open(
        driver="GTiff",
        width=_SIDE,
        height=_SIDE,
        count=profile.count,
        dtype=profile.dtype,
        crs="EPSG:3857",
        transform=Affine(2, 0, 0, 0, -2, 0),
    ) as dataset:
        dataset.write(pixels)
