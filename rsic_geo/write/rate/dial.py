"""One dial for a whole scene of a codec with qualities, and the searches that turn it.

From 0 to 1 the dial is the codec's quality, the same for every tile. A codec with a rival (the learned one)
goes on beyond: from -1 to 0 and from 1 to 2 every tile may take down to a 32nd, or up to 32 times, of the
bytes it had at the end, which the codec cannot do: there JPEG 2000 takes over. At any setting a tile of such
an archive is JPEG 2000's where that is better at the same size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs import jpeg2000
from rsic_geo.codecs.base import FINEST, LOSSLESS, Codec, CodecEntry, Coded, Pixels, Setting
from rsic_geo.codecs.jpeg2000 import Jpeg2000Codec
from rsic_geo.container.tiff import TiffSpool, frame
from rsic_geo.errors import CodecError, TargetNotReachedError
from rsic_geo.progress import Progress
from rsic_geo.scenes.payloads import JPEG2000, OWN, TileDecoder
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.verdict import Yardstick, cost_of, decibels
from rsic_geo.targets import Target
from rsic_geo.threads import threaded_map
from rsic_geo.write import tiles as tilework
from rsic_geo.write.coded import CodedScene, empty_coded, gather
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.rate.control import ENHANCED_MARGIN, PSNR_SLACK, SIZE_TOLERANCE
from rsic_geo.write.rate.search import LEAST_COST, LEVELS, Curve, Guide, answered, stops
from rsic_geo.write.reading import raw_tiles
from rsic_geo.write.tiles import TileInput, TileResult, pixel_crc

PROBE_TILES = 6
"""Tiles looked at over the whole dial before the scene is coded."""
USUAL_STOPS = 4
"""Settings of the dial at which those are coded, for most targets; for the progress."""
MAX_ROUNDS = 10
_GROWTH = 32.0
_HOPELESS = 1.3
"""JPEG 2000 with this many times the error at about the same size is not tried to the byte."""
CONTESTED = 1.2
"""Squared error of JPEG 2000 over that of the codec, at equal sizes, up to which its archive may be better:
0.3 dB more are enhancement's, 0.1 to 0.2 dB sizes shared out by slope and the bytes of a preview."""
_WITHIN_STEPS = 6


@dataclass(slots=True)
class _End:
    """What one tile became at the least or the greatest quality."""

    size: int
    sse: float


