"""All tiles of a scene through the codec: reading here, coding on threads, bounded in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.jp2 import Jp2Writer
from rsic_geo.geo.lattice import CELL
from rsic_geo.progress import Progress
from rsic_geo.write.parts import BandStore
from rsic_geo.write.passes import TilePass, TileRecord
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.rate.allocate import TileCurve, usually_left
from rsic_geo.write.reading import Bench
from rsic_geo.write.tiles import TileResult

_TELLING = 0.1
"""Bytes of sampled tiles, as part of those of the tiles they speak for, below which they are no sample."""


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
    is_read_later: bool = False
    """Whether errors that are not known yet will be, so that sizes may count what tells of them."""
    worst: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Largest absolute error of the codec alone per band."""
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
    def max_error(self) -> float:
        """Largest absolute error of any band."""
        return float(self.worst.max(initial=0.0))

    @property
    def total_sse(self) -> float:
        """Squared error over all scored samples."""
        return float(self.sse.sum())


class SceneCoder:
    """Codes the tiles of one scene, as often as a target needs."""

    def __init__(self, bench: Bench, writer: Jp2Writer) -> None:
        """Hold what tiles are made with, and where they are spooled to."""
        self._bench, self._writer, self.plan = bench, writer, bench.plan
        self.bands: BandStore | None = None
        """Where finished row bands are kept; None keeps none."""

    def curves(
        self,
        layers: tuple[float, ...],
        progress: Progress,
        only: Collection[int] | None = None,
        near: float | tuple[float, ...] | None = None,
        *,
        is_sampled: bool = False,
    ) -> list[TileCurve]:
        """Measure the rate-distortion curve of every tile (or of those in ``only``), in tile order.

        Args:
            layers: mean squared errors at which it is measured, falling.
            progress: told after each tile.
            only: numbers of tiles.
            near: mean squared error, or that of each band, about which the curves have to be right; None:
                everywhere.
            is_sampled: whether a fourth part of the tiles may tell what error the encoder leaves in all.

        Raises:
            JobCancelledError: if the caller cancels.
        """
        # bands that are judged one by one, or errors of any size, leave other parts: all tiles are decoded
        about = near if is_sampled and isinstance(near, float) else None
        todo = TilePass(work="curves", layers=layers, near=near, is_sampled=about is not None)
        records, over = list(self._records(todo, progress, "measuring tiles", only)), 1.0
        if about is not None:
            records = self._told(records, todo, progress)
            over = usually_left(
                (each.points, about * self._samples(each.number)) for each in records if each.is_usual
            )
        return [
            TileCurve.from_points(
                sizes, errors or tuple(over * each for each in asked), record.by_band, asked
            )
            for record in records
            for sizes, errors, asked in (record.points,)
        ]

    def _samples(self, number: int) -> int:
        """Return how many samples the codec sees of a tile."""
        return self.plan.grid.core(self.plan.grid.tile_number(number)).pixel_count * self.plan.form.bands

    def _told(self, records: list[TileRecord], todo: TilePass, progress: Progress) -> list[TileRecord]:
        """Return the records of a sampled pass, all of them decoded where those that were are no sample."""
        silent = [record for record in records if not record.points[1]]
        told = sum(record.points[0][-1] for record in records if record.points[1] and record.is_usual)
        if told >= _TELLING * sum(record.points[0][-1] for record in silent):
            return records
        numbers = {record.number for record in silent}
        again = self._records(replace(todo, is_sampled=False), progress, "measuring tiles", numbers)
        found = {record.number: record for record in again}
        return [found.get(record.number, record) for record in records]

    def encode(self, todo: TilePass, progress: Progress, message: str = "encoding") -> CodedScene:
        """Code every tile, spool the codestreams and gather the errors."""
        coded = empty_coded(self.plan)
        self._writer.restart()
        for record in self._records(todo, progress, message):
            assert record.result is not None
            coded.body_bytes += self._writer.add_tile(record.number, record.result.codestream)
            gather(coded, record.result, record.planes)
        return coded

    def _records(
        self, todo: TilePass, progress: Progress, message: str, only: Collection[int] | None = None
    ) -> Iterator[TileRecord]:
        if self.bands is not None and only is None:
            yield from self.bands.records(self._bench, todo, progress, message)
            return
        total = len(self.plan.grid) if only is None else len(only)
        for done, record in enumerate(self._bench.make(todo, only), start=1):
            yield record
            progress.report(done / total, message)


def empty_coded(plan: ScenePlan) -> CodedScene:
    """Return the record of a scene of which no tile has been coded."""
    bands = plan.profile.count
    cells = (bands, -(-plan.profile.height // CELL), -(-plan.profile.width // CELL))
    return CodedScene(
        plan=plan,
        sse=np.zeros(bands),
        count=np.zeros(bands),
        worst=np.zeros(bands),
        cell_sse=np.zeros(cells),
        cell_count=np.zeros(cells),
    )


def gather(coded: CodedScene, result: TileResult, planes: dict[str, bytes]) -> None:
    """Enter one coded tile and its planes into the record of its scene."""
    coded.cell_count[_cells_of(coded.plan, result)] = result.cell_count
    coded.count += result.cell_count.sum(axis=(1, 2))
    coded.coding_seconds += result.coding_seconds
    for kind, packed in planes.items():
        coded.planes[(result.number, kind)] = packed
    gather_errors(coded, result)


def gather_errors(coded: CodedScene, result: TileResult) -> None:
    """Enter the errors of one tile, of which none are in the record yet."""
    coded.cell_sse[_cells_of(coded.plan, result)] = result.cell_sse
    coded.sse += result.sse
    np.maximum(coded.worst, result.worst, out=coded.worst)
    coded.pixel_crcs[result.number] = result.pixel_crc
    coded.tile_sse[result.number] = float(result.sse.sum())
    coded.tile_max_error[result.number] = result.max_error


def _cells_of(plan: ScenePlan, result: TileResult) -> tuple[slice, slice, slice]:
    _, rows, cols = result.cell_sse.shape
    core = plan.grid.core(plan.grid.tile_number(result.number))
    top, left = core.row_off // CELL, core.col_off // CELL
    return slice(None), slice(top, top + rows), slice(left, left + cols)
