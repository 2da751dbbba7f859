"""All tiles of a scene through the codec: reading here, coding on threads, bounded in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.jpeg2000 import J2KParams
from rsic_geo.container.jp2 import Jp2Writer
from rsic_geo.errors import UnsupportedSceneError
from rsic_geo.geo.io import SceneReader
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.window import Window
from rsic_geo.pipeline import tilework
from rsic_geo.pipeline.allocate import TileCurve
from rsic_geo.pipeline.events import Progress
from rsic_geo.pipeline.plan import ScenePlan
from rsic_geo.pipeline.tilework import TileInput, TileResult

Item = TypeVar("Item")
Result = TypeVar("Result")


def threaded_map(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield ``work(item)`` in order; at most ``2 * workers`` items are held at any moment."""
    if workers <= 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@dataclass(slots=True, kw_only=True)
class CodedScene:
    """What is known of a scene after all its tiles were coded once."""

    plan: ScenePlan
    sse: NDArray[np.float64]
    """Sum of squared errors of the codec alone per band."""
    count: NDArray[np.float64]
    """Scored pixels per band."""
    cell_sse: NDArray[np.float64]
    """(bands, cell rows, cell columns)."""
    cell_count: NDArray[np.float64]
    is_measured: bool = True
    """Whether the errors are known; False leaves them 0."""
    max_error: float = 0.0
    body_bytes: int = 0
    """Bytes of all tiles as they lie in the file, without SOT."""
    is_complete: bool = False
    """Whether more bytes were asked for and there is nothing left to code."""
    coding_seconds: float = 0.0
    """Time of all threads together in the encoder, without decoding and measuring."""
    pixel_crcs: dict[int, int] = field(default_factory=dict)
    planes: dict[tuple[int, str], bytes] = field(default_factory=dict)
    """Packed planes kept losslessly, by (tile number, kind)."""
    tile_sse: dict[int, float] = field(default_factory=dict)
    tile_max_error: dict[int, float] = field(default_factory=dict)

    @property
    def total_sse(self) -> float:
        """Squared error over all scored samples."""
        return float(self.sse.sum())

    @property
    def total_count(self) -> float:
        """Scored samples."""
        return float(self.count.sum())


class SceneCoder:
    """Codes the tiles of one scene, as often as a target needs."""

    def __init__(self, reader: SceneReader, plan: ScenePlan, writer: Jp2Writer, workers: int) -> None:
        """Hold the scene, the plan, where tiles are spooled to, and how many threads may work."""
        self.reader, self.plan, self.writer, self.workers = reader, plan, writer, workers

    def raw_tiles(self, only: Collection[int] | None = None) -> Iterator[tilework.RawTile]:
        """Read the tiles of the scene in row-major order: all, or those of the numbers given.

        Raises:
            UnsupportedSceneError: if the mask has values no GeoTIFF's mask can hold.
        """
        plan = self.plan
        for index in plan.grid:
            if only is not None and plan.grid.index_number(index) not in only:
                continue
            window = plan.grid.core(index)
            pixels = self.reader.read(window)
            yield tilework.RawTile(
                number=plan.grid.index_number(index),
                pixels=pixels,
                nodata_valid=self.reader.read_valid(window, pixels) if plan.has_nodata else None,
                mask=self._mask(window),
                alpha=plan.alpha_bands,
                nodata=plan.profile.nodata if plan.profile.has_nodata else None,
            )

    def _mask(self, window: Window) -> NDArray[np.uint8] | None:
        mask = self.reader.read_mask(window) if self.plan.profile.has_mask else None
        if mask is not None and ((mask != 0) & (mask != 255)).any():
            raise UnsupportedSceneError(
                "the scene's mask holds values between 0 and 255, which a GeoTIFF's mask cannot give back: "
                "make them 0 or 255, or make the mask an alpha band (gdal_translate -b 1 ... -b mask)"
            )
        return mask

    def curves(
        self, params: J2KParams, progress: Progress, only: Collection[int] | None = None
    ) -> list[TileCurve]:
        """Measure the rate-distortion curve of every tile (or of those in ``only``), in tile order.

        Raises:
            JobCancelledError: if the caller cancels.
        """

        def work(raw: tilework.RawTile) -> TileCurve:
            tile = tilework.prepare(raw, lossless=False)
            return TileCurve.from_points(*tilework.curve_points(tile, params))

        out = []
        total = len(self.plan.grid) if only is None else len(only)
        for curve in threaded_map(work, self.raw_tiles(only), self.workers):
            out.append(curve)
            progress.report(len(out) / total, "measuring tiles")
        return out

    def encode(
        self, coding: Callable[[TileInput], TileResult], progress: Progress, message: str = "encoding"
    ) -> CodedScene:
        """Code every tile by ``coding``, spool the codestreams and gather the errors."""
        plan = self.plan
        coded = empty_coded(plan)
        self.writer.restart()

        def work(raw: tilework.RawTile) -> tuple[TileResult, TileInput]:
            tile = tilework.prepare(raw, lossless=plan.lossless)
            return coding(tile), tile

        for done, (result, tile) in enumerate(threaded_map(work, self.raw_tiles(), self.workers), start=1):
            coded.body_bytes += self.writer.add_tile(result.number, result.codestream)
            _gather(coded, result, tile)
            progress.report(done / len(plan.grid), message)
        return coded


def empty_coded(plan: ScenePlan) -> CodedScene:
    """Return the record of a scene of which no tile has been coded."""
    bands = plan.profile.count
    cells = (bands, -(-plan.profile.height // CELL), -(-plan.profile.width // CELL))
    return CodedScene(
        plan=plan,
        sse=np.zeros(bands),
        count=np.zeros(bands),
        cell_sse=np.zeros(cells),
        cell_count=np.zeros(cells),
    )


def _gather(coded: CodedScene, result: TileResult, tile: TileInput) -> None:
    grid = coded.plan.grid
    index = grid.tile_number(result.number)
    core = grid.core(index)
    _, rows, cols = result.cell_sse.shape
    top, left = core.row_off // CELL, core.col_off // CELL
    coded.cell_sse[:, top : top + rows, left : left + cols] = result.cell_sse
    coded.cell_count[:, top : top + rows, left : left + cols] = result.cell_count
    coded.sse += result.sse
    coded.count += result.cell_count.sum(axis=(1, 2))
    coded.max_error = max(coded.max_error, result.max_error)
    coded.coding_seconds += result.coding_seconds
    coded.pixel_crcs[result.number] = result.pixel_crc
    coded.tile_sse[result.number] = float(result.sse.sum())
    coded.tile_max_error[result.number] = result.max_error
    for kind, packed in tile.planes.items():
        coded.planes[(result.number, kind)] = packed
