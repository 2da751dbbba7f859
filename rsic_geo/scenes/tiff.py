"""An archive of tiles in a TIFF as a scene: what GDAL does for JPEG 2000 archives, done for ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from rsic_geo.codecs import registry
from rsic_geo.codecs.base import MAX_REDUCE, CodedBands, TileForm
from rsic_geo.container.sideinfo import ModelReference, Picture, SideInfo
from rsic_geo.container.tiff import TiffArchive, TiffLayout
from rsic_geo.errors import (
    ChecksumError,
    ContainerError,
    RsicGeoError,
)
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.raster.crs import wkt_of
from rsic_geo.scenes.payloads import TileDecoder, TilePixels
from rsic_geo.scenes.planes import Planes, WithMask
from rsic_geo.scenes.protocol import decimated_valid
from rsic_geo.weights import beside
from rsic_geo.weights.store import SUFFIX

Pixels = NDArray[Any]
DRIVER = "RSIC-TIFF"
"""What takes the place of GDAL's driver name."""


class TiffScene:
    """What an archive of tiles in a TIFF stores, decoded; from one thread at a time."""

    driver = DRIVER
    others: tuple[str, ...] = ()
    """Its pages are parts of one scene."""

    def __init__(
        self,
        archive: TiffArchive,
        side: SideInfo,
        *,
        device: str = "auto",
        held_mib: int = 256,
        workers: int = 1,
    ) -> None:
        """Check that side information and file belong together; nothing is decoded, and no codec loaded.

        Raises:
            ContainerError: they do not.
        """
        layout = archive.layout
        self._archive, self._side, self._device = archive, side, device
        self._held, self._workers = held_mib, workers
        self.path, self.name = archive.path, str(archive.path)
        bands = sorted(band for group in side.groups for band in group)
        if (
            side.radiometry is None
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
        self.codec, self.model = codec_of(side)
        self._coded = CodedBands.of(
            side.groups,
            TileForm(radiometry=side.radiometry, tile_size=layout.tile_size),
            lossless=side.lossless,
        )
        self._loading = threading.Lock()
        self._tiles: TilePixels | None = None
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

    def __enter__(self) -> TiffScene:
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

    @property
    def tiles(self) -> TilePixels:
        """Its tiles; the codec is loaded at the first call.

        Raises:
            UnknownCodecError, MissingDependencyError: the codec, or what it needs, is not installed.
            WeightsError: the network it names is not here.
        """
        with self._loading:
            if self._tiles is None:
                name, sha256 = "auto", None
                if self.model is not None:
                    name, sha256 = beside(self.model.name, self.name), self.model.sha256
                codec = registry.get_entry(self.codec).maker()(
                    self._coded.form, weights=name, device=self._device, sha256=sha256
                )
                decoder = TileDecoder(codec, self._coded, self._archive.layout.bands)
                self._tiles = TilePixels(self._archive, decoder, self._grid, self._held, self._workers)
            return self._tiles

    @property
    def block_shape(self) -> tuple[int, int]:
        """Height and width of a tile (px)."""
        return self._grid.tile_size, self._grid.tile_size

    @property
    def reductions(self) -> tuple[int, ...]:
        """Factors by which tiles can be decoded smaller."""
        return tuple(1 << level for level in range(1, MAX_REDUCE + 1))

    def metadata(self) -> MetadataSnapshot:
        """Return all metadata of the scene."""
        return self._side.snapshot

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return decoded pixels (bands, h, w) of a window; see :meth:`TilePixels.read`."""
        self.profile.check_window(window, bands)
        return self.tiles.read(window, bands=bands)

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
        return self.tiles.read_resampled(window, out_shape, bands=bands)

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where the mask shows data, decimated (height, width)."""
        return decimated_valid(self, out_height, out_width)

    def planes(self) -> Mapping[tuple[int, str], bytes]:
        """Return the lossless planes: those of the side information, and the mask page tile by tile."""
        if not self._archive.layout.has_mask:
            return self._side.planes
        return WithMask(self._side.planes, self._grid, self._mask)

    def _mask(self, number: int) -> NDArray[np.uint8]:
        core = self._grid.core(self._grid.tile_number(number))
        mask = self._archive.mask(number)
        assert mask is not None
        return mask[: core.height, : core.width].astype(np.uint8) * np.uint8(255)

    def structure(self) -> None:
        """Say nothing: the structure was checked when the file was opened."""

    def parts(self, window: Window) -> Iterator[Window]:
        """Check the stored bytes of all tiles that touch a window, and yield it. Raises ChecksumError."""
        self.reduced(window, 1.0)
        yield window

    def reduced(self, window: Window, shrink: float) -> None:
        """Check all tiles that touch a window, which hold every resolution. Raises ChecksumError."""
        del shrink
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


def codec_of(side: SideInfo) -> tuple[str, ModelReference | None]:
    """Return the codec an archive was made with, and its network; None for a codec without.

    Raises:
        ContainerError: the archive does not say.
    """
    said = side.extras.get("codec")
    if not isinstance(said, list) or len(said) != 2 or not all(isinstance(part, str) for part in said):
        raise ContainerError("the archive does not name its codec: it was altered")
    codec, _, network = said[0].partition(":")
    if any(mark in said[0] for mark in "/\\\0") or network.endswith(SUFFIX):
        raise ContainerError("the archive names a file as its codec, not weights: it was altered")
    return codec, ModelReference(name=network, sha256=said[1]) if network else None


def named_codec(name: str, weights: tuple[str, str] | None) -> list[str]:
    """Return how an archive names its codec; undone by :func:`codec_of`."""
    if weights is None:
        return [name, ""]
    network = ModelReference(name=weights[0], sha256=weights[1])
    return [f"{name}:{network.name}", network.sha256]


def picture_of(layout: TiffLayout) -> Picture:
    """Return what the full-resolution page says about its pixels."""
    return Picture(height=layout.height, width=layout.width, count=layout.bands, dtype=layout.dtype)