class TileCoder:
    """Codes single tiles; several threads may share it."""

    def __init__(self, codec: Codec, entry: CodecEntry, decoder: TileDecoder) -> None:
        """Hold the codec of a scene, what is known of it, and what turns its payloads into pixels."""
        self._codec, self.entry, self._decoder = codec, entry, decoder
        self.weights = codec.weights  # a network is loaded by this: here, before threads ask for it
        self._coded = decoder.coded
        self._rival: Jpeg2000Codec | None = None
        if entry.has_rival:
            self._rival = Jpeg2000Codec(self._coded.form, plt=False)
            flat = np.zeros((max(1, len(self._coded.bands)), 8, 8), self._coded.form.dtype)
            empty = self._rival.encode(flat, Setting(size=max(1, flat.nbytes // 1000))).payload
            self._header_bytes = len(empty) - jpeg2000.body_size(empty)
        self._ends: dict[tuple[int, float], _End] = {}
        self.compared: dict[int, tuple[float, float]] = {}
        """By tile squared errors of JPEG 2000 at about its size, and its own, when last coded."""

    def at(self, tile: TileInput, dial: float) -> TileResult:
        """Code a tile at a setting of the dial."""
        if not self._coded.bands:
            blank = self._decoder.blank(*tile.pixels.shape[1:])
            return tilework.compared(tile, frame(tile.number, JPEG2000, b""), blank)
        quality = min(max(dial, 0.0), 1.0)
        if self._rival is None:
            return self.coded(tile, Setting(quality=quality))
        end = self._ends.get((tile.number, quality))
        if quality == dial or end is None:
            own = self.coded(tile, Setting(quality=quality))
            if quality in (0.0, 1.0):
                end = _End(size=len(own.codestream), sse=float(own.sse.sum()))
                self._ends[tile.number, quality] = end
            if quality == dial:
                return self._better(self._rival, tile, own)
        assert end is not None
        rival = self._rival_of_size(self._rival, tile, round(end.size * _GROWTH ** (dial - quality)))
        self.compared[tile.number] = (1.0, 1.0)  # beyond the codec's own dial
        is_used = len(rival.codestream) < end.size if dial < 0 else rival.sse.sum() < end.sse
        return rival if is_used else self.coded(tile, Setting(quality=quality))

    def coded(self, tile: TileInput, setting: Setting, rival: Jpeg2000Codec | None = None) -> TileResult:
        """Code a tile by the archive's codec, or by its rival, and compare what comes back with the scene."""
        kind, codec = (OWN, self._codec) if rival is None else (JPEG2000, rival)
        started = time.perf_counter()
        coded = codec.encode(tile.pixels[list(self._coded.bands)], setting)
        seconds = time.perf_counter() - started
        return replace(self._framed(tile, kind, codec, coded), coding_seconds=seconds)

    def _better(self, rival: Jpeg2000Codec, tile: TileInput, own: TileResult) -> TileResult:
        """Return the codec's tile, or that of JPEG 2000 where it is better and no larger."""
        size = len(own.codestream)
        # A first look asks for about the size; only what may win is then fitted to the byte.
        quick = self.coded(tile, Setting(size=self._body_bytes(size)), rival)
        self.compared[tile.number] = float(quick.sse.sum()), float(own.sse.sum())
        if quick.sse.sum() > _HOPELESS * own.sse.sum():
            return own
        exact = quick if len(quick.codestream) <= size else self._rival_of_size(rival, tile, size)
        is_better = exact.sse.sum() < own.sse.sum() and len(exact.codestream) <= size
        return exact if is_better else own

    def lossless(self, tile: TileInput) -> TileResult:
        """Code a tile by the archive's codec so that every sample comes back."""
        started = time.perf_counter()
        pixels = tile.pixels[list(self._coded.bands)]
        coded = self._codec.encode(pixels, LOSSLESS)
        seconds = time.perf_counter() - started
        if not np.array_equal(self._codec.decode(coded.payload, (len(pixels), *tile.shape[1:])), pixels):
            raise CodecError(
                f"codec {self.entry.name} does not give tile {tile.number} back as it was: it is not lossless"
            )
        payload = frame(tile.number, OWN, coded.payload)
        return replace(
            tilework.flawless(tile, payload), pixel_crc=pixel_crc(tile.pixels), coding_seconds=seconds
        )

    def within(self, tile: TileInput, bound: float) -> TileResult:
        """Code a tile to few bytes whose largest error is within a bound.

        A codec that may decode apart on two machines is held to less by its tolerance. Where it is not within
        the bound at its finest, the tile is coded reversibly, by the rival if there is one.
        """
        if not self._coded.bands:
            return self.at(tile, 0.0)
        theirs = best = None if self._rival is None else self._rival_within(self._rival, tile, bound)
        self.compared[tile.number] = (1.0, 1.0)
        low, high, least = 0, LEVELS, bound - self._codec.tolerance
        finest = self.coded(tile, FINEST) if least >= 0 else None
        if finest is None or finest.max_error > least:
            return self._last_resort(tile, bound) if best is None else best
        best = finest if best is None else best
        for _ in range(_WITHIN_STEPS):
            middle = (low + high) // 2
            trial = self.coded(tile, Setting(quality=middle / LEVELS))
            if len(trial.codestream) >= len(best.codestream):
                high = middle
            elif trial.max_error <= least:
                best, high = trial, middle
            else:
                low = middle
        if best is not theirs:  # one that keeps the bound by the codec itself is no tile to contest
            self.compared[tile.number] = (2.0, 1.0)
        return best

    def _last_resort(self, tile: TileInput, bound: float) -> TileResult:
        exact = self.coded(tile, LOSSLESS) if self.entry.is_lossless_capable else None
        if exact is None or exact.max_error > bound:
            raise TargetNotReachedError(
                f"codec {self.entry.name} cannot keep all errors within {bound:g} here: ask for more"
            )
        return exact

    def _rival_within(self, rival: Jpeg2000Codec, tile: TileInput, bound: float) -> TileResult:
        index = list(self._coded.bands)
        part = replace(
            tile,
            pixels=tile.pixels[index],
            original=tile.original[index],
            scored=None if tile.scored is None else tile.scored[index],
            nodata=None if tile.nodata is None else tuple(tile.nodata[band] for band in index),
            limits=tuple(tile.limits[band] for band in index) if tile.limits else (),
        )
        found = tilework.code_within(part, rival, bound)
        return self._framed(tile, JPEG2000, rival, Coded(found.codestream))

    def _rival_of_size(self, rival: Jpeg2000Codec, tile: TileInput, size: int) -> TileResult:
        """Code a tile by JPEG 2000 to a payload of at most ``size`` bytes, or as near as it gets."""
        return self.coded(tile, Setting(size=self._body_bytes(size), is_exact=True), rival)

    def _body_bytes(self, size: int) -> int:
        return max(1, size - self._header_bytes - 5)

    def _framed(self, tile: TileInput, kind: int, codec: Codec, coded: Coded) -> TileResult:
        """Return the payload with what the archive frames it by, and the errors of its decoding."""
        shape = (len(self._coded.bands), *tile.shape[1:])
        pixels: Pixels = self._decoder.blank(*shape[1:])
        found = codec.decode(coded.payload, shape) if coded.pixels is None else coded.pixels
        pixels[list(self._coded.bands)] = found
        return tilework.compared(tile, frame(tile.number, kind, coded.payload), pixels)


class DialSearch:
    """One scene, its coder and everything learned about it so far."""

    def __init__(
        self, reader: Scene, plan: ScenePlan, spool: TiffSpool, tiles: TileCoder, workers: int
    ) -> None:
        """Hold the scene, where its tiles go, what codes them, and how many threads may work."""
        self.plan, self.passes, self.measuring_seconds = plan, 0, 0.0
        self._reader, self._spool, self._tiles, self._workers = reader, spool, tiles, workers
        count = len(plan.grid)
        few = {round((i + 0.5) * count / PROBE_TILES - 0.5) for i in range(PROBE_TILES)}
        self._probes = set(range(count)) if count <= PROBE_TILES else few
        self._probed: dict[float, float] = {}
        self._rod: Yardstick | None = None
        self._probing = Progress()
        self._sizes: dict[float, float] = {}
        self._is_lossless = plan.lossless
        self._stops = stops(beyond=tiles.entry.has_rival)
        self._last: tuple[float, CodedScene] | None = None
        self.slack = PSNR_SLACK["normal"]

    @property
    def is_contested(self) -> bool:
        """Whether JPEG 2000 was so near at equal sizes that its own archive may be better, all told.

        Within a largest error, for which its archives know steps, too: whether most tiles are JPEG 2000.
        """
        theirs, ours = np.sum(list(self._tiles.compared.values()) or [(1.0, 1.0)], axis=0)
        return self._tiles.entry.has_rival and bool(theirs <= CONTESTED * ours)

    def encode(self, dial: float, progress: Progress) -> CodedScene:
        """Code the scene at a setting of the dial, unless that is what the spool holds."""
        if self._last is not None and self._last[0] == dial:
            return self._last[1]
        coded = self._encode(partial(self._tiles.at, dial=dial), progress)
        self._last, self._sizes[dial] = (dial, coded), math.log(max(1, coded.body_bytes))
        return coded

    def lossless(self, progress: Progress) -> CodedScene:
        """Code every tile so that every sample comes back."""
        return self._encode(self._tiles.lossless, progress)

    def within(self, bound: float, progress: Progress) -> CodedScene:
        """Code every tile so that its largest absolute error is within a bound."""
        self._last = None
        return self._encode(partial(self._tiles.within, bound=bound), progress)

    def _encode(self, coding: Callable[[TileInput], TileResult], progress: Progress) -> CodedScene:
        coded = empty_coded(self.plan)
        self._spool.restart()
        self.passes += 1
        for done, (result, tile) in enumerate(self._coded(coding), start=1):
            coded.body_bytes += self._spool.add_tile(result.number, result.codestream)
            gather(coded, result, tile.planes)
            progress.report(done / len(self.plan.grid), "encoding")
        return coded

    def _coded(
        self, coding: Callable[[TileInput], TileResult], only: Collection[int] | None = None
    ) -> Iterator[tuple[TileResult, TileInput]]:
        def work(raw: tilework.RawTile) -> tuple[TileResult, TileInput]:
            tile = tilework.prepare(raw, lossless=self._is_lossless)
            return coding(tile), tile

        return threaded_map(work, raw_tiles(self._reader, self.plan, only), self._workers)

    def _probe(self, dial: float) -> float:
        """Return what the search is about, as a few tiles tell: ln(bytes) of the scene, or -ln(cost)."""
        started = time.perf_counter()
        size, (sse, count) = 0, np.zeros((2, self.plan.profile.count))
        for result, _ in self._coded(partial(self._tiles.at, dial=dial), self._probes):
            size += len(result.codestream)
            sse += result.sse
            count += result.cell_count.sum(axis=(1, 2))
        self.measuring_seconds += time.perf_counter() - started
        self._probing.report(min(1.0, (len(self._probed) + 1) / USUAL_STOPS), "measuring tiles")
        if self._rod is not None:
            return -math.log(max(self._rod.cost(sse, count), LEAST_COST))
        cores = [self.plan.grid.core(self.plan.grid.tile_number(number)) for number in self._probes]
        part = sum(core.pixel_count for core in cores) / self.plan.pixels
        return math.log(max(size / part, 1.0))

    def to_bytes(self, budget: int, progress: Progress) -> CodedScene:
        """Code the scene to ``budget`` bytes of all payloads together, within 1 % or as near as it gets.

        Where no setting comes near, the scene is given the largest coding that is no larger, and where all
        are larger the smallest.
        """
        self._probing = progress.stage(0, 0.3)
        guide = Guide(Curve(self._probed, self._stops), math.log(budget), dict(self._sizes))
        for attempt in range(MAX_ROUNDS):
            dial = answered(guide.next(), self._probe)
            if dial is None:
                break
            part = 0.65 / MAX_ROUNDS
            stage = progress.stage(0.3 + attempt * part, 0.3 + (attempt + 1) * part)
            coded = self.encode(dial, stage)
            self._probing = stage.stage(1, 1)
            guide.learn(dial, math.log(max(1, coded.body_bytes)))
            if abs(coded.body_bytes / budget - 1) <= SIZE_TOLERANCE:
                return coded
        coded = self.encode(guide.below(SIZE_TOLERANCE), progress.stage(0.95, 1))
        coded.is_complete = coded.body_bytes < budget
        return coded

    def to_decibels(
        self,
        target: Target,
        finish: Callable[[CodedScene, Progress], NDArray[np.float64]],
        progress: Progress,
        expected_gain: float = 0.0,
    ) -> CodedScene:
        """Code the scene with as few bytes as a PSNR or SNR of its worst band needs.

        Args:
            target: quality (dB) the final output must have, never less.
            finish: carries a coding to its final output and returns the squared errors (bands,) of that.
            progress: told all along.
            expected_gain: what ``finish`` usually adds to the codec's quality (dB).

        Raises:
            TargetNotReachedError: the finest setting misses the target.
        """
        rod = self._rod = self.plan.yardstick(target.kind)
        self._probing = progress.stage(0, 0.2)
        wanted = target.decibels + ENHANCED_MARGIN
        goal = -math.log(cost_of(wanted))
        guide = Guide(Curve(self._probed, self._stops), goal, {})
        guide.shift = expected_gain * math.log(10) / 10
        reached: float | None = None
        for attempt in range(MAX_ROUNDS):
            dial = answered(guide.next(), self._probe)
            if dial is None:
                break
            part = 0.75 / MAX_ROUNDS
            stage = progress.stage(0.2 + attempt * part, 0.2 + (attempt + 1) * part)
            coded = self.encode(dial, stage.stage(0, 0.5))
            self._probing = stage.stage(1, 1)
            achieved = rod.cost(finish(coded, stage.stage(0.5, 1)), coded.count)
            found = decibels(achieved)
            guide.learn(dial, -math.log(max(achieved, LEAST_COST)))
            if found >= wanted:
                reached = dial if reached is None else min(reached, dial)
                if found <= target.decibels + self.slack or dial == self._stops[0]:
                    return coded
        if reached is None:
            raise TargetNotReachedError(
                f"{target} cannot be met by codec {self._tiles.entry.name} on this scene: use --codec jp2"
            )
        coded = self.encode(reached, progress.stage(0.95, 0.98))
        finish(coded, progress.stage(0.98, 1))
        return coded
