"""Any scene open for reading; an archive of ours is read as its final output."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.integrity import checked_limits
from rsic_geo.container.sideinfo import SideInfo
from rsic_geo.errors import ContainerError, RsicGeoError, SceneError, UsageError
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.radiometry import Peak
from rsic_geo.geo.validity import clamp, valid_samples
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.repair.base import Enhancer
from rsic_geo.repair.cells import CellCache
from rsic_geo.repair.loading import recorded_enhancer
from rsic_geo.repair.plan import EnhancementPlan
from rsic_geo.repair.strength import scaled_correction
from rsic_geo.repair.windows import corrections
from rsic_geo.scenes.components import Spectral, Unrotated, spectral_of, steps_of
from rsic_geo.scenes.kinds import Store, StoredTiles, local_file, name_file, open_store
from rsic_geo.scenes.planes import Planes, finish_pixels, profile_of
from rsic_geo.scenes.protocol import ReadBy, StoredScene, decimated_valid
from rsic_geo.scenes.provenance import with_provenance
from rsic_geo.scenes.quantised import recorded_peaks
from rsic_geo.scenes.reduced import masked_means, nearest_places, restored, rows_and_columns
from rsic_geo.scenes.relative import RelativeSteps
from rsic_geo.scenes.tiff import TiffScene

Pixels = NDArray[Any]
_CUT = "the side information of this archive is missing (was the file cut short or stripped?)"


class Archive:
    """A scene open for reading: an archive of rsic_geo as its final output, any other raster as it is.

    Pixels come as (bands, height, width). Where the file is an archive of rsic_geo, every tile's bytes are
    checked against their checksum before they are decoded, nodata, masks and alpha come back exactly, and
    lossy pixels come back enhanced at the strengths the archive holds.
    """

    def __init__(
        self,
        path: str,
        *,
        enhance: str = "auto",
        execution: Execution | None = None,
        allow_other_model: bool = False,
        cache_mib: int = 0,
    ) -> None:
        """Open a scene.

        Args:
            path: file, GDAL name (``/vsi...``) or address; archives there are read by ranges.
            enhance: auto (what the archive says), off, or a model's name.
            execution: threads, device, window size.
            allow_other_model: enhance with other weights than the archive was made with.
            cache_mib: most of enhanced cells that are kept for the next window (MiB).

        Raises:
            SceneError: if GDAL cannot open the file.
            ContainerError, ChecksumError, VersionError: if the archive is damaged or too new.
            WeightsMismatchError: at the first enhanced read, if the weights differ.
        """
        self.path = str(path)
        self.execution = execution or Execution()
        self.warnings: list[str] = []
        self._loading = threading.Lock()
        self._held, self._is_closed = ExitStack(), False
        self._file = self.path
        try:
            self._file = local_file(self.path, self._held)
            store = open_store(self._file, self.execution)
            store.reader.name = self.path
            self._held.callback(store.reader.close)
            self.reader: StoredScene = store.reader
            self.side: SideInfo | None = store.side
            self.tiff: TiffScene | None = store.tiff
            self._keeps_samples = store.cog is not None
            self._is_cut = store.is_cut
            if store.is_cut:
                self._warn(
                    f"{_CUT}: read as a file of another program, without its nodata, masks, tags and repair"
                )
            self._set_up(store, enhance, allow_other_model)
            self._cells = CellCache(cache_mib, self.profile)
        except BaseException as error:
            self._held.close()
            if isinstance(error, RsicGeoError):
                name_file(error, self.path, self._file)
            raise

    def _set_up(self, store: Store, enhance: str, allow_other_model: bool) -> None:
        side = self.side
        self._enhance = "off" if enhance == "none" else enhance
        if self._enhance not in ("auto", "off") and (side is None or side.model is None):
            what = "no archive of rsic_geo" if side is None else "an archive made without a model"
            raise UsageError(
                f"{self.path} is {what}: it holds no strengths for {enhance}; decode it with "
                "--enhance off, or repair it by estimate with `rsic enhance`"
            )
        self._allow_other_model = allow_other_model
        self._enhancer: Enhancer | None = None
        self._planes: Planes | None = None
        self._check: StoredTiles | None = None
        self._limits: tuple[tuple[int, int] | None, ...] = ()
        self._spectral: Spectral | None = None
        self._affinity = None if side is None else steps_of(side.extras)
        if side is None:
            self.snapshot: MetadataSnapshot = self.reader.metadata()
            self.profile: SceneProfile = self.reader.profile
            return
        self.snapshot = side.snapshot
        self.profile = profile_of(self.reader.profile, side.snapshot)
        stored, said = self.reader.profile, side.snapshot
        self._spectral = spectral_of(side.extras, said.count)
        sample = said.dtypes[0] if self._affinity is None else self._affinity.stored
        bands = stored
        if self._spectral is not None:
            bands, sample = replace(stored, dtype=self._spectral.dtype), "int16"
        found = (stored.height, stored.width, stored.count, stored.dtype)
        if found != (said.height, said.width, said.count, sample):
            raise ContainerError(
                "the archive's side information describes another scene: the file was altered"
            )
        grid = TileGrid(height=stored.height, width=stored.width, tile_size=side.tile_size)
        alpha = tuple(b for b, name in enumerate(self.profile.colorinterp) if name == "alpha")
        if not self._keeps_samples:
            self._limits = checked_limits(side, bands)
        self._planes = Planes(store.planes, grid, dtype=bands.dtype, bands=stored.count, alpha_bands=alpha)
        self._check = store.check(self._file, grid)
        self._check.structure()
        for problem in self._check.minor_damage():
            self._warn(f"{problem}: rsic reads the scene all the same; copy the file again for others")

    def __enter__(self) -> Archive:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Archive], tuple[Any, ...]]:
        """Pickle as a call that opens the file again: where it is read it must exist under the same name."""
        if self._is_closed:
            raise SceneError(f"{self.path} was closed: open it again to send it anywhere")
        how: dict[str, Any] = {"enhance": self._enhance, "execution": self.execution}
        return partial(Archive, **how, allow_other_model=self._allow_other_model), (self.path,)

    def close(self) -> None:
        """Close the file; further reads fail."""
        self._is_closed = True
        self._cells.forget()
        self._held.close()

    @property
    def others(self) -> tuple[str, ...]:
        """Names of other images in the file, which are no part of the scene."""
        return self.reader.others

    def metadata(self, max_change: float | None = None) -> MetadataSnapshot:
        """Return all metadata of the pixels read: of enhanced ones also by which model, and at most how far.

        ``snapshot`` holds those of the scene that was archived.
        """
        if not self.is_enhanced or self.side is None:
            return self.snapshot
        return with_provenance(self.snapshot, self.enhancer, self.side.seed, max_change)

    @property
    def has_mask(self) -> bool:
        """Whether the scene has a dataset mask of its own."""
        return self._planes.has_mask if self._planes is not None else self.reader.profile.has_mask

    @property
    def is_archive(self) -> bool:
        """Whether the file carries side information of rsic_geo."""
        return self.side is not None

    @property
    def is_enhanced(self) -> bool:
        """Whether reads at full resolution are enhanced."""
        side = self.side
        return side is not None and side.model is not None and self._enhance != "off"

    @property
    def enhancer(self) -> Enhancer:
        """The enhancer reads use, loaded at the first call.

        Raises:
            WeightsMismatchError: if the weights here are not those the archive was made with.
        """
        with self._loading:
            if self._enhancer is not None:
                return self._enhancer
            model = None if self.side is None else self.side.model
            if model is None:
                raise UsageError("this scene records no enhancer: use `rsic enhance` with a model's name")
            name = model.name if self._enhance == "auto" else self._enhance
            self._enhancer = found = recorded_enhancer(
                model, name, self.execution, is_other_fine=self._allow_other_model, near=self.path
            )
        if not model.matches(found.sha256):
            self._warn("enhanced with another model than the archive was made with: no promise on its error")
        return found

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def minor_damage(self) -> list[str]:
        """Return in words what is damaged that only other programs need; empty for foreign files."""
        own = [_CUT] if self._is_cut else []
        return own if self._check is None else own + self._check.minor_damage()

    def damaged_tiles(self) -> list[int]:
        """Return the numbers of the tiles whose stored bytes are damaged; empty for foreign files."""
        return [] if self._check is None else self._check.damaged()

    def read_decoded(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return the codec's pixels of a window, checked and within limits, neither enhanced nor restored."""
        return self.within(self.read_shown(window, bands=bands), bands)

    def read_shown(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return the codec's pixels of a window as programs that know no limits show them, checked.

        Of components the bands, which the VRT beside the file shows: for any of them all are read.
        """
        reader = self.reader if self._spectral is None else Unrotated(self.reader, self._spectral)
        out: Pixels | None = None
        for part in [window] if self._check is None else self._check.parts(window):
            pixels = reader.read(part, bands=bands)
            if part == window:
                return pixels
            if out is None:
                out = np.empty((len(pixels), window.height, window.width), pixels.dtype)
            out[(slice(None), *part.within(window).slices)] = pixels
        assert out is not None  # a window inside the scene touches a tile
        return out

    def within(self, pixels: Pixels, bands: Sequence[int] | None = None) -> Pixels:
        """Return pixels of some bands (None: all) within what the encoder saw of each."""
        limits = self._limits
        return clamp(pixels, limits if bands is None or not limits else [limits[band] for band in bands])

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """What PSNR was measured by, per band, in the units of the scene; empty of what is not lossy."""
        return () if self.side is None else recorded_peaks(self.side, self._affinity)

    def enhancement_plan(self) -> EnhancementPlan:
        """Return what enhancement of this archive depends on."""
        side = self.side
        if side is None or side.radiometry is None:
            raise UsageError("this scene carries no distortion levels")
        return EnhancementPlan(
            height=self.profile.height,
            width=self.profile.width,
            groups=side.groups,
            levels=side.levels,
            radiometry=side.radiometry,
            active=side.strengths > 0,
            window_size=self.execution.window_size,
            workers=self.execution.workers,
            seed=side.seed,
            filters=side.filters,
        )

    def read(
        self,
        window: Window | None = None,
        *,
        out_shape: tuple[int, int] | tuple[int, int, int] | None = None,
        bands: tuple[int, ...] | None = None,
    ) -> Pixels:
        """Return pixels (bands, height, width) of a window, final: enhanced, nodata and alpha exact.

        May be called from several threads at once; they take turns at the file.

        Args:
            window: part of the scene (px); None for all of it.
            out_shape: (rows, columns) wanted, or (bands, rows, columns) as rasterio has it. Smaller than the
                window: the codec's reduced resolutions are read and resampled, without enhancement, which
                exists at full resolution only.
            bands: indexes from 0; None for all.

        Raises:
            ChecksumError: if the stored bytes of a tile are damaged.
            SceneError: if the file cannot be decoded.
            UsageError: if the window, a band or ``out_shape`` is none of this scene.
        """
        area = Window.full(self.profile.height, self.profile.width) if window is None else window
        self.profile.check_window(area, bands)
        count = self.profile.count if bands is None else len(bands)
        shape = None if out_shape is None else rows_and_columns(out_shape, count)
        try:
            if shape is not None and shape != (area.height, area.width):
                return self._read_reduced(area, shape, bands)
            pixels = self._cells.read(area, self._enhanced) if self.is_enhanced else self.read_decoded(area)
            pixels = self.finish(pixels, area)
        except MemoryError as error:
            raise UsageError("so many samples at once do not fit into memory: read windows") from error
        return pixels if bands is None else pixels[list(bands)]

    def finish(self, pixels: Pixels, area: Window) -> Pixels:
        """Return decoded (and enhanced) pixels of ``area`` with validity, alpha and sample type restored."""
        if self._planes is None or self._keeps_samples:
            return pixels
        pixels = self.within(pixels)  # again: enhancement may have left the limits
        if self._affinity is not None:
            alpha = self._planes.alpha(area)
            if alpha is not None:
                pixels[list(self._planes.alpha_bands)] = alpha
            return self._affinity.restore(pixels, self._planes.valid(area, len(pixels)), self.profile.nodata)
        return finish_pixels(pixels, area, self._planes, self.profile)

    def _enhanced(self, area: Window) -> Pixels:
        side, plan = self.side, self.enhancement_plan()
        if side is None or not any(plan.wants(group, area) for group in range(len(plan.groups))):
            return self.read_decoded(area)
        out: Pixels | None = None
        for rows in corrections(ReadBy(self.read_decoded), self.enhancer, plan, Progress(), area):
            strengths = side.strengths[:, rows.window.row_off // CELL]
            pixels = scaled_correction(
                rows.decoded, rows.correction, strengths, plan, col_off=rows.window.col_off
            )
            if out is None:
                out = np.empty((len(pixels), area.height, area.width), pixels.dtype)
            out[(slice(None), *rows.window.within(area).slices)] = pixels
        assert out is not None  # an area has rows
        return out

    def _read_reduced(
        self, area: Window, out_shape: tuple[int, int], bands: tuple[int, ...] | None
    ) -> Pixels:
        if self._check is not None:
            self._check.reduced(area, min(area.height / out_shape[0], area.width / out_shape[1]))
        if self._keeps_samples:
            return self.reader.read_resampled(area, out_shape, bands=bands)
        chosen = tuple(range(self.profile.count)) if bands is None else bands
        side, is_own = self.side, self._affinity is None
        is_mixed = is_own and side is not None and side.lossless and self.profile.has_nodata
        if is_mixed or isinstance(self._affinity, RelativeSteps):
            # Coarser resolutions mix nodata into what is there; means of growing steps are none of samples.
            return masked_means(self, area, out_shape, chosen)
        if self._spectral is None:
            pixels = self.reader.read_resampled(area, out_shape, bands=bands)
        else:
            pixels = self._spectral.inverse(self.reader.read_resampled(area, out_shape))
            pixels = pixels if bands is None else pixels[list(bands)]
        if (planes := self._planes) is None:
            return pixels
        places = *nearest_places(area, out_shape), chosen
        return restored(self.within(pixels, chosen), places, planes, self.profile, self._affinity)

    def read_valid(self, window: Window, pixels: Pixels | None = None) -> NDArray[np.bool_]:
        """Return (bands, h, w), False where a band holds its nodata value; ``pixels`` save reading them."""
        self.profile.check_window(window)
        if self._planes is not None and self._planes.has_valid:
            valid = self._planes.valid(window, self.profile.count)
            if valid is not None:
                return valid
        if self._planes is None:
            return self.reader.read_valid(window)
        pixels = self.read_shown(window) if pixels is None else pixels
        return valid_samples(pixels, self.profile.nodata)

    def read_mask(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the dataset mask (h, w), 255 = valid, or None when the scene has none of its own."""
        self.profile.check_window(window)
        return self._planes.mask(window) if self._planes is not None else self.reader.read_mask(window)

    def read_overview(
        self,
        out_height: int,
        out_width: int,
        bands: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> Pixels:
        """Return the scene, or a window of it, decimated to (bands, out_height, out_width), not enhanced."""
        return self.read(window, out_shape=(out_height, out_width), bands=bands)

    def read_valid_overview(self, out_height: int, out_width: int) -> NDArray[np.bool_]:
        """Return where there is data by nodata, mask and alpha together, decimated (height, width)."""
        return decimated_valid(self, out_height, out_width)
