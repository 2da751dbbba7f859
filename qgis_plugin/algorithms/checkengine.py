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
from ..engine.errors import EXIT_UNAVAILABLE, EngineCancelledError, EngineError, EngineMissingError
from ..engine.wording import plain
from ..i18n import tr
from ..settings import ask_capabilities, open_session
from .base import Declarations, RsicAlgorithm
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
            "Outputs: a page with what was found and what to do, whether all is well, and the engine's "
            "version (empty without an engine). That something is missing is a result, not a failure of the "
            "algorithm."
        )

    def declare(self, known: Capabilities) -> Declarations:
        yield explained(
            QgsProcessingParameterFile(
                # QGIS's own filter, *.*, would refuse programs whose name has no dot.
                "ENGINE",
                tr("Engine to check"),
                optional=True,
                fileFilter=tr("All files") + " (*)",
            ),
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
        from ..engine.report import engine_page, missing_page

        monitor = self.monitor(feedback)
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        written = {"REPORT": report} if report else {}
        try:
            session = open_session(self.parameterAsFile(parameters, "ENGINE", context))
            known = ask_capabilities(session, monitor)
            result, _ = session.call_for_verdict(["doctor", *TALK], monitor, (0, EXIT_UNAVAILABLE))
        except EngineCancelledError:
            raise
        except (EngineError, OSError) as error:
            reason = error.reason(tr) if isinstance(error, EngineMissingError) else self.said(error)
            feedback.pushWarning("\n".join([reason, "", *_steps()]))
            if report:
                Path(report).write_text(missing_page(reason, _steps()), encoding="utf-8")
            return {"HEALTHY": False, "VERSION": "", **written}
        is_healthy = bool(result.get("healthy"))
        findings = [_in_words(finding) for finding in result.get("findings") or []]
        for finding in findings:
            if finding["status"] != "ok":
                advice = f" -> {finding['advice']}" if finding["advice"] else ""
                feedback.pushWarning(f"{finding['name']}: {finding['detail']}{advice}")
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
        if report:
            page = engine_page(program, {**result, "findings": findings})
            Path(report).write_text(page, encoding="utf-8")
        return {"HEALTHY": is_healthy, "VERSION": known.version, **written}


def _steps() -> list[str]:
    """Return how to get an engine, a line each."""
    return [
        tr("What to do:"),
        tr("1. Have Python 3.11 or newer; that of QGIS is not used."),
        tr(
            "2. In a terminal, make an environment for the engine (python -m venv rsic-engine) and install "
            "the Python package rsic-geo into it (rsic-engine/bin/pip install FOLDER, on Windows "
            "rsic-engine\\Scripts\\pip; FOLDER is that of its source)."
        ),
        tr("3. Give the path of that environment in Settings > Options > RSIC, and press Test."),
        tr("4. Run Check engine again: it says whether all the engine needs is there."),
    ]


def _in_words(finding: dict[str, Any]) -> dict[str, str]:
    """Return a finding without words of a command line."""
    return {key: plain(str(finding.get(key) or "")) for key in ("name", "status", "detail", "advice")}
