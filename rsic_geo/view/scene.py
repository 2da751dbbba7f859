"""One archive as layers of tiles: its codec's pixels, the repaired ones, its original and what differs.

Level 0 is full resolution, every further level has half the rows and columns. Pixels down to ``full_level``
come from full resolution, so repair and differences exist there; coarser ones from the file's reduced
resolutions.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import SceneMismatchError, UsageError
from rsic_geo.geo.lattice import CELL, rmse_from_level, strength_from_byte
from rsic_geo.geo.radiometry import Peak
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.raster.doors.served import ServedTiles, tile_tiff
from rsic_geo.raster.png import png
from rsic_geo.scenes.archive import Archive
from rsic_geo.verbs.compare import peaks_between
from rsic_geo.view import paint
from rsic_geo.view.cache import Cache
from rsic_geo.view.reading import Block, full_picture, reduced_picture

TILE = 256
"""Side of a tile (px)."""
_BLOCK = 512
"""Side of what is decoded and repaired at once (px)."""
_MOST_SAMPLES = 1 << 22
"""Samples of a block, beyond which blocks are tiles."""
_HELD = 256 << 20
"""Bytes of blocks and tiles that are kept."""
_OVERVIEW = 512
"""Longest side of the picture that percentiles are taken of (px)."""
TITLES = {
    "original": "Original",
    "codec": "Codec alone",
    "repaired": "Repaired",
    "error": "Repaired − original",
    "error-codec": "Codec − original",
    "change": "Repaired − codec",
    "strength": "Strength of repair, per cell",
    "distortion": "Error of the codec, per cell, as recorded",
    "rmse": "Error, per cell, against the original",
}
"""Layers, in the order they are offered."""
DIFFERENCES = {
    "error": ("original", "repaired"), "error-codec": ("original", "codec"), "change": ("codec", "repaired"),
}  # fmt: skip
"""Layers that show the second of two others minus the first."""
CUTS = (-1.0, 0.0, 0.5, 2.0, 5.0)
"""Samples that may be beyond each end of the stretch (%); -1: the stretch is the type's whole range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How samples become colours."""

    bands: tuple[int, ...]
    """One, grey, or red, green and blue; from 0."""
    cut: float
    """One of ``CUTS``."""
    scale: float
    """Difference that has full colour, in the units of the samples."""


