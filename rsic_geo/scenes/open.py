"""Opening any scene for reading; an archive of ours is read as its final output."""

from __future__ import annotations

from rsic_geo.options import Execution
from rsic_geo.scenes.archive import Archive


def open_archive(
    path: str,
    *,
    enhance: str = "auto",
    execution: Execution | None = None,
    allow_other_model: bool = False,
) -> Archive:
    """Open a scene; an archive of rsic_geo is read as its final output, any other raster as it is.

    Args:
        path: file, GDAL name (``/vsi...``) or address; archives there are read by ranges.
        enhance: auto (what the archive says), off, or a model's name.
        execution: threads, device, window size.
        allow_other_model: enhance with other weights than the archive was made with.

    Raises:
        SceneError: if GDAL cannot open the file.
        ContainerError, ChecksumError, VersionError: if the archive is damaged or too new.
        WeightsMismatchError: at the first enhanced read, if the weights differ.
    """
    return Archive(path, enhance=enhance, execution=execution, allow_other_model=allow_other_model)
