"""The verbs of the Python API, with keyword options; the command line has the same names."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, overload

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UsageError
from rsic_geo.options import DecodeOptions, EncodeOptions, Execution
from rsic_geo.progress import ProgressCallback
from rsic_geo.raster.doors.objects import read_array
from rsic_geo.report import Report
from rsic_geo.targets import Target
from rsic_geo.verbs import compare as comparing
from rsic_geo.verbs import compress as encode
from rsic_geo.verbs import decompress as decode
from rsic_geo.verbs import enhance as foreign
from rsic_geo.verbs import info as looking
from rsic_geo.verbs.compare import Comparison
from rsic_geo.verbs.dataset import Dataset
from rsic_geo.verbs.keywords import (
    TARGET_NAMES,
    DecodeKeywords,
    EncodeKeywords,
    ExecutionKeywords,
    ProductKeywords,
    StrPath,
    check_keywords,
    split_options,
    target_of,
)
from rsic_geo.verbs.names import usual_suffix
from rsic_geo.verbs.places import Output, Source, describe, is_local, is_name, read_from, write_to

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["compare", "compress", "decompress", "enhance", "info", "open", "validate"]


@overload
def compress(
    src: Source,
    out: None = ...,
    *,
    target: str | Target | None = ...,
    crs: object = ...,
    transform: object = ...,
    progress: ProgressCallback | None = ...,
    **options: Unpack[EncodeKeywords],
) -> bytes: ...


@overload
def compress(
    src: Source,
    out: StrPath | BinaryIO,
    *,
    target: str | Target | None = ...,
    crs: object = ...,
    transform: object = ...,
    progress: ProgressCallback | None = ...,
    **options: Unpack[EncodeKeywords],
) -> Report: ...


def compress(  # noqa: PLR0913 - a scene, where to, and what an array does not tell
    src: Source,
    out: Output = None,
    *,
    target: str | Target | None = None,
    crs: object = None,
    transform: object = None,
    progress: ProgressCallback | None = None,
    **options: Unpack[EncodeKeywords],
) -> Report | bytes:
    """Write a scene as an archive that meets its target, checked by decoding it.

    Args:
        src: any raster GDAL reads (path, ``/vsi`` name, address, ``bytes``, file open for reading), an open
            rasterio dataset, an array (rows, columns) or (bands, rows, columns), or an xarray ``DataArray``
            with rioxarray's accessor.
        out: archive to write: a path (``.jp2``, ``.cog.tif``; ``.rsic.tif`` with ``codec="learned"``) or a
            folder, a ``/vsimem/`` name, an address that fsspec writes to, a file open for writing. None: it
            is returned as bytes. What lies beside it for other programs (``sidecar``) needs a name.
        target: what must hold of what comes back: lossless (the default), or as ``rsic compress --help``
            lists it (``psnr=40``, ``max-error=0.5%``).
        crs: of an array, whatever rasterio takes for a reference system.
        transform: of an array, pixel corner to units of the reference system.
        progress: told a fraction and a text; returning False cancels.
        options: a target as a keyword (``psnr=40``, ``max_error=2``) instead of ``target``; fields of
            ``EncodeOptions`` (``nodata=0``; ``accept_loss=True``: archive although a band loses its
            structure) and of ``Execution``.

    Returns:
        What was reached, in numbers; the archive itself if ``out`` is None.

    Raises:
        UsageError: more than one target is given, an option makes no sense, or ``src`` holds no scene.
        SceneNotFoundError: there is no such file.
        UnsupportedSceneError: the scene's samples do not fit the codec.
        DamagedSceneError: the source's reader reports damage and that was not accepted.
        StructureLostError: a band would end below 6 dB SNR; nothing is written then.
        TargetNotReachedError: the target cannot be met.
        OutputExistsError: ``out`` exists and ``overwrite`` is False.
    """
    check_keywords("compress", options, EncodeKeywords.__annotations__)
    own: dict[str, Any] = {name: value for name, value in options.items() if name not in TARGET_NAMES}
    given = own.pop("nodata", None) if isinstance(src, np.ndarray) else None
    nodata = None if given == "none" else given
    chosen = EncodeOptions(target=target_of(target, options), **split_options(own))
    if not is_name(out):  # nothing lies beside what has no name
        if chosen.sidecar == "require":
            raise UsageError("sidecar='require' needs an archive with a name: give a path")
        chosen = replace(chosen, sidecar="never")
    with (
        read_from(src, crs=crs, transform=transform, nodata=nodata) as name,
        write_to(out, usual_suffix(chosen.codec), overwrite=chosen.overwrite) as place,
    ):
        report = encode.compress(name, place.name, chosen, progress, is_alone=not is_local(out))
        place.name = os.fspath(report)  # whose suffix the codec may have chosen
    return _told(report, src, out) if place.content is None else place.content


@overload
def decompress(
    src: Source,
    out: None = ...,
    *,
    form: Literal["array"] = ...,
    progress: ProgressCallback | None = ...,
    **options: Unpack[DecodeKeywords],
) -> NDArray[Any]: ...


@overload
def decompress(
    src: Source,
    out: None = ...,
    *,
    form: Literal["bytes"],
    progress: ProgressCallback | None = ...,
    **options: Unpack[DecodeKeywords],
) -> bytes: ...


@overload
def decompress(
    src: Source,
    out: None = ...,
    *,
    form: Literal["xarray"],
    progress: ProgressCallback | None = ...,
    **options: Unpack[DecodeKeywords],
) -> Any: ...  # noqa: ANN401 - a DataArray, where xarray is installed


@overload
def decompress(
    src: Source,
    out: StrPath | BinaryIO,
    *,
    progress: ProgressCallback | None = ...,
    **options: Unpack[DecodeKeywords],
) -> Report: ...


def decompress(
    src: Source,
    out: Output = None,
    *,
    form: Literal["array", "xarray", "bytes"] = "array",
    progress: ProgressCallback | None = None,
    **options: Unpack[DecodeKeywords],
) -> Any:
    """Give back an archive's scene: as a GeoTIFF, an array, or an xarray ``DataArray``.

    Args:
        src: archive, or any raster GDAL reads: path, ``/vsi`` name, address, ``bytes``, file open for
            reading, open rasterio dataset.
        out: GeoTIFF or COG to write: a path, a ``/vsimem/`` name, an address that fsspec writes to, a file
            open for writing. None: the scene is returned.
        form: what is returned without ``out``: ``array`` (bands, rows, columns), masked if the scene has a
            mask of its own; ``xarray``, a ``DataArray`` with its place (needs the extra xarray); or the
            GeoTIFF as ``bytes``.
        progress: told a fraction and a text; returning False cancels.
        options: fields of ``DecodeOptions`` and ``Execution``.

    Returns:
        What was done, in numbers, a path-like of the output; the scene if ``out`` is None.

    Raises:
        SceneNotFoundError: there is no such file.
        ChecksumError: stored bytes or lossless pixels are damaged; nothing is written or returned then.
        MetadataLossError: the output would not hold metadata that a GeoTIFF can hold.
        OutputExistsError: ``out`` exists and ``overwrite`` is False.
        MissingDependencyError: ``form="xarray"`` without xarray.
    """
    check_keywords("decompress", options, DecodeKeywords.__annotations__)
    if form not in ("array", "xarray", "bytes"):
        raise UsageError(f"form={form!r}: give array, xarray or bytes")
    chosen = DecodeOptions(**split_options(options))
    if out is not None or form == "bytes":
        return _product(decode.decompress, src, out, chosen, progress)
    with read_from(src) as name, tempfile.TemporaryDirectory(prefix="rsic-") as folder:
        path = Path(folder) / "scene.tif"
        own = dict(chosen.creation_options) | {"COMPRESS": "NONE", "BIGTIFF": "IF_SAFER"}
        decode.decompress(name, str(path), replace(chosen, creation_options=tuple(own.items())), progress)
        if form == "array":
            return read_array(path)
        from rsic_geo.verbs.xarray_engine import load

        return load(path)


@overload
def enhance(
    src: Source,
    out: None = ...,
    *,
    model: str = ...,
    progress: ProgressCallback | None = ...,
    **options: Unpack[ProductKeywords],
) -> bytes: ...


@overload
def enhance(
    src: Source,
    out: StrPath | BinaryIO,
    *,
    model: str = ...,
    progress: ProgressCallback | None = ...,
    **options: Unpack[ProductKeywords],
) -> Report: ...


def enhance(
    src: Source,
    out: Output = None,
    *,
    model: str = "auto",
    progress: ProgressCallback | None = None,
    **options: Unpack[ProductKeywords],
) -> Report | bytes:
    """Write an enhanced copy of a lossy raster of any program; an archive of ours is decompressed.

    Args:
        src: JPEG 2000 file, or JPEG, WebP, JXL or LERC compressed GeoTIFF, given as to ``decompress``.
        out: GeoTIFF or COG to write, as of ``decompress``; None: the GeoTIFF is returned as bytes.
        model: auto or a model's name.
        progress: told a fraction and a text; returning False cancels.
        options: fields of ``DecodeOptions`` and ``Execution``.

    Returns:
        What was done, in numbers, a path-like of the output; the GeoTIFF if ``out`` is None.

    Raises:
        UnsupportedSceneError: nothing was lost in the scene, or of a kind that is not known.
        WeightsNotFoundError: there is no such model.
        OutputExistsError: ``out`` exists and ``overwrite`` is False.
    """
    check_keywords("enhance", options, ProductKeywords.__annotations__)
    chosen = DecodeOptions(enhance=model, **split_options(options))
    return _product(foreign.enhance, src, out, chosen, progress)


def _product(
    verb: Callable[[str, str, DecodeOptions, ProgressCallback | None], Report],
    src: Source,
    out: Output,
    chosen: DecodeOptions,
    progress: ProgressCallback | None,
) -> Report | bytes:
    """Write a GeoTIFF by a verb; return its report, or the GeoTIFF itself where it has no name."""
    with read_from(src) as name, write_to(out, ".tif", overwrite=chosen.overwrite) as place:
        report = verb(name, place.name, chosen, progress)
    note = f"what only files beside a GeoTIFF can say ({', '.join(place.lost)}) is left out: give a path"
    if place.content is None:
        told = _told(report, src, out)
        return replace(told, warnings=(*told.warnings, note)) if place.lost else told
    if place.lost:
        warnings.warn(note, stacklevel=3)
    return place.content


def _told(report: Report, src: Source, out: Output) -> Report:
    """Return a report that calls source and output what the caller calls them."""
    output = report.output if is_local(out) else {**report.output, "path": describe(out)}
    return replace(report, source={**report.source, "path": describe(src)}, output=output)


def open(  # noqa: A001 - as in rasterio
    path: Source,
    mode: Literal["r"] = "r",
    *,
    enhance: str = "auto",
    allow_other_model: bool = False,
    cache_mib: int = 32,
    **options: Unpack[ExecutionKeywords],
) -> Dataset:
    """Open a scene or archive for windowed reading, with the habits of ``rasterio.open``; read nothing yet.

    Args:
        path: file, GDAL name or address (archives there are read by ranges), ``bytes``, or open file.
        mode: ``r``, the only one: archives are written by ``compress``.
        enhance: auto (what the archive says), off, or a model's name.
        allow_other_model: enhance with other weights than the archive was made with.
        cache_mib: enhanced pixels kept for windows that overlap with earlier ones (MiB); 0 keeps none.
        options: fields of ``Execution``, such as ``device="cpu"`` and ``threads=1``.

    Returns:
        The scene.

    Raises:
        SceneNotFoundError, SceneError: there is no such file, or GDAL cannot open it.
        ContainerError, ChecksumError, VersionError: the archive is damaged or too new.
        WeightsMismatchError: at the first enhanced read, if the weights differ.
    """
    check_keywords("open", options, ExecutionKeywords.__annotations__)
    if mode != "r":
        raise UsageError(f"mode {mode!r}: scenes are opened for reading (r); compress writes archives")
    if not isinstance(enhance, str):
        raise UsageError(f"enhance={enhance!r}: give 'auto', 'off' or the name of a model")
    how: Any = {"allow_other_model": allow_other_model, "cache_mib": cache_mib}
    return Dataset(path, enhance=enhance, execution=Execution(**options), **how)


def compare(
    reference: Source,
    other: Source,
    *,
    ignore: tuple[str, ...] = (),
    accept_damaged: bool = False,
    progress: ProgressCallback | None = None,
) -> Comparison:
    """Compare two scenes band by band, archives by their final output.

    Args:
        reference: scene that errors are counted against, given as to ``decompress``.
        other: scene looked at.
        ignore: metadata fields left out.
        accept_damaged: compare what a scene still holds whose reader reports damage.
        progress: told a fraction and a text; returning False cancels.

    Returns:
        PSNR and SNR (dB) and largest error (units of the samples) of each band; metadata that differ.

    Raises:
        SceneError: one of them cannot be read.
        SceneMismatchError: they are not of one size, or have not the same bands.
    """
    with read_from(reference) as first, read_from(other) as second:
        return comparing.compare(
            first, second, ignore=ignore, accept_damaged=accept_damaged, progress=progress
        )


def info(path: Source) -> dict[str, Any]:
    """Say what a scene or archive is.

    Args:
        path: archive or raster, given as to ``decompress``.

    Returns:
        A plain dictionary: sizes in px and bytes, rates in bits per pixel of all bands.

    Raises:
        SceneNotFoundError, SceneError, ContainerError: it is not there, or cannot be opened.
    """
    with read_from(path) as name:
        return {**looking.info(name), "path": describe(path)}


def validate(
    path: Source, *, pixels: bool = True, progress: ProgressCallback | None = None
) -> dict[str, Any]:
    """Check whether a file is whole: an archive byte by byte against its checksums, any raster by reading it.

    Args:
        path: archive or raster, given as to ``decompress``.
        pixels: decode every tile, too.
        progress: told a fraction and a text; returning False cancels.

    Returns:
        ``valid``, in words what is wrong (``problems``), and of an archive ``damaged_tiles``, from 0.

    Raises:
        SceneNotFoundError: there is no such file. Damage is no error, but the answer.
    """
    with read_from(path) as name:
        return {**looking.validate(name, pixels=pixels, progress=progress), "path": describe(path)}
