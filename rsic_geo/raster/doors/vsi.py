"""Bytes behind GDAL's names, read by ranges: what rasterio does not offer, GDAL's C API does."""

from __future__ import annotations

import ctypes
import io
import os
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import rasterio._env

from rsic_geo.raster.env import gdal_config, gdal_env, open_dataset

_RANGED = ("curl", "s3", "gs", "az", "adls", "oss", "swift", "mem", "subfile")
"""File systems of GDAL whose files are read from any place; others (zip, gzip) unpack from the start."""
_MUCH = 1 << 14
"""Bytes of a read that GDAL fetches by themselves: its own pieces of far files are as long."""
_BIT64 = ctypes.c_uint64


def is_ranged(name: str) -> bool:
    """Return whether a name of GDAL's is that of a file any part of which can be read by itself."""
    return name.startswith(tuple(f"/vsi{system}/" for system in _RANGED))


def open_bytes(name: str | Path) -> BinaryIO:
    """Open a file, or what a name of GDAL's stands for, for reading bytes.

    Raises:
        OSError: it is not there, or may not be read.
    """
    if "://" in str(name) and not str(name).startswith("/vsi"):  # rasterio's way to write names of GDAL's
        with open_dataset(name) as dataset:
            name = str(dataset.files[0])
    if not str(name).startswith("/vsi"):
        return Path(name).open("rb")
    return cast(BinaryIO, _VsiFile(str(name)))


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
        self._name, self._place = name, 0
        self._handle: int | None = _opened(name)

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
        if whence == io.SEEK_END:
            _gdal().VSIFSeekL(self._handle, 0, io.SEEK_END)
            offset += int(_gdal().VSIFTellL(self._handle))
        elif whence == io.SEEK_CUR:
            offset += self._place
        if offset < 0:
            raise OSError(22, "no file has bytes before its first", self._name)
        self._place = offset
        return offset

    def tell(self) -> int:
        return self._place

    def readinto(self, target: Any) -> int:  # noqa: ANN401 - anything of bytes
        view = memoryview(target).cast("B")
        if not len(view):
            return 0
        # Much is read by a handle of its own: of one that reads on, GDAL fetches ever more ahead.
        handle = _opened(self._name) if len(view) > _MUCH else self._handle
        try:
            with gdal_config():
                _gdal().VSIFSeekL(handle, self._place, io.SEEK_SET)
                place = ctypes.addressof(ctypes.c_char.from_buffer(view))
                count = int(_gdal().VSIFReadL(place, 1, len(view), handle))
        finally:
            if handle != self._handle:
                _gdal().VSIFCloseL(handle)
        self._place += count
        return count


def _opened(name: str) -> int:
    with gdal_config(), gdal_env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):  # no listing of its folder
        handle = _gdal().VSIFOpenL(os.fsencode(name), b"rb")
    if not handle:
        raise FileNotFoundError(2, "GDAL cannot open it", name)
    return int(handle)
