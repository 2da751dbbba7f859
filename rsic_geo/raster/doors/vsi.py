"""Bytes behind GDAL's names, read by ranges, and what GDAL calls the addresses that other programs use.

rasterio offers no reading by ranges; GDAL's C API does.
"""

from __future__ import annotations

import ctypes
import io
import os
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit

import rasterio._env

from rsic_geo.errors import UsageError
from rsic_geo.raster.env import gdal_config, gdal_env, open_dataset, scene_errors

_RANGED = ("curl", "s3", "gs", "az", "adls", "oss", "swift", "mem", "subfile")
"""File systems of GDAL whose files are read from any place; others (gzip) unpack from the start."""
_SQUEEZED = (".tgz", ".tar.gz")
"""What GDAL knows a tar by whose members are unpacked from its start."""
_MUCH = 1 << 14
"""Bytes of a read that GDAL fetches by themselves: its own pieces of far files are as long."""
_BIT64 = ctypes.c_uint64
_LONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
"""No listing of a file's folder, which may be long, or far away."""
_STORES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}


def is_ranged(name: str) -> bool:
    """Return whether a name of GDAL's is that of a file any part of which can be read by itself.

    Members of a zip or tar are, if they are stored as they are.
    """
    if name.startswith("/vsizip/"):
        return _is_stored(name)
    if name.startswith("/vsitar/"):
        return not is_of_squeezed_tar(name)
    return name.startswith(tuple(f"/vsi{system}/" for system in _RANGED))


def is_of_squeezed_tar(name: str) -> bool:
    """Return whether a name of GDAL's is that of a member of a tar that is compressed as a whole."""
    return name.startswith("/vsitar/") and any(suffix in name.lower() for suffix in _SQUEEZED)


def copy_bytes(name: str, target: Path) -> None:
    """Copy what a name of GDAL's stands for, from its start to its end.

    Raises:
        OSError: it is not there, or ends early.
    """
    with open_bytes(name) as file, target.open("wb") as out:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        while piece := file.read(_MUCH):
            out.write(piece)
        if out.tell() != size:
            raise OSError(5, f"it ended after {out.tell()} of {size} bytes", name)


def _is_stored(name: str) -> bool:
    """Return whether a member of a zip is there, and not deflated."""
    with gdal_config():
        found = _gdal().VSIGetFileMetadata(os.fsencode(name), b"ZIP", None)
    try:
        return bool(_gdal().CSLFetchNameValueDef(found, b"COMPRESSION_METHOD", b"")[:1] == b"0")
    finally:
        _gdal().CSLDestroy(found)


def file_name(name: str) -> str:
    """Return what GDAL calls a file; rasterio writes names such as ``zip+https://`` its own way.

    Raises:
        SceneError: it has to be opened for that, and cannot be.
    """
    if "://" not in name or name.startswith("/vsi"):
        return name
    with scene_errors("read", name), gdal_config(), gdal_env(**_LONE), open_dataset(name) as dataset:
        return str(dataset.files[0])


def open_bytes(name: str | Path) -> BinaryIO:
    """Open a file, or what a name of GDAL's stands for, for reading bytes.

    Raises:
        OSError: it is not there, or may not be read.
    """
    name = file_name(str(name))
    return cast(BinaryIO, _VsiFile(name)) if name.startswith("/vsi") else Path(name).open("rb")


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
        (library.VSIGetFileMetadata, (ctypes.c_char_p, ctypes.c_char_p, handle), handle),
        (library.CSLFetchNameValueDef, (handle, ctypes.c_char_p, ctypes.c_char_p), ctypes.c_char_p),
        (library.CSLDestroy, (handle,), None),
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
    with gdal_config(), gdal_env(**_LONE):
        handle = _gdal().VSIFOpenL(os.fsencode(name), b"rb")
    if not handle:
        raise FileNotFoundError(2, "GDAL cannot open it", name)
    return int(handle)


def gdal_name(address: str) -> str:
    """Return what GDAL calls an address: a path for ``file:``, ``/vsicurl/`` for http, and so on.

    Raises:
        UsageError: GDAL reads nothing from there.
    """
    scheme, _, rest = address.partition("://")
    if not rest or scheme.startswith("/vsi"):
        return address
    if scheme == "file":
        return unquote(urlsplit(address).path)
    if scheme in _STORES:
        return _STORES[scheme] + rest
    if scheme in ("http", "https", "ftp"):
        return "/vsicurl/" + address
    raise UsageError(f"{address}: {scheme} is no place scenes are read from")


def public_address(name: str) -> str | None:
    """Return the address of what GDAL reads from elsewhere, without keys to it; None for local files."""
    for scheme, prefix in _STORES.items():
        if name.startswith(prefix):
            return f"{scheme}://{quote(name.removeprefix(prefix))}"
    parts = urlsplit(name.removeprefix("/vsicurl/"))
    if parts.scheme not in ("http", "https", "ftp") or not parts.hostname:
        return None
    # A query may sign a request, and what stands before a host's name be a password.
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
