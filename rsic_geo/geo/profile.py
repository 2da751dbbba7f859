"""What a scene is, without its pixels: size, sample type, bands and place on earth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from affine import Affine

from rsic_geo.errors import UsageError
from rsic_geo.geo.window import Window


def sample_range(dtype: str, bits: int | None = None) -> tuple[int, int]:
    """Return the least and greatest sample of an integer type, of so many bits if they are told."""
    kind = np.dtype(dtype)
    used = bits or 8 * kind.itemsize
    return (0, (1 << used) - 1) if kind.kind == "u" else (-1 << (used - 1), (1 << (used - 1)) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneProfile:
    """The part of a scene's description that pixel processing needs.

    Everything else that must survive a round trip lives in
    :class:`rsic_geo.geo.metadata.MetadataSnapshot`.
    """

    height: int
    """Rows (px), at least 1."""
    width: int
    """Columns (px), at least 1."""
    count: int
    """Bands, at least 1."""
    dtype: str
    """NumPy name of the sample type, the same for all bands."""
    crs_wkt: str | None = None
    """Coordinate reference system of the transform (or else of the GCPs) as WKT; None if unknown."""
    transform: Affine = field(default_factory=Affine.identity)
    """Pixel corner (column, row) to CRS units; identity when the scene has no geotransform."""
    colorinterp: tuple[str, ...] = ()
    """Colour interpretation per band, rasterio's names ("red", "gray", "alpha", "palette", ...)."""
    nodata: tuple[float | int | None, ...] = ()
    """Sentinel value per band; None where a band has none."""
    has_mask: bool = False
    """True if the file holds an explicit dataset mask (internal or .msk), besides nodata and alpha."""
    has_band_masks: bool = False
    """True if bands hold explicit masks of their own (GDAL knows these from VRT files only)."""
    has_gcps: bool = False
    """True if the scene is placed by ground control points instead of a transform."""
    bits: tuple[int | None, ...] = ()
    """Bits a sample uses where the file tells of fewer than its type has (GDAL's NBITS), per band."""

    def __post_init__(self) -> None:
        """Check sizes and fill per-band defaults."""
        if min(self.height, self.width, self.count) < 1:
            raise UsageError(
                f"a scene has at least 1 pixel and 1 band, not {self.count} x {self.height} x {self.width}"
            )
        if not self.colorinterp:
            object.__setattr__(self, "colorinterp", ("undefined",) * self.count)
        if not self.nodata:
            object.__setattr__(self, "nodata", (None,) * self.count)
        if not self.bits:
            object.__setattr__(self, "bits", (None,) * self.count)
        if {len(self.colorinterp), len(self.nodata), len(self.bits)} != {self.count}:
            raise UsageError(f"per-band values do not match the {self.count} bands of the scene")

    def check_window(self, window: Window, bands: Sequence[int] | None = None) -> None:
        """Raise UsageError unless a window lies in the scene, and the bands (from 0) are there."""
        if not isinstance(window, Window):
            raise UsageError(f"window is a rsic_geo.Window, not {window!r}")
        if window.row_off + window.height > self.height or window.col_off + window.width > self.width:
            raise UsageError(f"the window reaches outside the scene of {self.width} x {self.height} px")
        if bands is not None and not all(0 <= band < self.count for band in bands):
            raise UsageError(f"bands {list(bands)} are not all in 0..{self.count - 1}")

    @property
    def alpha_band(self) -> int | None:
        """Index (from 0) of the first alpha band, or None."""
        return self.colorinterp.index("alpha") if "alpha" in self.colorinterp else None

    @property
    def has_alpha(self) -> bool:
        """True if one of the bands is an alpha band."""
        return self.alpha_band is not None

    @property
    def has_nodata(self) -> bool:
        """True if at least one band declares a nodata value."""
        return any(value is not None for value in self.nodata)

    @property
    def sample_bits(self) -> int | None:
        """Bits that hold every sample of the scene, where fewer than its type has; else None.

        Never as few as a smaller type has: other programs take the type from the bits.
        """
        size = np.dtype(self.dtype).itemsize
        told = [bits for bits in self.bits if bits is not None]
        if len(told) < self.count or np.dtype(self.dtype).kind not in "iu":
            return None
        bits = max(*told, 4 * size + 1) if size > 1 else max(told)
        return bits if bits < 8 * size else None

    @property
    def raw_bytes(self) -> int:
        """Size of the uncompressed pixels in bytes."""
        return self.height * self.width * self.count * np.dtype(self.dtype).itemsize
