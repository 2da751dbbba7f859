"""A learned archive as a scene: what GDAL does for JPEG 2000 archives, done for ours."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from rsic_geo.codecs.jpeg2000 import DTYPES
from rsic_geo.codecs.learned_tile import (
    MAX_REDUCE,
    Networks,
    TileDecoder,
    TileFormat,
    TileNetwork,
    load_network,
)
from rsic_geo.container.sideinfo import ModelReference, Picture, SideInfo
from rsic_geo.container.tiff import TiffArchive, TiffLayout
from rsic_geo.errors import (
    BitstreamError,
    ChecksumError,
    ContainerError,
    RsicGeoError,
    WeightsMismatchError,
)
from rsic_geo.geo.areas import shares
from rsic_geo.geo.grid import TileGrid
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.planes import pack_plane
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster.crs import wkt_of
from rsic_geo.scenes.planes import Planes
from rsic_geo.scenes.protocol import decimated_valid
from rsic_geo.weights.store import SUFFIX

Pixels = NDArray[Any]
_HELD_ROWS = 3
"""Rows of tiles worth keeping: windows with a halo touch so many."""
DRIVER = "RSIC-TIFF"
"""What takes the place of GDAL's driver name."""


class PayloadSource(Protocol):
    """Where payloads come from: an archive, or the spool of one that is being written."""

    def payload(self, tile: int) -> tuple[int, bytes]:
        """Return kind and body of a tile. Raises ChecksumError."""
        ...


