"""What all algorithms share: the engine, its messages in QGIS's log, errors as one clear exception."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Union

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingUtils,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QCoreApplication, QThread, QUrl
from qgis.PyQt.QtGui import QIcon

from ..amounts import time_text
from ..engine.capabilities import Capabilities
from ..engine.errors import EngineCancelledError, EngineError
from ..engine.session import Monitor, Session
from ..engine.wording import Labels, error_text, plain, scene_text
from ..i18n import tr
from ..settings import current_capabilities, engine_problem, greet, open_session
from .sources import is_same_file, raster_source

Declaration = Union[QgsProcessingParameterDefinition, QgsProcessingOutputDefinition]  # noqa: UP007 - Python 3.9
Declarations = Iterator[Declaration]
FOLDER = Path(__file__).resolve().parents[1]
_BETWEEN = 10.0
"""Seconds between two words on the time that is left: each is a line of the log, too."""
_SOME = 0.02
"""Share of a job before which nothing can be said of its end."""


class QgisMonitor(Monitor):
    """Shows a run of the engine in a Processing dialog's log and progress bar."""

    def __init__(self, feedback: QgsProcessingFeedback, labels: Labels) -> None:
        """Hold where to show it, and what the dialog calls its parameters."""
        self._feedback, self._labels = feedback, labels
        self._started = self._last_said = time.monotonic()
        self._stage = ""
        self._is_in_the_way = QThread.currentThread() == QCoreApplication.instance().thread()

    def is_cancelled(self) -> bool:
        """Whether the user pressed Cancel. In the window's thread, lets the press come through."""
        if self._is_in_the_way:
            QCoreApplication.processEvents()
        return self._feedback.isCanceled()

    def progress(self, fraction: float) -> None:
        """Move the progress bar, and say now and then how long it may still take."""
        self._feedback.setProgress(100 * fraction)
        now = time.monotonic()
        if now - self._last_said < _BETWEEN or not _SOME <= fraction < 1:
            return
        self._last_said = now
        left = time_text((now - self._started) * (1 - fraction) / fraction)
        self._feedback.setProgressText(tr("{stage}: about {time} left").format(stage=self._stage, time=left))

    def stage(self, text: str) -> None:
        """Show what is being done."""
        self._stage = plain(text, self._labels)
        self._feedback.setProgressText(self._stage)

    def warning(self, text: str) -> None:
        """Show what the user should know."""
        self._feedback.pushWarning(plain(text, self._labels))

    def failed_scene(self, source: str, text: str, kind: str) -> None:
        """Show what went wrong with a scene of a folder."""
        said = scene_text(text, kind, tr, self._labels)
        self._feedback.pushWarning(f"{Path(source).name}: {said}")

    def console(self, text: str) -> None:
        """Show a line the engine's libraries wrote."""
        self._feedback.pushConsoleInfo(plain(text, self._labels))


