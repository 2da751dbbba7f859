"""`rsic:compress`: any raster in, a standard archive out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterRasterLayer,
)

from ..engine import command
from ..engine.capabilities import Capabilities
from ..i18n import tr
from .base import Declarations, QgisMonitor, RsicAlgorithm
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


class Compress(RsicAlgorithm):
    """Archive a scene as a plain JPEG 2000 file that can be given back complete."""

    NAME = "compress"
    GROUP = ("compression", "Compression")
    SOURCES = ("INPUT",)
    TAGS = "archive,jpeg 2000,jp2,lossless,shrink,raster,convert,codec"

    def displayName(self) -> str:
        return tr("Compress scene")

    def shortDescription(self) -> str:
        return tr("Writes a scene as a smaller JPEG 2000 archive that every GIS opens.")

    def shortHelpString(self) -> str:
        return tr(
            "Writes a raster as an archive. With the codec jp2 that is a plain GeoJP2 file that every GIS "
            "opens, with one box more that holds what is needed to give the scene back complete (metadata, "
            "nodata, masks) and repaired. Archives of other codecs show every GIS a georeferenced preview; "
            "Decompress scene gives the scene back.\n\n"
            "lossless gives back every pixel. The other targets are about the final result and are checked "
            "by decoding what was written: psnr=40 is as small as 40 dB allow, never less than 40 "
            "dB in the worst band. PSNR is relative to 255 for bytes, else to the bits the file tells of or "
            "to the range a band uses; what that means in the units of the scene is told. A band that ends "
            "below 20 dB SNR is named in a warning; one that loses its structure is an error, unless that is "
            "accepted.\n\n"
            "JPEG 2000 holds samples of 8 or 16 bits; floating-point scenes need the advanced choice to "
            "accept the loss. Layers that are no files (WMS, layers in memory) are to be saved first. An "
            "extent is not possible for scenes placed by control points alone.\n\n"
            "Outputs: the archive as a layer, the compression ratio, PSNR and SNR of the worst band (dB, "
            "empty if lossless), largest error, bits per pixel and bytes."
        )

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
            ("PSNR", tr("PSNR (dB)")),
            ("SNR", tr("SNR of the worst band (dB)")),
            ("MAX_ERROR", tr("Largest error")),
            ("BPP", tr("Bits per pixel")),
            ("BYTES", tr("Bytes")),
        ):
            yield QgsProcessingOutputNumber(name, text)

    def problem(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        return super().problem(parameters, context) or target_problem(
            self, parameters, context, self.capabilities()
        )

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        monitor = QgisMonitor(feedback)
        session = self.open_engine(monitor, feedback)
        nodata = optional_number(self, parameters, "NODATA", context)
        compression = replace(read_compression(self, parameters, context), nodata=nodata)
        extensions = self.capabilities().extensions(compression.codec)
        output = self.output(parameters, context, tr("archive"), extensions=extensions)
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        job = command.Job(self.source("INPUT"), output, read_execution(self, parameters, context), report)
        words = command.compress(job, compression, read_part(self, parameters, context, self.extent))
        result = session.call(words, monitor, [output])
        values = {
            "OUTPUT": output,
            "RATIO": finite(result, "ratio"),
            "PSNR": finite(result, "psnr"),
            "SNR": finite(result, "snr"),
            "MAX_ERROR": finite(result, "max_abs_error"),
            "BPP": finite(result, "bpp"),
            "BYTES": finite(result, "bytes"),
        }
        feedback.pushInfo(_summary(values))
        meaning = (result.get("target") or {}).get("meaning")
        if meaning:
            feedback.pushInfo(str(meaning))
        return {**values, **({"REPORT": report} if report else {})}


def _summary(values: dict[str, Any]) -> str:
    ratio, psnr, size = values["RATIO"], values["PSNR"], values["BYTES"]
    quality = tr("lossless") if psnr is None else tr("PSNR {psnr:.2f} dB").format(psnr=psnr)
    return tr("{size:,.0f} bytes, {ratio:.2f} times smaller, {quality}").format(
        size=size or 0, ratio=ratio or 0, quality=quality
    )