class TilePixels:
    """Pixels of any window or reduced resolution; only the tiles needed are decoded, and few are kept."""

    def __init__(
        self, source: PayloadSource, networks: Networks, form: TileFormat, grid: TileGrid, held_mib: int = 256
    ) -> None:
        """Hold where payloads come from and how they are decoded."""
        self._source, self._form, self._grid = source, form, grid
        self._decoder = TileDecoder(networks, form)
        self._turn = threading.RLock()
        self._held: OrderedDict[int, Pixels] = OrderedDict()
        row = grid.width * grid.tile_size * form.radiometry.bands * np.dtype(form.radiometry.dtype).itemsize
        self._room = min(held_mib << 20, _HELD_ROWS * row)

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return decoded pixels (bands, h, w) of a window, nodata and alpha not restored.

        Raises:
            ChecksumError, BitstreamError: a tile is damaged; the message names it.
        """
        chosen = list(range(self._form.radiometry.bands) if bands is None else bands)
        out = np.empty((len(chosen), window.height, window.width), self._form.radiometry.dtype)
        for index in self._grid.tiles_touching(window):
            core = self._grid.core(index)
            shared = core.intersection(window)
            if shared is None:
                raise AssertionError("a tile was chosen that the window does not touch")
            pixels = self._tile(self._grid.index_number(index))
            inner, target = shared.within(core).slices, shared.within(window).slices
            out[(slice(None), *target)] = pixels[(slice(None), *inner)][chosen]
        return out

    def _tile(self, number: int) -> Pixels:
        with self._turn:  # whoever comes first decodes a tile for all
            if number in self._held:
                self._held.move_to_end(number)
                return self._held[number]
            pixels = self.decode(number)
            self._held[number] = pixels
            while len(self._held) > 1 and sum(tile.nbytes for tile in self._held.values()) > self._room:
                self._held.popitem(last=False)
            return pixels

    def decode(self, number: int, reduce: int = 0) -> Pixels:
        """Return the pixels (bands, h, w) of a tile, sides halved ``reduce`` times.

        Raises:
            ChecksumError, BitstreamError: it is damaged; the message names it.
        """
        index = self._grid.tile_number(number)
        core = self._grid.core(index)
        kind, body = self._source.payload(number)
        try:
            return self._decoder.pixels(kind, body, (core.height, core.width), reduce)
        except (BitstreamError, ChecksumError) as error:
            raise type(error)(f"tile {number} (row {index.row}, column {index.col}): {error}") from error

    def read_resampled(
        self, window: Window, out_shape: tuple[int, int], *, bands: tuple[int, ...] | None = None
    ) -> Pixels:
        """Return a window resampled to (bands, *out_shape): area means of the nearest finer resolution.

        Tiles are decoded at 1/2, 1/4 ... 1/32 of their sides, so nothing of full size is held.
        """
        chosen = list(range(self._form.radiometry.bands) if bands is None else bands)
        shrink = min(window.height / out_shape[0], window.width / out_shape[1])
        reduce = max(0, min(MAX_REDUCE, int(np.floor(np.log2(max(shrink, 1.0))))))
        total = np.zeros((len(chosen), *out_shape), np.float64)
        for index in self._grid.tiles_touching(window):
            core = self._grid.core(index)
            pixels = self.decode(self._grid.index_number(index), reduce)[chosen]
            rows, down = shares(
                window.row_off, window.height, out_shape[0], core.row_off, core.height, reduce
            )
            cols, right = shares(window.col_off, window.width, out_shape[1], core.col_off, core.width, reduce)
            total[:, rows, cols] += down @ pixels.astype(np.float64) @ right.T
        return np.asarray(np.rint(total).astype(self._form.radiometry.dtype))


class LearnedScene:
    """What a learned archive stores, decoded; from one thread at a time."""

    driver = DRIVER
    compression = "learned"
    others: tuple[str, ...] = ()
    """Its pages are parts of one scene."""

    def __init__(
        self, archive: TiffArchive, side: SideInfo, *, device: str = "auto", held_mib: int = 256
    ) -> None:
        """Check that side information and file belong together; nothing is decoded yet.

        Raises:
            ContainerError: they do not.
        """
        layout = archive.layout
        self._archive, self._side, self._device = archive, side, device
        self.path, self.name = archive.path, str(archive.path)
        bands = sorted(band for group in side.groups for band in group)
        if (
            layout.dtype not in DTYPES
            or side.radiometry is None
            or side.radiometry.bands != layout.bands
            or side.radiometry.dtype != layout.dtype
            or side.tile_size != layout.tile_size
            or len(set(bands)) != len(bands)
            or not set(bands) <= set(range(layout.bands))
            or any(len(group) not in (1, 3) for group in side.groups)
            or (side.snapshot.height, side.snapshot.width) != (layout.height, layout.width)
        ):
            raise ContainerError(
                "the archive's side information describes another scene: the file was altered"
            )
        self._grid = TileGrid(height=layout.height, width=layout.width, tile_size=layout.tile_size)
        self._form = TileFormat(groups=side.groups, radiometry=side.radiometry, tile_size=layout.tile_size)
        self.codec = codec_of(side)
        self._tiles = TilePixels(archive, Networks(self._network), self._form, self._grid, held_mib)
        self.profile = SceneProfile(
            height=layout.height,
            width=layout.width,
            count=layout.bands,
            dtype=layout.dtype,
            crs_wkt=wkt_of(side.snapshot.crs or side.snapshot.gcp_crs),
            transform=Affine(*side.snapshot.transform) if side.snapshot.transform else Affine.identity(),
            colorinterp=side.snapshot.colorinterp,
            has_mask=layout.has_mask,
            has_gcps=bool(side.snapshot.gcps),
        )
        self._planes = Planes(self.planes(), self._grid, dtype=layout.dtype, bands=layout.bands)

    def __enter__(self) -> LearnedScene:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _network(self) -> TileNetwork:
        network = load_network(self.codec.name, self._device, sha256=self.codec.sha256)
        if not self.codec.matches(network.sha256):
            raise WeightsMismatchError(
                f"the archive was made with the codec {self.codec.name} ({self.codec.sha256}), here is "
                f"{network.name} ({network.sha256[:16]}): install those weights; no others can decode it"
            )
        return network

    @property
    def block_shape(self) -> tuple[int, int]:
        """Height and width of a tile (px)."""
        return self._grid.tile_size, self._grid.tile_size

    def metadata(self) -> MetadataSnapshot:
        """Return all metadata of the scene."""
        return self._side.snapshot

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return decoded pixels (bands, h, w) of a window; see :meth:`TilePixels.read`."""
        self.profile.check_window(window, bands)
        return self._tiles.read(window, bands=bands)

    def read_valid(self, window: Window, pixels: Pixels | None = None) -> NDArray[np.bool_]:
        """Return (bands, h, w), all True: what the codec stores knows no nodata, the archive's planes do."""
        del pixels
        self.profile.check_window(window)
        return np.ones((self.profile.count, window.height, window.width), np.bool_)

    def read_mask(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the dataset mask (h, w), 255 = data, of the page that holds it; None where there is none."""
        self.profile.check_window(window)
        return self._planes.mask(window)

    def read_overview(
        self,
        out_height: int,
        out_width: int,
        bands: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> Pixels:
        """Return the scene, or a window of it, by means; see :meth:`TilePixels.read_resampled`."""
        area = Window.full(self.profile.height, self.profile.width) if window is None else window
        return self.read_resampled(area, (out_height, out_width), bands=bands)

    def read_resampled(
        self, window: Window, out_shape: tuple[int, int], *, bands: tuple[int, ...] | None = None
    ) -> Pixels:
        """Return a window at reduced resolution; see :meth:`TilePixels.read_resampled`."""
        self.profile.check_window(window, bands)
        return self._tiles.read_resampled(window, out_shape, bands=bands)

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where the mask shows data, decimated (height, width)."""
        return decimated_valid(self, out_height, out_width)

    def planes(self) -> Mapping[tuple[int, str], bytes]:
        """Return the lossless planes: those of the side information, and the mask page tile by tile."""
        if not self._archive.layout.has_mask:
            return self._side.planes
        return _WithMask(self._side.planes, self._archive, self._grid)

    def structure(self) -> None:
        """Say nothing: the structure was checked when the file was opened."""

    def window(self, window: Window) -> None:
        """Check the stored bytes of all tiles that touch a window. Raises ChecksumError naming the tile."""
        for index in self._grid.tiles_touching(window):
            try:
                self._archive.payload(self._grid.index_number(index))
            except ChecksumError as error:
                raise ChecksumError(f"row {index.row}, column {index.col}: {error}") from error

    def damaged(self) -> list[int]:
        """Return the numbers of all tiles whose payload or mask is damaged."""
        out = []
        for number in range(len(self._grid)):
            try:
                self._archive.payload(number)
                self._archive.mask(number)
            except RsicGeoError:
                out.append(number)
        return out

    def minor_damage(self) -> list[str]:
        """Return what is damaged of the parts that decoding does not need."""
        return list(self._archive.damaged_previews())

    def kinds(self) -> dict[int, int]:
        """Return how many tiles there are of each kind of payload, by their first bytes alone."""
        counts: dict[int, int] = {}
        for number in range(len(self._grid)):
            kind = self._archive.kind(number)
            counts[kind] = counts.get(kind, 0) + 1
        return counts


def codec_of(side: SideInfo) -> ModelReference:
    """Return name and digest of the network an archive was made with.

    Raises:
        ContainerError: the archive does not say.
    """
    said = side.extras.get("codec")
    if not isinstance(said, list) or len(said) != 2 or not all(isinstance(part, str) for part in said):
        raise ContainerError("the archive does not name its codec: it was altered")
    if any(mark in said[0] for mark in "/\\\0") or said[0].endswith(SUFFIX):
        raise ContainerError("the archive names a file as its codec, not weights: it was altered")
    return ModelReference(name=said[0], sha256=said[1])


def picture_of(layout: TiffLayout) -> Picture:
    """Return what the full-resolution page says about its pixels."""
    return Picture(height=layout.height, width=layout.width, count=layout.bands, dtype=layout.dtype)


class _WithMask(Mapping[tuple[int, str], bytes]):
    """Packed planes by (tile, kind), the mask's read from their page when they are asked for."""

    def __init__(self, planes: Mapping[tuple[int, str], bytes], archive: TiffArchive, grid: TileGrid) -> None:
        self._planes, self._archive, self._grid = planes, archive, grid

    def __getitem__(self, key: tuple[int, str]) -> bytes:
        number, kind = key
        if kind != "mask" or not 0 <= number < len(self._grid):
            return self._planes[key]
        mask = self._archive.mask(number)
        if mask is None:
            raise KeyError(key)
        core = self._grid.core(self._grid.tile_number(number))
        return b"\1" + pack_plane(mask[None, : core.height, : core.width].astype(np.uint8) * np.uint8(255))

    def __iter__(self) -> Iterator[tuple[int, str]]:
        yield from self._planes
        for number in range(len(self._grid)):
            yield number, "mask"

    def __len__(self) -> int:
        return len(self._planes) + len(self._grid)
