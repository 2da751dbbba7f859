"""`rsic:compare`: pixels and metadata of two rasters, with a page that shows them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..engine import command
from ..engine.capabilities import Capabilities
from ..engine.session import Monitor, PartMonitor, Session
from ..i18n import tr
from .base import Declarations, RsicAlgorithm
from .parameters import advanced, explained, finite, number, optional_number

_DIFFERENT = 4
_MEASURES = {"MS-SSIM": "ms_ssim", "GMSD": "gmsd"}
"""Measures of likeness under the engine's names."""


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
            "PSNR is of the worst band, over the pixels that are valid in the reference. It is relative to "
            "255 for bytes, of which red, green and blue count as one band, else to the bits the file tells "
            "of or to the range a band uses; it is empty where both are equal. Scenes agree where pixels and "
            "metadata are equal, or where the pixels are within the bounds given.\n\n"
            "MS-SSIM (1 = alike) and GMSD (0 = alike) say how alike both look. They are measured where they "
            "are chosen: that takes longer, and holds both scenes in memory.\n\n"
            "Outputs: a page with the numbers of every band, all differences in metadata, and pictures side "
            "by side with their difference; PSNR, RMSE, mean and largest error, samples that differ, number "
            "of differences in metadata, MS-SSIM and GMSD if they were chosen, and whether the scenes agree."
        )

    def declare(self, known: Capabilities) -> Declarations:
        yield QgsProcessingParameterRasterLayer("REFERENCE", tr("Reference"))
        yield QgsProcessingParameterRasterLayer("INPUT", tr("Compared with"))
        yield explained(
            number("MIN_PSNR", tr("Lowest PSNR to agree (dB)"), 0, 200),
            tr("Empty: pixels are to be equal."),
        )
        yield number("MAX_ERROR", tr("Largest error to agree"), 0, 1e9)
        damaged = QgsProcessingParameterBoolean(
            "ACCEPT_DAMAGED", tr("Compare what a damaged scene still holds"), defaultValue=False
        )
        yield advanced(damaged, tr("Otherwise a scene whose reader reports damage is an error."))
        metrics = QgsProcessingParameterEnum(
            "METRICS",
            tr("More measures"),
            options=list(_MEASURES),
            allowMultiple=True,
            optional=True,
            usesStaticStrings=True,
        )
        yield explained(metrics, tr("PSNR, RMSE, mean and largest error are always there."))
        ignore = QgsProcessingParameterString("IGNORE", tr("Metadata fields to leave out"), optional=True)
        yield advanced(ignore, tr("Names as the report shows them, separated by commas."))
        yield QgsProcessingParameterFileDestination(
            "REPORT", tr("Report"), tr("HTML file") + " (*.html)", optional=True, createByDefault=True
        )
        for name, text in (
            ("PSNR", tr("PSNR, of archives when decompressed (dB)")),
            ("RMSE", tr("RMSE")),
            ("MEAN_ERROR", tr("Mean error")),
            ("LARGEST_ERROR", tr("Largest error")),
            ("DIFFERENT_SAMPLES", tr("Samples that differ")),
            ("DIFFERENCES", tr("Differences in metadata")),
            ("MS_SSIM", "MS-SSIM"),
            ("GMSD", "GMSD"),
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
        monitor = self.monitor(feedback)
        session = self.open_engine(monitor, feedback)
        bounds = [optional_number(self, parameters, name, context) for name in ("MIN_PSNR", "MAX_ERROR")]
        words = command.compare(
            *names,
            *bounds,
            split_patterns(self.parameterAsString(parameters, "IGNORE", context)),
        )
        if self.parameterAsBool(parameters, "ACCEPT_DAMAGED", context):
            words.append("--accept-damaged")
        chosen = self.parameterAsEnumStrings(parameters, "METRICS", context)
        asked = [name for name in chosen if name in _MEASURES]  # none at all comes as one empty text
        first = PartMonitor(monitor, 0.0, 0.5) if asked else monitor
        result, exit_code = session.call_for_verdict(words, first, (0, _DIFFERENT))
        likeness = _likeness(session, names, asked, PartMonitor(monitor, 0.5, 1.0)) if asked else {}
        agree = exit_code == 0
        differences = len(result.get("metadata_diff") or [])
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        if report:
            pictures = side_by_side(*names, feedback)
            note = tr(
                "Both are stretched alike. Differences are amplified, each picture as far as it allows: the "
                "bar below it goes from none to the share of the range shown that its caption names. "
                "Archives are shown as other programs show them, not repaired."
            )
            parts = [figures(tr("Side by side"), pictures, note)]
            # Where nothing was demanded, a difference is neither good nor bad.
            verdict = agree if agree or any(bound is not None for bound in bounds) else None
            page = comparison_page(names, {**result, **likeness}, parts, verdict)
            Path(report).write_text(page, encoding="utf-8")
        values = {
            "PSNR": finite(result, "psnr"),
            "RMSE": finite(result, "rmse"),
            "MEAN_ERROR": _mean_error(result),
            "LARGEST_ERROR": finite(result, "max_abs_error"),
            "DIFFERENT_SAMPLES": finite(result, "different_samples"),
            "DIFFERENCES": differences,
            "AGREE": agree,
            **{_MEASURES[name].upper(): finite(likeness, _MEASURES[name]) for name in asked},
        }
        feedback.pushInfo(tr("The scenes agree.") if agree else tr("The scenes differ."))
        return {**values, **({"REPORT": report} if report else {})}


def _likeness(session: Session, names: tuple[str, str], asked: list[str], monitor: Monitor) -> dict[str, Any]:
    """Return the measures that were asked for."""
    scenes = session.call(command.likeness(*names), monitor).get("scenes") or [{}]
    return {_MEASURES[name]: scenes[0].get(_MEASURES[name]) for name in asked}


def _mean_error(result: dict[str, Any]) -> float | None:
    """Return the mean absolute error over the valid samples of all bands."""
    bands = result.get("bands") or []
    samples = sum(band.get("valid_samples") or 0 for band in bands)
    if not samples:
        return None
    return sum((band.get("mae") or 0.0) * (band.get("valid_samples") or 0) for band in bands) / samples
