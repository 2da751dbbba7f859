"""`rsic:compress`: any raster in, a standard archive out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterRasterLayer,
)
from qgis.PyQt.QtWidgets import QWidget

from ..engine import command
from ..engine.capabilities import Capabilities
from ..engine.wording import plain
from ..i18n import tr
from .base import Declarations, RsicAlgorithm
from .parameters import (
    RasterDestination,
    advanced,
    device_parameter,
    execution_parameters,
    finite,
    number,
    optional_number,
    part_parameters,
    read_compression,
    read_execution,
    read_part,
    report_file,
    target_parameters,
    target_problem,
)

_SHOWN = (".jp2", ".j2k", ".cog.tif")
"""Archives whose layer is the scene itself; that of others is a preview."""
_MOST_BANDS = 16
"""Bands whose quality is told one by one."""


class Compress(RsicAlgorithm):
    """Archive a scene as a plain JPEG 2000 file or COG that can be given back complete."""

    NAME = "compress"
    GROUP = ("compression", "Compression")
    SOURCES = ("INPUT",)
    TAGS = "archive,jpeg 2000,jp2,lossless,shrink,raster,convert,codec"

    def displayName(self) -> str:
        return tr("Compress scene")

    def shortDescription(self) -> str:
        return tr("Writes a scene as a smaller archive, JPEG 2000 or COG, that every GIS opens.")

    def shortHelpString(self) -> str:
        return tr(
            "Writes a raster as an archive. With the codec jp2 that is a plain GeoJP2 file, with cog a Cloud "
            "Optimized GeoTIFF, which every GIS opens, with one part more that holds what is needed to give "
            "the scene back complete (metadata, nodata, masks) and repaired. Archives of other codecs show "
            "every GIS a georeferenced preview; Decompress scene gives the scene back.\n\n"
            "lossless gives back every pixel. The other targets are about the final result and are checked "
            "by decoding what was written: psnr=40 is as small as 40 dB allow, never less than 40 "
            "dB in the worst band. PSNR is relative to 255 for bytes, else to the bits the file tells of or "
            "to the range a band uses; what that means in the units of the scene is told. A band that ends "
            "below 20 dB SNR is named in a warning; one that loses its structure is an error, unless that is "
            "accepted.\n\n"
            "JPEG 2000 holds samples of 8 or 16 bits, and numbers with decimals within a largest error; the "
            "codec cog holds samples of every type, without loss or within a largest error. auto goes by the "
            "name of the archive: .jp2 or .cog.tif. Layers that are no files (WMS, layers in memory) are to "
            "be saved first. An extent is not possible for scenes placed by control points alone.\n\n"
            "Outputs: the archive as a layer; PSNR of that layer, which shows the codec's pixels, and PSNR, "
            "SNR (both of the worst band) and largest error of the scene that Decompress scene gives "
            "back, repaired where the archive names a network; these are empty where every pixel comes back. "
            "The compression ratio, bits per pixel of all bands, bytes of the archive and of the files "
            "beside it that tell other programs of nodata, scale and the like."
        )

    def createCustomParametersWidget(self, parent: QWidget | None) -> QWidget:
        from ..compress_dialog import CompressDialog

        return CompressDialog(self, parent)

    def declare(self, known: Capabilities) -> Declarations:
        yield QgsProcessingParameterRasterLayer("INPUT", tr("Scene"))
        yield from target_parameters(known)[:4]
        yield from part_parameters()
        nodata = number("NODATA", tr("Nodata value"), -1e38, 1e38)
        yield advanced(nodata, tr("Of all bands, instead of the scene's own. Empty: as the scene says."))
        yield from (*target_parameters(known)[4:], device_parameter(known), *execution_parameters())
        extensions = [extension.lstrip(".") for extension in known.extensions()]
        yield RasterDestination("OUTPUT", tr("Archive"), extensions)
        yield report_file()
        for name, text in (
            ("RATIO", tr("Compression ratio")),
            ("PSNR_LAYER", tr("PSNR of the layer as it is shown (dB)")),
            ("PSNR", tr("PSNR of the scene given back (dB)")),
            ("SNR", tr("SNR of the scene given back, worst band (dB)")),
            ("MAX_ERROR", tr("Largest error of the scene given back")),
            ("BPP", tr("Bits per pixel")),
            ("BYTES", tr("Bytes")),
            ("SIDECAR_BYTES", tr("Bytes of files beside the archive")),
        ):
            yield QgsProcessingOutputNumber(name, text)

    def problem(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        return super().problem(parameters, context) or target_problem(
            self, parameters, context, self.capabilities()
        )

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        self._is_small = layer is None or layer.dataProvider().dataTypeSize(1) <= 2
        return super().prepareAlgorithm(parameters, context, feedback)

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        monitor = self.monitor(feedback)
        session = self.open_engine(monitor, feedback)
        nodata = optional_number(self, parameters, "NODATA", context)
        compression = replace(read_compression(self, parameters, context), nodata=nodata)
        extensions = self.capabilities().extensions(compression.codec)
        if not self._is_small:  # a temporary file gets the first
            extensions = tuple(sorted(extensions, key=".cog.tif".__ne__))
        output = self.output(parameters, context, tr("archive"), extensions=extensions)
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        job = command.Job(self.source("INPUT"), output, read_execution(self, parameters, context), report)
        words = command.compress(job, compression, read_part(self, parameters, context, self.extent))
        result = session.call(words, monitor, [output])
        is_shown = output.lower().endswith(_SHOWN)
        values = {
            "OUTPUT": output,
            "RATIO": finite(result, "ratio"),
            "PSNR_LAYER": finite(result, "psnr_shown") if is_shown else None,
            "PSNR": finite(result, "psnr"),
            "SNR": finite(result, "snr"),
            "MAX_ERROR": finite(result, "max_abs_error"),
            "BPP": finite(result, "bpp"),
            "BYTES": finite(result, "bytes"),
            "SIDECAR_BYTES": finite(result, "sidecar_bytes"),
        }
        for line in _summary(values, result, is_shown):
            feedback.pushInfo(plain(line, self.labels()))
        return {**values, **({"REPORT": report} if report else {})}


def _summary(values: dict[str, Any], result: dict[str, Any], is_shown: bool) -> Iterator[str]:
    """Yield what a user wants to know of an archive, a line each."""
    yield tr("{size:,.0f} bytes, {ratio:.2f} times smaller").format(
        size=values["BYTES"] or 0, ratio=values["RATIO"] or 0
    )
    if values["SIDECAR_BYTES"]:
        yield tr("Files beside it, which belong to it: {size:,.0f} bytes").format(
            size=values["SIDECAR_BYTES"]
        )
    yield from _quality(values, result, is_shown)
    meaning = (result.get("target") or {}).get("meaning")
    if meaning:
        yield str(meaning)
    bands = result.get("quality") or []
    if 1 < len(bands) <= _MOST_BANDS:
        yield tr("SNR of the bands (dB): {bands}").format(bands=", ".join(map(_band, bands)))
    missed = result.get("others_miss") or []
    if missed:
        yield tr("Other programs do not see: {what}").format(what="; ".join(map(str, missed)))


def _quality(values: dict[str, Any], result: dict[str, Any], is_shown: bool) -> Iterator[str]:
    layer, scene = values["PSNR_LAYER"], values["PSNR"]
    if scene is None:
        if result.get("lossless"):
            yield tr("Lossless: every pixel comes back.")
        elif result.get("max_abs_error") == 0:
            yield tr("Every sample of the scene comes back as it was.")
        else:
            yield tr("How good the pixels are was not measured.")
    elif result.get("model"):
        if layer is not None:
            yield tr("PSNR of the layer, which shows the codec's pixels: {psnr:.2f} dB").format(psnr=layer)
        yield tr("PSNR of the repaired scene, which Decompress scene gives back: {psnr:.2f} dB").format(
            psnr=scene
        )
    elif layer is not None:
        yield tr("PSNR of the layer and of the scene that Decompress scene gives back: {psnr:.2f} dB").format(
            psnr=scene
        )
    else:
        yield tr("PSNR of the scene that Decompress scene gives back: {psnr:.2f} dB").format(psnr=scene)
    if not is_shown:
        yield tr("The layer is a preview: only Decompress scene gives the scene itself.")


def _band(entry: dict[str, Any]) -> str:
    snr = entry.get("snr")
    text = f"{snr:.1f}" if isinstance(snr, (int, float)) else "-"
    return f"{entry.get('name')} {text}"
