"""Creation options a user gives: GDAL only warns of those it does not know and goes on without them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

import rasterio.shutil
from rasterio.io import MemoryFile

from rsic_geo.errors import UsageError
from rsic_geo.geo.io_env import gdal_config
from rsic_geo.geo.io_xml import GDAL_TYPES
from rsic_geo.geo.profile import SceneProfile

_SIDE = 16


def check_creation_options(driver: str, asked: Mapping[str, str], profile: SceneProfile) -> None:
    """Refuse creation options that GDAL does not know or whose values it would not take.

    They are tried on a tiny file in memory, where nothing else can fail.

    Args:
        driver: GDAL's name of the output format.
        asked: values by name, upper case.
        profile: the scene to be written.

    Raises:
        UsageError: an option is wrong; the message is GDAL's.
    """
    heard = _Heard()
    logger = logging.getLogger("rasterio")
    logger.addHandler(heard)
    try:
        with (
            gdal_config(),
            MemoryFile(_vrt(profile), ext=".vrt") as template,
            MemoryFile(ext=".tif") as target,
        ):
            rasterio.shutil.copy(template.name, target.name, driver=driver, **dict(asked))
    except Exception as error:  # rasterio lets GDAL's own, private exception classes through
        raise UsageError(f"wrong creation option: {_plain(str(error.__cause__ or error))}") from error
    finally:
        logger.removeHandler(heard)
    named = re.compile("creation option|" + "|".join(rf"\b{re.escape(option)}\b" for option in asked))
    for message in heard.messages:
        if named.search(message):
            raise UsageError(f"wrong creation option: {_plain(message)}")


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


def _vrt(profile: SceneProfile) -> bytes:
    kind = GDAL_TYPES[profile.dtype]
    bands = "".join(f'<VRTRasterBand dataType="{kind}" band="{i + 1}"/>' for i in range(profile.count))
    place = "<SRS>EPSG:3857</SRS><GeoTransform>0, 1, 0, 0, 0, -1</GeoTransform>"
    return f'<VRTDataset rasterXSize="{_SIDE}" rasterYSize="{_SIDE}">{place}{bands}</VRTDataset>'.encode()
