"""One scene as archives of ours at many rates: coded once per rate, finished with every model.

The parts of ``rsic compress`` are used as they are, on a temporary file, so the bytes counted are those it
writes. What is left out is the search for a size (the rate asked for is a label, the rate counted is that
of the file) and a second coding for every model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.registry import candidates
from rsic_geo.container.boxes import file_header
from rsic_geo.container.jp2 import Jp2Writer
from rsic_geo.errors import UsageError
from rsic_geo.evaluation.metrics import Scale
from rsic_geo.geo.lattice import CELL, NEUTRAL_STRENGTH_BYTE
from rsic_geo.geo.validity import clamp, fill_invalid
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions
from rsic_geo.progress import Progress
from rsic_geo.raster import open_scene
from rsic_geo.repair.base import Enhancer
from rsic_geo.repair.strength import CellBand, scaled_correction
from rsic_geo.scenes.protocol import Scene
from rsic_geo.targets import Target
from rsic_geo.write.coded import CodedScene, SceneCoder
from rsic_geo.write.fit import FitOptions, Readers, fit_enhancement, scored_pixels
from rsic_geo.write.holders import check_supported
from rsic_geo.write.plan import ScenePlan, plan_scene
from rsic_geo.write.rate import control
from rsic_geo.write.rate.control import RateSearch
from rsic_geo.write.reading import Bench, Clamped, sized_codec
from rsic_geo.write.sidecars import boxes_of, layout_of
from rsic_geo.write.sideinfo import seal_archive

Pixels = NDArray[Any]
_CODESTREAM_OVERHEAD = 140
"""About what a codestream's main header and end take (bytes)."""
_TILE_OVERHEAD = 20
"""What a tile adds beside its body: its header, and its place in the index (bytes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One scene after one codec at one rate."""

    system: str
    """``jp2``, ``jp2+MODEL``; ``:cells`` after it: without adaptive filter, ``:full``: at strength 1, too."""
    file_bytes: int
    """Everything the file holds."""
    side_bytes: int
    """Our box within it; 0 for plain JPEG 2000."""
    pixels: Pixels
    """(bands, h, w), final."""


