"""Where verbs read scenes from and write them to: files, addresses, bytes, open files, arrays, datasets."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import MissingDependencyError, OutputExistsError, RsicGeoError, SceneError, UsageError
from rsic_geo.raster.doors.objects import IN_MEMORY, dataset_name, is_dataset, put_in_memory, write_array
from rsic_geo.raster.doors.vsi import gdal_name
from rsic_geo.verbs.keywords import StrPath


class Readable(Protocol):
    """What bytes are read from: a file open for reading, or a dataset of rasterio."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        ...


class Labelled(Protocol):
    """A ``DataArray`` of xarray."""

    @property
    def dims(self) -> tuple[Any, ...]:
        """Names of its axes."""
        ...

    def to_numpy(self) -> NDArray[Any]:
        """Return its values."""
        ...


Source: TypeAlias = StrPath | bytes | bytearray | memoryview | Readable | NDArray[Any] | Labelled
"""A path, GDAL name or address, ``bytes``, file open for reading, rasterio dataset, xarray ``DataArray``; for
``compress`` also an array."""
Output: TypeAlias = StrPath | BinaryIO | None
"""A path, a ``/vsimem/`` name or address, a file open for writing, or None: what was made is returned."""

_OF_RASTERIO = ("zip", "tar", "gzip")
"""Archives of files, whose addresses rasterio itself understands."""


@contextmanager
def read_from(
    source: Source, *, crs: object = None, transform: object = None, nodata: float | None = None
) -> Iterator[str]:
    """Yield the name of a file, or GDAL's, that a scene can be read by; copies go when the body ends.

    Errors in the body call the scene what the caller gave, not what a copy is called.

    Args:
        source: whatever holds a scene.
        crs: of an array.
        transform: of an array.
        nodata: of an array.

    Raises:
        UsageError: it is nothing that holds a scene.
        MissingDependencyError: what can read it is not installed.
    """
    if not isinstance(source, np.ndarray) and (crs is not None or transform is not None):
        raise UsageError("crs and transform are for arrays: whatever else holds a scene has its own")
    known = _known_name(os.fspath(source)) if isinstance(source, str | os.PathLike) else None
    if known is not None:
        yield known
        return
    with tempfile.TemporaryDirectory(prefix="rsic-") as folder:
        copy = Path(folder) / "scene"
        if isinstance(source, str | os.PathLike):
            with _by_fsspec(os.fspath(source), "rb") as file:
                name = _copied(file, copy)
        elif isinstance(source, bytes | bytearray | memoryview):
            copy.write_bytes(source)
            name = str(copy)
        elif isinstance(source, np.ndarray):
            write_array(copy, source, crs, transform, nodata)
            name = str(copy)
        elif hasattr(source, "read") and not is_dataset(source):
            name = _copied(source, copy)
        elif is_dataset(source):
            name = dataset_name(source, Path(folder))
        else:
            name = _of_xarray(source, copy.with_suffix(".tif"))
        try:
            yield name
        except RsicGeoError as error:
            if name.startswith(folder):
                error.args = tuple(str(part).replace(name, describe(source)) for part in error.args)
            raise


def describe(source: object) -> str:
    """Return what reports and messages call a source, or an output."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if is_dataset(source):
        return str(getattr(source, "name", ""))
    shape = getattr(source, "shape", None)
    size = f" {tuple(shape)}" if shape is not None else ""
    return f"<{type(source).__name__}{size}>"


def is_name(output: Output) -> bool:
    """Return whether files can be written beside an output: it is a path, or a name in GDAL's memory."""
    if not isinstance(output, str | os.PathLike):
        return False
    scheme, _, rest = os.fspath(output).partition("://")
    return not rest or scheme == "file"


def is_local(output: Output) -> bool:
    """Return whether an output is the path of a file, which is written there itself."""
    return is_name(output) and not describe(output).startswith(IN_MEMORY)


def _known_name(text: str) -> str | None:
    """Return the name that GDAL reads a path or an address by; None where it reads nothing from there."""
    scheme = text.partition("://")[0]
    if scheme == text or scheme.partition("+")[0] in _OF_RASTERIO:
        return text
    try:
        return gdal_name(text)
    except UsageError:
        return None


