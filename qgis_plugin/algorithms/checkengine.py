"""`rsic:checkengine`: is the program there that does the work?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputString,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
)

from ..engine.capabilities import Capabilities
from ..engine.command import TALK
from ..engine.errors import EXIT_UNAVAILABLE
from ..i18n import tr
from ..settings import ask_capabilities, open_session
from .base import Declarations, QgisMonitor, RsicAlgorithm
from .parameters import explained


class CheckEngine(RsicAlgorithm):
    """Find the engine, ask what it can do, and let it examine itself."""

    NAME = "checkengine"
    GROUP = ("setup", "Setup")
    TAGS = "install,doctor,settings,test,diagnose,gpu,cuda,version"

    def displayName(self) -> str:
        return tr("Check engine")

    def shortDescription(self) -> str:
        return tr("Says whether the program rsic is there and works, and what to do if not.")

    def shortHelpString(self) -> str:
        return tr(
            "Finds the program rsic, asks it what it can do, and lets it examine itself: libraries, drivers, "
            "GPU, networks, disk space.\n\n"
            "It is searched for in Settings > Options > RSIC, the environment variable RSIC_ENGINE, PATH, "
            "and the folder .venv of the checkout this plugin is linked from, in this order. To try another "
            "one, give the path of its rsic, of a Python that has it, or of their environment's "
            "folder.\n\n"
            "Outputs: a page with what was found, whether all is well, and the engine's version."
        )

    def declare(self, known: Capabilities) -> Declarations:
        yield explained(
            QgsProcessingParameterFile("ENGINE", tr("Engine to check"), optional=True),
            tr("Empty: the one the other algorithms use."),
        )
        yield QgsProcessingParameterFileDestination(
            "REPORT", tr("Report"), tr("HTML file") + " (*.html)", optional=True, createByDefault=True
        )
        yield QgsProcessingOutputBoolean("HEALTHY", tr("All is well"))
        yield QgsProcessingOutputString("VERSION", tr("Version of the engine"))

    def canExecute(self) -> tuple[bool, str]:
        return True, ""  # finding out what is wrong is what this one is for

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        from ..engine.report import engine_page

        monitor = QgisMonitor(feedback)
        session = open_session(self.parameterAsFile(parameters, "ENGINE", context))
        known = ask_capabilities(session, monitor)
        result, _ = session.call_for_verdict(["doctor", *TALK], monitor, (0, EXIT_UNAVAILABLE))
        is_healthy = bool(result.get("healthy"))
        for finding in result.get("findings") or []:
            if finding.get("status") != "ok":
                advice = f" -> {finding['advice']}" if finding.get("advice") else ""
                feedback.pushWarning(f"{finding.get('name')}: {finding.get('detail')}{advice}")
        program = {
            tr("Program"): str(session.engine.program),
            tr("Found by"): session.engine.origin,
            tr("Version"): known.version,
            tr("Codecs"): ", ".join(known.codecs),
            tr("Networks"): ", ".join(known.models),
            tr("Devices"): ", ".join(known.devices),
        }
        for name, value in program.items():
            feedback.pushInfo(f"{name}: {value}")
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        if report:
            Path(report).write_text(engine_page(program, result), encoding="utf-8")
        values = {"HEALTHY": is_healthy, "VERSION": known.version}
        return {**values, **({"REPORT": report} if report else {})}
