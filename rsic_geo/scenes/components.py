"""Scenes kept as components of their bands, or as steps: how they are read here, and, by a VRT, elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.window import Window
from rsic_geo.raster import looked_up_vrt_xml, summed_vrt_xml
from rsic_geo.repair.plan import PixelSource
from rsic_geo.scenes.predicted import Prediction
from rsic_geo.scenes.quantised import Affinity, Steps
from rsic_geo.scenes.relative import RelativeSteps
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
    if (record := extras.get("rotation")) is not None:
        return Rotation.from_json(record, count)
    if (record := extras.get("prediction")) is not None:
        return Prediction.from_json(record, count)
    return None


def steps_of(extras: Mapping[str, Any]) -> Steps | None:
    """Return the steps an archive's side information tells of; None where it holds samples.

    Raises:
        ContainerError: what it tells is none.
    """
    record = extras.get("affine")
    if record is None:
        return None
    kind = RelativeSteps if isinstance(record, Mapping) and "bounds" in record else Affinity
    return kind.from_json(record)


def spectral_entry(spectral: Spectral | None) -> dict[str, Any]:
    """Return what :func:`spectral_of` reads."""
    if spectral is None:
        return {}
    return {"rotation" if isinstance(spectral, Rotation) else "prediction": spectral.to_json()}


def vrt_made_by(spectral: Spectral | None, steps: Steps | None) -> Spectral | RelativeSteps | None:
    """Return what the VRT beside an archive undoes; None where scales tell others enough."""
    return spectral or (steps if isinstance(steps, RelativeSteps) else None)


def vrt_of(
    name: str, shown: MetadataSnapshot, spectral: Spectral | RelativeSteps, *, has_mask: bool
) -> bytes:
    """Return a VRT that shows GDAL the bands of an archive that holds components, or steps that grow.

    Args:
        name: of the archive, in the same folder.
        shown: metadata of the bands, of equal steps with the scale that makes values of them.
        spectral: how its bands became components, or steps.
        has_mask: whether a mask lies beside the archive.
    """
    if isinstance(spectral, RelativeSteps):
        tables = [[str(value) for value in values.astype(spectral.dtype)] for values, _ in spectral.tables()]
        return looked_up_vrt_xml(shown, name, tables, has_mask=has_mask)
    bands = replace(shown, dtypes=(spectral.dtype,) * spectral.count)
    sums = [spectral.terms(band) for band in range(spectral.count)]
    return summed_vrt_xml(bands, name, sums, has_mask=has_mask)