def _copied(file: Any, copy: Path) -> str:  # noqa: ANN401
    with copy.open("wb") as target:
        try:
            shutil.copyfileobj(file, target, 1 << 20)
        except TypeError as error:
            raise UsageError('the file is open as text: open it with mode "rb"') from error
    return str(copy)


def _of_xarray(source: Any, copy: Path) -> str:  # noqa: ANN401
    kind = type(source).__name__
    if not type(source).__module__.startswith("xarray"):
        raise UsageError(
            f"{kind} holds no scene: give a path or address, bytes, a file open for reading, a rasterio "
            "dataset, an array with crs= and transform=, or an xarray DataArray"
        )
    if not hasattr(source, "dims") or not hasattr(source, "to_numpy"):
        raise UsageError(f"of a {kind} give one variable, such as ds['band_data']")
    if not hasattr(source, "rio"):
        raise MissingDependencyError(
            "a DataArray tells its place by rioxarray: pip install 'rsic-geo[xarray]' and import rioxarray"
        )
    try:
        source.rio.to_raster(str(copy), driver="GTiff", BIGTIFF="IF_SAFER")
    except Exception as error:  # rioxarray's, xarray's, rasterio's and a Dask graph's own
        raise UsageError(f"rioxarray cannot write the DataArray ({' '.join(str(error).split())})") from error
    return str(copy)


def _by_fsspec(address: str, mode: str) -> Any:  # noqa: ANN401
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependencyError(f"{address}: pip install fsspec, and what it needs for it") from error
    try:
        return fsspec.open(address, mode)
    except (ValueError, ImportError) as error:
        raise UsageError(f"{address}: fsspec cannot open it ({error})") from error


@dataclass(slots=True)
class Place:
    """Where an output is written."""

    name: str
    """File to write."""
    content: bytes | None = None
    """What was written, once the body has ended, where the caller asked for no file."""
    lost: tuple[str, ...] = ()
    """Suffixes of what lay beside it, where the caller's place has nothing beside it."""


@contextmanager
def write_to(output: Output, suffix: str, *, overwrite: bool) -> Iterator[Place]:
    """Yield where to write an output; it goes where the caller wants it only when the body has succeeded.

    Args:
        output: where the caller wants it.
        suffix: of the file, where the output has no name.
        overwrite: replace what is there.

    Raises:
        OutputExistsError: it is there already and ``overwrite`` is False.
        UsageError: nothing can be written there.
        SceneError: writing there failed; an open file is cut back to what it held, if it can be.
    """
    text = os.fspath(output) if isinstance(output, str | os.PathLike) else ""
    is_address = bool(text) and not is_name(text)
    if text and is_local(output):
        yield Place(gdal_name(text))
        return
    if not text and output is not None and not hasattr(output, "write"):
        raise UsageError(f"{type(output).__name__} is no place to write to: give a path or an open file")
    if isinstance(output, io.TextIOBase):
        raise UsageError('the file is open as text: open it with mode "wb"')
    with tempfile.TemporaryDirectory(prefix="rsic-") as folder:
        stem = Path(text).name if text else "scene" + suffix
        place = Place(str(Path(folder) / stem))
        target = _by_fsspec(text, "wb") if is_address else None
        if target is not None and not overwrite and target.fs.exists(target.path):
            raise OutputExistsError(f"{text} exists already: choose another name or ask to overwrite it")
        yield place
        stem = Path(place.name).name
        if not (text and target is None):
            place.lost = tuple(
                sorted(p.name.removeprefix(stem) for p in Path(folder).iterdir() if p.name != stem)
            )
        if target is not None:
            target.fs.put_file(place.name, target.path)
        elif text:
            put_in_memory(Path(place.name), text, overwrite=overwrite)
        elif output is None:
            place.content = Path(place.name).read_bytes()
        else:
            _pour(Path(place.name), output)


def _pour(source: Path, output: Any) -> None:  # noqa: ANN401
    """Copy a finished file into an open one; after a failure it holds what it held before."""
    start = output.tell() if output.seekable() else None
    try:
        with source.open("rb") as file:
            shutil.copyfileobj(file, output, 1 << 20)
    except OSError as error:
        if start is not None:
            with suppress(OSError):
                output.seek(start)
                output.truncate()
        raise SceneError(f"the open file takes no more: {error.strerror or error}") from error
