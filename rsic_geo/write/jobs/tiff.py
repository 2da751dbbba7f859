"""Archives of tiles in a TIFF: payloads of any codec, and JPEG 2000 where the codec has it as a rival."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import Codec, CodedBands
from rsic_geo.container import sideinfo
from rsic_geo.container.tiff import TiffLayout, TiffSpool
from rsic_geo.geo.planes import unpack_plane
from rsic_geo.progress import Progress
from rsic_geo.raster.formats.preview import place_geotiff
from rsic_geo.repair.plan import PixelSource
from rsic_geo.scenes.payloads import TileDecoder, TilePixels
from rsic_geo.scenes.tiff import named_codec, picture_of
from rsic_geo.weights import beside
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.jobs.preview import PreviewMaker
from rsic_geo.write.jobs.tiled import TiledJob
from rsic_geo.write.rate import control
from rsic_geo.write.rate.dial import DialSearch, TileCoder
from rsic_geo.write.sideinfo import Seal, side_information


@dataclass(slots=True, kw_only=True)
class TiffJob(TiledJob[TiffSpool, DialSearch]):
    """One scene on its way into an archive of tiles in a TIFF."""

    _codec: Codec = field(init=False)
    _decoder: TileDecoder = field(init=False)
    _previews: PreviewMaker = field(init=False)

    def __post_init__(self) -> None:
        """Make the codec and settle tiles and bands.

        Raises:
            MissingDependencyError, WeightsError: the codec asked for is not here.
        """
        plan = self.plan
        if not self.options.tile_size and self.entry.usual_tile_size:
            size = min(self.entry.usual_tile_size, plan.grid.tile_size)
            plan = self.plan = replace(plan, grid=replace(plan.grid, tile_size=size))
        coded = CodedBands.of(plan.groups, plan.form, lossless=plan.lossless)
        # Refining weighs squared error: within a largest one it would cost time for nothing.
        effort = "fast" if self.options.target.kind == "max-error" else self.options.effort
        coded = replace(coded, form=replace(coded.form, effort=effort))
        name = self.options.codec.partition(":")[2]
        self._codec = self.entry.maker()(
            coded.form,
            weights=beside(name, str(self.path)) if name else "auto",
            device=self.options.execution.device,
            sha256=None,
        )
        self._decoder = TileDecoder(self._codec, coded, plan.profile.count)
        self._previews = PreviewMaker(self.reader, plan)

    def write_sidecar(self, name: str) -> list[str]:
        """Write nothing: the preview describes itself, and the rest is for rsic alone."""
        return []

    @property
    def _rounding(self) -> int:
        """How far apart devices may round the final output (DN)."""
        return self._codec.tolerance

    @property
    def is_steady(self) -> bool:
        """Whether the codec's own decoder rounds alike everywhere."""
        return not self._codec.tolerance

    @property
    def _usual_overhead(self) -> int:
        return 650 + 6 * len(self.plan.grid)

    def _preview_basis(self, coded: CodedScene) -> int:
        """Return the bytes the preview is to suit: those asked for, lest it changes while they are sought."""
        return self._file_budget if self.options.target.is_size else coded.body_bytes

    @property
    def codec_sha256(self) -> str | None:
        """Digest of the codec's network; None for one without."""
        return None if self._codec.weights is None else self._codec.weights[1]

    def _open(self) -> TiffSpool:
        profile = self.plan.profile
        layout = TiffLayout(
            height=profile.height,
            width=profile.width,
            bands=profile.count,
            dtype=profile.dtype,
            tile_size=self.plan.grid.tile_size,
            is_rgb=bool(self.plan.groups) and self.plan.groups[0] == (0, 1, 2),
            has_mask=profile.has_mask,
        )
        return TiffSpool(self.path, layout)

    def _search(self, writer: TiffSpool) -> DialSearch:
        tiles = TileCoder(self._codec, self.entry, self._decoder)
        search = DialSearch(self.reader, self.plan, writer, tiles, self.options.execution.workers)
        search.slack = control.PSNR_SLACK[self.options.effort]
        return search

    def _code(self, search: DialSearch, writer: TiffSpool) -> tuple[CodedScene, Seal]:
        coded, seal = TiledJob._code(self, search, writer)  # a dataclass with slots knows no bare super()
        self.is_contested = search.is_contested
        return coded, seal

    def _to_decibels(self, search: DialSearch, writer: TiffSpool, progress: Progress) -> CodedScene:
        finish = partial(self._finish, writer)
        return search.to_decibels(self.options.target, finish, progress, expected_gain=self._usual_gain)

    def _to_bytes(self, search: DialSearch, budget: int, progress: Progress) -> CodedScene:
        return search.to_bytes(budget, progress)

    def _store(self, writer: TiffSpool) -> None:
        """Write nothing: the enhancement is fitted to the tiles in the spool."""

    def _decoded(self, writer: TiffSpool) -> AbstractContextManager[PixelSource]:
        how = self.options.execution
        return nullcontext(TilePixels(writer, self._decoder, self.plan.grid, how.memory_mib, how.workers))

    def _seal(self, coded: CodedScene, writer: TiffSpool) -> Seal:
        plan = self.plan
        side = side_information(
            coded,
            self.fitted,
            self.options,
            damage=self.damage,
            extras={"codec": named_codec(self.entry.name, self._codec.weights)},
            groups=plan.groups,
            radiometry=plan.radiometry,
            planes={key: packed for key, packed in coded.planes.items() if key[1] != "mask"},
        )
        profile = plan.profile

        def mask(number: int) -> NDArray[np.bool_]:
            core = plan.grid.core(plan.grid.tile_number(number))
            packed = coded.planes[(number, "mask")]
            plane = unpack_plane(packed[1:], (1, core.height, core.width), np.dtype(np.uint8))
            return np.asarray(plane[0] != 0, np.bool_)

        after = writer.finish(
            sideinfo.pack(side, picture_of(writer.layout)),
            self._previews.for_bytes(self._preview_basis(coded)),
            place_geotiff(plan.snapshot, profile.height, profile.width, with_tags=False),
            mask if profile.has_mask else None,
        )
        return Seal(file_bytes=after, side_bytes=after - coded.body_bytes)