class SceneView:
    """What a page shows of an archive. May be asked by several threads at once."""

    def __init__(self, archive: str, original: str | None, execution: Execution) -> None:
        """Open an archive, or any raster, and perhaps the scene that it was made of.

        Raises:
            SceneError, ContainerError: if one of them cannot be opened.
            SceneMismatchError: if they have not the same size and bands.
        """
        self.archive, self.original = archive, original
        with ExitStack() as held:
            repaired = held.enter_context(Archive(archive, execution=execution))
            codec = held.enter_context(Archive(archive, enhance="off", execution=execution))
            self.sources: dict[str, Archive] = {}
            if original is not None:
                self.sources["original"] = held.enter_context(Archive(original, execution=execution))
            self.sources["codec"] = codec
            if repaired.is_enhanced:
                self.sources["repaired"] = repaired
            self.profile = codec.profile
            for source in self.sources.values():
                p, q = self.profile, source.profile
                if (p.height, p.width, p.count) != (q.height, q.width, q.count):
                    raise SceneMismatchError(
                        f"{original} is no original of {archive}: it has {q.width} x {q.height} px and "
                        f"{q.count} bands, not {p.width} x {p.height} px and {p.count}"
                    )
            self._held = held.pop_all()
        fits = self.profile.count * _BLOCK**2 <= _MOST_SAMPLES
        self.block_side = _BLOCK if fits else TILE
        self.full_level = (self.block_side // TILE).bit_length() - 1
        longest = max(self.profile.height, self.profile.width)
        self.levels = max(0, (longest - 1).bit_length() - TILE.bit_length() + 1)
        self._cache = Cache(_HELD)

    def close(self) -> None:
        """Close the files."""
        self._held.close()

    @cached_property
    def layers(self) -> list[str]:
        """The layers there are."""
        side = self.sources["codec"].side
        has_cells = side is not None and side.model is not None
        there = {
            **dict.fromkeys(self.sources, True),
            **{name: set(pair) <= self.sources.keys() for name, pair in DIFFERENCES.items()},
            "strength": has_cells,
            "distortion": has_cells and side is not None and side.radiometry is not None,
            "rmse": "original" in self.sources,
        }
        return [name for name in TITLES if there.get(name)]

    @cached_property
    def usual_look(self) -> Look:
        """Colours where the scene says which they are, or its first three bands; bytes as they are."""
        names = list(self.profile.colorinterp)
        data = [band for band, name in enumerate(names) if name != "alpha"] or [0]
        colours = [names.index(name) for name in ("red", "green", "blue") if name in names]
        bands = tuple(colours if len(colours) == 3 else data[:3] if len(data) >= 3 else data[:1])
        is_plain = self.profile.dtype == "uint8"
        return Look(bands=bands, cut=-1.0 if is_plain else 2.0, scale=self._usual_scale(bands[0]))

    def _usual_scale(self, band: int) -> float:
        """Return a round number of about four times the codec's error, as the archive or a guess has it."""
        side = self.sources["codec"].side
        typical = 0.0
        if "distortion" in self.layers and side is not None:
            typical = float(np.median(self.recorded_error(band)))
        if not typical:
            low, high = self.ranges((band,), 0.5)[0]
            typical = (high - low) / 64
        exponent = np.floor(np.log10(max(4 * typical, 1e-30)))
        leading = 4 * typical / 10**exponent
        return float(
            f"{(1 if leading < 1.5 else 2 if leading < 3.5 else 5 if leading < 7.5 else 10)}e{exponent:.0f}"
        )

    def recorded_error(self, band: int) -> NDArray[np.float32]:
        """Return the codec's root mean square error per cell in units of the samples, as recorded."""
        side = self.sources["codec"].side
        if side is None or side.radiometry is None:
            raise UsageError("this archive records no errors")
        span = side.radiometry.high[band] - side.radiometry.low[band]
        return np.asarray(rmse_from_level(side.levels[self._group(band)]) * span, np.float32)

    def strength(self, band: int) -> NDArray[np.float32]:
        """Return the share of the network's correction that is applied, per cell."""
        side = self.sources["codec"].side
        if side is None or side.model is None:
            raise UsageError("this archive records no strengths")
        return strength_from_byte(side.strengths[self._group(band)])

    def _group(self, band: int) -> int:
        side = self.sources["codec"].side
        groups = () if side is None else side.groups
        return next((number for number, group in enumerate(groups) if band in group), 0)

    def tile(self, layer: str, look: Look, level: int, column: int, row: int) -> bytes:
        """Return a tile as PNG, transparent where there is no data, or nothing to show at its level.

        Raises:
            UsageError: there is no such layer, level or tile.
            RsicGeoError: the file cannot be read there.
        """
        if layer not in self.layers:
            raise UsageError(f"there is no layer {layer}")
        inner = self._tile_window(layer, level, column, row)
        key: Hashable = (layer, look, level, column, row)
        return self._cache.get(key, lambda: self._painted(layer, look, level, inner), len)

    def _tile_window(self, layer: str, level: int, column: int, row: int) -> Window:
        """Return the part of the scene in a tile. Raises UsageError."""
        if not 0 <= level <= self.levels or row < 0 or column < 0:
            raise UsageError(f"there is no tile {layer}/{level}/{column}/{row}")
        side = TILE << level
        window = Window(row_off=row * side, col_off=column * side, height=side, width=side)
        inner = window.intersection(Window.full(self.profile.height, self.profile.width))
        if inner is None:
            raise UsageError(f"there is no tile {layer}/{level}/{column}/{row}: the scene ends before it")
        return inner

    def samples(self, source: str, bands: tuple[int, ...], level: int, column: int, row: int) -> bytes:
        """Return a tile in the scene's own samples, as a TIFF; beyond the scene's edge they are 0.

        Band ``profile.count`` says where there is data: 255. Coarser tiles hold nodata where there is none.

        Raises:
            UsageError: there is no such source, band, level or tile.
            RsicGeoError: the file cannot be read there.
        """
        count = self.profile.count
        if source not in self.sources or not all(0 <= band <= count for band in bands) or not bands:
            raise UsageError(f"there are no samples of {source}, bands {bands}")
        inner = self._tile_window(source, level, column, row)
        key: Hashable = ("samples", source, bands, level, column, row)
        return self._cache.get(key, lambda: self._sampled(source, bands, level, inner), len)

    def _sampled(self, source: str, bands: tuple[int, ...], level: int, window: Window) -> bytes:
        is_mask = bands == (self.profile.count,)
        data = tuple(range(self.profile.count)) if is_mask else bands
        if level > self.full_level:
            shape = (-(-window.height >> level), -(-window.width >> level))
            pixels, valid = reduced_picture(self.sources[source], window, shape, data)
        else:
            block = self.block(source, window)
            pixels, valid = block.pixels[list(data)], block.valid[list(data)]
        if 0 < level <= self.full_level:
            pixels, valid = self._coarser(pixels, valid, level)
        if is_mask:
            pixels = np.where(valid.any(axis=0, keepdims=True), 255, 0).astype(np.uint8)
        elif level:
            pixels = pixels.copy()
            for place, band in enumerate(data):
                nodata = self.profile.nodata[band]
                if nodata is not None:
                    pixels[place][~valid[place]] = nodata
        rows, columns = pixels.shape[1:]
        return tile_tiff(np.pad(pixels, [(0, 0), (0, TILE - rows), (0, TILE - columns)]))

    def _coarser(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_], level: int
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return means of valid samples in the samples' type; of classes, which have none, one of them."""
        if self.sources["codec"].snapshot.colormaps:
            return pixels[:, :: 1 << level, :: 1 << level], valid[:, :: 1 << level, :: 1 << level]
        means: NDArray[Any] = pixels
        for _ in range(level):
            means, valid = paint.halved(means, valid)
        return (np.rint(means) if pixels.dtype.kind in "iu" else means).astype(pixels.dtype), valid

    def vrt(self, url: str) -> bytes:
        """Return what GDAL opens to read what is shown, at the address that the scene is served under."""
        source = self.sources["repaired" if "repaired" in self.sources else "codec"]
        name = "repaired" if source is self.sources.get("repaired") else "codec"
        dtype = self.profile.dtype
        if dtype.startswith("complex"):  # magnitudes are shown
            dtype = "float64" if dtype == "complex128" else "float32"
        tiles = ServedTiles(
            url=f"{url}samples/{name}", dtype=dtype, side=TILE, levels=self.levels, has_mask=source.has_mask
        )
        return tiles.vrt(source.metadata())

    def _painted(self, layer: str, look: Look, level: int, window: Window) -> bytes:
        if layer in self.sources:
            colours = self._picture(layer, look, level, window)
        elif layer in ("strength", "distortion"):
            band = look.bands[0]
            cells = self.strength(band) if layer == "strength" else self.recorded_error(band)
            colours = self._cells(cells, level, window, 1.5 if layer == "strength" else look.scale)
        elif level > self.full_level:
            colours = np.zeros((1, 1, 4), np.uint8)
        elif layer == "rmse":
            colours = self._measured(look, level, window)
        else:
            values, valid = self._difference(layer, look.bands, window)
            for _ in range(level):
                values, valid = paint.strongest(paint.quarters(values), paint.quarters(valid))
            colours = paint.difference(values, valid, look.scale)
        return png(paint.whole_tile(colours, TILE), 3)

    def _picture(self, source: str, look: Look, level: int, window: Window) -> paint.Colours:
        bands = look.bands
        if level > self.full_level:
            shape = (-(-window.height >> level), -(-window.width >> level))
            pixels, valid = reduced_picture(self.sources[source], window, shape, bands)
        else:
            block = self.block(source, window)
            pixels, valid = block.pixels[list(bands)], block.valid[list(bands)]
            for _ in range(level):
                pixels, valid = paint.halved(pixels, valid)
        table = self.sources[source].snapshot.colormaps.get(bands[0] + 1)
        if table and len(bands) == 1:
            return paint.looked_up(np.rint(pixels[0]), valid[0], table)
        return paint.picture(pixels, np.any(valid, axis=0, keepdims=True)[0], self.ranges(bands, look.cut))

    def _cells(self, cells: NDArray[Any], level: int, window: Window, top: float) -> paint.Colours:
        rows = np.arange(window.row_off, window.row_stop, 1 << level) // CELL
        columns = np.arange(window.col_off, window.col_stop, 1 << level) // CELL
        values = cells[np.ix_(rows, columns)]
        return paint.ramp(values, np.ones(values.shape, np.bool_), top)

    def _measured(self, look: Look, level: int, window: Window) -> paint.Colours:
        """Return the root mean square error of each cell, of what a reader of the archive gets."""
        final = "error" if "repaired" in self.sources else "error-codec"
        shape = (-(-window.height >> level), -(-window.width >> level))
        found, known = np.zeros(shape), np.zeros(shape, np.bool_)
        for top in range(window.row_off, window.row_stop, CELL):
            for left in range(window.col_off, window.col_stop, CELL):
                cell = Window(row_off=top, col_off=left, height=CELL, width=CELL).intersection(window)
                assert cell is not None
                one, other = (self.block(name, cell) for name in DIFFERENCES[final])
                valid = (one.valid & other.valid)[list(look.bands)]
                apart = _apart(other.pixels[list(look.bands)], one.pixels[list(look.bands)])[valid]
                own = cell.within(window)
                place = tuple(slice(part.start >> level, -(-part.stop >> level)) for part in own.slices)
                found[place] = np.sqrt(np.mean(np.square(apart))) if apart.size else 0.0
                known[place] = apart.size > 0
        return paint.ramp(found, known, look.scale)

    def _difference(
        self, layer: str, bands: tuple[int, ...], window: Window
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the largest difference of some bands (rows, columns), and where both hold data."""
        before, after = (self.block(name, window) for name in DIFFERENCES[layer])
        chosen = list(bands)
        valid = (before.valid & after.valid)[chosen]
        return paint.strongest(_apart(after.pixels[chosen], before.pixels[chosen]), valid)

    def block(self, source: str, window: Window) -> Block:
        """Return a window that lies in one block, at full resolution. Raises what reading the file raises."""
        side = self.block_side
        row, column = window.row_off // side, window.col_off // side
        outer = Window(row_off=row * side, col_off=column * side, height=side, width=side).intersection(
            Window.full(self.profile.height, self.profile.width)
        )
        assert outer is not None
        held = self._cache.get(
            (source, row, column), lambda: full_picture(self.sources[source], outer), lambda each: each.nbytes
        )
        inner = (slice(None), *window.within(outer).slices)
        return Block(held.pixels[inner], held.valid[inner])

    def ranges(self, bands: tuple[int, ...], cut: float) -> list[tuple[float, float]]:
        """Return the values of each band that become black and full light, the same for every layer."""
        p = self.profile
        if cut < 0 and np.dtype(p.dtype).kind in "iu":
            limits = np.iinfo(p.dtype)
            return [
                (float(limits.min), 2.0**bits - 1 if (bits := p.bits[band]) else float(limits.max))
                for band in bands
            ]
        return [
            self._cache.get(("range", band, cut), partial(self._range, band, cut), lambda _: 64)
            for band in bands
        ]

    def _range(self, band: int, cut: float) -> tuple[float, float]:
        longest = max(self.profile.height, self.profile.width)
        shrink = max(1.0, longest / _OVERVIEW)
        shape = (max(1, round(self.profile.height / shrink)), max(1, round(self.profile.width / shrink)))
        whole = Window.full(self.profile.height, self.profile.width)
        pixels, valid = self._cache.get(
            ("overview", band),
            lambda: reduced_picture(self.sources["codec"], whole, shape, (band,)),
            lambda pair: sum(each.nbytes for each in pair),
        )
        values = pixels[valid]
        if not values.size:
            return 0.0, 1.0
        low, high = np.percentile(values.astype(np.float64), (max(cut, 0.0), 100 - max(cut, 0.0)))
        return float(low), float(high if high > low else low + max(1.0, abs(low) * 1e-6))

    def values(self, row: int, column: int) -> dict[str, list[float | None]]:
        """Return the samples of all bands of every source at a pixel; None where there is no data.

        Raises:
            UsageError: the pixel is not in the scene.
        """
        if not (0 <= row < self.profile.height and 0 <= column < self.profile.width):
            raise UsageError(f"the scene has no pixel in row {row}, column {column}")
        pixel = Window(row_off=row, col_off=column, height=1, width=1)
        found = {}
        for name in self.sources:
            block = self.block(name, pixel)
            found[name] = [
                value.item() if valid else None
                for value, valid in zip(block.pixels[:, 0, 0], block.valid[:, 0, 0], strict=True)
            ]
        return found

    @cached_property
    def peaks(self) -> tuple[Peak, ...]:
        """What PSNR is relative to, per band."""
        return peaks_between(self.sources.get("original", self.sources["codec"]), self.sources["codec"])


def _apart(after: NDArray[Any], before: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # what is no number is no data either
        return np.asarray(np.subtract(after, before, dtype=np.float64))
