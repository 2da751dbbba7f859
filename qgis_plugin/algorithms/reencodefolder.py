"""`rsic:reencodefolder`: every scene of a folder into archives of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsVectorLayer,
)

from ..compat import FILE_FOLDER, LEVEL_WARNING, NUMBER_INTEGER
from ..engine.capabilities import Capabilities
from ..i18n import tr
from ..settings import greet
from .base import Declarations, RsicAlgorithm
from .parameters import (
    advanced,
    device_parameter,
    execution_parameters,
    explained,
    read_compression,
    read_execution,
    target_parameters,
    target_problem,
)

_PATTERNS = "*.tif;*.tiff;*.jp2;*.img;*.vrt"


class ReencodeFolder(RsicAlgorithm):
    """Archive every scene of a folder; nothing is overwritten, deleted or done twice."""

    NAME = "reencodefolder"
    GROUP = ("archive", "Archive")
    TAGS = "batch,folder,directory,many,bulk,store,migrate,jpeg 2000,compress"

    def displayName(self) -> str:
        return tr("Re-encode folder")

    def shortDescription(self) -> str:
        return tr("Archives every scene of a folder, and goes on where it was stopped.")

    def shortHelpString(self) -> str:
        return tr(
            "Archives every scene of a folder into another folder, which mirrors its subfolders. Sources are "
            "only read. Nothing that exists is overwritten. Every archive is verified by decoding it before "
            "it appears under its name.\n\n"
            "What was finished is written to a ledger in the output folder: run again with the same "
            "settings, scenes that are done are skipped, and those that failed are tried again. A scene that "
            "fails stops no other. The ledger rsic-batch.gpkg is a layer of footprints with the state of "
            "every scene; older engines keep a plain list.\n\n"
            "Outputs: a table with one line per scene, how many are done, skipped and failed (an output name "
            "that is taken by something else counts as failed), the compression ratio of all, and the ledger."
        )

    def declare(self, known: Capabilities) -> Declarations:
        yield QgsProcessingParameterFile("FOLDER", tr("Folder of scenes"), FILE_FOLDER)
        yield explained(
            QgsProcessingParameterString("PATTERN", tr("File names"), defaultValue=_PATTERNS),
            tr("Patterns separated by semicolons; * stands for any letters."),
        )
        yield QgsProcessingParameterBoolean("RECURSIVE", tr("Subfolders too"), defaultValue=True)
        yield from target_parameters(known)
        yield explained(
            QgsProcessingParameterBoolean(
                "RESUME", tr("Go on where an earlier run stopped"), defaultValue=True
            ),
            tr("Without it every output that exists counts as failed."),
        )
        jobs = QgsProcessingParameterNumber(
            "JOBS", tr("Scenes at a time"), NUMBER_INTEGER, defaultValue=1, minValue=1, maxValue=256
        )
        yield advanced(jobs, tr("Each needs memory and a processor core of its own."))
        yield from (device_parameter(known), *execution_parameters())
        yield QgsProcessingParameterFolderDestination("OUTPUT_FOLDER", tr("Folder of archives"))
        yield QgsProcessingParameterFileDestination(
            "SUMMARY", tr("Summary"), tr("CSV file") + " (*.csv)", optional=True, createByDefault=True
        )
        for name, text in (
            ("DONE", tr("Scenes archived")),
            ("SKIPPED", tr("Scenes that were done before")),
            ("FAILED", tr("Scenes that failed")),
            ("RATIO", tr("Compression ratio")),
        ):
            yield QgsProcessingOutputNumber(name, text)
        yield QgsProcessingOutputFile("LEDGER", tr("Ledger"))

    def problem(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        return target_problem(self, parameters, context, self.capabilities())

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        from ..engine import batch, folder

        monitor = self.monitor(feedback)
        session = self.open_engine(monitor, feedback)
        known = greet(session, monitor)
        has_batch = known.has_batch
        compression = read_compression(self, parameters, context)
        output = self.parameterAsString(parameters, "OUTPUT_FOLDER", context)
        job = folder.FolderJob(
            source=Path(self.parameterAsFile(parameters, "FOLDER", context)).absolute(),
            output=Path(output).absolute(),
            patterns=folder.split_patterns(self.parameterAsString(parameters, "PATTERN", context)),
            compression=compression,
            execution=read_execution(self, parameters, context),
            extension=known.extensions(compression.codec)[0],
            is_recursive=self.parameterAsBool(parameters, "RECURSIVE", context),
            is_resuming=self.parameterAsBool(parameters, "RESUME", context),
        )
        if has_batch:
            options = batch.BatchOptions(jobs=self.parameterAsInt(parameters, "JOBS", context))
            summary = batch.reencode_with_batch(session, job, options, monitor)
        else:
            summary = folder.reencode_folder(session, job, monitor)
        ledger = job.output / (batch.LEDGER if has_batch else folder.LEDGER)
        if not summary.rows:
            feedback.pushWarning(tr("No scene in this folder has a name of these patterns."))
        path = self.parameterAsFileOutput(parameters, "SUMMARY", context)
        if path:
            summary.write_csv(Path(path))
        values = {
            "DONE": summary.count(folder.DONE),
            "SKIPPED": summary.count(folder.SKIPPED),
            "FAILED": summary.count(folder.FAILED) + summary.count(folder.EXISTS),
            "RATIO": summary.ratio,
        }
        feedback.pushInfo(
            tr("{done} done, {skipped} done before, {failed} failed").format(
                done=values["DONE"], skipped=values["SKIPPED"], failed=values["FAILED"]
            )
        )
        if values["FAILED"]:
            feedback.pushWarning(
                tr("{failed} of {total} scenes failed; the table and the ledger say why.").format(
                    failed=values["FAILED"], total=len(summary.rows)
                )
            )
        if has_batch and summary.rows and context.project() is not None:
            self._show(ledger, context)
        return {
            "OUTPUT_FOLDER": output,
            "LEDGER": str(ledger),
            **values,
            **({"SUMMARY": path} if path else {}),
        }

    def _show(self, ledger: Path, context: QgsProcessingContext) -> None:
        """Let QGIS load the ledger, whose colours lie in it, when the run is over."""
        details = context.layerToLoadOnCompletionDetails(f"{ledger}|layername=scenes")  # makes an entry
        details.name = tr("Scenes of {folder}").format(folder=ledger.parent.name)
        details.project = context.project()
        details.outputName = "LEDGER"
        details.setPostProcessor(_MARKING)


class _Marking(QgsProcessingLayerPostProcessorInterface):
    """Selects scenes without an archive in the layer of a ledger, and counts them above the map."""

    def postProcessLayer(
        self, layer: QgsVectorLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        layer.loadDefaultStyle()  # colours by state, which lie in the ledger
        layer.selectByExpression("\"state\" IN ('failed', 'skipped')")
        count = layer.selectedFeatureCount()
        if not count:
            return
        text = tr(
            "{failed} of {total} scenes have no archive: they are selected in the layer {layer}."
        ).format(failed=count, total=layer.featureCount(), layer=layer.name())
        feedback.pushWarning(text)
        from qgis.utils import iface

        if iface is not None:
            iface.messageBar().pushMessage("RSIC", text, LEVEL_WARNING, 0)


_MARKING = _Marking()
"""QGIS keeps no reference to it, and the algorithm that ran is gone when it is needed."""
