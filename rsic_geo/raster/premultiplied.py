"""Whether colours were multiplied by alpha: TIFF and JP2 say so, and GDAL does not pass it on."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

_EXTRA_SAMPLES, _ASSOCIATED = 338, 1
_PREMULTIPLIED = b"\0\2"
_MAX_HEADER = 1 << 20
"""Bytes of a JP2 header box that are looked at: without a profile of colours it has a few hundred."""
_MAX_ENTRIES = 4096
"""Tags of a directory, and samples of a pixel, that are looked at."""


def is_premultiplied(name: str, driver: str, colorinterp: Sequence[str]) -> bool:
    """Return whether a file says that its alpha was multiplied into its colours.

    False where it cannot be looked into: names of GDAL's own (``/vsi``), files that are damaged.

    Args:
        name: GDAL's name of the dataset; one page of a TIFF is ``GTIFF_DIR:number:file``.
        driver: GDAL's name of the format.
        colorinterp: colour interpretation per band.
    """
    if "alpha" not in colorinterp:
        return False
    page = 1
    if name.startswith("GTIFF_DIR:"):
        number, _, name = name.removeprefix("GTIFF_DIR:").partition(":")
        page = int(number) if number.isdecimal() and len(number) < 6 else 1
    try:
        with Path(name).open("rb") as file:
            if driver in ("GTiff", "COG"):
                return _ASSOCIATED in _extra_samples(file, page)
            return driver.startswith("JP2") and _has_premultiplied_channel(file)
    except (OSError, ValueError, struct.error):
        return False


def _extra_samples(file: BinaryIO, page: int) -> tuple[int, ...]:
    """Return tag ExtraSamples of one directory of a TIFF or BigTIFF; empty without one."""
    order = {b"II": "<", b"MM": ">"}.get(file.read(2))
    if order is None:
        return ()
    is_big = struct.unpack(order + "H", file.read(2))[0] == 43
    if is_big:
        file.read(4)
    place, count_form, entry_form = ("Q", "Q", "HHQ8s") if is_big else ("I", "H", "HHI4s")
    entry = struct.Struct(order + entry_form)

    def number(form: str) -> int:
        size = struct.calcsize(order + form)
        return int(struct.unpack(order + form, file.read(size))[0])

    offset = number(place)
    for _ in range(page - 1):
        file.seek(offset)
        file.seek(number(count_form) * entry.size, 1)
        offset = number(place)
    file.seek(offset)
    for _ in range(min(number(count_form), _MAX_ENTRIES)):
        tag, _, count, value = entry.unpack(file.read(entry.size))
        if tag == _EXTRA_SAMPLES and count <= _MAX_ENTRIES:
            if 2 * count > len(value):
                file.seek(struct.unpack(order + place, value)[0])
                value = file.read(2 * count)
            return struct.unpack_from(f"{order}{count}H", value)
    return ()


def _has_premultiplied_channel(file: BinaryIO) -> bool:
    """Return whether the channel definitions of a JP2 name an opacity multiplied into the colours."""
    head = struct.Struct(">I4s")
    while len(start := file.read(head.size)) == head.size:
        length, kind = head.unpack(start)
        if length == 1:
            length = int.from_bytes(file.read(8), "big") - 8
        if kind == b"jp2h":
            content = file.read(min(max(length, head.size) - head.size, _MAX_HEADER))
            at = content.find(b"cdef")
            count = int.from_bytes(content[at + 4 : at + 6], "big") if at >= 0 else 0
            entries = content[at + 6 : at + 6 + 6 * count]
            return _PREMULTIPLIED in [entries[at + 2 : at + 4] for at in range(0, len(entries), 6)]
        if length < head.size:  # the last box, or none
            return False
        file.seek(length - head.size, 1)
    return False
