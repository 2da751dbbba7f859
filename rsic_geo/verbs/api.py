"""The verbs of the Python API, with keyword options; the command line has the same names."""

from __future__ import annotations

from typing import Any

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


def compress(
    src: str,
    dst: str,
    *,
    target: str | Target = "lossless",
    progress: ProgressCallback | None = None,
    **options: Any,  # noqa: ANN401
) -> Report:
    """Write a scene as an archive; see :func:`rsic_geo.verbs.compress.compress`.

    Args:
        src: any raster GDAL reads.
        dst: archive to write (``.jp2``; ``.rsic.tif`` with ``codec="learned"``).
        target: lossless, psnr=DB, max-error=N, ratio=R or bpp=B.
        progress: told a fraction and a text; returning False cancels.
        options: fields of :class:`EncodeOptions` and :class:`Execution`.
    """
    chosen = EncodeOptions(target=Target.parse(target), **_split(options))
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
