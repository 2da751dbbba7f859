"""Archives of the learned codec: a TIFF whose first page any GIS opens and whose tiles are payloads of ours.

The byte layout is written down in ``TIFF.md`` beside this module. Nothing here knows what a payload means.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from rsic_geo.container import tiff_pages
from rsic_geo.container.boxes import file_size
from rsic_geo.container.tiff_directory import HEAD_BYTES, VERSION, version_of
from rsic_geo.container.tiff_pages import (
    DESCRIPTION,
    Found,
    TiffLayout,
    read_footer,
)
from rsic_geo.container.tiff_write import Pages, Preview, picture_bytes, write_pages
from rsic_geo.errors import ChecksumError, ContainerError, RsicGeoError, SceneError, VersionError
from rsic_geo.raster.doors.vsi import open_bytes

__all__ = [
    "DESCRIPTION",
    "SUFFIX",
    "Preview",
    "TiffArchive",
    "TiffLayout",
    "TiffSpool",
    "picture_bytes",
]

SUFFIX = ".rsic.tif"
"""What names of these archives end in."""
MAX_PAYLOAD = 1 << 28
"""Longest payload of one tile that is read into memory (bytes)."""
_FRAME = struct.Struct(">BI")
_HINT = "copy the file again from its source, or restore it from a backup"
Mask = npt.NDArray[np.bool_]


def frame(number: int, kind: int, body: bytes) -> bytes:
    """Return the payload of a tile as it lies in the file: kind (1 byte), CRC-32 (4), body.

    The CRC covers the kind, the number of the tile and the body, so that tiles cannot be mistaken.
    """
    return _FRAME.pack(kind, _frame_crc(number, kind, body)) + body


def unframe(number: int, payload: bytes) -> tuple[int, bytes]:
    """Undo :func:`frame`; return kind and body.

    Raises:
        ChecksumError: the payload is damaged or that of another tile.
    """
    if len(payload) < _FRAME.size:
        raise ChecksumError(f"tile {number} is cut short: {_HINT}")
    kind, crc = _FRAME.unpack_from(payload)
    body = payload[_FRAME.size :]
    if crc != _frame_crc(number, kind, body):
        raise ChecksumError(f"tile {number} is damaged: {_HINT}")
    return kind, body


def _frame_crc(number: int, kind: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(struct.pack(">BI", kind, number)))


class TiffSpool:
    """Collects the payloads of tiles in any order, on disk, and writes the archive at the end.

    Use as a context manager; leaving it without :meth:`finish` leaves nothing behind.
    """

    def __init__(self, path: str | Path, layout: TiffLayout) -> None:
        """Hold where the archive goes and what it is; nothing is written under that name yet.

        Raises:
            MissingDependencyError: tifffile is not installed.
        """
        tiff_pages.tifffile()
        self._path, self.layout = Path(path), layout
        self._spool: BinaryIO = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115
        self._places: dict[int, tuple[int, int]] = {}

    def __enter__(self) -> TiffSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    @property
    def tile_count(self) -> int:
        """Number of tiles the archive must hold."""
        return self.layout.tile_count

    def restart(self) -> None:
        """Forget all tiles and give their space on disk back."""
        self._spool.seek(0)
        self._spool.truncate()
        self._places.clear()

    def add_tile(self, tile: int, payload: bytes) -> int:
        """Store the framed payload of a tile, replacing an earlier one; return its length (bytes).

        Raises:
            ContainerError: there is no such tile.
        """
        if not 0 <= tile < self.tile_count:
            raise ContainerError(f"tile {tile} is outside 0..{self.tile_count - 1}")
        unframe(tile, payload)
        self._places[tile] = (self._spool.seek(0, os.SEEK_END), len(payload))
        self._spool.write(payload)
        return len(payload)

    def payload(self, tile: int) -> tuple[int, bytes]:
        """Return kind and body of a stored tile."""
        return unframe(tile, self._stored(tile))

    def kind(self, tile: int) -> int:
        """Return the kind of a stored tile; its body is not read."""
        self._spool.seek(self._places[tile][0])
        return self._spool.read(1)[0]

    @property
    def payload_bytes(self) -> int:
        """Bytes of all stored payloads."""
        return sum(length for _, length in self._places.values())

    def finish(
        self, side: bytes, preview: Preview, place: bytes | None, mask: Callable[[int], Mask] | None = None
    ) -> int:
        """Write the archive and return its length (bytes); may be called again with other side information.

        Args:
            side: packed side information.
            preview: the first page.
            place: a GeoTIFF of one pixel whose georeference is that of the full resolution; None without.
            mask: gives the dataset mask of a tile's core (h, w), True = valid; None if the scene has none.

        Raises:
            ContainerError: a tile is missing.
        """
        missing = next((tile for tile in range(self.tile_count) if tile not in self._places), None)
        if missing is not None:
            raise ContainerError(f"tile {missing} of {self.tile_count} was never stored")
        tiles = (self._stored(tile) for tile in range(self.tile_count))
        masks = None if mask is None else (self._packed_mask(mask, tile) for tile in range(self.tile_count))
        try:
            pages = Pages(
                layout=self.layout,
                preview=preview,
                place=place,
                side=side,
                tiles=tiles,
                tile_lengths=[self._places[tile][1] for tile in range(self.tile_count)],
                masks=masks,
            )
            return write_pages(self._path, pages)
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise

    def _stored(self, tile: int) -> bytes:
        offset, length = self._places[tile]
        self._spool.seek(offset)
        return self._spool.read(length)

    def _packed_mask(self, mask: Callable[[int], Mask], tile: int) -> bytes:
        size = self.layout.tile_size
        core = mask(tile)
        whole = np.zeros((size, size), np.bool_)
        whole[: core.shape[0], : core.shape[1]] = core
        return zlib.compress(np.packbits(whole, axis=1).tobytes(), 9)


@dataclass(frozen=True, slots=True)
class Segment:
    """Where one tile lies in the file."""

    offset: int
    length: int


class TiffArchive:
    """An archive open for reading: its side information, and the payload of any tile."""

    def __init__(self, path: str | Path) -> None:
        """Open an archive and check everything but the payloads and the pixels of the preview.

        Raises:
            ContainerError: no archive, or not laid out as it should be.
            ChecksumError: damaged.
            VersionError: of another version of the layout.
            MissingDependencyError: tifffile is not installed.
        """
        tiff_pages.tifffile()
        self.path = Path(path)
        self._file: BinaryIO = open_bytes(path)
        self._turn = threading.Lock()
        try:
            self._check_version()
            self._has_preview = read_footer(self._file)
            self._found: Found = tiff_pages.find_pages(self._file)
            self.layout = self._found.layout
            self._check_segments()
        except RsicGeoError:
            self.close()
            raise
        except Exception as error:  # what tifffile raises on nonsense is not listed anywhere
            self.close()
            raise ContainerError(f"{path} is not laid out like an archive of rsic_geo: {error}") from error

    def _check_version(self) -> None:
        version = version_of(self._file.read(HEAD_BYTES))
        if version not in (None, VERSION):
            raise VersionError(
                f"the archive has layout {version} of learned archives, this rsic_geo reads {VERSION}: "
                + ("update rsic_geo" if version > VERSION else "it was made before the first release")
            )

    def _check_segments(self) -> None:
        size = file_size(self._file)
        for name, offsets, lengths in (
            ("tiles", self._found.offsets, self._found.lengths),
            ("mask", self._found.mask_offsets, self._found.mask_lengths),
        ):
            expected = self.layout.tile_count if name == "tiles" or self.layout.has_mask else 0
            if len(offsets) != expected or len(lengths) != expected:
                raise ContainerError(f"the archive lists {len(offsets)} {name} of {expected}: it is damaged")
            if any(o < 8 or n < 1 or n > MAX_PAYLOAD or o + n > size for o, n in zip(offsets, lengths)):  # noqa: B905
                raise ContainerError(f"the archive's {name} reach outside of the file: {_HINT}")

    def __enter__(self) -> TiffArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def side(self) -> bytes:
        """Packed side information."""
        return self._found.side

    @property
    def payload_bytes(self) -> int:
        """Bytes of all payloads."""
        return sum(self._found.lengths)

    def payload(self, tile: int) -> tuple[int, bytes]:
        """Return kind and body of a tile.

        Raises:
            ChecksumError: its bytes are damaged.
        """
        return unframe(tile, self._read(self._found.offsets[tile], self._found.lengths[tile]))

    def kind(self, tile: int) -> int:
        """Return the kind of a tile's payload, unchecked."""
        return self._read(self._found.offsets[tile], 1)[0]

    def mask(self, tile: int) -> Mask | None:
        """Return the dataset mask of a whole tile (tile_size, tile_size), True = valid; None without one.

        Raises:
            ChecksumError: its bytes are damaged.
        """
        if not self.layout.has_mask:
            return None
        size = self.layout.tile_size
        packed = self._read(self._found.mask_offsets[tile], self._found.mask_lengths[tile])
        try:
            unpacker = zlib.decompressobj()
            bits = unpacker.decompress(packed, size * size // 8 + 1)
        except zlib.error as error:
            raise ChecksumError(f"the mask of tile {tile} is damaged: {_HINT}") from error
        if len(bits) != size * size // 8:
            raise ChecksumError(f"the mask of tile {tile} is damaged: {_HINT}")
        rows = np.frombuffer(bits, np.uint8).reshape(size, size // 8)
        return np.unpackbits(rows, axis=1).astype(np.bool_)

    def damaged_previews(self) -> Iterator[str]:
        """Yield what is damaged of the parts that decoding does not need."""
        if not self._has_preview:
            yield f"the preview is damaged, the scene itself is not: {_HINT}"

    def _read(self, offset: int, length: int) -> bytes:
        with self._turn:  # place and read are two steps, and threads share the file
            if self._file.closed:
                raise SceneError("the archive was closed: open it again")
            self._file.seek(offset)
            return self._file.read(length)
