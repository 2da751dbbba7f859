"""`rsic:validate`: is this archive whole?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsRasterLayer,
)

from ..engine import command
from ..engine.capabilities import Capabilities
from ..engine.errors import EngineError
from ..engine.wording import plain
from ..i18n import tr
from .base import Declarations, RsicAlgorithm
from .parameters import explained
from .sources import layer_source

_NOT_WHOLE = 4


class Validate(RsicAlgorithm):
    """Check an archive byte by byte against its checksums, and by decoding it."""

    NAME = "validate"
    GROUP = ("quality", "Quality")
    TAGS = "check,checksum,damage,integrity,archive,jp2,jpeg 2000"

    def displayName(self) -> str:
        return tr("Validate archive")

    def shortDescription(self) -> str:
        return tr("Checks whether an archive is whole: structure, checksums, pixels.")

    def shortHelpString(self) -> str:
        return tr(
            "Checks an archive byte by byte against its checksums and by decoding it. Without pixels only "
            "structure and checksums are checked, which is faster and finds damaged bytes too. A raster of "
            "another program is read through once.\n\n"
            "Outputs: a page with what was found, whether the file is whole, and the number of problems. A "
            "damaged file is a result, not a failure of the algorithm."
        )

    def declare(self, known: Capabilities) -> Declarations:
        names = " ".join(f"*{extension}" for extension in (*known.extensions(), ".j2k", ".tif", ".tiff"))
        pattern = f"{tr('Archives and rasters')} ({names});;{tr('All files')} (*)"
        yield QgsProcessingParameterFile("INPUT", tr("Archive"), fileFilter=pattern)
        yield explained(
            QgsProcessingParameterBoolean("PIXELS", tr("Decode every pixel"), defaultValue=True),
            tr("Without it structure and checksums only."),
        )
        yield QgsProcessingParameterFileDestination(
            "REPORT", tr("Report"), tr("HTML file") + " (*.html)", optional=True, createByDefault=True
        )
        yield QgsProcessingOutputBoolean("VALID", tr("The file is whole"))
        yield QgsProcessingOutputNumber("PROBLEMS", tr("Problems"))

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        from ..engine.report import validation_page

        value = parameters.get("INPUT")
        if isinstance(value, QgsRasterLayer):
            path = layer_source(value, self.capabilities().archive_extensions)
        else:
            path = self.parameterAsFile(parameters, "INPUT", context)
            path = os.path.abspath(path) if os.path.exists(path) else path
        if not path:
            raise EngineError(tr("No file was given."))
        monitor = self.monitor(feedback)
        session = self.open_engine(monitor, feedback)
        words = command.validate(path, self.parameterAsBool(parameters, "PIXELS", context))
        result, _ = session.call_for_verdict(words, monitor, (0, _NOT_WHOLE))
        problems = result.get("problems") or []
        for problem in problems:
            feedback.pushWarning(plain(str(problem), self.labels()))
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        if report:
            Path(report).write_text(validation_page(path, result), encoding="utf-8")
        is_valid = bool(result.get("valid"))
        feedback.pushInfo(tr("The file is whole.") if is_valid else tr("The file is damaged or incomplete."))
        values = {"VALID": is_valid, "PROBLEMS": len(problems)}
        return {**values, **({"REPORT": report} if report else {})}
