"""Bytes behind GDAL's names, read by ranges: what rasterio does not offer, GDAL's C API does."""

from __future__ import annotations

import ctypes
import io
import os
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import rasterio._env
from rasterio.env import Env

from rsic_geo.raster.env import gdal_config

_RANGED = ("curl", "s3", "gs", "az", "adls", "oss", "swift", "mem", "subfile")
"""File systems of GDAL whose files are read from any place; others (zip, gzip) unpack from the start."""
_BUFFER = 4096
_BIT64 = ctypes.c_uint64


def is_ranged(name: str) -> bool:
    """Return whether a name of GDAL's is that of a file any part of which can be read by itself."""
    return name.startswith(tuple(f"/vsi{system}/" for system in _RANGED))


def open_bytes(name: str | Path) -> BinaryIO:
    """Open a file, or what a name of GDAL's stands for, for reading bytes.

    Raises:
        OSError: it is not there, or may not be read.
    """
    if not str(name).startswith("/vsi"):
        return Path(name).open("rb")
    return cast(BinaryIO, io.BufferedReader(_VsiFile(str(name)), _BUFFER))


@cache
def _gdal() -> Any:  # noqa: ANN401 - foreign functions
    """Return GDAL's functions on files, of the library that rasterio has loaded."""
    library = ctypes.CDLL(rasterio._env.__file__)  # a lookup by this handle searches what it was linked with
    handle = ctypes.c_void_p
    for function, kinds, result in (
        (library.VSIFOpenL, (ctypes.c_char_p, ctypes.c_char_p), handle),
        (library.VSIFCloseL, (handle,), ctypes.c_int),
        (library.VSIFReadL, (handle, ctypes.c_size_t, ctypes.c_size_t, handle), ctypes.c_size_t),
        (library.VSIFSeekL, (handle, _BIT64, ctypes.c_int), ctypes.c_int),
        (library.VSIFTellL, (handle,), _BIT64),
    ):
        function.argtypes, function.restype = kinds, result
    return library


class _VsiFile(io.RawIOBase):
    """A file of GDAL's, whose own cache and configuration hold: retries, credentials, proxies."""

    def __init__(self, name: str) -> None:
        self._handle: int | None = None
        with gdal_config(), Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):  # no listing of its folder
            self._handle = _gdal().VSIFOpenL(os.fsencode(name), b"rb")
        if not self._handle:
            raise FileNotFoundError(2, "GDAL cannot open it", name)

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle:
            _gdal().VSIFCloseL(handle)
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if offset < 0:  # GDAL counts without signs
            offset, whence = self.seek(0, whence) + offset, io.SEEK_SET
        if _gdal().VSIFSeekL(self._handle, offset, whence):
            raise OSError(f"GDAL cannot seek to byte {offset}")
        return self.tell()

    def tell(self) -> int:
        return int(_gdal().VSIFTellL(self._handle))

    def readinto(self, target: Any) -> int:  # noqa: ANN401 - anything of bytes
        view = memoryview(target).cast("B")
        place = ctypes.addressof(ctypes.c_char.from_buffer(view)) if len(view) else None
        with gdal_config():
            return int(_gdal().VSIFReadL(place, 1, len(view), self._handle)) if place else 0
