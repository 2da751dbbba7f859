"""The tiles of a scene as they are read, and what they are made with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import CodecEntry, SizedCodec
from rsic_geo.errors import CodecError, UnsupportedSceneError
from rsic_geo.geo.validity import clamp
from rsic_geo.geo.window import Window
from rsic_geo.repair.plan import PixelSource
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.quantised import QuantisedScene
from rsic_geo.threads import threaded_map
from rsic_geo.write.passes import TilePass, TileRecord
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.tiles import RawTile


def raw_tiles(reader: Scene, plan: ScenePlan, only: Collection[int] | None = None) -> Iterator[RawTile]:
    """Read the tiles of a scene in row-major order: all, or those of the numbers given.

    Raises:
        UnsupportedSceneError: if the mask has values no GeoTIFF's mask can hold.
    """
    for number in range(len(plan.grid)) if only is None else sorted(only):
        window = plan.grid.core(plan.grid.tile_number(number))
        pixels = reader.read(window)
        valid = reader.read_valid(window, pixels) if plan.has_nodata else None
        exact = None
        if isinstance(reader, QuantisedScene) and valid is not None:
            exact = reader.read_steps(window, valid)
        yield RawTile(
            number=number,
            is_apart=plan.nodata_apart,
            pixels=pixels,
            exact=exact,
            spectral=plan.spectral,
            nodata_valid=valid,
            mask=_mask(reader, plan, window),
            alpha=plan.alpha_bands,
            nodata=plan.profile.nodata if plan.profile.has_nodata else None,
            limits=plan.limits,
            bits=plan.profile.sample_bits,
        )


def _mask(reader: Scene, plan: ScenePlan, window: Window) -> NDArray[np.uint8] | None:
    mask = reader.read_mask(window) if plan.profile.has_mask else None
    if mask is not None and ((mask != 0) & (mask != 255)).any():
        raise UnsupportedSceneError(
            "the scene's mask holds values between 0 and 255, which a GeoTIFF's mask cannot give back: "
            "make them 0 or 255, or make the mask an alpha band (gdal_translate -b 1 ... -b mask)"
        )
    return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What tiles of one scene are made with."""

    reader: Scene
    plan: ScenePlan
    codec: SizedCodec
    workers: int
    """Threads."""

    def make(self, todo: TilePass, only: Iterable[int] | None = None) -> Iterator[TileRecord]:
        """Yield what a pass finds out about all tiles, or some, in their order."""
        tiles = raw_tiles(self.reader, self.plan, None if only is None else list(only))
        return threaded_map(partial(todo.run, codec=self.codec), tiles, self.workers)


def sized_codec(entry: CodecEntry, plan: ScenePlan) -> SizedCodec:
    """Return the codec of a scene in one JPEG 2000 file, whose tiles can be cut at any size.

    Raises:
        CodecError: it is offered for such files and cannot do that.
    """
    codec = entry.maker()(plan.form, weights="auto", device="auto", sha256=None)
    if entry.dial != "size" or not hasattr(codec, "curve"):
        raise CodecError(f"codec {entry.name} has no curve of sizes, which JPEG 2000 files need: mend it")
    return cast("SizedCodec", codec)


class Clamped:
    """Decoded pixels as readers get them: within the limits the archive tells of."""

    def __init__(self, source: PixelSource, limits: Sequence[tuple[int, int] | None]) -> None:
        """Hold what is read, and least and greatest value per band."""
        self._source, self._limits = source, limits

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[np.generic]:
        """Return (bands, h, w) of a window inside the scene."""
        chosen = self._limits if bands is None else [self._limits[band] for band in bands]
        return clamp(self._source.read(window, bands=bands), chosen)
