"""The verbs of the Python API, with keyword options; the command line has the same names."""

from __future__ import annotations

from typing import Any

from rsic_geo.errors import UsageError
from rsic_geo.options import DecodeOptions, EncodeOptions, Execution, Target
from rsic_geo.progress import ProgressCallback
from rsic_geo.report import Report
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.open import open_archive
from rsic_geo.verbs import compress as encode
from rsic_geo.verbs import decompress as decode
from rsic_geo.verbs import enhance as foreign
from rsic_geo.verbs.compare import compare
from rsic_geo.verbs.info import info, validate

__all__ = ["compare", "compress", "decompress", "enhance", "info", "open", "validate"]

_EXECUTION = ("threads", "device", "window_size", "memory_mib", "fast")


def _split(options: dict[str, Any]) -> dict[str, Any]:
    execution = {name: options.pop(name) for name in _EXECUTION if name in options}
    return {**options, "execution": Execution(**execution)}


_TARGETS = ("psnr", "snr", "max_error", "ratio", "bpp", "bpppb")


def _target(target: str | Target | None, options: dict[str, Any]) -> Target:
    """Return the one target asked for, taking it from the options where it is there. Raises UsageError."""
    named = {name: options.pop(name) for name in _TARGETS if name in options}
    if len(named) + (target is not None) > 1:
        words = [*named, *(["target"] if target is not None else [])]
        raise UsageError(f"give one target only, not {' and '.join(words)}")
    for name, value in named.items():
        return Target.parse(f"{name}={value}")
    return Target.parse("lossless" if target is None else target)


def compress(
    src: str,
    dst: str,
    *,
    target: str | Target | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,  # noqa: ANN401
) -> Report:
    """Write a scene as an archive; see :func:`rsic_geo.verbs.compress.compress`.

    Args:
        src: any raster GDAL reads.
        dst: archive to write (``.jp2``; ``.rsic.tif`` with ``codec="learned"``).
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
    chosen = EncodeOptions(target=_target(target, options), **_split(options))
    return encode.compress(str(src), str(dst), chosen, progress)


def decompress(src: str, dst: str, *, progress: ProgressCallback | None = None, **options: Any) -> Report:  # noqa: ANN401
    """Write an archive's scene as a GeoTIFF; see :func:`rsic_geo.verbs.decompress.decompress`.

    Args:
        src: archive, or any raster GDAL reads.
        dst: GeoTIFF or COG to write.
        progress: told a fraction and a text; returning False cancels.
        options: fields of :class:`DecodeOptions` and :class:`Execution`.
    """
    return decode.decompress(str(src), str(dst), DecodeOptions(**_split(options)), progress)


def enhance(
    src: str,
    dst: str,
    *,
    model: str = "auto",
    progress: ProgressCallback | None = None,
    **options: Any,  # noqa: ANN401
) -> Report:
    """Write an enhanced copy of a lossy raster; see :func:`rsic_geo.verbs.enhance.enhance`.

    Args:
        src: lossy raster of any writer.
        dst: GeoTIFF or COG to write.
        model: auto or a model's name.
        progress: told a fraction and a text; returning False cancels.
        options: fields of :class:`DecodeOptions` and :class:`Execution`.
    """
    return foreign.enhance(str(src), str(dst), DecodeOptions(enhance=model, **_split(options)), progress)


def open(path: str, *, enhance: str = "auto", **options: Any) -> Archive:  # noqa: A001, ANN401
    """Open a scene or archive for windowed reading; see :func:`rsic_geo.scenes.open.open_archive`.

    Args:
        path: file or GDAL name.
        enhance: auto, off, or a model's name.
        options: ``allow_other_model`` and fields of :class:`Execution`.
    """
    return open_archive(str(path), enhance=enhance, **_split(options))
