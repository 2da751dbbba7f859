"""`rsic:compress`: any raster in, a standard archive out."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBand,
    QgsProcessingParameterExtent,
    QgsProcessingParameterRasterLayer,
)

from ..engine import command
from ..engine.capabilities import Capabilities
from ..engine.errors import EngineError
from ..i18n import tr
from .base import Declarations, QgisMonitor, RsicAlgorithm
from .parameters import (
    RasterDestination,
    device_parameter,
    execution_parameters,
    explained,
    finite,
    read_compression,
    read_execution,
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
            "Writes a raster as an archive: a plain GeoJP2 file that every GIS opens, with one box more that "
            "holds what is needed to give the scene back complete (metadata, nodata, masks) and "
            "repaired.\n\n"
            "lossless gives back every pixel. The other targets are about the final result and are checked "
            "by decoding what was written: psnr=40 is as small as 40 dB allow, never less than 40 "
            "dB.\n\n"
            "JPEG 2000 holds samples of 8 or 16 bits; floating-point scenes need the advanced choice to "
            "accept the loss. Layers that are no files (WMS, layers in memory) are to be saved first. An "
            "extent is not possible for rotated scenes.\n\n"
            "Outputs: the archive as a layer, the compression ratio, PSNR (dB, empty if lossless), largest "
            "error, bits per pixel and bytes."
        )

    def declare(self, known: Capabilities) -> Declarations:
        yield QgsProcessingParameterRasterLayer("INPUT", tr("Scene"))
        yield from target_parameters(known)[:3]
        yield explained(
            QgsProcessingParameterBand(
                "BANDS", tr("Bands"), parentLayerParameterName="INPUT", optional=True, allowMultiple=True
            ),
            tr("None chosen means all."),
        )
        yield QgsProcessingParameterExtent("EXTENT", tr("Extent"), optional=True)
        yield from (*target_parameters(known)[3:], device_parameter(known), *execution_parameters())
        extensions = known.archive_extensions or (known.archive_extension,)
        yield RasterDestination("OUTPUT", tr("Archive"), [extension.lstrip(".") for extension in extensions])
        yield report_file()
        for name, text in (
            ("RATIO", tr("Compression ratio")),
            ("PSNR", tr("PSNR (dB)")),
            ("MAX_ERROR", tr("Largest error")),
            ("BPP", tr("Bits per pixel")),
            ("BYTES", tr("Bytes")),
        ):
            yield QgsProcessingOutputNumber(name, text)

    def problem(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        return super().problem(parameters, context) or target_problem(self, parameters, context)

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self._extent = None
        if parameters.get("EXTENT"):
            layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
            crs = layer.crs() if layer is not None else QgsCoordinateReferenceSystem()
            extent = self.parameterAsExtent(parameters, "EXTENT", context, crs)
            self._extent = None if extent.isNull() else extent
        return super().prepareAlgorithm(parameters, context, feedback)

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        from .subset import cut

        source = self.source("INPUT")
        output = self.output(parameters, context, source, tr("archive"))
        monitor = QgisMonitor(feedback)
        session = self.open_engine(monitor, feedback)
        extensions = self.capabilities().archive_extensions
        if extensions and not output.lower().endswith(extensions):
            raise EngineError(
                tr("The name of an archive ends in {extension}.").format(extension=extensions[0])
            )
        bands = self.parameterAsInts(parameters, "BANDS", context) if parameters.get("BANDS") else []
        if bands or self._extent is not None:
            source = cut(source, bands, self._extent, context, feedback)
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        job = command.Job(source, output, read_execution(self, parameters, context), report)
        words = command.compress(job, read_compression(self, parameters, context))
        result = session.call(words, monitor, output=output)
        values = {
            "OUTPUT": output,
            "RATIO": finite(result, "ratio"),
            "PSNR": finite(result, "psnr"),
            "MAX_ERROR": finite(result, "max_abs_error"),
            "BPP": finite(result, "bpp"),
            "BYTES": finite(result, "bytes"),
        }
        feedback.pushInfo(_summary(values))
        return {**values, **({"REPORT": report} if report else {})}


def _summary(values: dict[str, Any]) -> str:
    ratio, psnr, size = values["RATIO"], values["PSNR"], values["BYTES"]
    quality = tr("lossless") if psnr is None else tr("PSNR {psnr:.2f} dB").format(psnr=psnr)
    return tr("{size:,.0f} bytes, {ratio:.2f} times smaller, {quality}").format(
        size=size or 0, ratio=ratio or 0, quality=quality
    )
