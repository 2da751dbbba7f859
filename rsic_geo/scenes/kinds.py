"""The kinds of files a scene is read from: a raster of GDAL's, or an archive: JPEG 2000, learned, a COG."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container import jp2, sideinfo
from rsic_geo.container.codestream import open_file
from rsic_geo.container.cog import CogCheck, CogFile, read_record
from rsic_geo.container.integrity import PayloadCheck, check_side
from rsic_geo.container.integrity import picture_of as picture_of_codestream
from rsic_geo.container.sideinfo import SideInfo
from rsic_geo.container.tiff import DESCRIPTION, SUFFIX, TiffArchive
from rsic_geo.container.tiff_directory import has_end, has_mark, is_cog_archive, is_tiff_archive
from rsic_geo.errors import CodecError, ContainerError, RsicGeoError, SceneError, UsageError
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.options import Execution
from rsic_geo.raster import PixelDecoder, fetch_raster, open_scene
from rsic_geo.raster.doors.vsi import file_name, gdal_name, is_ranged, open_bytes
from rsic_geo.raster.files import check_source, sidecars_of
from rsic_geo.scenes.far import far_tiles
from rsic_geo.scenes.jp2_source import (
    check_samples,
    coarse_grid,
    has_lost_box,
    offset_tiles,
    why_unopened,
    write_on_grid,
)
from rsic_geo.scenes.planes import WithMask
from rsic_geo.scenes.protocol import StoredScene
from rsic_geo.scenes.tiff import TiffScene, picture_of


class StoredTiles(Protocol):
    """Checksums of what a file stores of its tiles."""

    def structure(self) -> None:
        """Check what lies around the tiles. Raises ChecksumError."""
        ...

    def parts(self, window: Window) -> Iterator[Window]:
        """Yield the parts of a window in the order to read them, each checked just before.

        Raises ChecksumError, naming the tile.
        """
        ...

    def reduced(self, window: Window, shrink: float) -> None:
        """Check what a window is read from with sides ``shrink`` times as short. Raises ChecksumError."""
        ...

    def damaged(self) -> list[int]:
        """Return the numbers of all damaged tiles."""
        ...

    def minor_damage(self) -> list[str]:
        """Return in words what is damaged that our own decoding does not need."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One file, open."""

    reader: StoredScene
    """Reads what the codec kept; to be closed."""
    side: SideInfo | None
    """None for files of other programs."""
    tiff: TiffScene | None = None
    """The reader, where the file is an archive of tiles in a TIFF."""
    cog: CogFile | None = None
    """Where the file is a COG: its reader gives samples as the scene has them, nodata and all."""
    is_cut: bool = False
    """Whether it was an archive of ours whose side information is gone: nodata, masks and tags with it."""

    def check(self, path: str, grid: TileGrid) -> StoredTiles:
        """Return the checksums of an archive."""
        if self.side is None:
            raise UsageError(f"{path} is no archive of rsic_geo: it has no checksums")
        if self.cog is not None:
            return CogCheck(self.cog, self.side, grid)
        return self.tiff or PayloadCheck(path, self.side, grid)

    @property
    def planes(self) -> Mapping[tuple[int, str], bytes]:
        """Lossless planes of an archive."""
        if self.tiff is not None:
            return self.tiff.planes()
        if self.side is not None and self.cog is not None and self.reader.profile.has_mask:
            return WithMask(self.side.planes, self._grid, self._mask)
        return {} if self.side is None else self.side.planes

    @property
    def _grid(self) -> TileGrid:
        p, size = self.reader.profile, 0 if self.side is None else self.side.tile_size
        return TileGrid(height=p.height, width=p.width, tile_size=size)

    def _mask(self, number: int) -> NDArray[np.uint8]:
        mask = self.reader.read_mask(self._grid.core(self._grid.tile_number(number)))
        assert mask is not None
        return mask


