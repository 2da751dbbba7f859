"""`rsic:compare`: pixels and metadata of two rasters, with a page that shows them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..engine import command
from ..engine.capabilities import Capabilities
from ..i18n import tr
from .base import Declarations, QgisMonitor, RsicAlgorithm
from .parameters import advanced, explained, finite, number, optional_number

_DIFFERENT = 4


class Compare(RsicAlgorithm):
    """Say how two rasters differ, and show it."""

    NAME = "compare"
    GROUP = ("quality", "Quality")
    SOURCES = ("REFERENCE", "INPUT")
    TAGS = "difference,psnr,rmse,quality,metadata,verify,equal,report"

    def displayName(self) -> str:
        return tr("Compare scenes")

    def shortDescription(self) -> str:
        return tr("Compares pixels and every piece of metadata, and shows both scenes side by side.")

    def shortHelpString(self) -> str:
        return tr(
            "Compares every pixel and every piece of metadata of a raster with a reference. An archive is "
            "compared by what it decompresses to.\n\n"
            "PSNR has the peak of the data type and is over the pixels that are valid in the reference; it "
            "is empty where both are equal. Scenes agree where pixels and metadata are equal, or where the "
            "pixels are within the bounds given.\n\n"
            "Outputs: a page with the numbers of every band, all differences in metadata, and pictures side "
            "by side with their difference; PSNR, RMSE, largest error, samples that differ, number of "
            "differences in metadata, and whether the scenes agree."
        )

    def declare(self, known: Capabilities) -> Declarations:
        yield QgsProcessingParameterRasterLayer("REFERENCE", tr("Reference"))
        yield QgsProcessingParameterRasterLayer("INPUT", tr("Compared with"))
        yield explained(
            number("MIN_PSNR", tr("Lowest PSNR to agree (dB)"), 0, 200),
            tr("Empty: pixels are to be equal."),
        )
        yield number("MAX_ERROR", tr("Largest error to agree"), 0, 1e9)
        ignore = QgsProcessingParameterString("IGNORE", tr("Metadata fields to leave out"), optional=True)
        yield advanced(ignore, tr("Names as the report shows them, separated by commas."))
        yield QgsProcessingParameterFileDestination(
            "REPORT", tr("Report"), tr("HTML file") + " (*.html)", optional=True, createByDefault=True
        )
        for name, text in (
            ("PSNR", tr("PSNR (dB)")),
            ("RMSE", tr("RMSE")),
            ("LARGEST_ERROR", tr("Largest error")),
            ("DIFFERENT_SAMPLES", tr("Samples that differ")),
            ("DIFFERENCES", tr("Differences in metadata")),
        ):
            yield QgsProcessingOutputNumber(name, text)
        yield QgsProcessingOutputBoolean("AGREE", tr("Scenes agree"))

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        from ..engine.folder import split_patterns
        from ..engine.report import comparison_page, figures
        from ..pictures import side_by_side

        names = (self.source("REFERENCE"), self.source("INPUT"))
        monitor = QgisMonitor(feedback)
        session = self.open_engine(monitor, feedback)
        words = command.compare(
            *names,
            optional_number(self, parameters, "MIN_PSNR", context),
            optional_number(self, parameters, "MAX_ERROR", context),
            split_patterns(self.parameterAsString(parameters, "IGNORE", context)),
        )
        result, exit_code = session.call_for_verdict(words, monitor, (0, _DIFFERENT))
        agree = exit_code == 0
        differences = len(result.get("metadata_diff") or [])
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        if report:
            pictures = side_by_side(*names, feedback)
            note = tr(
                "Both are stretched alike. The difference is amplified 4 times. Archives are shown as other "
                "programs show them, not repaired."
            )
            parts = [figures(tr("Side by side"), pictures, note)]
            Path(report).write_text(comparison_page(names, result, parts, agree), encoding="utf-8")
        values = {
            "PSNR": finite(result, "psnr"),
            "RMSE": finite(result, "rmse"),
            "LARGEST_ERROR": finite(result, "max_abs_error"),
            "DIFFERENT_SAMPLES": finite(result, "different_samples"),
            "DIFFERENCES": differences,
            "AGREE": agree,
        }
        feedback.pushInfo(tr("The scenes agree.") if agree else tr("The scenes differ."))
        return {**values, **({"REPORT": report} if report else {})}
