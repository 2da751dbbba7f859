"""What enhancement changes: kept within a bound, and written as a raster of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UsageError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.part import Part
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.validity import avoid_nodata
from rsic_geo.geo.window import Window
from rsic_geo.options import DecodeOptions
from rsic_geo.raster import SceneWriter
from rsic_geo.raster.files import check_apart
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.provenance import PROVENANCE_DOMAIN
from rsic_geo.scenes.source import part_mask

_TYPES = {"uint8": "int16", "uint16": "int32", "int16": "int32", "float32": "float32", "float64": "float64"}
"""Smallest usual type that holds every difference of two samples of a type."""

Rows = Iterator[tuple[Window, NDArray[Any]]]


class Changes:
    """Follows the pixels of an output on their way, beside the same pixels without enhancement.

    Used in a ``with`` statement. With neither a bound nor a file asked for, pixels pass untouched.
    """

    def __init__(
        self,
        plain: Archive,
        part: Part | None,
        options: DecodeOptions,
        profile: SceneProfile,
        snapshot: MetadataSnapshot,
    ) -> None:
        """Prepare the file, if one is asked for.

        Args:
            plain: the scene, read without enhancement.
            part: what of it is written; None for all.
            options: ``change`` and ``max_change``.
            profile: of the output.
            snapshot: of the output.

        Raises:
            UsageError: if the file would replace the scene.
            OutputExistsError: if it exists and overwriting was not asked for.
        """
        self._plain, self._bound = plain, options.max_change
        self._part = part or Part(window=Window.full(plain.profile.height, plain.profile.width))
        self._held = ExitStack()
        self._writer: SceneWriter | None = None
        if options.change is None:
            return
        if profile.dtype not in _TYPES:
            raise UsageError(f"changes of {profile.dtype} samples cannot be written")
        check_apart(plain.path, options.change)
        dtype = _TYPES[profile.dtype]
        self._lowest = float(np.finfo(dtype).min) if dtype[0] == "f" else int(np.iinfo(dtype).min)
        self._writer = self._held.enter_context(
            SceneWriter(
                options.change,
                replace(
                    profile,
                    dtype=dtype,
                    colorinterp=("gray",) + ("undefined",) * (profile.count - 1),
                    nodata=self._nodata(profile.nodata),
                ),
                self._described(snapshot, dtype),
                overwrite=options.overwrite,
            )
        )

    def __enter__(self) -> Changes:
        """Return the object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the file unless it was committed."""
        self._held.close()

    def through(self, windows: Iterable[tuple[Window, NDArray[Any]]]) -> Rows:
        """Yield windows of the output and their pixels (bands, h, w), kept within the bound."""
        for window, pixels in windows:
            yield window, pixels if self._is_idle else self._follow(window, pixels)

    def commit(self, output: SceneWriter) -> None:
        """Give the output and the file of changes their names: both, once both are complete, or neither.

        Raises:
            MetadataLossError, SceneError, OutputExistsError: as :meth:`SceneWriter.commit` of either.
        """
        output.prepare()
        if self._writer is not None:
            self._writer.prepare()
        output.commit()
        if self._writer is not None:
            try:
                self._writer.commit()
            except BaseException:
                output.withdraw()
                raise

    @property
    def _is_idle(self) -> bool:
        return self._writer is None and self._bound is None

    def _follow(self, window: Window, pixels: NDArray[Any]) -> NDArray[Any]:
        part = self._part
        area = window.shifted(part.window.row_off, part.window.col_off)
        before = self._plain.read(area, bands=part.bands)
        valid = self._plain.read_valid(area)
        if part.bands is not None:
            valid = valid[list(part.bands)]
        nodata = list(part.pick(self._plain.profile.nodata))
        if self._bound is not None:
            pixels = _bounded_beside_nodata(before, pixels, self._bound, valid, nodata)
        if self._writer is not None:
            dtype = np.dtype(self._writer.profile.dtype)
            change = np.where(valid, pixels.astype(dtype) - before.astype(dtype), dtype.type(0))
            for band, value in enumerate(nodata):
                if value is not None:
                    change[band][~valid[band]] = self._lowest
            self._writer.write(window, change.astype(dtype))
            mask = part_mask(self._plain, part, window)
            if mask is not None:
                self._writer.write_mask(window, mask)
        return pixels

    def _nodata(self, of_scene: tuple[float | int | None, ...]) -> tuple[float | int | None, ...]:
        # A GeoTIFF has one nodata value for all bands.
        has_any = any(value is not None for value in of_scene)
        return (self._lowest if has_any else None,) * len(of_scene)

    def _described(self, snapshot: MetadataSnapshot, dtype: str) -> MetadataSnapshot:
        """Return what the raster of changes says: the place of the output, and that it holds changes."""
        nodata = self._nodata(snapshot.nodata)
        if snapshot.has_explicit_mask:
            flags: tuple[str, ...] = ("per_dataset",)
        else:
            flags = ("all_valid",) if nodata[0] is None else ("nodata",)
        names = [name or f"band {number}" for number, name in enumerate(snapshot.descriptions, start=1)]
        return replace(
            snapshot.without_statistics(),
            dtypes=(dtype,) * snapshot.count,
            nodata=nodata,
            mask_flags=(flags,) * snapshot.count,
            colorinterp=("gray",) + ("undefined",) * (snapshot.count - 1),
            bits=(None,) * snapshot.count,
            is_premultiplied=False,
            is_min_white=False,
            overviews=(),
            colormaps={},
            categories={},
            attribute_tables={},
            descriptions=tuple(f"change of {name}" for name in names),
            offsets=(0.0,) * snapshot.count,
            tags={PROVENANCE_DOMAIN: {**snapshot.tags.get(PROVENANCE_DOMAIN, {}), "RSIC_CHANGE": "YES"}},
            band_tags={},
        )


def _bounded(before: NDArray[Any], pixels: NDArray[Any], bound: float) -> NDArray[Any]:
    """Return pixels moved to within ``bound`` of ``before``; integers stay within it when rounded."""
    if pixels.dtype.kind != "f":
        step = int(bound)
        low, high = before.astype(np.int64) - step, before.astype(np.int64) + step
        return np.clip(pixels.astype(np.int64), low, high).astype(pixels.dtype)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.clip(pixels, before - bound, before + bound), pixels.dtype)


def _bounded_beside_nodata(
    before: NDArray[Any],
    pixels: NDArray[Any],
    bound: float,
    valid: NDArray[np.bool_],
    nodata: list[float | int | None],
) -> NDArray[Any]:
    """Return pixels within ``bound`` of ``before``, none of the valid ones at its band's nodata value."""
    moved = avoid_nodata(_bounded(before, pixels, bound), valid, nodata)
    # a step off nodata may lead out of the bound: there, pixels stay as they were
    return np.where(_bounded(before, moved, bound) == moved, moved, before)


def describe_changes(options: DecodeOptions) -> dict[str, Any]:
    """Return the report's entries about changes; nothing where none were asked for."""
    asked = {"max_change": options.max_change, "change": options.change}
    return {name: value for name, value in asked.items() if value is not None}
