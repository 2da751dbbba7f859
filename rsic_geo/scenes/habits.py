"""What people who know rasterio type: a dataset's attributes, of a scene of ours."""

from __future__ import annotations

from typing import Any, NoReturn

from affine import Affine

from rsic_geo.errors import UsageError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.raster.crs import crs_object


class Habits:
    """Attributes of rasterio's ``DatasetReader``, by the names and in the units it has them."""

    profile: SceneProfile
    snapshot: MetadataSnapshot

    @property
    def width(self) -> int:
        """Columns (px)."""
        return self.profile.width

    @property
    def height(self) -> int:
        """Rows (px)."""
        return self.profile.height

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (px)."""
        return self.profile.height, self.profile.width

    @property
    def count(self) -> int:
        """Bands."""
        return self.profile.count

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Sample type of every band, NumPy names."""
        return (self.profile.dtype,) * self.profile.count

    @property
    def crs(self) -> Any:  # noqa: ANN401 - a rasterio CRS, which only the room `raster` knows
        """Reference system as a rasterio CRS; None for a scene without."""
        return None if self.profile.crs_wkt is None else crs_object(self.profile.crs_wkt)

    @property
    def transform(self) -> Affine:
        """Pixel corner (column, row) to units of the reference system."""
        return self.profile.transform

    @property
    def res(self) -> tuple[float, float]:
        """Width and height of a pixel, in units of the reference system."""
        a, b, _, d, e, _ = tuple(self.profile.transform)[:6]
        return float((a * a + d * d) ** 0.5), float((b * b + e * e) ** 0.5)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top end in units of the reference system, of a rotated scene its box."""
        corners = [self.profile.transform * (x, y) for x in (0, self.width) for y in (0, self.height)]
        xs, ys = zip(*corners, strict=True)
        return float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))

    @property
    def nodatavals(self) -> tuple[float | int | None, ...]:
        """Nodata value of every band."""
        return self.profile.nodata

    @property
    def nodata(self) -> float | int | None:
        """Nodata value of the first band."""
        return self.profile.nodata[0]

    @property
    def descriptions(self) -> tuple[str | None, ...]:
        """Name of every band."""
        return tuple(self.snapshot.descriptions)

    @property
    def scales(self) -> tuple[float, ...]:
        """Scale of every band."""
        return tuple(self.snapshot.scales)

    @property
    def offsets(self) -> tuple[float, ...]:
        """Offset of every band."""
        return tuple(self.snapshot.offsets)

    def tags(self, ns: str = "") -> dict[str, str]:
        """Return the items of a metadata domain; of the default one without a name."""
        return dict(self.snapshot.tags.get(ns, {}))

    def __array__(self, *_: object, **__: object) -> NoReturn:
        """Refuse to be taken for pixels: numpy would make an array of one object."""
        raise UsageError("an open scene is no array: read() gives its pixels (bands, rows, columns)")
