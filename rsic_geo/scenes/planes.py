"""What lossy coding may not touch: nodata, masks and alpha, put back exactly from their own planes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import ContainerError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.planes import pack_plane, unpack_plane
from rsic_geo.geo.profile import SceneProfile, sample_range
from rsic_geo.geo.validity import avoid_nodata
from rsic_geo.geo.window import TileGrid, Window

_HELD_TILES = 256
"""Most unpacked tiles kept; fewer where a row of tiles is shorter, for a tile may have many bands."""


class Planes:
    """Lossless planes of an archive, unpacked tile by tile as windows ask for them."""

    def __init__(
        self,
        packed: Mapping[tuple[int, str], bytes],
        grid: TileGrid,
        *,
        dtype: str,
        bands: int,
        alpha_bands: tuple[int, ...] = (),
    ) -> None:
        """Hold the packed planes by (tile number, kind) of a scene of ``bands`` bands of type ``dtype``."""
        self._bands = bands
        self._packed, self._grid = packed, grid
        self._dtype, self.alpha_bands = np.dtype(dtype), alpha_bands
        kinds = {kind for _, kind in packed}
        self.has_valid, self.has_mask = "valid" in kinds, "mask" in kinds
        self.has_alpha = "alpha" in kinds
        held = min(_HELD_TILES, (-(-grid.width // grid.tile_size) + 1) * max(1, len(kinds)))
        self._tile = lru_cache(maxsize=held)(self._unpack)

    def valid(self, window: Window, bands: int) -> NDArray[np.bool_] | None:
        """Return (bands, h, w), False where a band holds nodata; None when there are no such planes."""
        return self._window("valid", window, bands, np.dtype(bool)) if self.has_valid else None

    def mask(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the dataset mask (h, w), 255 = valid; None when the scene has none."""
        return self._window("mask", window, 1, np.dtype(np.uint8))[0] if self.has_mask else None

    def for_others(self, window: Window, *, is_quantised: bool) -> NDArray[np.uint8]:
        """Return the mask (h, w) that other programs are shown beside the archive, 255 = data.

        A scene with a mask of its own is shown by that alone, as GDAL shows the scene: it asks no nodata
        value then. Steps of a float scene have no nodata value that others could ask instead.
        """
        keep = np.ones((window.height, window.width), np.bool_)
        if (mask := self.mask(window)) is not None:
            keep &= mask != 0
        if mask is None or is_quantised:
            valid = self.valid(window, self._bands)
            keep &= True if valid is None else valid.any(axis=0)
        return np.where(keep, np.uint8(255), np.uint8(0))

    def alpha(self, window: Window) -> NDArray[np.generic] | None:
        """Return the alpha bands (alpha bands, h, w); None when none are stored."""
        return self._window("alpha", window, len(self.alpha_bands), self._dtype) if self.has_alpha else None

    def _window(self, kind: str, window: Window, bands: int, dtype: np.dtype[np.generic]) -> NDArray:  # type: ignore[type-arg]
        out = np.empty((bands, window.height, window.width), dtype)
        for index in self._grid.tiles_touching(window):
            core = self._grid.core(index)
            shared = core.intersection(window)
            if shared is None:
                continue
            plane = self._tile(self._grid.index_number(index), kind)
            rows, cols = shared.shifted(-core.row_off, -core.col_off).slices
            target = shared.shifted(-window.row_off, -window.col_off).slices
            out[(slice(None), *target)] = plane[:, rows, cols]
        return out

    def _unpack(self, number: int, kind: str) -> NDArray[np.generic]:
        core = self._grid.core(self._grid.tile_number(number))
        try:
            packed = self._packed[(number, kind)]
        except KeyError:
            raise ContainerError(
                f"the {kind} plane of tile {number} is missing: the archive is damaged"
            ) from None
        planes = packed[0] if packed else 0
        if planes not in (1, {"valid": self._bands, "alpha": len(self.alpha_bands)}.get(kind, 1)):
            raise ContainerError(
                f"the {kind} plane of tile {number} is none of this scene: the archive is damaged"
            )
        dtype = {"valid": np.dtype(bool), "mask": np.dtype(np.uint8)}.get(kind, self._dtype)
        return unpack_plane(packed[1:], (planes, core.height, core.width), dtype)


class WithMask(Mapping[tuple[int, str], bytes]):
    """Packed planes by (tile, kind), those of a mask that lies elsewhere made when they are asked for."""

    def __init__(
        self,
        planes: Mapping[tuple[int, str], bytes],
        grid: TileGrid,
        mask: Callable[[int], NDArray[np.uint8]],
    ) -> None:
        """Hold the planes, and what gives the mask (h, w) of a tile, 255 = valid."""
        self._planes, self._grid, self._mask = planes, grid, mask

    def __getitem__(self, key: tuple[int, str]) -> bytes:
        """Return one plane. Raises KeyError where there is none."""
        number, kind = key
        if kind != "mask" or not 0 <= number < len(self._grid):
            return self._planes[key]
        return b"\1" + pack_plane(self._mask(number)[None])

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield all keys."""
        yield from self._planes
        for number in range(len(self._grid)):
            yield number, "mask"

    def __len__(self) -> int:
        """Return the number of planes."""
        return len(self._planes) + len(self._grid)


def profile_of(stored: SceneProfile, snapshot: MetadataSnapshot) -> SceneProfile:
    """Return the profile of the final output: the stored one with what the snapshot says about bands."""
    return replace(
        stored,
        dtype=snapshot.dtypes[0],
        colorinterp=snapshot.colorinterp,
        nodata=snapshot.sentinels,
        bits=snapshot.bits,
        has_mask=snapshot.has_explicit_mask,
        has_band_masks=any(not flags for flags in snapshot.mask_flags),
    )


def within_bits(pixels: NDArray[Any], bits: int | None) -> NDArray[Any]:
    """Return pixels (bands, h, w) no farther than the bits their samples use can say; None for all of them.

    JPEG 2000 decoders keep to them; a network, or a correction, may lead out of them.
    """
    if bits is None:
        return pixels
    low, high = sample_range(pixels.dtype.name, bits)
    return np.asarray(np.clip(pixels, low, high))


def finish_pixels(
    pixels: NDArray[np.generic], window: Window, planes: Planes, profile: SceneProfile
) -> NDArray[np.generic]:
    """Return decoded (and enhanced) pixels with nodata and alpha exactly as in the source.

    Valid pixels that happen to equal nodata move by one digital number, so that none is lost.

    Args:
        pixels: (bands, h, w); may be changed in place.
        window: where they lie.
        planes: the archive's lossless planes.
        profile: of the final output.
    """
    bits = profile.sample_bits
    pixels = within_bits(pixels, bits)
    valid = planes.valid(window, len(pixels))
    if valid is not None:
        pixels = put_nodata(pixels, valid, profile.nodata, bits)
    alpha = planes.alpha(window)
    if alpha is not None:
        pixels[list(planes.alpha_bands)] = alpha
    return pixels


def put_nodata(
    pixels: NDArray[np.generic],
    valid: NDArray[np.bool_],
    nodata: Sequence[float | int | None],
    bits: int | None,
) -> NDArray[np.generic]:
    """Return pixels (bands, h, w) with nodata values exactly where ``valid`` is False; see finish_pixels."""
    pixels = avoid_nodata(pixels, valid, nodata, bits=bits)
    for band, value in enumerate(nodata):
        if value is not None:
            pixels[band][~valid[band]] = value
    return pixels