def open_store(path: str, execution: Execution) -> Store:
    """Open a file by what it is, whatever its name.

    Raises:
        SceneError: GDAL cannot read it, or it is a pipe or device.
        ContainerError, ChecksumError, VersionError: it is an archive, damaged or too new.
        UnsupportedSceneError: it is a JPEG 2000 file whose samples GDAL would clip.
        MissingDependencyError: it is a learned archive, and tifffile is not installed.
        UsageError: the name holds a NUL character.
    """
    check_source(path)
    is_named_so = path.lower().endswith(SUFFIX)  # of far ones without that name nobody fetches the end
    if (is_named_so or not path.startswith("/vsi")) and is_tiff_archive(path):
        archive = TiffArchive(path)
        try:
            side = check_side(sideinfo.unpack(archive.side, picture_of(archive.layout)))
            scene = TiffScene(
                archive,
                side,
                device=execution.device,
                held_mib=execution.memory_mib,
                workers=execution.workers,
            )
        except BaseException:
            archive.close()
            raise
        return Store(reader=scene, side=side, tiff=scene)
    if is_cog_archive(path):
        with open_bytes(path) as file:
            if not has_end(file):  # all that is left is what GDAL wrote
                return Store(reader=open_scene(path), side=None, is_cut=True)
        record, cog = read_record(path)
        side = check_side(sideinfo.unpack(record, cog.picture))
        cog.check_structure(side.header_crc)  # before GDAL looks at it
        return Store(reader=open_scene(path, is_archive=True), side=side, cog=cog)
    side_of_jp2 = _jp2_side(path)
    try:
        decoder: PixelDecoder | None = offset_tiles(path)
        if side_of_jp2 is not None and is_ranged(path):
            decoder = far_tiles(path, side_of_jp2.tile_size, execution.memory_mib)
        reader = open_scene(path, decoder, is_archive=side_of_jp2 is not None)
    except SceneError as error:
        words = why_unopened(path)
        if words is None:
            raise
        raise SceneError(f"cannot read {path}: {words}") from error
    try:
        for name in reader.files:  # of a VRT also the files it refers to
            check_samples(str(name))
    except BaseException:
        reader.close()
        raise
    return Store(reader=reader, side=side_of_jp2, is_cut=side_of_jp2 is None and has_lost_box(path))


def name_file(error: RsicGeoError, path: str, copy: str) -> None:
    """Tell in an error met while opening which file it is about: ``path``, where a copy was read that one."""
    words = str(error).replace(copy, path)
    is_of_file = isinstance(error, ContainerError | CodecError) and path not in words
    error.args = (f"cannot read {path}: {words}" if is_of_file else words,)


def _jp2_side(path: str) -> SideInfo | None:
    if not _starts_like_jp2(path):
        return None
    packed = jp2.read_side_information(path)
    if packed is None:
        return None
    with open_file(path) as file:
        size = jp2.find_codestream(file).size
    return check_side(sideinfo.unpack(packed, picture_of_codestream(size)))


def _starts_like_jp2(path: str) -> bool:
    try:
        with open_bytes(path) as file:
            return file.read(8)[4:] == b"jP  "
    except OSError:
        return False  # GDAL's own names; what cannot be opened at all is reported by open_scene


def local_file(path: str, held: ExitStack) -> str:
    """Return the path, or GDAL's name of an address; for some names of GDAL's a copy, kept by ``held``.

    An archive is read where it lies, if any part of a file can be read there. Others that may be
    archives are copied: GDAL hides the boxes of a JP2 file, of a learned archive all but its preview, and
    what follows a COG. Also a copy, as GDAL can open it, of a JPEG 2000 file all of whose components are
    subsampled.
    """
    if not path.startswith("/vsi") and "://" not in path:
        return _at_full_size(path, held) or path
    is_address = path.partition("://")[0] in ("http", "https", "ftp", "s3", "gs", "az")
    path = gdal_name(path) if is_address else file_name(path)
    is_learned = path.lower().endswith(SUFFIX)
    if is_ranged(path) and (
        is_tiff_archive(path) if is_learned else is_cog_archive(path) or _jp2_side(path) is not None
    ):
        return path
    suffix = SUFFIX
    if not is_learned:
        with open_scene(path) as reader:
            is_learned = reader.driver == "GTiff" and reader.description == DESCRIPTION
            is_cog = reader.driver == "GTiff" and _is_marked(path)
            if not is_learned and not is_cog and not reader.driver.startswith("JP2"):
                return path
            suffix = SUFFIX if is_learned else ".tif" if is_cog else ".jp2"
    name = "scene" + suffix
    copy = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="rsic-"))) / name
    fetch_raster(path, str(copy))
    return str(copy)


def _at_full_size(path: str, held: ExitStack) -> str | None:
    grid = coarse_grid(path) if os.path.isfile(path) else None  # no pipe is waited for
    if grid is None:
        return None
    copy = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="rsic-"))) / Path(path).name
    write_on_grid(path, str(copy), grid)
    for sidecar, suffix in sidecars_of(Path(path)):
        shutil.copyfile(sidecar, f"{copy}{suffix}")
    return str(copy)


def _is_marked(path: str) -> bool:
    with open_bytes(path) as file:
        return has_mark(file)
