"""Archives of the learned codec: tiles of a network, JPEG 2000 where that is better, in a TIFF."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.learned_tile import JPEG2000, Networks, TileFormat, load_network
from rsic_geo.container import sideinfo
from rsic_geo.container.sideinfo import ModelReference, SideInfo, noted
from rsic_geo.container.sideinfo_check import scene_crc
from rsic_geo.container.tiff import TiffLayout, TiffSpool
from rsic_geo.errors import UsageError, WeightsError
from rsic_geo.geo.planes import unpack_plane
from rsic_geo.options import EncodeOptions
from rsic_geo.progress import Progress
from rsic_geo.raster.preview import place_geotiff
from rsic_geo.repair.plan import PixelSource
from rsic_geo.scenes.learned import TilePixels, picture_of
from rsic_geo.weights import ENVIRONMENT_VARIABLE, open_weights
from rsic_geo.weights.store import SUFFIX as WEIGHTS_SUFFIX
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.preview import PreviewMaker
from rsic_geo.write.rate import control
from rsic_geo.write.rate.learned import DialSearch, TileCoder
from rsic_geo.write.sideinfo import Seal, stored_limits, stored_peaks
from rsic_geo.write.writer import USUAL_GAIN, Job

TILE_SIZE = 512
"""Side of a tile unless another is asked for (px)."""
MAX_TILE_SIZE = 2048


@dataclass(slots=True, kw_only=True)
class LearnedJob(Job[TiffSpool, DialSearch]):
    """One scene on its way into an archive of the learned codec."""

    codec = "learned"
    _networks: Networks = field(init=False)
    _form: TileFormat = field(init=False)
    _previews: PreviewMaker = field(init=False)

    @classmethod
    def completed(cls, options: EncodeOptions) -> EncodeOptions:
        """Return the options, refusing what this codec cannot do.

        Raises:
            UsageError: a lossless target, a sidecar, tiles that are too large, or weights that decoding
                would not find.
            WeightsError: the codec asked for is not here.
        """
        if options.target.is_lossless:
            raise UsageError(
                "the learned codec is lossy: use --codec jp2, or a target such as psnr=40 or bpp=0.5"
            )
        if options.sidecar == "require":
            raise UsageError("archives of the learned codec need no sidecar: leave out --sidecar")
        if options.tile_size > MAX_TILE_SIZE:
            raise UsageError(f"tile size {options.tile_size}: the learned codec takes up to {MAX_TILE_SIZE}")
        name = options.codec.partition(":")[2]
        if name.endswith(WEIGHTS_SUFFIX):
            _check_is_found(name)
        return options

    def __post_init__(self) -> None:
        """Load the network and settle tiles, groups and scale.

        Raises:
            MissingDependencyError, WeightsError: the codec asked for is not here.
        """
        plan = self.plan
        if not self.options.tile_size:
            size = min(TILE_SIZE, plan.grid.tile_size)
            plan = self.plan = replace(plan, grid=replace(plan.grid, tile_size=size))
        name = self.options.codec.partition(":")[2] or "auto"
        network = load_network(name, self.options.execution.device)
        self._networks = Networks(lambda: network)
        self._form = TileFormat(
            groups=plan.groups, radiometry=plan.radiometry, mct=plan.mct, tile_size=plan.grid.tile_size
        )
        self._previews = PreviewMaker(self.reader, plan)

    def write_sidecar(self) -> list[str]:
        """Write nothing: the preview describes itself, and the rest is for rsic alone."""
        return []

    @property
    def _rounding(self) -> int:
        """How far apart devices may round the final output (DN)."""
        return self._form.rounding

    @property
    def _usual_overhead(self) -> int:
        return 650 + 6 * len(self.plan.grid)

    def _preview_basis(self, coded: CodedScene) -> int:
        """Return the bytes the preview is to suit: those asked for, lest it changes while they are sought."""
        target = self.options.target
        return control.file_budget(target, self.plan) if target.is_size else coded.body_bytes

    @property
    def codec_sha256(self) -> str:
        """Digest of the codec's network."""
        return self._networks.get().sha256

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
        tiles = TileCoder(self._networks, self._form)
        return DialSearch(self.reader, self.plan, writer, tiles, self.options.execution.workers)

    def _code(self, search: DialSearch, writer: TiffSpool) -> tuple[CodedScene, Seal]:
        coded, seal = self._coded(search, writer)
        count = writer.tile_count
        others = sum(writer.kind(tile) == JPEG2000 for tile in range(count))
        if 2 * others > count:
            self.progress.warn(
                f"{others} of {count} tiles are JPEG 2000, which suits them better than the network: an "
                "archive without --codec learned may be the better one"
            )
        return coded, seal

    def _coded(self, search: DialSearch, writer: TiffSpool) -> tuple[CodedScene, Seal]:
        target, progress = self.options.target, self.progress
        if target.is_size:
            return self._to_size(search, writer)
        if target.is_decibels:
            coded = search.to_decibels(
                target,
                lambda c, p: self._finish(c, writer, p),
                progress.stage(0, 0.85),
                expected_gain=0.0 if self.enhancer is None else USUAL_GAIN,
            )
            return coded, self._seal(coded, writer)
        coded = search.within(self._codec_bound, progress.stage(0, 0.5))
        self._finish(coded, writer, progress.stage(0.5, 0.85))
        return coded, self._seal(coded, writer)

    def _to_bytes(self, search: DialSearch, budget: int, progress: Progress) -> CodedScene:
        return search.to_bytes(budget, progress)

    def _store(self, writer: TiffSpool) -> None:
        """Write nothing: the enhancement is fitted to the tiles in the spool."""

    def _decoded(self, writer: TiffSpool) -> AbstractContextManager[PixelSource]:
        held = self.options.execution.memory_mib
        return nullcontext(TilePixels(writer, self._networks, self._form, self.plan.grid, held))

    def _seal(self, coded: CodedScene, writer: TiffSpool) -> Seal:
        plan, options, network = self.plan, self.options, self._networks.get()
        crcs = tuple(coded.pixel_crcs[number] for number in range(len(plan.grid)))
        codec = ModelReference(name=network.name, sha256=network.sha256)
        affine = {} if plan.affinity is None else {"affine": plan.affinity.to_json()}
        side = SideInfo(
            lossless=False,
            snapshot=plan.snapshot,
            tile_size=plan.grid.tile_size,
            pixel_crcs=(scene_crc(crcs),),
            seed=options.seed,
            groups=plan.groups,
            radiometry=plan.radiometry,
            planes={key: packed for key, packed in coded.planes.items() if key[1] != "mask"},
            target={options.target.kind: options.target.value},
            limits=stored_limits(plan),
            peaks=stored_peaks(plan),
            extras={"codec": [codec.name, codec.sha256], **affine, **noted(self.damage)},
        )
        if self.enhancement is not None and self.enhancer is not None:
            side = replace(
                side,
                model=ModelReference(name=self.enhancer.name, sha256=self.enhancer.sha256),
                levels=self.enhancement.levels,
                strengths=self.enhancement.strengths,
                filters=self.enhancement.filters,
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


def _check_is_found(path: str) -> None:
    """Raise UsageError unless the weights of a path are found by the name that archives record."""
    given = open_weights(path)
    try:
        open_weights(given.name, sha256=given.sha256)
    except WeightsError as error:
        raise UsageError(
            f"{path}: archives name their weights, and these are not found by the name {given.name!r}: put "
            f"the file into the folder named by {ENVIRONMENT_VARIABLE}, ask for --codec learned:{given.name}"
        ) from error