class ArchiveCoder:
    """Codes one scene. Use as a context manager: it holds the scene open."""

    def __init__(self, scene: str | Path, folder: Path, options: EncodeOptions | None = None) -> None:
        """Plan a scene.

        Args:
            scene: any raster JPEG 2000 can hold.
            folder: existing folder for the temporary archive.
            options: tile size, window size and threads; the target is given with each coding.

        Raises:
            UnsupportedSceneError: if JPEG 2000 cannot hold the scene's samples.
        """
        self.options = options or EncodeOptions(target=Target(kind="bpp", value=1.0))
        self._path = folder / "archive.jp2"
        self._opened = open_scene(scene)
        try:
            self.reader: Scene
            self.plan: ScenePlan
            check_supported(self._opened.profile)  # floats that are whole numbers are archived, not measured
            self.reader, self.plan = plan_scene(self._opened, self.options)
            whole = Window.full(self.plan.profile.height, self.plan.profile.width)
            self.original: Pixels = self.reader.read(whole)
            self.scored = scored_pixels(self.reader, self.plan, whole, self.original)
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self) -> ArchiveCoder:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the scene and remove the temporary archive."""
        self._opened.close()
        self._path.unlink(missing_ok=True)

    @property
    def scale(self) -> Scale:
        """What the scene's digital numbers mean to the measures."""
        radiometry = self.plan.radiometry
        return Scale(peak=radiometry.dtype_peak, low=radiometry.low, high=radiometry.high)

    @property
    def filled(self) -> Pixels:
        """The original, invalid pixels filled as the codec gets them: what any other codec is given."""
        return self.original if self.scored.all() else fill_invalid(self.original, self.scored)

    def at_rate(self, bpp: float, enhancers: Sequence[Enhancer], *, with_full: bool = False) -> list[Decoded]:
        """Return the scene as plain JPEG 2000 of about ``bpp``, and as archives with each of the models.

        Args:
            bpp: size of the plain JP2 file aimed at (bits per pixel).
            enhancers: models; none gives the plain file alone.
            with_full: also give archives without adaptive filter (``:cells``), and what their corrections at
                strength 1 would give with the same bytes (``:full``).
        """
        boxes = len(file_header(layout_of(self.plan), boxes_of(self.plan)))
        overhead = boxes + _CODESTREAM_OVERHEAD + _TILE_OVERHEAD * len(self.plan.grid)
        budget = int(bpp * self.plan.pixels / 8) - overhead
        return self.at_budget(max(budget, 64), Target(kind="bpp", value=bpp), enhancers, with_full=with_full)

    def at_budget(
        self, body_bytes: int, target: Target, enhancers: Sequence[Enhancer], *, with_full: bool = False
    ) -> list[Decoded]:
        """As :meth:`at_rate`, for a number of bytes of all tile codestreams; ``target`` is only recorded."""
        if target.is_lossless:
            raise UsageError("rate and distortion are measured on lossy codings: give a rate")
        quiet = Progress()
        with Jp2Writer(self._path, layout_of(self.plan), boxes_of(self.plan)) as writer:
            workers = self.options.execution.workers
            codec = sized_codec(candidates(self.options.codec)[0], self.plan)
            bench = Bench(reader=self.reader, plan=self.plan, codec=codec, workers=workers)
            search = RateSearch(coder=SceneCoder(bench, writer), plan=self.plan)
            coded = control.to_bytes(search, body_bytes, quiet)
            plain_bytes = writer.finish()
            crcs = writer.tile_crcs
        with open_scene(self._path) as stored:
            decoded = Clamped(stored, self.plan.limits)
            whole = Window.full(self.plan.profile.height, self.plan.profile.width)
            out = [
                Decoded(
                    system="jp2",
                    file_bytes=plain_bytes,
                    side_bytes=0,
                    pixels=self.restored(decoded.read(whole)),
                )
            ]
        for enhancer in enhancers if self.plan.groups else ():
            out += self._enhanced(coded, crcs, enhancer, replace(self.options, target=target), with_full)
        return out

    def _enhanced(
        self,
        coded: CodedScene,
        crcs: tuple[int, ...],
        enhancer: Enhancer,
        options: EncodeOptions,
        with_full: bool,
    ) -> list[Decoded]:
        out = [self._fitted(coded, crcs, enhancer, options)[0]]
        if with_full:
            out += self._fitted(coded, crcs, enhancer, options, is_adaptive=False)
        return out

    def _fitted(
        self,
        coded: CodedScene,
        crcs: tuple[int, ...],
        enhancer: Enhancer,
        options: EncodeOptions,
        *,
        is_adaptive: bool = True,
    ) -> list[Decoded]:
        """Return the archive, and what the corrections at strength 1 would give with the same bytes."""
        final, full = np.empty_like(self.original), np.empty_like(self.original)
        every = -(-self.plan.profile.width // CELL)

        def watch(window: Window, band: CellBand, pixels: Pixels) -> None:
            final[:, window.row_off : window.row_stop] = pixels
            neutral = np.full((len(self.plan.groups), every), NEUTRAL_STRENGTH_BYTE, np.uint8)
            full[:, window.row_off : window.row_stop] = scaled_correction(
                band.decoded, band.correction, neutral, self.plan
            )

        fit = FitOptions(
            window_size=options.execution.window_size,
            seed=options.seed,
            watch=watch,
            is_adaptive=is_adaptive,
        )
        with open_scene(self._path) as stored:
            decoded = Clamped(stored, self.plan.limits)  # as the encoder and every reader of the archive
            enhancement = fit_enhancement(
                Readers(source=self.reader, decoded=decoded), coded, enhancer, fit, Progress()
            )
            if not enhancement.is_useful:
                final = decoded.read(Window.full(self.plan.profile.height, self.plan.profile.width))
        fitted = (enhancement, enhancer) if enhancement.is_useful else None
        seal = seal_archive(self._path, coded, crcs, fitted=fitted, options=options)
        name = f"jp2+{enhancer.name}"
        systems = (name if is_adaptive else f"{name}:cells", f"{name}:full")
        return [
            Decoded(
                system=system,
                file_bytes=seal.file_bytes,
                side_bytes=seal.side_bytes,
                pixels=self.restored(pixels),
            )
            for system, pixels in zip(systems, (final, full), strict=True)
        ]

    def restored(self, pixels: Pixels) -> Pixels:
        """Return pixels as an archive gives them back: within the limits, those not scored the original's."""
        pixels = clamp(pixels, self.plan.limits)
        return pixels if self.scored.all() else np.where(self.scored, pixels, self.original)
