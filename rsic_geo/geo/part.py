"""A part of a scene: a window, some bands, a coarser level; and what the scene's metadata become for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from affine import Affine

from rsic_geo.geo.metadata import NODATA_VALUES, ControlPoint, MetadataSnapshot, Tags, usual_mask_flags
from rsic_geo.geo.metadata_json import PER_BAND_DEFAULTS
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window

Value = TypeVar("Value")

_PER_BAND = tuple(PER_BAND_DEFAULTS)
_GEOLOCATION = "GEOLOCATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which pixels of a scene are wanted."""

    window: Window
    """Pixels of the scene, inside it."""
    level: int = 0
    """How often the sides are halved; a pixel of the part covers 2**level x 2**level px of the scene."""
    bands: tuple[int, ...] | None = None
    """Bands, from 0, in the order wanted; None for all."""

    @property
    def factor(self) -> int:
        """Pixels of the scene along one side of a pixel of the part."""
        return 1 << self.level

    @property
    def height(self) -> int:
        """Rows of the part (px); the last one may reach below the window."""
        return -(-self.window.height // self.factor)

    @property
    def width(self) -> int:
        """Columns of the part (px); the last one may reach right of the window."""
        return -(-self.window.width // self.factor)

    def pick(self, values: Sequence[Value]) -> tuple[Value, ...]:
        """Return the wanted bands' entries of a sequence with one entry per band."""
        return tuple(values) if self.bands is None else tuple(values[band] for band in self.bands)

    def of_profile(self, profile: SceneProfile) -> SceneProfile:
        """Return the profile of the part of a scene with ``profile``."""
        colours = self.pick(profile.colorinterp)
        return replace(
            profile,
            height=self.height,
            width=self.width,
            count=len(colours),
            transform=Affine(*self._placed(tuple(profile.transform)[:6])),
            colorinterp=colours,
            nodata=self.pick(profile.nodata),
            bits=self.pick(profile.bits),
        )

    def of_snapshot(self, snapshot: MetadataSnapshot) -> MetadataSnapshot:
        """Return the metadata of the part of a scene with the metadata ``snapshot``.

        Transform, control points, RPCs and geolocation arrays follow the pixels, as `gdal_translate -srcwin`
        has them. Statistics and histograms are left out: they are of other pixels; so are overviews.
        """
        snapshot = snapshot.without_statistics()
        count = len(self.pick(snapshot.dtypes))
        of_bands: dict[str, Any] = {name: self.pick(getattr(snapshot, name)) for name in _PER_BAND}
        if self.bands is not None and not snapshot.has_explicit_mask and not snapshot.has_nodata_values:
            of_bands["mask_flags"] = usual_mask_flags(
                of_bands["colorinterp"], of_bands["nodata"], snapshot.dtypes[0]
            )
        for name in ("colormaps", "categories", "attribute_tables", "band_tags"):
            of_bands[name] = self._by_band(getattr(snapshot, name))
        return replace(
            snapshot,
            width=self.width,
            height=self.height,
            count=count,
            transform=None if snapshot.transform is None else self._placed(snapshot.transform),
            gcps=tuple(self._control_point(point) for point in snapshot.gcps),
            rpcs=None if snapshot.rpcs is None else self._rpcs(snapshot.rpcs),
            tags=self._tags(snapshot.tags),
            is_premultiplied=snapshot.is_premultiplied and "alpha" in of_bands["colorinterp"],
            is_min_white=snapshot.is_min_white and (self.bands is None or 0 in self.bands),
            overviews=(),
            **of_bands,
        )

    def _placed(self, transform: Sequence[float]) -> tuple[float, float, float, float, float, float]:
        """Return a scene's transform (a, b, c, d, e, f) from the part's pixel corners."""
        a, b, c, d, e, f = transform
        row, col, size = self.window.row_off, self.window.col_off, self.factor
        return a * size, b * size, a * col + b * row + c, d * size, e * size, d * col + e * row + f

    def _control_point(self, point: ControlPoint) -> ControlPoint:
        return replace(
            point,
            row=(point.row - self.window.row_off) / self.factor,
            col=(point.col - self.window.col_off) / self.factor,
        )

    def _rpcs(self, rpcs: Mapping[str, str]) -> dict[str, str]:
        """Return coefficients for the part; their pixel coordinates count from pixel centres."""
        out = dict(rpcs)
        for axis, offset in (("LINE", self.window.row_off), ("SAMP", self.window.col_off)):
            for name in (f"{axis}_OFF", f"{axis}_SCALE"):
                try:
                    value = float(out[name])
                except (KeyError, ValueError):  # not whole, or no numbers: nothing GDAL would use
                    continue
                if name.endswith("_OFF"):
                    value = (value - offset + 0.5) / self.factor - 0.5
                else:
                    value /= self.factor
                out[name] = repr(value)
        return out

    def _tags(self, tags: Tags) -> Tags:
        """Return the dataset's items; offsets and steps into geolocation arrays follow the window."""
        values = tags.get("", {}).get(NODATA_VALUES, "").split()
        if self.bands is not None and values and max(self.bands) < len(values):
            tags = {**tags, "": {**tags[""], NODATA_VALUES: " ".join(self.pick(values))}}
        items = tags.get(_GEOLOCATION)
        if not items:
            return tags
        moved = dict(items)
        for axis, offset in (("LINE", self.window.row_off), ("PIXEL", self.window.col_off)):
            step, start = f"{axis}_STEP", f"{axis}_OFFSET"
            if step in moved and start in moved:
                moved[start] = repr((float(moved[start]) - offset) / self.factor)
                moved[step] = repr(float(moved[step]) / self.factor)
        return {**tags, _GEOLOCATION: moved}

    def _by_band(self, entries: Mapping[int, Any]) -> dict[int, Any]:
        """Return what belongs to single bands (from 1) under the bands' new numbers."""
        if self.bands is None:
            return dict(entries)
        numbered = enumerate(self.bands, start=1)
        return {number: entries[band + 1] for number, band in numbered if band + 1 in entries}
