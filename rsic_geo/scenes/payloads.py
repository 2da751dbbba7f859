"""Payloads of tiles and the pixels they hold, of an archive in a TIFF or of one that is being written."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.base import MAX_REDUCE, Codec, CodedBands
from rsic_geo.codecs.jpeg2000 import Jpeg2000Codec
from rsic_geo.errors import BitstreamError, ChecksumError, RsicGeoError
from rsic_geo.geo.areas import shares
from rsic_geo.geo.window import TileGrid, Window

Pixels = NDArray[Any]
_HELD_ROWS = 3
"""Rows of tiles worth keeping: windows with a halo touch so many."""


class PayloadSource(Protocol):
    """Where payloads come from: an archive, or the spool of one that is being written."""

    def payload(self, tile: int) -> tuple[int, bytes]:
        """Return kind and body of a tile. Raises ChecksumError."""
        ...


class PayloadDecoder(Protocol):
    """What turns payloads into pixels."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Sample type of the scene."""
        ...

    @property
    def bands(self) -> int:
        """Bands of the scene."""
        ...

    def pixels(self, kind: int, body: bytes, size: tuple[int, int], reduce: int = 0) -> Pixels:
        """Return the pixels (bands, h, w) of a payload; see :meth:`TileDecoder.pixels`."""
        ...


OWN, JPEG2000 = ord("L"), ord("J")
"""First byte of a payload: whether the archive's codec made what follows, or JPEG 2000 in its place."""