class RsicAlgorithm(QgsProcessingAlgorithm):
    """One verb of the engine. Subclasses say what it takes, and call the engine in ``work``."""

    NAME = ""
    GROUP = ("", "")
    """Identifier and name; the name is translated when it is shown."""
    SOURCES: tuple[str, ...] = ()
    """Parameters that are rasters the engine opens."""
    TAGS = ""
    """Comma separated words the toolbox finds the algorithm by, beside its name."""

    def __init__(self, known: Capabilities | None = None) -> None:
        """Make the provider's own instance, which shows the choices ``known``, or one that asks for them."""
        super().__init__()
        self._known = known
        self._sources: dict[str, str] = {}
        self.extent: QgsRectangle | None = None

    def createInstance(self) -> RsicAlgorithm:
        # The provider's own instances only show names; one made to be used may ask the engine for choices.
        return type(self)()

    def name(self) -> str:
        return self.NAME

    def groupId(self) -> str:
        return self.GROUP[0]

    def group(self) -> str:
        return tr(self.GROUP[1])

    def tags(self) -> list[str]:
        return [*tr(self.TAGS).split(","), "rsic"]

    def svgIconPath(self) -> str:
        return str(FOLDER / "icons" / f"{self.NAME}.svg")

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def helpUrl(self) -> str:
        url = QUrl.fromLocalFile(str(FOLDER / "help" / "index.html"))
        url.setFragment(self.NAME)
        return url.toString()

    def canExecute(self) -> tuple[bool, str]:
        problem = engine_problem()
        return not problem, problem

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:
        for declaration in self.declare(self.capabilities()):
            if isinstance(declaration, QgsProcessingParameterDefinition):
                is_added = self.addParameter(declaration)
            else:
                is_added = self.addOutput(declaration)
            if not is_added:
                raise QgsProcessingException(f"{self.NAME} declares {declaration.name()} twice")

    def declare(self, known: Capabilities) -> Declarations:
        """Yield parameters and outputs in the order of the dialog; ``known`` are the choices to offer."""
        raise NotImplementedError

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        if self._known is not None:
            # qgis_process asks the provider's own instance, which knows too few choices where the engine was
            # never asked for them.
            return self.create().checkParameterValues(parameters, context)
        text = self._source_problem(parameters, context)
        if not text:
            is_fine, text = super().checkParameterValues(self._openable(parameters, context), context)
            if is_fine:
                text = self.problem(parameters, context)
        return not text, text

    def _openable(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return the values with a picture of ours for every raster that is there and QGIS cannot open.

        QGIS would call such a file "not found"; the engine is asked what is wrong with it.
        """
        unopenable = [
            name for name in self.SOURCES if self.parameterAsRasterLayer(parameters, name, context) is None
        ]
        return {**parameters, **dict.fromkeys(unopenable, str(FOLDER / "icons" / "rsic.png"))}

    def _source_problem(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        """Return what is wrong with the rasters given; empty if nothing but what the engine will find."""
        try:
            for name in self.SOURCES:
                raster_source(self, parameters, name, context)
        except EngineError as error:
            return self.said(error)
        return ""

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        # The one step that QGIS runs in the thread layers belong to.
        try:
            self._sources = {name: raster_source(self, parameters, name, context) for name in self.SOURCES}
        except EngineError as error:
            raise QgsProcessingException(self.said(error)) from error
        self.extent = self._extent(parameters, context)
        return True

    def _extent(self, parameters: dict[str, Any], context: QgsProcessingContext) -> QgsRectangle | None:
        """Return the parameter EXTENT in the reference system of INPUT; None where none was given."""
        if self.parameterDefinition("EXTENT") is None or not parameters.get("EXTENT"):
            return None
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        crs = layer.crs() if layer is not None else QgsCoordinateReferenceSystem()
        extent = self.parameterAsExtent(parameters, "EXTENT", context, crs)
        return None if extent.isNull() else extent

    def source(self, name: str) -> str:
        """Return the file behind a raster parameter."""
        return self._sources[name]

    def output(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        what: str,
        name: str = "OUTPUT",
        extensions: Sequence[str] = (),
    ) -> str:
        """Return the file of a raster output; its layer is named after INPUT where we may.

        Args:
            parameters: of the run.
            context: of the run.
            what: said of the layer.
            name: of the output.
            extensions: with the dot; the file has to end in one of them, a temporary file gets the first.

        Raises:
            EngineError: if it is INPUT, or its name ends in something else.
        """
        path = self.parameterAsOutputLayer(parameters, name, context)
        is_temporary = _is_temporary(path)
        allowed = tuple(extensions[:1] if is_temporary else extensions)
        if extensions and not path.lower().endswith(allowed):
            if not is_temporary:
                raise EngineError(
                    tr("The name of an archive of this codec ends in {extension}.").format(
                        extension=extensions[0]
                    )
                )
            path = _renamed(path, extensions[0], context)
        source = self.source("INPUT")
        if is_same_file(source, path):
            raise EngineError(tr("Input and output are the same file: choose another output."))
        if context.willLoadLayerOnCompletion(path):
            context.layerToLoadOnCompletionDetails(path).name = f"{Path(source).stem} ({what})"
        return path

    def problem(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        """Return what is wrong with values that are fine one by one; empty if nothing."""
        return ""

    def labels(self) -> dict[str, str]:
        """Return what the dialog calls its parameters, by their names."""
        return {definition.name(): definition.description() for definition in self.parameterDefinitions()}

    def said(self, error: Exception) -> str:
        """Return what the dialog says of an error."""
        return error_text(error, tr, self.labels())

    def monitor(self, feedback: QgsProcessingFeedback) -> QgisMonitor:
        """Return who shows a run of the engine in ``feedback``."""
        return QgisMonitor(feedback, self.labels())

    def capabilities(self) -> Capabilities:
        """Return the choices to offer."""
        return current_capabilities() if self._known is None else self._known

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        try:
            return self.work(parameters, context, feedback)
        except EngineCancelledError:
            feedback.pushInfo(tr("Cancelled: nothing was written."))
            return {}
        except EngineError as error:
            raise QgsProcessingException(self.said(error)) from error

    def work(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Do the work and return the outputs.

        Raises:
            EngineError: shown to the user in the dialog's words.
        """
        raise NotImplementedError

    def open_engine(self, monitor: QgisMonitor, feedback: QgsProcessingFeedback) -> Session:
        """Return the engine, once it has said that it understands this plugin.

        Raises:
            EngineError: if there is none or it does not.
        """
        session = open_session()
        version = greet(session, monitor).version
        feedback.pushInfo(
            tr("Engine: rsic {version}, {program} ({origin})").format(
                version=version, program=session.engine.program, origin=session.engine.origin
            )
        )
        return session


def _is_temporary(path: str) -> bool:
    """Whether QGIS made up the name."""
    return Path(QgsProcessingUtils.tempFolder()) in Path(path).parents


def _renamed(path: str, extension: str, context: QgsProcessingContext) -> str:
    """Return a name QGIS made up with another extension, under which its layer is then loaded."""
    other = str(Path(path).with_suffix(extension))
    layers = context.layersToLoadOnCompletion()
    if path in layers:
        layers[other] = layers.pop(path)
        context.setLayersToLoadOnCompletion(layers)
    return other
