"""One scene as learned archives at many rates: coded once per rate, finished with every model.

The job of ``rsic compress`` is used as it is, on a temporary file, so the bytes counted are those it writes;
what is left out is the search that makes the file's size, not the payloads', the one asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rsic_geo.codecs.registry import get_entry
from rsic_geo.evaluation.curves.archives import ArchiveCoder, Decoded, Pixels
from rsic_geo.geo.window import Window
from rsic_geo.progress import Progress
from rsic_geo.repair.base import Enhancer
from rsic_geo.repair.strength import CellBand
from rsic_geo.targets import Target
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.fit import FitOptions, Readers, fit_enhancement
from rsic_geo.write.jobs.tiff import TiffJob
from rsic_geo.write.reading import Clamped
from rsic_geo.write.sideinfo import Seal

_FIRST_OVERHEAD = 600
"""About what a small archive holds beside its payloads (bytes); measured after the first rate."""


class LearnedArchiveCoder:
    """Codes the scene of an :class:`ArchiveCoder` by the learned codec. Use inside its ``with`` statement."""

    def __init__(self, scene: ArchiveCoder, folder: Path, name: str = "auto") -> None:
        """Plan the scene and load the network.

        Args:
            scene: the same scene as JPEG 2000 archives.
            folder: existing folder for the temporary archive.
            name: weights of the codec.

        Raises:
            MissingDependencyError, WeightsError: the codec is not here.
        """
        options = replace(
            scene.options, codec="learned" if name == "auto" else f"learned:{name}", tile_size=0
        )
        self._scene = scene
        self._job = _Trial(
            entry=get_entry(options.codec),
            reader=scene.reader,
            plan=scene.plan,
            options=options,
            path=folder / "archive.rsic.tif",
            enhancer=None,
            progress=Progress(),
        )

    @property
    def sha256(self) -> str:
        """Digest of the network's weights."""
        return self._job.sha256

    def at_rates(self, rates: Sequence[float], enhancers: Sequence[Enhancer]) -> list[tuple[float, Decoded]]:
        """Return, by rate (bits per pixel) aimed at, the scene as archives alone and with each model."""
        found = self._job.at_rates(rates, enhancers if self._job.plan.groups else ())
        return [
            (rate, replace(decoded, pixels=self._scene.restored(decoded.pixels))) for rate, decoded in found
        ]


class _Trial(TiffJob):
    """A job that stops before it verifies."""

    __slots__ = ()

    @property
    def sha256(self) -> str:
        return self.codec_sha256 or ""

    def at_rates(self, rates: Sequence[float], enhancers: Sequence[Enhancer]) -> list[tuple[float, Decoded]]:
        out: list[tuple[float, Decoded]] = []
        overhead = _FIRST_OVERHEAD
        with self._open() as writer:
            search = self._search(writer)
            for rate in rates:
                self.options = replace(self.options, target=Target(kind="bpp", value=rate))
                budget = max(64, round(rate * self.plan.pixels / 8) - overhead)
                coded = search.to_bytes(budget, Progress())
                self.enhancement = self.enhancer = None
                seal = self._seal(coded, writer)
                overhead = seal.side_bytes
                whole = Window.full(self.plan.profile.height, self.plan.profile.width)
                with self._decoded(writer) as stored:
                    decoded = Clamped(stored, self.plan.limits)
                    pixels = decoded.read(whole)
                    out.append((rate, _decoded("learned", seal, pixels)))
                    for enhancer in enhancers:
                        final = self._enhanced(coded, enhancer, Readers(source=self.reader, decoded=decoded))
                        seal = self._seal(coded, writer)
                        out.append((rate, _decoded(f"learned+{enhancer.name}", seal, final)))
        return out

    def _enhanced(self, coded: CodedScene, enhancer: Enhancer, readers: Readers) -> Pixels:
        """Fit a model to what was coded; return the final pixels."""
        plan = self.plan
        final = np.empty((plan.profile.count, plan.profile.height, plan.profile.width), plan.profile.dtype)

        def watch(window: Window, band: CellBand, pixels: Pixels) -> None:
            del band
            final[:, window.row_off : window.row_stop] = pixels

        fit = FitOptions(window_size=self.options.execution.window_size, seed=self.options.seed, watch=watch)
        enhancement = fit_enhancement(readers, coded, enhancer, fit, Progress())
        self.enhancement, self.enhancer = (enhancement if enhancement.is_useful else None), enhancer
        if self.enhancement is None:
            return readers.decoded.read(Window.full(plan.profile.height, plan.profile.width))
        return final


def _decoded(system: str, seal: Seal, pixels: Pixels) -> Decoded:
    return Decoded(system=system, file_bytes=seal.file_bytes, side_bytes=seal.side_bytes, pixels=pixels)
