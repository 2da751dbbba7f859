"""`rsic:decompress`: an archive in, the scene back."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)

from ..compat import NUMBER_INTEGER
from ..engine import command
from ..engine.capabilities import Capabilities
from ..engine.command import AUTO
from ..i18n import tr
from .base import Declarations, RsicAlgorithm
from .parameters import (
    TIFF,
    RasterDestination,
    advanced,
    choice,
    device_parameter,
    execution_parameters,
    explained,
    part_parameters,
    product_parameters,
    read_execution,
    read_part,
    read_product,
    report_file,
    speed_parameter,
    word,
)


class Decompress(RsicAlgorithm):
    """Give an archived scene back, with all of its metadata and repaired pixels."""

    NAME = "decompress"
    GROUP = ("compression", "Compression")
    SOURCES = ("INPUT",)
    TAGS = "archive,jpeg 2000,jp2,restore,extract,decode,raster,geotiff,cog"

    def displayName(self) -> str:
        return tr("Decompress scene")

    def shortDescription(self) -> str:
        return tr("Gives an archived scene back as GeoTIFF, complete and repaired.")

    def shortHelpString(self) -> str:
        return tr(
            "Gives back the scene of an archive as GeoTIFF or COG: pixels, nodata, masks, georeferencing and "
            "every piece of metadata it had.\n\n"
            "auto repairs what the codec broke as the archive says, with the network it names; off gives the "
            "pixels the codec kept, as other programs show them. A lossless archive comes back exactly "
            "either way. A JPEG 2000 file of another program is decoded too, as it is; Enhance lossy "
            "raster repairs it.\n\n"
            "Bands, an extent or a smaller level give that part of the whole; only what is needed for it is "
            "decoded. An extent is not possible for scenes placed by control points alone.\n\n"
            "Outputs: the scene as a layer, and whether it was enhanced. Enhanced pixels are for looking at; "
            "keep lossless archives for measuring."
        )

    def declare(self, known: Capabilities) -> Declarations:
        yield QgsProcessingParameterRasterLayer("INPUT", tr("Archive"))
        yield explained(
            choice("ENHANCE", tr("Repair"), (AUTO, "off", *known.models), AUTO),
            tr("auto: as the archive says. off: not at all. Or with the network named."),
        )
        yield explained(
            QgsProcessingParameterNumber(
                "LEVEL", tr("Halvings of the size"), NUMBER_INTEGER, defaultValue=0, minValue=0, maxValue=12
            ),
            tr(
                "0 is full size, 1 half as wide and high, 2 a quarter. From 1 on the codec's own levels are "
                "read, which is fast, and nothing is repaired."
            ),
        )
        yield from part_parameters()
        other = QgsProcessingParameterBoolean(
            "ALLOW_OTHER_MODEL", tr("Accept another version of the network"), defaultValue=False
        )
        yield from (
            *product_parameters(known),
            advanced(other, tr("The quality the archive promises is then not certain.")),
            device_parameter(known),
            speed_parameter(),
            *execution_parameters(),
        )
        yield RasterDestination("OUTPUT", tr("Scene"), TIFF)
        yield report_file()
        yield QgsProcessingOutputBoolean("ENHANCED", tr("Pixels were repaired"))

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        source = self.source("INPUT")
        output = self.output(parameters, context, tr("decompressed"))
        monitor = self.monitor(feedback)
        session = self.open_engine(monitor, feedback)
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        job = command.Job(source, output, read_execution(self, parameters, context), report)
        words = command.decompress(
            job,
            read_product(self, parameters, context),
            word(self, parameters, "ENHANCE", context),
            read_part(self, parameters, context, self.extent),
        )
        if self.parameterAsBool(parameters, "ALLOW_OTHER_MODEL", context):
            words.append("--allow-other-model")
        result = session.call(words, monitor, [output])
        enhanced = bool(result.get("enhanced"))
        feedback.pushInfo(
            tr("Pixels were repaired.") if enhanced else tr("Pixels are as the codec kept them.")
        )
        return {"OUTPUT": output, "ENHANCED": enhanced, **({"REPORT": report} if report else {})}
