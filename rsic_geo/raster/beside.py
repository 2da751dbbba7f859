"""What a file holds beside the scene that is read from it: other pages, tables, images."""

from __future__ import annotations

import re

from rasterio.io import DatasetReader

_NAMED = 3
"""Most names in one message."""
_PAGE = re.compile(r"GTIFF_DIR:(\d+):")
_IMAGE = re.compile(r"NITF_IM:(\d+):")


def others_beside(dataset: DatasetReader) -> tuple[str, ...]:
    """Return GDAL's names of the images in a file that is open, other than the one that is read.

    GDAL opens the first image of a TIFF or NITF file under the file's own name, and lists it as well.
    """
    names = [str(name) for name in dataset.subdatasets]
    if len(names) == 1 and (_PAGE.match(names[0]) or _IMAGE.match(names[0])):
        return ()  # the image itself, alone
    own = {dataset.name}
    if not (_PAGE.match(dataset.name) or _IMAGE.match(dataset.name)):
        own |= {f"GTIFF_DIR:1:{dataset.name}", f"NITF_IM:0:{dataset.name}"}
    return tuple(name for name in names if name not in own)


def said_of_others(names: tuple[str, ...]) -> str | None:
    """Return one line that names what else a file holds and how to open it; None where there is nothing."""
    if not names:
        return None
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    count = "another image" if len(names) == 1 else f"{len(names)} other images"
    return (
        f"the file holds {count} of which nothing was archived: archive each by its own name: "
        f"{', '.join(names[:_NAMED])}{more}"
    )