class TileDecoder:
    """Turns payloads into pixels of all bands; those that are not coded are 0, and come from planes."""

    def __init__(self, codec: Codec, coded: CodedBands, bands: int) -> None:
        """Hold the archive's codec, which bands it codes, and how many the scene has."""
        self.coded, self._codec, self._bands = coded, codec, bands
        self._rival = Jpeg2000Codec(coded.form)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Sample type of the scene."""
        return self.coded.form.dtype

    @property
    def bands(self) -> int:
        """Bands of the scene."""
        return self._bands

    def blank(self, height: int, width: int) -> Pixels:
        """Return pixels (bands, h, w) that are all 0."""
        return np.zeros((self._bands, height, width), self.dtype)

    def pixels(self, kind: int, body: bytes, size: tuple[int, int], reduce: int = 0) -> Pixels:
        """Return the pixels (bands, h, w) of a payload.

        Args:
            kind: OWN or JPEG2000.
            body: what that codec made of all coded bands.
            size: (rows, columns) of the tile at full resolution (px).
            reduce: how often the sides are halved, rounded up.

        Raises:
            BitstreamError, ChecksumError: the payload is no bitstream of such a tile.
        """
        if kind not in (OWN, JPEG2000):
            raise BitstreamError(f"payloads of kind {kind} are not known: update rsic_geo")
        out = self.blank(*(-(-side >> reduce) for side in size))
        chosen = list(self.coded.bands)
        if not chosen:
            if kind == OWN:
                raise BitstreamError("a tile of the codec in a scene without bands for it")
            return out
        codec = self._codec if kind == OWN else self._rival
        try:
            found = codec.decode(body, (len(chosen), *size), reduce=reduce)
        except (RsicGeoError, MemoryError):
            raise
        except Exception as error:  # a codec of another package meets bytes it did not make
            raise BitstreamError(f"the codec fails on it ({error}): it is damaged") from error
        if found.shape != (len(chosen), *out.shape[1:]) or found.dtype != out.dtype:
            raise BitstreamError(
                f"the tile holds {found.dtype} {found.shape}, the archive says {out.dtype} "
                f"{(len(chosen), *out.shape[1:])}: it is damaged"
            )
        out[chosen] = found
        return out


class TilePixels:
    """Pixels of any window or reduced resolution; only the tiles needed are decoded, and few are kept."""

    def __init__(
        self,
        source: PayloadSource,
        decoder: PayloadDecoder,
        grid: TileGrid,
        held_mib: int = 256,
        workers: int = 1,
    ) -> None:
        """Hold where payloads come from and how they are decoded, by how many threads."""
        self._source, self._decoder, self._grid = source, decoder, grid
        self._turn, self._workers, self._last = threading.RLock(), workers, -2
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None
        self._held: OrderedDict[int, Future[Pixels]] = OrderedDict()
        column = grid.tile_size * decoder.bands * decoder.dtype.itemsize
        self._size = min(grid.width, grid.tile_size) * column
        self._room = min(held_mib << 20, _HELD_ROWS * grid.width * column)

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return decoded pixels (bands, h, w) of a window, nodata and alpha not restored.

        Raises:
            ChecksumError, BitstreamError: a tile is damaged; the message names it.
        """
        chosen = list(range(self._decoder.bands) if bands is None else bands)
        out = np.empty((len(chosen), window.height, window.width), self._decoder.dtype)
        numbers = self._grid.numbers_touching(window)
        wanted = list(numbers)
        if numbers and numbers[-1] == self._last + 1:  # read on and on: what comes next will be asked for
            wanted += range(numbers[-1] + 1, min(numbers[-1] + self._workers, len(self._grid)))
        self._last = numbers[-1] if numbers else self._last
        for place, number in enumerate(numbers):
            core = self._grid.core(self._grid.tile_number(number))
            shared = core.intersection(window)
            if shared is None:
                raise AssertionError("a tile was chosen that the window does not touch")
            pixels = self._tile(number, wanted[place + 1 : place + self._workers])
            inner, target = shared.within(core).slices, shared.within(window).slices
            out[(slice(None), *target)] = pixels[(slice(None), *inner)][chosen]
        return out

    def _tile(self, number: int, soon: Sequence[int]) -> Pixels:
        """Return a tile; those wanted ``soon`` are begun meanwhile, where there are threads for it."""
        with self._turn:  # whoever comes first decodes a tile for all
            for each in (number, *soon):
                if each in self._held:
                    continue
                begun: Future[Pixels] = Future()  # errors wait in it for whoever asks for the tile
                try:
                    stored = self._source.payload(each)  # the file serves one thread at a time
                    if self._pool is None:
                        begun.set_result(self._decode(each, stored, 0))
                    else:
                        begun = self._pool.submit(self._decode, each, stored, 0)
                except Exception as error:  # noqa: BLE001
                    begun.set_exception(error)
                self._held[each] = begun
            for each in (*soon, number):
                self._held.move_to_end(each)
            found = self._held[number]
            while len(self._held) > 1 + len(soon) and self._size * len(self._held) > self._room:
                self._held.popitem(last=False)
        try:
            return found.result()
        except BaseException:
            with self._turn:  # another thread may be about to take it
                self._held.pop(number, None)
            raise

    def decode(self, number: int, reduce: int = 0) -> Pixels:
        """Return the pixels (bands, h, w) of a tile, sides halved ``reduce`` times.

        Raises:
            ChecksumError, BitstreamError: it is damaged; the message names it.
        """
        return self._decode(number, self._source.payload(number), reduce)

    def _decode(self, number: int, stored: tuple[int, bytes], reduce: int) -> Pixels:
        index = self._grid.tile_number(number)
        core = self._grid.core(index)
        try:
            return self._decoder.pixels(*stored, (core.height, core.width), reduce)
        except (BitstreamError, ChecksumError) as error:
            raise type(error)(f"tile {number} (row {index.row}, column {index.col}): {error}") from error

    def read_resampled(
        self, window: Window, out_shape: tuple[int, int], *, bands: tuple[int, ...] | None = None
    ) -> Pixels:
        """Return a window resampled to (bands, *out_shape): area means of the nearest finer resolution.

        Tiles are decoded at 1/2, 1/4 ... 1/32 of their sides, so nothing of full size is held.
        """
        chosen = list(range(self._decoder.bands) if bands is None else bands)
        shrink = min(window.height / out_shape[0], window.width / out_shape[1])
        reduce = max(0, min(MAX_REDUCE, int(np.floor(np.log2(max(shrink, 1.0))))))
        total = np.zeros((len(chosen), *out_shape), np.float64)
        for number in self._grid.numbers_touching(window):
            core = self._grid.core(self._grid.tile_number(number))
            pixels = self.decode(number, reduce)[chosen]
            rows, down = shares(
                window.row_off, window.height, out_shape[0], core.row_off, core.height, reduce
            )
            cols, right = shares(window.col_off, window.width, out_shape[1], core.col_off, core.width, reduce)
            total[:, rows, cols] += down @ pixels.astype(np.float64) @ right.T
        return np.asarray(np.rint(total).astype(self._decoder.dtype))
