"""Scenes kept as components of their bands: how they are read here, and, by a VRT, everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from numpy.typing import NDArray

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.window import Window
from rsic_geo.repair.plan import PixelSource
from rsic_geo.scenes.predicted import Prediction
from rsic_geo.scenes.rotated import Rotation

Pixels = NDArray[Any]
Spectral = Rotation | Prediction
"""How bands become components of 16 bits: nearly, where the archive is lossy, or exactly."""
SPECTRAL_NAMES = {Rotation: "rotated", Prediction: "predicted", type(None): "as-is"}
"""What reports call them."""


class Unrotated:
    """Components read as the bands they are made of."""

    def __init__(self, source: PixelSource, spectral: Spectral) -> None:
        """Hold what components are read from."""
        self._source, self._spectral = source, spectral

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> Pixels:
        """Return bands (bands, h, w) of a window; all components are needed for any."""
        pixels = self._spectral.inverse(self._source.read(window))
        return pixels if bands is None else pixels[list(bands)]


def spectral_of(extras: Mapping[str, Any], count: int) -> Spectral | None:
    """Return what an archive's side information tells of its components; None where it holds bands.

    Raises:
        ContainerError: what it tells is none of these.
    """
    rotation = Rotation.from_json(extras.get("rotation"), count)
    return rotation or Prediction.from_json(extras.get("prediction"), count)


def spectral_entry(spectral: Spectral | None) -> dict[str, Any]:
    """Return what :func:`spectral_of` reads."""
    if spectral is None:
        return {}
    return {"rotation" if isinstance(spectral, Rotation) else "prediction": spectral.to_json()}


def vrt_of(name: str, shown: MetadataSnapshot, spectral: Spectral, *, has_mask: bool) -> str:
    """Return a VRT that shows GDAL the bands of an archive that holds components.

    Args:
        name: of the archive, in the same folder.
        shown: metadata of the bands, of steps with the scale that makes values of them.
        spectral: how its bands became components.
        has_mask: whether a mask lies beside the archive.
    """
    kind = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16"}[spectral.dtype]
    source = f'<SourceFilename relativeToVRT="1">{escape(name)}</SourceFilename>'
    lines = [f'<VRTDataset rasterXSize="{shown.width}" rasterYSize="{shown.height}">']
    if shown.crs:
        axes = ",".join(map(str, shown.crs_axes or ()))
        mapping = f" dataAxisToSRSAxisMapping={quoteattr(axes)}" if axes else ""
        lines.append(f"<SRS{mapping}>{escape(shown.crs)}</SRS>")
    if shown.transform:
        a, b, c, d, e, f = tuple(shown.transform)[:6]
        lines.append(f"<GeoTransform>{c!r},{a!r},{b!r},{f!r},{d!r},{e!r}</GeoTransform>")
    for band in range(spectral.count):
        head = f'dataType="{kind}" band="{band + 1}" subClass="VRTDerivedRasterBand"'
        lines.append(f"<VRTRasterBand {head}>")
        if description := shown.descriptions[band]:
            lines.append(f"<Description>{escape(description)}</Description>")
        if not has_mask and (nodata := shown.nodata[band]) is not None:
            lines.append(f"<NoDataValue>{nodata!r}</NoDataValue>")
        if unit := shown.units[band]:
            lines.append(f"<UnitType>{escape(unit)}</UnitType>")
        if (shown.scales[band], shown.offsets[band]) != (1, 0):
            lines.append(f"<Offset>{shown.offsets[band]!r}</Offset><Scale>{shown.scales[band]!r}</Scale>")
        lines.append(f"<ColorInterp>{shown.colorinterp[band].capitalize()}</ColorInterp>")
        lines.append("<PixelFunctionType>sum</PixelFunctionType>")
        lines.append("<SourceTransferType>Float64</SourceTransferType>")
        constant, terms = spectral.terms(band)
        if len(terms) == 1:  # GDAL 3.6 sums two sources or more
            terms += [(terms[0][0], 0.0)]
        for place, (component, ratio) in enumerate(terms):
            offset = constant if place == 0 else 0.0
            lines.append(
                f"<ComplexSource>{source}<SourceBand>{component + 1}</SourceBand>"
                f"<ScaleOffset>{offset!r}</ScaleOffset><ScaleRatio>{ratio!r}</ScaleRatio></ComplexSource>"
            )
        lines.append("</VRTRasterBand>")
    if has_mask:
        lines.append(
            f'<MaskBand><VRTRasterBand dataType="Byte"><SimpleSource>{source}<SourceBand>mask,1</SourceBand>'
            "</SimpleSource></VRTRasterBand></MaskBand>"
        )
    return "\n".join([*lines, "</VRTDataset>", ""])
