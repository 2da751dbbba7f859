"""`rsic:enhance`: any lossy raster in, a repaired one out."""

from __future__ import annotations

import os
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputString,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterLayer,
)

from ..engine import command
from ..engine.capabilities import Capabilities
from ..engine.command import AUTO
from ..i18n import tr
from ..settings import read_settings
from .base import Declarations, RsicAlgorithm
from .parameters import (
    TIFF,
    RasterDestination,
    advanced,
    choice,
    device_parameter,
    execution_parameters,
    explained,
    number,
    optional_number,
    part_parameters,
    product_parameters,
    read_execution,
    read_part,
    read_product,
    report_file,
    speed_parameter,
    word,
)


class Enhance(RsicAlgorithm):
    """Repair what a lossy codec broke, without the original."""

    NAME = "enhance"
    GROUP = ("enhancement", "Enhancement")
    SOURCES = ("INPUT",)
    TAGS = "repair,restore,artifacts,deblock,denoise,neural network,deep learning,jpeg,webp,jpeg 2000,quality"

    def displayName(self) -> str:
        return tr("Enhance lossy raster")

    def shortDescription(self) -> str:
        return tr("Repairs what JPEG, JPEG 2000, WebP or another lossy codec broke.")

    def shortHelpString(self) -> str:
        return tr(
            "Repairs a raster that went through a lossy codec (JPEG 2000, JPEG, WebP, JPEG XL, LERC) with a "
            "neural network. The raster is to be the lossy file itself: a copy that was stored losslessly no "
            "longer tells how much was lost.\n\n"
            "Without the original nobody can prove that the result is better: the strength is estimated, "
            "with caution, and the output says what was done to it. Enhanced pixels are for looking at; keep "
            "the input for measuring.\n\n"
            "The raster is enhanced in windows that leave no seam and need little memory. Bands or an extent "
            "give that part of what the whole raster would become. An archive of this plugin is "
            "decompressed, with the network and the strengths it holds.\n\n"
            "Outputs: the raster as a layer, if wanted a layer with what was added to each sample, and the "
            "name of the network."
        )

    def declare(self, known: Capabilities) -> Declarations:
        yield QgsProcessingParameterRasterLayer("INPUT", tr("Lossy raster"))
        yield explained(
            choice("MODEL", tr("Network"), (AUTO, *known.models), read_settings().model),
            tr(
                "auto takes the best of the engine's networks for the raster. rsic-linear is none and needs "
                "an original: it is for compressing."
            ),
        )
        yield from part_parameters()
        yield explained(
            number("STRENGTH", tr("Strength"), 0, 1.5),
            tr("Share of the correction to apply, 0 to 1.5; empty to let the engine estimate it."),
        )
        yield explained(
            number("MAX_CHANGE", tr("Largest change (digital numbers)"), 0, 65535),
            tr("No sample is changed by more. Empty for no bound."),
        )
        weights = QgsProcessingParameterFile(
            "MODEL_FILE", tr("File of weights"), extension="safetensors", optional=True
        )
        window = number("WINDOW_SIZE", tr("Window (pixels)"), 64, 8192, is_integer=True)
        yield from (
            advanced(
                weights,
                tr("A network of your own, as rsic_geo.training writes it; instead of the one above."),
            ),
            *product_parameters(known),
            device_parameter(known),
            speed_parameter(),
            advanced(window, tr("A multiple of 64; empty for the engine's default.")),
            *execution_parameters(),
        )
        yield RasterDestination("OUTPUT", tr("Enhanced"), TIFF)
        yield explained(
            RasterDestination("CHANGE", tr("Change"), TIFF, is_optional=True),
            tr("What was added to each sample: the enhanced raster minus the input."),
        )
        yield report_file()
        yield QgsProcessingOutputString("MODEL_NAME", tr("Network that was used"))

    def problem(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        if self.parameterAsInt(parameters, "WINDOW_SIZE", context) % 64:
            return tr("The window is to be a multiple of 64 pixels.")
        return super().problem(parameters, context)

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        source = self.source("INPUT")
        output = self.output(parameters, context, tr("enhanced"))
        change = ""
        if parameters.get("CHANGE"):
            change = self.output(parameters, context, tr("change"), "CHANGE")
        monitor = self.monitor(feedback)
        session = self.open_engine(monitor, feedback)
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        execution = read_execution(
            self, parameters, context, self.parameterAsInt(parameters, "WINDOW_SIZE", context)
        )
        weights = self.parameterAsFile(parameters, "MODEL_FILE", context)
        repair = command.Repair(
            os.path.abspath(weights) if weights else word(self, parameters, "MODEL", context),
            optional_number(self, parameters, "STRENGTH", context),
            optional_number(self, parameters, "MAX_CHANGE", context),
            change,
        )
        words = command.enhance(
            command.Job(source, output, execution, report),
            read_product(self, parameters, context),
            repair,
            read_part(self, parameters, context, self.extent),
        )
        result = session.call(words, monitor, [output, change])
        model = result.get("model")
        name = str(model.get("name", "")) if isinstance(model, dict) else ""
        values = {"OUTPUT": output, "MODEL_NAME": name}
        optional = {"CHANGE": change, "REPORT": report}
        return {**values, **{key: path for key, path in optional.items() if path}}
