"""The verbs of the Python API, with keyword options; the command line has the same names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from rsic_geo.errors import UsageError
from rsic_geo.options import TARGETS, DecodeOptions, EncodeOptions, Execution, Target
from rsic_geo.progress import ProgressCallback
from rsic_geo.report import Report
from rsic_geo.verbs import compare as comparing
from rsic_geo.verbs import compress as encode
from rsic_geo.verbs import decompress as decode
from rsic_geo.verbs import enhance as foreign
from rsic_geo.verbs import info as looking
from rsic_geo.verbs.compare import Comparison
from rsic_geo.verbs.dataset import Dataset
from rsic_geo.verbs.keywords import (
    DecodeKeywords,
    EncodeKeywords,
    ExecutionKeywords,
    ProductKeywords,
    StrPath,
    check_keywords,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["compare", "compress", "decompress", "enhance", "info", "open", "validate"]

_EXECUTION = tuple(field.name for field in fields(Execution))
_TARGETS = tuple(kind.replace("-", "_") for kind in TARGETS if kind != "lossless")


def _name(place: StrPath) -> str:
    """Return the name of a file. Raises UsageError for arrays, datasets and whatever else is none."""
    try:
        return os.fspath(place)
    except TypeError:
        kind = type(place).__name__
        raise UsageError(
            f"a path or a name that GDAL knows is wanted, not {kind}: of an open dataset give its name, "
            "write pixels to a file first"
        ) from None


def _split(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as fields of an options class, those of the execution as one value."""
    execution = {name: value for name, value in options.items() if name in _EXECUTION}
    others = {name: value for name, value in options.items() if name not in _EXECUTION}
    return {**others, "execution": Execution(**execution)}


def _target(target: str | Target | None, options: Mapping[str, Any]) -> Target:
    """Return the one target asked for, as a text or as a keyword. Raises UsageError."""
    named = {name: value for name, value in options.items() if name in _TARGETS}
    if len(named) + (target is not None) > 1:
        words = [*named, *(["target"] if target is not None else [])]
        raise UsageError(f"give one target only, not {' and '.join(words)}")
    for name, value in named.items():
        values = value if isinstance(value, tuple | list) else (value,)
        return Target.parse(f"{name}={','.join(map(str, values))}")
    return Target.parse("lossless" if target is None else target)


def compress(
    src: StrPath,
    dst: StrPath,
    *,
    target: str | Target | None = None,
    progress: ProgressCallback | None = None,
    **options: Unpack[EncodeKeywords],
) -> Report:
    """Write a scene as an archive; see :func:`rsic_geo.verbs.compress.compress`.

    Args:
        src: any raster GDAL reads.
        dst: archive to write (``.jp2``, ``.cog.tif``; ``.rsic.tif`` with ``codec="learned"``), or a folder.
        target: lossless (the default), psnr=DB or snr=DB (of the worst band), max-error=N (units of the
            samples), ratio=R, bpp=B (bits per pixel of all bands) or bpppb=B (bits per sample).
        progress: told a fraction and a text; returning False cancels.
        options: a target as a keyword (``psnr=40``, ``max_error=2``) instead of ``target``; fields of
            :class:`EncodeOptions` (``accept_loss=True``: archive although a band loses its structure) and
            of :class:`Execution`.

    Raises:
        UsageError: if more than one target is given, or an option makes no sense.
        StructureLostError: if a band would end below 6 dB SNR; nothing is written then.
    """
    check_keywords("compress", options, EncodeKeywords.__annotations__)
    own = {name: value for name, value in options.items() if name not in _TARGETS}
    chosen = EncodeOptions(target=_target(target, options), **_split(own))
    return encode.compress(_name(src), _name(dst), chosen, progress)


def decompress(
    src: StrPath,
    dst: StrPath,
    *,
    progress: ProgressCallback | None = None,
    **options: Unpack[DecodeKeywords],
) -> Report:
    """Write an archive's scene as a GeoTIFF; see :func:`rsic_geo.verbs.decompress.decompress`.

    Args:
        src: archive, or any raster GDAL reads.
        dst: GeoTIFF or COG to write.
        progress: told a fraction and a text; returning False cancels.
        options: fields of :class:`DecodeOptions` and :class:`Execution`.
    """
    check_keywords("decompress", options, DecodeKeywords.__annotations__)
    return decode.decompress(_name(src), _name(dst), DecodeOptions(**_split(options)), progress)


def enhance(
    src: StrPath,
    dst: StrPath,
    *,
    model: str = "auto",
    progress: ProgressCallback | None = None,
    **options: Unpack[ProductKeywords],
) -> Report:
    """Write an enhanced copy of a lossy raster; see :func:`rsic_geo.verbs.enhance.enhance`.

    Args:
        src: lossy raster of any writer.
        dst: GeoTIFF or COG to write.
        model: auto or a model's name.
        progress: told a fraction and a text; returning False cancels.
        options: fields of :class:`DecodeOptions` and :class:`Execution`.
    """
    check_keywords("enhance", options, ProductKeywords.__annotations__)
    chosen = DecodeOptions(enhance=model, **_split(options))
    return foreign.enhance(_name(src), _name(dst), chosen, progress)


def open(  # noqa: A001 - as in rasterio
    path: StrPath,
    *,
    enhance: str = "auto",
    allow_other_model: bool = False,
    **options: Unpack[ExecutionKeywords],
) -> Dataset:
    """Open a scene or archive for windowed reading, with the habits of ``rasterio.open``.

    Args:
        path: file or GDAL name.
        enhance: auto (what the archive says), off, or a model's name.
        allow_other_model: enhance with other weights than the archive was made with.
        options: fields of :class:`Execution`, such as ``device="cpu"`` and ``threads=1``.

    Raises:
        SceneNotFoundError: there is no such file.
        SceneError: GDAL cannot open the file.
        ContainerError, ChecksumError, VersionError: the archive is damaged or too new.
        WeightsMismatchError: at the first enhanced read, if the weights differ.
    """
    check_keywords("open", options, ExecutionKeywords.__annotations__)
    if not isinstance(enhance, str):
        raise UsageError(f"enhance={enhance!r}: give 'auto', 'off' or the name of a model")
    return Dataset(
        _name(path),
        enhance=enhance,
        allow_other_model=allow_other_model,
        execution=Execution(**options),
    )


def compare(
    reference: StrPath,
    other: StrPath,
    *,
    ignore: tuple[str, ...] = (),
    accept_damaged: bool = False,
    progress: ProgressCallback | None = None,
) -> Comparison:
    """Compare two scenes band by band, archives by their final output.

    See :func:`rsic_geo.verbs.compare.compare`.

    Args:
        reference: scene that errors are counted against.
        other: scene looked at.
        ignore: metadata fields left out.
        accept_damaged: compare what a scene still holds whose reader reports damage.
        progress: told a fraction and a text; returning False cancels.
    """
    return comparing.compare(
        _name(reference),
        _name(other),
        ignore=ignore,
        accept_damaged=accept_damaged,
        progress=progress,
    )


def info(path: StrPath) -> dict[str, Any]:
    """Return a plain dictionary about a scene or archive; see :func:`rsic_geo.verbs.info.info`."""
    return looking.info(_name(path))


def validate(
    path: StrPath, *, pixels: bool = True, progress: ProgressCallback | None = None
) -> dict[str, Any]:
    """Return whether a file is whole, and what is wrong with it; see :func:`rsic_geo.verbs.info.validate`."""
    return looking.validate(_name(path), pixels=pixels, progress=progress)
